"""What a minimisation found, as plain arrays; imports without JAX and OpenMM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.io.archives import read_archive, write_archive
from mdweights_core.io.packing import packed, unpacked
from mdweights_core.minimize.settings import MinimizeSettings

NOT_BEGUN = "not begun"
"""End of a start that the run had not come to when it was stopped."""


@dataclass(frozen=True, eq=False)
class Minimisation:
    """Starts and where they came to.

    Attributes
    ----------
    x : float64 [S, n_atoms, 3]
        Coordinates in the end, nm; those of the start where it was not begun or is not finite.
    start_energy, energy : float64 [S]
        kJ/mol; NaN where not begun.
    rms_force : float64 [S]
        Over all components of forces on free atoms, kJ/mol/nm.
    evaluations : int64 [S]
    seconds : float64 [S]
        From when the start (or the batch it belongs to) was begun, compilation included.
    rmsd_to_start : float64 [S]
        After superposition, all atoms alike, nm.
    rmsd_to_reference : float64 [S]
        The same to a reference; empty where none was given.
    ends : tuple of str
        Why each start went on no further.
    settings : MinimizeSettings
    trace_begin : int64 [S + 1]
        Where the trace of each start begins in the following four.
    trace_evaluations : int64 [n]
    trace_seconds, trace_energy, trace_rms_force : float64 [n]
    notes : tuple of str
        What a user should know of the run.
    """

    x: np.ndarray
    start_energy: np.ndarray
    energy: np.ndarray
    rms_force: np.ndarray
    evaluations: np.ndarray
    seconds: np.ndarray
    rmsd_to_start: np.ndarray
    rmsd_to_reference: np.ndarray
    ends: tuple[str, ...]
    settings: MinimizeSettings
    trace_begin: np.ndarray
    trace_evaluations: np.ndarray
    trace_seconds: np.ndarray
    trace_energy: np.ndarray
    trace_rms_force: np.ndarray
    notes: tuple[str, ...] = field(default=())

    @property
    def n_starts(self) -> int:
        """Number of starts."""
        return len(self.energy)

    def trace(self, start: int) -> Mapping[str, np.ndarray]:
        """Evaluations, seconds, energy and rms force of one start after each evaluation."""
        part = slice(self.trace_begin[start], self.trace_begin[start + 1])
        return {
            name: getattr(self, f"trace_{name}")[part] for name in ("evaluations", "seconds", "energy", "rms_force")
        }

    def until(self, start: int, rms_force: float) -> tuple[int, float] | None:
        """Evaluations and seconds after which a start first had that rms force, kJ/mol/nm; None when never."""
        trace = self.trace(start)
        there = np.flatnonzero(trace["rms_force"] <= rms_force)
        return (int(trace["evaluations"][there[0]]), float(trace["seconds"][there[0]])) if len(there) else None


def joined(results: Sequence[Minimisation]) -> Minimisation:
    """All starts of several minimisations, one after the other, with the settings of the first."""
    one_by_one = ("start_energy", "energy", "rms_force", "evaluations", "seconds", "rmsd_to_start", "rmsd_to_reference")
    traces = ("trace_evaluations", "trace_seconds", "trace_energy", "trace_rms_force")
    columns = {name: np.concatenate([getattr(it, name) for it in results]) for name in ("x", *one_by_one, *traces)}
    lengths = np.concatenate([np.diff(it.trace_begin) for it in results])
    return Minimisation(
        **columns,
        ends=tuple(end for it in results for end in it.ends),
        settings=results[0].settings,
        trace_begin=np.concatenate([[0], np.cumsum(lengths)]),
        notes=tuple(dict.fromkeys(note for it in results for note in it.notes)),
    )


def save(result: Minimisation, path: Path) -> None:
    """Write a minimisation as NPZ, all at once or not at all.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    write_archive(path, packed(result, "", arrays), arrays)


def load(path: Path) -> Minimisation:
    """Read what `save` wrote.

    Raises
    ------
    BadInput
        When it is not there, or something else.
    """

    def read(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Minimisation:
        settings = unpacked(MinimizeSettings, "settings.", arrays, record.pop("settings"))
        return Minimisation(**unpacked(Minimisation, "", arrays, record), settings=MinimizeSettings(**settings))

    return read_archive(path, read, "This is not a minimisation, or it is damaged", "Minimise again")


def summary(result: Minimisation) -> dict[str, Any]:
    """The same as plain values for JSON, without coordinates and traces; None for numbers that are not known."""
    columns = {
        "end": list(result.ends),
        "start_energy": _plain(result.start_energy),
        "energy": _plain(result.energy),
        "rms_force": _plain(result.rms_force),
        "evaluations": result.evaluations.tolist(),
        "seconds": _plain(result.seconds),
        "rmsd_to_start": _plain(result.rmsd_to_start),
    }
    if len(result.rmsd_to_reference):
        columns["rmsd_to_reference"] = _plain(result.rmsd_to_reference)
    names, rows = list(columns), zip(*columns.values(), strict=True)
    return {
        "method": result.settings.method,
        "tolerance": result.settings.tolerance,
        "units": {"energy": "kJ/mol", "force": "kJ/mol/nm", "length": "nm"},
        "starts": [dict(zip(names, row, strict=True)) for row in rows],
        "notes": list(result.notes),
    }


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
