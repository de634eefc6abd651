"""Likelihoods of positive intensities whose errors grow with them: Gamma, and the cross-entropy of two maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.weights.objectives.base import Linearisation, Metric, Objective
from mdweights_core.weights.settings import MIN_REFLECTIONS

_TINY = 1e-300
_LEAST = 1e-6
_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class Proportional(Objective):
    """Explained deviance of positive intensities with the mean scale x and a variance that is a power of the mean.

    The deviance D of an intensity y from its mean mu is (half of) what separates its log likelihood from the best one:
    power 2 (Gamma, noise in proportion to the intensity): ln(mu/y) + y/mu - 1; power 1: y ln(y/mu) - y + mu. With the
    most likely scale the latter sums up to the relative entropy of both maps, each divided by its sum. The gain is
    1 - D/D0, with D0 that of a map that is the same everywhere.

    Attributes
    ----------
    observed : float64 [G]
        Intensity.
    weight : float64 [G]
        Of each reflection; zero where the intensity is not positive.
    power : int
        2 (Gamma) or 1 (cross-entropy).
    noise : float
        Calculated intensity that is rounding noise. One that is smaller, or than a millionth of the mean, counts as
        that much.
    """

    observed: np.ndarray
    weight: np.ndarray
    power: int
    noise: float = 0.0

    def linearise(self, x: np.ndarray, rows: np.ndarray) -> Linearisation:
        """Gain and model of P problems at their intensities `x` float64 [P, G]."""
        response, image = np.empty_like(x), np.empty_like(x)
        gain, norm2, rho, slope = np.empty((4, len(x)))
        step = max(1, _AT_ONCE // max(1, x.shape[1]))
        for first in range(0, len(x), step):
            part = slice(first, first + step)
            response[part], image[part], gain[part], length2, null = self._model(x[part], rows[part] * self.weight)
            norm2[part] = np.einsum("pg,pg->p", x[part], image[part]) + _TINY
            rho[part] = np.einsum("pg,pg->p", x[part], response[part]) / np.sqrt(norm2[part])
            slope[part] = length2 / null
        return Linearisation(gain, response, image, norm2, rho, slope, power=2)

    def _model(self, x: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, ...]:
        """Response, image, gain, y.Omega.y and deviance of a flat map, of some of the problems."""
        raised, scale = self._scaled(x, d)
        mean = scale[:, None] * raised
        null = self._null(d)
        counts = np.where(raised > x, 0.0, d / mean**self.power)  # what was raised does not follow x
        length2 = np.einsum("pg,g->p", counts, self._positive**2) + _TINY
        response = counts * self._positive / np.sqrt(length2)[:, None]
        gain = 1.0 - self._deviance(mean, d) / null
        return response, counts * raised, gain, length2, null

    @property
    def _positive(self) -> np.ndarray:
        """The observed intensity, 1 where it does not count."""
        return np.where(self.weight > 0, self.observed, 1.0)

    def _scaled(self, x: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Calculated intensities [P, G], raised above the noise, and their most likely scale [P]."""
        total = np.maximum(d.sum(axis=1), _TINY)
        least = np.maximum(max(self.noise, _TINY), _LEAST * np.einsum("pg,pg->p", d, x) / total)
        raised = np.maximum(x, least[:, None])
        if self.power == 2:
            return raised, np.einsum("pg,pg->p", d, self._positive / raised) / total
        return raised, (d @ self._positive) / np.maximum(np.einsum("pg,pg->p", d, raised), _TINY)

    def _deviance(self, mean: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Sum over reflections, weighted by `d` [P, G]: float64 [P]."""
        ratio = self._positive / mean
        if self.power == 2:
            return np.einsum("pg,pg->p", d, ratio - 1.0 - np.log(ratio))
        return np.einsum("pg,pg->p", d, self._positive * np.log(ratio) - self._positive + mean)

    def _null(self, d: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
        """Deviance of the flat map that fits `d` [P, G] best, from the reflections `of` (the same by default)."""
        mean = (d @ self._positive) / np.maximum(d.sum(axis=1), _TINY)
        mean = np.broadcast_to(np.maximum(mean, _TINY)[:, None], d.shape)
        return np.maximum(self._deviance(mean, d if of is None else of), _TINY)

    def metric(self, x: np.ndarray, rows: np.ndarray) -> Metric:
        """Omega = diag(weight / mean^power): the scale is the only nuisance parameter."""
        d = (rows * self.weight)[None]
        raised, scale = self._scaled(x[None], d)
        counts = np.where(raised > x, 0.0, d / (scale[:, None] * raised) ** self.power)[0]
        return Metric(counts, np.zeros((len(x), 0)), np.zeros((0, len(x))))

    def restricted(self, chosen: np.ndarray) -> Proportional:
        """The same objective on some of the reflections, `chosen` int [n]."""
        return Proportional(self.observed[chosen], self.weight[chosen], self.power, self.noise)

    def held_out_gain(self, x: np.ndarray, rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Gain on the reflections of `held_out` [P, G] with the scales (of `x` and of the flat map) of `rows`."""
        d, of = rows * self.weight, held_out * self.weight
        raised, scale = self._scaled(x, d)
        return 1.0 - self._deviance(scale[:, None] * raised, of) / self._null(d, of)


def proportional(observed: np.ndarray, weight: np.ndarray, power: int, noise: float = 0.0) -> Proportional:
    """The objective on those of the reflections [G] whose intensity is positive.

    Raises
    ------
    BadInput
        Too few are.
    """
    positive = observed > 0
    n = int(positive.sum())
    if n < MIN_REFLECTIONS:
        raise BadInput(
            f"only {counted(n, 'reflection')} of {len(observed)} have a positive intensity, and this objective "
            f"compares no others (it needs {MIN_REFLECTIONS})",
            advice="Choose another objective, or give a map without its isotropic part removed",
        )
    return Proportional(observed, np.where(positive, weight, 0.0), power, noise)
