"""Umbrella sampling against free energies by quadrature, along a line and round a circle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.energy.toys.densities import Gaussian
from mdweights_core.energy.toys.registry import toy
from mdweights_core.errors import BadInput
from mdweights_core.flow.reference.settings import ChainSettings, Windows
from mdweights_core.flow.reference.umbrella import UmbrellaRun, run_umbrella


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ring:
    """Two wells of unlike depth on a ring in the plane: u = 50 (r - 2)^2 + 2 cos(2 angle) + cos(angle - 0.7)."""

    n = 2

    def reduced(self, x: jax.Array) -> jax.Array:
        angle = jnp.arctan2(x[1], x[0])
        return 50 * (jnp.sqrt(jnp.sum(x**2)) - 2) ** 2 + 2 * jnp.cos(2 * angle) + jnp.cos(angle - 0.7)


def angle_of(x: jax.Array) -> jax.Array:
    return jnp.arctan2(x[1], x[0])


def double_well(sets: int = 32, seed: int = 0, **chosen: object) -> UmbrellaRun:
    well = toy("double-well")
    target = well.make()
    settings = ChainSettings(150, 10, 300, step=0.3, moves="hybrid", seed=seed)
    windows = chosen.pop("windows", Windows.even(-2.4, 2.4, 16, 20.0))
    return jobs.run(run_umbrella(target, well.coordinate, windows, target.starts, settings, sets=sets, **chosen))


@pytest.fixture(scope="module")
def run() -> UmbrellaRun:
    """Sixteen windows over both wells."""
    return double_well()


def test_difference_of_the_double_well_and_its_error(run: UmbrellaRun) -> None:
    difference, error = run.difference(toy("double-well").is_above(run.x))
    assert error < 0.08
    assert difference == pytest.approx(3.380006, abs=3 * error)
    assert run.weights().sum() == pytest.approx(1.0)


def test_errors_are_those_that_repeated_runs_have() -> None:
    runs = [double_well(sets=6, seed=seed) for seed in range(1, 13)]
    found = np.array([run.difference(toy("double-well").is_above(run.x)) for run in runs])
    z = (found[:, 0] - 3.380006) / found[:, 1]
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.9


def test_profile_and_mean_energy_without_restraints(run: UmbrellaRun) -> None:
    x = np.linspace(-4, 4, 4001)
    u = np.asarray(toy("double-well").make().along_x(x))  # type: ignore[attr-defined]
    density = np.exp(-(u - u.min()))
    weights = run.weights()
    assert np.sum(weights * run.energy) == pytest.approx(density @ u / density.sum() + 0.5, abs=0.06)
    found, edges = np.histogram(run.coordinate, bins=12, range=(-2.4, 2.4), weights=weights)
    expected, _ = np.histogram(x, bins=edges, weights=density / density.sum())
    np.testing.assert_allclose(np.log(found), np.log(expected), atol=0.35)


def test_what_is_kept_belongs_together(run: UmbrellaRun) -> None:
    target, coordinate = toy("double-well").make(), toy("double-well").coordinate
    x = jnp.asarray(run.x.reshape(-1, 2))
    np.testing.assert_allclose(run.coordinate.ravel(), coordinate(run.x).ravel())
    np.testing.assert_allclose(run.energy.ravel(), jax.vmap(target.reduced)(x), atol=1e-9)
    assert run.evaluations >= 32 * 16 * (1 + 300 + 150 * 10)
    assert np.isfinite(run.exchanged[:-1]).all()
    assert np.isnan(run.exchanged[-1])


def test_round_a_circle() -> None:
    windows = Windows.even(-np.pi, np.pi, 8, 4.0, is_angle=True)
    settings = ChainSettings(250, 30, 300, step=0.08, moves="hybrid", seed=5)
    start = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    run = jobs.run(run_umbrella(Ring(), angle_of, windows, start, settings, sets=24))
    angle = np.linspace(-np.pi, np.pi, 3601)[:-1]
    density = np.exp(-2 * np.cos(2 * angle) - np.cos(angle - 0.7))  # the radius is independent of the angle
    expected = -np.log(density[angle > 0].sum() / density[angle <= 0].sum())
    difference, error = run.difference(run.coordinate > 0)
    assert error < 0.08
    assert difference == pytest.approx(expected, abs=3 * error)
    assert np.isfinite(run.exchanged).all()  # the last window exchanges with the first one


def test_windows_without_restraint_exchange_always() -> None:
    run = double_well(sets=2, windows=Windows([0.0, 1.0, 2.0], [0.0, 0.0, 0.0]))
    np.testing.assert_array_equal(run.exchanged[:-1], 1.0)
    np.testing.assert_allclose(run.weights(), 1 / run.coordinate.size)


def first_of(x: jax.Array) -> jax.Array:
    return x[0]


def test_exchanges_do_not_heat_stiff_directions() -> None:
    """Langevin positions of an oscillator are exact at any step; velocities drawn anew would spoil that."""
    target = Gaussian.of(np.zeros(2), np.diag([1.0, 0.01]))
    settings = ChainSettings(200, 4, 200, step=0.1, seed=6)
    windows = Windows([0.0] * 4, [0.0] * 4)
    run = jobs.run(run_umbrella(target, first_of, windows, np.zeros((1, 2)), settings, sets=100))
    of_sets = np.mean(run.x[..., 1] ** 2, axis=(0, 2)) / 0.01
    error = of_sets.std(ddof=1) / 10
    assert error < 0.015
    assert of_sets.mean() == pytest.approx(1.0, abs=3 * error)


def test_starts_that_are_about_as_near_are_dealt_out_to_the_sets() -> None:
    target = Gaussian.of(np.zeros(2), np.eye(2))
    starts = np.array([[0.0, -1.0], [0.01, 1.0], [5.0, 0.0]])
    job = run_umbrella(target, first_of, Windows([0.0], [10.0]), starts, ChainSettings(1, 1, 0, step=1e-6), sets=4)
    np.testing.assert_allclose(jobs.run(job).x[0, :, 0, 1], [-1.0, 1.0, -1.0, 1.0], atol=1e-4)


def test_bias_of_windows_is_their_formula() -> None:
    line, circle = Windows([0.5, 1.0], [2.0, 4.0]), Windows([0.0, 3.0], [2.0, 4.0], is_angle=True)
    np.testing.assert_allclose(line.bias(np.array([0.5, 2.0])), [[0.0, 2.25], [0.5, 2.0]])
    np.testing.assert_allclose(circle.bias(np.array([np.pi])), [[4.0], [4.0 * (1 - np.cos(np.pi - 3.0))]])
    np.testing.assert_allclose(Windows.even(0.0, 2 * np.pi, 4, 1.0, is_angle=True).centres, np.arange(4) * np.pi / 2)


def test_one_set_has_no_error(run: UmbrellaRun) -> None:
    first = replace(run, coordinate=run.coordinate[:, :1], energy=run.energy[:, :1], x=run.x[:, :1])
    difference, error = first.difference(toy("double-well").is_above(first.x))
    assert np.isfinite(difference)
    assert np.isnan(error)


def test_a_stopped_run_keeps_its_frames() -> None:
    well = toy("double-well")
    settings = ChainSettings(10**9, 20, 0, step=0.3, moves="hybrid")
    job = run_umbrella(well.make(), well.coordinate, Windows.even(-2, 2, 4, 5.0), well.make().starts, settings)
    step = 0
    while step < 3:
        step = next(job).step
    run = jobs.stop(job)
    assert run is not None
    assert run.stopped
    assert run.coordinate.shape == (step, 2, 4)
    assert run.x.shape == (step, 2, 4, 2)


def test_a_run_stopped_before_its_first_frame_has_none() -> None:
    well = toy("double-well")
    job = run_umbrella(well.make(), well.coordinate, Windows.even(-2, 2, 4, 5.0), well.make().starts, ChainSettings(5))
    next(job)
    run = jobs.stop(job)
    assert run is not None
    assert run.x.shape == (0, 2, 4, 2)


@pytest.mark.parametrize(
    ("centres", "stiffness"), [([], []), ([0.0, 1.0], [1.0]), ([0.0], [-1.0]), ([np.nan], [1.0]), ([0.0], [np.inf])]
)
def test_windows_that_mean_nothing_are_refused(centres: list[float], stiffness: list[float]) -> None:
    with pytest.raises(BadInput):
        Windows(np.array(centres), np.array(stiffness))


def test_no_sets_are_refused() -> None:
    with pytest.raises(BadInput, match="0 sets"):
        double_well(sets=0)
