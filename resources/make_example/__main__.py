"""``python -m resources.make_example --out resources/example``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import gemmi
import numpy as np
from openmm import unit
from scipy.spatial.transform import Rotation

from resources.make_example import frames, packing, peptide, recover, simulate, target

SEED = 20240
START_EDGES = np.array([19.0, 20.0, 20.5])  # angstrom; one bar sets the final cell
WATERS_PER_MOLECULE = 14


def main() -> None:
    """Make the frames (unless told to keep them), then the weights and the map."""
    parser = argparse.ArgumentParser(prog="python -m resources.make_example", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the example")
    parser.add_argument("--keep-frames", action="store_true", help="use the PDB and XTC already in the folder")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    schedule = simulate.Schedule()
    if not arguments.keep_frames:
        make_frames(arguments.out, schedule)
    make_map(arguments.out, schedule)


def make_frames(folder: Path, schedule: simulate.Schedule) -> None:
    """Build, pack, simulate, write PDB and XTC."""
    molecule = simulate.molecule_with_hydrogens(peptide.build_peptide(), SEED)
    positions = np.array(molecule.positions.value_in_unit(unit.angstrom))
    heavy = np.array([atom.element.symbol != "H" for atom in molecule.topology.atoms()])
    packed, overlap = packing.pack(positions[heavy], START_EDGES, trials=10, seed=SEED)
    _say(f"packed in P 21 21 21, overlap {overlap:.2f} A^2")
    copies = packing.symmetry_copies(_follow(positions, positions[heavy], packed), START_EDGES)
    oxygens = packing.water_sites(copies[:, heavy].reshape(-1, 3), START_EDGES, WATERS_PER_MOLECULE)
    crystal = simulate.crystal_with_water(molecule, copies, oxygens.reshape(-1, 3), START_EDGES)
    _say(f"{crystal.topology.getNumAtoms()} atoms, {oxygens.shape[0] * oxygens.shape[1]} waters")
    trajectory = simulate.simulate(crystal, schedule, SEED, _say)
    frames.write_frames(trajectory, schedule.spacing, folder)


def make_map(folder: Path, schedule: simulate.Schedule) -> None:
    """Hidden weights, observed map and the check that the weights come back."""
    positions, elements, cell = frames.read_frames(folder)
    state = np.repeat(np.arange(len(simulate.STATES)), schedule.frames)
    weights = target.hidden_weights(state, SEED)
    hkl = target.asymmetric_unit(cell, target.D_MIN)
    factors = target.all_structure_factors(positions, elements, hkl, cell, _say)
    exact = target.diffuse(factors, weights)
    made = target.make_target(exact, hkl, cell, SEED)
    target.write_target(made, cell, folder / "observed.mtz")
    write_weights(weights, state, folder / "hidden_weights.csv")
    kept = _rows(hkl, made.hkl)
    _report(made, factors[:, :, kept], weights, state, cell)


def write_weights(weights: np.ndarray, state: np.ndarray, path: Path) -> None:
    """Write frame, state and weight as CSV."""
    lines = [f"{frame},{s},{w:.6f}\n" for frame, (s, w) in enumerate(zip(state, weights, strict=True))]
    path.write_text("frame,state,weight\n" + "".join(lines))


def _report(
    made: target.Target, factors: np.ndarray, weights: np.ndarray, state: np.ndarray, cell: gemmi.UnitCell
) -> None:
    measured = np.isfinite(made.intensity)
    work = measured & (made.free_flag != 0)
    _say(f"{len(made.hkl)} reflections, {measured.sum()} measured, {(measured & ~work).sum()} of them free")
    inverse_d = 1.0 / cell.calculate_d_array(made.hkl[work])
    found = recover.recover(factors[:, :, work], inverse_d, made.intensity[work], made.sigma[work])
    result = recover.compare(found, weights, state)
    _say(f"correlation of recovered with hidden weights {result.correlation:.3f}")
    _say(f"summed weight per state, hidden    {np.bincount(state, weights).round(3)}")
    _say(f"summed weight per state, recovered {result.states.round(3)}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _rows(table: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = {tuple(row): number for number, row in enumerate(table.tolist())}
    return np.array([place[tuple(row)] for row in wanted.tolist()])


def _follow(positions: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Move `positions` as the rigid motion that takes `before` to `after` does."""
    turn = Rotation.align_vectors(after - after.mean(axis=0), before - before.mean(axis=0))[0]
    return turn.apply(positions - before.mean(axis=0)) + after.mean(axis=0)


if __name__ == "__main__":
    main()
