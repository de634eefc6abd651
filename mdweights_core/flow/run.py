"""A training on its way, in memory and as a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.flow.optimise import Optimised
from mdweights_core.flow.settings import TrainSettings
from mdweights_core.io.checkpoints import fingerprint, load_checkpoint, save_checkpoint


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
    """

    state: Optimised
    history: np.ndarray
    energies: int = 0
    skipped: int = 0
    seconds: float = 0.0
    lowest: float = float("nan")
    reused: np.ndarray | None = None
    rungs: tuple[tuple[float, float], ...] = ()

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
    record |= {"lowest": run.lowest, "rungs": run.rungs}
    arrays = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(_arrays(run.state))}
    arrays |= {"history": run.history}
    arrays |= {} if run.reused is None else {"reused": run.reused}
    save_checkpoint(path, mark, record, arrays)


def load_run(path: Path, mark: str, fresh: Run) -> Run | None:
    """Read a checkpoint of a training that begins as `fresh`; see `load_checkpoint`."""

    def read(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Run:
        history, reused = arrays.pop("history"), arrays.pop("reused", None)
        rungs = tuple((float(a), float(b)) for a, b in record.pop("rungs"))
        return Run(_filled(fresh.state, arrays), history, reused=reused, rungs=rungs, **record)

    return load_checkpoint(path, mark, "another system, other examples or other settings", read)


def _arrays(state: Optimised) -> list[Any]:
    return jax.tree.leaves(eqx.filter(state, eqx.is_array))


def _filled(state: Optimised, arrays: dict[str, np.ndarray]) -> Optimised:
    """The same structure with the arrays of a checkpoint."""
    own, fixed = eqx.partition(state, eqx.is_array)
    leaves, tree = jax.tree.flatten(own)
    if len(leaves) != len(arrays):
        raise ValueError(f"{len(arrays)} arrays, expected {len(leaves)}")
    return eqx.combine(jax.tree.unflatten(tree, [jnp.asarray(arrays[f"leaf{i}"]) for i in range(len(leaves))]), fixed)
