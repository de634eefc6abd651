"""Springs between the units of a crystal, by class; each class has one force constant.

A unit is tied to all within the longest spring, images in neighbouring cells included, and to its own place. What
stands between two units is k (t + (1 - t) e e^T), e the direction between them: along the spring only for t = 0, alike
in all directions for t = 1.

Springs to the mean of the neighbours resist bending: with them, springs between neighbours and springs to places, in
the ratio 1 : 2 x : x^2, correlations fall off exponentially, as those of liquid-like motions do. Springs alone give
exp(-r / gamma) / r.

Springs to places stand for all that the periodic cell leaves out. All images of a unit move together here, so that only
waves as long as the crystal are there; without springs to places uniform translation would cost nothing. With them
correlations fall off over (k_springs / k_places)^(1/2) bond lengths, and where that is less than a cell the sum over
images is what an infinite crystal has at whole indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import scipy.sparse
from scipy.spatial import cKDTree

from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.dynamics.crystal_network.units import Crystal
from mdweights_core.errors import BadInput

BONDS, MEANS, PLACES = "bonds", "to the mean of neighbours", "to places"
_NEAR, _FAR, _FIRST_MEAN, _FIRST_PLACE = 15.0, 0.4, 7000.0, 6.0
"""kJ/mol/nm^2 to begin with: springs of neighbours and longer ones, springs to means and to places."""


@dataclass(frozen=True, eq=False)
class Springs:
    """Classes of springs.

    Attributes
    ----------
    names : tuple of str
    matrices : tuple of csr_array [N, N]
        Hessian of each class at a force constant of 1, of all units of the cell.
    counts : int64 [n_class]
        Springs of each class in the asymmetric unit.
    start : float64 [n_class]
        Force constants to begin with, kJ/mol/nm^2.
    dimension : int
        Variables per unit: 3, or 1 where springs resist alike in all directions and x, y and z move alike.
    """

    names: tuple[str, ...]
    matrices: tuple[scipy.sparse.csr_array, ...]
    counts: np.ndarray
    start: np.ndarray
    dimension: int

    def hessian(self, constants: np.ndarray) -> np.ndarray:
        """Hessian [N, N] in kJ/mol/nm^2 at force constants [n_class]."""
        return sum(k * matrix for k, matrix in zip(constants, self.matrices, strict=True)).toarray()


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Units `first` of the asymmetric unit, `second` of copy `copy`, and what lies between them, angstrom."""

    first: np.ndarray
    copy: np.ndarray
    second: np.ndarray
    between: np.ndarray
    same: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """Angstrom."""
        return np.linalg.norm(self.between, axis=1)

    def select(self, rows: np.ndarray) -> _Pairs:
        """Only some."""
        return _Pairs(self.first[rows], self.copy[rows], self.second[rows], self.between[rows], self.same[rows])


def springs_of(crystal: Crystal, settings: CrystalNetworkSettings) -> Springs:
    """Tie the units of a crystal.

    Raises
    ------
    BadInput
        Springs too short to tie anything.
    """
    pairs = _pairs(crystal, settings.bins[-1])
    dimension = 1 if settings.transverse == 1.0 else 3
    names, matrices, counts, start = [], [], [], []
    for name, rows in _classes(crystal, pairs, settings):
        if rows.any():
            some = pairs.select(rows)
            names.append(name)
            counts.append(int(rows.sum()))
            matrices.append(_matrix(crystal, some, _blocks(some, settings.transverse, dimension)))
            start.append(_NEAR if some.length.mean() <= settings.neighbours else _FAR)
    if not names:
        raise BadInput(
            f"Springs of up to {settings.bins[-1]:g} Å tie no two units", advice="Give longer classes of springs"
        )
    n = dimension * crystal.n_copies * crystal.n_units
    near = pairs.select(pairs.length <= settings.neighbours)
    means = _to_means(_matrix(crystal, near, _blocks(near, 1.0, dimension)))
    return Springs(
        (*names, MEANS, PLACES),
        (*matrices, means, scipy.sparse.eye_array(n, format="csr")),
        np.array([*counts, crystal.n_units, crystal.n_units]),
        np.array([*start, _FIRST_MEAN, _FIRST_PLACE]),
        dimension,
    )


def _to_means(laplacian: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Hessian S^T S of |u_i - mean of its neighbours|^2 / 2, S = D^-1 L of springs all alike."""
    count = laplacian.diagonal()
    apart = scipy.sparse.dia_array((1 / np.where(count > 0, count, 1), 0), shape=laplacian.shape) @ laplacian
    return scipy.sparse.csr_array(apart.T @ apart)


def _classes(crystal: Crystal, pairs: _Pairs, settings: CrystalNetworkSettings) -> Iterator[tuple[str, np.ndarray]]:
    chain = pairs.same & crystal.bonded[pairs.first, pairs.second]
    yield BONDS, chain
    for low, high in pairwise((0.0, *settings.bins)):
        here = ~chain & (pairs.length > low) & (pairs.length <= high)
        if settings.by_contact:
            yield f"within molecules, {low:g} to {high:g} Å", here & pairs.same
            yield f"between molecules, {low:g} to {high:g} Å", here & ~pairs.same
        else:
            yield f"{low:g} to {high:g} Å", here


def _pairs(crystal: Crystal, longest: float) -> _Pairs:
    """All pairs of a unit of the first copy with any other within reach, images included."""
    copies = crystal.copies(crystal.centre)
    tree, found = cKDTree(copies[0]), []
    for copy, points in enumerate(copies):
        for steps in _translations(crystal, copies[0], points, longest):
            image = points + steps @ crystal.axes
            near = tree.sparse_distance_matrix(cKDTree(image), longest, output_type="ndarray")
            first, second = near["i"], near["j"]
            is_same = copy == 0 and not np.any(steps)
            other = first != second if copy == 0 else np.ones(len(first), dtype=bool)  # own images move with a unit
            first, second = first[other], second[other]
            between = image[second] - copies[0][first]
            found.append((first, np.full(len(first), copy), second, between, np.full(len(first), is_same)))
    return _Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _translations(crystal: Crystal, here: np.ndarray, there: np.ndarray, longest: float) -> Iterator[np.ndarray]:
    """Translations of the lattice that may bring points within reach of others."""
    inverse = np.linalg.inv(crystal.axes)
    reach = longest * np.linalg.norm(inverse, axis=0)
    low = np.floor((here @ inverse).min(axis=0) - (there @ inverse).max(axis=0) - reach).astype(int)
    high = np.ceil((here @ inverse).max(axis=0) - (there @ inverse).min(axis=0) + reach).astype(int)
    for steps in product(*(range(a, b + 1) for a, b in zip(low, high, strict=True))):
        yield np.array(steps)


def _blocks(pairs: _Pairs, transverse: float, dimension: int) -> np.ndarray:
    """Stiffness [m, dimension, dimension] of springs of force constant 1."""
    if dimension == 1:
        return np.ones((len(pairs.first), 1, 1))
    along = pairs.between / pairs.length[:, None]
    return transverse * np.eye(3) + (1 - transverse) * along[:, :, None] * along[:, None, :]


def _matrix(crystal: Crystal, pairs: _Pairs, blocks: np.ndarray) -> scipy.sparse.csr_array:
    """Hessian of springs of the first copy and of their images under all operations."""
    n, dimension = crystal.n_units, blocks.shape[1]
    rows, columns, parts = [], [], []
    for operation, rotation in enumerate(crystal.rotation):
        turned = blocks if dimension == 1 else np.einsum("ab,mbc,dc->mad", rotation, blocks, rotation)
        own = crystal.product[operation, 0] * n + pairs.first
        rows += [own, own]
        columns += [crystal.product[operation, pairs.copy] * n + pairs.second, own]
        parts += [-turned, turned]
    row, column = (np.concatenate(it)[:, None, None] * dimension for it in (rows, columns))
    step = np.arange(dimension)
    data = np.concatenate(parts)
    size = dimension * n * crystal.n_copies
    place = (np.broadcast_to(row + step[:, None], data.shape), np.broadcast_to(column + step, data.shape))
    return scipy.sparse.coo_array((data.ravel(), (place[0].ravel(), place[1].ravel())), shape=(size, size)).tocsr()
