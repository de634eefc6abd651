"""Gram matrices of one fit: over a sample of the reflections, and formed seldom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdweights_core.weights.frames.passes import gram
from mdweights_core.weights.solvers.columns import Columns
from mdweights_core.weights.solvers.sampling import Sample
from mdweights_core.weights.solvers.shared import SharedGrams

_KEPT_BYTES = 256 * 2**20  # of Gram matrices kept from one iteration to the next
_SAME_ENOUGH = 0.02  # weight moved, for which a Gram matrix need not be formed anew
_SAME_ENOUGH_IN_BATCH = 0.2


class Grams:
    """Gram matrices of one term for one fit, formed anew when its weights have moved far.

    Parameters
    ----------
    sample : Sample
        Reflections they are formed over.
    shared : SharedGrams, optional
        Those of the term that are taken instead, until they are given up.
    same_enough : float
        Weight moved for which one need not be formed anew.
    keep : bool
        Whether the last one may be kept for that.
    """

    def __init__(self, sample: Sample, shared: SharedGrams | None, same_enough: float, keep: bool) -> None:
        self.sample, self.same_enough, self.keep = sample, same_enough, keep
        self._shared = shared
        self._known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def between(self, columns: Columns, weights: np.ndarray, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The matrix between columns, for the weights [T] that have the intensity x [G]."""
        if self._shared is not None:
            return self._shared.between(columns, weights)
        is_plain = len(columns) == len(columns.chosen)
        if self._known is not None and is_plain:
            then, chosen, matrix = self._known
            if np.abs(weights - then).sum() < self.same_enough and np.isin(columns.chosen, chosen).all():
                places = np.searchsorted(chosen, columns.chosen)
                return matrix[np.ix_(places, places)]
        part = self.sample.chosen
        metric = self.sample.term.objective.metric(x[part], rows[part])
        matrix = gram(self.sample.term.frames, weights, columns.mixtures, metric)
        if is_plain and self.keep:
            self._known = (weights, columns.chosen, matrix)
        return matrix

    def give_up_shared(self) -> None:
        """From now on the fit's own: the shared ones promise too much."""
        self._shared = None


def grams_of_fits(
    samples: Sequence[Sample], shared: SharedGrams | None, n_fits: int, n_frames: int
) -> list[list[Grams]]:
    """Those of every term, for each of the fits of a batch."""
    same = _SAME_ENOUGH if n_fits == 1 else _SAME_ENOUGH_IN_BATCH
    keep = 8 * n_fits * n_frames**2 < _KEPT_BYTES
    return [
        [Grams(sample, shared and shared.of_term(i), same, keep) for i, sample in enumerate(samples)]
        for _ in range(n_fits)
    ]
