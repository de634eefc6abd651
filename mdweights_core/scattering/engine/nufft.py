"""A type-1 non-uniform FFT in JAX, for graphics cards (it runs on processors too).

Barnett, Magland, af Klinteberg, SIAM J. Sci. Comput. 41, C479 (2019): every atom is spread over the points around it by
the kernel phi(u) = exp(beta (sqrt(1 - u^2) - 1)), |u| <= 1, on a grid twice as fine as the reflections need; an FFT
follows, and each mode is divided by the kernel's own transform.

Densities are real, so that each takes half an FFT, and spreading adds plain floats, which cards do fast. The order of
these additions is the card's own: two runs differ by rounding, far below the error.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.fft import next_fast_len

Array = jax.Array

_UPSAMPLING = 2
_STEEPNESS = 2.3  # beta over width, the best for this upsampling
_NARROWEST, _WIDEST = 2, 15  # points; the error is about 1.15 x 10^(1 - width)
_SINGLE_PRECISION_ERROR = 2e-6  # single precision reaches 1e-6: places on the grid are worked out in double
_CHUNK_POINTS = 2**22  # points spread onto at a time: they take about 100 MB
_BLOCK = 8  # grid points along the edge of the blocks that atoms are sorted by
_NODES = 100  # of the quadrature of the kernel's transform


class _Shape(NamedTuple):
    """One real density: what each atom has of it, and what its modes are multiplied by."""

    strengths: Array  # real [n_atoms]
    factors: Array  # real [n_hkl]


class DeviceTransform:
    """sum_shape shape(h) sum_j strength_j exp(2 pi i h.x_j): everything but x is on the device from the start.

    Parameters
    ----------
    hkl : int [n_hkl, 3]
    strengths : float [n_shape, n_atoms]
    shapes : float [n_shape, n_hkl]
    errors : float [n_shape]
        Targets of each shape's transform; where the first is below 2e-6 all are done in double precision.
    device : jax.Device
    """

    def __init__(
        self, hkl: np.ndarray, strengths: np.ndarray, shapes: np.ndarray, errors: np.ndarray, device: jax.Device
    ) -> None:
        n_atoms = strengths.shape[1]
        self.widths = tuple(int(n) for n in np.clip(np.ceil(1.06 - np.log10(errors)), _NARROWEST, _WIDEST))
        self.grid = _grid(np.abs(hkl).max(axis=0), max(self.widths))
        n_chunks = -(-n_atoms * max(self.widths) ** 3 // _CHUNK_POINTS)
        self.chunk = -(-n_atoms // n_chunks)
        self._missing = n_chunks * self.chunk - n_atoms  # atoms of no strength fill the last chunk
        self._put = partial(jax.device_put, device=device)
        real = np.float32 if errors[0] >= _SINGLE_PRECISION_ERROR else np.float64
        self._shapes = [
            _Shape(
                self._put(np.pad(strength, (0, self._missing)).astype(real)),
                self._put((shape / self._kernel_transform(hkl, width)).astype(real)),
            )
            for strength, shape, width in zip(strengths, shapes, self.widths, strict=True)
        ]
        half = (self.grid[0], self.grid[1], self.grid[2] // 2 + 1)
        mates = hkl[:, 2] < 0
        rows = np.ravel_multi_index(tuple((np.where(mates[:, None], -hkl, hkl) % self.grid).T), half)
        self._rows, self._mates = self._put(rows.astype(_index_type(math.prod(half)))), self._put(mates)

    def __call__(self, turns: np.ndarray) -> np.ndarray:
        """The sums, complex64 [n_hkl], of atoms at `turns` [n_atoms, 3], in units of the period of mode 1."""
        padded = self._put(np.pad(turns - np.floor(turns), ((0, self._missing), (0, 0))))
        order, places = _in_chunks(padded, grid=self.grid, chunk=self.chunk)
        parts = (
            _sum(shape, order, places, self._rows, self._mates, grid=self.grid, width=width)
            for shape, width in zip(self._shapes, self.widths, strict=True)
        )
        return np.asarray(sum(parts)).astype(np.complex64)

    def _kernel_transform(self, hkl: np.ndarray, width: int) -> np.ndarray:
        """Fourier transform of the kernel at each mode, float64 [n_hkl]."""
        total = np.ones(len(hkl))
        for size, index in zip(self.grid, np.abs(hkl).T, strict=True):
            total *= kernel_transform(np.arange(index.max() + 1) / size, width)[index]
        return total


def kernel_transform(frequency: np.ndarray, width: int) -> np.ndarray:
    """Transform of the kernel `width` grid points wide at `frequency` [n] in cycles per grid point, float64 [n]."""
    u, weight = np.polynomial.legendre.leggauss(_NODES)
    kernel = weight * np.exp(_STEEPNESS * width * (np.sqrt(1 - u**2) - 1))
    return width / 2 * (np.cos(np.pi * width * np.multiply.outer(frequency, u)) @ kernel)


def _grid(limit: np.ndarray, width: int) -> tuple[int, int, int]:
    """Points along each axis, a number FFTs are fast for, for modes up to `limit` on each side."""
    a, b, c = (next_fast_len(max(_UPSAMPLING * (2 * int(n) + 1), 2 * width), real=True) for n in limit)
    return a, b, c


def _index_type(n: int) -> type[np.signedinteger]:
    return np.int32 if n < 2**31 else np.int64


@partial(jax.jit, static_argnames=("grid", "chunk"))
def _in_chunks(turns: Array, *, grid: tuple[int, int, int], chunk: int) -> tuple[Array, Array]:
    """An order of atoms that keeps neighbours together, and their places in it [n_chunk, chunk, 3]."""
    order = _neighbours_together(turns, grid)
    return order, turns[order].reshape(-1, chunk, 3)


# compiled once for each width, however many shapes there are
@partial(jax.jit, static_argnames=("grid", "width"))
def _sum(
    shape: _Shape, order: Array, places: Array, rows: Array, mates: Array, *, grid: tuple[int, int, int], width: int
) -> Array:
    """One shape's part of all sums, complex [n_hkl].

    Modes are found at `rows` of the flat half spectrum, those of Friedel mates where `mates` is true.
    """
    density = _spread(places, shape.strengths[order].reshape(places.shape[:2]), grid, width)
    picked = jnp.fft.rfftn(density).reshape(-1)[rows]
    # the FFT's sign is minus: it gives the modes of -h, conjugate to those of h
    return shape.factors * jnp.where(mates, picked, picked.conj())


def _neighbours_together(turns: Array, grid: tuple[int, int, int]) -> Array:
    """An order of atoms, block of the grid by block, so that what is added to lies in the fast memory."""
    blocks = np.maximum(np.array(grid) // _BLOCK, 1).astype(np.int32)
    a, b, c = (jnp.minimum(turns * blocks, blocks - 1).astype(jnp.int32)).T
    return jnp.argsort((a * blocks[1] + b) * blocks[2] + c)


def _spread(places: Array, strengths: Array, grid: tuple[int, int, int], width: int) -> Array:
    """Density real [grid] of atoms of `strengths` [n_chunk, chunk] at `places` [n_chunk, chunk, 3] in turns."""
    real, integer = strengths.dtype, _index_type(math.prod(grid))
    sizes, steps = np.array(grid, dtype=integer), np.arange(width, dtype=integer)

    def add(density: Array, atoms: tuple[Array, Array]) -> tuple[Array, None]:
        turns, strength = atoms
        at = turns * sizes
        first = jnp.ceil(at - width / 2)
        u = ((first - at)[..., None] + steps) * (2 / width)
        kernel = _kernel(u.astype(real), width)
        i, j, k = jnp.moveaxis((first.astype(integer)[..., None] + steps) % sizes[:, None], 1, 0)
        index = (i[:, :, None, None] * sizes[1] + j[:, None, :, None]) * sizes[2] + k[:, None, None, :]
        x, y, z = jnp.moveaxis(kernel, 1, 0)
        values = (strength[:, None] * x)[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]
        return density.at[index.reshape(-1)].add(values.reshape(-1), mode="promise_in_bounds"), None

    density, _ = jax.lax.scan(add, jnp.zeros(math.prod(grid), real), (places, strengths))
    return density.reshape(grid)


def _kernel(u: Array, width: int) -> Array:
    steepness = jnp.asarray(_STEEPNESS * width, u.dtype)
    return jnp.exp(steepness * (jnp.sqrt(jnp.maximum(1 - u * u, 0)) - 1))
