"""Fourier transforms of points: points are spread over a grid, the grid is transformed, the spreading is divided out.

This is a type-1 non-uniform FFT. finufft (Barnett, Magland, af Klinteberg, SIAM J. Sci. Comput. 41, C479, 2019) does
the spreading; the rest is done here, because only then the grid can be as small as the error allows, lines of the grid
that no reflection needs are left out of the FFT, and nothing is divided but what is gathered.

Its relative error for points of random phase has three parts, all known beforehand: what the grid folds back onto a
mode, sum_m |w(k + m n) / w(k)|^2 with w the transform of the spreading kernel and n the grid; rounding on the grid,
amplified by 1 / w(k); and rounding of the positions. So the cheapest grid and kernel for an error are found by search.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

import finufft
import numpy as np

_SAMPLES = 12  # of the kernel per grid step: its transform at any mode is then a plain sum
_BOX = 40  # grid points along an axis, at least: more than any kernel is wide
_OVERSAMPLING = (1.12, 1.19, 1.26, 1.35, 1.5, 2.0)
_TOLERANCES = 0.3 * 3.0 ** -np.arange(31)  # one set for all, so that kernels need to be measured but once
_FOLDS = np.array([-2, -1, 1, 2])
_SAMPLE_SIZE = 4096  # reflections that stand for all where errors are foreseen
# Of each precision: rounding on the grid, rounding of positions in radians (wrapped, then scaled), cost against single.
_ROUNDING = {"complex64": (1.5e-7, 1.2e-7, 1.0), "complex128": (3e-16, 3e-16, 2.2)}
_FINEST = {"complex64": 1e-6, "complex128": 3e-15}  # tolerances that the spreader takes
_LOOSER = 100.0  # a kernel's tolerance is at most so many times the error it will have
_GRID_COST, _POINT_COST, _CELL_COST = 5.5, 30.0, 0.3  # ns per grid point, per atom, and per grid point an atom touches


@dataclass(frozen=True)
class Design:
    """A grid and a kernel.

    Attributes
    ----------
    shape : (int, int, int)
        Grid points along each axis.
    limit : (int, int, int)
        Largest index along each axis.
    tolerance, oversampling : float
        What tells the kernel to the spreader.
    dtype : str
        ``"complex64"`` or ``"complex128"``.
    error, cost : float
        As foreseen: relative error, and nanoseconds of one thread.
    """

    shape: tuple[int, int, int]
    limit: tuple[int, int, int]
    tolerance: float
    oversampling: float
    dtype: str
    error: float = np.inf
    cost: float = np.inf

    @property
    def options(self) -> dict[str, float | int]:
        """Options of the spreader."""
        return {"eps": self.tolerance, "upsampfac": self.oversampling, "spreadinterponly": 1, "showwarn": 0}

    @property
    def n_bytes(self) -> int:
        """Memory of the grid."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def spreader(self, n_threads: int) -> finufft.Plan:
        """A plan that spreads points at `angles` over the grid; no two threads may use it at the same time."""
        return finufft.Plan(1, self.shape, isign=1, dtype=self.dtype, nthreads=n_threads, **self.options)

    def rows(self, hkl: np.ndarray) -> np.ndarray:
        """Flat places of modes in the transformed grid, int [n_hkl]."""
        return np.ravel_multi_index(tuple((hkl % np.array(self.shape)).T), self.shape)

    def division(self, hkl: np.ndarray) -> np.ndarray:
        """What takes the spreading out of the modes when multiplied with them, float64 [n_hkl]."""
        kernel = _kernel_of(self)
        factor = np.ones(len(hkl))
        for n, k, index in zip(self.shape, self.limit, hkl.T, strict=True):
            factor /= _transfer(kernel, n, np.arange(k + 1))[np.abs(index)]
        return factor


def angles(turns: np.ndarray, dtype: str) -> list[np.ndarray]:
    """Fractions of the box [n_atoms, 3] as what spreaders take: wrapped in double precision before any rounding.

    Their grid begins at -pi; half a turn on, so that it begins at the origin instead.
    """
    wrapped = turns - np.floor(turns) - 0.5
    return [np.ascontiguousarray(2 * np.pi * axis, dtype=np.zeros(0, dtype).real.dtype) for axis in wrapped.T]


def transform(grid: np.ndarray, limit: tuple[int, int, int], n_threads: int) -> None:
    """Fourier transform of `grid` in its place, sign +; only modes up to `limit` come out right."""
    _, middle, last = ((slice(0, k + 1), slice(-k, None)) if k else (slice(0, 1),) for k in limit)
    _transform_along(2, grid, n_threads)
    for z in last:
        _transform_along(1, grid[:, :, z], n_threads)
        for y in middle:
            _transform_along(0, grid[:, y, z], n_threads)


def _transform_along(axis: int, part: np.ndarray, n_threads: int) -> None:
    import scipy.fft

    found = scipy.fft.ifft(part, axis=axis, norm="forward", overwrite_x=True, workers=n_threads)
    if not np.may_share_memory(found, part):
        part[...] = found


def find_design(hkl: np.ndarray, n_atoms: int, error: float) -> Design:
    """The cheapest design whose foreseen relative error is at most `error`; the most exact one when there is none.

    Parameters
    ----------
    hkl : int [n_hkl, 3]
    n_atoms : int
    error : float
    """
    h, k, l = (int(n) for n in np.abs(hkl).max(axis=0))
    sample = hkl[:: max(1, len(hkl) // _SAMPLE_SIZE)]
    designs: list[Design] = []
    for dtype in _ROUNDING:  # the faster one first
        designs += [_narrowest((h, k, l), factor, dtype, sample, n_atoms, error) for factor in _OVERSAMPLING]
        good = [design for design in designs if design.error <= error]
        if good:
            return min(good, key=lambda design: design.cost)
    return min(designs, key=lambda design: design.error)


def _narrowest(
    limit: tuple[int, int, int], oversampling: float, dtype: str, sample: np.ndarray, n_atoms: int, error: float
) -> Design:
    """The narrowest kernel that will do on the grid of one oversampling, or the widest one."""
    shape = _fast_shape(limit, oversampling)
    finest = max(3 * np.exp(-16 * np.pi * np.sqrt(1 - 1 / oversampling)), _FINEST[dtype])  # 16: the widest there are
    usable = _TOLERANCES[(finest <= _TOLERANCES) & (max(_LOOSER * error, finest * 3) >= _TOLERANCES)]
    for tolerance in usable:
        design = _foresee(Design(shape, limit, float(tolerance), oversampling, dtype), sample, n_atoms)
        if design.error <= error:
            break
    return design


def _fast_shape(limit: tuple[int, int, int], oversampling: float) -> tuple[int, int, int]:
    import scipy.fft

    h, k, l = (max(scipy.fft.next_fast_len(int(np.ceil(oversampling * (2 * k + 1)))), _BOX) for k in limit)
    return h, k, l


def _foresee(design: Design, sample: np.ndarray, n_atoms: int) -> Design:
    """The design with its error for points of random phase at the reflections `sample`, and its cost."""
    kernel = _kernel_of(design)
    on_grid, in_place, slower = _ROUNDING[design.dtype]
    folded, amplified = np.zeros(len(sample)), np.full(len(sample), on_grid**2)
    for n, limit, index in zip(design.shape, design.limit, np.abs(sample).T, strict=True):
        k = np.arange(limit + 1)
        own = np.square(_transfer(kernel, n, k))
        others = np.square(_transfer(kernel, n, k + n * _FOLDS[:, None])).sum(axis=0)
        folded += (others / own)[index]
        amplified *= (np.square(kernel).sum() / _SAMPLES / own)[index]
    placed = in_place**2 * np.square(sample).sum(axis=1)
    width = np.count_nonzero(kernel) / _SAMPLES
    cost = slower * (_GRID_COST * prod(design.shape) + n_atoms * (_POINT_COST + _CELL_COST * width**3))
    return replace(design, error=float(np.sqrt((folded + amplified + placed).mean())), cost=float(cost))


def _kernel_of(design: Design) -> np.ndarray:
    """The spreading kernel, float64 [_BOX * _SAMPLES], from half a box before a point to half a box behind it."""
    return _measured_kernel(design.dtype, tuple(sorted(design.options.items())))


@lru_cache(maxsize=256)
def _measured_kernel(dtype: str, options: tuple[tuple[str, float | int], ...]) -> np.ndarray:
    """Single points, spread at places between two grid points, trace the kernel."""
    plan = finufft.Plan(1, (_BOX, _BOX, _BOX), isign=1, dtype=dtype, nthreads=1, **dict(options))
    one = np.ones(1, dtype)
    middle = np.zeros_like(one.real)
    lines = np.empty((_SAMPLES, _BOX))  # line i: the kernel at whole numbers plus i / _SAMPLES
    for i in range(_SAMPLES):
        plan.setpts(middle - one.real.dtype.type(2 * np.pi * i / (_SAMPLES * _BOX)), middle, middle)
        lines[i] = plan.execute(one).real.sum(axis=(1, 2), dtype=np.float64)
    lines /= np.cbrt(lines[0].sum()) ** 2  # the sums over the two other axes
    return lines.T.reshape(-1)


def _transfer(kernel: np.ndarray, n: int, k: np.ndarray) -> np.ndarray:
    """The kernel's Fourier transform on a grid of `n` points at the modes `k`, float64 like `k`."""
    used = np.flatnonzero(kernel)
    offset = used / _SAMPLES - _BOX // 2
    return np.cos((2 * np.pi / n) * np.multiply.outer(k, offset)) @ kernel[used] / _SAMPLES
