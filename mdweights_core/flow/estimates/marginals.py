"""Two coordinates at once, such as the angles of a Ramachandran plot, and how far two distributions are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.log_weights import effective_number
from mdweights_core.flow.estimates.profile import bin_of

_FLOOR = 1e-10  # added to the share of every bin before logarithms are taken, as others who quote this number do


@dataclass(frozen=True, eq=False)
class Marginal:
    """Shares of the weight on a grid of two coordinates.

    Attributes
    ----------
    first, second : float64 [n + 1], float64 [m + 1]
        Edges of the bins.
    share : float64 [n, m]
        Of sum 1.
    n_effective : float
        Effective number of independent samples, after Kish.
    outside : float
        Share of the weight beyond the edges, which `share` leaves out.
    """

    first: np.ndarray
    second: np.ndarray
    share: np.ndarray
    n_effective: float
    outside: float


def marginal(
    first: np.ndarray, second: np.ndarray, edges: tuple[np.ndarray, np.ndarray], weights: np.ndarray
) -> Marginal:
    """Weighted histogram of two coordinates [S] each over the given edges; periodic ones are wrapped before.

    Raises
    ------
    BadInput
        When nothing lies within the edges.
    """
    rows, columns = bin_of(first, edges[0]), bin_of(second, edges[1])
    shape = len(edges[0]) - 1, len(edges[1]) - 1
    inside = (rows >= 0) & (columns >= 0)
    place = rows[inside] * shape[1] + columns[inside]
    share = np.bincount(place, weights=weights[inside], minlength=shape[0] * shape[1]).reshape(shape)
    total = float(weights.sum())
    within = float(share.sum())
    if within <= 0:
        raise BadInput("No sample lies within the bins", advice="Choose bins where samples are")
    return Marginal(edges[0], edges[1], share / within, effective_number(weights[inside]), 1 - within / total)


@dataclass(frozen=True)
class Distance:
    """How far two distributions on the same bins are apart.

    Attributes
    ----------
    total_variation : float
        Half the summed absolute differences: 0 for the same, 1 for those that share no bin.
    by_chance : float
        The total variation to be expected of two sets of as many independent samples of one distribution.
    forward : float
        Kullback-Leibler divergence of the second from the first, sum p ln(p / q), with 1e-10 added to each bin.
    reverse : float
        The other way round, sum q ln(q / p).
    jensen_shannon : float
        Mean divergence of both from their mean, at most ln 2.
    """

    total_variation: float
    by_chance: float
    forward: float
    reverse: float
    jensen_shannon: float


def distance(p: np.ndarray, q: np.ndarray, n_p: float, n_q: float) -> Distance:
    """Compare two distributions.

    Parameters
    ----------
    p, q : float64 [...]
        Shares in the same bins, of sum 1.
    n_p, n_q : float
        Effective number of independent samples of each.
    """
    return Distance(
        total_variation=float(np.abs(p - q).sum() / 2),
        by_chance=_variation_by_chance(p, q, n_p, n_q),
        forward=_divergence(p, q),
        reverse=_divergence(q, p),
        jensen_shannon=(_divergence(p, (p + q) / 2) + _divergence(q, (p + q) / 2)) / 2,
    )


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    p, q = ((x + _FLOOR) / (x + _FLOOR).sum() for x in (p, q))
    return float(np.sum(p * np.log(p / q)))


def _variation_by_chance(p: np.ndarray, q: np.ndarray, n_p: float, n_q: float) -> float:
    """Half the summed mean absolute difference of two counts of the pooled distribution, taken to be normal.

    Where less than a count is expected in a bin, what was found there in both is the most that chance can do.
    """
    pooled = (n_p * p + n_q * q) / (n_p + n_q)
    normal = np.sqrt(2 / np.pi * pooled * (1 - pooled) * (1 / n_p + 1 / n_q))
    return float(np.minimum(normal, 2 * pooled).sum() / 2)
