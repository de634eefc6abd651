"""The published loops against sums over pairs by hand, finite differences and their exact lower bounds."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mdweights_core.energy import loops
from mdweights_core.energy.base import value, value_and_gradient
from mdweights_core.energy.loops import BEST_DISTANCE, LOOP, STEEP_CORE, WELL, Loops, Variant, lennard_jones

VARIANTS: tuple[Variant, ...] = ("lj", "bond-lj")


def by_hand(system: Loops, x: np.ndarray) -> float:
    """The published energy without repulsion from matrices of couplings and distances, as the program has it."""
    r = np.linalg.norm(x[:, None] - x[None], axis=-1)
    chain, loop = (np.eye(system.n, k=k) + np.eye(system.n, k=-k) for k in (1, LOOP))
    lj = 1 / (r**12 + 0.01) - 1 / (r**6 + 0.06)
    if system.variant == "lj":
        coupling = chain + 0.1 * loop
        return float(np.mean((coupling * lj)[coupling > 0]))
    return float(np.mean((r[chain > 0] - 1) ** 2) + np.mean(0.1 * lj[loop > 0]))


def helix(n: int, pitch: float) -> np.ndarray:
    """Particles on a helix: neighbours at distance 1 where `pitch` and the radius say so."""
    turn = 2 * np.pi / LOOP
    radius = np.sqrt(BEST_DISTANCE**2 - (pitch / LOOP) ** 2) / (2 * np.sin(turn / 2))
    at = np.arange(n)
    return np.stack([radius * np.cos(turn * at), radius * np.sin(turn * at), pitch / LOOP * at], axis=1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_score_is_the_published_sum_over_pairs(variant: Variant) -> None:
    system = Loops(40, variant)
    x = system.gaussian_starts(3, seed=1)
    np.testing.assert_allclose(system.score(x), [by_hand(system, it) for it in x], rtol=1e-12)


@pytest.mark.parametrize(("variant", "drawn_from"), [("lj", 2 * (40 * 39 // 2 - 69)), ("bond-lj", 40 * 39)])
def test_repulsion_is_the_mean_over_random_uncoupled_pairs(variant: Variant, drawn_from: int) -> None:
    system = Loops(40, variant)
    energy = system.energy(seed=5)
    term = energy.terms["repulsion"]
    assert isinstance(term, loops.RepellingPairs)
    first, second = np.asarray(term.first), np.asarray(term.second)
    assert len(first) == int(40 * np.log(40)) < drawn_from
    assert (first != second).all()
    is_coupled = np.isin(np.abs(first - second), (1, LOOP))
    assert not is_coupled.any() if variant == "lj" else is_coupled.any()
    x = system.chain_starts(1)[0]
    r = np.linalg.norm(x[first] - x[second], axis=1)
    expected = by_hand(system, x) + 2.5e-3 * np.mean(1 / (r + 0.01))
    assert float(value(energy, jnp.asarray(x))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("core", [0.0, STEEP_CORE])
def test_gradient_is_that_of_finite_differences(variant: Variant, core: float) -> None:
    system = Loops(14, variant)
    energy = system.energy(core=core)
    x = jnp.asarray(0.4 * system.gaussian_starts(1, seed=2)[0])
    gradient = value_and_gradient(energy, x)[1]
    for atom, axis in ((0, 0), (5, 1), (13, 2)):
        step = jnp.zeros_like(x).at[atom, axis].set(1e-6)
        slope = (value(energy, x + step) - value(energy, x - step)) / 2e-6
        assert float(gradient[atom, axis]) == pytest.approx(float(slope), rel=1e-6, abs=1e-9)


def test_well_is_the_minimum_of_the_softened_potential() -> None:
    found = minimize_scalar(lambda r: float(lennard_jones(jnp.float64(r))), (1.0, 1.1, 1.3), tol=1e-12)
    assert pytest.approx(found.x, abs=1e-6) == BEST_DISTANCE
    assert pytest.approx(found.fun, abs=1e-12) == WELL


@pytest.mark.parametrize(
    ("n", "variant", "bound"),
    [(400, "lj", -0.131411), (1000, "lj", -0.130678), (400, "bond-lj", -0.023672), (1000, "bond-lj", -0.023672)],
)
def test_lower_bounds_are_those_of_the_closed_form(n: int, variant: Variant, bound: float) -> None:
    """((n - 1) + 0.1 (n - 10)) / (2 n - 11) wells, or a tenth of one."""
    system = Loops(n, variant)
    share = 0.1 if variant == "bond-lj" else ((n - 1) + 0.1 * (n - 10)) / (2 * n - 11)
    assert system.lower_bound == pytest.approx(share * WELL, rel=1e-12)
    assert system.lower_bound == pytest.approx(bound, abs=5e-7)


def test_a_helix_with_ten_particles_a_turn_reaches_the_bound() -> None:
    system = Loops(60)
    x = helix(60, pitch=BEST_DISTANCE)[None]
    assert system.score(x)[0] == pytest.approx(system.lower_bound, rel=1e-9)
    assert system.formed(x)[0] == 1.0
    assert system.formed(helix(60, pitch=2.5 * BEST_DISTANCE)[None])[0] == 0.0


def test_published_core_is_flat_and_the_steep_one_is_not() -> None:
    system = Loops(11)
    x = np.zeros((11, 3))
    x[:, 0] = 2.0 * np.arange(11)
    x[1] = x[0] + [1e-3, 0, 0]
    forces = [float(value_and_gradient(system.energy(core=core), jnp.asarray(x))[1][1, 0]) for core in (0, STEEP_CORE)]
    assert abs(forces[0]) < 1e-3
    assert forces[1] < -1.0


def test_both_cores_are_one_function_outside_the_core_and_join_smoothly() -> None:
    system = Loops(12)
    x = 3 * system.chain_starts(1, seed=3)[0]
    both = [value_and_gradient(system.energy(core=core), jnp.asarray(x)) for core in (0, STEEP_CORE)]
    assert float(both[0][0]) == pytest.approx(float(both[1][0]), rel=1e-14)
    slope = loops._slope(STEEP_CORE)
    step = (lennard_jones(jnp.float64(STEEP_CORE + 1e-6)) - lennard_jones(jnp.float64(STEEP_CORE - 1e-6))) / 2e-6
    assert slope == pytest.approx(float(step), rel=1e-6)


def test_starts_have_the_published_widths_and_are_drawn_by_their_seed() -> None:
    system = Loops(1000)
    assert system.sigma == pytest.approx(5.0)
    start = system.gaussian_starts(2, seed=4)
    assert start.std() == pytest.approx(2.5, rel=0.03)
    np.testing.assert_array_equal(start, system.gaussian_starts(2, seed=4))
    assert (start != system.gaussian_starts(2, seed=5)).all()
    samples = system.samples(seed=1)
    np.testing.assert_allclose(samples.std(axis=(1, 2)), 5.0 * np.linspace(0.01, 0.2, 40), rtol=0.06)
    steps = np.linalg.norm(np.diff(system.chain_starts(1)[0], axis=0), axis=1)
    np.testing.assert_allclose(steps, BEST_DISTANCE)


def test_a_chain_too_short_for_a_loop_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 10"):
        Loops(10)
