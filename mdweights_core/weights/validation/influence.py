"""What single frames of the prior ensemble do to the score, in one pass over the structure factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.selection.removal import frame_products
from mdweights_core.weights.validation.bench import Bench

_N_RANDOM = 64
_SIGNS = np.array([-1.0, 1.0])
_N_LEADING = 3
_SNAPSHOT = Progress("validation", message="Influence of single frames")


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

    What a removal does is told by products of D_t = |F_t - <F>|^2 (see `selection.removal`). Products with maps of
    random signs give the leading directions [1].

    References
    ----------
    .. [1] Halko, Martinsson & Tropp, SIAM Rev. 53 (2011) 217.
    """
    prior, rows = bench.prior, bench.rows
    x = intensities(bench.terms[0].frames, prior[None])
    at, metric = bench.score.linearise(x, rows[None]), bench.score.metric(x[0], rows)
    products = yield from frame_products(
        bench.terms[0].frames, prior, at, metric, Clock(), _SNAPSHOT, lambda n: rng.choice(_SIGNS, (_N_RANDOM, n))
    )
    rho, norm2 = float(at.rho[0]), float(at.norm2[0])
    gradient = products.response / np.sqrt(norm2) - rho * products.image / norm2
    return FrameSeries(
        gradient=gradient,
        influence=prior * (gradient - prior @ gradient),
        leave_one_out=products.without_each(prior, at) - rho,
        leading=_leading(products.others, prior),
    )


def _leading(products: np.ndarray, prior: np.ndarray) -> np.ndarray:
    vectors, _, _ = np.linalg.svd(products - prior @ products, full_matrices=False)
    return vectors[:, :_N_LEADING].T
