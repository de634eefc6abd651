"""Configurations drawn from a trained flow with their exact weights, as plain arrays; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_EXAMPLES = 20_000
"""Examples at which weights are looked at."""


def looked_at(count: int) -> np.ndarray:
    """Which of so many examples: all, or evenly chosen ones where they are many."""
    return evenly(count, MOST_EXAMPLES)


def evenly(count: int, most: int) -> np.ndarray:
    """Indices of at most `most` of so many, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


@dataclass(frozen=True, eq=False)
class FlowSamples:
    """S configurations of N Cartesian variables.

    Attributes
    ----------
    x : float32 [S, N]
        Nanometres for molecules. Energies and densities were evaluated in double precision before rounding.
    u : float64 [S]
        Reduced energies, kT; infinite where the energy is no number.
    log_weights : float64 [S]
        ln of the importance weights exp(-u) / q(x), not normalised: their mean estimates the partition function of
        the coordinates' measure (Cartesian volume; for molecules without the motions of the whole).
    example_log_weights : float64 [T]
        The same at examples that the flow was trained on (`looked_at`); empty where there are none.
    probes : float32 [P, N]
        Minima of the energy found from scattered configurations.
    probe_log_weights : float64 [P]
        At these: far above those of the draws where the flow has missed a region.
    probe_log_masses : float64 [P]
        ln of the partition function of each minimum's surroundings, in the harmonic approximation.
    history : float32 [steps, 4]
        Of the training: losses by example, by energy, along the reaction coordinate, effective share of the batch.
    training_energies, energies : int
        Asked for by the training; by the draws and probes.
    seconds : float
        Training and drawing.
    round_trip, log_det_error : float
        Largest difference of latents after a round trip in double precision, and of the sum of both log-determinants.
    seed : int
    notes : tuple of str
    """

    x: np.ndarray
    u: np.ndarray
    log_weights: np.ndarray
    example_log_weights: np.ndarray
    probes: np.ndarray
    probe_log_weights: np.ndarray
    probe_log_masses: np.ndarray
    history: np.ndarray
    training_energies: int
    energies: int
    seconds: float
    round_trip: float
    log_det_error: float
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def n_samples(self) -> int:
        """Number of configurations."""
        return len(self.u)
