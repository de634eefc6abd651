"""What is fitted: an observed map, and the structure factors of all frames on its reflections.

With deviations E_t = F_t - c from any fixed c (about the mean of the frames), and weights that sum to one,

    x(h) = sum_t w_t |F_t|^2 - |sum_t w_t F_t|^2 = sum_t w_t |E_t|^2 - |sum_t w_t E_t|^2,

which spares single precision the cancellation of two numbers that are each mostly Bragg intensity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, format_cell, repeats_of, same_cell, supercell
from mdweights_core.crystal.laue import LaueGroups, find_points
from mdweights_core.crystal.merging import average_equivalents
from mdweights_core.crystal.shells import AnisotropicOperator, anisotropic_operator
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.bragg import BraggData
from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.frames.passes import intensities, powers
from mdweights_core.weights.frames.reader import Reader
from mdweights_core.weights.free_set import drawn_free_set
from mdweights_core.weights.masks import apply_masks, looks_like_bragg, outlier_note
from mdweights_core.weights.prior import spread, tie
from mdweights_core.weights.settings import MIN_REFLECTIONS, FitSettings

_FLAT = 1e-6  # relative spread that is only rounding


@dataclass(frozen=True, eq=False)
class BraggPart:
    """Bragg intensities fitted beside the diffuse map.

    Attributes
    ----------
    data : BraggData
    frames : FrameBlocks
        Of sign -1: their intensity is that of the mean structure factor.
    """

    data: BraggData
    frames: FrameBlocks


@dataclass(frozen=True, eq=False)
class WeightProblem:
    """Observed map and frames on one list of Laue groups.

    Weights are of units: single frames, or neighbours that are tied together. Some frames may be of none.

    Attributes
    ----------
    groups : LaueGroups
        The n_group reflections compared, and where their images lie.
    observed : float64 [n_group]
        Laue-averaged observed intensity.
    sigma : float64 [n_group] or None
        Its standard uncertainty; NaN where unknown.
    free : bool [n_group]
        Held out of the fit.
    frames : FrameBlocks
        Deviations E of all units on every image, and their mean power.
    operator : AnisotropicOperator
        Shell means taken over the work set only.
    prior : float64 [n_units]
        Weights before any fit: positive, sum one.
    unit : int64 [n_frames] or None
        Unit of each frame, -1 for frames that are left out; None where each is one.
    frame_prior : float64 [n_frames] or None
        The prior of single frames inside units, zero outside.
    bragg : BraggPart or None
    is_anisotropic : bool
        The observed map came with its shell means already removed.
    notes : tuple of str
        What was left out and why, as sentences.
    """

    groups: LaueGroups
    observed: np.ndarray
    sigma: np.ndarray | None
    free: np.ndarray
    frames: FrameBlocks
    operator: AnisotropicOperator
    prior: np.ndarray
    unit: np.ndarray | None = None
    frame_prior: np.ndarray | None = None
    bragg: BraggPart | None = None
    is_anisotropic: bool = False
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def n_units(self) -> int:
        """Number of weights that are fitted."""
        return self.frames.n_frames

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return self.frames.n_frames if self.unit is None else len(self.unit)

    @property
    def n_fitted(self) -> int:
        """Number of frames that may have a weight."""
        return self.n_frames if self.unit is None else int((self.unit >= 0).sum())

    @property
    def n_work(self) -> int:
        """Number of reflections that are fitted."""
        return int((~self.free).sum())

    def of_frames(self, weights: np.ndarray) -> np.ndarray:
        """Weights of units [..., n_units] as weights of frames [..., n_frames]."""
        if self.unit is None or self.frame_prior is None:
            return weights
        return spread(weights, self.unit, self.frame_prior)

    def of_units(self, weights: np.ndarray) -> np.ndarray:
        """Weights of frames [n_frames] as weights of units [n_units]."""
        return weights if self.unit is None else tie(weights, self.unit)

    def each(self, values: np.ndarray) -> np.ndarray:
        """A value of units [n_units] as one of each of their frames: float64 [n_frames], NaN for frames left out."""
        return values if self.unit is None else np.where(self.unit >= 0, values[self.unit], np.nan)

    @cached_property
    def usual(self) -> np.ndarray:
        """Calculated intensity with the prior's weights: float64 [n_group]."""
        return intensities(self.frames, self.prior[None])[0]

    @cached_property
    def oddness(self) -> np.ndarray:
        """Squared deviation of each unit from the centre, relative to the median one's: float64 [n_units]."""
        squares = powers(self.frames, self.groups.multiplicity.astype(np.float64))
        return squares / (np.median(squares) or 1.0)


def build_problem(
    diffuse_map: DiffuseMap,
    store: StructureFactorStore,
    settings: FitSettings = FitSettings(),
    *,
    prior: np.ndarray | None = None,
    only: Sequence[int] | None = None,
    bragg: BraggData | None = None,
    memory: float | None = None,
    scratch: Path | None = None,
) -> Job[WeightProblem]:
    """Read the frames on the reflections of the map.

    Parameters
    ----------
    diffuse_map : DiffuseMap
        Already cut to the resolution limits wanted.
    store : StructureFactorStore
        Complete store whose lattice covers the map's reflections.
    settings : FitSettings
        Masks, free set and tied frames.
    prior : float64 [n_frames], optional
        Weights of a biased simulation; equal ones by default.
    only : sequence of int, optional
        Frames that may have a weight, counted from 0, rising; all by default.
    bragg : BraggData, optional
        Fitted beside the map, with `settings.bragg_weight`.
    memory : float, optional
        Bytes that structure factors may take; more, and they are read from a file in every pass. What they leave of it
        is for a validation. By default half of what there is.
    scratch : Path, optional
        Folder for that file; the store's by default.

    Raises
    ------
    BadInput
        Different cells, too few common reflections, one frame only, frames that are all the same, a map without any
        feature.
    DiskProblem
        When neither memory nor disk have room for the structure factors.
    """
    _check(diffuse_map, store)
    suspicion = looks_like_bragg(diffuse_map)
    diffuse_map, masked = apply_masks(diffuse_map, settings)
    whole = average_equivalents(diffuse_map)
    rows, covered = _store_rows(whole.groups, store)
    outliers = outlier_note(diffuse_map, settings)
    notes = (*store.origin["warnings"], *masked, *_coverage_notes(covered), *filter(None, [suspicion, outliers]))
    seen = whole.select(covered)
    free = _free_set(seen.free, len(seen.intensity), settings.free_fraction, settings.seed)
    _refuse_flat(seen.intensity[~free], diffuse_map)
    reader = Reader(store, prior, settings.tied_frames, only, memory, scratch or store.path.parent)
    frames = yield from reader.read(rows[: seen.groups.copies.shape[0], covered])
    problem = WeightProblem(
        groups=seen.groups,
        observed=seen.intensity,
        sigma=seen.sigma,
        free=free,
        frames=frames,
        operator=anisotropic_operator(seen.groups.lattice.inverse_d, reference=~free),
        prior=reader.unit_prior,
        unit=reader.unit,
        frame_prior=None if reader.unit is None else reader.prior,
        bragg=None if bragg is None else (yield from _bragg_part(bragg, store, reader)),
        is_anisotropic=diffuse_map.is_anisotropic,
        notes=notes,
    )
    if not powers(frames, np.ones(len(free))).any():
        raise BadInput("all frames have the same structure factors: there is no diffuse intensity", where=store.path)
    return problem


def _bragg_part(data: BraggData, store: StructureFactorStore, reader: Reader) -> Job[BraggPart]:
    rows, covered = _store_rows(data.groups, store)
    if not covered.all():
        raise BadInput(
            f"{int((~covered).sum())} of {len(covered)} Bragg reflections are not in the frames' structure factors",
            where=store.path,
            advice="Give trajectories, or predict the frames again with both, map and Bragg amplitudes",
        )
    frames = yield from reader.read(rows)
    return BraggPart(data, replace(frames, sign=-1.0))


def _check(diffuse_map: DiffuseMap, store: StructureFactorStore) -> None:
    if store.n_frames < 2:
        raise BadInput(
            "there is only one frame, so the diffuse intensity is zero whatever its weight",
            where=store.path,
            advice="Give at least three distinct frames",
        )
    ours, theirs = diffuse_map.lattice, store.lattice
    in_store, in_map = repeats_of(theirs.cell, ours.cell), repeats_of(ours.cell, theirs.cell)
    if not same_cell(supercell(ours.cell, in_store), supercell(theirs.cell, in_map)):
        raise BadInput(
            f"the frames' cell ({format_cell(theirs.cell)}) is not the map's ({format_cell(ours.cell)})",
            where=store.path,
            advice="Predict the frames again with --map, or give the map that belongs to them",
        )
    if np.any(np.array(theirs.ndiv) * in_store % (np.array(ours.ndiv) * in_map)):
        raise BadInput(
            f"the frames' reciprocal axes are divided by {', '.join(map(str, theirs.ndiv))}, the map's by "
            f"{', '.join(map(str, ours.ndiv))}: reflections of the map lie between theirs",
            where=store.path,
            advice="Predict the frames again with --map",
        )


def _store_rows(groups: LaueGroups, store: StructureFactorStore) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the store for every image of every group, and which groups have all of theirs."""
    row_of_p1 = find_points(groups.p1, store.lattice)  # frames on a finer lattice hold the map's points, too
    rows = np.where(groups.copies >= 0, row_of_p1[groups.copies], -2)
    covered = (rows != -1).all(axis=0)
    if covered.sum() < MIN_REFLECTIONS:
        raise BadInput(
            f"only {int(covered.sum())} of the map's {len(covered)} reflections are in the frames' structure factors",
            where=store.path,
            advice="Predict the frames on this map with `mdweights predict --map`, or widen the resolution limits",
        )
    return np.where(rows == -2, -1, rows), covered


def _coverage_notes(covered: np.ndarray) -> tuple[str, ...]:
    missing = int((~covered).sum())
    if not missing:
        return ()
    return (f"{missing} of {len(covered)} observed reflections have no calculated value and were left out.",)


def _free_set(flagged: np.ndarray | None, n: int, fraction: float, seed: int) -> np.ndarray:
    """The file's free set, or a drawn one; never everything."""
    if flagged is not None and 0 < flagged.sum() < n:
        return flagged
    return drawn_free_set(n, fraction, seed)


def _refuse_flat(observed: np.ndarray, diffuse_map: DiffuseMap) -> None:
    if np.ptp(observed) <= _FLAT * np.abs(observed).max():
        raise BadInput(
            "the observed intensity is the same everywhere, so there is nothing to fit",
            where=diffuse_map.provenance.get("file"),
            advice="Choose another column",
        )
