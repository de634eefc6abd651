"""Two calculated maps beside the same observed one: how much better one agrees, and how sure that is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_TINY = 1e-300


class Compared(NamedTuple):
    """Correlations of two maps with a third, and the standard error of their difference."""

    score: float
    plain: float
    error: float


def compare(ours: np.ndarray, plain: np.ndarray, observed: np.ndarray) -> Compared:
    """Pearson correlations of `ours` and `plain` with `observed`, float64 [n] each.

    Every reflection moves a correlation r of standardised a and y by its influence, a y - r (a^2 + y^2) / 2 [1]. The
    differences of the two influences, reflection by reflection, hold nothing of what is easy or hard for both maps;
    their scatter is the standard error. NaN for fewer than three reflections.

    References
    ----------
    .. [1] Devlin, Gnanadesikan & Kettenring, Biometrika 62 (1975) 531.
    """
    n = len(observed)
    if n < 3:
        return Compared(float("nan"), float("nan"), float("nan"))
    (score, one), (base, other) = (_influence(values, observed) for values in (ours, plain))
    return Compared(score, base, float((one - other).std(ddof=1) / np.sqrt(n)))


def _influence(values: np.ndarray, observed: np.ndarray) -> tuple[float, np.ndarray]:
    a, y = (v - v.mean() for v in (values, observed))
    a, y = (v / max(float(np.sqrt(np.mean(v**2))), _TINY) for v in (a, y))
    r = float(np.mean(a * y))
    return r, a * y - r * (a**2 + y**2) / 2
