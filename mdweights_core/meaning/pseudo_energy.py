"""Weights as energies: what a frame would have to be lower in energy by, to have the weight it was given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdweights_core.energy.settings import GAS_CONSTANT

ZERO = 1e-6
"""Below this part of the prior weight a weight counts as zero: a solver that stops has no fewer."""


class PseudoEnergy(NamedTuple):
    """Energies, their errors and the bounds of those that are infinite; kJ/mol, float64 [n_frames]."""

    energy: np.ndarray
    error: np.ndarray
    bound: np.ndarray


def pseudo_energy(
    weights: np.ndarray, prior: np.ndarray, weight_error: np.ndarray | None, temperature: float
) -> PseudoEnergy:
    """-kT ln(w / w0) of every frame.

    The error is kT error(w) / w, to first order. A weight of zero has an infinite energy; what it is above at 95 %
    confidence is that of a weight of two standard errors, or, without an error, of `ZERO`.

    Parameters
    ----------
    weights, prior : float64 [n_frames]
        A frame without prior weight has no energy (NaN).
    weight_error : float64 [n_frames] or None
        Standard errors, NaN where unknown.
    temperature : float
        K.
    """
    kt = GAS_CONSTANT * temperature
    has_prior = prior > 0
    ratio = np.divide(weights, prior, out=np.full(len(prior), np.nan), where=has_prior)
    is_zero = ratio < ZERO
    error = np.full(len(prior), np.nan) if weight_error is None else np.asarray(weight_error, dtype=np.float64)
    energy = np.full(len(prior), np.nan)
    energy[is_zero] = np.inf
    tells = has_prior & ~is_zero
    energy[tells] = -kt * np.log(ratio[tells])
    spread = np.divide(kt * error, weights, out=np.full(len(prior), np.nan), where=tells)
    least = np.divide(2 * error, prior, out=np.zeros(len(prior)), where=has_prior & np.isfinite(error))
    bound = np.where(is_zero, -kt * np.log(np.clip(least, ZERO, None)), np.nan)
    return PseudoEnergy(energy, spread, bound)
