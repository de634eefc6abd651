"""Independent draws from a density of one variable, by the inverse of its distribution function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

POINTS = 200_001
"""Points of the table that is inverted."""


def draw_from_density(
    reduced: Callable[[Any], Any], low: float, high: float, rng: np.random.Generator, size: int
) -> np.ndarray:
    """Draw from exp(-reduced(x)) between two bounds.

    Parameters
    ----------
    reduced : function
        Energy in kT of an array of x.
    low, high : float
        Outside them the density must be negligible.
    rng : numpy.random.Generator
    size : int

    Returns
    -------
    float64 [size]
        The density is followed to second order in a spacing of (high - low) / 200 000.
    """
    x = np.linspace(low, high, POINTS)
    energy = np.asarray(reduced(x), dtype=np.float64)
    density = np.exp(energy.min() - energy)
    cumulative = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return np.interp(rng.uniform(high=cumulative[-1], size=size), cumulative, x)
