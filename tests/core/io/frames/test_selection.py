from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import SOLVENT, WATER, Atoms, make_atoms
from mdweights_core.io.frames.selection import is_water, residue_index, select_atoms
from mdweights_core.io.frames.trajectories import open_frames

ALANINE = [("N", "N"), ("H", "H"), ("CA", "C"), ("HA", "H"), ("CB", "C"), ("C", "C"), ("O", "O")]
WATER_ATOMS = [("O", "O"), ("H1", "H"), ("H2", "H")]


def topology(*residues: tuple[str, str, list[tuple[str, str]]]) -> Atoms:
    """Atoms of residues (chain, residue name, [(atom name, element)]), numbered from 11."""
    rows = [(e, n, name, 11 + i, chain) for i, (chain, name, parts) in enumerate(residues) for n, e in parts]
    return make_atoms(*zip(*rows, strict=True))


@pytest.fixture
def atoms() -> Atoms:
    return topology(
        ("A", "ALA", ALANINE),
        ("A", "HID", ALANINE),
        ("B", "NALA", ALANINE),
        ("B", "DA", [("P", "P"), ("C5'", "C")]),
        ("W", "TIP3", WATER_ATOMS),
        ("W", "CLA", [("CLA", "Cl")]),
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", range(27)),
        ("all", range(27)),
        ("protein", range(21)),
        ("water", [23, 24, 25]),
        ("not water", [*range(23), 26]),
        ("nucleic", [21, 22]),
        ("name CA", [2, 9, 16]),
        ('name "C5\'"', [22]),
        ("backbone and chainid 0", [0, 2, 5, 6, 7, 9, 12, 13]),
        ("sidechain", [4, 11, 18]),
        ("chainid 0 and resid 1 to 20", range(7, 14)),
        ("residue 11 13 and element N", [0, 14]),
        ("segname B and not element H", [14, 16, 18, 19, 20, 21, 22]),
        ("resname HID", range(7, 14)),
        ("code H and name O", [13]),
        ("mass > 30", [21, 26]),
        ("index < 3 or (water and symbol O)", [0, 1, 2, 23]),
        ('resname =~ "TIP.*"', [23, 24, 25]),
        ("not (water or (protein and not (name CA or (name N and (chainid 0)))))", [0, 2, 7, 9, 16, 21, 22, 26]),
    ],
)
def test_what_a_text_chooses(atoms, text, rows):
    chosen = select_atoms(atoms, text)
    assert chosen.dtype == np.int64
    assert chosen.tolist() == list(rows)


@pytest.mark.parametrize(
    "text",
    [
        *("proteins", "name CA and", "chain A", "5", "name < 5", "n_bonds 2", "(" * 60, "name class", "mass 1.2.3"),
        *('name =~ "("', "within 5 of protein", "resid 1 to", "import os", "name CA; water"),
    ],
)
def test_a_text_that_is_no_selection(atoms, text):
    with pytest.raises(BadInput, match="is not a selection of atoms") as problem:
        select_atoms(atoms, text)
    assert "not water" in problem.value.sentence


def test_a_long_text_is_cut_short_and_limits_are_as_before(atoms):
    limit = sys.getrecursionlimit()
    with pytest.raises(BadInput, match="is not a selection of atoms") as problem:
        select_atoms(atoms, "(" * 5000)
    assert len(problem.value.sentence) < 250
    assert sys.getrecursionlimit() == limit


def test_a_selection_of_nothing_names_what_there_is(atoms):
    with pytest.raises(BadInput, match="none of the 27 atoms") as problem:
        select_atoms(atoms, "resname ATP")
    assert "TIP3" in problem.value.sentence


@pytest.mark.parametrize("name", sorted(SOLVENT))
def test_every_name_of_water_is_water_and_no_ion_is(name):
    atoms = topology(("A", "GLY", ALANINE[:3]), ("W", name, [("O", "O")]), ("W", name.lower(), [("O", "O")]))
    found = is_water(atoms)
    assert found.tolist() == [False] * 3 + [name in WATER] * 2
    assert select_atoms(atoms, "protein").tolist() == [0, 1, 2]
    if name in WATER:
        assert select_atoms(atoms, "water").tolist() == [3, 4]


def test_residues_are_told_apart_by_chain_number_and_name(atoms):
    assert residue_index(atoms).tolist() == [0] * 7 + [1] * 7 + [2] * 7 + [3] * 2 + [4] * 3 + [5]


def test_a_hundred_thousand_atoms_take_a_moment():
    n = 33_334
    atoms = make_atoms(
        ["O", "H", "H"] * n, ["OW", "HW1", "HW2"] * n, ["SOL"] * 3 * n, np.repeat(np.arange(n), 3), ["A"] * 3 * n
    )
    began = time.monotonic()
    assert len(select_atoms(atoms, "water and not element H")) == n
    assert time.monotonic() - began < 5
    began = time.monotonic()
    assert len(select_atoms(atoms, "name HW1")) == n
    assert time.monotonic() - began < 2


def test_selections_of_real_systems(shared_data):
    folder = shared_data / "trajectories"
    adk = open_frames([folder / "adk_oplsaa.xtc"], folder / "adk_oplsaa.gro").atoms
    assert len(select_atoms(adk, "protein")) == 3341
    assert len(select_atoms(adk, "name CA and protein")) == 214
    assert len(select_atoms(adk, "not water and not protein")) == 4  # sodium
