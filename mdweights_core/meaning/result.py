"""What weights mean, as plain arrays and sentences: a saved project and the window read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mdweights_core.io.packing import packed, unpacked
from mdweights_core.meaning.settings import CHANCE, MeaningSettings

__all__ = ["CHANCE", "Clusters", "Feature", "Meaning", "SetComparison", "States"]

_PREFIX = "meaning."


@dataclass(frozen=True, eq=False)
class States:
    """How often a feature is in each of its states.

    Attributes
    ----------
    names : tuple of str
    prior, weighted : float64 [n_states]
        Populations with prior and with fitted weights; each sums to one.
    error : float64 [n_states]
        Standard deviation that `weighted` - `prior` would have if weights knew nothing of the state.
    strongest : int
        The state that goes with the weights most clearly: that of the feature's correlations.
    """

    names: tuple[str, ...]
    prior: np.ndarray
    weighted: np.ndarray
    error: np.ndarray
    strongest: int


@dataclass(frozen=True, eq=False)
class Feature:
    """One number, or one state, per frame, and whether the weights go with it.

    Correlations are with weight / prior weight (a weight of zero has no logarithm; ranks do not care). Those of a
    feature of states are of its strongest state against all others.

    Attributes
    ----------
    name : str
        ``radius of gyration``, ``PC 1``, ``LEU 36 chi1 (molecule 2)``.
    unit : str
        ``Å``, ``ps``, or empty.
    family : str
        "frame" for the few features of whole frames, "angle" for the many dihedral angles: p values are corrected for
        the number of features tried in the family.
    values : float64 [n_frames]
        The number, or the number of the state from 0; NaN where unknown.
    spearman, pearson : float
        Rank and linear correlation.
    n_independent : float
        Frames that count as independent in these, as neighbours in time resemble each other.
    z : float
        Fisher's z of the rank correlation in standard deviations; its sign is that of `spearman`.
    p : float
        Two-sided probability of such a `z` by chance; for states times the number of states tried.
    p_corrected : float
        After Benjamini and Hochberg (1995) within the family: the part of false findings among all at least as strong.
    states : States or None
        None for numbers.
    """

    name: str
    unit: str
    family: str
    values: np.ndarray
    spearman: float
    pearson: float
    n_independent: float
    z: float
    p: float
    p_corrected: float
    states: States | None = None

    @property
    def label(self) -> str:
        """Name and unit, as an axis tells it."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def is_notable(self) -> bool:
        """True when the weights go with it more than chance explains."""
        return bool(self.p_corrected < CHANCE)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Frames that are alike, and the weight they have together.

    Attributes
    ----------
    label : int32 [n_frames]
        The cluster of each frame, from 0, in the order of falling weight; -1 for frames left aside.
    n_frames : int64 [n_clusters]
    weight, prior, ratio : float64 [n_clusters]
        Summed weights, summed prior weights and weight / prior.
    error : float64 [n_clusters]
        Standard error of `weight`; NaN where it cannot be told.
    centre : int64 [n_clusters]
        The frame nearest to the middle of each.
    components : float64 [n_frames, n_components]
        What was clustered: principal components, angstrom.
    rule : str
        How frames were put together and their number of clusters was chosen, as a sentence.
    """

    label: np.ndarray
    n_frames: np.ndarray
    weight: np.ndarray
    prior: np.ndarray
    ratio: np.ndarray
    error: np.ndarray
    centre: np.ndarray
    components: np.ndarray
    rule: str


@dataclass(frozen=True, eq=False)
class SetComparison:
    """Good frames against bad ones: how they move and how they are shaped. Differences are good - bad.

    Attributes
    ----------
    good, bad : float64 [n_frames]
        How much a frame counts in each set; both sum to one, zero outside. Found from the weights: what each frame
        gained (good) or lost (bad) against its prior weight. Given by hand: the fitted weights of these frames.
    residue : tuple of str
        Name of each residue (or atom, where there are no residues of a polymer); copies of a molecule share it.
    rmsf_good, rmsf_bad, rmsf_difference, rmsf_error : float64 [n_residues]
        Root mean square fluctuation of C-alpha (C1', heavy) atoms about the mean of the set, superposed within each
        molecule, averaged over copies; the error is of the difference, by block jackknife. Angstrom.
    distance_row : int64 [n_rows]
        Residues that the distances are of: all, or every n-th of many.
    distance_difference, distance_error : float64 [n_rows, n_rows]
        Difference of the mean distances within one molecule, angstrom; NaN between molecules of different kind.
    pairs : int64 [n_pairs, 2]
        Residues of the most clearly changed distances, the largest change in standard errors first.
    pair_difference, pair_error : float64 [n_pairs]
        Angstrom.
    feature_good, feature_bad, feature_error : float64 [n_features]
        Mean of each feature in both sets (of states: the part of frames in the strongest) and the error of the
        difference.
    is_given : bool
        The sets were given by hand.
    """

    good: np.ndarray
    bad: np.ndarray
    residue: tuple[str, ...]
    rmsf_good: np.ndarray
    rmsf_bad: np.ndarray
    rmsf_difference: np.ndarray
    rmsf_error: np.ndarray
    distance_row: np.ndarray
    distance_difference: np.ndarray
    distance_error: np.ndarray
    pairs: np.ndarray
    pair_difference: np.ndarray
    pair_error: np.ndarray
    feature_good: np.ndarray
    feature_bad: np.ndarray
    feature_error: np.ndarray
    is_given: bool


@dataclass(frozen=True, eq=False)
class Meaning:
    """What weights mean.

    Attributes
    ----------
    settings : MeaningSettings
    pseudo_energy : float64 [n_frames]
        -kT ln(weight / prior), kJ/mol; infinite for weight zero.
    pseudo_energy_error : float64 [n_frames]
        Its standard error from that of the weights; NaN where it cannot be told.
    pseudo_energy_bound : float64 [n_frames]
        Where the weight is zero, the energy that the true one is above; NaN elsewhere.
    features : tuple of Feature
        Those that go with the weights most clearly first. Of dihedral angles only the strongest are kept.
    n_tried : mapping of str to int
        Features tried in each family.
    clusters : Clusters or None
        None without positions or principal components.
    sets : SetComparison or None
        None when the weights are the prior weights. Without positions it has features only.
    sentences : tuple of str
        The main findings.
    notes : tuple of str
        What was done and what could not be.
    seconds : float
    """

    settings: MeaningSettings
    pseudo_energy: np.ndarray
    pseudo_energy_error: np.ndarray
    pseudo_energy_bound: np.ndarray
    features: tuple[Feature, ...]
    n_tried: Mapping[str, int]
    clusters: Clusters | None
    sets: SetComparison | None
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    def feature(self, name: str) -> Feature:
        """The feature called `name`; KeyError when there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays for an npz file, their names beginning with ``meaning.``, and plain values that JSON can hold."""
        arrays: dict[str, np.ndarray] = {}
        plain = packed(self, _PREFIX, arrays, apart=("settings", "features"))
        plain["settings"] = asdict(self.settings)
        plain["features"] = [packed(one, f"{_PREFIX}features.{row}.", arrays) for row, one in enumerate(self.features)]
        return arrays, plain

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> Meaning:
        """The inverse of `to_arrays`; other arrays may lie beside.

        Raises
        ------
        KeyError, TypeError, ValueError
            When something is missing or is not what it should be.
        """
        own = unpacked(cls, _PREFIX, arrays, plain)
        own["settings"] = MeaningSettings(**plain["settings"])
        own["features"] = tuple(
            Feature(**_feature(arrays, f"{_PREFIX}features.{row}.", part)) for row, part in enumerate(plain["features"])
        )
        own["clusters"] = _part(Clusters, "clusters", arrays, plain)
        own["sets"] = _part(SetComparison, "sets", arrays, plain)
        return cls(**own)


def _feature(arrays: Mapping[str, np.ndarray], prefix: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    own = unpacked(Feature, prefix, arrays, plain)
    if plain["states"] is not None:
        own["states"] = States(**unpacked(States, f"{prefix}states.", arrays, plain["states"]))
    return own


def _part(kind: type, name: str, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> Any:
    return None if plain[name] is None else kind(**unpacked(kind, f"{_PREFIX}{name}.", arrays, plain[name]))
