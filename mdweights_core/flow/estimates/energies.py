"""Energies of frames, of samples as drawn, and of samples as weighted, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.flow.estimates.log_weights import normalised
from mdweights_core.flow.estimates.profile import bin_of
from mdweights_core.flow.estimates.reference import Reference

_TAIL = 1e-4  # of the weight that may lie above all bins
_WIDER = 0.5  # of the range of what has weight, for samples as drawn; those of clashes would stretch it without end
_BINS = 60


@dataclass(frozen=True, eq=False)
class EnergyHistograms:
    """Densities of reduced energies, per kT.

    Attributes
    ----------
    edges : float64 [n + 1]
        kT.
    raw, weighted : float64 [n]
        Of the samples as drawn and as weighted.
    reference : float64 [n]
        Of reference frames; empty where there are none.
    above : float
        Share of the samples as drawn beyond the last edge.
    """

    edges: np.ndarray
    raw: np.ndarray
    weighted: np.ndarray
    reference: np.ndarray
    above: float


def energy_histograms(
    u: np.ndarray, log_w: np.ndarray, frames_u: np.ndarray | None = None, reference: Reference | None = None
) -> EnergyHistograms:
    """Histograms over bins that hold all frames, next to all weight, and half as much again above.

    Parameters
    ----------
    u, log_w : float64 [S]
        Reduced energies, kT, inf where they clash; log-weights.
    frames_u : float64 [T], optional
        Of the reference frames.
    reference : Reference, optional
        Their weights.

    Raises
    ------
    BadInput
        When no sample has weight.
    """
    w = normalised(log_w)
    order = np.argsort(u)
    last = int(np.searchsorted(np.cumsum(w[order]), 1 - _TAIL))
    seen = np.array([u[order[0]], u[order[min(last, len(u) - 1)]], *([] if frames_u is None else frames_u)])
    most = seen.max() + max(_WIDER * float(np.ptp(seen)), 1.0)
    edges = np.linspace(seen.min(), most, _BINS + 1)
    empty = np.zeros(0)
    return EnergyHistograms(
        edges=edges,
        raw=_density(u, np.full(len(u), 1 / len(u)), edges),
        weighted=_density(u, w, edges),
        reference=empty if frames_u is None or reference is None else _density(frames_u, reference.weights, edges),
        above=float((u > edges[-1]).mean()),
    )


def _density(u: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    place = bin_of(u, edges)
    inside = place >= 0
    held = np.bincount(place[inside], weights=weights[inside], minlength=len(edges) - 1)
    return held / np.diff(edges)
