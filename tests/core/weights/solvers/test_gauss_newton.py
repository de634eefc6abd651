"""Fits of many problems at once, in double precision, against SciPy and against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
from support.small_frames import SmallFrames, small_frames

from mdweights_core.crystal.shells import anisotropic_operator
from mdweights_core.weights.frames.passes import contractions, intensities
from mdweights_core.weights.objectives import make_objective
from mdweights_core.weights.objectives.base import Objective
from mdweights_core.weights.settings import OBJECTIVES, FitSettings
from mdweights_core.weights.solvers import columns, sampling
from mdweights_core.weights.solvers.base import SolverState, Task, Term, relative_entropy
from mdweights_core.weights.solvers.gauss_newton import solve_many

T, G = 10, 240
ROWS = (np.arange(G) % 10 != 3).astype(np.float64)
EQUAL = np.full(T, 1 / T)


def objective_of(small: SmallFrames, name: str = "anisotropic-cc", seed: int = 0, noise: float = 0.3) -> Objective:
    """Agreement with the map of four of the frames, with errors."""
    rng = np.random.default_rng(seed)
    n_frames, n_groups = small.f.shape[0], small.f.shape[2]
    truth = np.zeros(n_frames)
    truth[rng.choice(n_frames, min(4, n_frames), replace=False)] = 1 / min(4, n_frames)
    exact = small.intensity(truth)
    observed = np.maximum(exact + noise * exact.std() * rng.normal(size=n_groups), 0.05 * exact.mean())
    inverse_d = np.linspace(0.05, 0.5, n_groups)
    settings = FitSettings(objective=name)
    return make_objective(settings, observed, None, inverse_d, anisotropic_operator(inverse_d))


@pytest.fixture(scope="module")
def small():
    return small_frames(T, 2, G, block_size=100)


@pytest.fixture(scope="module")
def term(small):
    return Term(small.frames, objective_of(small))


def task(theta: float = 0.0, **more) -> Task:
    return Task(**({"rows": ROWS, "start": EQUAL, "prior": EQUAL, "theta": theta} | more))


def solve(terms, tasks, **more) -> list[list[SolverState]]:
    """The states after each iteration."""
    return [states for states in solve_many(terms, tasks, **more) if states]


def gain_of(small: SmallFrames, objective: Objective, w: np.ndarray, rows: np.ndarray = ROWS) -> float:
    return float(objective.linearise(small.intensity(w)[None], rows[None]).gain[0])


def best_by_slsqp(gain, n: int = T) -> np.ndarray:
    def loss(w):
        w = np.maximum(w, 1e-300)
        return -gain(w / w.sum())

    found = scipy.optimize.minimize(
        loss,
        np.full(n, 1 / n),
        bounds=[(1e-12, 1)] * n,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 400},
    )
    return found.x / found.x.sum()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_through_the_passes_is_that_of_the_gain(small, name):
    objective = objective_of(small, name)
    w = np.random.default_rng(3).dirichlet(np.ones(T))
    linear = objective.linearise(intensities(small.frames, w[None]), ROWS[None])
    found = contractions(small.frames, w[None], linear.gradient[None])[0, 0]
    directions = np.eye(T) - 1 / T
    step = 1e-5
    expected = [
        (gain_of(small, objective, w + step * d) - gain_of(small, objective, w - step * d)) / (2 * step)
        for d in directions
    ]
    np.testing.assert_allclose(directions @ found, expected, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("theta", [0.0, 0.02])
def test_the_optimum_is_the_one_scipy_finds(small, name, theta):
    objective = objective_of(small, name)

    def gain(w):
        return gain_of(small, objective, w) - theta * relative_entropy(w, EQUAL)

    reference = best_by_slsqp(gain)
    state = solve([Term(small.frames, objective)], [task(theta)])[-1][0]
    assert state.converged
    assert gain(state.weights) >= gain(reference) - 1e-6
    assert state.gain == pytest.approx(gain(state.weights), abs=1e-9)
    np.testing.assert_allclose(state.weights, reference, atol=5e-3)


@pytest.mark.parametrize("theta", [0.0, 1e-3, 0.1])
def test_the_conditions_of_an_optimum_hold(small, term, theta):
    state = solve([term], [task(theta)])[-1][0]
    linear = term.objective.linearise(small.intensity(state.weights)[None], ROWS[None])
    slope = linear.gradient[0] @ small.columns(state.weights).T
    if theta > 0:
        slope -= theta * np.log(state.weights / EQUAL)
    np.testing.assert_allclose(state.gradient - state.gradient.mean(), slope - slope.mean(), atol=1e-5)
    multipliers = state.weights @ slope - slope
    assert multipliers.min() > -1e-3
    assert np.abs(multipliers[state.weights > 1e-4]).max() < 2e-3


@pytest.mark.parametrize("theta", [0.0, 0.01])
def test_the_gain_never_falls_and_belongs_to_the_weights(small, term, theta):
    states = [states[0] for states in solve([term], [task(theta)])]
    gains = [state.gain for state in states]
    assert len(gains) > 2
    assert (np.diff(gains) >= -1e-12).all()
    for state in states:
        exact = gain_of(small, term.objective, state.weights) - theta * relative_entropy(state.weights, EQUAL)
        assert state.gain == pytest.approx(exact, abs=1e-8)
        np.testing.assert_allclose(state.x, small.intensity(state.weights), rtol=1e-8, atol=1e-8)


def test_states_that_were_handed_out_do_not_change(term):
    solver = solve_many([term], [task()])
    kept = [(states[0], states[0].weights.copy(), states[0].x.copy()) for states in solver if states]
    for state, weights, x in kept:
        np.testing.assert_array_equal(state.weights, weights)
        np.testing.assert_array_equal(state.x, x)


def batch() -> list[Task]:
    rng = np.random.default_rng(0)
    return [
        task(0.0, rows=ROWS * rng.poisson(1.0, G)),
        task(0.01),
        task(0.0, start=rng.dirichlet(np.ones(T))),
        task(0.1, prior=rng.dirichlet(np.full(T, 5.0))),
        task(0.0, allowed=np.arange(T) % 2 == 0, start=np.where(np.arange(T) % 2 == 0, 2 / T, 0.0)),
        task(n_eff_floor=7.0),
    ]


def test_a_batch_gives_what_each_gives_alone(term):
    together = solve([term], batch(), tolerance=1e-8)[-1]
    for one, found in zip(batch(), together, strict=True):
        alone = solve([term], [one], tolerance=1e-8)[-1][0]
        assert found.converged
        assert found.gain == pytest.approx(alone.gain, abs=2e-6)
        np.testing.assert_allclose(found.weights, alone.weights, atol=2e-3)


def test_a_fit_that_is_done_stays_as_it_is_while_others_go_on(term):
    first = solve([term], [task()])[-1][0]
    history = solve([term], [task(start=first.weights), *batch()])
    done = [states[0] for states in history if states[0].done]
    assert len(done) > 1
    assert all(state is done[0] for state in done)


@pytest.mark.parametrize("theta", [0.0, 0.01])
def test_frames_that_are_not_allowed_get_nothing(small, term, theta):
    allowed = np.arange(T) < 6
    state = solve([term], [task(theta, allowed=allowed, start=np.where(allowed, 1 / 6, 0.0))])[-1][0]
    assert state.converged
    assert (state.weights[~allowed] == 0).all()
    part = SmallFrames(small.f[:6], small.share, small.frames)

    def gain(w):
        return gain_of(part, term.objective, w) - theta * relative_entropy(w, EQUAL[:6])

    assert gain(state.weights[:6]) >= gain(best_by_slsqp(gain, 6)) - 1e-6


@pytest.mark.parametrize("theta", [0.0, 1e-3])
def test_a_floor_on_the_effective_frames_is_kept_and_no_higher_than_it_must(term, theta):
    free = solve([term], [task(theta)])[-1][0]
    n_eff = 1 / np.sum(free.weights**2)
    floor = n_eff + 2
    state = solve([term], [task(theta, n_eff_floor=floor)])[-1][0]
    found = 1 / np.sum(state.weights**2)
    assert state.converged
    assert floor * (1 - 1e-9) <= found < 1.02 * floor
    assert state.theta > theta
    same = solve([term], [task(state.theta)])[-1][0]
    np.testing.assert_allclose(state.weights, same.weights, atol=2e-3)


def test_a_floor_that_is_kept_anyway_changes_nothing(term):
    free, floored = (solve([term], [task(1e-3, n_eff_floor=floor)])[-1][0] for floor in (0.0, 1.5))
    assert floored.theta == pytest.approx(1e-3, rel=0.01)
    np.testing.assert_allclose(floored.weights, free.weights, atol=1e-3)


@pytest.mark.parametrize("floor", [9.9, 50.0])
def test_theta_is_told_when_a_floor_leaves_the_weights_where_they_begin(term, floor):
    state = solve([term], [task(n_eff_floor=floor)])[-1][0]
    np.testing.assert_allclose(state.weights, EQUAL, rtol=0.25)
    same = solve([term], [task(state.theta)])[-1][0]
    np.testing.assert_allclose(state.weights, same.weights, atol=2e-3)
    assert state.gain == pytest.approx(same.gain, abs=1e-3)


def test_a_floor_that_holds_from_the_start_tells_the_theta_it_takes(term):
    first = solve([term], [task(n_eff_floor=7.0)])[-1][0]
    again = solve([term], [task(start=first.weights, n_eff_floor=7.0)])[-1][0]
    assert again.theta == pytest.approx(first.theta, rel=0.02)
    assert again.gain == pytest.approx(first.gain, abs=1e-4)


def test_a_floor_counts_the_frames_that_are_allowed(term):
    """Of six frames no eight can be kept: theta does not rise for ever."""
    allowed = np.arange(T) < 6
    start = np.where(allowed, 1 / 6, 0.0)
    state = solve([term], [task(allowed=allowed, start=start, n_eff_floor=8.0)])[-1][0]
    assert 5.9 < 1 / np.sum(state.weights**2) <= 6
    assert 0.1 < state.theta < 1e4


@pytest.mark.parametrize("theta", [0.0, 0.01])
@pytest.mark.parametrize("dial", [0.3, 0.8])
def test_diffuse_and_bragg_intensities_are_fitted_together(small, term, theta, dial):
    bragg = small_frames(T, 2, 120, block_size=50, sign=-1.0, bragg=0.5, seed=5)
    other = objective_of(bragg, "cc", seed=1)
    counts = (np.arange(120) % 7 != 0).astype(np.float64)
    terms = [replace(term, weight=1 - dial), Term(bragg.frames, other, dial, rows=counts)]

    def gain(w):
        both = (1 - dial) * gain_of(small, term.objective, w) + dial * gain_of(bragg, other, w, counts)
        return both - theta * relative_entropy(w, EQUAL)

    reference = best_by_slsqp(gain)
    state = solve(terms, [task(theta)])[-1][0]
    assert state.converged
    assert gain(state.weights) >= gain(reference) - 2e-6
    assert state.gain == pytest.approx(gain(state.weights), abs=1e-9)


def test_more_frames_than_columns_reach_the_same_optimum(monkeypatch):
    """Columns come and go: those that do not fit in are one mixture."""
    many = small_frames(60, 1, 400, block_size=200, n_modes=15)
    term, rows, equal = Term(many.frames, objective_of(many)), np.ones(400), np.full(60, 1 / 60)
    one = Task(rows, equal, equal)
    expected = solve([term], [one])[-1][0]
    monkeypatch.setattr(columns, "_MOST_COLUMNS", 16)
    monkeypatch.setattr(columns, "_NEWCOMERS", 4)
    states = solve([term], [one])
    found = states[-1][0]
    assert found.converged
    assert found.gain == pytest.approx(expected.gain, abs=1e-5)
    gains = [state[0].gain for state in states]
    assert (np.diff(gains) >= -1e-12).all()


@pytest.mark.parametrize("n_tasks", [1, 3])
@pytest.mark.parametrize("theta", [0.0, 0.01])
def test_a_sample_of_reflections_leads_to_the_optimum_of_all(monkeypatch, small, term, theta, n_tasks):
    one = task(theta)
    expected = solve([term], [one], tolerance=1e-9)[-1][0]
    monkeypatch.setattr(sampling, "_SAMPLE", 60)
    monkeypatch.setattr(sampling, "_PER_FRAME", 1)
    states = list(solve_many([replace(term, order=np.arange(G)[::-1])], [one] * n_tasks, tolerance=1e-8))
    assert [] in states
    assert states[-1][0].converged
    assert states[-1][0].gain == pytest.approx(expected.gain, abs=1e-6)
    np.testing.assert_allclose(states[-1][0].weights, expected.weights, atol=3e-3)


def test_frames_tied_unevenly_count_by_what_they_hold(term):
    """Kish's number of frames of units that hold one to four of them."""
    crowding = 1 / np.tile([1.0, 4.0], T // 2)
    free = solve([term], [task()])[-1][0]
    floor = 1 / (crowding @ free.weights**2) + 3
    state = solve([term], [task(n_eff_floor=floor, crowding=crowding)])[-1][0]
    assert floor * (1 - 1e-9) <= 1 / (crowding @ state.weights**2) < 1.02 * floor


def test_the_limit_is_kept_and_said(term):
    states = solve([term], [task(start=np.eye(T)[0] * 0.5 + EQUAL / 2)], limit=1)
    assert states[-1][0].iteration == 1
    assert not states[-1][0].converged
    assert states[-1][0].outcome == "Stopped at the limit of 1 iteration."


def test_a_map_that_is_the_opposite_of_every_frames_is_said_to_be_no_success(small):
    """Nothing correlates with it: weights stay, and the gain is not claimed to be more than it is."""
    observed = -small.intensity(EQUAL)
    inverse_d = np.linspace(0.05, 0.5, G)
    objective = make_objective(FitSettings(objective="cc"), observed, None, inverse_d, anisotropic_operator(inverse_d))
    state = solve([Term(small.frames, objective)], [task()])[-1][0]
    assert state.done
    assert state.gain == pytest.approx(gain_of(small, objective, state.weights), abs=1e-9)


@pytest.mark.parametrize("tiny", [1e-12, 1e-20, 1e-200])
@pytest.mark.parametrize("theta", [1e-6, 0.1])
def test_a_prior_that_trusts_one_frame_only_is_borne(term, tiny, theta):
    prior = np.full(T, tiny)
    prior[0] = 1 - prior[1:].sum()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        state = solve([term], [task(theta, prior=prior, start=prior)])[-1][0]
    assert state.done
    assert np.isfinite(state.gain)
    assert state.weights.sum() == pytest.approx(1)
