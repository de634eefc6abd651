"""Starts on their way: what is known of those at an end, and of the batch that goes, in memory and as a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mdweights_core.io.checkpoints import fingerprint, load_checkpoint, save_checkpoint
from mdweights_core.minimize.base import End, State
from mdweights_core.minimize.result import NOT_BEGUN, Minimisation
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.minimize.superpose import rmsd

AnyState = TypeVar("AnyState", bound=State)
_TRACE = ("evaluations", "seconds", "energy", "rms_force")


@dataclass(eq=False)
class Run:
    """All starts of a run.

    Attributes
    ----------
    x : float64 [S, n_atoms, 3]
        Where the starts are, nm.
    ends : list of str
        Why a start is at its end; `NOT_BEGUN` and `End.GOING` for the others.
    traces : list of list of (evaluations, seconds, energy, rms force)
        After each evaluation, for each start.
    batch : int [R]
        The starts that go side by side now; empty between two batches.
    state : mapping of str to ndarray
        The minimiser's state of these, as of the last checkpoint.
    seconds : float
        Spent on these.
    """

    x: np.ndarray
    ends: list[str]
    traces: list[list[tuple[float, ...]]]
    batch: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    state: Mapping[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def begin(cls, starts: np.ndarray) -> Run:
        """Nothing done yet."""
        return cls(np.array(starts, dtype=np.float64), [NOT_BEGUN] * len(starts), [[] for _ in starts])

    def record(self, state: State, seconds: float) -> None:
        """Add to the traces of those starts of the batch that took another evaluation."""
        rms_force = state.rms_force
        for place, row in enumerate(self.batch):
            trace = self.traces[row]
            if not trace or state.evaluations[place] > trace[-1][0]:
                numbers = (state.evaluations[place], seconds, state.value[place], rms_force[place])
                trace.append(tuple(map(float, numbers)))

    def keep(self, state: State, x: np.ndarray, ends: list[End], seconds: float) -> None:
        """Note where the batch is, x [R, n_atoms, 3], and why its starts go on no further, or that they still do."""
        self.state, self.seconds = state_arrays(state), seconds
        for row, place, end in zip(self.batch, x, ends, strict=True):
            self.x[row], self.ends[row] = place, str(end)

    def next_batch(self, size: int) -> bool:
        """Take up the next starts that were not begun; False where there are none."""
        left = [row for row, end in enumerate(self.ends) if end == NOT_BEGUN]
        self.batch = np.array(left[:size], dtype=np.int64)
        return bool(left)

    def close_batch(self) -> None:
        """All starts of the batch are at their ends."""
        self.batch, self.state, self.seconds = self.batch[:0], {}, 0.0

    def result(
        self, starts: np.ndarray, reference: np.ndarray | None, settings: MinimizeSettings, notes: tuple[str, ...]
    ) -> Minimisation:
        """All of it as a result; starts that still go count as stopped."""
        last = np.array([trace[-1] if trace else (0, 0.0, np.nan, np.nan) for trace in self.traces])
        first = np.array([trace[0][2] if trace else np.nan for trace in self.traces])
        begin = np.cumsum([0, *map(len, self.traces)])
        traces = np.array([line for trace in self.traces for line in trace]).reshape(-1, len(_TRACE))
        columns = dict(zip(_TRACE, traces.T.copy(), strict=True))
        return Minimisation(
            x=self.x.copy(),
            start_energy=first,
            energy=last[:, 2],
            rms_force=last[:, 3],
            evaluations=last[:, 0].astype(np.int64),
            seconds=last[:, 1],
            rmsd_to_start=rmsd(self.x, starts),
            rmsd_to_reference=np.zeros(0) if reference is None else rmsd(self.x, reference),
            ends=tuple(end or str(End.STOPPED) for end in self.ends),
            settings=settings,
            trace_begin=begin,
            trace_evaluations=columns.pop("evaluations").astype(np.int64),
            **{f"trace_{name}": values for name, values in columns.items()},
            notes=notes,
        )


def made_from(energy: str, arrays: Sequence[np.ndarray], settings: MinimizeSettings) -> str:
    """Short text of what a run is made from; `energy` is the energy's own."""
    return fingerprint(energy + json.dumps(asdict(settings)), arrays)


def save_run(run: Run, mark: str, path: Path) -> None:
    """Write a checkpoint; see `save_checkpoint`."""
    lengths = np.array([len(trace) for trace in run.traces])
    lines = np.array([line for trace in run.traces for line in trace]).reshape(-1, len(_TRACE))
    arrays = {"x": run.x, "batch": run.batch, "trace_lengths": lengths, "trace": lines}
    arrays |= {f"state.{name}": values for name, values in run.state.items()}
    save_checkpoint(path, mark, {"ends": run.ends, "seconds": run.seconds}, arrays)


def load_run(path: Path, mark: str) -> Run | None:
    """Read a checkpoint; see `load_checkpoint`."""
    return load_checkpoint(path, mark, "other starts, another energy or other settings", _read)


def _read(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Run:
    parts = np.split(arrays["trace"], np.cumsum(arrays["trace_lengths"])[:-1])
    traces = [[tuple(line) for line in part.tolist()] for part in parts]
    state = {name[6:]: values for name, values in arrays.items() if name.startswith("state.")}
    return Run(arrays["x"], record["ends"], traces, arrays["batch"], state, record["seconds"])


def state_arrays(state: State) -> dict[str, np.ndarray]:
    """A state as arrays of its own, by name."""
    return {part.name: getattr(state, part.name).copy() for part in fields(state)}


def state_of(kind: type[AnyState], arrays: Mapping[str, np.ndarray]) -> AnyState:
    """The inverse of `state_arrays`."""
    return kind(**{name: values.copy() for name, values in arrays.items()})
