"""Good frames against bad ones: fluctuations, distances and features of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.meaning.blocks import block_labels, mean_and_error
from mdweights_core.meaning.result import Feature, SetComparison
from mdweights_core.meaning.solute import Solute
from mdweights_core.meaning.trace import STAGE
from mdweights_core.weights.validation.jackknife import jackknife_error

MOST_ROWS = 400
"""Residues whose distances to each other are taken; of more, every n-th."""

_PAIRS = 20
_APART = 3  # residues along the chain: nearer ones are held by bonds
_CHUNK = 16  # frames at a time


@dataclass(frozen=True, eq=False)
class Sets:
    """Two sets of frames: how much a frame counts in each [n_frames], sum one, zero outside."""

    good: np.ndarray
    bad: np.ndarray
    is_given: bool


def gained_and_lost(weights: np.ndarray, prior: np.ndarray) -> Sets | None:
    """What each frame gained (good) or lost (bad) against its prior weight; None when that is nothing."""
    change = weights - prior
    up, down = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    if min(up.sum(), down.sum()) < 1e-9:
        return None
    return Sets(up / up.sum(), down / down.sum(), False)


def given_sets(good: np.ndarray, bad: np.ndarray, weights: np.ndarray, prior: np.ndarray) -> Sets:
    """Sets given as bool [n_frames], each with the weights of its frames, or the prior ones where these are zero.

    Raises
    ------
    BadInput
        When a set is empty, a frame is in both, or they are of other frames.
    """
    good, bad = np.asarray(good, dtype=bool), np.asarray(bad, dtype=bool)
    if good.shape != weights.shape or bad.shape != weights.shape:
        raise BadInput(f"The sets are of {len(good)} and {len(bad)} frames, but there are {len(weights)}")
    if not (good.any() and bad.any()):
        raise BadInput("One of the two sets of frames is empty", advice="Mark some frames good and some bad")
    if (good & bad).any():
        raise BadInput(f"Frame {int(np.argmax(good & bad)) + 1} is in both sets of frames")
    return Sets(_share(good, weights, prior), _share(bad, weights, prior), True)


def compare_sets(
    sets: Sets, features: tuple[Feature, ...], solute: Solute | None, anchors: np.ndarray | None
) -> Job[SetComparison]:
    """Compare two sets of frames.

    Parameters
    ----------
    sets : Sets
    features : tuple of Feature
    solute, anchors : Solute and float32 [n_frames, n_anchors, 3], or None
        Molecules superposed on their means; without these only features are compared.
    """
    block = block_labels(len(sets.good))
    if solute is None or anchors is None:
        return _comparison(sets, features, block, _Shape())
    residue = tuple(name for kind in solute.anchor_names() for name in kind)
    good, good_left = _rmsf(solute, anchors, sets.good, block)
    bad, bad_left = _rmsf(solute, anchors, sets.bad, block)
    row = np.arange(0, len(residue), -(-len(residue) // MOST_ROWS))
    difference, error = yield from _distances(solute, anchors, sets, block, row)
    shape = _Shape(residue, good, bad, jackknife_error(good_left - bad_left), row, difference, error)
    return _comparison(sets, features, block, shape)


class _Shape(NamedTuple):
    """What positions told; nothing by default."""

    residue: tuple[str, ...] = ()
    good: np.ndarray = np.zeros(0)
    bad: np.ndarray = np.zeros(0)
    error: np.ndarray = np.zeros(0)
    row: np.ndarray = np.zeros(0, dtype=np.int64)
    distance: np.ndarray = np.zeros((0, 0))
    distance_error: np.ndarray = np.zeros((0, 0))


def _comparison(sets: Sets, features: tuple[Feature, ...], block: np.ndarray, shape: _Shape) -> SetComparison:
    good, bad, error = _features(features, sets, block)
    pairs, change, spread = _largest(shape.distance, shape.distance_error, shape.row)
    return SetComparison(
        good=sets.good,
        bad=sets.bad,
        residue=shape.residue,
        rmsf_good=shape.good,
        rmsf_bad=shape.bad,
        rmsf_difference=shape.good - shape.bad,
        rmsf_error=shape.error,
        distance_row=shape.row,
        distance_difference=shape.distance,
        distance_error=shape.distance_error,
        pairs=pairs,
        pair_difference=change,
        pair_error=spread,
        feature_good=good,
        feature_bad=bad,
        feature_error=error,
        is_given=sets.is_given,
    )


def _share(chosen: np.ndarray, weights: np.ndarray, prior: np.ndarray) -> np.ndarray:
    for own in (weights, prior, np.ones(len(weights))):
        share = np.where(chosen, own, 0.0)
        if share.sum() > 0:
            break
    return share / share.sum()


def _features(
    features: tuple[Feature, ...], sets: Sets, block: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of features in both sets and the error of their difference, float64 [n_features] each."""
    if not features:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    values = np.array([f.values if f.states is None else f.values == f.states.strongest for f in features], dtype=float)
    good, good_left = mean_and_error(values, sets.good, block)
    bad, bad_left = mean_and_error(values, sets.bad, block)
    return good, bad, jackknife_error(good_left - bad_left)


def _rmsf(solute: Solute, anchors: np.ndarray, share: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fluctuations with shares [n_frames], float64 [n_residues], and without one block each [n_blocks, n_residues].

    Means of squares over the copies of a sequence.
    """
    size = int(block.max()) + 1
    sums, squares = np.zeros((size, *anchors.shape[1:])), np.zeros((size, anchors.shape[1]))
    for one in range(size):
        rows = np.flatnonzero((block == one) & (share > 0))
        for start in range(0, len(rows), 128):
            some = rows[start : start + 128]
            own = np.asarray(anchors[some], dtype=np.float64)
            sums[one] += np.einsum("n,nai->ai", share[some], own)
            squares[one] += np.einsum("n,nai,nai->a", share[some], own, own)
    total = np.bincount(block, weights=share, minlength=size)
    all_but = [
        _fluctuation(sums.sum(axis=0) - sums[n], squares.sum(axis=0) - squares[n], 1 - total[n], solute)
        for n in range(size)
    ]
    return _fluctuation(sums.sum(axis=0), squares.sum(axis=0), 1.0, solute), np.array(all_but)


def _fluctuation(sums: np.ndarray, squares: np.ndarray, total: float, solute: Solute) -> np.ndarray:
    if total < 1e-9:
        return np.full(sum(len(solute.molecules[kind[0]].anchors) for kind in solute.kinds), np.nan)
    square = squares / total - ((sums / total) ** 2).sum(axis=1)
    parts = solute.parts
    means = [np.mean([square[parts[copy]] for copy in kind], axis=0) for kind in solute.kinds]
    return np.sqrt(np.maximum(np.concatenate(means), 0.0))


def _distances(
    solute: Solute, anchors: np.ndarray, sets: Sets, block: np.ndarray, row: np.ndarray
) -> Job[tuple[np.ndarray, np.ndarray]]:
    """Difference of the mean distances of residues `row` in both sets and its error, float64 [n_rows, n_rows]."""
    size = int(block.max()) + 1
    shares = np.array([sets.good, sets.bad])
    totals = np.array([np.bincount(block, weights=share, minlength=size) for share in shares])
    sums = np.full((2, size, len(row), len(row)), np.nan)
    clock, done = Clock(), 0
    for here, copies in _kind_rows(solute, row):
        square = np.ix_(np.arange(2), np.arange(size), here, here)
        own = np.zeros((2, size, len(here), len(here)))
        for one in range(size):
            used = np.flatnonzero((block == one) & (shares > 0).any(axis=0))
            for start in range(0, len(used), _CHUNK):
                some = used[start : start + _CHUNK]
                own[:, one] += np.einsum("sn,nij->sij", shares[:, some], _mean_distances(anchors[some], copies))
                done += len(some)
                if clock.is_due():
                    yield Progress(STAGE, done, len(block) * len(solute.kinds), "distances of residues")
        sums[square] = own
    whole = sums.sum(axis=1)
    difference = whole[0] - whole[1]
    left = np.full((size, len(row), len(row)), np.nan)
    for one in range(size):
        rest = 1 - totals[:, one]
        if (rest > 1e-9).all():
            left[one] = (whole[0] - sums[0, one]) / rest[0] - (whole[1] - sums[1, one]) / rest[1]
    return difference, jackknife_error(left)


def _kind_rows(solute: Solute, row: np.ndarray) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """Of each kind of molecule: where its residues are among `row`, and their anchors in each copy."""
    parts, found, begin = solute.parts, [], 0
    for kind in solute.kinds:
        end = begin + len(solute.molecules[kind[0]].anchors)
        here = np.flatnonzero((row >= begin) & (row < end))
        found.append((here, [row[here] - begin + parts[copy].start for copy in kind]))
        begin = end
    return found


def _mean_distances(anchors: np.ndarray, copies: list[np.ndarray]) -> np.ndarray:
    """Distances inside a molecule, mean over copies, float64 [n, n_rows, n_rows]."""
    total = 0.0
    for rows in copies:
        own = anchors[:, rows].astype(np.float64)
        norm = np.einsum("nai,nai->na", own, own)
        square = norm[:, :, None] + norm[:, None, :] - 2 * own @ own.transpose(0, 2, 1)
        total = total + np.sqrt(np.maximum(square, 0.0))
    return np.asarray(total) / len(copies)


def _largest(difference: np.ndarray, error: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The clearest changes of distances: pairs of residues [n, 2], change and error [n].

    In standard errors, to each of which the typical one is added in square: a small error found by chance counts less.
    """
    one, other = np.triu_indices(len(row), 1)
    apart = np.isfinite(difference[one, other]) & (row[other] - row[one] >= _APART)
    one, other = one[apart], other[apart]
    change, spread = difference[one, other], error[one, other]
    known = np.isfinite(spread)
    typical = float(np.median(spread[known])) if known.any() else 1.0
    clear = np.abs(change) / np.hypot(np.where(known, spread, 0.0), typical or 1.0)
    best = np.argsort(-clear, kind="stable")[:_PAIRS]
    return np.column_stack([row[one[best]], row[other[best]]]), change[best], spread[best]
