"""Passes over the structure factors of all frames, jitted: every question a fit asks is one or two matrix products.

With m the weighted mean of E on every image, c the `centre` and s the `sign` of the blocks,

    x = w.power - s sum_k share_k |m_k + c_k|^2     (s = 1, c = 0: diffuse;  s = -1, no power, c = <F>: Bragg)

and along the simplex dx/dw_t = D_t - x with D_t = power_t - 2 s sum_k share_k Re conj(m_k + c_k) E_tk + const, where
the constant makes sum_t w_t D_t = x (for the diffuse intensity D_t = |E_t - m|^2).

Arrays of the frames are float32, sums over blocks and results float64. Arrays are arguments: captured ones would be
compiled in as constants.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.weights.frames.blocks import Block, FrameBlocks
from mdweights_core.weights.frames.products import products
from mdweights_core.weights.objectives.base import Metric

Array = jax.Array


@dataclass(frozen=True, eq=False)
class Means:
    """Weighted means of E for P sets of weights, block by block: what passes at the same weights share.

    Attributes
    ----------
    blocks : dict of float [>= P, 2K, B]
        By the first group of a block: real and imaginary parts on every image. Sets beyond P only fill them up.
    """

    blocks: dict[int, Array]

    def moved(self, directions: Means, alpha: np.ndarray) -> Means:
        """Those of w + alpha d, from these of w and those of d; alpha float64 [P]."""
        a = _filled(alpha[:, None])[:, 0]
        return Means(
            {start: _moved(m, directions.blocks[start], a.astype(m.dtype)) for start, m in self.blocks.items()}
        )

    def of(self, chosen: np.ndarray) -> Means:
        """Those of some of the sets, int [n]."""
        places = np.resize(chosen, _full(len(chosen)))
        return Means({start: block[places] for start, block in self.blocks.items()})

    def on_images(self, frames: FrameBlocks, n: int) -> np.ndarray:
        """The first `n` as complex64 [n, K, G]."""
        k = frames.n_copies
        found = np.empty((n, k, frames.n_groups), dtype=np.complex64)
        for start, block in self.blocks.items():
            groups = slice(start, min(start + frames.block_size, frames.n_groups))
            m = np.asarray(block)[:n, :, : _size(groups)]
            found[:, :, groups] = m[:, :k] + 1j * m[:, k:]
        return found


def intensities(frames: FrameBlocks, weights: np.ndarray) -> np.ndarray:
    """Calculated intensity of P normalised sets of weights [P, T]: float64 [P, G]."""
    found = np.empty((len(weights), frames.n_groups))
    filled = _filled(weights)

    def work(block: Block) -> Array:
        return _intensity(_like(filled, block), block.rows, *_of(block), frames.sign)[0]

    for groups, x in _in_turn(frames, work):
        _store(found, groups, x)
    return found


def intensities_and_means(frames: FrameBlocks, weights: np.ndarray) -> tuple[np.ndarray, Means]:
    """Calculated intensity of P normalised sets of weights [P, T], float64 [P, G], and the means behind it."""
    found, behind = np.empty((len(weights), frames.n_groups)), {}
    filled = _filled(weights)

    def work(block: Block) -> tuple[Array, Array]:
        return _intensity(_like(filled, block), block.rows, *_of(block), frames.sign)

    for groups, (x, mean) in _in_turn(frames, work):
        _store(found, groups, x)
        behind[groups.start] = mean
    return found, Means(behind)


def contractions(
    frames: FrameBlocks, weights: np.ndarray, coefficients: np.ndarray, means: Means | None = None
) -> np.ndarray:
    """sum_h c(h) D_t(h), with D of each of P sets of weights [P, T].

    Parameters
    ----------
    weights : float64 [P, T]
    coefficients : float64 [Q, P, G]
    means : Means, optional
        Of these weights, where they are known: then each block is read once instead of twice.

    Returns
    -------
    float64 [Q, P, T]
    """
    n_sets, n_problems, _ = coefficients.shape
    filled = _filled(weights)
    largest = np.abs(coefficients).max(axis=2, keepdims=True)  # brought to 1: else products leave single precision
    largest[largest == 0] = 1.0
    total = np.zeros((frames.n_frames, n_sets * len(filled)))

    def work(block: Block) -> Array:
        c = np.zeros((n_sets, len(filled), block.share.shape[1]))
        np.divide(coefficients[..., block.groups], largest, out=c[:, :n_problems, : _size(block.groups)])
        mean = (
            _mean(_like(filled, block), block.rows, block.share) if means is None else means.blocks[block.groups.start]
        )
        return _contract(mean, _like(c, block), block.rows, *_of(block), frames.sign)

    for _, part in _in_turn(frames, work):
        total += np.asarray(part)
    return total.T.reshape(n_sets, len(filled), -1)[:, :n_problems] * largest


def powers(frames: FrameBlocks, coefficients: np.ndarray) -> np.ndarray:
    """sum_h c(h) power_t(h), power the Laue average of |E|^2, for c float64 [G]: float64 [T]."""
    total = np.zeros(frames.n_frames)
    for _, part in _in_turn(frames, lambda block: _powers(block.rows, _padded(coefficients, block))):
        total += np.asarray(part)
    return total


@dataclass(frozen=True, eq=False)
class Lines:
    """x(w + a d) = x(w) + a first + a^2 second for P sets of weights w and directions d.

    Attributes
    ----------
    first, second : float64 [P, G]
    means : Means or None
        Of the directions, where those of the weights were known.
    """

    first: np.ndarray
    second: np.ndarray
    means: Means | None

    def at(self, x: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Intensities [P, G] at step lengths alpha [P] from those with the intensities x."""
        a = alpha[:, None]
        return np.asarray(x + a * self.first + a**2 * self.second)


def lines(frames: FrameBlocks, weights: np.ndarray, directions: np.ndarray, means: Means | None = None) -> Lines:
    """x along the lines from P sets of weights [P, T] in directions [P, T] of sum zero; `means` are of the weights."""
    first, second = np.empty((2, len(weights), frames.n_groups))
    w, d = _filled(weights), _filled(directions)
    changes: dict[int, Array] = {}

    def work(block: Block) -> tuple[Array, Array, Array]:
        return _line(_mean_at(w, block, means), _like(d, block), block.rows, *_of(block), frames.sign)

    for groups, (*both, change) in _in_turn(frames, work):
        for found, part in zip((first, second), both, strict=True):
            _store(found, groups, part)
        if means is not None:
            changes[groups.start] = change
    return Lines(first, second, None if means is None else Means(changes))


def gram(frames: FrameBlocks, weights: np.ndarray, mixtures: Mixtures, metric: Metric) -> np.ndarray:
    """<D_s, Omega D_t> between columns that are frames or mixtures of frames, at weights [T].

    With Omega = (1 - L R)^T W (1 - L R) it is A - B C^T - C B^T + B (L^T W L) B^T, where A = D W D^T, B = D R^T and
    C = D W L are sums over blocks.

    Returns
    -------
    float64 [n, n]
        First the chosen frames, then the mixtures.
    """
    n, rank = len(mixtures.frames), metric.left.shape[1]
    padded = np.zeros(_bucket(n), dtype=np.int32)
    padded[:n] = mixtures.frames
    total = len(padded) + len(mixtures.rest)
    a, other = np.zeros((total, total)), np.zeros((total, 2 * rank))
    size = np.ones(total)
    heaviest = float(metric.weight.max(initial=0.0)) or 1.0
    weight = metric.weight / heaviest
    root, middle = np.sqrt(weight), np.zeros((rank, rank))

    def work(block: Block) -> tuple[Array | np.ndarray, Array | np.ndarray]:
        nonlocal size, middle
        left = metric.left[block.groups]
        middle += (left * weight[block.groups, None]).T @ left
        given = [_padded(part, block) for part in (root, metric.left.T, metric.right)]
        columns = _columns(
            _like(weights[None], block), padded, _like(mixtures.rest, block), block.rows, *_of(block), frames.sign
        )
        size = np.asarray(_sizes(columns), dtype=np.float64) if block.groups.start == 0 else size
        scaled = _scaled(columns, _like(size, block), *given)
        return products(*scaled)

    for _, parts in _in_turn(frames, work):
        for sum_, part in zip((a, other), parts, strict=True):
            sum_ += np.asarray(part)
    b, c = other[:, :rank], other[:, rank:]
    cross = c - b @ middle / 2
    found = (a - b @ cross.T - cross @ b.T) * np.outer(size, size) * heaviest
    kept = np.r_[0:n, len(padded) : total]
    return found[np.ix_(kept, kept)]


def _mean_at(weights: np.ndarray, block: Block, known: Means | None) -> Array:
    """Mean of E on a block, looked up where it is known: [P, 2K, B]."""
    return _mean(_like(weights, block), block.rows, block.share) if known is None else known.blocks[block.groups.start]


_Found = TypeVar("_Found")


def _in_turn(frames: FrameBlocks, work: Callable[[Block], _Found]) -> Iterator[tuple[slice, _Found]]:
    """Groups and result of every block; each device is given its next block before the result is waited for."""
    started: deque[tuple[slice, _Found]] = deque()
    for block in frames:
        started.append((block.groups, work(block)))
        if len(started) == jax.local_device_count():
            yield started.popleft()
    yield from started


def _of(block: Block) -> tuple[Array, Array]:
    return block.share, block.centre


def _padded(values: np.ndarray, block: Block) -> Array:
    """Values [..., G] of a block's groups, zero for those that only fill it."""
    part = values[..., block.groups]
    return _like(np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, block.share.shape[1] - _size(block.groups))]), block)


class Mixtures:
    """Columns of a Gram matrix: some frames, and rows [r, T] of weights of frames taken together (sum one)."""

    def __init__(self, frames: np.ndarray, rest: np.ndarray) -> None:
        self.frames, self.rest = frames, rest


def _bucket(n: int) -> int:
    """Few sizes, so that few are compiled: multiples of 64 up to 512, then of 256."""
    step = 64 if n <= 512 else 256
    return -(-max(n, 1) // step) * step


def _like(values: np.ndarray, block: Block) -> Array:
    return jnp.asarray(values, dtype=block.rows.dtype)


def _size(groups: slice) -> int:
    return int(groups.stop - groups.start)


def _filled(weights: np.ndarray) -> np.ndarray:
    """Sets of weights filled up with empty ones to 1, 8, 16, 32..., so that few shapes are compiled."""
    return np.pad(weights, ((0, _full(len(weights)) - len(weights)), (0, 0)))


def _full(n: int) -> int:
    return 1 if n == 1 else max(8, 1 << (n - 1).bit_length())


def _store(found: np.ndarray, groups: slice, part: Array) -> None:
    found[:, groups] = np.asarray(part)[: len(found), : _size(groups)]


def _split(product: Array, share: Array) -> tuple[Array, Array]:
    """Mean structure factors [P, 2K, B] and mean power [P, B] of W R."""
    n_copies, size = share.shape
    cube = product.reshape(len(product), 2 * n_copies + 1, size)
    return cube[:, : 2 * n_copies], cube[:, -1]


def _both(share: Array) -> Array:
    """The share of real and of imaginary parts: [2K, B]."""
    return jnp.concatenate([share, share])


def _bragg(mean: Array, share: Array) -> Array:
    return jnp.sum(_both(share) * mean**2, axis=1)


def _power(power: Array, sign: Array) -> Array:
    return jnp.where(sign > 0, power, 0.0)


@jax.jit
def _intensity(weights: Array, rows: Array, share: Array, centre: Array, sign: Array) -> tuple[Array, Array]:
    mean, power = _split(weights @ rows, share)
    return _power(power, sign) - sign * _bragg(mean + centre, share), mean


@jax.jit
def _mean(weights: Array, rows: Array, share: Array) -> Array:
    return _split(weights @ rows, share)[0]


@jax.jit
def _powers(rows: Array, c: Array) -> Array:
    return rows[:, -len(c) :] @ c


@jax.jit
def _moved(mean: Array, direction: Array, alpha: Array) -> Array:
    return mean + alpha[:, None, None] * direction


@jax.jit
def _line(
    mean: Array, directions: Array, rows: Array, share: Array, centre: Array, sign: Array
) -> tuple[Array, Array, Array]:
    change, power = _split(directions @ rows, share)
    first = _power(power, sign) - 2 * sign * jnp.sum(_both(share) * (mean + centre) * change, axis=1)
    return first, -sign * _bragg(change, share), change


@jax.jit
def _contract(mean: Array, c: Array, rows: Array, share: Array, centre: Array, sign: Array) -> Array:
    total = mean + centre
    slope = -2 * sign * _both(share) * total  # [P, 2K, B]
    local = jnp.concatenate([c[:, :, None] * slope, (_power(c, sign))[:, :, None]], axis=2)
    flat = local.reshape(-1, rows.shape[1])
    constant = _constant(mean, total, share, sign)
    return rows @ flat.T + jnp.sum(c * constant, axis=2).reshape(-1)


def _constant(mean: Array, total: Array, share: Array, sign: Array) -> Array:
    """What makes sum_t w_t D_t = x: [P, B]."""
    return sign * jnp.sum(_both(share) * (2 * total * mean - total**2), axis=1)


@jax.jit
def _columns(
    weights: Array, chosen: Array, rest: Array, rows: Array, share: Array, centre: Array, sign: Array
) -> Array:
    """D of some frames, and of mixtures of all: [n, B]."""
    mean, _ = _split(weights @ rows, share)
    total = mean + centre
    parts, power = _split(jnp.concatenate([rows[chosen], rest @ rows]), share)
    columns = _power(power, sign) - 2 * sign * jnp.sum(_both(share) * total * parts, axis=1)
    return columns + _constant(mean, total, share, sign)


@jax.jit
def _sizes(columns: Array) -> Array:
    """A usual size of each column, to which it is brought: squares of intensities can be beyond single precision."""
    size = jnp.max(jnp.abs(columns), axis=1)
    return jnp.where(size > 0, size, 1.0)


@jax.jit
def _scaled(columns: Array, size: Array, root: Array, left: Array, right: Array) -> tuple[Array, Array]:
    """V = D W^(1/2), with columns brought to their `size`, and beside it (R W^(-1/2)) and (W^(1/2) L)^T, [2 r, B].

    A and [B, C] of a block (see `gram`) are products of these: R is zero where W is.
    """
    others = jnp.concatenate([jnp.where(root > 0, right / jnp.where(root > 0, root, 1.0), 0.0), left * root])
    return columns * (root / size[:, None]), others
