"""A simulation on its way, in memory and as a checkpoint."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.accumulate import Sums, gathered
from mdweights_core.dynamics.replicas import Group, without_tangents
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.files import atomic_write
from mdweights_core.jobs import Clock

_DAMAGE = (OSError, LookupError, ValueError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class Run:
    """All that goes from one stride to the next.

    Attributes
    ----------
    groups : tuple of Group
        Replicas that are moved in one call each.
    done : int
        Strides, burn-in included.
    settle : int
        Strides after burn-in that derivatives need to forget their begin; -1 before that is known.
    window : int
        Samples over which likelihood ratios are summed.
    given_up : int
        Strides after which pathwise derivatives were; -1 where they were not.
    growth, exponent : float
        Of a disturbance by then.
    trace : float64 [S, B, W]
        Watched features while it is measured how long they remember.
    frames : float64 [S, R, N]
        Configurations that were kept.
    middle : Sums or None
        Of all blocks, half-way.
    seconds : float
    """

    groups: tuple[Group, ...]
    done: int = 0
    settle: int = -1
    window: int = 1
    given_up: int = -1
    growth: float = float("nan")
    exponent: float = float("nan")
    trace: np.ndarray | None = None
    frames: np.ndarray | None = None
    middle: Sums | None = None
    seconds: float = 0.0

    @property
    def sums(self) -> Sums:
        """Of all blocks, as NumPy arrays."""
        return gathered([group.sums for group in self.groups])

    @property
    def x(self) -> np.ndarray:
        """Where all replicas are, float64 [R, N]."""
        return np.concatenate([np.asarray(group.replicas.x) for group in self.groups])

    def with_trace(self, rows: np.ndarray) -> Run:
        """The same with more of what is watched."""
        return replace(self, trace=rows if self.trace is None else np.concatenate([self.trace, rows]))

    def with_frames(self, times: int) -> Run:
        """The same with the present configurations kept, so many times."""
        rows = np.repeat(self.x[None], times, axis=0)
        return replace(self, frames=rows if self.frames is None else np.concatenate([self.frames, rows]))

    def without_tangents(self, strides: int, growth: float, exponent: float) -> Run:
        """The same where pathwise derivatives are given up after some strides."""
        groups = tuple(without_tangents(group) for group in self.groups)
        middle = None if self.middle is None else replace(self.middle, through=None)
        return replace(self, groups=groups, middle=middle, given_up=strides, growth=growth, exponent=exponent)


_NUMBERS = ("done", "settle", "window", "given_up", "growth", "exponent", "seconds")


def fingerprint(system: Any, settings: SensitivitySettings, arrays: Sequence[np.ndarray]) -> str:
    """Short text of what a simulation is made from; the system is any pytree."""
    leaves, tree = jax.tree.flatten(system)
    digest = hashlib.sha256(str(tree).encode() + json.dumps(asdict(settings)).encode())
    for leaf in [*leaves, *arrays]:
        values = np.ascontiguousarray(leaf)
        digest.update(f"{values.shape} {values.dtype}".encode() + values.tobytes())
    return digest.hexdigest()


def save_run(run: Run, made_from: str, path: Path) -> None:
    """Write a checkpoint, all at once or not at all.

    Raises
    ------
    DiskProblem
        When it cannot be written; one that was there stays.
    """
    record = {"made_from": made_from, **{name: getattr(run, name) for name in _NUMBERS}}
    arrays = {f"group{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(run.groups))}
    arrays |= {f"middle{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(run.middle))}
    arrays |= {name: getattr(run, name) for name in ("trace", "frames") if getattr(run, name) is not None}

    def fill(target: Path) -> None:
        with target.open("wb") as stream:
            np.savez(stream, record=np.frombuffer(json.dumps(record).encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]

    atomic_write(path, fill)


def load_run(path: Path, made_from: str, fresh: Run) -> Run | None:
    """Read a checkpoint of a simulation that begins as `fresh`; None where there is none.

    Raises
    ------
    BadInput
        When it is of something else, or damaged.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as stream, np.load(stream) as file:
            arrays = {name: file[name] for name in file.files}
        record: dict[str, Any] = json.loads(arrays["record"].tobytes())
        is_this = record.pop("made_from") == made_from
        run = _filled(fresh, record, arrays) if is_this else fresh
    except _DAMAGE as error:
        raise BadInput("The checkpoint is damaged", where=path, advice="Remove it to begin anew") from error
    if not is_this:
        raise BadInput(
            "The checkpoint is of another system, other parameters or other settings",
            where=path,
            advice="Give the same ones to go on, another name, or remove it to begin anew",
        )
    return run


def _filled(fresh: Run, record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Run:
    """The same structure with the numbers of a checkpoint."""
    if record["given_up"] >= 0:
        fresh = fresh.without_tangents(record["given_up"], record["growth"], record["exponent"])
    groups = _with_leaves(fresh.groups, arrays, "group", jnp.asarray)
    middle = _with_leaves(fresh.sums, arrays, "middle", np.asarray) if "middle0" in arrays else None
    return Run(groups, trace=arrays.get("trace"), frames=arrays.get("frames"), middle=middle, **record)


def _with_leaves(like: Any, arrays: dict[str, np.ndarray], name: str, made: Any) -> Any:
    leaves, tree = jax.tree.flatten(like)
    return jax.tree.unflatten(tree, [made(arrays[f"{name}{i}"]) for i in range(len(leaves))])


class Keeper:
    """Writes checkpoints now and then; a disk that is full is told about once, and the run goes on."""

    def __init__(self, path: Path | None, made_from: str, seconds: float) -> None:
        self.path, self.made_from = path, made_from
        self._clock = Clock(seconds)
        self.notes: tuple[str, ...] = ()

    def begin(self, fresh: Run) -> Run:
        """What was done before, or the run given."""
        known = None if self.path is None else load_run(self.path, self.made_from, fresh)
        return known or fresh

    def save_if_due(self, run: Run) -> None:
        """Write one when it is time."""
        if self._clock.is_due():
            self.save(run)

    def save(self, run: Run) -> None:
        """Write one."""
        if self.path is None:
            return
        try:
            save_run(run, self.made_from, self.path)
        except DiskProblem as problem:
            self.notes = (f"No checkpoint could be written, and the run cannot be gone on with. {problem.sentence}",)
            self.path = None
