"""Free energy along a coordinate, from weighted samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.estimates.log_weights import normalised
from mdweights_core.flow.estimates.resampling import drawn_shares, honest, scatter_of_logs

BINS = 50
_LEAST = 0.01  # of a sample's average weight: a bin with less is empty


@dataclass(frozen=True, eq=False)
class Profile:
    """Free energy along a coordinate, per unit of it.

    Attributes
    ----------
    edges : float64 [n + 1]
        Of the bins, in the unit of the coordinate.
    free_energy : float64 [n]
        -ln of the density, kT, 0 at its lowest; NaN in bins without weight.
    error : float64 [n]
        Standard error of -ln of the density, kT: no bin is taken to be exact, not even the lowest.
    n_effective : float64 [n]
        Effective number of samples in each bin, after Kish.
    outside : float
        Share of the weight beyond the edges.
    period : float
        0 for a coordinate that is none.
    """

    edges: np.ndarray
    free_energy: np.ndarray
    error: np.ndarray
    n_effective: np.ndarray
    outside: float
    period: float

    @property
    def centres(self) -> np.ndarray:
        """Middles of the bins, float64 [n]."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def profile(
    log_w: np.ndarray,
    values: np.ndarray,
    bins: int | np.ndarray = BINS,
    *,
    period: float = 0.0,
    seed: int = 0,
) -> Profile:
    """-ln of the weighted histogram of a coordinate, with a band of standard errors.

    Bins that hold less than 0.01 of a sample's average weight are empty [1].

    Parameters
    ----------
    log_w : float64 [S]
        Of independent samples.
    values : float64 [S]
        The coordinate; NaN and inf are allowed for samples without weight only.
    bins : int or float64 [n + 1]
        Number, of equal bins between the outermost values that carry weight (or over the period), or edges, rising.
    period : float
        Of a periodic coordinate: values are brought between the first edge, or -period / 2, and one period further.

    Raises
    ------
    BadInput
        When values do not fit the weights, are not numbers, are all alike, or all lie beyond the edges.

    References
    ----------
    .. [1] Noé, Olsson, Köhler & Wu, Science 365 (2019) eaaw1147.
    """
    w, values = normalised(log_w), np.asarray(values, dtype=np.float64)
    _check(w, values)
    w, values = w[w > 0], values[w > 0]
    edges = _edges(values, bins, period)
    values = wrapped(values, edges[0], period)
    place = bin_of(values, edges)
    inside = place >= 0
    count = len(edges) - 1
    held = np.bincount(place[inside], weights=w[inside], minlength=count)
    squares = np.bincount(place[inside], weights=w[inside] ** 2, minlength=count)
    if not held.any():
        raise BadInput("No sample lies within the bins", advice="Choose bins where samples are")
    there = held * len(log_w) >= _LEAST
    effective = np.divide(held**2, squares, out=np.zeros(count), where=squares > 0)
    free_energy = np.full(count, np.nan)
    free_energy[there] = -np.log(held[there] / np.diff(edges)[there])
    error = honest(scatter_of_logs(drawn_shares(w, place, count, seed=seed)), effective)
    error[~there] = np.nan
    return Profile(edges, free_energy - np.nanmin(free_energy), error, effective, float(w[~inside].sum()), period)


def _check(w: np.ndarray, values: np.ndarray) -> None:
    if values.shape != w.shape:
        raise BadInput(f"{counted(len(values), 'value')} of a coordinate do not fit {counted(len(w), 'sample')}")
    wrong = int((~np.isfinite(values[w > 0])).sum())
    if wrong:
        raise BadInput(f"The coordinate of {counted(wrong, 'sample')} is not a number")


def _edges(values: np.ndarray, bins: int | np.ndarray, period: float) -> np.ndarray:
    if not isinstance(bins, int):
        edges = np.asarray(bins, dtype=np.float64)
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise BadInput("Edges of bins must rise")
        return edges
    if bins < 1:
        raise BadInput("A profile has one bin at least")
    if period:
        return np.linspace(-period / 2, period / 2, bins + 1)
    if values.min() == values.max():
        raise BadInput(f"The coordinate is {values[0]:.6g} in all samples, so that it has no profile")
    return np.linspace(values.min(), values.max(), bins + 1)


def wrapped(values: np.ndarray, first: float, period: float) -> np.ndarray:
    """Values of a periodic coordinate within one period from `first` on; as they are where the period is 0."""
    return first + np.mod(values - first, period) if period else values


def bin_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of each value, int [S]; -1 beyond the edges. The last bin holds its upper edge."""
    place = np.searchsorted(edges, values, side="right") - 1
    place[values == edges[-1]] = len(edges) - 2
    return np.where((values < edges[0]) | (values > edges[-1]), -1, place)
