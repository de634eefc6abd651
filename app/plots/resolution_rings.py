"""Rings of equal d spacing in a reciprocal plane, at values people know."""

from __future__ import annotations

import numpy as np

_NICE_D = (
    0.6,
    0.7,
    0.8,
    0.9,
    1.0,
    1.2,
    1.4,
    1.6,
    1.8,
    2.0,
    2.2,
    2.5,
    3.0,
    3.5,
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
    15.0,
    20.0,
    40.0,
)


def ring_spacings(inverse_d_max: float, height: float = 0.0, n: int = 4) -> list[float]:
    """About `n` d spacings (angstrom), coarse to fine, whose rings are evenly spread over the plane.

    Parameters
    ----------
    inverse_d_max : float
        1/d at the edge of the data, 1/angstrom.
    height : float
        Distance of the plane from the origin of reciprocal space, 1/angstrom; finer rings only cut the plane.
    """
    if inverse_d_max <= height:
        return []
    r_max = np.sqrt(inverse_d_max**2 - height**2)
    candidates = [(d, ring_radius(d, height)) for d in _NICE_D]
    within = [(d, r) for d, r in candidates if r is not None and r <= 1.01 * r_max]
    ring_of = dict(within)
    chosen: list[float] = []
    for wanted in r_max * np.arange(1, n + 1) / n:
        free = [(d, r) for d, r in within if all(abs(r - ring_of[other]) > 0.6 * r_max / n for other in chosen)]
        if free:
            chosen.append(min(free, key=lambda pair: abs(pair[1] - wanted))[0])
    return sorted(chosen, reverse=True)


def ring_radius(d: float, height: float = 0.0) -> float | None:
    """Radius (1/angstrom) of the ring of spacing `d` in a plane at `height`; None when it does not cut the plane."""
    squared = 1.0 / d**2 - height**2
    return float(np.sqrt(squared)) if squared > 0 else None


def circle(radius: float, centre: tuple[float, float] = (0.0, 0.0), n: int = 181) -> tuple[np.ndarray, np.ndarray]:
    """Points of a closed circle: x and y, float64 [n]."""
    angle = np.linspace(0.0, 2.0 * np.pi, n)
    return centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
