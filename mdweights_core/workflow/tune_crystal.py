"""Springs of a crystal tuned to its diffuse map: values, files and frames of what was found."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write_text, disk_problem

if TYPE_CHECKING:
    from mdweights_core.crystal.lattice import DiffuseMap
    from mdweights_core.dynamics.crystal_network.result import Agreement, NetworkFit
    from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings

SCATTERERS = "not element H"
"""Atoms of the network, where no others are chosen."""


def summary(found: NetworkFit) -> dict[str, Any]:
    """All of it but arrays of atoms and frames as plain values for JSON; numbers that are none become null."""
    return {
        "springs": [
            {"class": name, "springs": count, "constant": constant, "relative_error": _number(error)}
            for name, count, constant, error in zip(
                found.springs, found.counts.tolist(), found.constants.tolist(), found.errors.tolist(), strict=True
            )
        ],
        "network": _agreement(found.network),
        "liquid": None if found.liquid is None else _agreement(found.liquid),
        "gamma": _number(found.gamma),
        "sigma": _number(found.sigma),
        "n_fitted": found.n_fitted,
        "n_work": found.n_work,
        "n_held_out": found.n_held_out,
        "history": found.history.tolist(),
        "b_correlation": _number(found.b_correlation),
        "verdict": found.verdict,
        "determined": found.determined,
        "seconds": found.seconds,
        "stopped": found.is_stopped,
    }


def _agreement(one: Agreement) -> dict[str, Any]:
    return {
        "fitted": _number(one.fitted),
        "held_out": _number(one.held_out),
        "total_held_out": _number(one.total),
        "by_resolution": [_number(value) for value in one.by_resolution.tolist()],
    }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def write_springs(path: Path, found: NetworkFit, structure: Path) -> None:
    """Write force constants by class, and what is known of them, as TOML.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    lines = [
        f"# Springs of {structure.name}, tuned by mdweights to its diffuse map. {found.verdict}",
        "",
        "[values]  # kJ/mol/nm^2",
        *(f"{_key(name)} = {value!r}" for name, value in zip(found.springs, found.constants.tolist(), strict=True)),
        "",
        "[relative_errors]",
        *(f"{_key(name)} = {value!r}" for name, value in zip(found.springs, found.errors.tolist(), strict=True)),
    ]
    atomic_write_text(path, "\n".join(lines) + "\n")


def _key(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def write_crystal_frames(
    structure: Path, observed: DiffuseMap, settings: CrystalNetworkSettings, select: str, found: NetworkFit, path: Path
) -> list[Path]:
    """Write the configurations that were drawn as XTC, and the cell in P1 beside it as their topology; the files.

    Raises
    ------
    BadInput
        When none were drawn.
    DiskProblem
        When a file cannot be written.
    """
    from mdweights_core.dynamics.crystal_network.draws import write_ensemble
    from mdweights_core.dynamics.crystal_network.fit import crystal_from

    if not len(found.frames):
        raise BadInput("No configurations were drawn", advice="Let the fit come to its end")
    crystal = crystal_from(structure, observed, select or SCATTERERS, settings.atoms_per_unit)
    places = [path, path.with_suffix(".pdb")]
    try:
        with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
            topology, frames = write_ensemble(crystal, found.frames, folder)
            os.replace(frames, places[0])
            os.replace(topology, places[1])
    except OSError as error:
        raise disk_problem(error, path) from error
    return places
