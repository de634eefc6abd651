"""Particles against sums written out, with the minima and barriers that are known."""

from __future__ import annotations

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from mdweights_core.energy.toys.particles import DimerInFluid, DoubleWellParticles, LennardJonesParticles

Particles = DoubleWellParticles | LennardJonesParticles | DimerInFluid


@jax.jit
def value_and_gradient(target: Particles, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.value_and_grad(target.reduced)(x)


def lowest(target: Particles, start: np.ndarray) -> float:
    """The energy of the minimum below a start."""
    found = minimize(
        lambda x: [np.asarray(part) for part in value_and_gradient(target, x)],
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-8},
    )
    return float(found.fun)


def distances(x: np.ndarray, dim: int) -> dict[tuple[int, int], float]:
    places = x.reshape(-1, dim)
    return {(i, j): float(np.linalg.norm(places[i] - places[j])) for i, j in combinations(range(len(places)), 2)}


def test_dw4_is_its_sum_over_pairs() -> None:
    x = np.random.default_rng(0).normal(scale=2.0, size=8)
    by_hand = sum(-4 * (d - 4) ** 2 + 0.9 * (d - 4) ** 4 for d in distances(x, 2).values())
    assert float(DoubleWellParticles().reduced(jnp.asarray(x))) == pytest.approx(by_hand, rel=1e-10)


def test_dw4_has_its_known_minima() -> None:
    starts = np.random.default_rng(1).normal(scale=3.0, size=(60, 8))
    found = np.array([lowest(DoubleWellParticles(), start) for start in starts])
    assert found.min() == pytest.approx(-25.7922, abs=6e-5)
    for level in (-25.312, -24.352, -23.465, -21.066):
        assert np.abs(found - level).min() < 6e-4, level


def test_lj13_is_its_sum_over_pairs_and_trap() -> None:
    x = np.random.default_rng(0).normal(size=39)
    places = x.reshape(13, 3)
    by_hand = sum(d**-12 - 2 * d**-6 for d in distances(x, 3).values())
    by_hand += 0.35 * np.sum((places - places.mean(axis=0)) ** 2)
    assert float(LennardJonesParticles(trap=0.7).reduced(jnp.asarray(x))) == pytest.approx(by_hand, rel=1e-10)


def icosahedron() -> np.ndarray:
    """A centre and twelve corners at about the distance of least energy."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b) for a in (-1, 1) for b in (-golden, golden)]
    turned = [np.roll(corner, k) for corner in corners for k in range(3)]
    return np.concatenate([np.zeros((1, 3)), np.array(turned) / np.hypot(1, golden)]).ravel()


@pytest.mark.parametrize(("trap", "energy"), [(0.0, -44.3268), (0.5, -41.5448), (1.0, -38.7722)])
def test_lj13_is_lowest_as_an_icosahedron(trap: float, energy: float) -> None:
    assert lowest(LennardJonesParticles(trap=trap), icosahedron()) == pytest.approx(energy, abs=6e-5)


@pytest.mark.parametrize("target", [DoubleWellParticles(), LennardJonesParticles()])
def test_particles_have_the_same_energy_elsewhere_turned_and_in_another_order(target: Particles) -> None:
    rng = np.random.default_rng(3)
    places = target.starts[0].reshape(-1, target.dim) + 0.1 * rng.normal(size=(target.particles, target.dim))
    turn = np.linalg.qr(rng.normal(size=(target.dim, target.dim)))[0]
    moved = rng.permutation(places) @ turn + 5.0
    energies = [float(target.reduced(jnp.asarray(x.ravel()))) for x in (places, moved)]
    assert energies[0] == pytest.approx(energies[1], rel=1e-11)


@pytest.mark.parametrize("slope", [2.0, -0.5])
def test_dimer_in_fluid_is_its_terms(slope: float) -> None:
    x = DimerInFluid().starts[0] + 0.2 * np.random.default_rng(0).normal(size=76)
    (x1, y1), (x2, y2) = x[:4].reshape(2, 2)
    apart = distances(x, 2)
    s = 2 * (apart.pop((0, 1)) - 1.5)
    by_hand = slope * s - 25 * s**2 + 10 * s**4 + 20 * (x1 + x2) ** 2 + 20 * y1**2 + 20 * y2**2
    by_hand += sum((1.1 / d) ** 12 for d in apart.values())
    outside = [max(abs(c) - 3.0, 0.0) for c in x]
    assert max(outside) > 0.1
    by_hand += sum(2 * 100 * c**2 for c in outside)
    assert float(DimerInFluid(slope).reduced(jnp.asarray(x))) == pytest.approx(by_hand, rel=1e-11)


def test_dimer_alone_has_its_known_minima_and_barrier() -> None:
    d = np.linspace(0.5, 2.5, 200_001)
    energy = np.asarray(DimerInFluid(slope=2.0).along_dimer(d))
    closed, open_ = np.argmin(np.where(d < 1.5, energy, np.inf)), np.argmin(np.where(d >= 1.5, energy, np.inf))
    assert (d[closed], d[open_]) == pytest.approx((0.9312, 2.0487), abs=6e-5)
    assert (energy[closed], energy[open_]) == pytest.approx((-17.8807, -13.4093), abs=6e-5)
    top = energy[closed:open_].max()
    assert (top - energy[closed], top - energy[open_]) == pytest.approx((17.92, 13.45), abs=6e-3)


@pytest.mark.parametrize(("slope", "difference"), [(2.0, -4.41390), (-0.5, 1.10369)])
def test_dimer_alone_has_the_free_energy_that_the_published_notebook_prints(slope: float, difference: float) -> None:
    d = np.linspace(0.5, 2.5, 100)
    density = np.exp(-np.asarray(DimerInFluid(slope).along_dimer(d)))
    closed, open_ = density[d < 1.5].sum(), density[d >= 1.5].sum()
    assert np.log(open_ / closed) == pytest.approx(difference, abs=6e-6)


def test_dimer_starts_are_closed_and_open_in_a_fluid_on_a_lattice() -> None:
    starts = DimerInFluid().starts.reshape(2, 38, 2)
    np.testing.assert_allclose(np.linalg.norm(starts[:, 0] - starts[:, 1], axis=1), [1.0, 2.0])
    assert min(distances(starts[0, 2:].ravel(), 2).values()) == pytest.approx(1.2)
    assert np.abs(starts).max() == 3.0


@pytest.mark.parametrize("target", [DoubleWellParticles(), LennardJonesParticles(), DimerInFluid()])
def test_particles_in_one_place_have_finite_energies_and_forces_in_float32(target: Particles) -> None:
    energy, force = value_and_gradient(target, jnp.zeros(target.n, jnp.float32))
    assert np.isfinite(energy)
    assert np.isfinite(force).all()
