"""A training on its way, in memory and as a checkpoint."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.optimise import Optimised
from mdweights_core.flow.settings import TrainSettings
from mdweights_core.io.files import atomic_write

_DAMAGE = (OSError, LookupError, ValueError, TypeError, EOFError, zipfile.BadZipFile)


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


def fingerprint(system: Any, settings: TrainSettings, arrays: Sequence[np.ndarray]) -> str:
    """Short text of what a training is made from; the system is any pytree."""
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
    record = {"made_from": made_from, "energies": run.energies, "skipped": run.skipped, "seconds": run.seconds}
    record |= {"lowest": run.lowest, "rungs": run.rungs}
    arrays = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(_arrays(run.state))}
    arrays |= {"history": run.history}
    arrays |= {} if run.reused is None else {"reused": run.reused}

    def fill(target: Path) -> None:
        with target.open("wb") as stream:
            np.savez(stream, record=np.frombuffer(json.dumps(record).encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]

    atomic_write(path, fill)


def load_run(path: Path, made_from: str, fresh: Run) -> Run | None:
    """Read a checkpoint of a training that begins as `fresh`; None where there is none.

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
        record: dict[str, Any] = json.loads(arrays.pop("record").tobytes())
        is_this = record.pop("made_from") == made_from
        history, reused = arrays.pop("history"), arrays.pop("reused", None)
        rungs = tuple((float(a), float(b)) for a, b in record.pop("rungs"))
        state = _filled(fresh.state, arrays) if is_this else fresh.state
        run = Run(state, history, reused=reused, rungs=rungs, **record)
    except _DAMAGE as error:
        raise BadInput("The checkpoint is damaged", where=path, advice="Remove it to begin anew") from error
    if not is_this:
        raise BadInput(
            "The checkpoint is of another system, other examples or other settings",
            where=path,
            advice="Give the same ones to go on, another name, or remove it to begin anew",
        )
    return run


def _arrays(state: Optimised) -> list[Any]:
    return jax.tree.leaves(eqx.filter(state, eqx.is_array))


def _filled(state: Optimised, arrays: dict[str, np.ndarray]) -> Optimised:
    """The same structure with the arrays of a checkpoint."""
    own, fixed = eqx.partition(state, eqx.is_array)
    leaves, tree = jax.tree.flatten(own)
    if len(leaves) != len(arrays):
        raise ValueError(f"{len(arrays)} arrays, expected {len(leaves)}")
    return eqx.combine(jax.tree.unflatten(tree, [jnp.asarray(arrays[f"leaf{i}"]) for i in range(len(leaves))]), fixed)
