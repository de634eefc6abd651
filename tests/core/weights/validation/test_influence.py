"""What single frames do: against fits of the ensemble without them, and finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.jobs import Clock, Progress
from mdweights_core.weights.frames.passes import contractions, intensities
from mdweights_core.weights.selection.removal import frame_products
from mdweights_core.weights.validation.influence import frame_series


@pytest.fixture(scope="module", params=["equal", "given"])
def uneven(bench, request):
    """With equal prior weights, and with others."""
    if request.param == "equal":
        return bench
    prior = np.random.default_rng(0).dirichlet(np.full(len(bench.prior), 5.0))
    return replace(bench, usual=replace(bench.usual, prior=prior))


@pytest.fixture(scope="module")
def series(uneven):
    return jobs.run(frame_series(uneven, np.random.default_rng(1)))


def _without(prior: np.ndarray) -> np.ndarray:
    """Prior weights without each frame: [T, T]."""
    rest = np.tile(prior, (len(prior), 1))
    np.fill_diagonal(rest, 0.0)
    return rest / rest.sum(axis=1, keepdims=True)


def test_leaving_a_frame_out_is_what_it_says(uneven, series):
    change = uneven.score_of(_without(uneven.prior)) - uneven.score_of(uneven.prior[None])
    np.testing.assert_allclose(series.leave_one_out, change, atol=2e-5)
    assert np.abs(change).max() > 1e-3


def test_influence_is_the_slope_of_doubling(uneven, series):
    step = 1e-2
    moved = np.array([uneven.prior + sign * step * np.diag(uneven.prior) for sign in (1, -1)])
    moved /= moved.sum(axis=2, keepdims=True)
    up, down = (uneven.score_of(weights) for weights in moved)
    slope = (up - down) / (2 * step)
    np.testing.assert_allclose(series.influence, slope, atol=2e-3 * np.abs(slope).max())


def test_leading_directions_are_those_of_the_frames_intensities(bench):
    """Beside the singular vectors of all D_t, shell means removed, from the whole matrix."""
    series = jobs.run(frame_series(bench, np.random.default_rng(1)))
    n = len(bench.prior)
    frames, prior = bench.terms[0].frames, bench.prior
    nearly = prior + 0.01 * (np.eye(n) - prior)  # x(w + a d) = x + a D_t + O(a^2)
    away = prior - 0.01 * (np.eye(n) - prior)
    d = (intensities(frames, nearly) - intensities(frames, away)) / 0.02
    metric = bench.score.metric(d[0], bench.rows)
    projected = np.sqrt(metric.weight) * (d - (d @ metric.right.T) @ metric.left.T)
    exact = np.linalg.svd(projected - prior @ projected, full_matrices=False)[0][:, :2]
    caught = np.linalg.norm(series.leading @ exact, axis=0)
    assert caught[0] > 0.98
    assert caught[1] > 0.7


def test_products_with_maps_given_block_by_block_are_those_with_the_whole(uneven):
    """The definition: contractions with Omega r."""
    frames, prior, rows = uneven.terms[0].frames, uneven.prior, uneven.rows
    maps = np.random.default_rng(3).normal(size=(4, len(rows)))
    x = intensities(frames, prior[None])
    at, metric = uneven.score.linearise(x, rows[None]), uneven.score.metric(x[0], rows)
    first = 0

    def following(n: int) -> np.ndarray:
        nonlocal first
        first += n
        return maps[:, first - n : first]

    found = jobs.run(frame_products(frames, prior, at, metric, Clock(), Progress("test"), following)).others
    image = uneven.score.linearise(maps, np.broadcast_to(rows, maps.shape)).image
    expected = contractions(frames, np.broadcast_to(prior, (4, len(prior))), image[None])[0].T
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
