"""Correlations with the weights, and whether chance explains them when neighbouring frames resemble each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdweights_core.decorrelation import autocorrelation, integrated

_BATCH = 64  # features at a time: their autocorrelations are as long as the run
_RANK_VARIANCE = 1.06  # of Fisher's z of a rank correlation (Fieller, Hartley & Pearson 1957)
_FEWEST = 5  # frames that a correlation can be made of


class Correlations(NamedTuple):
    """Of features with weight / prior; all float64 [n_features]. `z` is 0 and `p` 1 where nothing can be told."""

    spearman: np.ndarray
    pearson: np.ndarray
    n_independent: np.ndarray
    z: np.ndarray
    p: np.ndarray


def correlations(ratio: np.ndarray, values: np.ndarray, run: np.ndarray) -> Correlations:
    """Rank and linear correlation of each feature with the weights, and their significance.

    Independent frames are counted after Bartlett (1946): T / (1 + 2 sum_k a(k) b(k)) with the autocorrelations a and b
    of both series of ranks, within runs only (see `mdweights_core.decorrelation`).

    Parameters
    ----------
    ratio : float64 [n_frames]
        Weight / prior weight.
    values : float64 [n_features, n_frames]
        NaN where unknown: such frames are left out of that feature.
    run : int [n_frames]
        Which simulation each frame belongs to; frames of one lie together, in order of time.
    """
    there = np.isfinite(ratio)
    if not there.all():  # frames without prior weight tell nothing of any feature
        return correlations(ratio[there], values[:, there], run[there])
    known = np.isfinite(values)
    result = _nothing(len(values))
    whole = np.flatnonzero(known.all(axis=1))
    for start in range(0, len(whole), _BATCH):
        rows = whole[start : start + _BATCH]
        _put(result, rows, _of_known(ratio, values[rows], run))
    for row in np.flatnonzero(~known.all(axis=1)):
        there = known[row]
        _put(result, np.array([row]), _of_known(ratio[there], values[row : row + 1, there], run[there]))
    return result


def adjusted(p: np.ndarray) -> np.ndarray:
    """P values corrected for their number after Benjamini and Hochberg (1995), float64 [n]; NaN stays and is none."""
    result = np.full(len(p), np.nan)
    tried = np.flatnonzero(np.isfinite(p))
    order = tried[np.argsort(-p[tried], kind="stable")]
    scaled = p[order] * len(order) / np.arange(len(order), 0, -1)
    result[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return result


def _nothing(count: int) -> Correlations:
    spearman, pearson, independent, z = np.zeros((4, count))
    return Correlations(spearman, pearson, independent, z, np.ones(count))


def _put(result: Correlations, rows: np.ndarray, part: Correlations) -> None:
    for column, values in zip(result, part, strict=True):
        column[rows] = values


def _of_known(ratio: np.ndarray, values: np.ndarray, run: np.ndarray) -> Correlations:
    from scipy.stats import norm, rankdata

    if len(ratio) < _FEWEST:
        return _nothing(len(values))
    rank, ranks = _centred(rankdata(ratio)[None]), _centred(rankdata(values, axis=1))
    spearman = _cosine(rank, ranks)
    pearson = _cosine(_centred(ratio[None]), _centred(values))
    times = integrated(autocorrelation(rank, run) * autocorrelation(ranks, run))
    independent = len(ratio) / np.maximum(times, 1.0)
    freedom = np.maximum(independent - 3, 0.0) / _RANK_VARIANCE
    z = np.arctanh(np.clip(spearman, -1 + 1e-12, 1 - 1e-12)) * np.sqrt(freedom)
    return Correlations(spearman, pearson, independent, z, 2 * norm.sf(np.abs(z)))


def _centred(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values - values.mean(axis=1, keepdims=True)


def _cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosine between rows; 0 where a row does not vary."""
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    dots = np.einsum("ij,ij->i", np.broadcast_to(one, other.shape), other)
    return np.divide(dots, norms, out=np.zeros(len(other)), where=norms > 0)
