"""Internal coordinates against Jacobians, OpenMM's frames and closed forms; hands, labels and scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mdweights_core.energy.base import Energy, values
from mdweights_core.energy.bonded import HarmonicAngles, HarmonicBonds
from mdweights_core.energy.setup import Molecule
from mdweights_core.flow.coordinates.build import internal_coordinates
from mdweights_core.flow.coordinates.settings import CoordinateSettings

RNG = np.random.default_rng(11)


def variables(coordinates: Any, size: int, spread: float = 1.0) -> np.ndarray:
    """Random variables [size, n], uniform where they are circular."""
    y = RNG.normal(scale=spread, size=(size, coordinates.n))
    circular = np.array(coordinates.circular)
    y[:, circular] = RNG.uniform(-np.pi, np.pi, (size, circular.sum()))
    return y


@pytest.fixture(scope="module")
def of_alanine(alanine: Molecule, alanine_frames: np.ndarray) -> tuple[Any, tuple[str, ...]]:
    """Return the coordinates of alanine dipeptide, and what was said."""
    return internal_coordinates(alanine, alanine_frames)


@pytest.fixture(scope="module")
def read(of_alanine: Any, alanine_frames: np.ndarray, read_back: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return variables of the frames, and the log-dets."""
    y, log_det = read_back(of_alanine[0], alanine_frames.reshape(len(alanine_frames), -1))
    return np.asarray(y), np.asarray(log_det)


def test_variables_come_back(of_alanine: Any, read: Any, round_trip: Callable[..., None]) -> None:
    coordinates, _ = of_alanine
    assert (coordinates.n, coordinates.n_cartesian) == (60, 66)
    round_trip(coordinates, variables(coordinates, len(read[0])))
    round_trip(coordinates, read[0])
    round_trip(coordinates, read[0].astype(np.float32), tolerance=5e-3)


def test_frames_come_back_up_to_labels_and_motions_of_the_whole(
    of_alanine: Any, read: Any, alanine: Molecule, alanine_frames: np.ndarray, placed: Any
) -> None:
    again = np.asarray(placed(of_alanine[0], read[0])[0]).reshape(alanine_frames.shape)
    np.testing.assert_allclose(values(alanine.energy, again), values(alanine.energy, alanine_frames), atol=1e-8)
    named = [
        i for i, atom in enumerate(alanine.topology.atoms()) if atom.name not in ("HB1", "HB2", "HB3", "H1", "H2", "H3")
    ]

    def apart(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, named, None] - x[:, None, named], axis=-1)

    np.testing.assert_allclose(apart(again), apart(alanine_frames), atol=1e-10)


def test_log_det_is_that_of_the_jacobian_with_rigid_motions(of_alanine: Any, jacobian: Callable[..., float]) -> None:
    coordinates, _ = of_alanine
    for y in variables(coordinates, 3):
        assert coordinates.place(jnp.asarray(y))[1] == pytest.approx(jacobian(coordinates, y, rigid=True), abs=1e-8)


def test_variables_of_frames_are_scaled(of_alanine: Any, read: Any) -> None:
    scaled = read[0][:, ~np.array(of_alanine[0].circular)]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-8)


def test_free_torsions_are_circular_and_all_others_are_held(of_alanine: Any) -> None:
    coordinates, _ = of_alanine
    circular = [name for name, is_one in zip(coordinates.names, coordinates.circular, strict=True) if is_one]
    assert [name for name in circular if "any of 3 H" not in name] == [
        "torsion C:2-CA-N:2-C:1",
        "torsion N:2-CA-C:2-N:3",
    ]
    assert len(circular) == 5  # and three methyl groups
    assert "bond CB-CA" in coordinates.names


def test_gradients_are_finite_in_single_precision(of_alanine: Any) -> None:
    coordinates, _ = of_alanine
    y = RNG.uniform(-20, 20, (200, coordinates.n)).astype(np.float32)

    def both(y: jax.Array) -> jax.Array:
        x, log_det = coordinates.place(y)
        return jnp.sum(x**2) + log_det

    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(both)))(y)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def hands(molecule: Molecule, x: np.ndarray) -> np.ndarray:
    """Signs [S, 4] of volumes between three bonds: of N, C, CB and of N, CB, HA at CA; of CA and two H each at CB."""
    at = {atom.name: atom.index for atom in molecule.topology.atoms() if atom.residue.name == "ALA"}
    corners = ("CA N C CB", "CA N CB HA", "CB CA HB1 HB2", "CB CA HB1 HB3")
    rows = [[at[name] for name in names.split()] for names in corners]
    return np.stack([np.sign(np.linalg.det(x[:, ends] - x[:, [apex]])) for apex, *ends in rows], axis=1)


def test_no_variables_make_the_other_hand(of_alanine: Any, alanine: Molecule, placed: Any) -> None:
    coordinates, _ = of_alanine
    y = variables(coordinates, 400, spread=5.0)
    x = np.asarray(placed(coordinates, y)[0]).reshape(len(y), -1, 3)
    found = hands(alanine, x)
    assert (found == found[0]).all()
    assert (found[0, :2] == hands(alanine, alanine.x[None])[0, :2]).all()
    assert found[0, 2] == -found[0, 3]


def test_hands_are_free_when_asked(alanine: Molecule, alanine_frames: np.ndarray) -> None:
    coordinates, _ = internal_coordinates(
        alanine, alanine_frames, settings=CoordinateSettings(fix_chirality=False, fold_hydrogens=False)
    )
    assert sum(coordinates.circular) == 19
    y = variables(coordinates, 100)
    x = np.asarray(jax.jit(jax.vmap(coordinates.place))(y)[0]).reshape(len(y), -1, 3)
    assert len(np.unique(hands(alanine, x), axis=0)) > 4


def test_labels_of_alike_hydrogens_change_no_variable(
    of_alanine: Any, alanine: Molecule, alanine_frames: np.ndarray, read: Any, read_back: Any
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
        np.testing.assert_allclose(read_back(coordinates, x.reshape(len(x), -1))[0], read[0], atol=1e-9)
    assert any("3 CH3 or NH3 groups cannot be told apart" in remark for remark in remarks)


def test_hydrogens_that_the_energy_tells_apart_keep_their_labels(alanine: Molecule, alanine_frames: np.ndarray) -> None:
    at = [atom.index for atom in alanine.topology.atoms() if atom.residue.name == "NME" and atom.name in ("H1", "C")]
    odd = alanine.energy.with_term("odd", HarmonicBonds(jnp.array([at]), jnp.array([0.12]), jnp.array([1e4])))
    marked = Molecule(alanine.topology, alanine.x, alanine.system, odd, alanine.fixed)
    _, remarks = internal_coordinates(marked, alanine_frames)
    assert any("2 CH3 or NH3 groups" in remark for remark in remarks)


def methylene(springs: Callable[..., Molecule]) -> tuple[Molecule, np.ndarray]:
    """C-CH2-C, and 80 frames with the labels of the hydrogens as in the first."""
    x = np.array([[0.125, -0.05, 0], [0, 0.035, 0], [-0.125, -0.05, 0], [0, 0.1, 0.09], [0, 0.1, -0.09]])
    frames = x + RNG.normal(scale=0.004, size=(80, 5, 3))
    return springs([(0, 1), (1, 2), (1, 3), (1, 4)], x, "CCCHH"), frames


def test_hydrogens_of_a_methylene_get_the_labels_of_most_frames(springs: Callable[..., Molecule]) -> None:
    molecule, frames = methylene(springs)
    swapped = frames.copy()
    swapped[:10] = frames[:10][:, [0, 1, 2, 4, 3]]
    coordinates, remarks = internal_coordinates(molecule, swapped)
    assert any("In 10 of 80 frames hydrogens were given each other's labels" in remark for remark in remarks)
    expected, _ = internal_coordinates(molecule, frames)
    for found, of_labelled in zip(jax.tree.leaves(coordinates), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, of_labelled)


def test_both_hands_of_a_centre_are_told(springs: Callable[..., Molecule], placed: Any, read_back: Any) -> None:
    molecule, frames = methylene(springs)
    frames[:7] = frames[:7][:, [0, 1, 2, 4, 3]]
    coordinates, remarks = internal_coordinates(molecule, frames, settings=CoordinateSettings(fold_hydrogens=False))
    assert any("the rarer in 7 of 80 frames (branch" in remark for remark in remarks)
    y, _ = read_back(coordinates, frames[[0, 10]].reshape(2, -1))
    again = np.asarray(placed(coordinates, y)[0]).reshape(2, 5, 3)
    volumes = np.linalg.det(again[:, [0, 3, 4]] - again[:, [1]])
    assert volumes[0] * volumes[1] < 0


def test_without_frames_scales_are_those_of_the_springs(of_alanine: Any, alanine: Molecule) -> None:
    coordinates, remarks = internal_coordinates(alanine)
    assert coordinates.names == of_alanine[0].names
    y = np.asarray(coordinates.read(jnp.asarray(alanine.x.ravel()))[0])
    np.testing.assert_allclose(y[~np.array(coordinates.circular)], 0, atol=1e-8)
    ratio = coordinates.branches.scales.scale / of_alanine[0].branches.scales.scale
    assert ((ratio > 0.4) & (ratio < 1.5)).all()
    assert not any("minimise it first" in remark for remark in remarks)


def test_without_frames_a_structure_off_its_minimum_is_told(springs: Callable[..., Molecule]) -> None:
    molecule, frames = methylene(springs)
    moved = Molecule(molecule.topology, frames[0], molecule.system, molecule.energy, molecule.fixed)
    _, remarks = internal_coordinates(moved)
    assert any("forces of" in remark and "minimise it first" in remark for remark in remarks)


def test_partition_function_of_a_harmonic_triatomic_molecule(springs: Callable[..., Molecule]) -> None:
    beta_k, length, beta_k_angle, first_angle = 4e4, 0.1, 150.0, 1.9
    x = np.array([[length, 0, 0], [0, 0, 0], [length * np.cos(first_angle), length * np.sin(first_angle), 0]])
    bonds = HarmonicBonds(jnp.array([[0, 1], [1, 2]]), jnp.full(2, length), jnp.full(2, beta_k))
    angles = HarmonicAngles(jnp.array([[0, 1, 2]]), jnp.array([first_angle]), jnp.array([beta_k_angle]))
    energy = Energy({"bonds": bonds, "angles": angles}, 3)
    bent = springs([(0, 1), (1, 2)], x)
    molecule = Molecule(bent.topology, x, bent.system, energy, bent.fixed)
    kt = 0.00831446261815324 * 300
    warm = Molecule(
        bent.topology,
        x,
        bent.system,
        Energy(
            {
                "bonds": HarmonicBonds(bonds.atoms, bonds.length, kt * bonds.constant),
                "angles": HarmonicAngles(angles.atoms, angles.angle, kt * angles.constant),
            },
            3,
        ),
        bent.fixed,
    )
    coordinates, _ = internal_coordinates(warm)
    y = RNG.normal(size=(40_000, 3))
    placed, log_det = jax.jit(jax.vmap(coordinates.place))(y)
    log_w = (
        -values(molecule.energy, placed.reshape(-1, 3, 3)) + log_det + (y**2).sum(axis=1) / 2 + 1.5 * np.log(2 * np.pi)
    )
    w = np.exp(np.asarray(log_w))
    radial = np.sqrt(2 * np.pi / beta_k) * (length**2 + 1 / beta_k)
    angular = np.sqrt(2 * np.pi / beta_k_angle) * np.sin(first_angle) * np.exp(-1 / (2 * beta_k_angle))
    assert w.std() / w.mean() < 0.3
    assert w.mean() == pytest.approx(radial**2 * angular, abs=4 * w.std() / np.sqrt(len(w)))


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """Draw bonds of a tree of 3 to 10 atoms, and a seed of positions."""
    n = draw(st.integers(3, 8))
    return [(draw(st.integers(0, i - 1)), i) for i in range(1, n)], draw(st.integers(0, 10_000))


@settings(max_examples=4, phases=[Phase.generate])
@given(tree=trees())
def test_any_tree_of_bonds_round_trips_with_its_volume(
    tree: tuple[list[tuple[int, int]], int], springs: Any, round_trip: Any, jacobian: Any
) -> None:
    bonds, seed = tree
    rng = np.random.default_rng(seed)
    x = np.zeros((len(bonds) + 1, 3))
    for a, b in bonds:
        step = rng.normal(size=3)
        x[b] = x[a] + 0.15 * step / np.linalg.norm(step)
    frames = x + rng.normal(scale=0.004, size=(60, *x.shape))
    coordinates, _ = internal_coordinates(springs(bonds, x), frames)
    y = variables(coordinates, 2, spread=0.5)
    round_trip(coordinates, y, tolerance=1e-7)
    assert coordinates.place(jnp.asarray(y[0]))[1] == pytest.approx(jacobian(coordinates, y[0], rigid=True), abs=1e-6)
