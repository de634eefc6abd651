"""Particles of one kind in the order that lies nearest to a template, so that a flow learns one order only.

A distribution that does not change when n alike particles change places consists of n! copies of one region. Frames in
the order of a template are those of one copy: a flow that learns them finds the ln Z of that copy, by ln n! less than
that of all, as far as it does not reach across the borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

import numpy as np

from mdweights_core.errors import BadInput, counted

MOST = 7
"""Particles whose orders are all tried: 5040 of seven."""
AT_ONCE = 2_000_000  # numbers of complex frames times orders


class Relabelled(NamedTuple):
    """Frames [T, n_particles dim] in a new order, and how many of them were given one."""

    frames: np.ndarray
    n_changed: int


def nearest_order(frames: np.ndarray, template: np.ndarray, alike: Sequence[int], dim: int) -> Relabelled:
    """Alike particles where they lie nearest to those of a template in place: least sum of squared distances.

    For particles in a fixed box, as a solvent about a solute (the Hungarian method, Kuhn 1955).

    Parameters
    ----------
    frames : float [T, n_particles dim]
    template : float [n_particles dim]
    alike : sequence of int
        The particles that may change places.
    dim : int
    """
    from scipy.optimize import linear_sum_assignment

    moved = np.asarray(alike, dtype=int)
    x = np.array(frames).reshape(len(frames), -1, dim)
    target = np.asarray(template, dtype=np.float64).reshape(-1, dim)[moved]
    n_changed = 0
    for frame in x:
        apart = ((target[:, None] - frame[None, moved]) ** 2).sum(axis=-1)
        order = linear_sum_assignment(apart)[1]
        n_changed += not np.array_equal(order, np.arange(len(moved)))
        frame[moved] = frame[moved[order]]
    return Relabelled(x.reshape(len(x), -1), n_changed)


@dataclass(frozen=True, eq=False)
class OneOrder:
    """The one order of alike particles that a flow learns, of too many to sum over: that nearest to a template.

    Attributes
    ----------
    template : float64 [n_particles dim]
    alike : tuple of int
        The particles that may change places.
    dim : int
    """

    template: np.ndarray
    alike: tuple[int, ...]
    dim: int

    def given_to(self, frames: np.ndarray) -> Relabelled:
        """Frames [T, n_particles dim] in this order."""
        return nearest_order(frames, self.template, self.alike, self.dim)

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Which configurations [S, n_particles dim] are in this order, bool [S]."""
        return np.asarray((self.given_to(x).frames == x).all(axis=1))


def nearest_turned_order(frames: np.ndarray, template: np.ndarray, *, mirror: bool = True) -> Relabelled:
    """Few particles in the plane, all alike, in the order in which they can be turned nearest to a template.

    Parameters
    ----------
    frames : float [T, 2 n_particles]
        Anywhere, and turned in any way: as they lie they are returned.
    template : float [2 n_particles]
    mirror : bool
        Whether frames may be mirrored (y to -y), too, where the energy does not change by that.

    Raises
    ------
    BadInput
        For more than `MOST` particles.
    """
    z, target = _complex(frames), _complex(np.asarray(template)[None])[0]
    n = z.shape[1]
    if n > MOST:
        raise BadInput(f"{counted(n, 'particle')} have too many orders to try all of them, which {MOST} have not")
    about = z - z.mean(axis=1, keepdims=True)
    target = (target - target.mean()).conj()
    orders = np.array(list(permutations(range(n))))
    best, order = _best_orders(about, target, orders)
    mirrored = np.zeros(len(z), dtype=bool)
    if mirror:
        other, other_order = _best_orders(about.conj(), target, orders)
        mirrored = other > best
        order = np.where(mirrored[:, None], other_order, order)
    ordered = np.take_along_axis(np.where(mirrored[:, None], z.conj(), z), order, axis=1)
    n_changed = int((mirrored | (order != np.arange(n)).any(axis=1)).sum())
    return Relabelled(np.stack([ordered.real, ordered.imag], axis=-1).reshape(len(z), -1), n_changed)


def told(relabelled: Relabelled) -> list[str]:
    """A sentence on how many frames were given another order."""
    n = relabelled.n_changed
    if not n:
        return []
    return [f"In {n} of {counted(len(relabelled.frames), 'frame')} particles of one kind were put in another order."]


def _complex(frames: np.ndarray) -> np.ndarray:
    xy = np.asarray(frames, dtype=np.float64).reshape(len(frames), -1, 2)
    return xy[..., 0] + 1j * xy[..., 1]


def _best_orders(z: np.ndarray, target: np.ndarray, orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest overlap [T] with the conjugate of a template over all turns, and the order [T, n] that has it."""
    best, chosen = np.empty(len(z)), np.empty(z.shape, dtype=int)
    step = max(1, AT_ONCE // orders.size)
    for begin in range(0, len(z), step):
        rows = slice(begin, begin + step)
        overlap = np.abs(z[rows][:, orders] @ target)
        place = overlap.argmax(axis=1)
        best[rows], chosen[rows] = overlap.max(axis=1), orders[place]
    return best, chosen
