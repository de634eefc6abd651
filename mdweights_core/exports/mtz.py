"""The weighted MTZ file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters, supercell
from mdweights_core.crystal.laue import find_rows, friedel_half, group_of, hkl_key, in_asu
from mdweights_core.crystal.origin import Origin, find_origin, moved
from mdweights_core.exports.history import history_lines
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.project import Project
from mdweights_core.scattering.frame_mtz import cells_in_box
from mdweights_core.weights.result import WeightFit, anisotropic_maps


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
    held = None if lattice.ndiv != (1, 1, 1) else cells_held(project)
    return 1 if held is None else int(np.prod(held))


def cells_held(project: Project) -> tuple[int, int, int] | None:
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
