"""What a user takes away.

Weighted MTZ, maps on a grid (CCP4, Lunus), weights as CSV and in checkpoints of xtraj, a GROMACS index of the frames
kept, the best frames as PDB.
"""

from __future__ import annotations

import csv
import io
import itertools
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters, supercell
from mdweights_core.crystal.laue import find_points, find_rows, friedel_half, group_of, hkl_key, in_asu
from mdweights_core.crystal.origin import Origin, find_origin, moved
from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write_text
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.io.frames.trajectories import Atoms
from mdweights_core.io.maps.ccp4 import write_ccp4
from mdweights_core.io.maps.lunus import write_hkl, write_lat
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.io.maps.xtraj import write_checkpoint, write_weights
from mdweights_core.project import Project
from mdweights_core.scattering.frame_mtz import cells_in_box
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.result import WeightFit, anisotropic_maps
from mdweights_core.weights.validation.result import ThetaScan

KEPT = 0.01
"""Frames are kept when they weigh at least this part of the uniform weight."""


def kept_frames(weights: np.ndarray) -> np.ndarray:
    """Frames (from 0) whose weight is at least 1 % of the uniform one: int64 [n_kept]."""
    return np.flatnonzero(weights >= KEPT / len(weights))


def export_mtz(project: Project, path: str | Path) -> None:
    r"""Write the weighted MTZ.

    Columns, on the absolute scale (electrons, electrons squared) of one unit cell; where the box simulated holds N of
    them, amplitudes are divided by N and intensities by its square, as `scattering.frame_mtz` does:

    ==================  ====  ===============================================================================
    FWT, PHIFWT         F, P  weighted mean structure factor, averaged over the space group (Coot opens it), to whose
                              origin the crystal is moved when it clearly lies elsewhere
    IMEAN               J     weighted mean of \|F\|^2, averaged over the Laue class
    IDIFF               J     calculated diffuse intensity, averaged over the Laue class
    IDOBS, SIGIDOBS     J, Q  observed diffuse intensity and sigma on the fitted scale
    IDANISO, IDOBSANISO R     both with the shell means removed, the observed on a fitted scale of its own
    FreeR_flag          I     0: held out of the fit, 1: fitted
    ==================  ====  ===============================================================================

    MTZ files hold whole indices only: a map on divided reciprocal axes is written with the cell of the supercell, in
    P 1 with all equivalent reflections, and everything as simulated, of the whole box.

    Raises
    ------
    DiskProblem
        When the file cannot be written.
    """
    fit = project.fit
    origin = crystal_origin(fit)
    target, group, mean_f = _rows_of_mtz(fit, origin)
    n_cells = _cells_averaged(project)
    rows = [
        MtzColumn("FWT", "F", (np.abs(mean_f) / n_cells).astype(np.float32)),
        MtzColumn("PHIFWT", "P", np.degrees(np.angle(mean_f)).astype(np.float32)),
        *(MtzColumn(c.label, c.type, np.asarray(c.values, dtype=np.float32)[group]) for c in _columns(fit, n_cells)),
    ]
    history = [*history_lines(project), *_scale_lines(fit, n_cells), *_division_lines(fit)]
    write_mtz(
        path,
        target,
        rows,
        title="mdweights: weighted ensemble",
        history=[*history, *mean_f_warnings(fit, origin)],
    )


def _columns(fit: WeightFit, n_cells: int) -> list[MtzColumn]:
    """What there is one value of per group, intensities on the scale of one of `n_cells` cells."""
    scale, offset = (fit.scale, fit.offset) if fit.scale > 0 else (1.0, 0.0)
    aniso = anisotropic_maps(fit)
    aniso_scale = aniso.scale if aniso.scale > 0 else 1.0
    intensities = [
        ("IMEAN", "J", fit.mean_intensity),
        ("IDIFF", "J", fit.diffuse),
        ("IDOBS", "J", (fit.observed - offset) / scale),
        *([] if fit.observed_sigma is None else [("SIGIDOBS", "Q", fit.observed_sigma / scale)]),
        ("IDANISO", "R", aniso.diffuse),
        ("IDOBSANISO", "R", aniso.observed / aniso_scale),
    ]
    columns = [MtzColumn(label, kind, values / n_cells**2) for label, kind, values in intensities]
    return [*columns, MtzColumn("FreeR_flag", "I", np.where(fit.free, 0, 1))]


def _cells_averaged(project: Project) -> int:
    """Cells of the box whose mean the MTZ file is of; one where the box is written as it is."""
    lattice = project.fit.groups.lattice
    held = None if lattice.ndiv != (1, 1, 1) else _cells_held(project)
    return 1 if held is None else int(np.prod(held))


def _cells_held(project: Project) -> tuple[int, int, int] | None:
    """Cells of the map along each axis of the frames' boxes; None when nothing tells."""
    return cells_in_box(project.frames.cell, project.fit.groups.lattice, project.predict_settings.supercell)


def _scale_lines(fit: WeightFit, n_cells: int) -> list[str]:
    lines = []
    if n_cells > 1:
        lines.append(f"mean of the {n_cells} cells of the box: F of the box / {n_cells}, intensities / {n_cells**2}")
    if fit.scale > 0:
        square = f" / {n_cells**2}" if n_cells > 1 else ""
        return [*lines, f"IDOBS = (observed - {fit.offset:.5g}) / {fit.scale:.5g}{square}"]
    return [*lines, "IDOBS = observed, not scaled" + (f", / {n_cells**2}" if n_cells > 1 else "")]


def _rows_of_mtz(fit: WeightFit, origin: Origin) -> tuple[MillerLattice, np.ndarray, np.ndarray]:
    """Reflections as an MTZ file holds them, ordered; the group each belongs to; and mean F, complex128 [n_hkl]."""
    lattice, p1 = fit.groups.lattice, fit.groups.p1
    if lattice.ndiv == (1, 1, 1):
        hkl, group = in_asu(lattice.hkl, lattice.space_group), np.arange(len(lattice))
        mean_f = symmetrised_mean_f(fit, hkl, origin.move)
    else:
        hkl, group = in_asu(p1.hkl, p1.space_group), group_of(p1.hkl, fit.groups)
        mean_f = np.where((hkl == p1.hkl).all(axis=1), fit.mean_f, fit.mean_f.conj())
        lattice = MillerLattice(p1.hkl, supercell(p1.cell, p1.ndiv), p1.space_group)
    order = np.argsort(hkl_key(hkl))
    return MillerLattice(hkl[order], lattice.cell, lattice.space_group), group[order], mean_f[order]


def _division_lines(fit: WeightFit) -> list[str]:
    lattice = fit.groups.lattice
    if lattice.ndiv == (1, 1, 1):
        return []
    cell = " ".join(f"{value:.6g}" for value in cell_parameters(lattice.cell))
    return [
        f"indices are those of the supercell of {' x '.join(map(str, lattice.ndiv))} cells ({cell}, "
        f"{lattice.space_group.xhm()}), written in P 1",
        "FWT and PHIFWT are not averaged over the space group; all is of the whole box simulated",
    ]


def crystal_origin(fit: WeightFit) -> Origin:
    """Where the simulated crystal, as mean F has it, lies with respect to the origin of the space group."""
    return find_origin(fit.mean_f, fit.groups.p1, fit.groups.lattice.space_group)


def symmetrised_mean_f(fit: WeightFit, hkl: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Mean F at `hkl` averaged over the space group when the crystal was moved by `shift`, complex128 [n_hkl].

    F(h R) exp(2 pi i h.t) is equal for all operations (R, t) of a crystal; the simulated cell's differ by its noise.
    """
    table = fit.groups.p1.hkl
    mean_f = moved(fit.mean_f, table, shift)
    total = np.zeros(len(hkl), dtype=np.complex128)
    operations = list(fit.groups.lattice.space_group.operations())
    for operation in operations:
        rotation = np.array(operation.rot) // operation.DEN
        image = (hkl.astype(np.int64) @ rotation).astype(np.int32)
        half = friedel_half(image)
        value = mean_f[find_rows(half, table)]
        value = np.where((half == image).all(axis=1), value, value.conj())
        total += value * np.exp(2j * np.pi * (hkl @ (np.array(operation.tran) / operation.DEN)))
    return total / len(operations)


def mean_f_warnings(fit: WeightFit, origin: Origin | None = None) -> list[str]:
    """What to know before FWT and PHIFWT are believed: sentences, when the crystal was moved or lacks its space group.

    `origin` is that of `crystal_origin`, found when not given.
    """
    lattice = fit.groups.lattice
    if lattice.ndiv != (1, 1, 1):  # then no average is taken
        return []
    return (origin or crystal_origin(fit)).remarks(lattice.space_group, "FWT and PHIFWT")


def history_lines(project: Project) -> list[str]:
    """What was done, for the HISTORY records of a file: short lines."""
    fit, inputs, settings = project.fit, project.inputs, project.fit_settings
    s, u = fit.scores, fit.uniform
    return [
        f"{project.provenance.get('program', 'mdweights')} {project.provenance.get('date', '')}".strip(),
        f"map {Path(inputs.map).name}; {len(fit.weights)} frames of {', '.join(p.name for p in inputs.frames[:3])}",
        f"objective {settings.objective}, solver {settings.solver}, theta {settings.theta:g}, seed {settings.seed}",
        f"CC {s.cc:.4f} (equal weights {u.cc:.4f}), free {s.cc_free:.4f} ({u.cc_free:.4f})",
        f"CCaniso {s.cc_aniso:.4f} (equal {u.cc_aniso:.4f}), free {s.cc_aniso_free:.4f} ({u.cc_aniso_free:.4f})",
        f"effective frames {fit.n_eff:.1f}, active {fit.n_active}; {fit.outcome}",
        *(f"warning: {text}" for text in fit.warnings),
    ]


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
    write_ccp4(path, project.fit.groups.lattice, _map(project, which), labels=[f"{which} diffuse intensity"])


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


def export_csv(project: Project, path: str | Path) -> None:
    """Write a row per frame: number from 0, source, index in it, time (ps), weight, its error, influence, drift (A).

    The relative weight is weight / prior weight; the error is that of the bootstrap, empty where there was none.
    """
    text = io.StringIO()
    _write_csv(project, text)
    atomic_write_text(path, text.getvalue())


def _write_csv(project: Project, stream: TextIO) -> None:
    fit, frames = project.fit, project.frames
    writer = csv.writer(stream, lineterminator="\n")
    names = ("frame", "source", "index", "time_ps", "weight", "weight_error", "relative_weight", "influence", "drift_A")
    writer.writerow(names)
    drift = np.linalg.norm(frames.drift, axis=1)
    error = weight_errors(project)
    for t, weight in enumerate(fit.weights):
        writer.writerow(
            [
                t,
                frames.source[t],
                int(frames.index[t]),
                _number(frames.time[t], ".6g"),
                f"{weight:.9g}",
                _number(error[t], ".3g"),
                f"{weight / fit.prior[t]:.6g}",
                f"{fit.influence[t]:.6g}",
                _number(drift[t], ".4f"),
            ]
        )


def weight_errors(project: Project) -> np.ndarray:
    """Standard error of each weight from the bootstrap, float64 [n_frames]; NaN where it is not known."""
    validation = project.validation
    if validation is None or validation.bootstrap is None:
        return np.full(len(project.fit.weights), np.nan)
    return validation.bootstrap.weight_error


def export_scan(scan: ThetaScan, path: str | Path) -> None:
    """Write a row per theta: scores on fitted and on held-out reflections with error, KL, effective frames."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["theta", "score", "held_out", "held_out_error", "kl", "n_eff", "proposed"])
    columns = (scan.theta, scan.score, scan.held_out, scan.held_out_error, scan.entropy, scan.n_eff)
    for i, row in enumerate(zip(*columns, strict=True)):
        writer.writerow([*(_number(value, ".6g") for value in row), int(i == scan.proposed)])
    atomic_write_text(path, text.getvalue())


def _number(value: float, form: str) -> str:
    return format(float(value), form) if np.isfinite(value) else ""


def export_ndx(project: Project, path: str | Path) -> None:
    """Write a GROMACS index file of the frames kept, numbered from 1 (for `gmx trjconv -fr`)."""
    numbers = kept_frames(project.fit.weights) + 1
    lines = ["[ kept_frames ]"]
    lines += [" ".join(map(str, numbers[i : i + 15])) for i in range(0, len(numbers), 15)]
    text = "\n".join(lines) + "\n"
    atomic_write_text(path, text)


def export_pdb(project: Project, path: str | Path, top: int = 10) -> None:
    """Write the `top` frames of largest weight as models of one PDB file, the heaviest first.

    CRYST1 is the box of the heaviest frame; the cell of the map where the frames have none that is whole cells.

    Raises
    ------
    BadInput
        When the frames were structure factors only and there are no atoms to write.
    """
    source = project.frame_source()
    if source is None:
        raise BadInput(
            "the frames are structure factors without atoms, so there is nothing to write as PDB",
            where=project.path,
            advice="Fit from the trajectory to export molecules",
        )
    weights = project.fit.weights
    best = np.argsort(-weights, kind="stable")[: max(1, top)]
    structure = _structure(source.atoms, [source.positions(int(t)) for t in best])
    structure.cell = _box_of(project, int(best[0]))
    structure.spacegroup_hm = "P 1"  # the atoms are those of the whole box
    structure.raw_remarks = [
        f"REMARK   1 MODEL {i:4d}: FRAME {t} (FROM 0), WEIGHT {weights[t]:.6f}" for i, t in enumerate(best, start=1)
    ]
    text = structure.make_pdb_string()
    atomic_write_text(path, text)


def _box_of(project: Project, frame: int) -> gemmi.UnitCell:
    """The box the atoms of a frame lie in: the one written with it, as far as the crystal is made of such."""
    cell, box, held = project.fit.groups.lattice.cell, project.frames.cell[frame], _cells_held(project)
    if held is None:
        return cell
    return gemmi.UnitCell(*box) if np.isfinite(box).all() else supercell(cell, held)


def _structure(atoms: Atoms, frames: Sequence[np.ndarray]) -> gemmi.Structure:
    structure = gemmi.Structure()
    template = _model(atoms)
    for number, positions in enumerate(frames, start=1):
        structure.add_model(template)
        model = structure[-1]
        model.num = number
        for place, position in zip(model.all(), positions, strict=True):
            place.atom.pos = gemmi.Position(*map(float, position))
    return structure


def _chain_letters(atoms: Atoms) -> dict[str, str]:
    """Names of chains as PDB files have room for: longer ones (segments, PROA) become letters that are free."""
    names = list(dict.fromkeys(atoms.chain.tolist()))
    kept = {name for name in names if len(name) < 2}
    free = itertools.cycle(
        [letter for letter in string.ascii_uppercase + string.ascii_lowercase + string.digits if letter not in kept]
        or ["A"]
    )
    return {name: name if name in kept else next(free) for name in names}


def _model(atoms: Atoms) -> gemmi.Model:
    """Chains and residues in file order; a residue ends where its chain, number or name changes."""
    model, last = gemmi.Model(1), None
    letters = _chain_letters(atoms)
    for i in range(len(atoms)):
        key = (atoms.chain[i], atoms.residue_number[i], atoms.residue_name[i])
        if last is None or last[0] != key[0]:
            model.add_chain(gemmi.Chain(letters[str(atoms.chain[i])]))
        if key != last:
            residue = gemmi.Residue()
            residue.name, residue.seqid = str(atoms.residue_name[i]), gemmi.SeqId(int(atoms.residue_number[i]), " ")
            model[-1].add_residue(residue)
            last = key
        atom = gemmi.Atom()
        atom.name, atom.element = str(atoms.name[i]), gemmi.Element(str(atoms.element[i]))
        model[-1][-1].add_atom(atom)
    return model
