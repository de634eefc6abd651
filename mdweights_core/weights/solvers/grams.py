"""Gram matrices of one fit: over a sample of the reflections, and formed seldom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdweights_core.weights.frames.passes import gram
from mdweights_core.weights.solvers.columns import Columns
from mdweights_core.weights.solvers.sampling import Sample
from mdweights_core.weights.solvers.shared import SharedGrams
from mdweights_core.weights.solvers.steps import ENOUGH

_KEPT_BYTES = 256 * 2**20  # of Gram matrices kept from one iteration to the next
_SAME_ENOUGH = 0.02  # weight moved, for which a Gram matrix need not be formed anew
_SAME_ENOUGH_IN_BATCH = 0.2
_SLOW = 0.3  # of what the step before promised: those over all reflections would have promised a tenth


class Grams:
    """Gram matrices of one term for one fit, formed anew when its weights have moved far.

    Parameters
    ----------
    samples : sequence of Sample
        Reflections they are formed over; the next one is gone on with where steps are not as good as promised.
    shared : SharedGrams, optional
        Those of the term that are taken instead, until they are given up.
    same_enough : float
        Weight moved for which one need not be formed anew.
    keep : bool
        Whether the last one may be kept for that.
    """

    def __init__(self, samples: Sequence[Sample], shared: SharedGrams | None, same_enough: float, keep: bool) -> None:
        self.samples, self.same_enough, self.keep = list(samples), same_enough, keep
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
        sample = self.samples[0]
        metric = sample.term.objective.metric(x[sample.chosen], sample.rows_of(rows))
        matrix = gram(sample.term.frames, weights, columns.mixtures, metric)
        if is_plain and self.keep:
            self._known = (weights, columns.chosen, matrix)
        return matrix

    def judge(self, promised: float, before: float, gained: float) -> None:
        """Go on with better ones where a step brought less than it promised, or promises hardly fall."""
        is_short = gained < ENOUGH * promised
        if self._shared is not None:
            self._shared = None if is_short else self._shared
        elif len(self.samples) > 1 and (is_short or promised > _SLOW * before):
            del self.samples[0]
            self._known = None


def grams_of_fits(
    samples: Sequence[Sample], parts: Sequence[Sample], shared: SharedGrams | None, n_fits: int, n_frames: int
) -> list[list[Grams]]:
    """Those of every term over `samples`, for each of the fits of a batch; one alone may go on with the whole parts."""
    same = _SAME_ENOUGH if n_fits == 1 else _SAME_ENOUGH_IN_BATCH
    keep = 8 * n_fits * n_frames**2 < _KEPT_BYTES
    wholes = [[part] if n_fits == 1 and sample.is_part else [] for sample, part in zip(samples, parts, strict=True)]
    return [
        [
            Grams([sample, *whole], shared and shared.of_term(i), same, keep)
            for i, (sample, whole) in enumerate(zip(samples, wholes, strict=True))
        ]
        for _ in range(n_fits)
    ]
