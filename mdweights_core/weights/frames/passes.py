"""Passes over the structure factors of all frames, jitted: every question a fit asks is one or two matrix products.

With m the weighted mean of E on every image, c the `centre` and s the `sign` of the blocks,

    x = w.power - s sum_k share_k |m_k + c_k|^2     (s = 1, c = 0: diffuse;  s = -1, no power, c = <F>: Bragg)

and along the simplex dx/dw_t = D_t - x with D_t = power_t - 2 s sum_k share_k Re conj(m_k + c_k) E_tk + const, where
the constant makes sum_t w_t D_t = x (for the diffuse intensity D_t = |E_t - m|^2).

Arrays of the frames are float32, sums over blocks and results float64. Arrays are arguments: captured ones would be
compiled in as constants.
"""

from __future__ import annotations


import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.weights.frames.blocks import Block, FrameBlocks
from mdweights_core.weights.objectives.base import Metric

Array = jax.Array
_GRAM_COLUMNS = 4096


def intensities(frames: FrameBlocks, weights: np.ndarray) -> np.ndarray:
    """Calculated intensity of P normalised sets of weights [P, T]: float64 [P, G]."""
    found = np.empty((len(weights), frames.n_groups))
    for block in frames:
        x = _intensity(_like(weights, block), block.rows, block.share, block.centre, frames.sign)
        _store(found, block, x)
    return found


def means(frames: FrameBlocks, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of E [P, T] -> complex64 [P, K, G]."""
    k = frames.n_copies
    found = np.empty((len(weights), k, frames.n_groups), dtype=np.complex64)
    for block in frames:
        m = np.asarray(_split(_like(weights, block) @ block.rows, block.share)[0])[..., : _size(block)]
        found[:, :, block.groups] = m[:, :k] + 1j * m[:, k:]
    return found


def contractions(frames: FrameBlocks, weights: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """sum_h c(h) D_t(h), with D of each of P sets of weights [P, T].

    Parameters
    ----------
    weights : float64 [P, T]
    coefficients : float64 [Q, P, G]

    Returns
    -------
    float64 [Q, P, T]
    """
    n_sets, n_problems, _ = coefficients.shape
    total = np.zeros((frames.n_frames, n_sets * n_problems))
    for block in frames:
        c = np.zeros((n_sets, n_problems, block.share.shape[1]))
        c[..., : _size(block)] = coefficients[..., block.groups]
        w = _like(weights, block)
        total += np.asarray(_contract(w, _like(c, block), block.rows, block.share, block.centre, frames.sign))
    return total.T.reshape(n_sets, n_problems, -1)


def lines(frames: FrameBlocks, weights: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second order of x(w + a d) = x(w) + a first + a^2 second; directions [P, T] of sum zero: [P, G] each."""
    first, second = np.empty((2, len(weights), frames.n_groups))
    for block in frames:
        both = _line(
            _like(weights, block), _like(directions, block), block.rows, block.share, block.centre, frames.sign
        )
        for found, part in zip((first, second), both, strict=True):
            _store(found, block, part)
    return first, second


def gram(frames: FrameBlocks, weights: np.ndarray, mixtures: Mixtures, metric: Metric) -> np.ndarray:
    """<D_s, Omega D_t> over the groups of `frames` (one block) between columns that are frames or mixtures of frames.

    Returns
    -------
    float64 [n, n]
        First the chosen frames, then the mixtures.
    """
    block = next(iter(frames))
    n = len(mixtures.frames) + len(mixtures.rest)
    padded = np.zeros(_bucket(len(mixtures.frames)), dtype=np.int32)
    padded[: len(mixtures.frames)] = mixtures.frames
    parts = (np.sqrt(metric.weight), metric.left, metric.right)
    products, size = _gram(
        _like(weights, block),
        jnp.asarray(padded),
        _like(mixtures.rest, block),
        *(_like(part, block) for part in parts),
        block.rows,
        block.share,
        block.centre,
        frames.sign,
    )
    kept = np.r_[0 : len(mixtures.frames), len(padded) : len(padded) + len(mixtures.rest)]
    size = np.asarray(size, dtype=np.float64)[kept]
    found = np.asarray(products)[np.ix_(kept, kept)] * np.outer(size, size)
    assert found.shape == (n, n)
    return found


class Mixtures:
    """Columns of a Gram matrix: some frames, and rows [r, T] of weights of frames taken together (sum one)."""

    def __init__(self, frames: np.ndarray, rest: np.ndarray) -> None:
        self.frames, self.rest = frames, rest


def _bucket(n: int) -> int:
    """Few sizes, so that few are compiled: multiples of 128 up to 1024, then of 512."""
    step = 128 if n <= 1024 else 512
    return -(-max(n, 1) // step) * step


def _like(values: np.ndarray, block: Block) -> Array:
    return jnp.asarray(values, dtype=block.rows.dtype)


def _size(block: Block) -> int:
    return int(block.groups.stop - block.groups.start)


def _store(found: np.ndarray, block: Block, part: Array) -> None:
    found[:, block.groups] = np.asarray(part)[:, : _size(block)]


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
def _intensity(weights: Array, rows: Array, share: Array, centre: Array, sign: Array) -> Array:
    mean, power = _split(weights @ rows, share)
    return _power(power, sign) - sign * _bragg(mean + centre, share)


@jax.jit
def _line(
    weights: Array, directions: Array, rows: Array, share: Array, centre: Array, sign: Array
) -> tuple[Array, Array]:
    mean, power = _split(jnp.concatenate([weights, directions]) @ rows, share)
    n = len(weights)
    first = _power(power[n:], sign) - 2 * sign * jnp.sum(_both(share) * (mean[:n] + centre) * mean[n:], axis=1)
    return first, -sign * _bragg(mean[n:], share)


@jax.jit
def _contract(weights: Array, c: Array, rows: Array, share: Array, centre: Array, sign: Array) -> Array:
    mean, power = _split(weights @ rows, share)
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
def _gram(
    weights: Array,
    chosen: Array,
    rest: Array,
    root: Array,
    left: Array,
    right: Array,
    rows: Array,
    share: Array,
    centre: Array,
    sign: Array,
) -> tuple[Array, Array]:
    """Products of columns brought to size one, float32 in blocks summed in float64, and their sizes."""
    mean, _ = _split(weights[None] @ rows, share)
    total = mean + centre
    picked = jnp.concatenate([rows[chosen], rest @ rows])
    parts, power = _split(picked, share)
    columns = _power(power, sign) - 2 * sign * jnp.sum(_both(share) * total * parts, axis=1)
    columns = columns + _constant(mean, total, share, sign)
    columns = (columns - (columns @ right.T) @ left.T) * root
    size = jnp.max(jnp.abs(columns), axis=1)
    size = jnp.where(size > 0, size, 1.0)
    return _products(columns / size[:, None]), size


def _products(rows: Array) -> Array:
    n_blocks = -(-rows.shape[1] // _GRAM_COLUMNS)
    padded = jnp.pad(rows, ((0, 0), (0, n_blocks * _GRAM_COLUMNS - rows.shape[1])))

    def add(i: Array, total: Array) -> Array:
        block = jax.lax.dynamic_slice_in_dim(padded, i * _GRAM_COLUMNS, _GRAM_COLUMNS, axis=1)
        return total + (block @ block.T).astype(jnp.float64)

    start = jnp.zeros((rows.shape[0], rows.shape[0]), dtype=jnp.float64)
    return jax.lax.fori_loop(0, n_blocks, add, start)
