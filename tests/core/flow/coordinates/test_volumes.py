"""Volumes of any tree of bonds, a partition function in closed form, and scales where there are no frames."""

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

RNG = np.random.default_rng(11)


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
    """Draw bonds of a tree of 5 to 7 atoms, and a seed of positions."""
    n = draw(st.integers(5, 7))
    return [(draw(st.integers(0, i - 1)), i) for i in range(1, n)], draw(st.integers(0, 10_000))


@settings(max_examples=2, phases=[Phase.generate])
@given(tree=trees())
def test_any_tree_of_bonds_round_trips_with_its_volume(
    tree: tuple[list[tuple[int, int]], int], springs: Any, round_trip: Any, jacobian: Any, variables: Any
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


def test_without_frames_scales_are_those_of_the_springs(of_alanine: Any, alanine: Molecule) -> None:
    coordinates, remarks = internal_coordinates(alanine)
    assert coordinates.names == of_alanine[0].names
    y = np.asarray(coordinates.read(jnp.asarray(alanine.x.ravel()))[0])
    np.testing.assert_allclose(y[~np.array(coordinates.circular)], 0, atol=1e-8)
    ratio = coordinates.branches.scales.scale / of_alanine[0].branches.scales.scale
    assert ((ratio > 0.4) & (ratio < 1.5)).all()
    assert not any("minimise it first" in remark for remark in remarks)


def test_without_frames_a_structure_off_its_minimum_is_told(methylene: Any) -> None:
    molecule, frames = methylene[0], methylene[1].copy()
    moved = Molecule(molecule.topology, frames[0], molecule.system, molecule.energy, molecule.fixed)
    _, remarks = internal_coordinates(moved)
    assert any("forces of" in remark and "minimise it first" in remark for remark in remarks)
