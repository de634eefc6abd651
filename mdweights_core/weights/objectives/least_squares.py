"""Likelihoods with a fitted scale and smooth background: chi-square, and Student's t that outliers do not rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mdweights_core.weights.objectives.base import Linearisation, Metric, Objective
from mdweights_core.weights.objectives.kept import Kept
from mdweights_core.weights.objectives.regression import (
    Errors,
    Regression,
    likely_scale2,
    misfit,
    projector,
    regress,
)

_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class LeastSquares(Objective):
    """Explained part of the observed map: observed = scale x + background + error.

    The gain is 1 - exp((L - L0) / n), with L the -2 ln likelihood of n reflections and L0 that of the background alone,
    the scale of the errors being the most likely one in both. For normal errors that is 1 - chi2 / chi2_0, and for
    others what Cox and Snell put in its place, so that one theta means the same for all. Where the most likely scale of
    the map is negative, the gain is too: a search finds its way out.

    Attributes
    ----------
    observed : float64 [G]
        Intensity.
    weight : float64 [G]
        Inverse variances up to a common factor, which is fitted.
    background : float64 [C, G]
        Columns of the smooth background.
    errors : Errors
        Normal, or Student's t.
    noise : float
        Root mean square intensity under which a calculated map is rounding noise.
    """

    observed: np.ndarray
    weight: np.ndarray
    background: np.ndarray
    errors: Errors
    noise: float = 0.0
    _nulls: Kept[tuple[np.ndarray, float]] = field(default_factory=Kept, repr=False)

    def linearise(self, x: np.ndarray, rows: np.ndarray) -> Linearisation:
        """Gain and model of P problems at their intensities `x` float64 [P, G]."""
        models = [self._model(x_p, rows_p) for x_p, rows_p in zip(x, rows, strict=True)]
        gain, response, image, norm2, rho, slope = (np.array(part) for part in zip(*models, strict=True))
        return Linearisation(gain, response, image, norm2, rho, slope, power=2)

    def _model(self, x: np.ndarray, rows: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float, float, float]:
        """Gain, response, image, norm2, rho and slope of one problem."""
        fit, (_, null) = self._fit(x, rows), self._null(rows)
        counts = self._counts(fit, rows)
        to_background = projector(self.background, counts)
        target, calculated = (v - (to_background @ v) @ self.background for v in (self.observed, x))
        length2 = max(float(counts @ target**2), _TINY)
        response, image = counts * target / np.sqrt(length2), counts * calculated
        norm2 = float(x @ image) + self.noise**2 * float(counts.sum()) + _TINY
        rho = float(x @ response) / np.sqrt(norm2)
        unexplained = np.exp(fit.misfit - null)
        slope = 2.0 * unexplained * length2 / (fit.scale2 * max(float(rows.sum()), _TINY))
        sign = np.sign(fit.coefficients[0])
        return sign * (1.0 - unexplained), response, image, norm2, rho, sign * slope

    def _fit(self, x: np.ndarray, rows: np.ndarray) -> Regression:
        columns = np.vstack([x, self.background])
        if not float(rows @ x**2) > self.noise**2 * float(rows.sum()):
            columns[0] = 0.0  # rounding noise explains nothing
        return regress(columns, self.observed, rows, self.weight, self.errors)

    def _null(self, rows: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients and misfit of the background alone."""

        def alone(rows: np.ndarray) -> tuple[np.ndarray, float]:
            found = regress(self.background, self.observed, rows, self.weight, self.errors)
            return found.coefficients, found.misfit

        return self._nulls.of(rows, alone)

    def _counts(self, fit: Regression, rows: np.ndarray) -> np.ndarray:
        """Weights of the least-squares fit that has the same solution."""
        return rows * self.weight * self.errors.slope(fit.squares / fit.scale2)

    def metric(self, x: np.ndarray, rows: np.ndarray) -> Metric:
        """Omega = diag(counts) (1 - B (B^T diag(counts) B)^-1 B^T diag(counts)), B the background."""
        counts = self._counts(self._fit(x, rows), rows)
        return Metric(counts, self.background.T, projector(self.background, counts))

    def restricted(self, chosen: np.ndarray) -> LeastSquares:
        """The same objective on some of the reflections, `chosen` int [n]."""
        return LeastSquares(
            self.observed[chosen], self.weight[chosen], self.background[:, chosen], self.errors, self.noise
        )

    def held_out_gain(self, x: np.ndarray, rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Gain on the reflections of `held_out` [P, G]: scale and background are those of `rows`.

        A negative scale is taken as zero. The scale of the errors is the most likely one of the held-out reflections.
        """
        problems = zip(x, rows, held_out, strict=True)
        return np.array([self._predicted(*problem) for problem in problems])

    def _predicted(self, x: np.ndarray, rows: np.ndarray, held_out: np.ndarray) -> float:
        null = self._null(rows)[0] @ self.background
        fit = self._fit(x, rows).coefficients
        if fit[0] <= 0:
            return 0.0
        misfits = []
        for predicted in (fit[0] * x + fit[1:] @ self.background, null):
            squares = self.weight * (self.observed - predicted) ** 2
            scale2 = likely_scale2(squares, held_out, self.errors)
            misfits.append(misfit(squares, held_out, scale2, self.errors))
        return 1.0 - float(np.exp(misfits[0] - misfits[1]))
