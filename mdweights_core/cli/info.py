"""`mdweights info`: what files hold, before anything is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdweights_core.cli.arguments import add_json
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.fit import print_fit
from mdweights_core.crystal.lattice import cell_parameters, format_cell
from mdweights_core.errors import BadInput, MdweightsError, counted
from mdweights_core.io.files import unreadable
from mdweights_core.io.frames.frame_files import frame_kind, frame_mtzs
from mdweights_core.project import Project

if TYPE_CHECKING:
    from mdweights_core.io.maps.contents import MapSummary

_ATOMS_ALONE = (".psf", ".prmtop", ".parm7", ".prm7", ".top", ".mol2")  # atoms without positions of frames


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("info", help="say what maps, trajectories, stores and projects hold")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--topology", type=Path, metavar="T", help="topology of the trajectories")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Describe every file; the ones that cannot be read are named, and the exit code is theirs."""
    described, failed = [], None
    for path in args.files:
        try:
            described.append(_looked_into(path, args.topology, terminal))
        except MdweightsError as error:
            failed = error
            terminal.error(error.sentence)
            described.append({"file": str(path), "error": error.sentence})
        terminal.say()
    terminal.result({"files": described})
    if failed is not None:
        unusable = sum("error" in entry for entry in described)
        raise BadInput(f"{unusable} of {len(described)} files cannot be used (see above)")


def _looked_into(path: Path, topology: Path | None, terminal: Terminal) -> dict[str, Any]:
    try:
        return _describe(path, topology, terminal)
    except OSError as error:  # a folder that may not be looked into
        raise unreadable(error, path) from error


def _describe(path: Path, topology: Path | None, terminal: Terminal) -> dict[str, Any]:
    if not path.exists():
        raise BadInput("The file does not exist", where=path, advice="Check the name and the folder")
    if path.suffix == ".mdw":
        return _project(path, terminal)
    kind = frame_kind((path,))
    if kind == "store":
        return _store(path, terminal)
    if kind == "mtz" and path.is_dir():
        return _folder(path, terminal)
    if kind == "checkpoint" or _is_map(path):
        return _map(path, terminal)
    if path.suffix.lower() in _ATOMS_ALONE:
        return _topology(path, terminal)
    return _trajectory(path, topology, terminal)


def _is_map(path: Path) -> bool:
    from mdweights_core.io.maps.observed import map_kind

    return path.is_file() and map_kind(path) is not None


def _map(path: Path, terminal: Terminal) -> dict[str, Any]:
    from mdweights_core.io.maps.observed import describe_map

    found = describe_map(path)
    cell = format_cell(found.cell) if found.cell else "no cell"
    group = found.space_group.xhm() if found.space_group else "no space group"
    frames = f", structure factors of {counted(found.n_frames, 'frame')}" if found.n_frames else ""
    terminal.say(f"{path}: {found.kind}, {found.n_reflections} reflections, {group}, {cell}{frames}")
    for line in _facts(found):
        terminal.say(f"  {line}")
    rows = [
        (c.label, c.type, c.dataset, str(c.n_present), f"{c.minimum:.4g}", f"{c.maximum:.4g}") for c in found.columns
    ]
    terminal.table("", ("column", "type", "data set", "present", "min", "max"), rows)
    pair = ",".join(found.frame_pair) if found.frame_pair else None
    guesses = {"intensity": found.intensity, "sigma": found.sigma, "free": found.free, "frame": pair}
    found_uses = [f"{use}: {name}" for use, name in guesses.items() if name]
    terminal.say("  " + ("; ".join(found_uses) or "nothing in it can be used as it is"))
    return {
        "file": str(path),
        "kind": "mtz" if found.kind == "MTZ" else found.kind,
        "ndiv": list(found.ndiv),
        "n_frames": found.n_frames,
        "cell": list(cell_parameters(found.cell)) if found.cell else None,
        "space_group": found.space_group.xhm() if found.space_group else None,
        "n_reflections": found.n_reflections,
        "d_min": _number(found.d_min),
        "d_max": _number(found.d_max),
        "is_unmerged": found.is_unmerged,
        "columns": [
            {"label": c.label, "type": c.type, "dataset": c.dataset, "n_present": c.n_present} for c in found.columns
        ],
        **{f"{use}_column": name for use, name in guesses.items()},
    }


def _facts(found: MapSummary) -> Iterator[str]:
    """What else there is to say of a map."""
    if found.cell:
        yield f"resolution {found.d_max:.2f} to {found.d_min:.2f} Å"
    if found.is_unmerged:
        yield "unmerged"
    if found.ndiv != (1, 1, 1):
        yield f"reciprocal axes divided by {', '.join(map(str, found.ndiv))}"
    if found.kind != "MTZ":  # the history of an MTZ file is long
        yield from found.history


def _number(value: float) -> float | None:
    return float(value) if value == value and abs(value) != float("inf") else None


def _folder(path: Path, terminal: Terminal) -> dict[str, Any]:
    files = frame_mtzs([path])
    terminal.say(f"{path}: {counted(len(files), 'MTZ file')}, first {files[0].name}, last {files[-1].name}")
    return {"file": str(path), "kind": "mtz folder", "n_frames": len(files), "first": _map(files[0], terminal)}


def _store(path: Path, terminal: Terminal) -> dict[str, Any]:
    from mdweights_core.scattering.storage.store import StructureFactorStore

    store = StructureFactorStore.open(path)
    done = int(store.finished.sum())
    terminal.say(f"{path}: structure factors, {done} of {store.n_frames} frames finished, {store.n_hkl} reflections")
    terminal.say(f"  {format_cell(store.lattice.cell)}")
    for text in store.origin["notes"]:
        terminal.say(f"  {text}")
    for text in store.origin["warnings"]:
        terminal.warn(text)
    return {
        "file": str(path),
        "kind": "store",
        "n_frames": store.n_frames,
        "n_finished": done,
        "n_reflections": store.n_hkl,
        "cell": list(cell_parameters(store.lattice.cell)),
        "notes": list(store.origin["notes"]),
        "warnings": list(store.origin["warnings"]),
    }


def _trajectory(path: Path, topology: Path | None, terminal: Terminal) -> dict[str, Any]:
    from mdweights_core.io.frames.trajectories import open_frames

    source = open_frames((path,), topology)
    cell = format_cell(source.cell) if source.cell else "no usable cell"
    terminal.say(f"{path}: {counted(source.n_frames, 'frame')} of {counted(len(source.atoms), 'atom')}, {cell}")
    for text in source.warnings:
        terminal.warn(text)
    return {
        "file": str(path),
        "kind": "trajectory",
        "n_frames": source.n_frames,
        "n_atoms": len(source.atoms),
        "cell": list(cell_parameters(source.cell)) if source.cell else None,
        "warnings": list(source.warnings),
    }


def _topology(path: Path, terminal: Terminal) -> dict[str, Any]:
    from mdweights_core.io.frames.atom_records import Conformers
    from mdweights_core.io.frames.trajectory_files import read_topology

    atoms = read_topology(path, Conformers())
    terminal.say(f"{path}: topology of {counted(len(atoms), 'atom')}, no frames")
    return {"file": str(path), "kind": "topology", "n_frames": 0, "n_atoms": len(atoms)}


def _project(path: Path, terminal: Terminal) -> dict[str, Any]:
    from mdweights_core.weights.result import fit_summary

    project = Project.open(path)
    frames, date = counted(len(project.fit.weights), "frame"), project.provenance.get("date", "?")
    terminal.say(f"{path}: project of {frames}, made {date}")
    print_fit(project, terminal)
    changed = project.changed_files()
    for name in changed:
        terminal.warn(f"{name} is not the file this fit was made from any more.")
    facts = {"file": str(path), "kind": "project", "inputs": project.inputs.to_json(), "changed_files": changed}
    return facts | fit_summary(project.fit)
