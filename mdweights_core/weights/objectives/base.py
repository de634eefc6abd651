"""What every objective offers the solvers: its gain, its gradient in the intensity, and a Gauss-Newton model of it.

Nuisance parameters (scale, offset, background, shell means) are fitted on the way ("variable projection"). Then with
any weighted least squares the gain depends on the frame weights only through

    rho(w) = b.w / sqrt(w.N.w),   b_t = <D_t, Omega y>,   N_ts = <D_t, Omega D_s>,   x(w) = sum_t w_t D_t,

with Omega the (positive semidefinite) metric on reflections left after the nuisance parameters were projected out, and
y of unit length in it: gain = constant + slope * rho^power / power. For a correlation coefficient rho is the
coefficient itself (power 1). Likelihoods are brought to this form by the weights that their reweighted least squares
have at the present intensity (power 2); slope is chosen so that the gradient is theirs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Linearisation:
    """An objective at the calculated intensities x of P problems.

    Attributes
    ----------
    gain : float64 [P]
        What is maximised.
    response : float64 [P, G]
        Omega y: b_t = sum_h response(h) D_t(h).
    image : float64 [P, G]
        Omega x: (N w)_t = sum_h image(h) D_t(h).
    norm2 : float64 [P]
        w.N.w = x.image, with a floor under which it is rounding noise.
    rho : float64 [P]
        x.response / sqrt(norm2).
    slope : float64 [P]
        d gain = slope * rho^(power - 1) * d rho. It has the sign that makes slope * rho^(power - 1) positive.
    power : int
        1 or 2.
    """

    gain: np.ndarray
    response: np.ndarray
    image: np.ndarray
    norm2: np.ndarray
    rho: np.ndarray
    slope: np.ndarray
    power: int

    @property
    def gradient(self) -> np.ndarray:
        """d gain / d x: float64 [P, G]. Exact, not only that of the model."""
        factor = self.slope * self.rho ** (self.power - 1)
        inner = self.response / np.sqrt(self.norm2)[:, None] - self.image * (self.rho / self.norm2)[:, None]
        return factor[:, None] * inner


@dataclass(frozen=True, eq=False)
class Metric:
    """Omega of one problem as V^T V with V = diag(sqrt(weight)) (1 - left right).

    Attributes
    ----------
    weight : float64 [G]
    left : float64 [G, r]
    right : float64 [r, G]
    """

    weight: np.ndarray
    left: np.ndarray
    right: np.ndarray


class Objective(ABC):
    """Agreement between calculated intensities and the observed map.

    It is given `rows` float64 [P, G] with every call: how often each reflection counts in each problem (0: held out; a
    bootstrap sample has 0, 1, 2...), beside the weighting of reflections that is the objective's own.
    """

    @abstractmethod
    def linearise(self, x: np.ndarray, rows: np.ndarray) -> Linearisation:
        """Gain and model of P problems at their intensities `x` float64 [P, G]."""

    @abstractmethod
    def metric(self, x: np.ndarray, rows: np.ndarray) -> Metric:
        """Omega of one problem at its intensity `x` float64 [G], `rows` float64 [G]."""

    @abstractmethod
    def restricted(self, chosen: np.ndarray) -> Objective:
        """The same objective on some of the reflections, `chosen` int [n]."""

    @abstractmethod
    def held_out_gain(self, x: np.ndarray, rows: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """The gain on other reflections: float64 [P].

        Nuisance parameters are those fitted on `rows`; `held_out` float64 [P, G] says which reflections are scored.
        """
