"""Agreement of a calculated with the observed map: work and free, in total and without the fall-off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.crystal.shells import equal_count_shells
from mdweights_core.weights.paired import compare

if TYPE_CHECKING:  # it lives beside the passes over the frames, which load JAX
    from mdweights_core.weights.problem import WeightProblem

N_TABLE_SHELLS = 12


@dataclass(frozen=True, eq=False)
class ShellTable:
    """Anisotropic correlation per resolution shell.

    Attributes
    ----------
    d_max, d_min : float64 [n_shell]
        Limits, angstrom.
    n, n_free : int64 [n_shell]
        Work and free reflections.
    cc_aniso, cc_aniso_free : float64 [n_shell]
        NaN where a shell has fewer than three reflections.
    """

    d_max: np.ndarray
    d_min: np.ndarray
    n: np.ndarray
    n_free: np.ndarray
    cc_aniso: np.ndarray
    cc_aniso_free: np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """Pearson correlation coefficients of one set of weights; NaN where there is nothing to compare.

    Attributes
    ----------
    cc, cc_free : float
        Total: dominated by the isotropic fall-off, flattering to any model.
    cc_aniso, cc_aniso_free : float
        After the shell means (of the work set) were removed from both maps.
    shells : ShellTable
    """

    cc: float
    cc_aniso: float
    cc_free: float
    cc_aniso_free: float
    shells: ShellTable


@dataclass(frozen=True)
class BraggScores:
    """Correlation of |<F>|^2 with the observed Bragg intensities, with the fitted weights and with those before."""

    cc: float
    cc_free: float
    cc_uniform: float
    cc_free_uniform: float


def bragg_scores(observed: np.ndarray, free: np.ndarray, fitted: np.ndarray, before: np.ndarray) -> BraggScores:
    """Scores of calculated Bragg intensities [n], on fitted and on held-out reflections."""
    work = ~free
    return BraggScores(*(pearson(x[rows], observed[rows]) for x in (fitted, before) for rows in (work, free)))


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation coefficient in float64; NaN for fewer than three points or no variance."""
    if len(x) < 3:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else float("nan")


def coefficients(problem: WeightProblem, calculated: np.ndarray) -> dict[str, float]:
    """The four correlation coefficients by name, without the shell table (cheap: for every iteration)."""
    observed, free, work = problem.observed, problem.free, ~problem.free
    aniso_c, aniso_o = problem.operator(calculated), problem.operator(observed)
    return {
        "cc": pearson(calculated[work], observed[work]),
        "cc_aniso": pearson(aniso_c[work], aniso_o[work]),
        "cc_free": pearson(calculated[free], observed[free]),
        "cc_aniso_free": pearson(aniso_c[free], aniso_o[free]),
    }


def held_out_error(problem: WeightProblem, calculated: np.ndarray, plain: np.ndarray, key: str) -> float:
    """Standard error of the difference between the held-out scores of two maps [n_group]; `key` "cc" or "cc_aniso"."""
    remove = problem.operator if key == "cc_aniso" else np.asarray
    ours, before, observed = (remove(values)[problem.free] for values in (calculated, plain, problem.observed))
    return compare(ours, before, observed).error


def score(problem: WeightProblem, calculated: np.ndarray) -> Scores:
    """All scores of `calculated` [n_group] (any scale and offset)."""
    return Scores(**coefficients(problem, calculated), shells=_shell_table(problem, calculated))


def _shell_table(problem: WeightProblem, calculated: np.ndarray) -> ShellTable:
    shells = equal_count_shells(problem.groups.lattice.inverse_d, N_TABLE_SHELLS)
    aniso_c, aniso_o = problem.operator(calculated), problem.operator(problem.observed)

    def per_shell(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = [rows & (shells.member == i) for i in range(len(shells))]
        return (
            np.array([pearson(aniso_c[r], aniso_o[r]) for r in inside]),
            np.array([int(r.sum()) for r in inside]),
        )

    work_cc, n_work = per_shell(~problem.free)
    free_cc, n_free = per_shell(problem.free)
    return ShellTable(shells.d_max, shells.d_min, n_work, n_free, work_cc, free_cc)


def kish(weights: np.ndarray) -> float:
    """Kish's effective sample size 1 / sum w^2 of normalised weights."""
    return float(1.0 / np.sum(np.square(weights)))


def entropy_size(weights: np.ndarray) -> float:
    """exp(-sum w ln w): the effective number of frames by entropy."""
    w = weights[weights > 0]
    return float(np.exp(-np.sum(w * np.log(w))))


def fit_scale(calculated: np.ndarray, observed: np.ndarray) -> tuple[float, float]:
    """Least-squares (scale, offset) that carry `calculated` onto `observed`."""
    x, y = calculated - calculated.mean(), observed - observed.mean()
    scale = float(x @ y) / max(float(x @ x), 1e-300)
    return scale, float(observed.mean() - scale * calculated.mean())
