"""Maps on a grid (CCP4, Lunus) and checkpoints of xtraj."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mdweights_core.crystal.laue import find_points
from mdweights_core.errors import BadInput
from mdweights_core.exports.history import cautions
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.io.maps.ccp4 import write_ccp4
from mdweights_core.io.maps.lunus import write_hkl, write_lat
from mdweights_core.io.maps.xtraj import write_checkpoint, write_weights
from mdweights_core.lights import BAD
from mdweights_core.project import Project
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.result import WeightFit

MAPS = ("calculated", "observed", "difference")
"""Maps of a fit, all on the observed scale; the difference is observed less calculated."""


def export_ccp4(project: Project, path: str | Path, which: str = "calculated") -> None:
    """Write one of `MAPS` on the whole of reciprocal space as a CCP4 map, in the convention of `io.maps.ccp4`.

    Raises
    ------
    BadInput
        When there is no such map.
    DiskProblem
        When the file cannot be written.
    """
    labels = [f"{which} diffuse intensity"]
    if which != "observed" and cautions(project):
        labels.append(_doubt(project))
    write_ccp4(path, project.fit.groups.lattice, _map(project, which), labels=labels)


def _doubt(project: Project) -> str:
    """Why the weights behind a map are not to be believed, in a line of 80 letters."""
    validation = project.validation
    if validation is None:
        return "weights not validated"
    failed = ", ".join(light.name for light in validation.lights if light.state == BAD)
    return f"weights {validation.conclusion}" + (f"; failed: {failed}" if failed else "")


def export_lat(project: Project, path: str | Path, which: str = "calculated") -> None:
    """Write one of `MAPS` on the whole of reciprocal space as a Lunus lattice; errors as `export_ccp4`."""
    write_lat(path, project.fit.groups.lattice, _map(project, which))


def export_hkl(project: Project, path: str | Path, which: str = "calculated") -> None:
    """Write one of `MAPS` as a list of h, k, l and intensity, one of each Friedel pair; errors as `export_ccp4`."""
    values = spread(project.fit, _map(project, which))
    write_hkl(path, project.fit.groups.p1, values)


def _map(project: Project, which: str) -> np.ndarray:
    """One of `MAPS`, float32 [n_group]."""
    fit = project.fit
    if which not in MAPS:
        raise BadInput(f"there is no map called {which!r}", advice=f"Choose one of {', '.join(MAPS)}")
    return fit.observed - fit.calculated if which == "difference" else getattr(fit, which)


def spread(fit: WeightFit, values: np.ndarray) -> np.ndarray:
    """One value per group [n_group] on all reflections of ``fit.groups.p1``: [n_p1]."""
    copies = fit.groups.copies
    member = np.broadcast_to(np.arange(copies.shape[1]), copies.shape)
    result = np.empty(len(fit.groups.p1), dtype=values.dtype)
    result[copies[copies >= 0]] = values[member[copies >= 0]]
    return result


def export_checkpoint(project: Project, path: str | Path) -> None:
    """Write the weights for users of Lunus: a checkpoint of xtraj, weights relative to equal ones (mean 1).

    When the frames came from a checkpoint it is copied with the new weights; else a whole one is written with the
    structure factors of the frames and the observed map.

    Raises
    ------
    BadInput
        When the checkpoint or the store the frames came from is gone, or holds another number of frames.
    DiskProblem
        When the file cannot be written.
    """
    frames, fit = project.inputs.frames, project.fit
    weights = fit.weights * len(fit.weights)
    kind = frame_kind(frames)
    if kind == "checkpoint":
        write_weights(frames[0], path, weights)
        return
    store = StructureFactorStore.open(project.store_path)
    if store.n_frames != len(weights):
        raise BadInput(
            f"the structure factors are of {store.n_frames} frames, but there are {len(weights)} weights",
            where=store.path,
            advice="Run the fit again",
        )
    rows = find_points(fit.groups.p1, store.lattice)
    there = rows >= 0
    observed = spread(fit, fit.observed)[there]
    write_checkpoint(path, _blocks(store, rows[there]), fit.groups.p1.select(there), weights, observed)


def _blocks(store: StructureFactorStore, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Structure factors of the frames on some reflections, complex64 [n, n_rows], a chunk of frames at a time."""
    size = store.frames_per_chunk
    for start in range(0, store.n_frames, size):
        yield store.read(slice(start, start + size))[:, rows]
