"""What data determine: errors of parameters, and which combinations of them are stiff or sloppy.

The covariance of the fit is A + A J^T C J A with A = (J^T J + prior)^-1 in the parameters' own scale and C that of the
simulation's noise; the singular values of J are one over the errors of combinations of relative changes (Gutenkunst et
al., PLoS Comput. Biol. 3, e189, 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdweights_core.dynamics.tuning.problem import Linearised

UNDETERMINED = 0.5
"""Relative error from which a combination of parameters counts as not determined."""

_TOLD = 0.15  # least coefficient of a parameter in a combination, the largest being one


@dataclass(frozen=True, eq=False)
class Determination:
    """What data and priors say of parameters.

    Attributes
    ----------
    errors : float64 [P]
        Standard errors in the parameters' own scale: relative changes.
    correlation : float64 [P, P]
    singular_values : float64 [P]
        Of the data's Jacobian, falling; 1 / value is the error of the combination in the same row below.
    directions : float64 [P, P]
        Combinations as rows of unit length.
    sentences : tuple of str
    """

    errors: np.ndarray
    correlation: np.ndarray
    singular_values: np.ndarray
    directions: np.ndarray
    sentences: tuple[str, ...]


def determination(at: Linearised, names: Sequence[str]) -> Determination:
    """Errors and combinations at the end of a fit; noise of the simulation adds to the errors of the data."""
    n = len(names)
    _, found, directions = np.linalg.svd(at.jacobian, full_matrices=True)
    singular = np.concatenate([found, np.zeros(n - len(found))])[:n]
    covariance = _covariance(at)
    errors = np.sqrt(np.diag(covariance))
    finite = np.where(np.isfinite(errors) & (errors > 0), errors, 1.0)
    correlation = np.where(np.isfinite(covariance), covariance, 0.0) / np.outer(finite, finite)
    np.fill_diagonal(correlation, 1.0)
    directions = _with_positive_heads(directions)
    sentences = _sentences(names, singular, directions, errors)
    return Determination(errors, correlation, singular, directions, sentences)


def _covariance(at: Linearised) -> np.ndarray:
    """Of the parameters in their own scale [P, P]; infinite on the diagonal where nothing determines one."""
    values, vectors = np.linalg.eigh(at.jacobian.T @ at.jacobian + np.diag(at.stiffness**2))
    known = values > 1e-12 * values.max(initial=0.0)
    inverse = (vectors[:, known] / values[known]) @ vectors[:, known].T
    of_noise = at.noise @ at.jacobian @ inverse
    covariance = inverse + of_noise.T @ of_noise
    lost = np.sum(vectors[:, ~known] ** 2, axis=1) > 1e-8
    covariance[lost, lost] = np.inf
    return np.asarray(covariance)


def _with_positive_heads(directions: np.ndarray) -> np.ndarray:
    """The same rows, their largest entries positive."""
    heads = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return np.asarray(directions * np.sign(heads))


def _sentences(
    names: Sequence[str], singular: np.ndarray, directions: np.ndarray, errors: np.ndarray
) -> tuple[str, ...]:
    fixed = [
        f"{combination(names, row)} to {percent(1 / value)}"
        for value, row in zip(singular, directions, strict=True)
        if value > 1 / UNDETERMINED
    ]
    told = [f"The data fix {_listed(fixed)} (relative changes)." if fixed else "The data fix no parameter."]
    loose = [row for value, row in zip(singular, directions, strict=True) if value <= 1 / UNDETERMINED]
    if loose and fixed:
        told.append(f"They do not determine {_listed([combination(names, row) for row in loose])}.")
    lost = [name for name, error in zip(names, errors, strict=True) if not error < UNDETERMINED]
    if lost and len(lost) < len(names):
        have = "has an error" if len(lost) == 1 else "have errors"
        told.append(f"{_listed(lost)} {have} of more than {percent(UNDETERMINED)}, priors included.")
    return tuple(told)


def _listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def combination(names: Sequence[str], direction: np.ndarray) -> str:
    """A direction [P] in words: "k1 + 0.3 k2", the largest coefficient being one and small ones left out."""
    scaled = direction / np.max(np.abs(direction))
    order = np.argsort(-np.abs(scaled), kind="stable")
    text = ""
    for i in order[np.abs(scaled[order]) >= _TOLD]:
        size = f"{abs(scaled[i]):.1f} " if abs(scaled[i]) < 0.95 else ""
        sign = "- " if scaled[i] < 0 else "+ "
        text += f"{' ' if text else ''}{sign if text or scaled[i] < 0 else ''}{size}{names[i]}"
    return text


def percent(share: float) -> str:
    """A share with two digits: "0.34 %", "12 %"."""
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"
