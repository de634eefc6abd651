"""Where fits are and where they may go: what passes over all frames find there, term by term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mdweights_core.weights.frames.passes import Means, intensities, intensities_and_means, lines
from mdweights_core.weights.objectives.base import Linearisation
from mdweights_core.weights.solvers.base import Term

_KEPT_MEANS = 64 * 2**20  # bytes of one term's; more, and they are formed anew where they are needed


@dataclass(frozen=True, eq=False)
class Place:
    """Where P fits are.

    Attributes
    ----------
    x : list of float64 [P, G]
        Intensities.
    linear : list of Linearisation
        Objectives there.
    means : list of Means or None
        Mean structure factors, where these are kept.
    """

    x: list[np.ndarray]
    linear: list[Linearisation]
    means: list[Means | None]

    @classmethod
    def at(cls, terms: Sequence[Term], rows: Sequence[np.ndarray], weights: np.ndarray) -> Place:
        """The place of weights [P, T], by one pass over the frames of each term."""
        found = [_begun(term, weights) for term in terms]
        x = [values for values, _ in found]
        return cls(x, linearised(terms, rows, x), [means for _, means in found])

    def of(self, chosen: np.ndarray) -> Place:
        """That of some of the fits, int [n]."""
        if len(chosen) == len(self.x[0]):
            return self
        means = [None if known is None else known.of(chosen) for known in self.means]
        return Place([values[chosen] for values in self.x], [_of(linear, chosen) for linear in self.linear], means)


class Way:
    """From the place of P fits in one direction each, [P, T]: after one pass, what any step lengths lead to."""

    def __init__(
        self,
        terms: Sequence[Term],
        rows: Sequence[np.ndarray],
        place: Place,
        weights: np.ndarray,
        directions: np.ndarray,
    ) -> None:
        self.terms, self.rows, self.place = terms, rows, place
        self._lines = [lines(t.frames, weights, directions, m) for t, m in zip(terms, place.means, strict=True)]
        self._last = np.zeros(0), place.x, place.linear

    def linear(self, alpha: np.ndarray) -> list[Linearisation]:
        """Objectives at step lengths alpha [P]."""
        return self._at(alpha)[1]

    def end(self, alpha: np.ndarray) -> Place:
        """The place at step lengths alpha [P]."""
        x, linear = self._at(alpha)
        pairs = zip(self.place.means, self._lines, strict=True)
        means = [m if m is None or line.means is None else m.moved(line.means, alpha) for m, line in pairs]
        return Place(x, linear, means)

    def _at(self, alpha: np.ndarray) -> tuple[list[np.ndarray], list[Linearisation]]:
        """Intensities and objectives; the last ones are remembered, as most steps end where they were tried last."""
        if not np.array_equal(alpha, self._last[0]):
            x = [line.at(values, alpha) for values, line in zip(self.place.x, self._lines, strict=True)]
            self._last = alpha.copy(), x, linearised(self.terms, self.rows, x)
        return self._last[1:]


def linearised(terms: Sequence[Term], rows: Sequence[np.ndarray], x: Sequence[np.ndarray]) -> list[Linearisation]:
    """The objective of each term at intensities x."""
    return [t.objective.linearise(values, counts) for t, values, counts in zip(terms, x, rows, strict=True)]


def total_gain(terms: Sequence[Term], linear: Sequence[Linearisation]) -> np.ndarray:
    """Weighted sum of the terms: float64 [P]."""
    return np.asarray(sum(term.weight * lin.gain for term, lin in zip(terms, linear, strict=True)))


def _begun(term: Term, weights: np.ndarray) -> tuple[np.ndarray, Means | None]:
    frames = term.frames
    if 8 * len(weights) * frames.n_copies * frames.n_groups > _KEPT_MEANS:
        return intensities(frames, weights), None
    return intensities_and_means(frames, weights)


def _of(linear: Linearisation, chosen: np.ndarray) -> Linearisation:
    values = ((field.name, getattr(linear, field.name)) for field in fields(linear))
    return replace(linear, **{name: value[chosen] for name, value in values if isinstance(value, np.ndarray)})
