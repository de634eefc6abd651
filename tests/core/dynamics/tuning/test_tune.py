"""Fits of parameters against closed forms: straight lines, three springs, priors, bounds, noise, stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from support.springs import TRUE, ring_simulator, ring_targets
from support.straight_lines import StraightLines

from mdweights_core import jobs
from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.tuning.job import tune
from mdweights_core.dynamics.tuning.result import Tuning, summary
from mdweights_core.dynamics.tuning.settings import Prior, TuneSettings
from mdweights_core.dynamics.tuning.targets import Targets
from mdweights_core.errors import BadInput

M, SIGMA = 7, 0.1
SLOPES = np.random.default_rng(0).normal(size=(M, 3))
WANTED = np.array([0.7, -1.2, 2.0])
FREE = tuple(Parameter(name, value) for name, value in (("a", 1.0), ("b", -1.0), ("c", 1.5)))
FAR = np.array([1.7, -1.2, 2.0])
SCATTER = SIGMA * np.random.default_rng(1).normal(size=M)


def lines(**options: object) -> StraightLines:
    return StraightLines(**{"slopes": SLOPES, "parameters": FREE} | options)  # type: ignore[arg-type]


def line_targets(held_out: tuple[int, ...] = ()) -> Targets:
    names = [f"y{i + 1}" for i in range(M)]
    return Targets.of(names, SLOPES @ WANTED + SCATTER, np.full(M, SIGMA), np.isin(np.arange(M), held_out))


def fit(simulator: StraightLines, targets: Targets | None = None, **options: object) -> Tuning:
    settings = TuneSettings(**{"tolerance": 1e-13} | options)  # type: ignore[arg-type]
    return jobs.run(tune(simulator, targets or line_targets(), settings))


def test_three_springs_from_two_displacements_and_six_diffuse_intensities() -> None:
    found = jobs.run(tune(ring_simulator(), ring_targets()))
    assert found.end == "converged"
    assert found.iterations <= 8
    np.testing.assert_allclose(found.values, TRUE, rtol=0.05)
    assert found.chi2 < 1e-3
    assert found.trace_chi2[0] > 100


@pytest.mark.parametrize("method", ["adam", "rmsprop"])
def test_first_order_methods_come_to_the_same_end_more_slowly(method: str) -> None:
    found = fit(lines(), method=method, iterations=60, tolerance=0.1, learning_rate=0.1)
    best = np.linalg.lstsq(SLOPES, line_targets().values)[0]
    np.testing.assert_allclose(found.values, best, atol=0.1)
    assert found.iterations > 10


def test_straight_lines_are_solved_as_by_normal_equations_with_a_prior() -> None:
    prior = Prior("b", -0.5, 0.05)
    found = fit(lines(), priors=(prior,))
    stiffness = np.array([0, 1 / prior.width, 0])
    information = SLOPES.T @ SLOPES / SIGMA**2 + np.diag(stiffness**2)
    pull = SLOPES.T @ line_targets().values / SIGMA**2 + stiffness**2 * prior.centre
    np.testing.assert_allclose(found.values, np.linalg.solve(information, pull), rtol=1e-6)
    covariance = np.linalg.inv(information)
    errors = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found.errors, errors, rtol=1e-9)
    np.testing.assert_allclose(found.correlation, covariance / np.outer(errors, errors), rtol=1e-9)


def test_bounds_are_kept_and_the_others_make_the_best_of_it() -> None:
    bounded = (replace(FREE[0], low=0.9, high=3), FREE[1], replace(FREE[2], low=-5, high=1.8))
    found = fit(lines(parameters=bounded))
    low, high = ([getattr(one, side) for one in bounded] for side in ("low", "high"))
    best = lsq_linear(SLOPES, line_targets().values, bounds=(low, high), tol=1e-12)
    np.testing.assert_allclose(found.values, best.x, atol=1e-5)
    assert found.values[0] == pytest.approx(0.9)


def test_held_out_targets_are_only_looked_at() -> None:
    targets = line_targets(held_out=(2, 5))
    other = replace(targets, values=targets.values + 3.0 * targets.held_out)
    one, two = fit(lines(), targets), fit(lines(), other)
    np.testing.assert_array_equal(one.values, two.values)
    kept = ~targets.held_out
    np.testing.assert_allclose(one.values, np.linalg.lstsq(SLOPES[kept], targets.values[kept])[0], rtol=1e-6)
    away = (SLOPES @ one.values - targets.values)[targets.held_out]
    assert one.chi2_held == pytest.approx(np.mean((away / SIGMA) ** 2))
    assert "On 2 held out it went" in one.verdict
    assert "made held-out data worse" in two.verdict


def test_a_noisy_fit_ends_where_noise_begins_and_tells_its_error() -> None:
    """Over 40 noise seeds: few simulations each, and a scatter that the errors foretell."""
    exact = np.linalg.lstsq(SLOPES, line_targets().values)[0]
    found = [fit(lines(noise=0.2), seed=100 * i, tolerance=0.01) for i in range(40)]
    assert np.mean([one.iterations for one in found]) < 4
    assert all(one.end == "converged" for one in found)
    inverse = np.linalg.inv(SLOPES.T @ SLOPES)
    own = 0.2 * np.sqrt(np.diag(inverse))  # of the noise alone
    scatter = np.sqrt(np.mean([(one.values - exact) ** 2 for one in found], axis=0))
    np.testing.assert_array_less(scatter, 2.5 * own)
    np.testing.assert_array_less(own / 2.5, scatter)
    np.testing.assert_allclose(found[0].errors, np.hypot(own, SIGMA * np.sqrt(np.diag(inverse))), rtol=1e-9)


def test_a_trajectory_is_used_again_while_it_may_be_and_the_end_is_simulated() -> None:
    anew, again = lines(), lines(reach=1.0)
    first, second = fit(anew), fit(again)
    np.testing.assert_allclose(first.values, second.values, rtol=1e-6)
    assert len(again.asked) < len(anew.asked)
    assert (second.trace_effective[1:] < 1).any()
    np.testing.assert_array_equal(again.asked[-1], second.values)
    assert fit(lines(reach=1.0), reuse=1.0).trace_effective.min() == 1


def test_steps_to_where_nothing_can_be_simulated_are_taken_back() -> None:
    start = (replace(FREE[0], value=0.5), *FREE[1:])
    beyond = line_targets()
    beyond = replace(beyond, values=SLOPES @ FAR)
    found = fit(lines(parameters=start, forbidden=1.75), beyond, max_step=5.0)
    np.testing.assert_allclose(found.values, FAR, rtol=1e-4)
    found = fit(lines(parameters=start, forbidden=1.65, slopes=SLOPES * [1.05, 1, 1]), beyond, max_step=5.0)
    assert found.values[0] < 1.65
    with pytest.raises(BadInput, match="time step is too long"):
        fit(lines(parameters=start, forbidden=0.500001), beyond)


@pytest.mark.parametrize("method", ["levenberg-marquardt", "adam"])
def test_a_fit_that_was_stopped_goes_on_to_the_same_end(tmp_path: Path, method: str) -> None:
    settings = TuneSettings(method=method, iterations=12, tolerance=1e-9, max_step=0.08)
    straight = jobs.run(tune(lines(reach=0.1, noise=0.005), line_targets(), settings))
    checkpoint = tmp_path / "fit.npz"
    job = tune(lines(reach=0.1, noise=0.005), line_targets(), settings, checkpoint=checkpoint)
    for _ in range(4):
        next(job)
    stopped = jobs.stop(job)
    assert stopped is not None
    assert stopped.end == "stopped"
    assert 0 < stopped.iterations < straight.iterations
    again = tune(lines(reach=0.1, noise=0.005), line_targets(), settings, checkpoint=checkpoint)
    found = jobs.run(again)
    for name in ("values", "errors", "trace_theta", "trace_chi2", "trace_effective", "after", "jacobian"):
        np.testing.assert_array_equal(getattr(found, name), getattr(straight, name), err_msg=name)
    assert found.steps == straight.steps
    longer = replace(settings, iterations=14)
    assert jobs.run(tune(lines(), line_targets(), longer, checkpoint=checkpoint)).iterations >= found.iterations
    with pytest.raises(BadInput, match="other targets or other settings"):
        jobs.run(tune(lines(), line_targets((1,)), settings, checkpoint=checkpoint))
    checkpoint.write_bytes(b"PK nothing")
    with pytest.raises(BadInput, match="damaged"):
        jobs.run(tune(lines(), line_targets(), settings, checkpoint=checkpoint))


def test_a_fit_stopped_before_its_first_simulation_has_nothing() -> None:
    job = tune(lines(), line_targets())
    next(job)
    assert jobs.stop(job) is None


def test_progress_tells_iterations_and_numbers() -> None:
    seen: list[jobs.Progress] = []
    found = jobs.run(tune(lines(noise=0.01), line_targets()), seen.append)
    own = [one for one in seen if one.stage == "tuning"]
    assert [one.values["chi2"] for one in own] == found.trace_chi2[1:].tolist()
    assert own[-1].message.startswith(f"iteration {found.iterations}: chi-square per datum")
    np.testing.assert_array_equal(own[-1].arrays["theta"], found.trace_theta)


def test_numbers_for_json_hold_no_nan() -> None:
    idle = (*FREE, Parameter("d", 1.0))
    slopes = np.hstack([SLOPES, 1e-9 * SLOPES[:, :1]])
    found = fit(lines(parameters=idle, slopes=slopes))
    plain = summary(found)
    assert plain["chi2_per_datum_held_out"] is None
    assert plain["parameters"][3]["error"] is None
    assert "They do not determine d." in plain["determined"]
    assert plain["targets"][0]["after"] == found.after[0]


@pytest.mark.parametrize(
    ("options", "targets", "told"),
    [
        ({"slopes": SLOPES * [1, 0, 1]}, None, "No target that is fitted depends on b"),
        ({"slopes": SLOPES * np.nan}, None, "y1 is not a number"),
        ({"forbidden": 0.0}, None, "time step is too long"),
        ({}, Targets.of(["z"], np.ones(1), np.ones(1)), "no observable called 'z'"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options: dict[str, object], targets: Targets | None, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        fit(lines(**options), targets)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "newton"}, "no method called 'newton'"),
        ({"iterations": 0}, "iterations is 0"),
        ({"max_step": 0.0}, "max step is 0"),
        ({"reuse": 0.0}, "share for reuse is 0"),
        ({"priors": (Prior("z", 1.0, 1.0),)}, "prior of 'z'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        fit(lines(), **options)
