"""The genetic selection: repeatable, never worse than all frames, and read by held-out reflections."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.weights.scores import coefficients
from mdweights_core.weights.selection import genetic
from mdweights_core.weights.selection.genetic import genetic_selection
from mdweights_core.weights.selection.greedy import greedy_deletion
from mdweights_core.weights.selection.result import is_overfit

FEW = {"generations": 15, "population": 16}


def test_the_same_seed_gives_the_same_selection_whatever_else_is_random(ensemble):
    first = jobs.run(genetic_selection(ensemble.problem, seed=3, **FEW))
    np.random.default_rng().random()
    random.seed(99)
    second = jobs.run(genetic_selection(ensemble.problem, seed=3, **FEW))
    assert first.kept.tolist() == second.kept.tolist()
    np.testing.assert_array_equal(first.path["cc_aniso"], second.path["cc_aniso"])


def test_another_seed_goes_another_way(ensemble):
    paths = [jobs.run(genetic_selection(ensemble.problem, seed=seed, **FEW)).path["cc_aniso"] for seed in (3, 4)]
    assert not np.array_equal(*paths)


@pytest.mark.parametrize("objective", ["cc", "anisotropic-cc"])
def test_it_begins_with_all_frames_and_never_gets_worse(ensemble, objective):
    selection = jobs.run(genetic_selection(ensemble.problem, objective=objective, **FEW))
    every = np.ones(14, dtype=bool)
    score = selection.path[selection.score]
    assert score[0] == pytest.approx(coefficients(ensemble.problem, ensemble.direct(every))[selection.score], rel=1e-6)
    assert np.all(np.diff(score) >= 0)
    assert score[-1] > score[0]


def test_with_time_it_finds_what_greedy_deletion_finds_or_better(ensemble):
    greedy = jobs.run(greedy_deletion(ensemble.problem))
    selection = jobs.run(genetic_selection(ensemble.problem, generations=80, population=32))
    assert selection.change()[1] >= greedy.change()[1] - 1e-9


def test_the_scores_are_those_of_the_frames_kept(ensemble):
    selection = jobs.run(genetic_selection(ensemble.problem, **FEW))
    expected = coefficients(ensemble.problem, ensemble.direct(selection.kept))
    assert {key: selection.path[key][-1] for key in expected} == pytest.approx(expected, rel=1e-6)
    assert selection.removed.tolist() == np.flatnonzero(~selection.kept).tolist()


def test_never_fewer_frames_than_asked_for(ensemble):
    selection = jobs.run(genetic_selection(ensemble.problem, min_frames=12, **FEW))
    assert selection.path["n_kept"].min() >= 12
    assert selection.n_kept < 14


def test_it_ends_when_nothing_gets_better(ensemble, monkeypatch):
    monkeypatch.setattr(genetic, "PATIENCE", 4)
    selection = jobs.run(genetic_selection(ensemble.problem, generations=500, population=16))
    assert len(selection.path["step"]) < 200
    assert "4 of them brought no higher anisotropic CC" in selection.outcome


def test_no_set_is_scored_twice(ensemble, monkeypatch):
    seen: list[bytes] = []
    score = genetic._Fitness._score

    def watched(self, genomes):
        seen.extend(row.tobytes() for row in genomes.astype(bool))
        return score(self, genomes)

    monkeypatch.setattr(genetic._Fitness, "_score", watched)
    jobs.run(genetic_selection(ensemble.problem, **FEW))
    assert len(seen) == len(set(seen)) > 50


def test_fitting_noise_is_told_as_overfit(make):
    ensemble = make(60, 75, 1, n_good=60, noise=30.0, seed=5)
    assert is_overfit(jobs.run(genetic_selection(ensemble.problem, objective="cc", generations=40)))


def test_a_stopped_selection_keeps_the_best_so_far(ensemble):
    job = genetic_selection(ensemble.problem, **FEW)
    for _ in range(6):
        seen = next(job)
    selection = jobs.stop(job)
    assert selection.stopped
    assert selection.outcome == "Stopped by the user after 5 generations."
    assert selection.kept.tolist() == seen.arrays["kept"].tolist()


def test_one_frame_cannot_be_all_that_is_kept(ensemble):
    with pytest.raises(BadInput, match="no diffuse intensity"):
        jobs.run(genetic_selection(ensemble.problem, min_frames=1))
