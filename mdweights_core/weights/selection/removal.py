"""The score after the removal of any one frame, for all frames in one pass over the structure factors.

With n frames kept alike, x their intensity, m their mean of E and D_t = |E_t - m|^2 (Laue-averaged), the sums
S1 = sum |E|^2 and S2 = sum E without frame t give exactly

    (S1 - |E_t|^2) / (n - 1) - |S2 - E_t|^2 / (n - 1)^2 = n / (n - 1) * (x - D_t / (n - 1)),

and with any weights w it is x - w_t / (1 - w_t) D_t, up to a factor that a correlation does not see. So it needs
<x, x>, <x, D_t>, <y, D_t> and <D_t, D_t> only. D_t is made anew in every sweep, since m moves in all reflections:
updating <D_t, D_t> from the sweep before needs products of D_t with E_t, which are a pass over the same numbers. With
r columns of the metric (shells and a mean), K images and G groups a sweep costs T G (4 K + 4 r + 9) operations and
reads T G (2 K + 1) numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.weights.frames.blocks import Block, FrameBlocks
from mdweights_core.weights.objectives.base import Linearisation, Metric

Array = jax.Array
_FLAT = 1e-12


def scores_without(
    frames: FrameBlocks, weights: np.ndarray, at: Linearisation, metric: Metric, clock: Clock, snapshot: Progress
) -> Job[np.ndarray]:
    """The correlation without each of the frames that have a weight.

    Parameters
    ----------
    frames : FrameBlocks
        Of diffuse intensity.
    weights : float64 [n_frames]
        Sum one; at least two are not zero.
    at : Linearisation
        Of the correlation at the intensity of these weights, for one problem.
    metric : Metric
        The same one's.
    clock : Clock
    snapshot : Progress
        Yielded when the clock says so.

    Returns
    -------
    float64 [n_frames]
        Minus infinity for frames without weight.
    """
    products = yield from frame_products(frames, weights, at, metric, clock, snapshot)
    return np.where(weights > 0, products.without_each(weights, at), -np.inf)


@dataclass(frozen=True, eq=False)
class FrameProducts:
    """Products of each D_t, all after the projection Omega of the correlation.

    Attributes
    ----------
    response, image : float64 [n_frames]
        <y, D_t> with y of unit length, and <x, D_t>.
    norm2 : float64 [n_frames]
        <D_t, D_t>.
    others : float64 [n_frames, n]
        <D_t, r> with any other maps r.
    """

    response: np.ndarray
    image: np.ndarray
    norm2: np.ndarray
    others: np.ndarray

    def without_each(self, weights: np.ndarray, at: Linearisation) -> np.ndarray:
        """The correlation without each of the frames, float64 [n_frames]; `weights` and `at` as they were."""
        overlap, length2 = at.rho * np.sqrt(at.norm2), at.norm2
        step = weights / (1.0 - weights)
        norm2 = length2 - 2 * step * self.image + step**2 * self.norm2
        # rounding may leave nothing, or less, of the intensity of two equal frames
        return (overlap - step * self.response) / np.sqrt(np.maximum(norm2, _FLAT * length2))


def frame_products(
    frames: FrameBlocks,
    weights: np.ndarray,
    at: Linearisation,
    metric: Metric,
    clock: Clock,
    snapshot: Progress,
    others: Callable[[int], np.ndarray] | None = None,
) -> Job[FrameProducts]:
    """All products in one pass.

    `others` gives further maps on the next so many reflections, float64 [n, number]: their products are taken block by
    block, so that they need not be there as a whole. The rest is as in `scores_without`.
    """
    rank, n_others = len(metric.right), 0 if others is None else len(others(0))
    sums = np.zeros((len(weights), 2 * rank + 2 + n_others))
    squares, inner, ours = np.zeros(len(weights)), np.zeros((rank, rank)), np.zeros((2 * rank, n_others))
    for block in frames:
        here = block.groups
        right, left, weight = metric.right[:, here], metric.left[here].T, metric.weight[here]
        columns = [right, weight * left, at.response[:, here], at.image[:, here]]
        if others is not None:
            maps = others(len(weight))
            ours += np.vstack([right, weight * left]) @ maps.T
            columns.append(weight * maps)
        inner += (weight * left) @ left.T
        part_sums, part_squares = _block_sums(weights, block, np.vstack(columns), weight)
        sums += part_sums
        squares += part_squares
        if clock.is_due():
            yield snapshot
    of_metric, (response, image), of_others = (
        sums[:, : 2 * rank],
        sums[:, 2 * rank : 2 * rank + 2].T,
        sums[:, 2 * rank + 2 :],
    )
    return FrameProducts(
        response, image, _norms(of_metric, squares, inner), _projected(of_metric, of_others, ours, inner)
    )


def _block_sums(
    weights: np.ndarray, block: Block, columns: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """sum_h columns(h) D_t(h) [n_frames, n_columns] and sum_h weight(h) D_t(h)^2 [n_frames] over one block."""
    dtype, empty = block.rows.dtype, block.share.shape[1] - columns.shape[1]
    filled = np.pad(np.vstack([columns, weight]), ((0, 0), (0, empty)))
    largest = np.abs(filled).max(axis=1)  # brought to 1: else products leave single precision
    largest[largest == 0] = 1.0
    even = jnp.asarray(filled / largest[:, None], dtype=dtype)
    found = _sums(jnp.asarray(weights, dtype=dtype), even, block.rows, block.share)
    sums, squares, size = (np.asarray(part, dtype=np.float64) for part in found)
    return sums * size * largest[:-1], squares * size**2 * largest[-1]


@jax.jit
def _sums(weights: Array, columns: Array, rows: Array, share: Array) -> tuple[Array, Array, Array]:
    """Sums of D_t / size and of its square, and that size."""
    n_copies, size = share.shape
    both = jnp.concatenate([share, share])
    mean = (weights @ rows)[: 2 * n_copies * size].reshape(2 * n_copies, size)
    slope = jnp.concatenate([-2 * both * mean, jnp.ones((1, size), dtype=rows.dtype)])
    distance = jnp.sum(rows.reshape(len(rows), -1, size) * slope, axis=1) + jnp.sum(both * mean**2, axis=0)
    largest = jnp.max(jnp.abs(distance))
    usual = jnp.where(largest > 0, largest, 1.0)
    distance = distance / usual
    return distance @ columns[:-1].T, distance**2 @ columns[-1], usual


def _norms(sums: np.ndarray, squares: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """<D_t, D_t> of the sums of D_t with the rows of `right` and with those of weight * left: float64 [n_frames].

    `inner` is left^T weight left.
    """
    right, left = np.split(sums, 2, axis=1)
    return squares - 2 * np.sum(right * left, axis=1) + np.sum((right @ inner) * right, axis=1)


def _projected(sums: np.ndarray, products: np.ndarray, maps: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """<D_t, r> after the projection: float64 [n_frames, n].

    Parameters
    ----------
    sums : float64 [n_frames, 2 rank]
        Of D_t with the rows of `right` and with those of weight * left.
    products : float64 [n_frames, n]
        Of D_t with weight * r.
    maps : float64 [2 rank, n]
        Of r with the same rows.
    inner : float64 [rank, rank]
        left^T weight left.
    """
    (right, left), (by_right, by_left) = np.split(sums, 2, axis=1), np.split(maps, 2)
    return products - left @ by_right - right @ (by_left - inner @ by_right)
