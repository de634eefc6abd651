"""Tables of energies as programs write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.meaning.energies import energies_of_frames, read_energies


def _file(folder: Path, text: str) -> Path:
    path = folder / "energies.txt"
    path.write_text(text)
    return path


def test_one_column_of_numbers(tmp_path: Path):
    table = read_energies(_file(tmp_path, "-1.5e3\n\n-2.5\nnan\n"))
    assert table.names == ("energy",)
    np.testing.assert_array_equal(table.values, [[-1500, -2.5, np.nan]])


def test_comma_separated_with_names_and_time(tmp_path: Path):
    table = read_energies(_file(tmp_path, 'Time (ns),"Potential Energy",Potential Energy\n0.5,-7,1\n1.0,-8,2\n'))
    assert table.names == ("Potential Energy", "Potential Energy (2)")
    np.testing.assert_array_equal(table.time, [500, 1000])
    np.testing.assert_array_equal(table.values, [[-7, -8], [1, 2]])


def test_xvg_of_gromacs(tmp_path: Path):
    head = '# made by gmx\n@ title "Energies"\n@    xaxis  label "Time (ps)"\n@    yaxis  label "(kJ/mol)"\n'
    table = read_energies(
        _file(tmp_path, head + '@ s0 legend "Potential"\n@ s1 legend "LJ (SR)"\n 0.0 -9 1\n 2.0 -8 3\n')
    )
    assert table.names == ("Potential", "LJ (SR)")
    np.testing.assert_array_equal(table.time, [0, 2])


def test_columns_named_in_a_comment(tmp_path: Path):
    table = read_energies(_file(tmp_path, "# made today\n#Step Etot Epot\n1 5 6\n2 7 8\n"))
    assert table.names == ("Etot", "Epot")


def test_rows_are_found_by_time_when_there_are_more(tmp_path: Path):
    table = read_energies(_file(tmp_path, "time energy\n0 1\n1 2\n2 3\n3 4\n4 5\n"))
    np.testing.assert_array_equal(energies_of_frames(table, np.array([4.0, 0.0, 2.0]), "x"), [[5, 1, 3]])


@pytest.mark.parametrize("time", [[0.0, 0.5], [0.0, 0.0], [np.nan, 1.0]])
def test_frames_without_a_row_are_told(tmp_path: Path, time: list[float]):
    table = read_energies(_file(tmp_path, "time energy\n0 1\n1 2\n2 3\n"))
    with pytest.raises(BadInput, match="3 rows but there are 2 frames"):
        energies_of_frames(table, np.array(time), "x")


@pytest.mark.parametrize(
    ("text", "what"),
    [("names only\n", "no numbers"), ("1 2\n3\n", "Line 2 has 1 number"), ("1\ntwo\n", "Line 2 has something")],
)
def test_what_is_no_table_is_told(tmp_path: Path, text: str, what: str):
    with pytest.raises(BadInput, match=what):
        read_energies(_file(tmp_path, text))
