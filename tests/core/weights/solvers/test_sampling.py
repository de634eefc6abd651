"""Samples of the reflections: how they are drawn, and that sums over them stand for sums over all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.small_frames import SmallFrames, random_weights, small_frames

from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.solvers import Term, sampling
from mdweights_core.weights.solvers.sampling import Sample, coarser, probabilities, systematic

T, G = 10, 2000
EVERY = np.ones((1, G))


@pytest.fixture(scope="module")
def small() -> SmallFrames:
    return small_frames(T, 1, G, block_size=700)


@pytest.fixture
def term(small: SmallFrames, monkeypatch: pytest.MonkeyPatch) -> Term:
    """Samples of 200 of its 2000 reflections, in an order of their own."""
    monkeypatch.setattr(sampling, "_SAMPLE", 200)
    order = np.random.default_rng(0).permutation(G)
    usual = intensities(small.frames, np.full((1, T), 1 / T))[0]
    return Term(small.frames, Correlation(usual, np.ones(G)), order=order, usual=usual)


def steep(n: int = G) -> np.ndarray:
    """Falls by a factor of 1e6, as squared intensities do with resolution."""
    return np.exp(-np.linspace(0, 14, n))


def test_probabilities_add_up_to_the_size_and_grow_with_importance() -> None:
    found = probabilities(steep(), 300)
    assert found.sum() == pytest.approx(300, abs=0.5)
    assert (np.diff(found) <= 0).all()
    assert found.max() == 1
    assert found.min() > 0.1 * 300 / G


def test_reflections_that_count_nothing_are_not_drawn() -> None:
    importance = np.where(np.arange(G) % 3 == 0, 0.0, steep())
    found = probabilities(importance, 300)
    assert (found[::3] == 0).all()
    assert found.sum() == pytest.approx(300, abs=0.5)
    np.testing.assert_allclose(probabilities(np.repeat([0.0, 1.0], [G - 50, 50]), 300)[-50:], 1)


def test_a_draw_holds_one_reflection_of_each_run_of_neighbours() -> None:
    order = np.random.default_rng(0).permutation(240)
    chosen = systematic(np.full(240, 0.1), order)
    place = np.argsort(order)[chosen]
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(np.sort(place // 10), np.arange(24))


def test_each_is_drawn_as_often_as_its_probability_says() -> None:
    probability, n = probabilities(steep(60), 12), 4000
    rng = np.random.default_rng(0)
    draws = [systematic(probability, rng.permutation(60), rng.random()) for _ in range(n)]
    often = np.bincount(np.concatenate(draws), minlength=60)
    np.testing.assert_allclose(often / n, probability, atol=4 * np.sqrt(0.25 / n))


def test_sums_over_a_sample_are_those_over_all_and_closer_than_over_an_even_one(small: SmallFrames, term: Term) -> None:
    """With intensities that fall: columns D_s D_t over 200 of 2000 reflections."""
    decay = steep() ** 0.5
    columns = decay * small.columns(random_weights(1, T)[0])
    exact = columns @ columns.T

    def error(usual: np.ndarray | None) -> float:
        order = np.arange(G)
        sample = Sample.of(replace(term, usual=usual, order=order), EVERY)
        part = columns[:, sample.chosen]
        return float(np.linalg.norm((part * sample.rows_of(EVERY[0])) @ part.T - exact) / np.linalg.norm(exact))

    assert error(decay * small.intensity(np.full(T, 1 / T))) < 0.3 * error(None)
    assert error(decay * small.intensity(np.full(T, 1 / T))) < 0.1


def test_held_out_reflections_are_in_no_sample(term: Term) -> None:
    rows = np.tile(np.arange(G) % 2, (3, 1)).astype(np.float64)
    chosen = Sample.of(term, rows).chosen
    assert isinstance(chosen, np.ndarray)
    assert (chosen % 2 == 1).all()


def test_samples_of_samples_stand_for_all_reflections(small: SmallFrames, term: Term) -> None:
    levels = coarser([Sample.of(term, EVERY)], EVERY)
    assert [part[0].term.frames.n_groups for part, _ in levels] == [pytest.approx(n, abs=2) for n in (40, 200)]
    w = random_weights(1, T)
    for (part,), counts in levels:
        assert not part.is_part
        assert counts.sum() == pytest.approx(G, rel=0.2)
        x = intensities(part.term.frames, w)
        assert (counts @ x[0]).item() == pytest.approx(small.intensity(w).sum(), rel=0.1)
        assert part.term.usual is not None
        np.testing.assert_allclose(part.term.usual, intensities(part.term.frames, np.full((1, T), 1 / T))[0])


def test_a_term_with_counts_of_its_own_keeps_them(term: Term) -> None:
    own = replace(term, rows=np.arange(G) % 2 + 1.0)
    sample = Sample.of(own, EVERY)
    (part,), _ = coarser([sample], EVERY)[-1]
    assert part.term.rows is not None
    assert own.rows is not None
    np.testing.assert_allclose(part.term.rows, own.rows[sample.chosen] * sample.stands_for)


def test_few_reflections_are_taken_as_they_are(term: Term) -> None:
    few = term.restricted(np.arange(0, 300, 2))
    assert not Sample.of(few, np.ones((1, 150))).is_part
    assert coarser([Sample.whole(few)], np.ones((1, 150))) == []


def test_an_order_of_some_reflections_is_that_of_all(term: Term) -> None:
    chosen = np.arange(3, G, 7)
    part = term.restricted(chosen)
    assert term.order is not None
    assert part.order is not None
    places = np.argsort(term.order)
    np.testing.assert_array_equal(part.order, np.argsort(places[chosen]))
