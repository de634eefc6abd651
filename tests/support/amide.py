"""N-methylacetamide, 12 atoms in a small cell: frames of its ensemble in vacuo, and maps of known weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import mdtraj
import numpy as np

from mdweights_core import jobs
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.workflow import compute, run_for_predict

VACUUM = ("--solvent", "none")

PDB = """\
CRYST1   10.000   11.000   12.000  90.00  90.00  90.00 P 1           1
HETATM    1  CH3 ACE A   1       3.528   4.315   6.255  1.00  0.00           C
HETATM    2  H1  ACE A   1       3.513   3.346   6.753  1.00  0.00           H
HETATM    3  H2  ACE A   1       3.229   4.195   5.216  1.00  0.00           H
HETATM    4  H3  ACE A   1       2.851   4.997   6.765  1.00  0.00           H
HETATM    5  C   ACE A   1       4.933   4.868   6.311  1.00  0.00           C
HETATM    6  O   ACE A   1       5.822   4.230   6.858  1.00  0.00           O
HETATM    7  N   NME A   2       5.127   6.059   5.741  1.00  0.00           N
HETATM    8  H   NME A   2       4.333   6.509   5.315  1.00  0.00           H
HETATM    9  C   NME A   2       6.418   6.744   5.701  1.00  0.00           C
HETATM   10  H1  NME A   2       6.326   7.699   5.182  1.00  0.00           H
HETATM   11  H2  NME A   2       6.772   6.919   6.719  1.00  0.00           H
HETATM   12  H3  NME A   2       7.148   6.119   5.184  1.00  0.00           H
TER      13      NME A   2
CONECT    1    5    2    3    4
CONECT    2    1
CONECT    3    1
CONECT    4    1
CONECT    5    1    6    7
CONECT    6    5
CONECT    7    9    8    5
CONECT    8    7
CONECT    9   10   11   12    7
CONECT   10    9
CONECT   11    9
CONECT   12    9
END
"""


def write_structure(folder: Path) -> Path:
    """The molecule at its minimum as a PDB file."""
    path = folder / "amide.pdb"
    path.write_text(PDB)
    return path


@cache
def frames(count: int = 240, kelvin: float = 300.0) -> np.ndarray:
    """Frames [count, 12, 3] (nm) of Langevin dynamics by OpenMM with AMBER14 in vacuo, 50 fs apart."""
    import io

    import openmm as mm
    from openmm import app, unit

    pdb = app.PDBFile(io.StringIO(PDB))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology)
    step = mm.LangevinMiddleIntegrator(kelvin * unit.kelvin, 10 / unit.picosecond, 1 * unit.femtosecond)
    step.setRandomNumberSeed(1)
    context = mm.Context(system, step, mm.Platform.getPlatform("Reference"))
    context.setPositions(pdb.positions)
    context.setVelocitiesToTemperature(kelvin * unit.kelvin, 1)
    step.step(2000)
    found = []
    for _ in range(count):
        step.step(50)
        state = context.getState(getPositions=True)
        found.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    x = np.array(found)
    return x - x.mean(axis=1, keepdims=True) + np.array([0.5, 0.55, 0.6])


def write_trajectory(x: np.ndarray, structure: Path, path: Path) -> Path:
    """Frames [T, 12, 3] as a trajectory in the cell of the structure."""
    start = mdtraj.load_pdb(str(structure))
    cell = [np.repeat(part, len(x), axis=0) for part in (start.unitcell_lengths, start.unitcell_angles)]
    mdtraj.Trajectory(x, start.topology, unitcell_lengths=cell[0], unitcell_angles=cell[1]).save(str(path))
    return path


def write_map(trajectory: Path, structure: Path, weights: np.ndarray, path: Path) -> Path:
    """The diffuse map of weighted frames, by the definition, with a little noise."""
    run = run_for_predict((trajectory,), path.with_suffix(".zarr"), topology=structure, space_group="P 1", d_min=1.5)
    store = jobs.run(compute(jobs.run(run)))
    f = store.read()
    intensity = weights @ np.abs(f) ** 2 - np.abs(weights @ f) ** 2
    noise = 0.02 * intensity.std() * np.random.default_rng(0).normal(size=len(intensity))
    write_mtz(path, store.lattice, [MtzColumn("IDIFF", "J", intensity + noise)], title="amide", history=[])
    return path
