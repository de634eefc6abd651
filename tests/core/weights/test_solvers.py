"""Every solver against the same known answer, and the certificate of the default one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from support.synthetic import problem_of, synthetic_problem

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.weights.fit import fit_weights, kkt_residual
from mdweights_core.weights.scores import kish, pearson
from mdweights_core.weights.settings import DEFAULT_STEPS, FitSettings


@pytest.fixture(scope="module")
def truth():
    return synthetic_problem(40, 3000, n_true=12, noise=0.05)


@pytest.fixture(scope="module")
def best(truth):
    return jobs.run(fit_weights(truth.problem))


@pytest.mark.parametrize("solver", list(DEFAULT_STEPS))
def test_all_solvers_find_the_same_weights(truth, best, solver):
    fit = jobs.run(fit_weights(truth.problem, FitSettings(solver=solver)))
    assert fit.weights.sum() == pytest.approx(1.0)
    assert (fit.weights >= 0).all()
    assert np.corrcoef(fit.weights, best.weights)[0, 1] > 0.98
    assert fit.scores.cc_aniso == pytest.approx(best.scores.cc_aniso, abs=2e-3)
    assert fit.scores.cc_aniso <= best.scores.cc_aniso + 1e-6


def test_gauss_newton_recovers_the_true_weights_with_a_certificate(truth, best):
    assert best.converged
    assert best.kkt_residual < 1e-3
    assert best.iterations < 15
    assert np.corrcoef(best.weights, truth.weights)[0, 1] > 0.98
    assert best.scores.cc_aniso_free > best.uniform.cc_aniso_free
    assert 0 < best.n_active < 40  # an exact active set: some frames weigh nothing at all


def test_gauss_newton_agrees_with_scipy_slsqp_in_double_precision():
    truth = synthetic_problem(10, 400, n_true=6, noise=0.3)
    problem, f, work = truth.problem, truth.f_p1, ~truth.problem.free

    def loss(w):
        x = problem.groups.average(w @ np.abs(f) ** 2 - np.abs(w @ f) ** 2)
        return -pearson(problem.operator(x)[work], problem.operator(problem.observed)[work])

    on_simplex = {"type": "eq", "fun": lambda w: w.sum() - 1}
    reference = scipy.optimize.minimize(
        loss, np.full(10, 0.1), bounds=[(0, 1)] * 10, constraints=on_simplex, tol=1e-12, options={"maxiter": 500}
    )
    fit = jobs.run(fit_weights(problem))
    assert fit.scores.cc_aniso == pytest.approx(-reference.fun, abs=1e-6)
    np.testing.assert_allclose(fit.weights, reference.x, atol=2e-3)


def test_entropy_agrees_with_scipy_slsqp():
    truth, theta = synthetic_problem(10, 400, n_true=6, noise=0.3), 0.02
    problem, f, work = truth.problem, truth.f_p1, ~truth.problem.free

    def loss(w):
        x = problem.groups.average(w @ np.abs(f) ** 2 - np.abs(w @ f) ** 2)
        cc = pearson(problem.operator(x)[work], problem.operator(problem.observed)[work])
        return -cc + theta * np.sum(w * np.log(np.maximum(w, 1e-300) * 10))

    on_simplex = {"type": "eq", "fun": lambda w: w.sum() - 1}
    reference = scipy.optimize.minimize(
        loss, np.full(10, 0.1), bounds=[(1e-9, 1)] * 10, constraints=on_simplex, tol=1e-12, options={"maxiter": 500}
    )
    fit = jobs.run(fit_weights(problem, FitSettings(theta=theta)))
    np.testing.assert_allclose(fit.weights, reference.x, atol=2e-3)
    assert fit.kkt_residual < 1e-3


def test_theta_spreads_the_weights_monotonically(truth):
    sizes = [jobs.run(fit_weights(truth.problem, FitSettings(theta=theta))).n_eff for theta in (0.0, 0.01, 0.1, 100.0)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == pytest.approx(40, rel=1e-3)  # strong entropy gives equal weights back


def test_the_total_cc_can_be_asked_for(truth):
    fit = jobs.run(fit_weights(truth.problem, FitSettings(objective="cc")))
    aniso = jobs.run(fit_weights(truth.problem))
    assert fit.scores.cc >= aniso.scores.cc - 1e-7


def test_kkt_residual_of_a_hand_made_point():
    gradient = np.array([1.0, 1.0, 0.5])
    assert kkt_residual(np.array([0.5, 0.5, 0.0]), gradient) == 0.0
    assert kkt_residual(np.array([0.5, 0.5, 0.0]), np.array([1.0, 1.0, 1.5])) == pytest.approx(0.5)
    assert kkt_residual(np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])) == 0.0


def test_unknown_names_and_bad_numbers_are_refused_with_a_sentence():
    for bad in (
        {"solver": "magic"},
        {"objective": "r-factor"},
        {"theta": -1.0},
        {"free_fraction": 1.0},
        {"max_steps": 0},
        {"seed": -1},
    ):
        with pytest.raises(BadInput, match=r"\w+ \w+"):
            FitSettings(**bad)


def test_kish_of_equal_weights_is_their_number():
    assert kish(np.full(7, 1 / 7)) == pytest.approx(7)


def test_a_map_only_a_collapsed_ensemble_can_match_is_said_to_have_no_optimum():
    """sum_t |F_t - F_0|^2 is the variance of weights (1 - e, e c_t...) as e goes to 0, and of no other weights."""
    truth = synthetic_problem(12, 1500, n_true=4, seed=4)
    f = truth.f_p1
    observed = truth.problem.groups.average((np.abs(f[1:4] - f[0]) ** 2).sum(axis=0))
    problem = problem_of(truth.problem.groups, f.astype(np.complex64), observed, truth.problem.free)
    fit = jobs.run(fit_weights(problem))
    assert not fit.converged
    assert "frame 0" in fit.outcome
    assert "no optimum" in fit.outcome
    spread = jobs.run(fit_weights(problem, FitSettings(theta=0.05)))
    assert spread.converged
    assert spread.n_eff > 2


@pytest.mark.parametrize("theta", [1e-7, 1e-6, 1e-4])
def test_a_faint_entropy_gives_the_weights_of_none(truth, theta):
    without = jobs.run(fit_weights(truth.problem))
    fit = jobs.run(fit_weights(truth.problem, FitSettings(theta=theta)))
    assert fit.converged
    assert fit.iterations < 15
    assert fit.scores.cc_aniso == pytest.approx(without.scores.cc_aniso, abs=1e-5)
    np.testing.assert_allclose(fit.weights, without.weights, atol=5e-3)


@pytest.mark.parametrize("theta", [0.0, 1e-6, 1e-3])
@pytest.mark.parametrize("size", [30, 300])
def test_one_frame_of_quite_another_pattern_is_left_out(theta, size):
    """As of another origin or orientation: its Bragg intensity, 10 000 times the diffuse, does not drown the others."""
    truth = synthetic_problem(30, 1500, n_true=10)
    without = jobs.run(fit_weights(truth.problem, FitSettings(theta=theta)))
    t = int(np.argmin(truth.weights))
    f = truth.f_p1.copy()
    f[t] = size * np.random.default_rng(5).permutation(f[t])
    spoilt = problem_of(truth.problem.groups, f.astype(np.complex64), truth.problem.observed, truth.problem.free)
    fit = jobs.run(fit_weights(spoilt, FitSettings(theta=theta)))
    assert fit.weights[t] < 1e-5
    assert any(f"Frame {t}:" in text for text in fit.warnings)
    assert not any("origin" in text for text in without.warnings)
    assert fit.scores.cc_aniso == pytest.approx(without.scores.cc_aniso, abs=1e-3)


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_the_unit_of_structure_factors_does_not_matter(truth, unit):
    f = (unit * truth.f_p1).astype(np.complex64)
    scaled = problem_of(truth.problem.groups, f, truth.problem.observed, truth.problem.free)
    expected = jobs.run(fit_weights(truth.problem)).weights
    np.testing.assert_allclose(jobs.run(fit_weights(scaled)).weights, expected, atol=1e-4)
