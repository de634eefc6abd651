"""Greedy deletion against exhaustive recomputation of every sweep, and what is said of its result."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.weights.scores import coefficients
from mdweights_core.weights.selection.greedy import greedy_deletion
from mdweights_core.weights.selection.removal import scores_without
from mdweights_core.weights.selection.result import is_overfit, verdict
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.selection.trail import Trail

OBJECTIVES = {"cc": "cc", "cc_aniso": "anisotropic-cc"}


def without_each(ensemble, kept: np.ndarray, score: str) -> np.ndarray:
    """The score without each frame, from the structure factors of all others."""
    found = np.full(len(kept), -np.inf)
    for t in np.flatnonzero(kept):
        rest = kept.copy()
        rest[t] = False
        found[t] = coefficients(ensemble.problem, ensemble.direct(rest))[score]
    return found


def exhaustive(ensemble, score: str, min_frames: int = 2) -> list[int]:
    kept, removed = np.ones(ensemble.problem.n_units, dtype=bool), []
    best = coefficients(ensemble.problem, ensemble.direct(kept))[score]
    while kept.sum() > min_frames:
        scores = without_each(ensemble, kept, score)
        if scores.max() <= best:
            break
        best = scores.max()
        removed.append(int(scores.argmax()))
        kept[removed[-1]] = False
    return removed


def sweep(ensemble, kept: np.ndarray, score: str) -> np.ndarray:
    trail = Trail(ensemble.problem, SelectionSettings(), OBJECTIVES[score])
    x = trail.intensity(kept)
    parts = (trail.weights(kept), trail.linearise(x[None]), trail.metric(x), trail.clock, jobs.Progress("test"))
    return jobs.run(scores_without(ensemble.problem.frames, *parts))


@pytest.mark.parametrize("score", ["cc", "cc_aniso"])
@pytest.mark.parametrize("n_removed", [0, 5, 11])
def test_the_scores_of_a_sweep_are_exact(ensemble, score, n_removed):
    kept = np.random.default_rng(1).permutation(14) >= n_removed
    np.testing.assert_allclose(sweep(ensemble, kept, score), without_each(ensemble, kept, score), rtol=1e-9)


def test_single_precision_costs_no_more_than_a_millionth(make):
    ensemble = make(dtype=np.float32)
    kept = np.arange(14) != 4
    found, exact = sweep(ensemble, kept, "cc_aniso"), without_each(ensemble, kept, "cc_aniso")
    np.testing.assert_allclose(found[kept], exact[kept], atol=1e-6)


@pytest.mark.parametrize("score", ["cc", "cc_aniso"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_deletions_are_those_of_exhaustive_recomputation(make, score, seed):
    ensemble = make(seed=seed)
    selection = jobs.run(greedy_deletion(ensemble.problem, objective=OBJECTIVES[score]))
    removed = exhaustive(ensemble, score)
    assert len(removed) > 2
    assert selection.removed.tolist() == removed
    assert np.flatnonzero(~selection.kept).tolist() == sorted(removed)
    assert "no further one raises" in selection.outcome


def test_frames_that_made_the_map_are_kept_and_foreign_ones_deleted(make):
    selection = jobs.run(greedy_deletion(make(noise=0.01).problem))
    assert selection.kept.tolist() == 8 * [True] + 6 * [False]
    assert "are better than all frames" in verdict(selection)


def test_the_path_holds_the_scores_of_every_step_held_out_ones_too(ensemble):
    selection = jobs.run(greedy_deletion(ensemble.problem))
    kept = np.ones(14, dtype=bool)
    assert np.all(np.diff(selection.path["cc_aniso"]) > 0)
    for step, frame in enumerate([None, *selection.removed]):
        if frame is not None:
            kept[frame] = False
        expected = coefficients(ensemble.problem, ensemble.direct(kept))
        assert {key: selection.path[key][step] for key in expected} == pytest.approx(expected, rel=1e-6)
        assert selection.path["n_kept"][step] == kept.sum()


def test_deletions_are_numbered_in_their_order(ensemble):
    selection = jobs.run(greedy_deletion(ensemble.problem))
    assert selection.order[selection.removed].tolist() == list(range(1, len(selection.removed) + 1))
    assert not selection.order[selection.kept].any()
    assert selection.weights[selection.kept] == pytest.approx(1 / selection.n_kept)


def test_it_ends_at_the_frames_that_are_to_be_kept(ensemble):
    selection = jobs.run(greedy_deletion(ensemble.problem, SelectionSettings(min_frames=12)))
    assert selection.n_kept == 12
    assert selection.removed.tolist() == exhaustive(ensemble, "cc_aniso")[:2]
    assert "with the 12 frames that were to be kept" in selection.outcome


def test_it_goes_on_until_few_enough_are_left_by_the_deletions_that_cost_least(ensemble):
    selection = jobs.run(greedy_deletion(ensemble.problem, SelectionSettings(max_frames=4)))
    free = exhaustive(ensemble, "cc_aniso")
    kept = np.isin(np.arange(14), free, invert=True)
    expected = list(free)
    while kept.sum() > 4:
        expected.append(int(without_each(ensemble, kept, "cc_aniso").argmax()))
        kept[expected[-1]] = False
    assert selection.removed.tolist() == expected
    assert selection.n_kept == 4 < 14 - len(free)
    assert selection.change()[1] < selection.path["cc_aniso"].max()
    assert f"the 4 frames that may be kept at most; with {14 - len(free)} the" in selection.outcome


def test_frames_keep_their_prior_weights(make):
    ensemble = make()
    ensemble = ensemble.change(prior=np.random.default_rng(3).dirichlet(np.full(14, 5.0)))
    kept = np.arange(14) != 6
    np.testing.assert_allclose(sweep(ensemble, kept, "cc_aniso"), without_each(ensemble, kept, "cc_aniso"), rtol=1e-9)
    selection = jobs.run(greedy_deletion(ensemble.problem))
    assert selection.removed.tolist() == exhaustive(ensemble, "cc_aniso")
    left = selection.kept * ensemble.problem.prior
    np.testing.assert_allclose(selection.weights, left / left.sum())


def test_tied_frames_go_together(ensemble):
    unit = np.repeat(np.arange(14), 2)
    tied = ensemble.change(unit=unit, frame_prior=np.full(28, 1 / 28))
    alone, both = (jobs.run(greedy_deletion(it.problem)) for it in (ensemble, tied))
    assert both.n_frames == 28
    np.testing.assert_array_equal(both.kept, alone.kept[unit])
    np.testing.assert_array_equal(both.order, alone.order[unit])
    np.testing.assert_allclose(both.weights, alone.weights[unit] / 2)
    np.testing.assert_array_equal(both.path["n_kept"], 2 * alone.path["n_kept"])


def test_the_last_two_of_three_frames_that_are_the_same_are_no_reason_to_fail(make):
    """Without the third frame there is no diffuse intensity at all."""
    ensemble = make(3, n_good=3)
    twins = ensemble.deviation.copy()
    twins[1] = twins[0]
    frames = ensemble.problem.frames.from_deviation(twins, ensemble.share, np.zeros_like(twins[0]))
    selection = jobs.run(greedy_deletion(ensemble.change(frames=frames).problem))
    assert selection.kept[2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "magic"}, "no selection called"),
        ({"max_frames": 3, "min_frames": 4}, "cannot be at least 4"),
        ({"generations": 0}, "generations is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, words):
    with pytest.raises(BadInput, match=words):
        SelectionSettings(**changes)


@pytest.mark.parametrize(("min_frames", "words"), [(1, "no diffuse intensity"), (14, "none to leave out")])
def test_numbers_of_frames_that_make_no_sense_are_refused(ensemble, min_frames, words):
    with pytest.raises(BadInput, match=words):
        jobs.run(greedy_deletion(ensemble.problem, SelectionSettings(min_frames=min_frames)))


def test_fitting_noise_is_told_as_overfit(make):
    """Sixty frames on 60 reflections of pure noise: the score rises on the work set and nowhere else."""
    ensemble = make(60, 75, 1, n_good=60, noise=30.0, seed=5)
    selection = jobs.run(greedy_deletion(ensemble.problem, objective="cc"))
    before, after = selection.change()
    assert after > before + 0.3
    before, after = selection.change(held_out=True)
    assert after < before
    assert is_overfit(selection)
    assert "Overfit" in verdict(selection)


def test_without_a_free_set_nothing_is_said_to_be_better(ensemble):
    selection = jobs.run(greedy_deletion(ensemble.change(free=np.zeros(400, dtype=bool)).problem))
    assert "No reflections were held out" in verdict(selection)
    assert not is_overfit(selection)


def test_a_stopped_deletion_keeps_what_it_did(ensemble, monkeypatch):
    monkeypatch.setattr(jobs.Clock, "is_due", lambda clock: True)
    job = greedy_deletion(ensemble.problem)
    while next(job).step < 2:
        pass
    selection = jobs.stop(job)
    assert selection.stopped
    assert selection.removed.tolist() == exhaustive(ensemble, "cc_aniso")[:2]
    assert selection.outcome == "Stopped by the user after 2 deletions."
