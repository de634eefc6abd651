"""Structure factors by the defining sum, atom by atom: slow, exact, and the yardstick of the fast ones."""

from __future__ import annotations

from collections.abc import Callable

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.scattering.engine.expansion import images_and_phases
from mdweights_core.scattering.engine.form_factors import form_factors
from mdweights_core.scattering.engine.scatterers import Scatterers

_ATOMS, _REFLECTIONS = 2048, 64  # at a time: products that stay in the processor's cache
_FEWEST, _MOST = 20, 1000  # reflections that errors are measured on


def direct_structure_factors(
    scatterers: Scatterers,
    lattice: MillerLattice,
    positions: np.ndarray,
    *,
    radiation: str = "xray",
    symmetry: gemmi.SpaceGroup | None = None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """F(h) = sum_op sum_j o_j f_j(s) exp(-B_j s^2 / 4) exp(2 pi i h.(R x_j + t)), in double precision.

    Parameters
    ----------
    scatterers : Scatterers
    lattice : MillerLattice
    positions : float [n_atoms, 3]
        Fractional in the lattice's cell.
    radiation : str
        ``"xray"``, ``"electron"`` or ``"neutron"``.
    symmetry : gemmi.SpaceGroup, optional
        Positions are one asymmetric unit of it.
    rows : int [n], optional
        Which reflections; by default all.

    Returns
    -------
    complex128 [n]

    Raises
    ------
    BadInput
        When an element is unknown or not tabulated.
    """
    wanted = lattice if rows is None else lattice.select(rows)
    images, phases = images_and_phases(wanted, symmetry)
    inverse_d = np.tile(wanted.inverse_d, len(images))
    turns = np.asarray(positions, dtype=np.float64) / lattice.ndiv
    total = np.zeros(inverse_d.shape, dtype=np.complex128)
    for element in np.unique(scatterers.element):
        atoms = np.flatnonzero(scatterers.element == element)
        for start in range(0, len(atoms), _ATOMS):
            some = atoms[start : start + _ATOMS]
            total += (
                _sum_over_atoms(
                    turns[some], scatterers.b_iso[some], scatterers.occupancy[some], images.reshape(-1, 3), inverse_d
                )
                * form_factors([str(element)], inverse_d, radiation=radiation)[0]
            )
    return (total.reshape(phases.shape) * phases).sum(axis=0)


def measured_error(
    engine: Callable[[np.ndarray], np.ndarray],
    scatterers: Scatterers,
    lattice: MillerLattice,
    positions: np.ndarray,
    *,
    radiation: str = "xray",
    symmetry: gemmi.SpaceGroup | None = None,
    max_work: float = 1e7,
) -> float:
    """Relative error ||F - F_direct|| / ||F_direct|| of an engine, on reflections drawn at random (always the same).

    Parameters
    ----------
    engine : callable
        Structure factors [n_hkl] from fractional positions [n_atoms, 3].
    scatterers, lattice, positions, radiation, symmetry
        As in `direct_structure_factors`.
    max_work : float
        Atoms times operations times reflections that may be summed; 1e7 take some 0.3 s. A few are always drawn.

    Returns
    -------
    float
        NaN when nothing scatters.
    """
    operations = 1 if symmetry is None else len(symmetry.operations().sym_ops)
    affordable = max_work / (max(len(scatterers), 1) * operations)
    count = min(len(lattice), int(np.clip(affordable, _FEWEST, _MOST)))
    rows = np.sort(np.random.default_rng(0).choice(len(lattice), count, replace=False))
    exact = direct_structure_factors(scatterers, lattice, positions, radiation=radiation, symmetry=symmetry, rows=rows)
    size = float(np.linalg.norm(exact))
    return float(np.linalg.norm(engine(positions)[rows] - exact)) / size if size else float("nan")


def _sum_over_atoms(
    turns: np.ndarray, b_iso: np.ndarray, occupancy: np.ndarray, hkl: np.ndarray, inverse_d: np.ndarray
) -> np.ndarray:
    """sum_j o_j exp(-B_j s^2 / 4) exp(2 pi i h.x_j), complex128 [n_hkl]."""
    total = np.empty(len(hkl), dtype=np.complex128)
    for start in range(0, len(hkl), _REFLECTIONS):
        part = slice(start, start + _REFLECTIONS)
        phase = (2 * np.pi * hkl[part]) @ turns.T
        weight = _damping(b_iso, occupancy, inverse_d[part])
        total[part] = (np.cos(phase) * weight).sum(axis=1) + 1j * (np.sin(phase) * weight).sum(axis=1)
    return total


def _damping(b_iso: np.ndarray, occupancy: np.ndarray, inverse_d: np.ndarray) -> np.ndarray:
    """o exp(-B s^2 / 4), float64 [n_hkl, n_atoms]."""
    quarter = np.square(inverse_d) / 4
    if (b_iso == b_iso[0]).all():
        return np.exp(-b_iso[0] * quarter)[:, None] * occupancy
    return np.exp(np.multiply.outer(-quarter, b_iso)) * occupancy
