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
_WIDEST = 15  # points, 1e-14
_SINGLE_PRECISION_ERROR = 5e-6  # single precision reaches 1e-6: places on the grid are worked out in double
_CHUNK_POINTS = 2**22  # points spread onto at a time: they take about 100 MB
_BLOCK = 8  # grid points along the edge of the blocks that atoms are sorted by
_NODES = 100  # of the quadrature of the kernel's transform


class _Sums(NamedTuple):
    """What is summed: F(h) = sum_shape shape(h) sum_image factor(h) G_shape(image), G from half a spectrum."""

    strengths: Array  # real [n_shape, n_atoms]
    shapes: Array  # real [n_shape, n_hkl]
    rows: Array  # int [n_image, n_hkl]  place of the image, or of its Friedel mate, in the flat half spectrum
    mates: Array  # bool [n_image, n_hkl]  it is the mate's
    factors: Array  # complex [n_image, n_hkl]


class DeviceTransform:
    """The sums over atoms of many frames, everything but the positions on the device from the start.

    Parameters
    ----------
    strengths : float [n_shape, n_atoms]
    shapes : float [n_shape, n_hkl]
    images : int [n_image, n_hkl, 3]
        Integer modes that are added up for each reflection.
    factors : complex [n_image, n_hkl]
        What each is multiplied by.
    relative_error : float
        Target of the transform; below 5e-6 it is done in double precision.
    device : jax.Device
    """

    def __init__(
        self,
        strengths: np.ndarray,
        shapes: np.ndarray,
        images: np.ndarray,
        factors: np.ndarray,
        relative_error: float,
        device: jax.Device,
    ) -> None:
        self.width = min(math.ceil(1 - math.log10(relative_error)), _WIDEST)
        self.grid = _grid(np.abs(images).max(axis=(0, 1)), self.width)
        real = np.dtype(np.float32 if relative_error >= _SINGLE_PRECISION_ERROR else np.float64)
        mates = images[..., 2] < 0
        half = (self.grid[0], self.grid[1], self.grid[2] // 2 + 1)
        rows = np.ravel_multi_index(
            tuple(np.moveaxis(np.where(mates[..., None], -images, images) % self.grid, -1, 0)), half
        )
        n_chunks = -(-strengths.shape[1] * self.width**3 // _CHUNK_POINTS)
        self.chunk = -(-strengths.shape[1] // n_chunks)
        self._n_padded = n_chunks * self.chunk  # atoms of no strength fill the last chunk
        self._put = partial(jax.device_put, device=device)
        self._sums = _Sums(
            strengths=self._put(np.pad(strengths, ((0, 0), (0, self._n_padded - strengths.shape[1]))).astype(real)),
            shapes=self._put(shapes.astype(real)),
            rows=self._put(rows.astype(_index_type(math.prod(half)))),
            mates=self._put(mates),
            factors=self._put((factors / self._kernel_transform(images)).astype(np.result_type(real, np.complex64))),
        )

    def __call__(self, turns: np.ndarray) -> np.ndarray:
        """The sums, complex64 [n_hkl], of atoms at `turns` [n_atoms, 3], in units of the period of mode 1."""
        padded = np.zeros((self._n_padded, 3))
        padded[: len(turns)] = turns - np.floor(turns)
        sizes = {"grid": self.grid, "width": self.width, "chunk": self.chunk}
        return np.asarray(_transform(self._put(padded), self._sums, **sizes))

    def _kernel_transform(self, images: np.ndarray) -> np.ndarray:
        """Fourier transform of the kernel at each image, float64 [n_image, n_hkl]."""
        total = np.ones(images.shape[:2])
        for axis, size in enumerate(self.grid):
            modes = np.arange(np.abs(images[..., axis]).max() + 1)
            total *= kernel_transform(modes / size, self.width)[np.abs(images[..., axis])]
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


@partial(jax.jit, static_argnames=("grid", "width", "chunk"))
def _transform(turns: Array, sums: _Sums, *, grid: tuple[int, int, int], width: int, chunk: int) -> Array:
    order = _neighbours_together(turns, grid)
    places = turns[order].reshape(-1, chunk, 3)

    def add_shape(total: Array, one: tuple[Array, Array]) -> tuple[Array, None]:
        strengths, shape = one
        density = _spread(places, strengths[order].reshape(-1, chunk), grid, width)
        picked = jnp.fft.rfftn(density).reshape(-1)[sums.rows]
        # the FFT's sign is minus: plain modes are those of -h, and -h is conjugate to h
        modes = jnp.where(sums.mates, picked, picked.conj())
        return total + shape * jnp.sum(sums.factors * modes, axis=0), None

    start = jnp.zeros(sums.shapes.shape[1], sums.factors.dtype)
    total, _ = jax.lax.scan(add_shape, start, (sums.strengths, sums.shapes))
    return total.astype(jnp.complex64)


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
