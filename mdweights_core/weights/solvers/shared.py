"""Gram matrices that many fits share: formed once, between all frames over all reflections, near where fits end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mdweights_core.weights.frames.passes import Mixtures, gram, intensities
from mdweights_core.weights.solvers.base import Term
from mdweights_core.weights.solvers.columns import Columns

_MOST_FRAMES = 1024  # matrices between more would cost more than they save
_PER_FRAME = 16  # reflections for each frame: with fewer, those that are held out would tell too much of the others


@dataclass(frozen=True, eq=False)
class SharedGrams:
    """Gram matrices of every term at some sets of weights.

    A matrix depends on weights through the mean structure factors only, and on reflections through a sum over many of
    them. So one that was formed nearby serves a fit to most of the reflections, or to a sample of them, better than its
    own over a few.

    Attributes
    ----------
    near : float64 [n, n_frames]
        Weights they were formed at.
    matrices : float64 [n_terms, n, n_frames, n_frames]
    """

    near: np.ndarray
    matrices: np.ndarray

    @classmethod
    def at(cls, terms: Sequence[Term], near: np.ndarray) -> SharedGrams | None:
        """Formed at weights `near` [n, n_frames], every reflection counted once; None with too many frames."""
        n_frames = near.shape[1]
        if n_frames > _MOST_FRAMES or terms[0].frames.n_groups < _PER_FRAME * n_frames:
            return None
        return cls(near, np.stack([_matrices(term, near) for term in terms]))

    def of_term(self, i: int) -> SharedGrams:
        """Those of one term."""
        return replace(self, matrices=self.matrices[i : i + 1])

    def between(self, columns: Columns, weights: np.ndarray) -> np.ndarray:
        """The matrix of the first term between columns, formed nearest to `weights` [n_frames]."""
        matrix = self.matrices[0, int(np.abs(self.near - weights).sum(axis=1).argmin())]
        chosen, rest = columns.chosen, columns.mixtures.rest
        across = rest @ matrix
        return np.block([[matrix[np.ix_(chosen, chosen)], across[:, chosen].T], [across[:, chosen], across @ rest.T]])


def _matrices(term: Term, near: np.ndarray) -> np.ndarray:
    n = near.shape[1]
    rows, everyone = term.rows_of(np.ones((1, term.frames.n_groups)))[0], Mixtures(np.arange(n), np.zeros((0, n)))
    pairs = zip(near, intensities(term.frames, near), strict=True)
    return np.stack([gram(term.frames, w, everyone, term.objective.metric(x, rows)) for w, x in pairs])
