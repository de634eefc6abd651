"""The structure factors of all frames as blocks of one real matrix, in memory or on disk.

For B Laue groups with K images each, a block is float32 [n_frames, (2K + 1) B]: the real parts of E = F - centre on
every image, the imaginary parts, and the Laue average of |E|^2. Then everything a fit asks of the frames is a product
of two matrices: W R gives mean structure factors and mean power of many sets of weights in one pass, R C^T the
derivatives of many objectives. Where there are several devices, blocks are put on them in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.weights.frames.scratch import Scratch, aligned

Array = jax.Array
BLOCK_BYTES = 48 * 2**20


@dataclass(frozen=True, eq=False)
class Block:
    """Some Laue groups of all frames.

    Attributes
    ----------
    groups : slice
        Which ones, without those that only fill the last block.
    rows : float [n_frames, (2K + 1) B]
    share : float [K, B]
        1 / (number of images), zero where there is none.
    centre : float [2K, B]
        What is added to the mean of E before it is squared: zero for diffuse, the mean of F for Bragg intensity.
    """

    groups: slice
    rows: Array
    share: Array
    centre: Array


@dataclass(frozen=True, eq=False)
class FrameBlocks:
    """All frames on all Laue groups.

    Attributes
    ----------
    n_frames, n_copies, n_groups : int
        T, K, G.
    block_size : int
        Groups in a block, B; the last one is filled up with empty groups.
    share : float [K, G]
    origin : complex128 [K, G]
        The c of E = F - c, about the mean of F; zero where a group has fewer images.
    sign : float
        1 for the diffuse intensity, power - |m|^2; -1 for Bragg intensity |m + c|^2, where the power is left out.
    """

    n_frames: int
    n_copies: int
    n_groups: int
    block_size: int
    share: np.ndarray
    origin: np.ndarray
    store: _Memory | Scratch
    sign: float = 1.0

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.n_groups // self.block_size)

    @property
    def n_bytes(self) -> int:
        """What one pass reads."""
        return self.n_blocks * self.n_frames * (2 * self.n_copies + 1) * self.block_size * self.store.dtype.itemsize

    def __iter__(self) -> Iterator[Block]:
        stored: Iterable[np.ndarray | Array] = self.store
        for i, rows in enumerate(stored):
            groups, share, centre = self._frame_free[i]
            yield Block(groups, _placed(rows, i), share, centre)

    @cached_property
    def _frame_free(self) -> list[tuple[slice, Array, Array]]:
        """What blocks hold beside the rows."""
        return [self._beside(i) for i in range(self.n_blocks)]

    def _beside(self, i: int) -> tuple[slice, Array, Array]:
        groups = slice(i * self.block_size, min((i + 1) * self.block_size, self.n_groups))
        origin = self.origin[:, groups] * (self.sign < 0)
        parts = (self.share[:, groups], np.concatenate([origin.real, origin.imag]))
        empty = ((0, 0), (0, self.block_size - parts[0].shape[1]))
        share, centre = (jnp.asarray(np.pad(part, empty), dtype=self.store.dtype) for part in parts)
        return groups, share, centre

    def take(self, chosen: np.ndarray) -> FrameBlocks:
        """Some groups (rising numbers, int [n]) as one block in memory."""
        taken = aligned((self.n_frames, 2 * self.n_copies + 1, len(chosen)), self.store.dtype)
        for block in self:
            first, last = np.searchsorted(chosen, (block.groups.start, block.groups.stop))
            if last > first:
                cube = _cube(np.asarray(block.rows), self.n_copies)
                taken[:, :, first:last] = np.take(cube, chosen[first:last] - block.groups.start, axis=2)
        return replace(
            self,
            n_groups=len(chosen),
            block_size=len(chosen),
            share=self.share[:, chosen],
            origin=self.origin[:, chosen],
            store=_Memory((_placed(taken.reshape(self.n_frames, -1), 0),)),
        )

    def with_empty_frame(self) -> FrameBlocks:
        """One more frame that scatters nothing, E = -c; in memory."""
        blocks = []
        for block in self:
            part = np.pad(-self.origin[:, block.groups], ((0, 0), (0, block.share.shape[1] - _length(block.groups))))
            row = frame_rows(part[None], np.asarray(block.share), block.rows.dtype).reshape(1, -1)
            blocks.append(jnp.concatenate([block.rows, row]))
        return replace(self, n_frames=self.n_frames + 1, store=_Memory(tuple(blocks)))

    @classmethod
    def from_deviation(
        cls,
        deviation: np.ndarray,
        share: np.ndarray,
        origin: np.ndarray,
        *,
        dtype: Any = np.float32,
        block_size: int | None = None,
    ) -> FrameBlocks:
        """Blocks of E complex [n_frames, K, G] that is there as a whole, with the `origin` [K, G] it is relative to."""
        builder = BlockBuilder(len(deviation), share, origin, dtype=dtype, block_size=block_size)
        builder.put(slice(0, len(deviation)), deviation)
        return builder.finish()


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _cube(rows: np.ndarray, n_copies: int) -> np.ndarray:
    return rows.reshape(len(rows), 2 * n_copies + 1, -1)


def frame_rows(deviation: np.ndarray, share: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """Rows of a block [n_frames, 2K + 1, B] of E complex [n_frames, K, B]."""
    power = np.einsum("tkg,kg->tg", deviation.real**2 + deviation.imag**2, share)
    return np.concatenate([deviation.real, deviation.imag, power[:, None]], axis=1).astype(dtype, copy=False)


@dataclass(frozen=True, eq=False)
class _Memory:
    blocks: tuple[Array, ...]

    def __iter__(self) -> Iterator[Array]:
        return iter(self.blocks)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.blocks[0].dtype)


class BlockBuilder:
    """Fills blocks with frames as they come.

    Parameters
    ----------
    n_frames : int
    share : float32 [n_copies, n_groups]
    origin : complex [n_copies, n_groups]
    scratch : Path, optional
        Folder for a file of blocks; in memory by default.
    """

    def __init__(
        self,
        n_frames: int,
        share: np.ndarray,
        origin: np.ndarray,
        *,
        scratch: Path | None = None,
        dtype: Any = np.float32,
        block_size: int | None = None,
    ) -> None:
        n_copies, n_groups = share.shape
        n_parts = 2 * n_copies + 1
        usual = max(256, BLOCK_BYTES // (4 * n_parts * n_frames))
        self.share, self.origin, self.dtype = share, origin.astype(np.complex128), dtype
        self.shape = (n_frames, n_copies, n_groups)
        self.size = min(block_size or usual, -(-n_groups // jax.local_device_count()))
        n_blocks = -(-n_groups // self.size)
        self._scratch: Scratch | None = None
        self._blocks: list[np.ndarray] = []
        if scratch is None:
            self._blocks = [aligned((n_frames, n_parts, self.size), dtype) for _ in range(n_blocks)]
            self._blocks[-1][...] = 0.0  # groups that only fill it
        else:
            self._scratch = Scratch.into(scratch, (n_frames, n_parts * self.size, n_blocks))

    def put(self, frames: slice, deviation: np.ndarray, mixture: np.ndarray | None = None) -> None:
        """Store E complex [n, n_copies, n_groups] of some frames, or of units that are a `mixture` [n_units, n]."""
        for i in range(-(-self.shape[2] // self.size)):
            groups = slice(i * self.size, min((i + 1) * self.size, self.shape[2]))
            rows = frame_rows(deviation[:, :, groups], self.share[:, groups], self.dtype)
            if mixture is not None:
                rows = np.tensordot(mixture, rows, 1).astype(self.dtype)
            if self._scratch is None:
                self._blocks[i][frames, :, : rows.shape[2]] = rows
            else:
                empty = self.size - rows.shape[2]
                full = np.pad(rows, ((0, 0), (0, 0), (0, empty))) if empty else rows
                self._scratch.write(i, frames.start, full)

    def finish(self) -> FrameBlocks:
        """The blocks, complete."""
        n_frames, n_copies, n_groups = self.shape
        store: _Memory | Scratch
        if self._scratch is not None:
            store = self._scratch
            store.close_writing()
        else:
            store = _Memory(tuple(self._handed_over()))
        return FrameBlocks(n_frames, n_copies, n_groups, self.size, self.share, self.origin, store)

    def _handed_over(self) -> Iterator[Array]:
        """One after the other, so that only one of them is there twice."""
        self._blocks.reverse()
        for i in range(len(self._blocks)):
            yield _placed(self._blocks.pop().reshape(self.shape[0], -1), i)


def _placed(rows: np.ndarray | Array, i: int) -> Array:
    """Block `i` on the device whose turn it is: not copied where that is the main memory (see `aligned`)."""
    devices = jax.local_devices()
    return jax.device_put(rows, devices[i % len(devices)])
