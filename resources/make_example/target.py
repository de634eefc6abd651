"""Hidden weights and the noisy map they give, by direct summation over atoms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from resources.make_example.packing import SPACE_GROUP

D_MIN = 1.05  # angstrom
BEAM_STOP = 11.0  # angstrom: reflections beyond are not measured
BLIND_CONE = 12.0  # degrees around a*, not reached by the rotation
UNMEASURED = 0.02  # fraction of the remaining rows without a value
POPULATIONS = (0.55, 0.12, 0.33)  # of the states
SPREAD = 0.8  # standard deviation of ln(weight) within a state
NOISE = 0.05  # of the local intensity
FLOOR = 0.02  # of the mean intensity
SCALE = 0.013  # from electrons^2 per cell to the arbitrary scale of the map
BACKGROUND = 0.5  # of the mean diffuse intensity
N_FREE_SETS = 20
_LAUE = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])  # mmm, one of each Friedel pair


@dataclass(frozen=True, eq=False)
class Target:
    """The map on the asymmetric unit of mmm.

    Attributes
    ----------
    hkl : int32 [n_hkl, 3]
    exact : float64 [n_hkl]
        Diffuse intensity of the hidden weights, electrons^2 per cell.
    intensity, sigma : float64 [n_hkl]
        With background and noise, arbitrary scale; NaN where not measured.
    free_flag : int32 [n_hkl]
        0 to 19; 0 is the free set.
    """

    hkl: np.ndarray
    exact: np.ndarray
    intensity: np.ndarray
    sigma: np.ndarray
    free_flag: np.ndarray


def hidden_weights(state: np.ndarray, seed: int) -> np.ndarray:
    """Unequal state populations times log-normal scatter within a state: float64 [n_frames], sum 1."""
    within = np.exp(SPREAD * np.random.default_rng(seed).standard_normal(len(state)))
    weights = np.zeros(len(state))
    for number, population in enumerate(POPULATIONS):
        rows = state == number
        weights[rows] = population * within[rows] / within[rows].sum()
    return np.round(weights / weights.sum(), 6)


def asymmetric_unit(cell: gemmi.UnitCell, d_min: float) -> np.ndarray:
    """Indices h, k, l >= 0 to `d_min` (angstrom) without the origin, int32 [n_hkl, 3]."""
    limits = cell.get_hkl_limits(d_min)
    block = np.indices([n + 1 for n in limits], dtype=np.int32)
    hkl = np.ascontiguousarray(block.reshape(3, -1).T)[1:]
    return hkl[cell.calculate_d_array(hkl) >= d_min]


def structure_factors(positions: np.ndarray, elements: np.ndarray, hkl: np.ndarray, cell: gemmi.UnitCell) -> np.ndarray:
    """F by direct summation, IT92 form factors, B = 0: complex128 [n_hkl]."""
    fractional = positions @ np.array(cell.frac.mat.tolist()).T
    stol2 = 0.25 / cell.calculate_d_array(hkl) ** 2
    total = np.zeros(len(hkl), dtype=complex)
    for element in np.unique(elements):
        coefficients = gemmi.Element(str(element)).it92
        factor = np.array([coefficients.calculate_sf(s) for s in stol2])
        phase = 2.0 * np.pi * (hkl @ fractional[elements == element].T)
        total += factor * (np.cos(phase).sum(axis=1) + 1j * np.sin(phase).sum(axis=1))
    return total


def all_structure_factors(
    positions: np.ndarray, elements: np.ndarray, hkl: np.ndarray, cell: gemmi.UnitCell, say: Callable[[str], None]
) -> np.ndarray:
    """F of every frame on the Laue images of `hkl`: complex64 [n_frames, 4, n_hkl]."""
    images = (hkl[None] * _LAUE[:, None]).reshape(-1, 3)
    found = np.empty((len(positions), len(_LAUE), len(hkl)), dtype=np.complex64)
    for number, frame in enumerate(positions):
        found[number] = structure_factors(frame, elements, images, cell).reshape(len(_LAUE), -1)
        if (number + 1) % 20 == 0:
            say(f"structure factors of {number + 1} frames")
    return found


def diffuse(factors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum w |F|^2 - |sum w F|^2 in P1, then the mean over the Laue images: float64 [n_hkl]."""
    total = np.tensordot(weights, np.abs(factors.astype(complex)) ** 2, axes=1)
    return (total - np.abs(np.tensordot(weights, factors.astype(complex), axes=1)) ** 2).mean(axis=0)


def make_target(exact: np.ndarray, hkl: np.ndarray, cell: gemmi.UnitCell, seed: int) -> Target:
    """Add a smooth isotropic background, noise, gaps and free flags to the `exact` intensities."""
    rng = np.random.default_rng(seed)
    measured = _reached(hkl, cell)
    hkl, exact = hkl[measured], exact[measured]
    clean = SCALE * (exact + BACKGROUND * exact.mean() * _background(1.0 / cell.calculate_d_array(hkl)))
    sigma = np.hypot(NOISE * clean, FLOOR * clean.mean())
    intensity = clean + sigma * rng.standard_normal(len(hkl))
    gaps = rng.random(len(hkl)) < UNMEASURED
    intensity[gaps] = sigma[gaps] = np.nan
    return Target(hkl, exact, intensity, sigma, rng.integers(0, N_FREE_SETS, len(hkl)).astype(np.int32))


def write_target(target: Target, cell: gemmi.UnitCell, path: Path) -> None:
    """Write the map as MTZ with IDIFF, SIGIDIFF and FreeR_flag."""
    lattice = MillerLattice(target.hkl, cell, SPACE_GROUP)
    columns = [
        MtzColumn("IDIFF", "J", target.intensity.astype(np.float32)),
        MtzColumn("SIGIDIFF", "Q", target.sigma.astype(np.float32)),
        MtzColumn("FreeR_flag", "I", target.free_flag.astype(np.float32)),
    ]
    history = [
        "SIMULATED: peptide crystal, molecular dynamics with hidden frame weights",
        "isotropic background and noise added; free set: FreeR_flag = 0",
    ]
    write_mtz(path, lattice, columns, title="Simulated diffuse map", history=history)


def _reached(hkl: np.ndarray, cell: gemmi.UnitCell) -> np.ndarray:
    """What beam stop and blind cone leave, bool [n_hkl]."""
    vectors = hkl @ np.array(cell.frac.mat.tolist())
    length = np.linalg.norm(vectors, axis=1)
    cosine = np.abs(vectors[:, 0]) / length  # a* lies along x
    return (1.0 / length <= BEAM_STOP) & (cosine < np.cos(np.radians(BLIND_CONE)))


def _background(inverse_d: np.ndarray) -> np.ndarray:
    """A falling curve with the broad ring of a solvent at 3.2 angstrom."""
    return np.exp(-((inverse_d / 0.45) ** 2)) + 0.7 * np.exp(-(((inverse_d - 0.31) / 0.09) ** 2))
