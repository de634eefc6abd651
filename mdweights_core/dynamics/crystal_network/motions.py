"""How the units of a crystal move: covariances of displacements, in closed form, and their derivatives.

C = kT K^-1. Only the rows of the asymmetric unit are solved for; the others follow by symmetry. With P force constants
in which K is linear, dC / d ln k = -C (k dK/dk) C / kT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from mdweights_core.dynamics.crystal_network.springs import Springs
from mdweights_core.dynamics.crystal_network.units import Crystal
from mdweights_core.errors import BadInput

GAS = 8.31446261815324e-3
"""kJ/mol/K."""

_SQUARE = 100.0  # square angstrom per square nm
PRODUCTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Components of a symmetric tensor, as they are stored."""

MOST = 20_000
"""Variables whose Hessian fits into memory as a dense matrix."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariances between units as far as scattering sees them: symmetrised, by pairs of copies.

    Attributes
    ----------
    between : float32 [n_block, n_component, n_unit^2]
        Of copies a and b, a <= b, in the order of `copy_pairs`; angstrom squared. One component where all directions
        are alike, else six.
    own : float32 [n_component, n_copy * n_unit]
        Of each unit with itself.
    """

    between: np.ndarray
    own: np.ndarray


class Motions:
    """Displacements of the units of a crystal as functions of force constants.

    Parameters
    ----------
    crystal : Crystal
    springs : Springs
    temperature : float
        Kelvin.

    Raises
    ------
    BadInput
        A cell of too many units.
    """

    def __init__(self, crystal: Crystal, springs: Springs, temperature: float) -> None:
        self.crystal, self.springs, self.kt = crystal, springs, GAS * temperature
        if springs.matrices[0].shape[0] > MOST:
            raise BadInput(
                f"The cell holds {crystal.n_copies * crystal.n_units} units, more than a dense Hessian has room for",
                advice="Choose fewer atoms, or springs alike in all directions",
            )

    def rows(self, constants: np.ndarray) -> np.ndarray:
        """<u u^T> of the asymmetric unit with the whole cell, angstrom squared, float64 [d n_unit, d n_cell].

        Raises
        ------
        BadInput
            Where some motion costs no energy.
        """
        hessian = self.springs.hessian(constants)
        n = self.springs.dimension * self.crystal.n_units
        try:
            factor = scipy.linalg.cho_factor(hessian, overwrite_a=True, check_finite=False)
        except scipy.linalg.LinAlgError as problem:
            raise BadInput(
                "Some motion of the crystal costs no energy", advice="Start with stiffer springs"
            ) from problem
        return _SQUARE * self.kt * scipy.linalg.cho_solve(factor, np.eye(len(hessian), n), check_finite=False).T

    def tangents(self, constants: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
        """Derivatives of `rows` by the logarithm of each force constant."""
        full = self.whole(rows)
        scale = -1 / (_SQUARE * self.kt)
        return [
            (scale * k) * (rows @ (matrix @ full)) for k, matrix in zip(constants, self.springs.matrices, strict=True)
        ]

    def whole(self, rows: np.ndarray) -> np.ndarray:
        """<u u^T> of the whole cell, float64 [d n_cell, d n_cell]."""
        return np.concatenate([self._turned(rows, copy) for copy in range(self.crystal.n_copies)])

    def _turned(self, rows: np.ndarray, copy: int) -> np.ndarray:
        """The rows of another copy: C(a i, b j) = R_a C(0 i, a^-1 b j) R_a^T."""
        d, n, n_copies = self.springs.dimension, self.crystal.n_units, self.crystal.n_copies
        blocks = rows.reshape(n, d, n_copies, n, d)
        turned = np.empty_like(blocks)
        turned[:, :, self.crystal.product[copy]] = blocks
        if d == 3:
            rotation = self.crystal.rotation[copy]
            turned = np.einsum("ab,ibgjc,dc->iagjd", rotation, turned, rotation, optimize=True)
        return turned.reshape(rows.shape)

    def covariance(self, rows: np.ndarray) -> Covariance:
        """What scattering sees of the rows of the asymmetric unit."""
        d, n, n_copies = self.springs.dimension, self.crystal.n_units, self.crystal.n_copies
        between, own = [], []
        for first in range(n_copies):
            blocks = _symmetric(self._turned(rows, first).reshape(n, d, n_copies, n, d))
            between += [blocks[:, :, second].reshape(len(blocks), -1) for second in range(first, n_copies)]
            own.append(np.einsum("cii->ci", blocks[:, :, first]))
        return Covariance(np.stack(between).astype(np.float32), np.concatenate(own, axis=1).astype(np.float32))

    def mean_squares(self, rows: np.ndarray) -> np.ndarray:
        """<u.u> of each unit of the asymmetric unit, angstrom squared, float64 [n_unit]."""
        variance = np.einsum("ii->i", rows[:, : len(rows)])
        return variance.reshape(self.crystal.n_units, -1).sum(axis=1) * (3 / self.springs.dimension)


def copy_pairs(n_copies: int) -> list[tuple[int, int]]:
    """Pairs of copies a <= b."""
    return [(a, b) for a in range(n_copies) for b in range(a, n_copies)]


def _symmetric(blocks: np.ndarray) -> np.ndarray:
    """Components of the symmetric part of tensors [n, d, g, n, d]: [n_component, n, g, n]."""
    if blocks.shape[1] == 1:
        return blocks[None, :, 0, :, :, 0]
    return np.stack([(blocks[:, a, :, :, b] + blocks[:, b, :, :, a]) / 2 for a, b in PRODUCTS])
