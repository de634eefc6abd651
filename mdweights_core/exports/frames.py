"""Frames: a GROMACS index of those kept, the best as PDB."""

from __future__ import annotations

import itertools
import string
import textwrap
from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import supercell
from mdweights_core.errors import BadInput
from mdweights_core.exports.history import ascii_text, cautions
from mdweights_core.exports.mtz import cells_held
from mdweights_core.io.files import atomic_write_text
from mdweights_core.io.frames.gromacs_index import index_group
from mdweights_core.io.frames.trajectories import Atoms
from mdweights_core.project import Project

KEPT = 0.01
"""Frames are kept when they weigh at least this part of the uniform weight."""

_REMARK = "REMARK   1 "
_PDB_WIDTH, _NDX_WIDTH = 80, 100  # letters of a line


def kept_frames(weights: np.ndarray) -> np.ndarray:
    """Frames (from 0) whose weight is at least 1 % of the uniform one: int64 [n_kept]."""
    return np.flatnonzero(weights >= KEPT / len(weights))


def export_ndx(project: Project, path: str | Path) -> None:
    """Write a GROMACS index file of the frames kept, numbered from 1 (for `gmx trjconv -fr`).

    Comments before the group say why the weights are not to be believed, where that is so.
    """
    lines = [*_wrapped(project, "; ", _NDX_WIDTH), *index_group(kept_frames(project.fit.weights))]
    text = "\n".join(lines) + "\n"
    atomic_write_text(path, text)


def _wrapped(project: Project, prefix: str, width: int) -> list[str]:
    """The cautions as lines of letters that any program reads."""
    told = [ascii_text(text) for text in cautions(project)]
    return [prefix + line for text in told for line in textwrap.wrap(text, width - len(prefix))]


def export_pdb(project: Project, path: str | Path, top: int = 10) -> None:
    """Write the `top` frames of largest weight as models of one PDB file, the heaviest first.

    Remarks say which frames they are, and first why the weights are not to be believed, where that is so.
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
    models = [f"MODEL {i:4d}: FRAME {t} (FROM 0), WEIGHT {weights[t]:.6f}" for i, t in enumerate(best, start=1)]
    structure.raw_remarks = [*_wrapped(project, _REMARK, _PDB_WIDTH), *(f"{_REMARK}{text}" for text in models)]
    text = structure.make_pdb_string()
    atomic_write_text(path, text)


def _box_of(project: Project, frame: int) -> gemmi.UnitCell:
    """The box the atoms of a frame lie in: the one written with it, as far as the crystal is made of such."""
    cell, box, held = project.fit.groups.lattice.cell, project.frames.cell[frame], cells_held(project)
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
