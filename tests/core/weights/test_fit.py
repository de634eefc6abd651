"""The fit as a job: progress, stop and resume, and the warnings a user must not miss."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from support.synthetic import synthetic_problem

from mdweights_core import jobs
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.weights import fit as fit_module
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.result import HISTORY_KEYS, fit_summary, verdict
from mdweights_core.weights.settings import FitSettings


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


def test_wrong_number_of_starting_weights_is_refused(truth):
    with pytest.raises(BadInput, match="30 frames"):
        jobs.run(fit_weights(truth.problem, None, np.ones(7)))


def test_a_card_without_enough_memory_is_a_sentence(truth, monkeypatch):
    def full(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes")

    monkeypatch.setattr(fit_module, "model_arrays", full)
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
    if fit.scores.cc_aniso_free < fit.uniform.cc_aniso_free:
        assert "Overfit" in text


def test_collapsed_weights_are_named():
    """The map of two frames alone draws all weight to them."""
    truth = synthetic_problem(30, 1500, n_true=2, noise=0.0)
    fit = jobs.run(fit_weights(truth.problem))
    assert fit.n_eff < 3
    assert any("collapsed" in text for text in fit.warnings)
    assert "unusable" in verdict(fit)


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


def test_what_was_said_about_the_frames_is_said_with_the_fit(tmp_path):
    """A box that is not the crystal's: the store's warning reaches the result."""
    from mdweights_core.example import example_inputs
    from mdweights_core.scattering.settings import PredictSettings
    from mdweights_core.workflow import compute, fit_project, run_for_predict

    inputs = replace(example_inputs(), d_min=3.0)
    run = jobs.run(run_for_predict(inputs.frames, tmp_path / "f.zarr", topology=inputs.topology, map_inputs=inputs))
    store = jobs.run(compute(run))
    store.warn(["The box is odd"])
    from_store = replace(inputs, frames=(tmp_path / "f.zarr",))
    project = jobs.run(fit_project(from_store, PredictSettings(), FitSettings(max_steps=1), tmp_path / "a.mdw"))
    assert "The box is odd" in project.fit.warnings
