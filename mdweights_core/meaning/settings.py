"""Settings of what weights mean: plain values, checked."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput

CHANCE = 0.05
"""A corrected p value below this is told as more than chance."""


@dataclass(frozen=True)
class MeaningSettings:
    """How the meaning of weights is looked for.

    Attributes
    ----------
    temperature : float
        Of the simulation, K; gives pseudo-energies their scale.
    selection : str
        Atoms to look at, in mdtraj's selection language; empty for residues of proteins and nucleic acids, or, where
        there are none, for all but water and ions. Hydrogens are left aside in any case.
    n_components : int
        Principal components that are features.
    max_clusters : int
        Clusters of frames at most; 1 makes none.
    energies : str, optional
        File with one row of numbers per frame (CSV, XVG or columns), each column a feature.
    """

    temperature: float = 298.0
    selection: str = ""
    n_components: int = 3
    max_clusters: int = 10
    energies: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise BadInput(f"the temperature is {self.temperature:g} K, but must be positive")
        if not 1 <= self.n_components <= 20:
            raise BadInput(f"the number of principal components is {self.n_components}, but must lie between 1 and 20")
        if not 1 <= self.max_clusters <= 10:
            raise BadInput(f"the number of clusters is {self.max_clusters}, but must lie between 1 and 10")
