"""Chains against closed forms and quadrature: every way to move has to give the ensemble it promises."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from mdweights_core import jobs
from mdweights_core.energy.toys.densities import Gaussian
from mdweights_core.energy.toys.particles import DimerInFluid
from mdweights_core.energy.toys.wells import DoubleWell, MuellerBrown
from mdweights_core.errors import BadInput
from mdweights_core.flow.reference.chains import Chains, run_chains, spread_over
from mdweights_core.flow.reference.settings import MOVES, ChainSettings

STEPS = {"langevin": 0.08, "hybrid": 0.5, "metropolis": 0.8}


def walk(target: DoubleWell | Gaussian | MuellerBrown, settings: ChainSettings, walkers: int = 200) -> Chains:
    return jobs.run(run_chains(target, spread_over(target.starts, walkers, np.float64), settings))


def mean_and_error(of_frames: np.ndarray) -> tuple[float, float]:
    """The mean of values [T, W] and its standard error from the walkers, which never meet."""
    each = of_frames.mean(axis=0)
    return float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5)


@pytest.mark.parametrize("moves", MOVES)
def test_mean_energy_is_that_of_quadrature(moves: str) -> None:
    target = DoubleWell(quadratic=2.0, linear=0.5)  # low enough to be crossed often
    x = np.linspace(-5, 5, 4001)
    u = np.asarray(target.along_x(x))
    expected = np.exp(-u) @ u / np.exp(-u).sum() + 0.5
    chains = walk(target, ChainSettings(200, 10, 500, step=STEPS[moves], moves=moves, seed=10))
    mean, error = mean_and_error(chains.energy)
    assert error < 0.02
    assert mean == pytest.approx(expected, abs=3 * error)
    assert chains.energy[-1, 0] == pytest.approx(float(target.reduced(jnp.asarray(chains.x[-1, 0]))), rel=1e-12)


@pytest.mark.parametrize("step", [0.5, 1.5])
def test_langevin_positions_of_an_oscillator_are_exact_at_any_step(step: float) -> None:
    """BAOAB has the variance kT/k itself, however long the step: Leimkuhler and Matthews 2013, section 4."""
    target = Gaussian.of(np.zeros(1), np.eye(1))
    chains = walk(target, ChainSettings(100, 20, 200, step=step, seed=2))
    mean, error = mean_and_error(chains.x[..., 0] ** 2)
    assert error < 0.02
    assert mean == pytest.approx(1.0, abs=3 * error)


def test_hybrid_steps_of_a_coarse_length_are_rejected_and_exact_all_the_same() -> None:
    target = Gaussian.of(np.zeros(2), np.diag([1.0, 0.04]))
    chains = walk(target, ChainSettings(300, 20, 500, step=0.35, moves="hybrid", seed=3))
    assert 0.5 < chains.acceptance < 0.95
    assert kstest(chains.x[::10, :, 1].ravel(), norm(scale=0.2).cdf).pvalue > 0.01
    mean, error = mean_and_error(chains.x[..., 1] ** 2)
    assert mean == pytest.approx(0.04, abs=3 * error)


@pytest.mark.parametrize("moves", ["langevin", "hybrid"])
def test_inertia_changes_the_pace_but_not_the_ensemble(moves: str) -> None:
    target = Gaussian.of(np.zeros(2), np.eye(2))
    settings = ChainSettings(200, 5, 300, step=0.3, moves=moves, seed=4)
    job = run_chains(target, np.zeros((200, 2)), settings, inertia=np.array([1.0, 50.0]))
    chains = jobs.run(job)
    for axis in (0, 1):
        mean, error = mean_and_error(chains.x[..., axis] ** 2)
        assert mean == pytest.approx(1.0, abs=3.5 * error)
    moved = np.mean(np.diff(chains.x, axis=0) ** 2, axis=(0, 1))
    assert moved[0] > 3 * moved[1]


def test_float32_starts_are_walked_in_float32_to_the_same_ensemble() -> None:
    target = MuellerBrown(scale=0.02)
    chains = jobs.run(
        run_chains(target, spread_over(target.starts, 200), ChainSettings(100, 20, 500, step=0.03, moves="hybrid"))
    )
    assert chains.x.dtype == np.float32
    grid = np.linspace(-4, 4, 801)
    x = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    u = np.asarray(jax.jit(jax.vmap(target.reduced))(jnp.asarray(x)))
    mean, error = mean_and_error(chains.energy)
    assert mean == pytest.approx(np.exp(-u) @ u / np.exp(-u).sum(), abs=3 * error)


def test_a_descent_brings_a_crowded_start_down_before_the_first_step() -> None:
    target = DimerInFluid()
    starts = target.starts
    settings = ChainSettings(1, 1, 0, descent=300, step=1e-6)
    chains = jobs.run(run_chains(target, starts, settings))
    assert float(target.reduced(jnp.asarray(starts[0]))) > 4000
    assert chains.energy[0].max() < 60
    assert chains.evaluations == 2 * (300 + 1 + 1)


def test_the_same_seed_gives_the_same_chain_and_another_one_does_not() -> None:
    target, settings = DoubleWell(), ChainSettings(3, 5, 0, seed=7)
    first, again = walk(target, settings, 4), walk(target, settings, 4)
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, walk(target, ChainSettings(3, 5, 0, seed=8), 4).x)


def test_energies_are_counted() -> None:
    chains = walk(DoubleWell(), ChainSettings(frames=7, stride=3, burn_in=10), 5)
    assert chains.evaluations == 5 * (1 + 10 + 7 * 3)
    assert chains.frames.shape == (35, 2)


def test_a_stopped_run_keeps_its_frames() -> None:
    target = DoubleWell()
    job = run_chains(target, spread_over(target.starts, 50), ChainSettings(10**9, 100, 0))
    seen = [next(job) for _ in range(3)]
    chains = jobs.stop(job)
    assert chains is not None
    assert chains.stopped
    assert len(chains.x) == len(chains.energy) == seen[-1].step > 0
    assert seen[-1].total == 10**9
    assert seen[-1].values["evaluations"] == chains.evaluations


def test_a_run_stopped_before_its_first_frame_has_none() -> None:
    job = run_chains(DoubleWell(), DoubleWell().starts, ChainSettings(10))
    next(job)
    chains = jobs.stop(job)
    assert chains is not None
    assert chains.x.shape == (0, 2, 2)


def test_steps_that_are_too_long_are_told_of() -> None:
    with pytest.raises(BadInput, match=r"lost.*Choose shorter steps"):
        walk(DoubleWell(), ChainSettings(10, 100, step=5.0), 4)


def test_starts_without_a_finite_energy_are_refused() -> None:
    starts = np.zeros((3, 2))
    starts[1] = np.nan
    with pytest.raises(BadInput, match=r"Walker 2 has no finite energy"):
        jobs.run(run_chains(DoubleWell(), starts, ChainSettings(1)))


@pytest.mark.parametrize("starts", [np.zeros(2), np.zeros((0, 2)), np.zeros((3, 2), dtype=int)])
def test_starts_of_another_shape_or_kind_are_refused(starts: np.ndarray) -> None:
    with pytest.raises(BadInput, match="float32 or float64"):
        jobs.run(run_chains(DoubleWell(), starts, ChainSettings(1)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 0},
        {"stride": 0},
        {"burn_in": -1},
        {"descent": -1},
        {"step": 0.0},
        {"step": float("nan")},
        {"friction": -1.0},
        {"moves": "jump"},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict) -> None:
    with pytest.raises(BadInput):
        ChainSettings(**{"frames": 1, **wrong})
