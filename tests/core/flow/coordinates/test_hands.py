"""Hands of centres and labels of hydrogens: kept, free when asked, told when frames disagree."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.bonded import HarmonicBonds
from mdweights_core.energy.setup import Molecule
from mdweights_core.flow.coordinates.build import internal_coordinates
from mdweights_core.flow.coordinates.settings import CoordinateSettings

RNG = np.random.default_rng(11)


def hands(molecule: Molecule, x: np.ndarray) -> np.ndarray:
    """Signs [S, 4] of volumes between three bonds: of N, C, CB and of N, CB, HA at CA; of CA and two H each at CB."""
    at = {atom.name: atom.index for atom in molecule.topology.atoms() if atom.residue.name == "ALA"}
    corners = ("CA N C CB", "CA N CB HA", "CB CA HB1 HB2", "CB CA HB1 HB3")
    rows = [[at[name] for name in names.split()] for names in corners]
    return np.stack([np.sign(np.linalg.det(x[:, ends] - x[:, [apex]])) for apex, *ends in rows], axis=1)


def test_no_variables_make_the_other_hand(of_alanine: Any, alanine: Molecule, placed: Any, variables: Any) -> None:
    coordinates, _ = of_alanine
    y = variables(coordinates, 400, spread=5.0)
    x = np.asarray(placed(coordinates, y)[0]).reshape(len(y), -1, 3)
    found = hands(alanine, x)
    assert (found == found[0]).all()
    assert (found[0, :2] == hands(alanine, alanine.x[None])[0, :2]).all()
    assert found[0, 2] == -found[0, 3]


def test_hands_are_free_when_asked(alanine: Molecule, alanine_frames: np.ndarray, variables: Any) -> None:
    coordinates, _ = internal_coordinates(
        alanine, alanine_frames, settings=CoordinateSettings(fix_chirality=False, fold_hydrogens=False)
    )
    assert sum(coordinates.circular) == 19
    y = variables(coordinates, 100)
    x = np.asarray(jax.jit(jax.vmap(coordinates.place))(y)[0]).reshape(len(y), -1, 3)
    assert len(np.unique(hands(alanine, x), axis=0)) > 4


def test_labels_of_alike_hydrogens_change_no_variable(
    of_alanine: Any, alanine: Molecule, alanine_frames: np.ndarray, alanine_read: Any, read_back: Any
) -> None:
    coordinates, remarks = of_alanine
    at = [
        atom.index
        for atom in alanine.topology.atoms()
        if atom.residue.name == "NME" and atom.name in ("H1", "H2", "H3")
    ]
    for order in ([1, 2, 0], [2, 0, 1], [1, 0, 2]):
        x = alanine_frames.copy()
        x[:, at] = alanine_frames[:, [at[i] for i in order]]
        np.testing.assert_allclose(read_back(coordinates, x.reshape(len(x), -1))[0], alanine_read[0], atol=1e-9)
    assert any("3 CH3 or NH3 groups cannot be told apart" in remark for remark in remarks)


def test_hydrogens_that_the_energy_tells_apart_keep_their_labels(alanine: Molecule, alanine_frames: np.ndarray) -> None:
    at = [atom.index for atom in alanine.topology.atoms() if atom.residue.name == "NME" and atom.name in ("H1", "C")]
    odd = alanine.energy.with_term("odd", HarmonicBonds(jnp.array([at]), jnp.array([0.12]), jnp.array([1e4])))
    marked = Molecule(alanine.topology, alanine.x, alanine.system, odd, alanine.fixed)
    _, remarks = internal_coordinates(marked, alanine_frames)
    assert any("2 CH3 or NH3 groups" in remark for remark in remarks)


def test_hydrogens_of_a_methylene_get_the_labels_of_most_frames(methylene: Any) -> None:
    molecule, frames = methylene[0], methylene[1].copy()
    swapped = frames.copy()
    swapped[:10] = frames[:10][:, [0, 1, 2, 4, 3]]
    coordinates, remarks = internal_coordinates(molecule, swapped)
    assert any("In 10 of 80 frames hydrogens were given each other's labels" in remark for remark in remarks)
    expected, _ = internal_coordinates(molecule, frames)
    for found, of_labelled in zip(jax.tree.leaves(coordinates), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, of_labelled)


def test_both_hands_of_a_centre_are_told(placed: Any, read_back: Any, methylene: Any) -> None:
    molecule, frames = methylene[0], methylene[1].copy()
    frames[:7] = frames[:7][:, [0, 1, 2, 4, 3]]
    coordinates, remarks = internal_coordinates(molecule, frames, settings=CoordinateSettings(fold_hydrogens=False))
    assert any("the rarer in 7 of 80 frames (branch" in remark for remark in remarks)
    y, _ = read_back(coordinates, frames[[0, 10]].reshape(2, -1))
    again = np.asarray(placed(coordinates, y)[0]).reshape(2, 5, 3)
    volumes = np.linalg.det(again[:, [0, 3, 4]] - again[:, [1]])
    assert volumes[0] * volumes[1] < 0
