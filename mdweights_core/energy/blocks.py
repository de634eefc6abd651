"""Atoms in small compact blocks, and which pairs of blocks can hold pairs of atoms that interact.

A sum over pairs of atoms is taken over tiles: all pairs of atoms of two blocks. Tiles with pairs that do not count (of
a block with itself, with excluded pairs, with empty places) are *near* and carry a mask. All others are *far*: listed
once, or, with a cut-off, found at every evaluation from the boxes around the blocks. No atom can leave that list
unseen, however far it moves; only the speed depends on blocks that stay compact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.periodic import nearest_image

Array = jax.Array
Carry = TypeVar("Carry")

BLOCK = 16  # atoms: smaller blocks waste fewer pairs beyond the cut-off, larger ones less time between tiles
GROUP = 8  # blocks
PAIRS_AT_ONCE = 2**16  # pairs of atoms: their arrays stay in the cache


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PairBlocks:
    """All pairs of n atoms that count, as tiles of N blocks of B places.

    Attributes
    ----------
    atom : int32 [N * B]
        The atom in each place; empty places repeat one.
    place : int32 [n]
        The place of each atom.
    near : int32 [K, 2]
        Tiles with a mask, as pairs of blocks.
    mask : bool [K, B, B]
        Which of their pairs count; each pair of atoms does so once.
    far : int32 [M, 2]
        All other tiles, without a cut-off; with one they are found at every evaluation.
    is_near : bool [N, N] or None
        Tiles that cannot be far: one triangle, and all of `near`. Only with a cut-off.
    cutoff : float64 or None
        Distance in nm from which on pairs do not count.
    box : float64 [3, 3] or None
    size : int
        B.
    n_far : int
        How many of `far`, from the first on, count.
    """

    atom: Array
    place: Array
    near: Array
    mask: Array
    far: Array
    is_near: Array | None
    cutoff: Array | None
    box: Array | None
    size: int = field(metadata={"static": True})
    n_far: int = field(metadata={"static": True})

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.atom) // self.size

    def blocks(self, values: Array) -> Array:
        """Values of atoms [n, ...] as those of blocks [N, B, ...]."""
        return jnp.asarray(values)[self.atom].reshape(self.n_blocks, self.size, *values.shape[1:])

    def atoms(self, values: Array) -> Array:
        """Values of blocks [N, B, ...] as those of atoms [n, ...]."""
        return values.reshape(-1, *values.shape[2:])[self.place]


@dataclass(frozen=True)
class Tiles:
    """T tiles at positions of their atoms.

    Attributes
    ----------
    first, second : int [T]
        Their blocks.
    displacement : float64 [T, B, B, 3]
        From atoms of the second block to those of the first, in nm.
    distance : float64 [T, B, B]
        In nm; 1 where a pair does not count, so that functions of it are finite.
    counts : bool [T, B, B]
        Which pairs count.
    """

    first: Array
    second: Array
    displacement: Array
    distance: Array
    counts: Array


def over_tiles(blocks: PairBlocks, x: Array, start: Carry, add: Callable[[Carry, Tiles], Carry]) -> Carry:
    """Fold `add` over all tiles, some thousand pairs of atoms at a time, at positions [n, 3]."""
    placed = blocks.blocks(x)

    def near_step(step: Array, carry: Carry) -> Carry:
        pairs, mask = _part(blocks.near, step, n_near), _part(blocks.mask, step, n_near)
        return add(carry, _tiles(blocks, placed, pairs, mask))

    def far_step(step: Array, carry: Carry) -> Carry:
        is_listed = step * n_at_once + jnp.arange(n_at_once) < n_far
        return add(carry, _tiles(blocks, placed, _part(far, step, n_at_once), is_listed[:, None, None]))

    n_near = _at_once(len(blocks.near), blocks.size)
    carry = jax.lax.fori_loop(0, len(blocks.near) // n_near, near_step, start)
    far, n_far = _far_tiles(blocks, placed)
    if not len(far):
        return carry
    n_at_once = _at_once(len(far), blocks.size)
    return jax.lax.fori_loop(0, (n_far + n_at_once - 1) // n_at_once, far_step, carry)


def _part(values: Array, step: Array, length: int) -> Array:
    return jax.lax.dynamic_slice_in_dim(values, step * length, length)


def _at_once(n_tiles: int, size: int) -> int:
    """Return how many of a list of tiles, padded by `_padded`, are computed at once: a divisor of its length."""
    most = max(1, PAIRS_AT_ONCE // size**2)
    return -(-n_tiles // max(1, -(-n_tiles // most)))


def _length(n_tiles: int, size: int) -> int:
    """Length of a list of tiles that consists of equal parts."""
    at_once = _at_once(n_tiles, size)
    return -(-n_tiles // at_once) * at_once if at_once else 0


def _padded(tiles: np.ndarray, size: int) -> np.ndarray:
    """The same tiles and as many more, all zero, as make equal parts of them."""
    missing = _length(len(tiles), size) - len(tiles)
    return np.concatenate([tiles, np.zeros((missing, *tiles.shape[1:]), tiles.dtype)])


def _tiles(blocks: PairBlocks, placed: Array, pairs: Array, mask: Array) -> Tiles:
    first, second = pairs[:, 0], pairs[:, 1]
    displacement = nearest_image(placed[first][:, :, None] - placed[second][:, None], blocks.box)
    squared = jnp.sum(displacement**2, axis=-1)
    counts = jnp.broadcast_to(mask, squared.shape)
    if blocks.cutoff is not None:
        counts &= squared < blocks.cutoff**2
    return Tiles(first, second, displacement, jnp.sqrt(jnp.where(counts, squared, 1.0)), counts)


def _far_tiles(blocks: PairBlocks, placed: Array) -> tuple[Array, Array | int]:
    """Tiles [M, 2] and how many of them, from the first on, may hold pairs within the cut-off.

    Found in two steps, first between groups of blocks, so that the work grows with the number of atoms, not its square.
    """
    is_near, cutoff = blocks.is_near, blocks.cutoff
    if is_near is None or cutoff is None:
        return blocks.far, blocks.n_far
    to_planes = jnp.eye(3) if blocks.box is None else jnp.linalg.inv(blocks.box)
    planes = jax.lax.stop_gradient(placed) @ to_planes
    bounds = _Bounds(planes.min(axis=1), planes.max(axis=1))
    groups = bounds.groups()
    is_close = groups.come_within(cutoff, to_planes, blocks.box is not None, *jnp.indices(2 * (groups.n,)))
    n_listed = _at_once(groups.n**2, GROUP)
    pairs = jnp.stack(jnp.nonzero(jnp.triu(is_close), size=_length(groups.n**2, GROUP), fill_value=0), axis=1)
    n_pairs = jnp.sum(jnp.triu(is_close))

    def add(step: Array, found: tuple[Array, Array]) -> tuple[Array, Array]:
        far, n_far = found
        is_listed = step * n_listed + jnp.arange(n_listed) < n_pairs
        first, second = (GROUP * g[:, None, None] for g in _part(pairs, step, n_listed).T)
        i, j = jnp.broadcast_arrays(first + jnp.arange(GROUP)[:, None], second + jnp.arange(GROUP))
        is_far = is_listed[:, None, None] & (jnp.maximum(i, j) < bounds.n)
        i, j = (jnp.minimum(block, bounds.n - 1) for block in (i, j))
        is_far &= ~is_near[i, j] & bounds.come_within(cutoff, to_planes, blocks.box is not None, i, j)
        place = jnp.where(is_far.ravel(), n_far + jnp.cumsum(is_far.ravel()) - 1, len(far))
        tiles = jnp.stack([i.ravel(), j.ravel()], axis=1).astype(far.dtype)
        return far.at[place].set(tiles, mode="drop"), n_far + jnp.sum(is_far)

    start = jnp.zeros((_length(blocks.n_blocks * (blocks.n_blocks - 1) // 2, blocks.size), 2), jnp.int32)
    return jax.lax.fori_loop(0, (n_pairs + n_listed - 1) // n_listed, add, (start, jnp.zeros((), n_pairs.dtype)))


@dataclass(frozen=True)
class _Bounds:
    """Boxes around the atoms of n blocks, [n, 3] each, as fractions of the periodic box if there is one."""

    lower: Array
    upper: Array

    @property
    def n(self) -> int:
        return len(self.lower)

    def groups(self) -> _Bounds:
        """Return the boxes around groups of blocks."""
        missing = ((0, -self.n % GROUP), (0, 0))
        lower, upper = (jnp.pad(side, missing, mode="edge").reshape(-1, GROUP, 3) for side in (self.lower, self.upper))
        return _Bounds(lower.min(axis=1), upper.max(axis=1))

    def come_within(self, cutoff: Array, to_planes: Array, is_periodic: bool, i: Array, j: Array) -> Array:
        """Tell which boxes i and j may hold atoms within the cut-off.

        Where the periodic box is not rectangular, the distances between its planes are a lower bound.
        """
        centre, half = (self.lower + self.upper) / 2, (self.upper - self.lower) / 2
        apart = centre[i] - centre[j]
        if is_periodic:
            apart -= jnp.round(apart)
        gap = jnp.maximum(jnp.abs(apart) - half[i] - half[j], 0.0) / jnp.linalg.norm(to_planes, axis=0)
        is_rectangular = jnp.sum(to_planes != 0) == 3
        return jnp.where(is_rectangular, jnp.sum(gap**2, axis=-1), jnp.max(gap, axis=-1) ** 2) < cutoff**2


def pair_blocks(
    x: np.ndarray,
    excluded: np.ndarray,
    *,
    cutoff: float | None = None,
    box: np.ndarray | None = None,
    size: int = BLOCK,
) -> PairBlocks:
    """All pairs of atoms but the excluded ones, as tiles.

    Parameters
    ----------
    x : float64 [n, 3]
        Positions in nm about which blocks are compact.
    excluded : int [m, 2]
        Pairs of atoms that do not count.
    cutoff : float, optional
        Distance in nm from which on pairs do not count.
    box : float64 [3, 3], optional
        Where distances are those of nearest images.
    size : int
        Places in a block.
    """
    n = len(x)
    n_blocks = -(-n // size)
    atom = np.zeros(n_blocks * size, dtype=np.int32)
    atom[:n] = compact_order(np.asarray(x), size)
    place = np.empty(n, dtype=np.int32)
    place[atom[:n]] = np.arange(n)
    near, mask = _near_tiles(np.sort(place[excluded.reshape(-1, 2)], axis=1), n, n_blocks, size)
    is_near = np.tri(n_blocks, dtype=bool)
    is_near[near[:, 0], near[:, 1]] = True
    far = np.argwhere(~is_near & (cutoff is None)).astype(np.int32)
    return PairBlocks(
        atom=jnp.asarray(atom),
        place=jnp.asarray(place),
        near=jnp.asarray(_padded(near, size)),
        mask=jnp.asarray(_padded(mask, size)),
        far=jnp.asarray(_padded(far, size)),
        is_near=None if cutoff is None else jnp.asarray(is_near),
        cutoff=None if cutoff is None else jnp.asarray(float(cutoff)),
        box=None if box is None else jnp.asarray(box),
        size=size,
        n_far=len(far),
    )


def _near_tiles(excluded: np.ndarray, n: int, n_blocks: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles with pairs that do not count, and masks of those that do, for excluded pairs of places, the lower first."""
    every = np.arange(n_blocks)
    own = np.stack([every, every], axis=1)
    of_last = np.stack([every, np.full(n_blocks, n_blocks - 1)], axis=1)  # the only block with empty places
    near, row = np.unique(np.concatenate([own, of_last, excluded // size]), axis=0, return_inverse=True)
    mask = np.ones((len(near), size, size), dtype=bool)
    mask[near[:, 0] == near[:, 1]] = np.triu(np.ones((size, size), dtype=bool), 1)
    mask[near[:, 1] == n_blocks - 1] &= np.arange(size) < n - (n_blocks - 1) * size
    mask[row[2 * n_blocks :], excluded[:, 0] % size, excluded[:, 1] % size] = False
    return near.astype(np.int32), mask


def compact_order(x: np.ndarray, size: int) -> np.ndarray:
    """Order int32 [n] of atoms at x [n, 3] in which blocks of `size` are compact.

    They are halved along their longest side again and again, between blocks.
    """
    order = np.empty(len(x), dtype=np.int32)
    waiting = [(0, np.arange(len(x)))]
    while waiting:
        begin, atoms = waiting.pop()
        if len(atoms) <= size:
            order[begin : begin + len(atoms)] = atoms
            continue
        middle = size * ((-(-len(atoms) // size) + 1) // 2)
        axis = np.argmax(np.ptp(x[atoms], axis=0))
        atoms = atoms[np.argpartition(x[atoms, axis], middle - 1)]
        waiting += [(begin, atoms[:middle]), (begin + middle, atoms[middle:])]
    return order
