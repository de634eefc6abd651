"""A minimisation without a force field: two atoms that came from 1 nm to 0.9 nm of each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.models.minima_readings import MinimaReading, MinimiseRequest
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.minimize.result import NOT_BEGUN, Minimisation, joined

ATOMS = Atoms(
    element=np.array(["N", "C"]),
    name=np.array(["N", "CA"]),
    residue_name=np.array(["GLY", "GLY"]),
    residue_number=np.array([1, 1], dtype=np.int32),
    chain=np.array(["A", "A"]),
)


def a_minimum(
    request: MinimiseRequest | None = None, n_starts: int = 2, ends: tuple[str, ...] = (), **changes: Any
) -> MinimaReading:
    """Starts of three evaluations each; those that were not begun have no energy."""
    request = request or MinimiseRequest(Path("gly.pdb"))
    ends = ends or ("converged",) * n_starts
    begun = np.array([end != NOT_BEGUN for end in ends])
    starts = np.zeros((n_starts, 2, 3))
    starts[:, 1, 0] = 1.0
    x = starts.copy()
    x[begun, 1, 0] = 0.9
    known = np.where(begun, 1.0, np.nan)
    result = Minimisation(
        x=x,
        start_energy=10.0 * known,
        energy=(np.arange(n_starts) - 5.0) * known,
        rms_force=0.05 * known,
        evaluations=np.where(begun, 3, 0),
        seconds=0.3 * known,
        rmsd_to_start=0.05 * known,
        rmsd_to_reference=np.empty(0),
        ends=ends,
        settings=request.settings,
        trace_begin=3 * np.arange(n_starts + 1),
        trace_evaluations=np.tile([1, 2, 3], n_starts),
        trace_seconds=np.tile([0.1, 0.2, 0.3], n_starts),
        trace_energy=np.tile([10.0, 1.0, -4.0], n_starts),
        trace_rms_force=np.tile([100.0, 1.0, 0.05], n_starts),
        notes=("A note.",),
    )
    frames = () if request.frames is None else request.frames.numbers
    molecule: Any = SimpleNamespace(remarks=("A remark.",), topology=None)
    parts = {"molecule": molecule, "atoms": ATOMS, "starts": starts, "frames": frames, "result": result}
    return MinimaReading(request, **{**parts, **changes})


def a_comparison(request: MinimiseRequest) -> MinimaReading:
    """Two starts given to each of two minimisers, with a reference 0.3 nm away."""
    one = a_minimum(request)
    found = {
        name: replace(one.result, energy=one.result.energy + 100 * number, rmsd_to_reference=np.array([0.3, 0.4]))
        for number, name in enumerate(("lbfgs", "openmm"))
    }
    starts = np.tile(one.starts, (2, 1, 1))
    return replace(one, result=joined(list(found.values())), comparison=found, starts=starts)
