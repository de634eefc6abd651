"""What kind of variable each length, angle and torsion is, read from frames: bounded where it must not go round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.flow.coordinates.scales import logits

LENGTH, BOUNDED, CIRCULAR = range(3)

NEARLY_STRAIGHT = 1e-4  # radian from 0 and 180 degrees where angles end: sines stay positive in float32
HANDED = (np.radians(30.0), np.radians(150.0))
"""Between these two bonds seen along a third are of a centre with a hand; beyond them they are in one plane."""
HALF = np.radians(90.0)
"""Half of the interval that planar groups and rings are held to."""
NARROW = np.radians(60.0)
"""Torsions of planar groups and rings are held where no frame is farther from the mean."""
NARROW_BRANCH = np.radians(80.0)


@dataclass(frozen=True)
class Kinds:
    """The kind of each of q values.

    Attributes
    ----------
    kind : int [q]
        LENGTH, BOUNDED or CIRCULAR.
    low, high : float64 [q]
        Ends of the interval of a bounded one, radian.
    middle, fold : float64 [q]
        See `Scales`; 0 and 1 but for hydrogens that cannot be told apart.
    """

    kind: np.ndarray
    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray
    fold: np.ndarray

    @classmethod
    def of_lengths_and_angles(cls, n_lengths: int, n_angles: int, n_torsions: int) -> Kinds:
        """All torsions circular."""
        sizes = (n_lengths, n_angles, n_torsions)
        q = sum(sizes)
        high = np.full(q, np.pi - NEARLY_STRAIGHT)
        return cls(
            np.repeat([LENGTH, BOUNDED, CIRCULAR], sizes), np.pi - high, high, middle=np.zeros(q), fold=np.ones(q)
        )

    def bound(self, value: int, interval: tuple[float, float]) -> None:
        """Hold a value in an interval."""
        self.kind[value], self.low[value], self.high[value] = BOUNDED, *interval

    def latent(self, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """ln of lengths, logits of bounded angles: values [T, q] at those chosen, which are one or the other."""
        found = np.array(values[:, chosen], dtype=np.float64)
        is_length = self.kind[chosen] == LENGTH
        low, high = self.low[chosen[~is_length]], self.high[chosen[~is_length]]
        found[:, is_length] = np.log(found[:, is_length])
        middle = (low + high) / 2
        found[:, ~is_length] = logits(middle + wrapped(found[:, ~is_length] - middle), low, high)
        return found


def wrapped(angles: np.ndarray) -> np.ndarray:
    """Angles on [-pi, pi)."""
    return angles - 2 * np.pi * np.floor(angles / (2 * np.pi) + 0.5)


def circular_mean(angles: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean direction of angles [T, ...] with weights [T]."""
    return np.angle(np.tensordot(weights, np.exp(1j * angles), axes=1))


def interval_of_branch(angles: np.ndarray, mean: float) -> tuple[float, float] | None:
    """Where the angle between two bonds seen along a third is held: a half turn of one hand, or about its mean."""
    is_handed = HANDED[0] < abs(mean) < HANDED[1]
    if is_handed and (angles > 0).all():
        return 0.0, np.pi
    if is_handed and (angles < 0).all():
        return -np.pi, 0.0
    return _about(mean) if _is_near(angles, mean, NARROW_BRANCH) else None


def rarer_hand(angles: np.ndarray) -> int:
    """In how many frames a centre has the hand that fewer have; 0 where none is handed both ways."""
    is_handed = (np.abs(angles) > HANDED[0]) & (np.abs(angles) < HANDED[1])
    return int(min((is_handed & (angles > 0)).sum(), (is_handed & (angles < 0)).sum()))


def interval_of_plane(angles: np.ndarray, mean: float, *, in_ring: bool) -> tuple[float, float] | None:
    """Where a torsion about a bond of a planar group or a ring is held; None where frames go round or far."""
    is_planar = min(abs(mean), np.pi - abs(mean)) < HANDED[0]
    return _about(mean) if (is_planar or in_ring) and _is_near(angles, mean, NARROW) else None


def _is_near(angles: np.ndarray, mean: float, reach: float) -> bool:
    return bool((np.abs(wrapped(angles - mean)) < reach).all())


def _about(mean: float) -> tuple[float, float]:
    return mean - HALF, mean + HALF
