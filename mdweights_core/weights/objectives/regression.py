"""Fits of a scale and a smooth background under errors that are normal or Student's t."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline

_DEGREE = 3
_ROUNDS = 50
_NEAR = 1e-2  # gain in ln likelihood per reflection under which Newton's steps are safe
_CONVERGED = 1e-12
_NEWTON_CONVERGED = 1e-5  # such a step leaves about the square of it
_MANY = 20_000  # reflections of which a sample makes the beginning
_ONE_IN = 16
_SINGULAR = 1e-11
_TINY = 1e-300


def smooth_columns(inverse_d: np.ndarray, n: int = 6) -> np.ndarray:
    """Cubic B-splines with even knots over 1/d [G], 1/angstrom, that sum to one: float64 [n, G]."""
    low, high = float(inverse_d.min()), float(inverse_d.max())
    if not high > low:
        return np.ones((1, len(inverse_d)))
    inner = np.linspace(low, high, n - _DEGREE + 1)
    knots = np.concatenate([[low] * _DEGREE, inner, [high] * _DEGREE])
    return np.ascontiguousarray(BSpline.design_matrix(inverse_d, knots, _DEGREE).toarray().T)


@dataclass(frozen=True)
class Errors:
    """Independent errors of reflections: Student's t of nu degrees of freedom, normal when 1/nu is 0.

    Attributes
    ----------
    inverse_nu : float
        1/nu.
    """

    inverse_nu: float = 0.0

    def loss(self, t: np.ndarray) -> np.ndarray:
        """-2 ln density of squared standardised residuals `t`, less that at 0."""
        if self.inverse_nu == 0:
            return t
        return (1.0 / self.inverse_nu + 1.0) * np.log1p(self.inverse_nu * t)

    def slope(self, t: np.ndarray) -> np.ndarray:
        """d loss / d t: what a reflection counts in the least-squares fit of the same solution."""
        return (1.0 + self.inverse_nu) / (1.0 + self.inverse_nu * t)

    def decline(self, t: np.ndarray) -> np.ndarray:
        """Its derivative times -t: how the slope falls as residuals grow."""
        return self.slope(t) * self.inverse_nu * t / (1.0 + self.inverse_nu * t)


@dataclass(frozen=True, eq=False)
class Regression:
    """The most likely coefficients of some columns.

    Attributes
    ----------
    coefficients : float64 [C]
    squares : float64 [G]
        Residuals squared, times the weight.
    scale2 : float
        Variance of a reflection of weight one (for Student's t: the square of its scale).
    misfit : float
        -2 ln likelihood (without constants) per reflection.
    """

    coefficients: np.ndarray
    squares: np.ndarray
    scale2: float
    misfit: float


def regress(
    columns: np.ndarray, observed: np.ndarray, rows: np.ndarray, weight: np.ndarray, errors: Errors
) -> Regression:
    """Fit `columns` [C, G] to `observed` [G], and the scale of the errors with them.

    The fit for Student's t begins at that for normal errors. Least squares are reweighted until the end is near, the
    scale after Kent, Tyler and Vardi (1994, Commun. Stat. Simul. Comput. 23, 441); Newton's steps lead there.

    Parameters
    ----------
    rows : float64 [G]
        How often each reflection counts.
    weight : float64 [G]
        Inverse variances up to a common factor.
    errors : Errors
    """
    data = _Data(columns, observed, rows, weight)
    if errors.inverse_nu == 0:
        coefficients, log_scale2 = _normal(data)
    elif len(observed) > _MANY:
        sample = data.sample()
        coefficients, log_scale2 = _student(data, errors, _student(sample, errors, _normal(sample)), is_near=True)
    else:
        coefficients, log_scale2 = _student(data, errors, _normal(data))
    squares, scale2 = weight * data.residual(coefficients) ** 2, float(np.exp(log_scale2))
    return Regression(coefficients, squares, scale2, misfit(squares, rows, scale2, errors))


@dataclass(frozen=True, eq=False)
class _Data:
    """What a regression is given."""

    columns: np.ndarray
    observed: np.ndarray
    rows: np.ndarray
    weight: np.ndarray

    def residual(self, coefficients: np.ndarray) -> np.ndarray:
        return self.observed - coefficients @ self.columns

    def sample(self) -> _Data:
        some = slice(None, None, _ONE_IN)
        return _Data(self.columns[:, some], self.observed[some], self.rows[some], self.weight[some])


_Point = tuple[np.ndarray, float]  # coefficients, and the logarithm of the squared scale


def _normal(data: _Data) -> _Point:
    coefficients, _ = _step(data.columns, data.observed, data.rows * data.weight)
    return coefficients, float(np.log(_mean_square(data.weight * data.residual(coefficients) ** 2, data.rows)))


def _student(data: _Data, errors: Errors, start: _Point, is_near: bool = False) -> _Point:
    coefficients, log_scale2 = start
    for _ in range(_ROUNDS):
        step, growth, promise = (_newton if is_near else _reweighted)(data, errors, coefficients, log_scale2)
        if promise < 0:  # not yet where the likelihood is curved towards its maximum
            is_near = False
            continue
        coefficients, log_scale2 = coefficients + step, log_scale2 + growth
        if promise < (_NEWTON_CONVERGED if is_near else _CONVERGED):
            break
        is_near = promise < _NEAR
    return coefficients, log_scale2


def _reweighted(
    data: _Data, errors: Errors, coefficients: np.ndarray, log_scale2: float
) -> tuple[np.ndarray, float, float]:
    """Change of the coefficients and of the logarithm, and the gain per reflection that it promises."""
    residual, scale2 = data.residual(coefficients), np.exp(log_scale2)
    squares = data.weight * residual**2
    shares = data.rows * errors.slope(squares / scale2)
    step, length2 = _step(data.columns, residual, shares * data.weight)
    growth = float(np.log(_mean_square(squares, shares) / scale2))
    return step, growth, length2 / (scale2 * max(float(shares.sum()), _TINY)) + growth**2


def _newton(
    data: _Data, errors: Errors, coefficients: np.ndarray, log_scale2: float
) -> tuple[np.ndarray, float, float]:
    """The same by the second derivatives of the likelihood; negative where these point nowhere."""
    residual, scale2 = data.residual(coefficients), np.exp(log_scale2)
    t = data.weight * residual**2 / scale2
    slope, decline = errors.slope(t), errors.decline(t)
    counts, n = data.rows * data.weight / scale2, max(float(data.rows.sum()), _TINY)
    columns, n_columns = data.columns, len(data.columns)
    curvature, pull = np.empty((n_columns + 1, n_columns + 1)), np.empty(n_columns + 1)
    curvature[:-1, :-1] = (columns * (counts * (slope - 2 * decline))) @ columns.T
    curvature[-1, :-1] = curvature[:-1, -1] = columns @ (counts * (slope - decline) * residual)
    curvature[-1, -1] = 0.5 * data.rows @ ((slope - decline) * t)
    pull[:-1], pull[-1] = columns @ (counts * slope * residual), 0.5 * (data.rows @ (slope * t) - n)
    step = _solved(curvature, pull)
    return step[:-1], float(step[-1]), float(step @ pull) / n


def misfit(squares: np.ndarray, rows: np.ndarray, scale2: float, errors: Errors) -> float:
    """-2 ln likelihood (without constants) per reflection of weighted squared residuals [G]."""
    total = float(rows @ errors.loss(squares / scale2))
    return float(np.log(scale2)) + total / max(float(rows.sum()), _TINY)


def likely_scale2(squares: np.ndarray, rows: np.ndarray, errors: Errors) -> float:
    """The most likely squared scale of weighted squared residuals [G] that are given."""
    no_columns = np.zeros((0, len(squares)))
    return regress(no_columns, np.sqrt(squares), rows, np.ones(len(squares)), errors).scale2


def _mean_square(squares: np.ndarray, shares: np.ndarray) -> float:
    return max(float(shares @ squares) / max(float(shares.sum()), _TINY), _TINY)


def projector(columns: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """P [C, G] such that ``P @ values`` are the coefficients of the least-squares fit weighted by `counts` [G]."""
    weighted = columns * counts
    return _solved(weighted @ columns.T, weighted)


def _step(columns: np.ndarray, residual: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients of the weighted fit to a residual, and the squared length of that fit."""
    weighted = columns * counts
    overlap = weighted @ residual
    found = _solved(weighted @ columns.T, overlap)
    return found, float(found @ overlap)


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The shortest solution, in units in which the diagonal is one; zero where the diagonal is zero."""
    size = np.sqrt(np.abs(np.diag(matrix)))
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    scaled = np.linalg.pinv(matrix * np.outer(inverse, inverse), rcond=_SINGULAR, hermitian=True)
    return (scaled * np.outer(inverse, inverse)) @ right
