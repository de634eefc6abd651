"""The fit as a job: progress, stop and resume, and the warnings a user must not miss."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from support.synthetic import problem_of, synthetic_problem

from mdweights_core import jobs
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.weights import fit as fit_module
from mdweights_core.weights.bragg import BraggData
from mdweights_core.weights.caveats import fit_warnings, optimality_warning
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.frames.blocks import BlockBuilder
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.problem import BraggPart
from mdweights_core.weights.result import HISTORY_KEYS, fit_summary, verdict
from mdweights_core.weights.scores import pearson, score
from mdweights_core.weights.settings import FitSettings
from mdweights_core.weights.solvers.base import SolverState
from mdweights_core.weights.terms import fit_terms


@pytest.fixture(scope="module")
def truth():
    return synthetic_problem(30, 1500, n_true=10)


def test_progress_carries_copies_of_weights_and_scores(truth):
    seen = []
    fit = jobs.run(fit_weights(truth.problem), seen.append)
    looks = [p for p in seen if p.arrays]
    assert {"cc", "cc_aniso", "cc_free", "cc_aniso_free", "n_eff"} <= set(looks[-1].values)
    np.testing.assert_array_equal(looks[-1].arrays["weights"], fit.weights)
    np.testing.assert_allclose(looks[0].arrays["weights"], 1 / 30)  # the first snapshot was not overwritten
    assert set(fit.history) == set(HISTORY_KEYS)
    assert len(fit.history["step"]) == len(looks)


def test_a_stopped_fit_keeps_its_weights_and_a_resumed_one_goes_on(truth):
    settings = FitSettings(solver="adam", max_steps=400)
    job = fit_weights(truth.problem, settings)
    for _ in range(5):
        next(job)
    partial = jobs.stop(job)
    assert partial is not None
    assert partial.stopped
    assert not partial.converged
    assert partial.weights.sum() == pytest.approx(1)
    resumed = fit_weights(truth.problem, settings, partial.weights)
    looks = [next(resumed) for _ in range(2)]
    np.testing.assert_allclose(looks[1].arrays["weights"], partial.weights, atol=1e-6)
    assert jobs.run(resumed).scores.cc_aniso >= partial.scores.cc_aniso - 1e-4


def test_a_fit_stopped_before_its_first_step_keeps_the_weights_it_began_with(truth):
    job = fit_weights(truth.problem)
    for _ in range(2):
        next(job)
    partial = jobs.stop(job)
    assert partial.stopped
    np.testing.assert_allclose(partial.weights, 1 / 30)
    assert partial.iterations == 0
    assert fit_summary(partial)["gain"] == pytest.approx(partial.uniform.cc_aniso, abs=1e-6)


def test_a_fit_to_few_frames_that_is_stopped_between_rounds_is_not_called_finished(truth):
    job = fit_weights(truth.problem, FitSettings(max_frames=3))
    for progress in job:
        if "weights" in progress.arrays and np.sum(progress.arrays["weights"] > 0) < 20:
            break
    partial = jobs.stop(job)
    assert partial.stopped
    assert partial.n_active > 3
    assert partial.outcome.startswith("Stopped by the user")


@pytest.mark.parametrize("most", [2, 4, 10, 30])
def test_no_more_frames_have_a_weight_than_may_have(truth, most):
    full, fit = (jobs.run(fit_weights(truth.problem, FitSettings(max_frames=m))) for m in (None, most))
    assert fit.n_active <= most
    assert fit.scores.cc_aniso <= full.scores.cc_aniso + 1e-6
    if most >= 10:
        assert fit.kkt_residual < 1e-2
        assert fit.scores.cc_aniso > full.scores.cc_aniso - 0.05
    assert (np.diff(fit.history["step"]) >= 0).all()
    assert fit.history["step"][-1] == fit.iterations


def test_one_frame_alone_is_refused(truth):
    with pytest.raises(BadInput, match="no diffuse intensity"):
        jobs.run(fit_weights(truth.problem, FitSettings(max_frames=1)))


def test_multipliers_and_residual_certify_the_optimum(truth):
    fit = jobs.run(fit_weights(truth.problem))
    assert fit.converged
    assert fit.kkt_residual < 1e-3
    assert fit.multipliers.min() > -1e-3
    assert np.abs(fit.multipliers[fit.weights > 0]).max() < 1e-3
    assert fit.multipliers[fit.weights == 0].max() > 0.01  # some frames are far from wanted


def test_a_floor_on_the_effective_frames_is_one_of_frames_also_where_they_are_tied(truth):
    free = jobs.run(fit_weights(truth.problem))
    floor = free.n_eff + 4
    fit = jobs.run(fit_weights(truth.problem, FitSettings(n_eff_floor=floor)))
    assert floor * (1 - 1e-9) <= fit.n_eff < 1.02 * floor
    assert fit.theta > 0
    unit = np.arange(30) // 3
    tied = replace(
        truth.problem,
        frames=blocks_of_units(truth, unit),
        prior=np.full(10, 0.1),
        unit=unit,
        frame_prior=truth.problem.prior,
    )
    loose = jobs.run(fit_weights(tied))
    floor = loose.n_eff + 2
    fit = jobs.run(fit_weights(tied, FitSettings(n_eff_floor=floor)))
    assert floor * (1 - 1e-9) <= fit.n_eff < 1.02 * floor
    np.testing.assert_allclose(fit.weights.reshape(10, 3), fit.weights[::3, None] * np.ones(3))
    assert len(fit.influence) == len(fit.multipliers) == 30
    assert fit.gain == pytest.approx(fit.scores.cc_aniso - fit.theta * entropy_of(fit.weights), abs=1e-4)


def entropy_of(weights: np.ndarray) -> float:
    there = weights > 0
    return float(weights[there] @ np.log(len(weights) * weights[there]))


def blocks_of_units(truth, unit: np.ndarray):
    """Neighbours of equal weight tied together."""
    problem, f = truth.problem, truth.f_p1
    there = problem.groups.copies >= 0
    f = np.where(there, f[:, np.maximum(problem.groups.copies, 0)], 0)
    mixture = (unit == np.arange(unit.max() + 1)[:, None]) / np.bincount(unit)[:, None]
    builder = BlockBuilder(len(mixture), problem.frames.share, problem.frames.origin)
    builder.put(slice(0, len(mixture)), (f - problem.frames.origin).astype(np.complex64), mixture)
    return builder.finish()


def test_a_floor_above_what_the_frames_have_is_refused(truth):
    with pytest.raises(BadInput, match="floor of 31 effective frames"):
        jobs.run(fit_weights(truth.problem, FitSettings(n_eff_floor=31)))


def test_a_prior_on_one_frame_does_not_hold_a_fit_without_entropy_there(truth):
    spike = np.full(30, 1e-12)
    spike[3] = 1.0
    held = replace(truth.problem, prior=spike / spike.sum())
    free, fit = (jobs.run(fit_weights(problem)) for problem in (truth.problem, held))
    np.testing.assert_allclose(fit.weights, free.weights, atol=1e-6)


def test_strong_entropy_gives_the_known_weights_back(truth):
    prior = np.random.default_rng(0).dirichlet(np.full(30, 3.0))
    fit = jobs.run(fit_weights(replace(truth.problem, prior=prior), FitSettings(theta=1e3)))
    np.testing.assert_allclose(fit.weights, prior, rtol=1e-2)
    np.testing.assert_array_equal(fit.prior, prior)


def with_bragg(truth, seed: int = 0):
    """The mean structure factors of other weights than the map's, as amplitudes."""
    problem, groups = truth.problem, truth.problem.groups
    weights = np.random.default_rng(seed).dirichlet(np.full(30, 0.3))
    mean = groups.average(np.abs(weights @ truth.f_p1) ** 2)
    data = BraggData(groups, mean, None, np.arange(len(groups)) % 10 == 0, "FP")
    return replace(problem, bragg=BraggPart(data, replace(problem.frames, sign=-1.0)))


def test_bragg_amplitudes_draw_the_weights_as_much_as_they_count(truth):
    problem = with_bragg(truth)
    data = problem.bragg.data

    def bragg_agreement(fit):
        return pearson(fit.groups.average(np.abs(fit.mean_f) ** 2), data.intensity)

    fits = [jobs.run(fit_weights(problem, FitSettings(bragg_weight=b))) for b in (0.0, 0.5, 0.95)]
    assert all(fit.converged for fit in fits)
    assert max(fit.kkt_residual for fit in fits) < 5e-3
    diffuse, both = [fit.scores.cc_aniso for fit in fits], [bragg_agreement(fit) for fit in fits]
    assert diffuse[0] > diffuse[1] > diffuse[2]
    assert both[0] < both[1] < both[2]


def test_bragg_amplitudes_that_are_not_there_cannot_be_fitted(truth):
    with pytest.raises(BadInput, match="no Bragg amplitudes"):
        jobs.run(fit_weights(truth.problem, FitSettings(bragg_weight=0.5)))


def test_an_odd_frame_does_not_hide_the_others_from_bragg_amplitudes():
    """Its curvature, 1e8 times theirs, levels nothing."""
    truth = synthetic_problem(30, 1500, n_true=10)
    f = truth.f_p1.copy()
    f[4] = 30 * np.random.default_rng(5).permutation(f[4])
    groups = truth.problem.groups
    spoilt = problem_of(groups, f.astype(np.complex64), truth.problem.observed, truth.problem.free)
    settings = FitSettings(bragg_weight=0.3)
    problem = with_bragg(truth)
    data = problem.bragg.data
    expected = jobs.run(fit_weights(problem, settings))
    fit = jobs.run(fit_weights(replace(spoilt, bragg=BraggPart(data, replace(spoilt.frames, sign=-1.0))), settings))
    assert fit.weights[4] < 1e-4
    assert fit.gain > expected.gain - 0.02


def test_a_single_frame_correlates_with_nothing(truth):
    """Its variance is the rounding of single precision."""
    (term,) = fit_terms(truth.problem, FitSettings())
    x = intensities(term.frames, np.eye(30)[3:4])
    linear = term.objective.linearise(x, np.ones_like(x))
    assert abs(linear.gain[0]) < 0.2
    assert np.isfinite(linear.gradient).all()


def test_wrong_number_of_starting_weights_is_refused(truth):
    with pytest.raises(BadInput, match="30 frames"):
        jobs.run(fit_weights(truth.problem, None, np.ones(7)))


def test_a_card_without_enough_memory_is_a_sentence(truth, monkeypatch):
    def full(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes")

    monkeypatch.setattr(fit_module, "fit_terms", full)
    with pytest.raises(MdweightsError, match="JAX_PLATFORMS=cpu"):
        jobs.run(fit_weights(truth.problem))


def test_influence_is_the_slope_of_cc_at_equal_weights(truth):
    """Doubling a frame's weight a little: finite differences of the reported CC."""
    fit = jobs.run(fit_weights(truth.problem, FitSettings(max_steps=1)))
    t, step = int(np.argmax(np.abs(fit.influence))), 1e-3
    w = np.full(30, 1 / 30)
    w[t] *= 1 + step
    moved = next(p for p in fit_weights(truth.problem, None, w / w.sum()) if p.values)
    change = moved.values["cc_aniso"] - fit.uniform.cc_aniso
    assert change / step == pytest.approx(fit.influence[t], rel=0.05)


def test_weak_data_for_many_frames_are_called_overfit():
    truth = synthetic_problem(300, 330, n_true=100, noise=3.0, seed=3)
    fit = jobs.run(fit_weights(truth.problem))
    text = " ".join(fit.warnings)
    assert "too few data per frame" in text


def test_a_fall_on_the_free_set_is_told_with_its_error_and_only_beyond_it(truth):
    problem, weights = truth.problem, np.full(30, 1 / 30)
    scores = jobs.run(fit_weights(problem, FitSettings(max_steps=1))).scores
    worse = replace(scores, cc_aniso_free=scores.cc_aniso_free - 0.04)

    def told(error: float) -> list[str]:
        found = fit_warnings(problem, weights, worse, scores, FitSettings(), free_error=error)
        return [text for text in found if text.startswith("Overfit")]

    [text] = told(0.02)
    assert f"on {int(problem.free.sum())} held-out reflections the weights do worse" in text
    assert "by 0.040 ± 0.020" in text
    assert told(0.05) == []


def test_weights_on_one_frame_have_no_diffuse_intensity_and_held_out_reflections_all_the_same(truth):
    fit = jobs.run(fit_weights(truth.problem, FitSettings(max_steps=1)))
    flat = replace(fit, scale=0.0, calculated=np.full_like(fit.calculated, fit.offset))
    np.testing.assert_array_equal(flat.diffuse, 0)
    alone, x = np.eye(30)[3], np.zeros(len(fit.observed))
    told = list(fit_warnings(truth.problem, alone, score(truth.problem, x), fit.uniform, fit.settings))
    assert any("collapsed" in text for text in told)
    assert not any("No reflections were held out" in text for text in told)
    nothing = replace(truth.problem, free=np.zeros_like(truth.problem.free))
    told = fit_warnings(nothing, fit.weights, fit.scores, fit.uniform, fit.settings)
    assert any("No reflections were held out" in text for text in told)


def test_collapsed_weights_are_named():
    """The map of two frames alone draws all weight to them."""
    truth = synthetic_problem(30, 1500, n_true=2, noise=0.0)
    fit = jobs.run(fit_weights(truth.problem))
    assert fit.n_eff < 3
    assert any("collapsed" in text for text in fit.warnings)
    assert "unusable" in verdict(fit)


def test_a_map_that_is_opposite_to_the_frames_is_told_and_no_optimum(truth):
    fit = jobs.run(fit_weights(replace(truth.problem, observed=-truth.problem.observed)))
    assert not fit.converged
    assert fit.outcome.startswith("No weights were found that agree with the map: the anisotropic CC")
    assert any("its sign" in text for text in fit.warnings)
    assert not any("away from the optimum" in text for text in fit.warnings)


@pytest.mark.parametrize("theta", [1e3, 1e9])
def test_rounding_under_a_huge_theta_is_no_distance_from_the_optimum(truth, theta):
    fit = jobs.run(fit_weights(truth.problem, FitSettings(theta=theta)))
    assert fit.converged
    assert not any("away from the optimum" in text for text in fit.warnings)


def test_a_solver_is_not_advised_to_itself():
    state = SolverState(np.zeros(0), np.zeros(0), 0.0, np.zeros(0), converged=True)
    told = {name: optimality_warning(state, 0.5, name) for name in ("gauss-newton", "adam")}
    assert "gauss-newton" not in told["gauss-newton"]
    assert "gauss-newton" in told["adam"]
    assert optimality_warning(replace(state, theta=100.0), 0.5, "adam") is None


def test_two_frames_are_called_meaningless():
    fit = jobs.run(fit_weights(synthetic_problem(2, 500, n_true=2).problem))
    assert any("two frames" in text for text in fit.warnings)


def test_the_prototype_says_that_its_weights_did_not_sum_to_one():
    fit = jobs.run(fit_weights(synthetic_problem(30, 1500, noise=1.0).problem, FitSettings(solver="adam-prototype")))
    assert abs(fit.raw_sum - 1) > 0.005
    assert any("Bragg" in text for text in fit.warnings)


def test_a_wrong_indexing_is_noticed():
    """In P 41 the operator k,h,-l keeps the lattice but not the pattern."""
    from mdweights_core.crystal.laue import group_of

    truth = synthetic_problem(30, 3000, space_group="P 41", noise=0.05)
    problem = truth.problem
    hkl = problem.groups.lattice.hkl[:, [1, 0, 2]] * np.array([1, 1, -1], dtype=np.int32)
    mate = group_of(hkl, problem.groups)
    swapped = np.where(mate >= 0, problem.observed[np.maximum(mate, 0)], problem.observed)
    object.__setattr__(problem, "observed", swapped)
    fit = jobs.run(fit_weights(problem, FitSettings(max_steps=1)))
    assert any("reindex" in text.lower() for text in fit.warnings)


def test_the_calculated_map_is_the_least_squares_fit_on_the_work_set(truth):
    fit = jobs.run(fit_weights(truth.problem))
    work = ~fit.free
    residual = (fit.observed - fit.calculated)[work].astype(np.float64)
    assert abs(residual.mean()) < 1e-4 * np.abs(fit.observed).mean()
    assert abs(np.corrcoef(residual, fit.calculated[work])[0, 1]) < 1e-3


def test_mean_intensity_is_diffuse_plus_bragg(truth):
    fit = jobs.run(fit_weights(truth.problem))
    f = truth.f_p1
    np.testing.assert_allclose(fit.mean_f, fit.weights @ f, atol=2e-5 * np.abs(f).max())
    expected = fit.groups.average(fit.weights @ np.abs(f) ** 2)
    np.testing.assert_allclose(fit.mean_intensity, expected, rtol=1e-4)
    np.testing.assert_allclose(fit.diffuse + fit.groups.average(np.abs(fit.mean_f) ** 2), expected, rtol=1e-3)


def test_summary_holds_what_scripts_read(truth):
    fit = jobs.run(fit_weights(truth.problem))
    summary = fit_summary(fit)
    wanted = {
        "cc",
        "cc_aniso",
        "cc_free",
        "cc_aniso_free",
        "n_eff",
        "n_active",
        "iterations",
        "seconds",
        "kkt_residual",
    }
    assert wanted | {"warnings"} | {f"{n}_uniform" for n in ("cc", "cc_aniso", "cc_free", "cc_aniso_free")} <= set(
        summary
    )
    assert f"{fit.scores.cc_aniso_free:.3f}" in verdict(fit)


def test_without_a_held_out_set_the_fit_says_so():
    truth = synthetic_problem(20, 800)
    object.__setattr__(truth.problem, "free", np.zeros(len(truth.problem.observed), dtype=bool))
    fit = jobs.run(fit_weights(truth.problem))
    assert any("held out" in text for text in fit.warnings)
    assert np.isnan(fit.scores.cc_aniso_free)
    assert fit_summary(fit)["cc_aniso_free"] is None
    assert "No reflections were held out" in verdict(fit)


def test_agreement_that_chance_can_give_is_not_called_better():
    truth = synthetic_problem(40, 900, n_true=10)
    noise = np.random.default_rng(8).normal(size=len(truth.problem.observed))
    object.__setattr__(truth.problem, "observed", noise)
    fit = jobs.run(fit_weights(truth.problem))
    assert fit.scores.cc_aniso > 0.05  # what can be fitted to noise
    assert "chance" in verdict(fit)


def test_what_was_said_about_the_frames_is_said_with_the_fit(truth):
    """What the store warns of is a note of the problem, see test_problem."""
    fit = jobs.run(fit_weights(replace(truth.problem, notes=("The box is odd",)), FitSettings(max_steps=1)))
    assert "The box is odd" in fit.warnings
