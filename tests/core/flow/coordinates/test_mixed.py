"""Mixed coordinates: round trips, volumes against Jacobians and against internal coordinates, a peptide's backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import openmm
import pytest
from openmm import app, unit

from mdweights_core.energy.base import Energy
from mdweights_core.energy.bonded import HarmonicBonds
from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.build import internal_coordinates
from mdweights_core.flow.coordinates.mixed import Backbone
from mdweights_core.flow.coordinates.molecule import coordinates_of, mixed_coordinates
from mdweights_core.flow.coordinates.settings import CoordinateSettings

RNG = np.random.default_rng(21)
MIXED = CoordinateSettings(kind="mixed")


@pytest.fixture(scope="module")
def mixed(alanine: Molecule, alanine_frames: np.ndarray) -> Any:
    """Return mixed coordinates of alanine dipeptide."""
    return coordinates_of(alanine, alanine_frames, settings=MIXED)[0]


@pytest.fixture(scope="module")
def read(mixed: Any, alanine_frames: np.ndarray, read_back: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return variables of the frames, and the log-dets."""
    y, log_det = read_back(mixed, alanine_frames.reshape(len(alanine_frames), -1))
    return np.asarray(y), np.asarray(log_det)


def test_variables_come_back(mixed: Any, read: Any, round_trip: Callable[..., None]) -> None:
    assert (mixed.n, mixed.backbone.n) == (60, 3 * 9 - 6)
    y = read[0]
    round_trip(mixed, y, tolerance=1e-8)
    round_trip(mixed, y.astype(np.float32), tolerance=2e-2)


def test_variables_of_frames_are_scaled(mixed: Any, read: Any) -> None:
    scaled = read[0][:, ~np.array(mixed.circular)]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-2)


def test_log_det_is_that_of_the_jacobian_with_rigid_motions(
    mixed: Any, read: Any, jacobian: Callable[..., float]
) -> None:
    for y, log_det in zip(read[0][:3], read[1][:3], strict=True):
        assert -log_det == pytest.approx(jacobian(mixed, y, rigid=True), abs=1e-7)


def test_volumes_are_those_of_internal_coordinates(
    mixed: Any, read: Any, alanine: Molecule, alanine_frames: np.ndarray
) -> None:
    internal, _ = internal_coordinates(alanine, alanine_frames)

    @jax.jit
    def both(y: jax.Array) -> tuple[jax.Array, jax.Array]:
        def change(at: jax.Array) -> jax.Array:
            return internal.read(mixed.place(at)[0])[0]

        x, of_mixed = mixed.place(y)
        return jnp.linalg.slogdet(jax.jacfwd(change)(y))[1], of_mixed + internal.read(x)[1]

    for y in read[0][:3]:
        found, expected = both(jnp.asarray(y))
        assert found == pytest.approx(float(expected), abs=1e-7)


def test_frames_anywhere_are_laid_on_the_reference(
    mixed: Any, read: Any, read_back: Any, alanine_frames: np.ndarray
) -> None:
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    moved = (alanine_frames @ turn + RNG.normal(size=3)).reshape(len(alanine_frames), -1)
    np.testing.assert_allclose(read_back(mixed, moved)[0], read[0], atol=1e-8)


def test_positions_that_lie_nearer_when_turned_are_outside(mixed: Any) -> None:
    backbone: Backbone = mixed.backbone
    reference = np.asarray(backbone.reference)
    axis = np.linalg.eigh(reference.T @ reference)[1][:, 2]  # about a principal axis it stays in the plane
    flipped = reference @ (2 * np.outer(axis, axis) - np.eye(3))
    apart = (flipped - reference).ravel()
    y = (apart @ np.asarray(backbone.axes) - backbone.centre) / backbone.scale
    x, log_det = backbone.place(y)
    np.testing.assert_allclose(x, flipped, atol=1e-10)
    assert log_det == -np.inf


def peptide_of_springs(path: Path) -> Molecule:
    """Heavy atoms of a peptide's structure, with springs for bonds."""
    found = app.PDBFile(str(path))
    modeller = app.Modeller(found.topology, found.positions)
    protein = set(app.Topology.residues(found.topology))
    modeller.delete([a for r in protein for a in r.atoms() if r.name == "HOH" or a.element.symbol == "H"])
    topology = modeller.topology
    x = np.array(modeller.positions.value_in_unit(unit.nanometer))
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds()])
    length = np.linalg.norm(x[bonds[:, 0]] - x[bonds[:, 1]], axis=1)
    springs = HarmonicBonds(jnp.asarray(bonds), jnp.asarray(length), jnp.full(len(bonds), 2e5))
    return Molecule(topology, x, openmm.System(), Energy({"bonds": springs}, len(x)), np.zeros(0, dtype=int))


def test_a_peptide_with_rings_round_trips(shared_data: Path, round_trip: Callable[..., None]) -> None:
    molecule = peptide_of_springs(shared_data / "peptides" / "5AWL.pdb")
    frames = molecule.x + RNG.normal(scale=0.004, size=(200, *molecule.x.shape))
    coordinates, remarks = mixed_coordinates(molecule, frames, settings=MIXED)
    assert coordinates.n == 3 * len(molecule.x) - 6
    assert any("backbone component" in name for name in coordinates.names)
    assert any("frames are few" in remark for remark in remarks)
    round_trip(coordinates, RNG.normal(scale=0.5, size=(10, coordinates.n)), tolerance=1e-8)


def test_what_has_no_mixed_coordinates_is_told(alanine: Molecule, springs: Any, alanine_frames: np.ndarray) -> None:
    with pytest.raises(BadInput, match="need frames"):
        coordinates_of(alanine, settings=MIXED)
    x = np.array([[0.0, 0, 0], [0.15, 0, 0], [0.2, 0.14, 0], [0.35, 0.14, 0.05]])
    with pytest.raises(BadInput, match="no backbone"):
        mixed_coordinates(springs([(0, 1), (1, 2), (2, 3)], x), x + RNG.normal(scale=0.004, size=(60, 4, 3)))
    with pytest.raises(BadInput, match="do not vary in all"):
        Backbone.from_frames(np.arange(22), alanine_frames[:60], np.full(60, 1 / 60))
