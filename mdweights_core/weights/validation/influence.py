"""What single frames of the prior ensemble do to the score, in one pass over the structure factors."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.weights.frames.blocks import Block
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.validation.bench import Bench

Array = jax.Array
_N_RANDOM = 64
_N_LEADING = 3


@dataclass(frozen=True, eq=False)
class FrameSeries:
    """Frames of the prior ensemble one by one.

    Attributes
    ----------
    gradient : float64 [n_frames]
        Of the score in the weights.
    influence : float64 [n_frames]
        First-order change of the score when one frame is doubled.
    leave_one_out : float64 [n_frames]
        Exact change of the score when one frame is taken out.
    leading : float64 [n_leading, n_frames]
        Directions in which the frames' intensities differ most, over the frames.
    """

    gradient: np.ndarray
    influence: np.ndarray
    leave_one_out: np.ndarray
    leading: np.ndarray

    @property
    def slow(self) -> np.ndarray:
        """Series whose memory tells the frames' : float64 [1 + n_leading, n_frames]."""
        return np.vstack([self.gradient, self.leading])


def frame_series(bench: Bench, rng: np.random.Generator) -> Job[FrameSeries]:
    """Influence, leave-one-out and leading directions at the prior weights.

    Without frame t of weight w the intensity is proportional to x - w / (1 - w) D_t with D_t = |F_t - <F>|^2, and the
    score knows no scale. So three products tell it exactly: of D_t with the observed map, with x and with itself, all
    after the projection Omega of the score. Products with random maps give the leading directions [1].

    References
    ----------
    .. [1] Halko, Martinsson & Tropp, SIAM Rev. 53 (2011) 217.
    """
    prior, rows = bench.prior, bench.rows
    x = intensities(bench.terms[0].frames, prior[None])
    at, metric = bench.score.linearise(x, rows[None]), bench.score.metric(x[0], rows)
    bent = metric.left.T * metric.weight
    r = len(bent)
    columns = np.vstack([at.response, at.image, metric.right, bent, _random_maps(bench, rng)])
    products, squares = yield from _all_products(bench, columns, metric.weight)
    response, image = products[:, 0], products[:, 1]
    means, leaning, chance = np.split(products[:, 2:], [r, 2 * r], axis=1)
    # |V D|^2 with V = weight^(1/2) (1 - left right), multiplied out
    norms = squares - 2 * (means * leaning).sum(axis=1) + ((means @ (bent @ metric.left)) * means).sum(axis=1)
    rho, norm2 = float(at.rho[0]), float(at.norm2[0])
    gradient = response / np.sqrt(norm2) - rho * image / norm2
    return FrameSeries(
        gradient=gradient,
        influence=prior * (gradient - prior @ gradient),
        leave_one_out=_without(response, image, norms, prior, rho, norm2) - rho,
        leading=_leading(chance, prior),
    )


def _all_products(bench: Bench, columns: np.ndarray, weight: np.ndarray) -> Job[tuple[np.ndarray, np.ndarray]]:
    """sum_h D_t(h) c(h) for each of `columns` [n, G], and sum_h weight(h) D_t(h)^2: [T, n] and [T]."""
    products, squares = np.zeros((len(bench.prior), len(columns))), np.zeros(len(bench.prior))
    clock = Clock()
    for block in bench.terms[0].frames:
        part = _block_products(bench.prior, block, columns, weight)
        products, squares = products + np.asarray(part[0]), squares + np.asarray(part[1])
        if clock.is_due():
            yield Progress("validation", message="Influence of single frames")
    return products, squares


def _without(
    response: np.ndarray, image: np.ndarray, norms: np.ndarray, prior: np.ndarray, rho: float, norm2: float
) -> np.ndarray:
    """The score without each frame."""
    a = prior / (1.0 - prior)
    overlap = rho * np.sqrt(norm2) - a * response
    length2 = norm2 - 2 * a * image + a**2 * np.maximum(norms, 0.0)
    return overlap / np.sqrt(np.maximum(length2, np.finfo(np.float64).tiny))


def _random_maps(bench: Bench, rng: np.random.Generator) -> np.ndarray:
    """Maps of random signs, each reflection on the scale of its shell and without the shell mean: [n, G]."""
    n = len(bench.rows)
    signs = rng.choice([-1.0, 1.0], (_N_RANDOM, n))
    return bench.score.linearise(signs, np.broadcast_to(bench.rows, signs.shape)).image


def _leading(products: np.ndarray, prior: np.ndarray) -> np.ndarray:
    vectors, _, _ = np.linalg.svd(products - prior @ products, full_matrices=False)
    return vectors[:, :_N_LEADING].T


def _block_products(prior: np.ndarray, block: Block, columns: np.ndarray, weight: np.ndarray) -> tuple[Array, Array]:
    n = block.groups.stop - block.groups.start
    filled = np.zeros((len(columns) + 1, block.share.shape[1]))
    filled[:-1, :n], filled[-1, :n] = columns[:, block.groups], weight[block.groups]
    return _products(jnp.asarray(prior), block.rows, block.share, jnp.asarray(filled))


@jax.jit
def _products(prior: Array, rows: Array, share: Array, columns: Array) -> tuple[Array, Array]:
    """D columns^T and the weighted squares of D, D_t = |E_t - m|^2 averaged over the images."""
    n_copies, size = share.shape
    cube = rows.reshape(len(rows), 2 * n_copies + 1, size)
    both = jnp.concatenate([share, share])
    mean = jnp.tensordot(prior.astype(rows.dtype), cube[:, :-1], 1)
    cross = jnp.einsum("tkb,kb->tb", cube[:, :-1], both * mean)
    d = (cube[:, -1] - 2 * cross + jnp.sum(both * mean**2, axis=0)).astype(columns.dtype)
    return d @ columns[:-1].T, d**2 @ columns[-1]
