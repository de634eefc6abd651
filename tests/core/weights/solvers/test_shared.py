"""Gram matrices that many fits share, in double precision: what they are, and that they change no optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.small_frames import SmallFrames, gram_of, small_frames

from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.frames.passes import Mixtures, gram
from mdweights_core.weights.objectives.base import Metric
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.solvers import SharedGrams, SolverState, Task, Term, grams, shared, solve_many
from mdweights_core.weights.solvers.columns import Columns

T, G = 10, 240
EQUAL = np.full(T, 1 / T)
TRUE = np.array([0.4, 0.0, 0.0, 0.3, 0.0, 0.2, 0.0, 0.0, 0.1, 0.0])


@pytest.fixture(scope="module")
def small() -> SmallFrames:
    return small_frames(T, 2, G, block_size=100)


@pytest.fixture(scope="module")
def term(small: SmallFrames) -> Term:
    exact = small.intensity(TRUE)
    observed = exact + 0.3 * exact.std() * np.random.default_rng(0).normal(size=G)
    return Term(small.frames, Correlation(observed, np.ones(G)))


@pytest.fixture(scope="module")
def near(term: Term) -> SharedGrams:
    return formed_at([term])


def formed_at(terms: list[Term]) -> SharedGrams:
    """At equal and at true weights."""
    found = SharedGrams.at(terms, np.stack([EQUAL, TRUE]))
    assert found is not None
    return found


@pytest.fixture
def formed(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Sets of weights for which fits form a matrix of their own."""
    seen: list[np.ndarray] = []

    def watched(frames: FrameBlocks, weights: np.ndarray, mixtures: Mixtures, metric: Metric) -> np.ndarray:
        seen.append(weights)
        return gram(frames, weights, mixtures, metric)

    monkeypatch.setattr(grams, "gram", watched)
    return seen


def tasks() -> list[Task]:
    """Reflections drawn anew, another start, an entropy, a floor."""
    rng = np.random.default_rng(1)
    return [
        Task(rng.poisson(1.0, G).astype(np.float64), EQUAL, EQUAL),
        Task(np.ones(G), rng.dirichlet(np.ones(T)), EQUAL),
        Task((np.arange(G) % 5 != 0).astype(np.float64), EQUAL, EQUAL, theta=0.01),
        Task(np.ones(G), EQUAL, EQUAL, n_eff_floor=6.0),
    ]


def last(terms: list[Term], some: list[Task], shared: SharedGrams | None = None) -> list[SolverState]:
    return list(solve_many(terms, some, tolerance=1e-8, shared=shared))[-1]


def misleading(near: SharedGrams) -> SharedGrams:
    """Frames by themselves, of lengths that differ a millionfold."""
    return replace(near, matrices=np.broadcast_to(np.diag(np.geomspace(1e-6, 1e6, T)), near.matrices.shape))


def test_the_matrices_are_those_of_all_frames_over_all_reflections(
    small: SmallFrames, term: Term, near: SharedGrams
) -> None:
    for weights, found in zip(near.near, near.matrices[0], strict=True):
        metric = term.objective.metric(small.intensity(weights), np.ones(G))
        np.testing.assert_allclose(found, gram_of(small.columns(weights), metric), rtol=1e-8, atol=1e-8 * found.max())


@pytest.mark.parametrize("place", [0, 1])
def test_columns_take_theirs_from_the_nearest_matrix(near: SharedGrams, place: int) -> None:
    """Frames as they are, and the frames between them as a mixture."""
    weights = 0.9 * near.near[place] + 0.1 * EQUAL
    columns = Columns(weights, np.array([1, 3, 8]))
    assert len(columns) == 4
    parts = np.vstack([np.eye(T)[columns.chosen], columns.mixtures.rest])
    np.testing.assert_allclose(near.between(columns, weights), parts @ near.matrices[0, place] @ parts.T, rtol=1e-12)


def test_a_batch_that_shares_them_comes_to_the_optima_of_single_fits(
    term: Term, near: SharedGrams, formed: list[np.ndarray]
) -> None:
    together = last([term], tasks(), shared=near)
    n_formed = len(formed)
    for one, found in zip(tasks(), together, strict=True):
        alone = last([term], [one])[0]
        assert found.converged
        assert found.gain == pytest.approx(alone.gain, abs=1e-6)
        np.testing.assert_allclose(found.weights, alone.weights, atol=2e-3)
    assert n_formed < len(formed) - n_formed


def test_fits_that_go_as_far_as_they_were_promised_form_none(
    term: Term, near: SharedGrams, formed: list[np.ndarray]
) -> None:
    assert last([term], [tasks()[2]] * 2, shared=near)[0].converged
    assert not formed


def test_a_fit_that_gains_less_than_promised_goes_on_with_its_own(
    term: Term, near: SharedGrams, formed: list[np.ndarray]
) -> None:
    found = last([term], tasks(), shared=misleading(near))
    assert len(formed) >= len(tasks())
    for one, state in zip(tasks(), found, strict=True):
        assert state.converged
        assert state.gain == pytest.approx(last([term], [one])[0].gain, abs=1e-6)


def test_diffuse_and_bragg_intensities_share_each_their_own(term: Term) -> None:
    bragg = small_frames(T, 2, 120, block_size=50, sign=-1.0, bragg=0.5, seed=5)
    rows = (np.arange(120) % 7 != 0).astype(np.float64)
    terms = [replace(term, weight=0.7), Term(bragg.frames, Correlation(bragg.intensity(TRUE), np.ones(120)), 0.3, rows)]
    found = last(terms, tasks(), shared=formed_at(terms))
    for one, state in zip(tasks(), found, strict=True):
        assert state.gain == pytest.approx(last(terms, [one])[0].gain, abs=1e-6)


def test_there_are_none_for_few_reflections_or_many_frames(monkeypatch: pytest.MonkeyPatch, term: Term) -> None:
    assert SharedGrams.at([term.restricted(np.arange(G // 2))], EQUAL[None]) is None
    monkeypatch.setattr(shared, "_MOST_FRAMES", T - 1)
    assert SharedGrams.at([term], EQUAL[None]) is None
