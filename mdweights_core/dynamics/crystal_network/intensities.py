"""Diffuse intensities of rigid units that move together, to all orders, and their derivatives.

With A_r(q) the sum of f_j exp(i q.R_j) over the atoms of unit r and Gaussian displacements,

    I_D(q) = sum_rs A_r A_s* exp(-(M_rr + M_ss) / 2) (exp(M_rs) - 1),  M_rs = q.C_rs q.

M_rs is a product of few components of q q and of C_rs, so that all pairs of many reflections are matrix products.
Displacements are alike for all atoms of a unit; form factors are those of all atoms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.dynamics.crystal_network.motions import PRODUCTS, Covariance, copy_pairs
from mdweights_core.dynamics.crystal_network.units import Crystal
from mdweights_core.scattering.engine.form_factors import form_factors

_AT_ONCE = 2**19  # pairs of units times reflections: arrays that stay in the processor's cache
_ATOMS_AT_ONCE = 2**21


class UnitWaves:
    """Scattering vectors and what the units of a crystal scatter there.

    Parameters
    ----------
    crystal : Crystal
    lattice : MillerLattice
        Reflections, ``n_hkl``.
    n_component : int
        1 where displacements are alike in all directions, else 6.
    """

    def __init__(self, crystal: Crystal, lattice: MillerLattice, n_component: int) -> None:
        self.n_copies, self.n_units = crystal.n_copies, crystal.n_units
        q = 2 * np.pi * lattice.index @ reciprocal_axes(lattice.cell)
        self.products = _products(q, n_component)
        self.amplitude = _amplitudes(crystal, lattice, q)

    def __len__(self) -> int:
        return len(self.products)

    def intensities(self, covariance: Covariance) -> np.ndarray:
        """I_D at all reflections, electrons squared, float64 [n_hkl]."""
        return np.concatenate([_part(self, rows, covariance, ())[0] for rows in self._parts()])

    def linearised(self, covariance: Covariance, tangents: Sequence[Covariance]) -> tuple[np.ndarray, np.ndarray]:
        """I_D [n_hkl] and its derivatives [n_hkl, P] along derivatives of the covariance."""
        parts = [_part(self, rows, covariance, tangents) for rows in self._parts()]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _parts(self) -> list[slice]:
        some = max(1, _AT_ONCE // self.n_units**2)
        return [slice(start, start + some) for start in range(0, len(self), some)]


def _part(
    waves: UnitWaves, rows: slice, covariance: Covariance, tangents: Sequence[Covariance]
) -> tuple[np.ndarray, np.ndarray]:
    """Intensities [m] of some reflections and their derivatives [m, P]."""
    products = waves.products[rows]
    damping = np.exp(products @ covariance.own / -2).reshape(len(products), waves.n_copies, waves.n_units)
    damped = waves.amplitude[rows] * damping
    real, imaginary = damped.real, damped.imag
    total, slopes = np.zeros(len(products)), np.zeros((len(products), len(tangents)))
    by_unit = np.zeros(damped.shape, dtype=np.float32)  # half of what each unit has in the sum
    for block, (a, b) in enumerate(copy_pairs(waves.n_copies)):
        times = 1.0 if a == b else 2.0
        risen = np.exp(products @ covariance.between[block]).reshape(-1, waves.n_units, waves.n_units)
        together = risen - np.float32(1)
        first = _along(together, real[:, b]) * real[:, a] + _along(together, imaginary[:, b]) * imaginary[:, a]
        total += times * first.sum(axis=1, dtype=np.float64)
        if tangents:
            flipped = together.transpose(0, 2, 1)
            second = _along(flipped, real[:, a]) * real[:, b] + _along(flipped, imaginary[:, a]) * imaginary[:, b]
            by_unit[:, a] += times / 2 * first
            by_unit[:, b] += times / 2 * second
            risen *= _outer(real, a, b) + _outer(imaginary, a, b)
            slopes += times * _contracted(risen, products, [tangent.between[block] for tangent in tangents])
    for column, tangent in enumerate(tangents):
        damped_by = (products @ tangent.own).reshape(by_unit.shape)
        slopes[:, column] -= np.einsum("hgu,hgu->h", by_unit, damped_by)
    return total, slopes


def _along(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products [m, n] of matrices [m, n, n] and vectors [m, n]."""
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]


def _outer(values: np.ndarray, a: int, b: int) -> np.ndarray:
    return values[:, a, :, None] * values[:, b, None, :]


def _contracted(weights: np.ndarray, products: np.ndarray, tangents: list[np.ndarray]) -> np.ndarray:
    """sum_rs weights q.dC_rs q for derivatives dC [n_component, n^2], float64 [m, P]."""
    n_component = products.shape[1]
    summed = weights.reshape(len(weights), -1) @ np.concatenate(tangents).T
    return np.einsum("hpc,hc->hp", summed.reshape(len(weights), -1, n_component), products, dtype=np.float64)


def _products(q: np.ndarray, n_component: int) -> np.ndarray:
    """What components of a tensor are multiplied by in q.C q: float32 [n_hkl, n_component]."""
    if n_component == 1:
        return np.sum(q**2, axis=1, keepdims=True).astype(np.float32)
    return np.stack([q[:, a] * q[:, b] * (1 if a == b else 2) for a, b in PRODUCTS], axis=1).astype(np.float32)


def _amplitudes(crystal: Crystal, lattice: MillerLattice, q: np.ndarray) -> np.ndarray:
    """sum f_j o_j exp(i q.R_j) over the atoms of each unit, complex64 [n_hkl, n_copy, n_unit]."""
    atoms, order = crystal.atoms, np.argsort(crystal.member, kind="stable")
    starts = np.searchsorted(crystal.member[order], np.arange(crystal.n_units))
    elements, kind = np.unique(atoms.element[order], return_inverse=True)
    factors = form_factors(elements.tolist(), lattice.inverse_d)
    occupancy = np.ones(len(order)) if atoms.occupancy is None else atoms.occupancy[order].astype(np.float64)
    found = np.empty((len(q), crystal.n_copies, crystal.n_units), dtype=np.complex64)
    some = max(1, _ATOMS_AT_ONCE // len(order))
    for copy, x in enumerate(crystal.copies(crystal.positions[order])):
        for start in range(0, len(q), some):
            rows = slice(start, start + some)
            waves = np.exp(1j * (q[rows] @ x.T)) * (factors[kind, rows].T * occupancy)
            found[rows, copy] = np.add.reduceat(waves, starts, axis=1)
    return found
