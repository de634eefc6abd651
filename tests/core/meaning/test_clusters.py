"""Clusters of frames whose groups are known."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.meaning import clusters
from mdweights_core.meaning.clusters import cluster_frames, silhouette

MIDDLES = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])


def _frames(per_group: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(3), per_group))
    return group, MIDDLES[group] + rng.normal(size=(len(group), 2))


def test_three_groups_are_found_with_their_weights():
    group, components = _frames()
    weights = np.array([1.0, 2.0, 6.0])[group]
    weights /= weights.sum()
    found = cluster_frames(components, weights, np.full(60, 1 / 60), 10)
    assert found is not None
    np.testing.assert_allclose(found.weight, [6 / 9, 2 / 9, 1 / 9])
    np.testing.assert_allclose(found.ratio, [2, 2 / 3, 1 / 3])
    np.testing.assert_array_equal(group[found.centre], [2, 1, 0])
    np.testing.assert_array_equal(np.array([2, 1, 0])[found.label], group)
    assert (found.error > 0).all()


def test_errors_are_the_spread_over_samples():
    group, components = _frames()
    rng = np.random.default_rng(1)
    shares = rng.dirichlet([40, 30, 30], size=400)
    sampled = shares[:, group] / 20
    sampled[:, 0] = np.where(rng.uniform(size=400) < 0.5, np.nan, sampled[:, 0])
    found = cluster_frames(components, np.full(60, 1 / 60), np.full(60, 1 / 60), 10, sampled)
    assert found is not None
    own = [shares[:, group[found.centre[one]]].std(ddof=1) for one in range(3)]
    np.testing.assert_allclose(found.error, own, rtol=0.05)


def test_of_many_frames_some_are_clustered_and_the_others_follow(monkeypatch: pytest.MonkeyPatch):
    group, components = _frames()
    monkeypatch.setattr(clusters, "_MOST", 25)
    found = cluster_frames(components, np.full(60, 1 / 60), np.full(60, 1 / 60), 10)
    assert found is not None
    for one in range(3):
        assert len(set(found.label[group == one])) == 1


def test_one_cloud_and_few_frames_are_no_clusters():
    cloud = np.random.default_rng(2).normal(size=(60, 20))
    assert cluster_frames(cloud, np.full(60, 1 / 60), np.full(60, 1 / 60), 10) is None
    assert cluster_frames(MIDDLES, np.full(3, 1 / 3), np.full(3, 1 / 3), 10) is None


def test_silhouette_is_that_written_out():
    rng = np.random.default_rng(3)
    points, label = rng.normal(size=(12, 2)), np.array([0] * 5 + [1] * 4 + [2] * 2 + [3])
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    each = []
    for row in range(12):
        means = {k: distances[row, (label == k) & (np.arange(12) != row)] for k in range(4)}
        own, other = means[label[row]], min(v.mean() for k, v in means.items() if k != label[row])
        each.append(0.0 if not len(own) else (other - own.mean()) / max(other, own.mean()))
    assert silhouette(distances, label) == pytest.approx(np.mean(each))
