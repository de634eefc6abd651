"""Networks of a crystal: symmetry, covariances and intensities against sums by hand and closed forms."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import gemmi
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.crystal.laue import images
from mdweights_core.dynamics import harmonic
from mdweights_core.dynamics.crystal_network.draws import draw_frames, write_ensemble
from mdweights_core.dynamics.crystal_network.intensities import UnitWaves
from mdweights_core.dynamics.crystal_network.liquid import Liquid
from mdweights_core.dynamics.crystal_network.motions import GAS, Motions
from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.dynamics.crystal_network.springs import BONDS, springs_of
from mdweights_core.dynamics.crystal_network.units import Crystal, crystal_of
from mdweights_core.energy.crystal import images as whole_images
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.scattering.engine.form_factors import form_factors

CONSTANTS = np.array([2700.0, 90, 50, 70, 20, 300, 55])
"""kJ/mol/nm^2, of all classes: displacements of a few tenths of an angstrom."""

KINDS = pytest.mark.parametrize("transverse", [1.0, 0.3])


def _motions(crystal: Crystal, settings: CrystalNetworkSettings, transverse: float) -> tuple[Motions, np.ndarray]:
    """Motions of the small crystal, and force constants."""
    springs = springs_of(crystal, replace(settings, transverse=transverse))
    return Motions(crystal, springs, 298.0), CONSTANTS


def _reflections(crystal: Crystal) -> MillerLattice:
    hkl = np.array([[1, 0, 2], [0, 3, 1], [4, 2, -3], [2, 5, 4], [0, 0, 4]])
    return MillerLattice(hkl, crystal.cell, gemmi.SpaceGroup("P 41"))


def test_copies_are_the_images_of_the_space_group(crystal: Crystal) -> None:
    expected = whole_images(crystal.positions, crystal.cell, gemmi.SpaceGroup("P 41").operations())
    np.testing.assert_allclose(crystal.copies(crystal.positions), expected, atol=1e-4)
    assert sorted(crystal.product[1]) == [0, 1, 2, 3]
    assert crystal.product[0].tolist() == [0, 1, 2, 3]
    for a, b in product(range(4), repeat=2):
        turned = crystal.rotation[a] @ crystal.rotation[b]
        np.testing.assert_allclose(crystal.rotation[crystal.product[a, b]], turned, atol=1e-9)


def test_units_are_parts_of_residues(crystal: Crystal) -> None:
    assert np.bincount(crystal.member).max() <= 3
    for unit in range(crystal.n_units):
        assert len(np.unique(crystal.atoms.residue_number[crystal.member == unit])) == 1
    assert crystal.bonded.any()
    np.testing.assert_array_equal(crystal.bonded, crystal.bonded.T)
    np.testing.assert_allclose(crystal.unit_means(np.ones(50)), 1)


def test_waters_go_with_the_residue_next_to_them(crystal: Crystal) -> None:
    atoms = crystal.atoms.select(np.r_[0:15, 0])
    atoms.residue_name[-1], atoms.residue_number[-1] = "HOH", 99
    wet = crystal_of(atoms, np.vstack([crystal.positions[:15], crystal.positions[7] + 0.5]), crystal.cell,
                     gemmi.SpaceGroup("P 41"), 50)  # fmt: skip
    assert wet.n_units == 3
    assert wet.member[-1] == wet.member[7]


@KINDS
def test_the_hessian_is_that_of_the_energy_of_all_springs(
    crystal: Crystal, settings: CrystalNetworkSettings, transverse: float
) -> None:
    """E = sum over pairs of the cell and its images of k ((1 - t) (e.(u - v))^2 + t |u - v|^2) / 2, by hand."""
    motions, _ = _motions(crystal, settings, transverse)
    springs, centres = motions.springs, crystal.copies(crystal.centre).reshape(-1, 3)
    u = np.random.default_rng(0).normal(size=(len(centres), 3))
    n, energy = crystal.n_units, dict.fromkeys(springs.names, 0.0)
    owner, unit = np.divmod(np.arange(len(centres)), n)
    bonded = crystal.bonded[np.ix_(unit, unit)] & (owner[:, None] == owner)
    apart = u[:, None] - u
    for steps in product((-1, 0, 1), repeat=3):
        between = centres + np.array(steps) @ crystal.axes - centres[:, None]
        length = np.linalg.norm(between, axis=2) + 1e3 * np.eye(len(centres))
        same = (owner[:, None] == owner) & (not any(steps))
        along = np.einsum("ija,ija->ij", apart, between) / length
        cost = ((1 - transverse) * along**2 + transverse * np.sum(apart**2, axis=2)) / 4
        energy[BONDS] += cost[same & bonded].sum()
        for low, high in ((0, 5), (5, 9)):
            here = (length > low) & (length <= high)
            energy[f"within molecules, {low} to {high} Å"] += cost[here & same & ~bonded].sum()
            energy[f"between molecules, {low} to {high} Å"] += cost[here & ~same].sum()
    images = [centres + np.array(steps) @ crystal.axes for steps in product((-1, 0, 1), repeat=3)]
    for i, unit in enumerate(u):
        near = np.concatenate([np.flatnonzero(np.linalg.norm(image - centres[i], axis=1) <= 8) for image in images])
        energy["to the mean of neighbours"] += np.sum((unit - u[near[near != i]].mean(axis=0)) ** 2) / 2
    energy["to places"] = np.sum(u**2) / 2
    for name, matrix in zip(springs.names, springs.matrices, strict=True):
        x = u if springs.dimension == 1 else u.reshape(-1, 1)
        assert np.sum(x * (matrix @ x)) / 2 == pytest.approx(energy[name], rel=1e-6), name


@KINDS
def test_covariances_of_the_cell_follow_from_the_asymmetric_unit(
    crystal: Crystal, settings: CrystalNetworkSettings, transverse: float
) -> None:
    motions, constants = _motions(crystal, settings, transverse)
    inverse = 100 * GAS * 298 * np.linalg.inv(motions.springs.hessian(constants))
    rows = motions.rows(constants)
    np.testing.assert_allclose(motions.whole(rows), inverse, atol=1e-5 * inverse.max())
    diagonal = np.diag(inverse).reshape(-1, motions.springs.dimension)[: crystal.n_units]
    np.testing.assert_allclose(motions.mean_squares(rows), 3 * diagonal.mean(axis=1), rtol=1e-6)
    for column, found in enumerate(motions.tangents(constants, rows)):
        step = 1e-5 * (np.arange(len(constants)) == column)
        expected = (motions.rows(constants * np.exp(step)) - motions.rows(constants * np.exp(-step))) / 2e-5
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@KINDS
def test_intensities_are_the_double_sum_over_atoms(
    crystal: Crystal, settings: CrystalNetworkSettings, transverse: float
) -> None:
    motions, constants = _motions(crystal, settings, transverse)
    lattice, rows = _reflections(crystal), motions.rows(constants)
    units = motions.whole(rows)
    units = np.kron(units, np.eye(3)) if motions.springs.dimension == 1 else units
    member = (np.arange(4)[:, None] * crystal.n_units + crystal.member).ravel()
    place = (3 * member[:, None] + np.arange(3)).ravel()
    factors = form_factors(np.tile(crystal.atoms.element, 4).tolist(), lattice.inverse_d).T
    q = 2 * np.pi * lattice.index @ reciprocal_axes(lattice.cell)
    positions = crystal.copies(crystal.positions).reshape(-1, 3)
    arguments = (q, factors, positions, units[np.ix_(place, place)])
    expected = harmonic.diffuse_intensities(*(jnp.asarray(it) for it in arguments))
    waves = UnitWaves(crystal, lattice, 1 if motions.springs.dimension == 1 else 6)
    np.testing.assert_allclose(waves.intensities(motions.covariance(rows)), expected, rtol=2e-4)


@KINDS
def test_derivatives_of_intensities_are_those_of_finite_differences(
    crystal: Crystal, settings: CrystalNetworkSettings, transverse: float
) -> None:
    motions, constants = _motions(crystal, settings, transverse)
    rows = motions.rows(constants)
    waves = UnitWaves(crystal, _reflections(crystal), 1 if motions.springs.dimension == 1 else 6)

    def at(step: np.ndarray) -> np.ndarray:
        return waves.intensities(motions.covariance(motions.rows(constants * np.exp(step))))

    tangents = [motions.covariance(it) for it in motions.tangents(constants, rows)]
    values, slopes = waves.linearised(motions.covariance(rows), tangents)
    np.testing.assert_allclose(values, at(np.zeros(len(constants))), rtol=1e-5)
    for column in range(len(constants)):
        step = 0.02 * (np.arange(len(constants)) == column)  # single precision: not smaller
        expected = (at(step) - at(-step)) / 0.04
        np.testing.assert_allclose(slopes[:, column], expected, atol=2e-3 * np.abs(slopes).max())


@KINDS
def test_intensities_obey_the_laue_class(crystal: Crystal, settings: CrystalNetworkSettings, transverse: float) -> None:
    motions, constants = _motions(crystal, settings, transverse)
    lattice = _reflections(crystal)
    every = replace(lattice, hkl=images(lattice.hkl, lattice.space_group).reshape(-1, 3))
    waves = UnitWaves(crystal, every, 1 if motions.springs.dimension == 1 else 6)
    found = waves.intensities(motions.covariance(motions.rows(constants))).reshape(-1, len(lattice))
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), rtol=1e-3)


@KINDS
def test_frames_have_the_covariance_of_the_network(
    crystal: Crystal, settings: CrystalNetworkSettings, transverse: float
) -> None:
    motions, constants = _motions(crystal, settings, transverse)
    count = 4000
    frames = draw_frames(motions, constants, count, seed=1)
    assert frames.shape == (count, 200, 3)
    moved = (frames - crystal.copies(crystal.positions).reshape(-1, 3)).reshape(count, 4, 50, 3)
    found = (moved**2).sum(axis=3).mean(axis=(0, 1))
    expected = motions.mean_squares(motions.rows(constants))[crystal.member]
    np.testing.assert_allclose(found, expected, rtol=0.08)
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=5 * np.sqrt(expected.max() / 3 / count))
    assert len(draw_frames(motions, constants, 0)) == 0


def test_frames_are_written_for_predict(crystal: Crystal, settings: CrystalNetworkSettings, tmp_path: Path) -> None:
    motions, constants = _motions(crystal, settings, 1.0)
    frames = draw_frames(motions, constants, 3, seed=1)
    topology, trajectory = write_ensemble(crystal, frames, tmp_path)
    source = open_frames([trajectory], topology)
    assert source.cell is not None
    assert source.cell.a == pytest.approx(19, abs=1e-3)
    np.testing.assert_array_equal(source.atoms.element, np.tile(crystal.atoms.element, 4))
    np.testing.assert_allclose(next(iter(source.chunks())).positions, frames, atol=0.006)


def test_liquid_like_orders_are_convolutions_with_the_known_transform(crystal: Crystal) -> None:
    """The transform of exp(-r / g) is 8 pi g^3 / (1 + (2 pi g s)^2)^2."""
    lattice = _reflections(crystal)
    liquid = Liquid(crystal, replace(lattice, hkl=np.vstack([lattice.hkl, [[7, 0, 0]]])))
    hkl = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in liquid.squares.shape), indexing="ij"), axis=-1)
    squares, axes = liquid.squares, reciprocal_axes(crystal.cell)
    gamma = 4.0
    found = liquid.orders(gamma)
    for order in (1, 2):
        g = gamma / order
        for row, index in enumerate(lattice.hkl):
            away = np.linalg.norm((hkl - index) @ axes, axis=-1)
            kernel = 8 * np.pi * g**3 / (1 + (2 * np.pi * g * away) ** 2) ** 2 / crystal.cell.volume
            assert found[order - 1, row] == pytest.approx(
                float(np.sum(squares * kernel)), rel=1e-2
            )  # the kernel ends with the grid


def test_a_flat_cell_of_units_too_far_apart_is_refused(crystal: Crystal, settings: CrystalNetworkSettings) -> None:
    with pytest.raises(BadInput, match="tie no two units"):
        springs_of(crystal, replace(settings, bins=(0.2,)))
    with pytest.raises(BadInput, match="network of 1 units"):
        crystal_of(crystal.atoms.select(np.arange(3)), crystal.positions[:3], crystal.cell, gemmi.SpaceGroup("P 41"))


def test_motions_that_cost_nothing_are_refused(crystal: Crystal, settings: CrystalNetworkSettings) -> None:
    motions, constants = _motions(crystal, settings, 1.0)
    with pytest.raises(BadInput, match="costs no energy"):
        motions.rows(np.append(constants[:-1], -1.0))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bins": (5.0, 5.0)}, "are no classes"),
        ({"transverse": 2.0}, "transverse is 2"),
        ({"n_fit": 0}, "n_fit is 0"),
        ({"frames": -1}, "below 0"),
    ],
)
def test_settings_are_checked(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        CrystalNetworkSettings(**change)  # type: ignore[arg-type]
