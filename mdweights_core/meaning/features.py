"""Features of frames, and how weights go with each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.meaning.dihedrals import Dihedrals
from mdweights_core.meaning.result import Feature, States
from mdweights_core.meaning.significance import adjusted, correlations
from mdweights_core.meaning.trace import STAGE
from mdweights_core.scattering.storage.store import FrameTable

FRAME, ANGLE = "frame", "angle"
KEPT_ANGLES = 30
"""Dihedral angles that are kept, of all that were tried."""

_FEWEST = 3  # frames in a state, and out of it, that anything can be told from
_ANGLES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Column:
    """A feature that nothing is known of yet: name, unit, values [n_frames] and, for states, their names."""

    name: str
    unit: str
    values: np.ndarray
    states: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Weighing:
    """The weights [n_frames] that features are held against, and the simulation each frame belongs to."""

    weights: np.ndarray
    prior: np.ndarray
    run: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """Weight / prior; NaN for frames without prior weight."""
        return np.divide(self.weights, self.prior, out=np.full(len(self.prior), np.nan), where=self.prior > 0)


def runs(frames: FrameTable) -> tuple[np.ndarray, tuple[str, ...]]:
    """The file of each frame, counted from 0 in their order, and the files; one run of all when each has one frame."""
    names = list(dict.fromkeys(frames.source))
    number = {name: row for row, name in enumerate(names)}
    if 2 * len(names) > len(frames):
        return np.zeros(len(frames), dtype=np.int64), ("all",)
    return np.array([number[name] for name in frames.source], dtype=np.int64), tuple(names)


def table_columns(frames: FrameTable) -> list[Column]:
    """What is known of frames without their positions: time, replica, volume of the box."""
    run, names = runs(frames)
    short = tuple(name.rsplit("/", 1)[-1] for name in names)
    if len(set(short)) < len(short):
        short = names
    return [
        Column("time", "ps", frames.time),
        Column("replica", "", run.astype(np.float64), short),
        Column("box volume", "Å³", _volumes(frames.cell)),
    ]


def judged(columns: list[Column], weighing: Weighing, family: str = FRAME) -> list[Feature]:
    """Features that vary, with their correlations, the clearest first."""
    features = [_feature(column, weighing, family) for column in columns if _varies(column)]
    return ranked([feature for feature in features if feature is not None])


def judged_angles(dihedrals: Dihedrals, states: np.ndarray, weighing: Weighing) -> Job[tuple[list[Feature], int]]:
    """The dihedral angles that weights go with most clearly, and how many had more than one state.

    Parameters
    ----------
    dihedrals : Dihedrals
    states : int8 [n_frames, n_angles]
    weighing : Weighing
    """
    found: list[Feature] = []
    clock = Clock()
    for start in range(0, len(dihedrals), _ANGLES_AT_ONCE):
        rows = range(start, min(start + _ANGLES_AT_ONCE, len(dihedrals)))
        columns = [
            Column(dihedrals.names[row], "", states[:, row].astype(np.float64), dihedrals.state_names(row))
            for row in rows
        ]
        found += _state_features(columns, weighing, ANGLE)
        if clock.is_due():
            yield Progress(STAGE, start, len(dihedrals), "dihedral angles")
    return ranked(found)[:KEPT_ANGLES], len(found)


def ranked(features: list[Feature]) -> list[Feature]:
    """Features of one family with p values corrected for their number, the clearest first."""
    corrected = adjusted(np.array([feature.p for feature in features]))
    own = [replace(one, p_corrected=float(p)) for one, p in zip(features, corrected, strict=True)]
    return sorted(own, key=lambda one: (one.p_corrected, one.p, -abs(one.spearman)))


def _feature(column: Column, weighing: Weighing, family: str) -> Feature | None:
    if column.states:
        return next(iter(_state_features([column], weighing, family)), None)
    found = correlations(weighing.ratio, column.values[None], weighing.run)
    spearman, pearson, independent, z, p = (float(part[0]) for part in found)
    return Feature(column.name, column.unit, family, column.values, spearman, pearson, independent, z, p, np.nan)


def _state_features(columns: list[Column], weighing: Weighing, family: str) -> list[Feature]:
    """Features of states: each state against all others, the clearest told."""
    tried = [
        (row, state)
        for row, column in enumerate(columns)
        for state in range(len(column.states))
        if _FEWEST <= np.count_nonzero(column.values == state) <= len(column.values) - _FEWEST
    ]
    if not tried:
        return []
    is_in = np.array([columns[row].values == state for row, state in tried], dtype=np.float64)
    found = correlations(weighing.ratio, is_in, weighing.run)
    features = []
    for row, column in enumerate(columns):
        own = [n for n, (other, _) in enumerate(tried) if other == row]
        if not own:
            continue
        best = max(own, key=lambda n: abs(found.z[n]))
        spearman, pearson, independent, z, p = (float(part[best]) for part in found)
        times = len(own) if len(own) > 2 else 1  # of two states one tells the other
        states = _populations(column, weighing, {tried[n][1]: found.n_independent[n] for n in own}, tried[best][1])
        chance = min(1.0, p * times)
        features.append(
            Feature(column.name, "", family, column.values, spearman, pearson, independent, z, chance, np.nan, states)
        )
    return features


def _populations(column: Column, weighing: Weighing, independent: dict[int, float], strongest: int) -> States:
    """Populations of all states, and the spread that those of unrelated weights would have."""
    count = len(column.states)
    code = column.values.astype(np.int64)
    prior, weighted = (np.bincount(code, weights=w, minlength=count) for w in (weighing.prior, weighing.weights))
    spread = float(np.nanstd(weighing.ratio))
    frames = np.array([independent.get(state, np.nan) for state in range(count)])
    error = spread * np.sqrt(prior * (1 - np.minimum(prior, 1.0)) / frames)
    return States(column.states, prior, weighted, error, strongest)


def _varies(column: Column) -> bool:
    known = column.values[np.isfinite(column.values)]
    return len(known) > 1 and float(np.ptp(known)) > 1e-6 * float(np.abs(known).max())


def _volumes(cells: np.ndarray) -> np.ndarray:
    """Volume of boxes [n, 6] in cubic angstrom; NaN where there is none."""
    cosines = np.cos(np.radians(cells[:, 3:]))
    root = 1 - (cosines**2).sum(axis=1) + 2 * cosines.prod(axis=1)
    return cells[:, :3].prod(axis=1) * np.sqrt(np.where(root > 0, root, np.nan))
