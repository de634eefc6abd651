"""Observables of frames against averages by hand, with derivatives through features and combination."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.crystal.shells import anisotropic_operator
from mdweights_core.dynamics.observables.agreement import map_agreement
from mdweights_core.dynamics.observables.base import Observable, joined
from mdweights_core.dynamics.observables.displacements import (
    b_factors,
    covariances,
    displacement_tensors,
    mean_square_displacements,
)
from mdweights_core.dynamics.observables.energy import MeanEnergy
from mdweights_core.dynamics.observables.geometry import distance_histogram, distances, radius_of_gyration
from mdweights_core.dynamics.observables.moments import moments
from mdweights_core.dynamics.observables.waves import diffuse_intensities, mean_structure_factors, waves_at
from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.direct import direct_structure_factors
from mdweights_core.scattering.engine.scatterers import Scatterers

FRAMES, ATOMS = 40, 6
RNG = np.random.default_rng(1)
REFERENCE = RNG.uniform(0, 1.5, (ATOMS, 3))  # nm
X = REFERENCE + RNG.normal(0, 0.03, (FRAMES, ATOMS, 3))
ELEMENTS = ["C", "N", "O", "C", "S", "H"]
LABELS = [f"atom {i}" for i in range(ATOMS)]
CELL = gemmi.UnitCell(15, 15, 18, 90, 90, 90)
NONE = jnp.zeros(0)


def _value(observable: Observable, theta: jax.Array = NONE) -> np.ndarray:
    """The observable of the frames, which weigh the same."""
    features = jax.vmap(observable.features, (0, None))(jnp.asarray(X.reshape(FRAMES, -1)), theta)
    assert features.shape == (FRAMES, observable.n_features)
    found = np.asarray(observable.combine(features.mean(axis=0), theta))
    assert len(found) == len(observable.names)
    return found


def _lattice(space_group: str = "P 1", n: int = 3) -> MillerLattice:
    hkl = np.array([h for h in np.ndindex(n, n, n) if any(h)])
    return MillerLattice(hkl, CELL, gemmi.SpaceGroup(space_group))


def _factors(lattice: MillerLattice) -> np.ndarray:
    """Structure factors [FRAMES, H] by the sum that all engines are checked by."""
    frac = np.array(CELL.frac.mat.tolist())
    return np.stack([direct_structure_factors(Scatterers.alike(ELEMENTS), lattice, 10 * x @ frac.T) for x in X])


def test_moments_are_means_of_powers() -> None:
    np.testing.assert_allclose(_value(moments([0, 4], 2)), (X.reshape(FRAMES, -1)[:, [0, 4]] ** 2).mean(axis=0))
    assert moments([0], 2).names == ("<x^2> of variable 1",)


def test_displacements_are_variances_in_square_angstrom() -> None:
    variance = 100 * X.var(axis=0).sum(axis=1)
    np.testing.assert_allclose(_value(mean_square_displacements(REFERENCE, [1, 3], LABELS[:2])), variance[[1, 3]])
    found = _value(b_factors(REFERENCE, range(ATOMS), LABELS))
    np.testing.assert_allclose(found, 8 * np.pi**2 / 3 * variance)
    tensor = 100 * np.cov(X[:, 2].T, bias=True)
    expected = tensor[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    np.testing.assert_allclose(_value(displacement_tensors(REFERENCE, [2], ["N 2"])), expected)


def test_displacements_do_not_depend_on_where_they_are_counted_from() -> None:
    here, there = (b_factors(REFERENCE + shift, [0, 5], LABELS[:2]) for shift in (0.0, 3.0))
    np.testing.assert_allclose(_value(here), _value(there), rtol=1e-9)


def test_covariances_are_those_of_pairs() -> None:
    u = X - X.mean(axis=0)
    expected = 100 * (u[:, [0, 2]] * u[:, [1, 2]]).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(_value(covariances(REFERENCE, np.array([[0, 1], [2, 2]]), LABELS[:2])), expected)


def test_distances_and_histograms() -> None:
    r = np.linalg.norm(X[:, 0] - X[:, 3], axis=1)
    np.testing.assert_allclose(_value(distances([[0, 3]])), [r.mean()])
    np.testing.assert_allclose(_value(distances([[0, 3]], -6)), [(r**-6.0).mean()])
    edges = np.linspace(r.min() - 0.05, r.max() + 0.05, 6)
    counts = np.histogram(r, edges)[0] / FRAMES
    np.testing.assert_allclose(_value(distance_histogram([[0, 3]], edges, blur=1e-9)), counts, atol=1e-9)
    soft = _value(distance_histogram([[0, 3]], edges))
    assert soft.sum() == pytest.approx(1, abs=1e-3)
    assert np.abs(soft - counts).max() < 0.15


def test_radius_of_gyration_is_the_root_of_the_mean_square() -> None:
    masses = np.array([12.0, 14, 16, 12, 32, 1])
    centre = np.einsum("a,tax->tx", masses, X) / masses.sum()
    square = np.einsum("a,tax->t", masses, (X - centre[:, None]) ** 2) / masses.sum()
    np.testing.assert_allclose(_value(radius_of_gyration(range(ATOMS), masses)), [np.sqrt(square.mean())])


def test_mean_structure_factors_are_those_of_direct_summation() -> None:
    lattice = _lattice()
    mean = _factors(lattice).mean(axis=0)
    for part, expected in (("amplitude", np.abs(mean)), ("real part", mean.real), ("imaginary part", mean.imag)):
        np.testing.assert_allclose(_value(mean_structure_factors(lattice, ELEMENTS, part)), expected, atol=1e-9)


def test_many_waves_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = waves_at(_lattice(), ELEMENTS)
    at_once = waves.structure_factors(jnp.asarray(X[0].ravel()))
    monkeypatch.setattr("mdweights_core.dynamics.observables.waves._AT_ONCE", 4 * ATOMS)
    np.testing.assert_allclose(waves.structure_factors(jnp.asarray(X[0].ravel())), at_once, atol=1e-12)


def test_diffuse_intensities_are_variances_averaged_over_equivalents() -> None:
    groups = laue_groups(_lattice("P 41"))
    expected = groups.average(_factors(groups.p1).var(axis=0))
    np.testing.assert_allclose(_value(diffuse_intensities(groups, ELEMENTS)), expected, rtol=1e-9)
    lattice = _lattice()
    np.testing.assert_allclose(_value(diffuse_intensities(lattice, ELEMENTS)), _factors(lattice).var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("is_anisotropic", [False, True])
def test_agreement_with_a_map_is_its_correlation(is_anisotropic: bool) -> None:
    lattice = _lattice("P 41", 6)
    groups = laue_groups(lattice)
    observed = DiffuseMap(groups.lattice, RNG.uniform(1, 2, len(groups)), is_anisotropic=is_anisotropic)
    calculated = groups.average(_factors(groups.p1).var(axis=0))
    operator = anisotropic_operator(groups.lattice.inverse_d)
    expected = [np.corrcoef(operator(observed.intensity), operator(calculated))[0, 1]]
    expected += [] if is_anisotropic else [np.corrcoef(observed.intensity, calculated)[0, 1]]
    np.testing.assert_allclose(_value(map_agreement(observed, ELEMENTS)), expected, rtol=1e-9)


def test_too_small_a_map_is_refused() -> None:
    lattice = _lattice().select(np.arange(5))
    with pytest.raises(BadInput, match="has 5 reflections here"):
        map_agreement(DiffuseMap(lattice, np.ones(5)), ELEMENTS)


def test_the_mean_energy_depends_on_its_parameters_by_itself() -> None:
    @jax.tree_util.register_dataclass
    @dataclass(frozen=True)
    class Spring:
        def energy(self, x: jax.Array, theta: jax.Array) -> jax.Array:
            return theta[0] * x @ x / 2

    observable, square = MeanEnergy(Spring()), (X**2).sum(axis=(1, 2)).mean() / 2
    np.testing.assert_allclose(_value(observable, jnp.array([3.0])), [3 * square])
    slope = jax.jacfwd(observable.features, 1)(jnp.asarray(X[0].ravel()), jnp.array([3.0]))
    np.testing.assert_allclose(slope, [[(X[0] ** 2).sum() / 2]])


def test_several_observables_are_told_one_behind_the_other() -> None:
    parts = [distances([[0, 3]]), b_factors(REFERENCE, [1, 2], LABELS[:2]), diffuse_intensities(_lattice(), ELEMENTS)]
    both = joined(parts)
    np.testing.assert_allclose(_value(both), np.concatenate([_value(part) for part in parts]))
    assert both.names[:3] == (*parts[0].names, *parts[1].names)
    assert joined(parts[:1]) is parts[0]


def test_all_can_be_differentiated_and_passed_through_jit() -> None:
    """The derivative of a combination by the frames agrees with finite differences along a random direction."""
    lattice = _lattice("P 41", 5)
    groups = laue_groups(lattice)
    observable = joined(
        [
            displacement_tensors(REFERENCE, [2], ["N 2"]),
            distance_histogram([[0, 3]], np.linspace(0.2, 2, 4)),
            radius_of_gyration(range(ATOMS), np.ones(ATOMS)),
            mean_structure_factors(lattice, ELEMENTS),
            map_agreement(DiffuseMap(groups.lattice, RNG.uniform(1, 2, len(groups))), ELEMENTS),
        ]
    )

    @jax.jit
    def value(it: Observable, x: jax.Array) -> jax.Array:
        return it.combine(jax.vmap(it.features, (0, None))(x, NONE).mean(axis=0), NONE)

    x = jnp.asarray(X.reshape(FRAMES, -1))
    move = jnp.asarray(RNG.normal(size=x.shape))
    slope = jax.jvp(lambda at: value(observable, at), (x,), (move,))[1]
    differences = (value(observable, x + 1e-6 * move) - value(observable, x - 1e-6 * move)) / 2e-6
    np.testing.assert_allclose(slope, differences, rtol=1e-5, atol=1e-6 * np.abs(differences).max())


def test_an_atom_has_no_distance_from_itself() -> None:
    with pytest.raises(BadInput, match="Atom 3 has no distance"):
        distances([[2, 2]])
    with pytest.raises(BadInput, match="do not rise"):
        distance_histogram([[0, 1]], [0.3, 0.3])
