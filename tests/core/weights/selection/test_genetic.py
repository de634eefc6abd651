"""The genetic selection: repeatable, never worse than all frames, and read by held-out reflections."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.weights.scores import coefficients
from mdweights_core.weights.selection import genetic
from mdweights_core.weights.selection.genetic import genetic_selection
from mdweights_core.weights.selection.greedy import greedy_deletion
from mdweights_core.weights.selection.result import Selection, is_overfit
from mdweights_core.weights.selection.settings import SelectionSettings


def bred(
    problem, *, objective: str = "anisotropic-cc", generations: int = 15, population: int = 16, **more
) -> Selection:
    settings = SelectionSettings("genetic", generations=generations, **more)
    return jobs.run(genetic_selection(problem, settings, objective=objective, population=population))


def test_the_same_seed_gives_the_same_selection_whatever_else_is_random(ensemble):
    first = bred(ensemble.problem, seed=3)
    np.random.default_rng().random()
    random.seed(99)
    second = bred(ensemble.problem, seed=3)
    assert first.kept.tolist() == second.kept.tolist()
    np.testing.assert_array_equal(first.path["cc_aniso"], second.path["cc_aniso"])


def test_another_seed_goes_another_way(ensemble):
    paths = [bred(ensemble.problem, seed=seed).path["cc_aniso"] for seed in (3, 4)]
    assert not np.array_equal(*paths)


@pytest.mark.parametrize("objective", ["cc", "anisotropic-cc"])
def test_it_begins_with_all_frames_and_never_gets_worse(ensemble, objective):
    selection = bred(ensemble.problem, objective=objective)
    every = np.ones(14, dtype=bool)
    score = selection.path[selection.score]
    assert score[0] == pytest.approx(coefficients(ensemble.problem, ensemble.direct(every))[selection.score], rel=1e-6)
    assert np.all(np.diff(score) >= 0)
    assert score[-1] > score[0]


def test_with_time_it_finds_what_greedy_deletion_finds_or_better(ensemble):
    greedy = jobs.run(greedy_deletion(ensemble.problem))
    selection = bred(ensemble.problem, generations=80, population=32)
    assert selection.change()[1] >= greedy.change()[1] - 1e-9


def test_the_scores_are_those_of_the_frames_kept(ensemble):
    selection = bred(ensemble.problem)
    expected = coefficients(ensemble.problem, ensemble.direct(selection.kept))
    assert {key: selection.path[key][-1] for key in expected} == pytest.approx(expected, rel=1e-6)
    assert selection.removed.tolist() == np.flatnonzero(~selection.kept).tolist()


def test_never_fewer_frames_than_asked_for(ensemble):
    selection = bred(ensemble.problem, min_frames=12)
    assert selection.path["n_kept"].min() >= 12
    assert selection.n_kept < 14


def test_it_ends_when_nothing_gets_better(ensemble, monkeypatch):
    monkeypatch.setattr(genetic, "PATIENCE", 4)
    selection = bred(ensemble.problem, generations=500, population=16)
    assert len(selection.path["step"]) < 200
    assert "4 of them brought no higher anisotropic CC" in selection.outcome


def test_no_set_is_scored_twice(ensemble, monkeypatch):
    seen: list[bytes] = []
    score = genetic._Fitness._score

    def watched(self, genomes):
        seen.extend(row.tobytes() for row in genomes.astype(bool))
        return score(self, genomes)

    monkeypatch.setattr(genetic._Fitness, "_score", watched)
    bred(ensemble.problem)
    assert len(seen) == len(set(seen)) > 50


def test_fitting_noise_is_told_as_overfit(make):
    ensemble = make(60, 75, 1, n_good=60, noise=30.0, seed=5)
    assert is_overfit(bred(ensemble.problem, objective="cc", generations=40))


def test_a_stopped_selection_keeps_the_best_so_far(ensemble):
    job = genetic_selection(ensemble.problem, population=16)
    for _ in range(6):
        seen = next(job)
    selection = jobs.stop(job)
    assert selection.stopped
    assert selection.outcome == "Stopped by the user after 5 generations."
    assert selection.kept.tolist() == seen.arrays["kept"].tolist()


def test_one_frame_cannot_be_all_that_is_kept(ensemble):
    with pytest.raises(BadInput, match="no diffuse intensity"):
        bred(ensemble.problem, min_frames=1)


def test_never_more_frames_than_may_be_kept(ensemble):
    selection = bred(ensemble.problem, max_frames=5)
    assert selection.path["n_kept"][0] == 14  # where it begins, to compare with
    assert selection.path["n_kept"][1:].max() <= 5
    others = [bred(ensemble.problem, max_frames=5, seed=seed).change()[1] for seed in range(3)]
    best = max(
        coefficients(ensemble.problem, ensemble.direct(np.isin(np.arange(14), some)))["cc_aniso"]
        for n in (2, 3, 4, 5)
        for some in itertools.combinations(range(14), n)
    )
    assert max(others) <= best + 1e-6
    assert selection.change()[1] > 0.9 * best
