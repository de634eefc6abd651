"""Samples of the reflections, stratified by resolution: a fit begins on one, and Gram matrices are formed over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.solvers.base import Term

_SAMPLE = 8000  # reflections, at least
_PER_FRAME = 16  # reflections in the sample for each frame
_FEWEST_PER_FRAME = 4  # for Gram matrices that are used on all reflections
_SAMPLE_BYTES = 600 * 2**20


@dataclass(frozen=True, eq=False)
class Sample:
    """A term on some of its reflections, or on all.

    Attributes
    ----------
    term : Term
        On these reflections.
    chosen : int [n] or slice
        Their places among all reflections: rising numbers, or the slice of all.
    """

    term: Term
    chosen: np.ndarray | slice

    @classmethod
    def of(cls, term: Term) -> Sample:
        """A sample stratified by resolution; all reflections where these are few."""
        if _sample_size(term.frames) >= term.frames.n_groups:
            return cls.whole(term)
        chosen = stratified(term)
        return cls(term.restricted(chosen), chosen)

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


def _sample_size(frames: FrameBlocks) -> int:
    wanted = max(_SAMPLE, _PER_FRAME * frames.n_frames)
    return int(min(wanted, _SAMPLE_BYTES // (4 * frames.n_frames * (2 * frames.n_copies + 1))))


def stratified(term: Term) -> np.ndarray:
    """One of each run of neighbours in resolution, drawn with a fixed seed: rising numbers, int [n]."""
    n, size = _sample_size(term.frames), term.frames.n_groups
    order = np.arange(size) if term.order is None else term.order
    edges = np.linspace(0, size, n + 1).astype(np.int64)
    picked = edges[:-1] + np.floor(np.random.default_rng(0).random(n) * np.diff(edges)).astype(np.int64)
    return np.sort(order[picked])
