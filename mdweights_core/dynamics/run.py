"""A simulation on its way, in memory and as a checkpoint."""

from __future__ import annotations

import json
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
from mdweights_core.io.checkpoints import fingerprint, load_checkpoint, save_checkpoint


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


def made_from(system: Any, settings: SensitivitySettings, arrays: Sequence[np.ndarray]) -> str:
    """Short text of what a simulation is made from; the system is any pytree."""
    leaves, tree = jax.tree.flatten(system)
    return fingerprint(str(tree) + json.dumps(asdict(settings)), [*leaves, *arrays])


def save_run(run: Run, mark: str, path: Path) -> None:
    """Write a checkpoint; see `save_checkpoint`."""
    arrays = {f"group{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(run.groups))}
    arrays |= {f"middle{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(run.middle))}
    arrays |= {name: getattr(run, name) for name in ("trace", "frames") if getattr(run, name) is not None}
    save_checkpoint(path, mark, {name: getattr(run, name) for name in _NUMBERS}, arrays)


def load_run(path: Path, mark: str, fresh: Run) -> Run | None:
    """Read a checkpoint of a simulation that begins as `fresh`; see `load_checkpoint`."""
    other = "another system, other parameters or other settings"
    return load_checkpoint(path, mark, other, lambda record, arrays: _filled(fresh, record, arrays))


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
