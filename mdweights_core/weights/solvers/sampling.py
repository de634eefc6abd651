"""Samples of the reflections: a fit begins on one, and Gram matrices are formed over it.

Sums over reflections of counts D_s D_t decide where a fit goes. Diffuse intensity falls by orders of magnitude with
resolution, so that a few strong reflections make up most of such a sum. They are drawn with a probability that grows
with their intensity, the others seldom, and each counts by the inverse of its probability [Horvitz & Thompson (1952),
J. Am. Stat. Assoc. 47, 663]. The draw is systematic along the order of resolution, by which a sample is so stratified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.solvers.base import Term

_SAMPLE = 8000  # reflections, at least
_PER_FRAME = 20  # reflections in the sample for each frame
_FEWEST_PER_FRAME = 4  # for Gram matrices that are used on all reflections
_SAMPLE_BYTES = 600 * 2**20
_EVENLY = 0.2  # of the sample is drawn whatever the intensity: no reflection counts for very many
_ROUNDS = 20
_COARSER = 5  # times fewer reflections in the sample of a sample


@dataclass(frozen=True, eq=False)
class Sample:
    """A term on some of its reflections, or on all.

    Attributes
    ----------
    term : Term
        On these reflections.
    chosen : int [n] or slice
        Their places among all reflections: rising numbers, or the slice of all.
    stands_for : float64 [n] or None
        How many reflections each stands for; None for one each.
    """

    term: Term
    chosen: np.ndarray | slice
    stands_for: np.ndarray | None = None

    @classmethod
    def of(cls, term: Term, rows: np.ndarray, size: int | None = None) -> Sample:
        """A sample for P tasks whose reflections count `rows` [P, n_group]; all reflections where these are few."""
        size = _sample_size(term.frames) if size is None else size
        if size >= term.frames.n_groups:
            return cls.whole(term)
        probability = probabilities(_importance(term, rows), size)
        chosen = systematic(probability, term.order)
        return cls(term.restricted(chosen), chosen, 1.0 / probability[chosen])

    @classmethod
    def whole(cls, term: Term) -> Sample:
        """All reflections."""
        return cls(term, slice(None))

    @property
    def is_part(self) -> bool:
        """True where some reflections are left out."""
        return not isinstance(self.chosen, slice)

    @property
    def is_telling(self) -> bool:
        """Enough reflections for a Gram matrix that other reflections agree with."""
        frames = self.term.frames
        return not self.is_part or frames.n_groups >= _FEWEST_PER_FRAME * frames.n_frames

    def alone(self) -> Sample:
        """These reflections as if they were all: what is counted of them, `rows_of`, stands for the others."""
        rows = None if self.term.rows is None or self.stands_for is None else self.term.rows * self.stands_for
        return Sample.whole(replace(self.term, rows=rows))

    def rows_of(self, rows: np.ndarray) -> np.ndarray:
        """Counts [..., n_group] of all reflections -> of these, [..., n]."""
        part = rows[..., self.chosen]
        return part if self.stands_for is None else part * self.stands_for


def coarser(samples: Sequence[Sample], rows: np.ndarray) -> list[tuple[list[Sample], np.ndarray]]:
    """Problems of fewer reflections that a fit is brought near its end on first, the coarsest one in front.

    Parameters
    ----------
    samples : sequence of Sample
        One for each term.
    rows : float64 [P, n_group]
        Counts of the reflections of the first one.

    Returns
    -------
    list of (list of Sample, float64 [P, n])
    """
    if not all(sample.is_part for sample in samples):
        return []
    alone, counts = [sample.alone() for sample in samples], samples[0].rows_of(rows)
    sizes = [sample.term.frames.n_groups // _COARSER for sample in samples]
    if any(n < _FEWEST_PER_FRAME * part.term.frames.n_frames for n, part in zip(sizes, alone, strict=True)):
        return [(alone, counts)]
    fewer = [Sample.of(part.term, counts, size) for part, size in zip(alone, sizes, strict=True)]
    return [([sample.alone() for sample in fewer], fewer[0].rows_of(counts)), (alone, counts)]


def _sample_size(frames: FrameBlocks) -> int:
    wanted = max(_SAMPLE, _PER_FRAME * frames.n_frames)
    return int(min(wanted, _SAMPLE_BYTES // (4 * frames.n_frames * (2 * frames.n_copies + 1))))


def _importance(term: Term, rows: np.ndarray) -> np.ndarray:
    """What a reflection adds to a sum over columns, about: float64 [n_group]; the same for each where none is known."""
    used = term.rows_of(rows).max(axis=0)
    if term.usual is None:
        return used
    return np.asarray(term.objective.metric(term.usual, used).weight * term.usual**2)


def probabilities(importance: np.ndarray, size: int) -> np.ndarray:
    """Of reflections to be drawn: in proportion to their importance, but for a part that is even; at most one.

    Parameters
    ----------
    importance : float64 [n_group]
        Not negative.
    size : int
        Reflections to be drawn, which is the sum.

    Returns
    -------
    float64 [n_group]
    """
    there = importance > 0
    wish = _EVENLY * there / max(int(there.sum()), 1) + (1 - _EVENLY) * importance / (importance.sum() or 1.0)
    found = np.minimum(size * wish, 1.0)
    for _ in range(_ROUNDS):  # what is cut off at one goes to the others
        open_ = (found < 1.0) & there
        missing = size - found.sum()
        if missing < 0.5 or not open_.any():
            break
        found[open_] = np.minimum(found[open_] * (1.0 + missing / found[open_].sum()), 1.0)
    return np.asarray(found)


def systematic(probability: np.ndarray, order: np.ndarray | None = None, begin: float = 0.5) -> np.ndarray:
    """Reflections drawn with these probabilities [n_group], evenly along an `order`: rising numbers, int [n].

    Probabilities are those of draws that `begin` anywhere between 0 and 1; one and the same begin gives one and the
    same sample.
    """
    order = np.arange(len(probability)) if order is None else order
    until = np.cumsum(probability[order]) + begin
    drawn = np.diff(np.floor(until), prepend=0.0) > 0
    return np.sort(order[drawn])
