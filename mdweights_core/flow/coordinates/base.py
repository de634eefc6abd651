"""What coordinates of a flow are: a map between the variables it sees and Cartesian positions, with its volume change.

All of it is of one configuration; callers vmap. Arrays follow the dtype of what they are given.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Tree = TypeVar("Tree")


class Coordinates(Protocol):
    """A frozen dataclass that is a pytree: arrays are leaves, sizes and names are static.

    Variables that are no angles have mean 0 and standard deviation 1 or so; circular ones are in radian.
    """

    @property
    def n(self) -> int:
        """Number of variables the flow sees."""
        ...

    @property
    def n_cartesian(self) -> int:
        """Number of Cartesian variables."""
        ...

    @property
    def circular(self) -> tuple[bool, ...]:
        """Which of the n variables are angles on [-pi, pi)."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What people call the n variables."""
        ...

    def place(self, y: Array) -> tuple[Array, Array]:
        """Positions [n_cartesian] of variables [n], and ln |det dx/dy|; rigid motions are left out of the measure."""
        ...

    def read(self, x: Array) -> tuple[Array, Array]:
        """Variables [n] of positions [n_cartesian], and ln |det dy/dx|, the negative of the above at the same point."""
        ...


def wrapped(angle: Array) -> Array:
    """An angle on [-pi, pi)."""
    return angle - 2 * jnp.pi * jnp.floor(angle / (2 * jnp.pi) + 0.5)


def as_dtype(tree: Tree, like: Array) -> Tree:
    """The same pytree with its floating-point leaves in the dtype of an array."""

    def cast(leaf: Any) -> Any:
        return leaf.astype(like.dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)


def normalised(weights: np.ndarray | None, n_frames: int) -> np.ndarray:
    """Weights of frames as float64 [n_frames] of sum 1; equal ones where none are given."""
    if weights is None:
        return np.full(n_frames, 1 / n_frames)
    weights = np.asarray(weights, dtype=np.float64)
    return weights / weights.sum()
