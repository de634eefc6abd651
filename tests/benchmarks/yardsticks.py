"""Structure factors of the same atoms and reflections by other ways: direct summation, gemmi, cctbx."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.reflections import half_lattice

HERE = Path(__file__).resolve().parent
CCTBX = "cctbx-base==2025.11"
_CCTBX_VENV = HERE.parents[1] / "build" / "cctbx-venv"
GEMMI_DEFAULTS = (1.5, 1e-5)  # grid points per half of d_min, and density at which Gaussians are cut
GEMMI_QUICKEST = (1.33, 1e-5)  # of those tried that keep 1e-4 on adk_oplsaa: a cutoff of 1e-4 gives 2e-4 and more
_PROTEIN_AND_WATER = {"H": 0.57, "O": 0.225, "C": 0.15, "N": 0.05, "S": 0.005}


class Unavailable(Exception):
    """A yardstick that this machine cannot have, and why."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One frame: who scatters, where (fractional, float64 [n_atoms, 3]), onto which reflections."""

    scatterers: Scatterers
    lattice: MillerLattice
    fractional: np.ndarray


def random_scene(n_atoms: int, edges: tuple[float, float, float], d_min: float, seed: int = 0) -> Scene:
    """Atoms of protein and water anywhere in a rectangular box."""
    rng = np.random.default_rng(seed)
    share = np.array(list(_PROTEIN_AND_WATER.values()))
    elements = rng.choice(list(_PROTEIN_AND_WATER), n_atoms, p=share / share.sum())
    lattice = half_lattice(gemmi.UnitCell(*edges, 90, 90, 90), gemmi.SpaceGroup("P 1"), d_min)
    return Scene(Scatterers.alike(elements), lattice, rng.random((n_atoms, 3)))


def error(found: np.ndarray, exact: np.ndarray) -> float:
    """||F - F_exact|| / ||F_exact||."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def exact(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """F by the definition, complex128 [n_row], with gemmi's form factors."""
    elements, kind = np.unique(scene.scatterers.element, return_inverse=True)
    total = np.empty(len(rows), dtype=np.complex128)
    for i, row in enumerate(rows):
        stol2 = scene.lattice.inverse_d[row] ** 2 / 4
        f = np.array([gemmi.Element(str(element)).it92.calculate_sf(stol2) for element in elements])
        total[i] = f[kind] @ np.exp(2j * np.pi * (scene.fractional @ scene.lattice.index[row]))
    return total


def seconds_of(work: Callable[[], object], rounds: int) -> list[float]:
    """Wall time of each of `rounds` calls."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return times


class GemmiFFT:
    """gemmi's way: Gaussian densities on a grid, blurred as coarse grids need, an FFT, and the blur undone."""

    def __init__(self, scene: Scene, rate: float, cutoff: float) -> None:
        self.hkl, self.model = scene.lattice.hkl, _model(scene)
        self.calculator = gemmi.DensityCalculatorX()
        self.calculator.d_min = float(1 / scene.lattice.inverse_d.max())
        self.calculator.rate, self.calculator.cutoff = rate, cutoff
        self.calculator.grid.unit_cell = scene.lattice.cell
        self.calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
        self.calculator.set_refmac_compatible_blur(self.model)
        self.correction = np.exp(self.calculator.blur * scene.lattice.inverse_d**2 / 4)

    def __call__(self) -> np.ndarray:
        self.calculator.put_model_density_on_grid(self.model)
        factors = gemmi.transform_map_to_f_phi(self.calculator.grid, half_l=True)
        return factors.get_value_by_hkl(self.hkl) * self.correction


def _model(scene: Scene) -> gemmi.Model:
    """The frame as a gemmi model; its Cartesian positions are those of the fractional ones."""
    chain = gemmi.Chain("A")
    residue = gemmi.Residue()
    residue.name = "UNK"
    for element, place in zip(scene.scatterers.element.tolist(), scene.fractional.tolist(), strict=True):
        atom = gemmi.Atom()
        atom.element, atom.name = gemmi.Element(element), element
        atom.pos = scene.lattice.cell.orthogonalize(gemmi.Fractional(*place))
        atom.occ, atom.b_iso = 1.0, 0.0
        residue.add_atom(atom)
    chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    return model


def cctbx_fft(scene: Scene, rounds: int, folder: Path) -> tuple[np.ndarray, list[float]]:
    """F by cctbx's FFT engine at its defaults, and the seconds of each of `rounds` times.

    Raises
    ------
    Unavailable
        When cctbx cannot be installed here.
    """
    given, out = folder / "scene.npz", folder / "cctbx.npz"
    np.savez(
        given,
        cell=np.array(cell_parameters(scene.lattice.cell)),
        hkl=scene.lattice.hkl,
        element=scene.scatterers.element,
        fractional=scene.fractional,
    )
    _run([_cctbx_python(), HERE / "cctbx_yardstick.py", given, out, rounds])
    with np.load(out) as found:
        return found["factors"], found["seconds"].tolist()


def _cctbx_python() -> Path:
    """The interpreter of an environment with cctbx, made at first use under build/."""
    python = _CCTBX_VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        _run([sys.executable, "-m", "venv", _CCTBX_VENV])
    try:
        _run([python, "-c", "import cctbx.xray"])
    except Unavailable:
        _run([python, "-m", "pip", "install", "--quiet", CCTBX])
    return python


def _run(command: list[object]) -> None:
    outcome = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if outcome.returncode:
        lines = (outcome.stderr or outcome.stdout).strip().splitlines() or ["no message"]
        raise Unavailable(f"{Path(str(command[0])).name} ended with {outcome.returncode}: {lines[-1]}")
