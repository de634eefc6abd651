"""Liquid-like motions: what a network has to beat, with two parameters.

Every atom is displaced by sigma along each axis, and displacements of two atoms at a distance r correlate by
exp(-r / gamma), across molecules too (Caspar et al., Nature 332, 659 (1988); Clarage et al., Proteins 12, 145 (1992)):

    I_D(q) = exp(-q^2 sigma^2) sum_n (q sigma)^2n / n! [|F|^2 * transform of exp(-n r / gamma)](q).

The convolutions are done on a grid of reciprocal-lattice points.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
import scipy.fft
from scipy.optimize import minimize_scalar

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.dynamics.crystal_network.comparison import Comparison
from mdweights_core.dynamics.crystal_network.units import Crystal
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine, fractional
from mdweights_core.scattering.reflections import half_lattice

_BEYOND = 0.25  # 1/angstrom: how far |F|^2 is known beyond the reflections that are wanted
_ORDERS = 8
SIGMAS = np.arange(0.2, 0.81, 0.025)
"""Displacements that are tried, angstrom."""

_SHORTEST, _LONGEST = 2.0, 30.0  # correlation lengths that are tried, angstrom


@dataclass(frozen=True)
class LiquidLike:
    """Liquid-like motions fitted to a map: correlation length and displacement along each axis, angstrom."""

    gamma: float
    sigma: float


class Liquid:
    """Liquid-like motions of a crystal at given reflections.

    Parameters
    ----------
    crystal : Crystal
    lattice : MillerLattice
        Reflections, ``n_hkl``.
    """

    def __init__(self, crystal: Crystal, lattice: MillerLattice) -> None:
        wanted = half_lattice(crystal.cell, gemmi.SpaceGroup("P 1"), 1 / (float(lattice.inverse_d.max()) + _BEYOND))
        self._shape = tuple(int(scipy.fft.next_fast_len(2 * int(n) + 1)) for n in np.abs(wanted.hkl).max(axis=0))
        self.squares = _on_grid(self._shape, wanted, _cell_intensities(crystal, wanted))
        self._transformed = scipy.fft.rfftn(self.squares)
        steps = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in self._shape), indexing="ij"), axis=-1)
        self._away = np.sum((2 * np.pi * steps @ reciprocal_axes(crystal.cell)) ** 2, axis=-1).astype(np.float32)
        self._rows = tuple((lattice.hkl % np.array(self._shape)).T)
        self._q_square = (2 * np.pi * lattice.inverse_d) ** 2
        self._volume = crystal.cell.volume

    def orders(self, gamma: float) -> np.ndarray:
        """|F|^2 convolved with the transform of exp(-n r / gamma), n from 1: float64 [_ORDERS, n_hkl].

        That is 8 pi g^3 / (1 + (q g)^2)^2 with g = gamma / n; taken at reciprocal-lattice points it sums over all
        images in direct space.
        """
        found = np.empty((_ORDERS, len(self._q_square)))
        for row in range(_ORDERS):
            g = gamma / (row + 1)
            kernel = (8 * np.pi * g**3 / self._volume) / (1 + g**2 * self._away) ** 2
            found[row] = scipy.fft.irfftn(scipy.fft.rfftn(kernel) * self._transformed, s=self._shape)[self._rows]
        return found

    def summed(self, orders: np.ndarray, sigma: float) -> np.ndarray:
        """Intensities [n_hkl], electrons squared, from what `orders` gives."""
        step, total = self._q_square * sigma**2, np.zeros(len(self._q_square))
        term = np.exp(-step)
        for number, order in enumerate(orders, start=1):
            term = term * step / number
            total += term * order
        return total


def _cell_intensities(crystal: Crystal, lattice: MillerLattice) -> np.ndarray:
    """|F|^2 of the cell at rest, float32 [n_hkl]."""
    atoms, n = crystal.atoms, crystal.n_copies
    occupancy = np.ones(len(atoms)) if atoms.occupancy is None else atoms.occupancy.astype(np.float64)
    scatterers = Scatterers(np.tile(atoms.element, n), np.zeros(n * len(atoms)), np.tile(occupancy, n))
    engine = ScatteringEngine(scatterers, lattice, relative_error=1e-4)
    return np.abs(engine(fractional(crystal.copies(crystal.positions).reshape(-1, 3), crystal.cell))) ** 2


def _on_grid(shape: tuple[int, ...], lattice: MillerLattice, values: np.ndarray) -> np.ndarray:
    """Values of a Friedel half at both members of each pair, float32 of that shape."""
    grid = np.zeros(shape, dtype=np.float32)
    for hkl in (lattice.hkl, -lattice.hkl):
        grid[tuple((hkl % np.array(shape)).T)] = values
    return grid


def fit_liquid(crystal: Crystal, comparison: Comparison) -> tuple[LiquidLike, np.ndarray]:
    """Liquid-like motions of the highest anisotropic correlation on all reflections that are not held out.

    Returns
    -------
    LiquidLike
    float64 [n_group]
        Its intensities, arbitrary scale.
    """
    liquid, work = Liquid(crystal, comparison.lattice), ~comparison.free
    best: list[tuple[float, LiquidLike, np.ndarray]] = []

    def lost(gamma: float) -> float:
        orders = liquid.orders(gamma)
        maps = [liquid.summed(orders, sigma) for sigma in SIGMAS]
        found = np.array([comparison.agreement(it, work) for it in maps])
        row = int(found.argmax())
        best.append((float(found[row]), LiquidLike(float(gamma), float(SIGMAS[row])), maps[row]))
        return -best[-1][0]

    minimize_scalar(lost, bounds=(_SHORTEST, _LONGEST), method="bounded", options={"xatol": 0.2})
    _, model, intensity = max(best, key=lambda it: it[0])
    return model, intensity
