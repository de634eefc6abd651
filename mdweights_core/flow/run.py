"""A training on its way, in memory and as a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.flow.model import Flow
from mdweights_core.flow.optimise import Optimised
from mdweights_core.flow.settings import TrainSettings
from mdweights_core.io.checkpoints import fingerprint, load_checkpoint, save_checkpoint

Tree = TypeVar("Tree")


class Judged(NamedTuple):
    """A flow, and the effective share of its draws."""

    flow: Flow
    share: float


class TakenBack(NamedTuple):
    """Steps that made a flow worse: the first and the last, and the effective shares before and after."""

    first: int
    last: int
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class Run:
    """All that goes from one step to the next.

    Attributes
    ----------
    state : Optimised
    history : float32 [steps done, 4]
    energies : int
        Asked for so far.
    skipped : int
        Steps that changed nothing.
    seconds : float
    lowest : float
        Energy that high ones are counted from, kT; NaN before it is known.
    reused : float32 [m, n], optional
        Draws that stand in for examples.
    rungs : tuple of (temperature, effective share)
        Of draws that were reweighted.
    begun : Judged, optional
        What the stage began with, where that is to be gone back to if it ends worse.
    taken_back : tuple of TakenBack
        Stages that were.
    """

    state: Optimised
    history: np.ndarray
    energies: int = 0
    skipped: int = 0
    seconds: float = 0.0
    lowest: float = float("nan")
    reused: np.ndarray | None = None
    rungs: tuple[tuple[float, float], ...] = ()
    begun: Judged | None = None
    taken_back: tuple[TakenBack, ...] = ()

    @classmethod
    def begin(cls, state: Optimised) -> Run:
        """Nothing done yet."""
        return cls(state, np.zeros((0, 4), dtype=np.float32))

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.history)

    def after(self, state: Optimised, history: np.ndarray, energies: int, skipped: int) -> Run:
        """The run some steps later."""
        return replace(
            self,
            state=state,
            history=np.concatenate([self.history, history.astype(np.float32)]),
            energies=self.energies + energies,
            skipped=self.skipped + skipped,
        )


def made_from(system: Any, settings: TrainSettings, arrays: Sequence[np.ndarray]) -> str:
    """Short text of what a training is made from; the system is any pytree."""
    leaves, tree = jax.tree.flatten(system)
    return fingerprint(str(tree) + json.dumps(asdict(settings)), [*leaves, *arrays])


def save_run(run: Run, mark: str, path: Path) -> None:
    """Write a checkpoint; see `save_checkpoint`."""
    record: dict[str, Any] = {"energies": run.energies, "skipped": run.skipped, "seconds": run.seconds}
    record |= {"lowest": run.lowest, "rungs": run.rungs, "taken_back": run.taken_back}
    record |= {"begun_share": None if run.begun is None else run.begun.share}
    arrays = _named("leaf", run.state) | ({} if run.begun is None else _named("begun", run.begun.flow))
    arrays |= {"history": run.history}
    arrays |= {} if run.reused is None else {"reused": run.reused}
    save_checkpoint(path, mark, record, arrays)


def load_run(path: Path, mark: str, fresh: Run) -> Run | None:
    """Read a checkpoint of a training that begins as `fresh`; see `load_checkpoint`."""

    def read(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Run:
        history, reused = arrays.pop("history"), arrays.pop("reused", None)
        rungs = tuple((float(a), float(b)) for a, b in record.pop("rungs"))
        taken_back = tuple(TakenBack(*each) for each in record.pop("taken_back"))
        share = record.pop("begun_share")
        begun = None if share is None else Judged(_filled(fresh.state.flow, "begun", arrays), share)
        state = _filled(fresh.state, "leaf", arrays)
        return Run(state, history, reused=reused, rungs=rungs, begun=begun, taken_back=taken_back, **record)

    return load_checkpoint(path, mark, "another system, other examples or other settings", read)


def _named(name: str, tree: Any) -> dict[str, np.ndarray]:
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    return {f"{name}{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}


def _filled(tree: Tree, name: str, arrays: dict[str, np.ndarray]) -> Tree:
    """The same structure with the arrays of that name in a checkpoint."""
    own, fixed = eqx.partition(tree, eqx.is_array)
    leaves, structure = jax.tree.flatten(own)
    there = [jnp.asarray(arrays[f"{name}{i}"]) for i in range(len(leaves))]
    filled: Tree = eqx.combine(jax.tree.unflatten(structure, there), fixed)
    return filled
