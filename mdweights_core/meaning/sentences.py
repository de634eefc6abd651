"""The main findings in sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.meaning.blocks import block_labels
from mdweights_core.meaning.features import ANGLE, FRAME
from mdweights_core.meaning.pseudo_energy import PseudoEnergy
from mdweights_core.meaning.result import CHANCE, Clusters, Feature, SetComparison
from mdweights_core.meaning.significance import adjusted, correlations

_TOLD = 3  # features of a family that are told one by one


def energy_sentence(energies: PseudoEnergy) -> str:
    """How far the weights are from the prior ones, as an energy."""
    n_infinite = int(np.isinf(energies.energy).sum())
    finite = energies.energy[np.isfinite(energies.energy)]
    parts = []
    if len(finite):
        spread = float(np.ptp(finite))
        parts.append(f"Pseudo-energies of {counted(len(finite), 'frame')} span {spread:.1f} kJ/mol")
        error = energies.error[np.isfinite(energies.error)]
        if len(error):
            parts[0] += f", with a median error of {float(np.median(error)):.1f} kJ/mol"
    if n_infinite:
        least = float(np.nanmin(energies.bound))
        have = "has" if n_infinite == 1 else "have"
        zero = f"{counted(n_infinite, 'frame')} {have} no weight"
        told = f", which is an energy above {least:.1f} kJ/mol" if least > 0 else " within the error"
        is_tested = np.isfinite(energies.error).any()  # without errors the bound is that of the solver only
        parts.append(zero + told if is_tested else zero)
    return "; ".join(parts) + "."


def feature_sentences(features: tuple[Feature, ...], n_tried: Mapping[str, int]) -> list[str]:
    """What the weights go with, and out of how many things tried."""
    notable = [feature for feature in features if feature.is_notable]
    tried = _tried(n_tried)
    if not tried:
        return ["Nothing is known of the frames that weights could go with."]
    if not notable:
        return [f"No feature goes with the weights beyond chance ({tried} tried)."]
    told = []
    for family in (FRAME, ANGLE):
        own = [feature for feature in notable if feature.family == family]
        told += [_feature_sentence(feature) for feature in own[:_TOLD]]
        if len(own) > _TOLD:
            more = ", ".join(feature.name for feature in own[_TOLD : 2 * _TOLD])
            rest = len(own) - 2 * _TOLD
            told.append(f"So do {more}{f' and {rest} more' if rest > 0 else ''}.")
    return [*told, f"These stand out at a false discovery rate of {100 * CHANCE:.0f} % among {tried}."]


def cluster_sentence(clusters: Clusters, ratio: np.ndarray, run: np.ndarray) -> str:
    """Which cluster gained or lost weight beyond chance, the clearest.

    Parameters
    ----------
    clusters : Clusters
    ratio : float64 [n_frames]
        Weight / prior weight.
    run : int [n_frames]
        The simulation of each frame, as `significance.correlations` asks for it.
    """
    count = len(clusters.weight)
    is_in = (clusters.label == np.arange(count)[:, None]).astype(np.float64)
    found = correlations(ratio, is_in, run)
    if not (adjusted(found.p) < CHANCE).any():
        return f"None of {count} clusters of frames gained or lost weight beyond chance."
    best = int(np.argmin(found.p))
    error = f" ± {clusters.error[best]:.2f}" if np.isfinite(clusters.error[best]) else ""
    return (
        f"Of {count} clusters of frames, number {best + 1} ({counted(int(clusters.n_frames[best]), 'frame')}) has "
        f"weight {clusters.weight[best]:.2f}{error} instead of {clusters.prior[best]:.2f} (z = {found.z[best]:.1f})."
    )


def set_sentences(sets: SetComparison) -> list[str]:
    """Which residues move differently, and which distances changed, in good against bad frames."""
    if not len(sets.residue):
        return []
    told = []
    freedom = int(block_labels(len(sets.good)).max())
    clear = _beyond_chance(sets.rmsf_difference, sets.rmsf_error, freedom)
    if clear.any():
        size = np.where(clear, np.abs(sets.rmsf_difference), -1.0)
        best = int(size.argmax())
        fluctuate = "fluctuates" if clear.sum() == 1 else "fluctuate"
        told.append(
            f"{counted(int(clear.sum()), 'residue')} of {len(clear)} {fluctuate} otherwise in good frames than in bad "
            f"ones, most of all {sets.residue[best]}: by {sets.rmsf_difference[best]:+.2f} ± "
            f"{sets.rmsf_error[best]:.2f} Å."
        )
    elif np.isfinite(sets.rmsf_error).any():
        told.append("No residue fluctuates otherwise in good frames than in bad ones beyond chance.")
    one, other = np.triu_indices(len(sets.distance_row), 1)
    change, error = sets.distance_difference[one, other], sets.distance_error[one, other]
    clear = np.zeros(sets.distance_difference.shape, dtype=bool)
    clear[one, other] = _beyond_chance(change, error, freedom)
    if clear.any():
        told.append(_distance_sentence(sets, clear))
    return told


def _distance_sentence(sets: SetComparison, clear: np.ndarray) -> str:
    """How many distances are `clear`, bool [n_rows, n_rows], and the first of the listed pairs that is."""
    place = {int(residue): n for n, residue in enumerate(sets.distance_row)}
    sentence = f"{counted(int(clear.sum()), 'distance')} between residues changed beyond chance"
    listed = [n for n, (a, b) in enumerate(sets.pairs) if clear[place[int(a)], place[int(b)]]]
    if not listed:
        return f"{sentence}."
    best = listed[0]
    first, second = (sets.residue[row] for row in sets.pairs[best])
    return (
        f"{sentence}, most clearly {first} to {second}: {sets.pair_difference[best]:+.2f} ± "
        f"{sets.pair_error[best]:.2f} Å in good against bad frames."
    )


def _beyond_chance(change: np.ndarray, error: np.ndarray, freedom: int) -> np.ndarray:
    """True where changes are more than their jackknife errors of `freedom` + 1 blocks explain, among all of them."""
    from scipy.stats import t

    known = np.isfinite(change) & np.isfinite(error) & (error > 0)
    p = np.full(len(change), np.nan)
    p[known] = 2 * t.sf(np.abs(change[known]) / error[known], freedom)
    return adjusted(p) < CHANCE


def _feature_sentence(feature: Feature) -> str:
    chance = f"z = {feature.z:.1f} with {feature.n_independent:.0f} independent frames"
    states = feature.states
    if states is None:
        return f"Weight goes with {feature.name} (Spearman {feature.spearman:.2f}, {chance})."
    best = states.strongest
    return (
        f"Weight goes with {feature.name}: {states.names[best]} has {states.weighted[best]:.2f} instead of "
        f"{states.prior[best]:.2f} ({chance})."
    )


def _tried(n_tried: Mapping[str, int]) -> str:
    of_frames, angles = n_tried.get(FRAME, 0), n_tried.get(ANGLE, 0)
    parts = [f"{counted(of_frames, 'feature')} of frames"] if of_frames else []
    return " and ".join([*parts, *([counted(angles, "dihedral angle")] if angles else [])])
