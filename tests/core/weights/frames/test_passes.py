"""The jitted passes against complex sums in double precision by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from support.small_frames import gram_of, random_weights, small_frames

from mdweights_core.weights.frames.passes import Mixtures, contractions, gram, intensities, intensities_and_means, lines
from mdweights_core.weights.objectives.base import Metric

KINDS = {
    "special positions": {"n_copies": 4},
    "one image, one block": {"n_copies": 1, "block_size": 37},
    "Bragg": {"sign": -1.0},
}


@pytest.fixture(scope="module", params=list(KINDS))
def small(request):
    return small_frames(**KINDS[request.param])


@pytest.mark.parametrize("n_sets", [1, 3])
def test_intensities_are_those_of_the_definition(small, n_sets):
    w = random_weights(n_sets, 9)
    np.testing.assert_allclose(intensities(small.frames, w), small.intensity(w), rtol=1e-11)


def means(frames, w) -> np.ndarray:
    """On every image, relative to the origin."""
    return intensities_and_means(frames, w)[1].on_images(frames, len(w))


def test_mean_structure_factors_are_relative_to_the_origin(small):
    w = random_weights(3, 9)
    found = means(small.frames, w) + small.frames.origin
    np.testing.assert_allclose(found, np.tensordot(w, small.f, 1), atol=1e-5)


def test_intensities_are_the_same_with_the_means_behind_them(small):
    w = random_weights(3, 9)
    np.testing.assert_array_equal(intensities_and_means(small.frames, w)[0], intensities(small.frames, w))


@pytest.mark.parametrize("chosen", [[0, 1, 2], [1], [2, 0]])
def test_what_passes_find_at_known_means_is_what_they_find_without(small, chosen):
    """Means that went along a line, of some of the sets only."""
    w, alpha = random_weights(3, 9), np.array([0.3, 0.0, 1.0])
    d, c = random_weights(3, 9, seed=5) - w, np.random.default_rng(2).normal(size=(2, len(chosen), 37))
    before = intensities_and_means(small.frames, w)[1]
    way = lines(small.frames, w, d, before)
    known, there = before.moved(way.means, alpha).of(np.array(chosen)), (w + alpha[:, None] * d)[chosen]
    np.testing.assert_allclose(known.on_images(small.frames, len(chosen)), means(small.frames, there), atol=1e-6)
    found = contractions(small.frames, there, c, known)
    np.testing.assert_allclose(found, contractions(small.frames, there, c), rtol=1e-9, atol=1e-11)
    back, expected = lines(small.frames, there, -d[chosen], known), lines(small.frames, there, -d[chosen])
    np.testing.assert_allclose([back.first, back.second], [expected.first, expected.second], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n_problems", [1, 3])
def test_contractions_are_sums_over_columns(small, n_problems):
    w, c = random_weights(n_problems, 9), np.random.default_rng(2).normal(size=(2, n_problems, 37))
    expected = [[small.columns(w_p) @ c_p for w_p, c_p in zip(w, c_q, strict=True)] for c_q in c]
    np.testing.assert_allclose(contractions(small.frames, w, c), expected, rtol=1e-9, atol=1e-11)


def test_columns_at_the_weights_add_up_to_the_intensity(small):
    w, c = random_weights(2, 9), np.random.default_rng(2).normal(size=(1, 2, 37))
    found = np.einsum("pt,pt->p", w, contractions(small.frames, w, c)[0])
    np.testing.assert_allclose(found, np.einsum("pg,pg->p", c[0], small.intensity(w)), rtol=1e-9)


def test_contractions_are_the_slope_of_the_intensity_along_the_simplex(small):
    w, c = random_weights(1, 9), np.random.default_rng(2).normal(size=(1, 1, 37))
    d = random_weights(1, 9, seed=5) - w
    step = 1e-6
    change = (small.intensity(w + step * d) - small.intensity(w - step * d)) / (2 * step)
    found = contractions(small.frames, w, c)[0] @ d.T
    assert found.item() == pytest.approx((change @ c[0].T).item(), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0, -2.0])
def test_the_intensity_along_a_line_is_a_parabola(small, alpha):
    w = random_weights(3, 9)
    d = random_weights(3, 9, seed=5) - w
    found = lines(small.frames, w, d).at(small.intensity(w), np.full(3, alpha))
    np.testing.assert_allclose(found, small.intensity(w + alpha * d), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("n_mixtures", [0, 2])
def test_a_gram_matrix_is_that_of_the_projected_columns(small, rank, n_mixtures):
    rng = np.random.default_rng(3)
    metric = Metric(rng.uniform(0, 2, 37), rng.normal(size=(37, rank)), rng.normal(size=(rank, 37)) / 37)
    w, chosen, rest = random_weights(1, 9)[0], np.array([1, 2, 7]), random_weights(n_mixtures, 9, seed=4)
    columns = small.columns(w)
    expected = gram_of(np.concatenate([columns[chosen], rest @ columns]), metric)
    found = gram(small.frames, w, Mixtures(chosen, rest), metric)
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_a_gram_matrix_of_more_columns_than_one_product_takes():
    small = small_frames(4, 1, 9000, block_size=5000)
    metric = Metric(np.ones(9000), np.ones((9000, 1)), np.full((1, 9000), 1 / 9000))
    found = gram(small.frames, np.full(4, 0.25), Mixtures(np.arange(4), np.zeros((0, 4))), metric)
    expected = gram_of_mean(small.columns(np.full(4, 0.25)))
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def gram_of_mean(columns: np.ndarray) -> np.ndarray:
    """Without the mean over reflections, which needs no matrix between these."""
    centred = columns - columns.mean(axis=1, keepdims=True)
    return centred @ centred.T


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_single_precision_bears_any_unit(unit):
    """Squares of intensities, as in a gradient or a Gram matrix, would leave its range."""
    small = small_frames(dtype=np.float32)
    f, w = unit * small.f, random_weights(1, 9)
    frames = small.frames.from_deviation(f - unit * small.frames.origin, small.share, unit * small.frames.origin)
    x, plain = intensities(frames, w), small.columns(w[0])
    np.testing.assert_allclose(x, unit**2 * small.intensity(w), rtol=1e-5)
    np.testing.assert_allclose(contractions(frames, w, x[None])[0, 0], unit**4 * (plain @ small.intensity(w)[0]), 1e-5)
    counts = Metric(1 / x[0] ** 2, np.zeros((37, 0)), np.zeros((0, 37)))
    found = gram(frames, w[0], Mixtures(np.arange(9), np.zeros((0, 9))), counts)
    scaled = Metric(1 / small.intensity(w)[0] ** 2, counts.left, counts.right)
    np.testing.assert_allclose(found, gram_of(plain, scaled), rtol=1e-4)


def test_single_precision_does_not_suffer_from_bragg_intensity():
    """1e6 times the diffuse: the difference of two such numbers would be noise."""
    small, w = small_frames(dtype=np.float32, bragg=1000.0), random_weights(2, 9)
    spread = np.tensordot(w, np.abs(small.f - small.f.mean(axis=0)) ** 2, 1)
    assert np.mean(np.abs(small.f) ** 2) > 1e5 * spread.mean()
    np.testing.assert_allclose(intensities(small.frames, w), small.intensity(w), rtol=1e-4)


def test_one_more_frame_that_scatters_nothing():
    """Weights of sum s below one give s [Var + (1 - s) |<F>|^2]: the Bragg intensity that leaks in."""
    small, w, s = small_frames(), random_weights(1, 9), 0.9
    with_empty = small.frames.with_empty_frame()
    found = intensities(with_empty, np.append(s * w, [[1 - s]], axis=1))
    bragg = (np.abs(np.tensordot(w, small.f, 1)) ** 2 * small.share).sum(axis=1)
    np.testing.assert_allclose(found, s * (small.intensity(w) + (1 - s) * bragg), rtol=1e-10)


def test_two_frames_have_one_pattern_whatever_their_weights():
    small = small_frames(2)
    x = intensities(small.frames, np.array([[a, 1 - a] for a in (0.05, 0.3, 0.5)]))
    np.testing.assert_allclose(x / x.sum(axis=1, keepdims=True), [x[0] / x[0].sum()] * 3, rtol=1e-9)


def test_some_groups_of_several_blocks_are_taken_out(small):
    chosen, w = np.array([0, 3, 9, 10, 25, 36]), random_weights(2, 9)
    part = small.frames.take(chosen)
    assert part.n_blocks == 1
    np.testing.assert_allclose(intensities(part, w), small.intensity(w)[:, chosen], rtol=1e-11)
    np.testing.assert_allclose(means(part, w), means(small.frames, w)[:, :, chosen], rtol=1e-5)
