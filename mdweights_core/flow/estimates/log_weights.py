"""Sums of weights that are known by their logarithms."""

from __future__ import annotations

import numpy as np

from mdweights_core.errors import BadInput, counted


def checked(log_w: np.ndarray, what: str = "log-weight") -> np.ndarray:
    """Log-weights as float64 [S]; -inf is a sample without weight.

    Raises
    ------
    BadInput
        When there are none, one is NaN or +inf, or none carries weight.
    """
    log_w = np.asarray(log_w, dtype=np.float64)
    if not log_w.size:
        raise BadInput(f"There is no {what}")
    wrong = int((np.isnan(log_w) | np.isposinf(log_w)).sum())
    if wrong:
        raise BadInput(
            f"{counted(wrong, what)} of {log_w.size} {'is not a number' if wrong == 1 else 'are not numbers'}"
        )
    if np.isneginf(log_w).all():
        raise BadInput(f"None of {counted(log_w.size, 'sample')} has any weight: all energies are infinite")
    return log_w


def relative(log_w: np.ndarray) -> np.ndarray:
    """Weights [S] relative to the largest."""
    return np.exp(log_w - log_w.max())


def normalised(log_w: np.ndarray) -> np.ndarray:
    """Weights [S] of sum 1."""
    w = relative(checked(log_w))
    return w / w.sum()


def log_mean(log_w: np.ndarray) -> float:
    """ln of the mean weight, which is ln Z where the density of the samples is normalised."""
    return float(log_w.max() + np.log(relative(log_w).mean()))


def effective_number(weights: np.ndarray) -> float:
    """Kish's number of samples of equal weight, (sum w)^2 / sum w^2; 0 where there is no weight."""
    square = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / square if square > 0 else 0.0
