"""What is fitted: structure factors of all frames on the observed reflections, ready for fast passes.

With deviations E_t = F_t - c from any fixed c (the plain mean of the frames), and weights that sum to one,

    x(h) = sum_t w_t |F_t|^2 - |sum_t w_t F_t|^2 = sum_t w_t |E_t|^2 - |sum_t w_t E_t|^2,

which spares single precision the cancellation of two numbers that are each mostly Bragg intensity.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, format_cell, same_cell
from mdweights_core.crystal.laue import LaueGroups, find_points, laue_groups
from mdweights_core.crystal.merging import average_equivalents
from mdweights_core.crystal.shells import AnisotropicOperator, anisotropic_operator
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.settings import MIN_REFLECTIONS

_FLAT = 1e-6  # relative spread that is only rounding
_READ_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class WeightProblem:
    """Observed map and frames on one list of Laue groups.

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
    deviation : complex64 [n_frames, n_copies, n_group]
        E = F - centre on every image; zero where a group has fewer images.
    centre : complex128 [n_copies, n_group]
        Plain mean of F over the frames.
    share : float32 [n_copies, n_group]
        1 / (number of images), zero where there is none.
    operator : AnisotropicOperator
        Shell means taken over the work set only.
    is_anisotropic : bool
        The observed map came with its shell means already removed.
    notes : tuple of str
        What was left out and why, as sentences.
    """

    groups: LaueGroups
    observed: np.ndarray
    sigma: np.ndarray | None
    free: np.ndarray
    deviation: np.ndarray
    centre: np.ndarray
    share: np.ndarray
    operator: AnisotropicOperator
    is_anisotropic: bool = False
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return len(self.deviation)

    @property
    def n_work(self) -> int:
        """Number of reflections that are fitted."""
        return int((~self.free).sum())

    @cached_property
    def oddness(self) -> np.ndarray:
        """Squared deviation of each frame from the mean, relative to the median frame's: float64 [n_frames]."""
        parts = ((e.real.astype(np.float64), e.imag.astype(np.float64)) for e in self.deviation)
        squares = np.array([np.vdot(re, re) + np.vdot(im, im) for re, im in parts])
        return squares / (np.median(squares) or 1.0)


def build_problem(
    diffuse_map: DiffuseMap, store: StructureFactorStore, *, free_fraction: float = 0.1, seed: int = 0
) -> Job[WeightProblem]:
    """Read the frames on the reflections of the map.

    Parameters
    ----------
    diffuse_map : DiffuseMap
        Already cut to the resolution limits wanted.
    store : StructureFactorStore
        Complete store whose lattice covers the map's reflections.
    free_fraction : float
        Part of the Laue groups held out when the map carries no free set.
    seed : int
        Of the draw of that free set.

    Raises
    ------
    BadInput
        Different cells, too few common reflections, one frame only, frames that are all the same, a map without any
        feature, or more data than memory.
    """
    _check(diffuse_map, store)
    seen = average_equivalents(diffuse_map)
    rows, covered = _store_rows(seen.groups, store)
    notes = (*store.origin["warnings"], *_coverage_notes(covered))
    groups = laue_groups(seen.groups.lattice.select(covered))  # the same order: groups are sorted by index
    rows = rows[: groups.copies.shape[0], covered]
    observed = seen.intensity[covered]
    sigma = None if seen.sigma is None else seen.sigma[covered]
    free = _free_set(None if seen.free is None else seen.free[covered], len(observed), free_fraction, seed)
    _refuse_flat(observed[~free], diffuse_map)
    _check_memory(store.n_frames, rows.shape)
    deviation, centre = yield from _read_deviation(store, rows)
    if not deviation.any():
        raise BadInput("all frames have the same structure factors: there is no diffuse intensity", where=store.path)
    share = ((rows >= 0) / np.maximum((rows >= 0).sum(axis=0), 1)).astype(np.float32)
    return WeightProblem(
        groups=groups,
        observed=observed,
        sigma=sigma,
        free=free,
        deviation=deviation,
        centre=centre,
        share=share,
        operator=anisotropic_operator(groups.lattice.inverse_d, reference=~free),
        is_anisotropic=diffuse_map.is_anisotropic,
        notes=notes,
    )


def _check(diffuse_map: DiffuseMap, store: StructureFactorStore) -> None:
    if store.n_frames < 2:
        raise BadInput(
            "there is only one frame, so the diffuse intensity is zero whatever its weight",
            where=store.path,
            advice="Give at least three distinct frames",
        )
    if not same_cell(diffuse_map.lattice.cell, store.lattice.cell):
        raise BadInput(
            f"the frames' cell ({format_cell(store.lattice.cell)}) is not the map's "
            f"({format_cell(diffuse_map.lattice.cell)})",
            where=store.path,
            advice="Predict the frames again with --map, or give the map that belongs to them",
        )
    ours, theirs = diffuse_map.lattice.ndiv, store.lattice.ndiv
    if np.any(np.array(theirs) % ours):
        raise BadInput(
            f"the frames' reciprocal axes are divided by {', '.join(map(str, theirs))}, the map's by "
            f"{', '.join(map(str, ours))}: reflections of the map lie between theirs",
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
    if fraction <= 0:
        return np.zeros(n, dtype=bool)
    order = np.random.default_rng(seed).permutation(n)
    free = np.zeros(n, dtype=bool)
    free[order[: round(fraction * n)]] = True
    return free


def _refuse_flat(observed: np.ndarray, diffuse_map: DiffuseMap) -> None:
    if np.ptp(observed) <= _FLAT * np.abs(observed).max():
        raise BadInput(
            "the observed intensity is the same everywhere, so there is nothing to fit",
            where=diffuse_map.provenance.get("file"),
            advice="Choose another column",
        )


def _check_memory(n_frames: int, shape: tuple[int, ...]) -> None:
    # measured: deviations twice and a part once more on the way, power and the model with its projections
    need = n_frames * (20.0 * shape[0] + 20.0) * shape[1]
    have = available_memory(Path("/sys/fs/cgroup"))
    if need > 0.8 * have:
        raise BadInput(
            f"{n_frames} frames on {shape[1]} reflections need {need / 2**30:.0f} GiB of memory; "
            f"this machine has {have / 2**30:.0f}",
            advice="Raise --d-min, or take fewer frames",
        )


def available_memory(cgroups: Path) -> float:
    """Bytes this process may use: the machine's, cut to the container's limit (cgroup v2 or v1)."""
    machine = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return min(machine, float((cgroups / name).read_text()))
        except (OSError, ValueError):  # not there, or the word max
            continue
    return machine


def _read_deviation(store: StructureFactorStore, rows: np.ndarray) -> Job[tuple[np.ndarray, np.ndarray]]:
    """F - mean(F) on [n_frames, n_copies, n_group], read a block of frames at a time."""
    n_frames, present = store.n_frames, rows >= 0
    values = np.empty((n_frames, *rows.shape), dtype=np.complex64)
    in_file = store.frames_per_chunk  # files are read as a whole: each only once
    clock, block = Clock(), in_file * max(1, _READ_BYTES // (8 * in_file * store.n_hkl))
    for start in range(0, n_frames, block):
        part = store.read(slice(start, min(start + block, n_frames)))
        values[start : start + len(part)] = np.where(present, part[:, np.maximum(rows, 0)], 0)
        if clock.is_due():
            yield Progress("reading", start + len(part), n_frames, "Reading structure factors")
    centre = values.mean(axis=0, dtype=np.complex128)
    values -= centre.astype(np.complex64)
    if not np.isfinite(values.view(np.float32)).all():
        raise BadInput("the frames' structure factors hold values that are not numbers", where=store.path)
    return values, centre.astype(np.complex64).astype(np.complex128)
