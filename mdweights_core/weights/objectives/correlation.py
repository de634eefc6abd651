"""Pearson's correlation coefficient of the calculated with the observed map, in total or without the isotropic part."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mdweights_core.crystal.shells import AnisotropicOperator
from mdweights_core.weights.objectives.base import Linearisation, Metric, Objective
from mdweights_core.weights.objectives.curves import ShellCurves, centred, sliced
from mdweights_core.weights.objectives.kept import Kept

_TINY = 1e-300
_FLAT = 1e-12
_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class Correlation(Objective):
    """Weighted Pearson correlation: the same whatever the scale and the offset of either map.

    With an operator the isotropic curve is removed from both maps first. The shell means are those of the counted
    reflections, weighted as these are.

    Attributes
    ----------
    observed : float64 [G]
        Intensity.
    weight : float64 [G]
        Of each reflection, such as 1/sigma^2; any scale.
    operator : AnisotropicOperator, optional
        Shells and spline of the isotropic curve; none for the total correlation.
    noise : float
        Root mean square intensity under which a calculated map is rounding noise. An ensemble collapsed on one frame
        has no diffuse intensity; its correlation is 0 instead of that of the noise.
    """

    observed: np.ndarray
    weight: np.ndarray
    operator: AnisotropicOperator | None = None
    noise: float = 0.0
    _known: Kept[tuple[np.ndarray, np.ndarray]] = field(default_factory=Kept, repr=False)

    def linearise(self, x: np.ndarray, rows: np.ndarray) -> Linearisation:
        """Gain (the coefficient itself) and model of P problems at their intensities `x` float64 [P, G]."""
        step = max(1, _AT_ONCE // max(1, x.shape[1]))
        parts = [self._model(x[i : i + step], rows[i : i + step]) for i in range(0, len(x), step)]
        joined = parts[0] if len(parts) == 1 else [np.concatenate(part) for part in zip(*parts, strict=True)]
        response, image, rho, norm2 = joined
        return Linearisation(rho, response, image, norm2, rho, np.ones(len(x)), power=1)

    def _model(self, x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Response, image, rho and norm2 of some of the problems."""
        known = [self._known.of(row, self._of_rows) for row in rows]
        target, inverse = (np.stack(part) for part in zip(*known, strict=True))
        counts = rows * self.weight
        curves = ShellCurves(counts, self.operator, inverse)
        calculated = centred(curves.remove(x), counts)
        calculated *= counts  # a centred map times the counts needs no C^T
        image = curves.transposed(calculated)
        norm2 = np.einsum("pg,pg->p", x, image) + self._floor(counts)
        rho = np.einsum("pg,pg->p", x, target) / np.sqrt(norm2)
        return target, image, rho, norm2

    def _of_rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What stays the same throughout a fit of one problem: the response [G], and 1 / sum of counts of shells."""
        curves = ShellCurves((rows * self.weight)[None], self.operator)
        return self._target(curves)[0], curves.inverse[0]

    def _target(self, curves: ShellCurves) -> np.ndarray:
        """Omega y, with y of unit length in Omega: [P, G]; zero where the observed map has no features."""
        projected = centred(curves.remove(self.observed), curves.counts)
        weighted = curves.counts * projected
        length = np.sqrt(np.einsum("pg,pg->p", weighted, projected))
        least = _FLAT * np.sqrt(curves.counts @ self.observed**2)
        inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > least)
        return curves.transposed(weighted * inverse[:, None])

    def _floor(self, counts: np.ndarray) -> np.ndarray:
        return self.noise**2 * counts.sum(axis=1) + _TINY

    def metric(self, x: np.ndarray, rows: np.ndarray) -> Metric:
        """Omega = (C A)^T diag(counts) C A, A = 1 - S M the removal of the curve and C = 1 - 1 c that of the mean.

        The curve through means that are all alike is that constant, S 1 = 1, so that C A = 1 - S (M + 1 (c - c S M)):
        the spline is the left factor as it is, not copied.
        """
        counts = rows * self.weight
        spline, right = ShellCurves(counts[None], self.operator).matrices()
        mean = counts / max(float(counts.sum()), _TINY)
        right += mean - (mean @ spline) @ right
        return Metric(counts, spline, right)

    def restricted(self, chosen: np.ndarray) -> Correlation:
        """The same correlation on some of the reflections, `chosen` int [n]."""
        return Correlation(self.observed[chosen], self.weight[chosen], sliced(self.operator, chosen), self.noise)

    def held_out_gain(self, x: np.ndarray, rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Correlation over the reflections of `held_out` [P, G], after the curve through the shell means of `rows`."""
        curves, counts = ShellCurves(rows * self.weight, self.operator), held_out * self.weight
        ours, theirs = (centred(curves.remove(values), counts) for values in (x, self.observed))
        overlap = np.einsum("pg,pg,pg->p", counts, ours, theirs)
        x2, y2 = (np.einsum("pg,pg,pg->p", counts, part, part) for part in (ours, theirs))
        norm = np.sqrt((x2 + self._floor(counts)) * y2)
        return np.divide(overlap, norm, out=np.zeros_like(norm), where=norm > 0)
