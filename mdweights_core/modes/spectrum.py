"""Slow modes of molecules and elastic networks: frequencies, shapes, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.spatial import cKDTree

from mdweights_core.energy.base import Energy, Stiffness
from mdweights_core.energy.curvature import factorised, gauss_newton, stiffness_matrix
from mdweights_core.energy.elastic import ElasticNetwork
from mdweights_core.energy.settings import GAS_CONSTANT
from mdweights_core.errors import BadInput, counted
from mdweights_core.jobs import Job
from mdweights_core.modes.eigen import Eigenpairs, Product, lowest
from mdweights_core.modes.hessians import HessianProducts
from mdweights_core.modes.precondition import FLOOR, TwoLevel
from mdweights_core.modes.rigid import block_motions, compact_blocks, rigid_motions

TOLERANCE = 1e-4
"""Largest residual of a mode, relative to the largest eigenvalue asked for."""

BLOCK = 40
"""Atoms in a block whose rigid motions precondition an elastic network."""

DENSE = 800
"""Coordinates up to which the whole matrix costs less than a search for a few of its modes."""

_REACH = 1.6
"""Atoms up to so many times the largest distance to a nearest neighbour apart are neighbours."""

_LIGHT = 2.99792458e-2  # cm / ps


@dataclass(frozen=True, eq=False)
class Modes:
    """Lowest modes of vibration about a place, rigid motions left out.

    Attributes
    ----------
    values : float64 [k]
        Eigenvalues of the mass-weighted Hessian in rising order, (rad / ps)^2; of an elastic network without masses,
        kJ/mol/nm^2. Negative ones: the energy falls along the mode.
    vectors : float64 [n_atoms, 3, k]
        Orthonormal mass-weighted displacements.
    masses : float64 [n_atoms]
        Dalton.
    reference : float64 [n_atoms, 3]
        Where the modes were taken, nm.
    residuals : float64 [k]
        |H v - lambda v| in the unit of `values`: an eigenvalue lies within this distance.
    gradients : int
        What the Hessian's products cost; 0 for one in closed form.
    has_converged : bool
        True when all residuals are within the tolerance.
    """

    values: np.ndarray
    vectors: np.ndarray
    masses: np.ndarray
    reference: np.ndarray
    residuals: np.ndarray
    gradients: int
    has_converged: bool

    @property
    def wavenumbers(self) -> np.ndarray:
        """Frequencies in 1/cm, float64 [k]; negative where the energy falls along the mode."""
        return np.sign(self.values) * np.sqrt(np.abs(self.values)) / (2 * np.pi * _LIGHT)

    @property
    def displacements(self) -> np.ndarray:
        """How far atoms move where the mode's amplitude is 1: float64 [n_atoms, 3, k], nm per (nm Da^1/2)."""
        return self.vectors / np.sqrt(self.masses)[:, None, None]

    @property
    def collectivity(self) -> np.ndarray:
        """Share of the atoms that take part in each mode, from 1 / n_atoms to 1 (Brueschweiler 1995), float64 [k]."""
        moved = (self.displacements**2).sum(axis=1)
        share = moved / moved.sum(axis=0)
        entropy = -np.sum(share * np.log(np.maximum(share, np.finfo(float).tiny)), axis=0)
        return np.exp(entropy) / len(share)

    def fluctuations(self, temperature: float) -> np.ndarray:
        """Mean square displacements of atoms by these modes alone at a temperature in K: float64 [n_atoms], nm^2.

        Raises
        ------
        BadInput
            When the energy falls along one of them.
        """
        if not self.values.min() > 0:
            raise BadInput("the energy falls along a mode, so that it has no fluctuations", advice="Minimise further")
        return GAS_CONSTANT * temperature * np.sum((self.displacements**2).sum(axis=1) / self.values, axis=1)


def elastic_modes(
    network: ElasticNetwork,
    reference: np.ndarray,
    count: int,
    *,
    masses: np.ndarray | None = None,
    is_crystal: bool = False,
    tolerance: float = TOLERANCE,
) -> Job[Modes]:
    """The lowest modes of an elastic network, with its Hessian in closed form.

    Parameters
    ----------
    network : ElasticNetwork
    reference : float64 [n_atoms, 3]
        The structure it is at rest in, nm.
    count : int
        Modes beside the rigid motions.
    masses : float64 [n_atoms], optional
        Dalton; 1 when not given.
    is_crystal : bool
        True when `network` holds springs between cells, so that only translations cost nothing.
    tolerance : float

    Raises
    ------
    BadInput
        More modes than there are.
    """
    masses = _given(masses, len(reference))
    hessian = weighted(network.hessian(reference), masses)
    free = rigid_motions(reference, masses, only_translations=is_crystal)
    _check_count(count, *free.shape)
    if len(free) <= DENSE:
        return _modes(_all_of(hessian.toarray(), free, count), reference, masses, 0)
    motions = block_motions(reference, compact_blocks(reference, BLOCK), masses)
    levels = TwoLevel(hessian, motions, free)
    start = levels.softest(min(count + max(8, count // 4), motions.shape[1] - 6))
    pairs = yield from lowest(
        lambda columns: hessian @ columns, start, count, precondition=levels, constraints=free, tolerance=tolerance
    )
    return _modes(pairs, reference, masses, 0)


def block_modes(
    hessian: Any, reference: np.ndarray, blocks: np.ndarray, count: int, *, masses: np.ndarray | None = None
) -> Modes:
    """The lowest modes among rotations and translations of blocks (RTB; Tama et al., Proteins 41, 1, 2000).

    Parameters
    ----------
    hessian : sparse [3 n_atoms, 3 n_atoms]
        kJ/mol/nm^2, not weighted by masses.
    reference : float64 [n_atoms, 3]
    blocks : int [n_atoms]
        The block of each atom, residues for one.
    count : int
        Modes beside the rigid motions.
    masses : float64 [n_atoms], optional
        Dalton; 1 when not given.

    Returns
    -------
    Modes
        Their residuals are those in the full space and tell how much the blocks bend; `has_converged` is always true.
    """
    masses = _given(masses, len(reference))
    matrix = weighted(hessian, masses)
    motions = block_motions(reference, blocks, masses)
    free = motions.T @ rigid_motions(reference, masses)
    _check_count(count, motions.shape[1], free.shape[1])
    small = _all_of((motions.T @ (matrix @ motions)).toarray(), np.linalg.qr(free)[0], count)
    vectors = np.asarray(motions @ small.vectors)
    residuals = np.linalg.norm(matrix @ vectors - vectors * small.values, axis=0)
    return _modes(Eigenpairs(small.values, vectors, residuals, 0, True), reference, masses, 0)


def hessian_modes(
    energy: Energy,
    x: np.ndarray,
    count: int,
    *,
    masses: np.ndarray | None = None,
    is_crystal: bool = False,
    tolerance: float = TOLERANCE,
    max_rounds: int = 500,
) -> Job[Modes]:
    """The lowest modes of the true Hessian of an energy, by its products with displacements.

    Preconditioned with the curvature of all terms that know theirs (bonds, angles, torsions), or else with that of
    springs between neighbours.
    Frequencies mean something where the forces are nearly zero: minimise to 0.01 kJ/mol/nm or less before.

    Parameters
    ----------
    energy : Energy
    x : float64 [n_atoms, 3]
        Positions, nm.
    count : int
        Modes beside the rigid motions.
    masses : float64 [n_atoms], optional
        Dalton; 1 when not given.
    is_crystal : bool
        True for a periodic energy, for which only translations cost nothing.
    tolerance : float
    max_rounds : int

    Raises
    ------
    BadInput
        More modes than there are.
    """
    masses = _given(masses, len(x))
    products = HessianProducts(energy, x, masses)
    free = rigid_motions(x, masses, only_translations=is_crystal)
    _check_count(count, *free.shape)
    if len(free) <= DENSE:
        return _modes(_all_of(products.dense(), free, count), x, masses, products.gradients)
    curvature = stiffness_matrix(energy, x)
    if not curvature.nnz:
        curvature = _of_neighbours(x)
    precondition, start = _stiff_start(weighted(curvature, masses), count + max(8, count // 4))
    pairs = yield from lowest(
        products,
        start,
        count,
        precondition=precondition,
        constraints=free,
        tolerance=tolerance,
        max_rounds=max_rounds,
    )
    return _modes(pairs, x, masses, products.gradients)


def weighted(hessian: Any, masses: np.ndarray) -> Any:
    """M^-1/2 H M^-1/2 of a sparse Hessian."""
    scale = scipy.sparse.diags_array(np.repeat(masses, 3) ** -0.5)
    return (scale @ hessian @ scale).tocsr()


def _given(masses: np.ndarray | None, n_atoms: int) -> np.ndarray:
    """The masses, or ones, float64 [n_atoms]."""
    return np.ones(n_atoms) if masses is None else np.asarray(masses, dtype=np.float64)


def _of_neighbours(x: np.ndarray) -> Any:
    """Curvature of an energy that tells none: springs between near atoms, whatever holds these together.

    As Packwood et al., J. Chem. Phys. 144, 164109 (2016), precondition minimisers.
    """
    nearest = cKDTree(x).query(x, k=2)[0][:, 1]
    pairs = cKDTree(x).query_pairs(_REACH * float(nearest.max()), output_type="ndarray")
    between = x[pairs[:, 0]] - x[pairs[:, 1]]
    unit = between / np.linalg.norm(between, axis=1)[:, None]
    return gauss_newton([Stiffness(pairs, np.stack([unit, -unit], axis=1), np.ones(len(pairs)))], len(x))


def _stiff_start(curvature: Any, count: int) -> tuple[Product, np.ndarray]:
    """A preconditioner from the positive curvature, and random columns that one use of it made soft."""
    columns = np.random.default_rng(0).normal(size=(curvature.shape[0], count))
    inverse = factorised(curvature, FLOOR * curvature.diagonal().mean())
    return inverse, inverse(columns)


def _all_of(matrix: np.ndarray, free: np.ndarray, count: int) -> Eigenpairs:
    """The lowest eigenpairs beside free motions of a small matrix."""
    beyond = 2 * np.abs(matrix).sum(axis=1).max()
    values, vectors = scipy.linalg.eigh(matrix + beyond * (free @ free.T), subset_by_index=(0, count - 1))
    residuals = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
    return Eigenpairs(values, vectors, residuals, len(matrix), True)


def _check_count(count: int, n: int, free: int) -> None:
    if not 0 < count <= n - free:
        raise BadInput(
            f"{counted(count, 'mode')} of {n - free} cannot be found", advice=f"Ask for between 1 and {n - free}"
        )


def _modes(pairs: Eigenpairs, x: np.ndarray, masses: np.ndarray, gradients: int) -> Modes:
    """Modes of eigenpairs; the largest component of each is positive, so that the same Hessian gives the same signs."""
    largest = np.take_along_axis(pairs.vectors, np.abs(pairs.vectors).argmax(axis=0)[None], axis=0)
    vectors = (pairs.vectors * np.sign(largest)).reshape(len(x), 3, -1)
    return Modes(pairs.values, vectors, masses, np.array(x), pairs.residuals, gradients, pairs.has_converged)
