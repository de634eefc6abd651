"""Reflections held out of a fit, drawn where a file names none."""

from __future__ import annotations

import numpy as np


def drawn_free_set(n: int, fraction: float, seed: int) -> np.ndarray:
    """A part of n groups of equivalent reflections, drawn at random: bool [n]."""
    free = np.zeros(n, dtype=bool)
    free[np.random.default_rng(seed).permutation(n)[: round(fraction * n)]] = True
    return free
