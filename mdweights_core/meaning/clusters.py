"""Frames that are alike, and the weight that they have together."""

from __future__ import annotations

import numpy as np

from mdweights_core.meaning.blocks import block_labels
from mdweights_core.meaning.result import Clusters
from mdweights_core.weights.validation.jackknife import jackknife_error

_MOST = 2000  # frames whose distances to each other are all taken
_SEPARATE = 0.25  # silhouettes below this are those of one cloud cut in pieces (Kaufman & Rousseeuw 1990)
_FEWEST = 10


def cluster_frames(
    components: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
    max_clusters: int,
    sampled_weights: np.ndarray | None = None,
) -> Clusters | None:
    """Put frames together by Ward's method on their principal components.

    The number of clusters is that with the largest mean silhouette (Rousseeuw 1987), if that is above 0.25.

    Parameters
    ----------
    components : float64 [n_frames, n_components]
    weights, prior : float64 [n_frames]
    max_clusters : int
    sampled_weights : float64 [n_samples, n_frames], optional
        Of bootstrap samples, NaN for frames that were not drawn: the spread of the summed weights is their error. It
        is a block jackknife over the frames without.

    Returns
    -------
    Clusters or None
        None when the frames are one cloud.
    """
    if len(components) < _FEWEST or max_clusters < 2:
        return None
    label, score = _labels(components, max_clusters)
    count = int(label.max()) + 1
    if count < 2:
        return None
    weight = np.bincount(label, weights=weights, minlength=count)
    order = np.argsort(-weight, kind="stable")
    label = np.argsort(order)[label].astype(np.int32)
    weight, base = weight[order], np.bincount(label, weights=prior, minlength=count)
    rule = (
        f"Frames were put together by Ward's method on {components.shape[1]} principal components; {count} clusters "
        f"have the largest mean silhouette ({score:.2f}) of 2 to {max_clusters}."
    )
    ratio = np.divide(weight, base, out=np.full(count, np.nan), where=base > 0)
    error = _errors(label, count, weights, sampled_weights)
    centre, sizes = _centres(components, label, count), np.bincount(label, minlength=count)
    return Clusters(label, sizes, weight, base, ratio, error, centre, components, rule)


def _labels(components: np.ndarray, max_clusters: int) -> tuple[np.ndarray, float]:
    """The best cut of the tree, int [n_frames]; all 0 when there is none."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import cdist

    some = components[:: -(-len(components) // _MOST)]
    distances = cdist(some, some)
    tree = linkage(some, "ward")
    best, score = np.zeros(len(some), dtype=np.int64), _SEPARATE
    for count in range(2, min(max_clusters, len(some) - 1) + 1):
        label = fcluster(tree, count, "maxclust") - 1
        own = silhouette(distances, label)
        if own > score and np.bincount(label).min() >= 2:
            best, score = label, own
    if len(some) == len(components):
        return best, score
    means = np.array([some[best == one].mean(axis=0) for one in range(int(best.max()) + 1)])
    return cdist(components, means).argmin(axis=1), score


def silhouette(distances: np.ndarray, label: np.ndarray) -> float:
    """Mean silhouette of frames with `distances` [n, n] in clusters `label` [n]; 0 for a frame alone."""
    sizes = np.bincount(label)
    sums = distances @ np.eye(len(sizes))[label]
    own = sums[np.arange(len(label)), label] / np.maximum(sizes[label] - 1, 1)
    means = sums / np.maximum(sizes, 1)
    means[np.arange(len(label)), label] = np.inf
    nearest = means.min(axis=1)
    larger = np.maximum(own, nearest)
    each = np.divide(nearest - own, larger, out=np.zeros(len(label)), where=(larger > 0) & np.isfinite(larger))
    return float(np.where(sizes[label] > 1, each, 0.0).mean())


def _errors(label: np.ndarray, count: int, weights: np.ndarray, sampled: np.ndarray | None) -> np.ndarray:
    is_in = np.eye(count)[label]
    if sampled is not None and len(sampled) > 1:
        sums = np.where(np.isfinite(sampled), sampled, 0.0) @ is_in
        return (sums / sums.sum(axis=1, keepdims=True)).std(axis=0, ddof=1)
    block = block_labels(len(label))
    left = np.stack([(weights * (block != one)) @ is_in for one in range(int(block.max()) + 1)])
    totals = left.sum(axis=1, keepdims=True)
    return jackknife_error(np.divide(left, totals, out=np.full(left.shape, np.nan), where=totals > 0))


def _centres(components: np.ndarray, label: np.ndarray, count: int) -> np.ndarray:
    centres = np.empty(count, dtype=np.int64)
    for one in range(count):
        rows = np.flatnonzero(label == one)
        away = np.linalg.norm(components[rows] - components[rows].mean(axis=0), axis=1)
        centres[one] = rows[away.argmin()]
    return centres
