"""`mdweights modes`, from the command line to its files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

from mdweights_core.cli.main import main

Run = Callable[..., Any]


@pytest.fixture
def peptide(shared_data: Path) -> Path:
    return shared_data / "peptides" / "1PLW.pdb"


@pytest.fixture
def modes(peptide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in an empty folder; what it printed as JSON, or said in vain."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, fails: int = 0, of: Path = peptide) -> Any:
        code = main(["modes", str(of), *map(str, words), "--json"])
        told = capsys.readouterr()
        assert code == fails, told.err
        return told.err if fails else json.loads(told.out)

    return run


def rows_of(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_network_has_frequencies_beside_the_lowest(modes: Run, peptide: Path) -> None:
    told = modes("--count", "6", "--out", "modes.csv", "--frames", peptide)
    first, *_, last = told["modes"]
    assert (told["n_atoms"], told["unit"], len(told["modes"])) == (75, "lowest = 1", 6)
    assert first["frequency"] == 1
    assert last["frequency"] == pytest.approx((last["eigenvalue"] / first["eigenvalue"]) ** 0.5)
    assert 0 < sum(line["share"] for line in told["modes"]) < 1
    assert [float(row["eigenvalue"]) for row in rows_of("modes.csv")] == [line["eigenvalue"] for line in told["modes"]]


def test_a_film_swings_as_far_as_asked(modes: Run, peptide: Path) -> None:
    words = ("--select", "not element H", "--mode", "2", "--amplitude", "0.8", "--model", "3")
    told = modes(*words, "--film", "swing.xtc")
    assert told["files"] == ["swing.xtc", "swing.pdb"]
    film = mdtraj.load("swing.xtc", top="swing.pdb")
    models = mdtraj.load_pdb(str(peptide), no_boxchk=True)
    heavy = models.topology.select("not element H")
    np.testing.assert_allclose(film.xyz[0], models.xyz[2, heavy], atol=2e-3)
    far = np.sqrt(((film.xyz - film.xyz[0]) ** 2).sum(axis=2).mean(axis=1))
    assert far.max() == pytest.approx(0.08, abs=2e-3)
    assert list(map(str, film.topology.atoms)) == [str(models.topology.atom(i)) for i in heavy]
    modes(*words, "--film", "swing.pdb")
    np.testing.assert_allclose(mdtraj.load("swing.pdb").xyz, film.xyz, atol=2e-3)


def test_frames_lie_along_the_mode_they_swing_in(modes: Run) -> None:
    modes("--count", "3", "--mode", "2", "--amplitude", "0.5", "--film", "swing.xtc")
    modes("--count", "3", "--frames", "swing.xtc", "--projection", "along.csv")
    along = np.array([[float(row[f"mode_{i}"]) for i in (1, 2, 3)] for row in rows_of("along.csv")])
    phase = np.sin(2 * np.pi * np.arange(24) / 24)
    np.testing.assert_allclose(along[:, 1], 0.5 * 75**0.5 * phase, atol=0.1)  # rms over 75 atoms, Å
    np.testing.assert_allclose(along[:, [0, 2]], 0, atol=0.1)


def test_residues_move_as_a_whole(modes: Run, peptide: Path) -> None:
    told = modes("--of", "blocks", "--count", "100", "--amplitude", "0.1", "--film", "swing.pdb")
    assert len(told["modes"]) == 5 * 6 - 6
    film = mdtraj.load("swing.pdb")
    ring = film.topology.select("resid 0 and element C")
    apart = np.linalg.norm(film.xyz[:, ring[:, None]] - film.xyz[:, ring[None]], axis=3)
    np.testing.assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=2e-3)  # turns to first order


def test_a_minimum_has_wavenumbers(modes: Run) -> None:
    told = modes("--of", "hessian", "--solvent", "none", "--count", "4")
    found = [line["frequency"] for line in told["modes"]]
    assert told["unit"] == "1/cm"
    assert found == sorted(found)
    assert 1 < found[0] < 100


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--mode", "2"), "--mode does nothing without --film"),
        (("--projection", "p.csv"), "nothing without --frames"),
        (("--film", "f.dcd"), "must end in .pdb or .xtc"),
        (("--out", "f.txt"), "must end in .csv"),
        (("--springs", "-1"), "join nothing"),
        (("--springs", "nan"), "join nothing"),
        (("--amplitude", "0", "--film", "f.pdb"), "shows nothing"),
        (("--mode", "30", "--film", "f.pdb"), "not among 20 modes"),
        (("--of", "hessian", "--select", "name CA"), "--select is for networks"),
        (("--solvent", "none"), "A network knows no force field"),
        (("--select", "name CA and resid 1"), "Fewer than three atoms"),
        (("--model", "81"), "no model 81"),
        (("--select", "name XX"), "XX"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(modes: Run, words: tuple[str, ...], told: str) -> None:
    error = modes(*words, fails=2)
    assert told in error
    assert "Traceback" not in error


def test_a_trajectory_is_no_structure(modes: Run) -> None:
    modes("--count", "3", "--film", "swing.xtc")
    assert "no structure with its atoms" in modes(of=Path("swing.xtc"), fails=2)


def test_frames_of_other_atoms_are_refused(modes: Run, peptide: Path) -> None:
    assert "other atoms" in modes("--frames", peptide.with_name("2JOF.pdb"), fails=2)
