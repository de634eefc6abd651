"""Where a simulated crystal lies with respect to the origin of its space group.

Molecular dynamics knows no origin: boxes start at a corner, crystals drift, models follow another choice of origin. For
n operations (R, t) the average over the space group of F moved by x is a projection. Of sum |F|^2 it keeps

    1/n sum over operations and h of conj F(h) F(h R) exp(2 pi i h.t) exp(2 pi i (h R - h).x):

a Fourier series in x, the translation function of the crystal with itself. Its highest point is the move looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.crystal.laue import find_rows, friedel_half, hkl_key, hkl_of_key

ASYMMETRIC = 0.1
"""Agreement of mean F with the space group (`Origin`: 0 by chance, 1 at best) up to which its average is worthless."""

_CLEAR = 0.1  # gain of agreement under which no crystal is moved
_CHANCE = 8.0  # over the root of the number of reflections: what the best of all origins reaches by chance, at most
_D_MIN = 2.0  # angstrom: beyond, frames are too few for any mean to have the symmetry, and moves are known well enough
_GRID_POINTS = 2_000_000  # of the search, which sets its resolution
_TERMS = 400_000  # reflections times operations of the refinement: more cost time and move nothing
_REACH = 0.1  # of d, how far one step of the refinement goes
_STEPS = 24  # of a cell edge: origins equivalent by symmetry are whole numbers of them apart


@dataclass(frozen=True, eq=False)
class Origin:
    """How a crystal has to be moved to lie at the origin of its space group.

    Attributes
    ----------
    shift : float64 [3]
        Fractional move; of all equivalent ones the shortest, zero along polar directions.
    agreement_before, agreement_after : float
        Of F with its images by the operation that fits least, where the crystal lies and when moved: 1 when it has the
        symmetry, about 0 when not. Of a crystal with some of the operations only, others may fit.
    is_needed : bool
        The move makes the average over the space group clearly better, and not by chance.
    """

    shift: np.ndarray
    agreement_before: float
    agreement_after: float
    is_needed: bool

    @property
    def move(self) -> np.ndarray:
        """The shift if it is needed, else zero: float64 [3]."""
        return self.shift if self.is_needed else np.zeros(3)

    def remarks(self, space_group: gemmi.SpaceGroup, columns: str) -> list[str]:
        """What to know before averages over the space group, in these columns of a file, are believed: sentences."""
        name = space_group.xhm()
        if self.is_needed:
            return [
                f"The simulated crystal lies {_vector(-self.shift)} off the origin of {name}: {columns} were shifted "
                f"(agreement {self.agreement_before:.2f} before, {self.agreement_after:.2f} after)."
            ]
        if self.agreement_before > ASYMMETRIC:
            return []
        return [
            f"The mean structure factors do not have the symmetry of {name} (agreement {self.agreement_before:.2f}, 1 "
            f"when they do), nor would they at another origin: {columns} mean nothing. Perhaps only the Laue class of "
            "the space group given is right. Intensities are not concerned."
        ]


def moved(values: np.ndarray, hkl: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """F of a crystal moved by a fractional vector: complex [..., n_hkl] at indices [..., n_hkl, 3]."""
    return values * np.exp(2j * np.pi * (hkl @ shift))


def find_origin(values: np.ndarray, lattice: MillerLattice, space_group: gemmi.SpaceGroup) -> Origin:
    """Find the move after which the average of F over the space group keeps most of sum |F|^2.

    A search on a grid at low resolution, then a refinement with the reflections to 2 angstrom; the 4e5 over the number
    of operations of lowest resolution, if there are more.

    Parameters
    ----------
    values : complex [n_hkl]
        F of the crystal in P1, such as the mean of all frames.
    lattice : MillerLattice
        P1, one of each Friedel pair, as `friedel_half` takes it. Only whole indices of its cell are used.
    space_group : gemmi.SpaceGroup
        Of the lattice's cell.

    Returns
    -------
    Origin
        No move in P 1, or when no reflection has an equivalent to compare with.
    """
    hkl, values, inverse_d = _low_resolution(values, lattice, space_group)
    series = _translation_functions(hkl, values, space_group)
    basis = _fixed_directions(space_group, lattice.cell)
    if not series or not len(basis):
        return Origin(np.zeros(3), 1.0, 1.0, False)
    limit = min(inverse_d.max(), (_GRID_POINTS / (512 * lattice.cell.volume)) ** (1 / 3))
    coarse = inverse_d <= limit
    low = _sum(_translation_functions(hkl[coarse], values[coarse], space_group))
    shift = _climb(low, _highest(low), lattice.cell, basis, _REACH / limit)
    shift = _climb(_sum(series), shift, lattice.cell, basis, _REACH / inverse_d.max())
    shift = _shortest(shift, space_group, lattice.cell, basis)
    before, after = (min(function(x) for function in series) for x in (np.zeros(3), shift))
    at_least = max(ASYMMETRIC, before + _CLEAR, _CHANCE / len(hkl) ** 0.5)
    return Origin(shift, before, after, after > at_least)


# --- the translation function ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Series:
    """A function of the move: the real part of sum c exp(2 pi i k.x); `k` int32 [n, 3], `c` complex128 [n]."""

    k: np.ndarray
    c: np.ndarray

    def __call__(self, x: np.ndarray) -> float:
        return float((self.c * np.exp(2j * np.pi * (self.k @ x))).real.sum())


def _low_resolution(
    values: np.ndarray, lattice: MillerLattice, space_group: gemmi.SpaceGroup
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole indices that the centring allows, without the origin, as `find_origin` says: hkl [n, 3], F [n], 1/d [n]."""
    operations = space_group.operations()
    whole = (lattice.hkl % lattice.ndiv == 0).all(axis=1) & lattice.hkl.any(axis=1)
    hkl, values = lattice.hkl[whole] // np.array(lattice.ndiv, dtype=np.int32), values[whole]
    present = ((hkl @ np.array(operations.cen_ops).T) % gemmi.Op.DEN == 0).all(axis=1)
    hkl, values = hkl[present], values[present]
    inverse_d = np.linalg.norm(hkl @ reciprocal_axes(lattice.cell), axis=1)
    n = min(_TERMS // len(operations.sym_ops), len(hkl))
    lowest = np.argpartition(inverse_d, n - 1)[:n] if n else np.arange(0)
    lowest = lowest[inverse_d[lowest] <= max(1 / _D_MIN, 2 * inverse_d.min(initial=np.inf))]
    return hkl[lowest], values[lowest], inverse_d[lowest]


def _translation_functions(hkl: np.ndarray, values: np.ndarray, space_group: gemmi.SpaceGroup) -> list[_Series]:
    """Agreement of F with its images by each operation but the identity, where there are any: 1 at best."""
    series = []
    for operation in space_group.operations().sym_ops:
        rotation = np.array(operation.rot) // gemmi.Op.DEN
        image = hkl @ rotation
        half = friedel_half(image)
        rows = find_rows(half, hkl)
        there = rows >= 0
        one, other = values[there], values[rows[there]]
        other = np.where((half == image).all(axis=1)[there], other, other.conj())
        total = float((np.abs(one) ** 2 + np.abs(other) ** 2).sum()) / 2
        if total == 0 or (rotation == np.eye(3)).all():
            continue
        phase = np.exp(2j * np.pi * (hkl[there] @ (np.array(operation.tran) / gemmi.Op.DEN)))
        series.append(_gathered((image - hkl)[there], one.conj() * other * phase / total))
    return series


def _gathered(k: np.ndarray, c: np.ndarray) -> _Series:
    """Equal and opposite waves as one: they are few, as the images of a rotation lie in planes across its axis."""
    key = hkl_key(k)
    unique, place = np.unique(np.abs(key), return_inverse=True)
    c = np.where(key < 0, c.conj(), c)
    return _Series(hkl_of_key(unique), np.bincount(place, c.real) + 1j * np.bincount(place, c.imag))


def _sum(series: list[_Series]) -> _Series:
    return _Series(np.concatenate([one.k for one in series]), np.concatenate([one.c for one in series]))


def _highest(series: _Series) -> np.ndarray:
    """The highest point on a grid with four points to the shortest wave: float64 [3]."""
    from scipy import fft

    shape = [fft.next_fast_len(4 * int(k) + 1) for k in np.abs(series.k).max(axis=0)]
    waves = np.zeros(shape, dtype=np.complex64)
    np.add.at(waves, tuple((series.k % shape).T), series.c)
    values = fft.ifftn(waves, norm="forward", overwrite_x=True).real
    return np.array(np.unravel_index(values.argmax(), shape)) / shape


def _climb(series: _Series, start: np.ndarray, cell: gemmi.UnitCell, basis: np.ndarray, reach: float) -> np.ndarray:
    """The summit near a point, steps no longer than `reach` in angstrom: float64 [3]."""
    from scipy import optimize

    waves = 2 * np.pi * (series.k @ reciprocal_axes(cell) @ basis.T)
    at_start = series.c * np.exp(2j * np.pi * (series.k @ start))

    def terms(u: np.ndarray) -> np.ndarray:
        return at_start * np.exp(1j * (waves @ u))

    found = optimize.minimize(
        lambda u: -terms(u).real.sum(),
        np.zeros(len(basis)),
        jac=lambda u: terms(u).imag @ waves,
        hess=lambda u: (waves.T * terms(u).real) @ waves,
        method="trust-exact",
        options={"initial_trust_radius": reach, "max_trust_radius": 2 * reach, "gtol": 1e-5},
    )
    return start + np.array(cell.frac.mat.tolist()) @ (found.x @ basis)


# --- which moves mean the same ---------------------------------------------------------------------------------------


def _turns(space_group: gemmi.SpaceGroup) -> np.ndarray:
    """R - 1 of all operations: int64 [n_op, 3, 3]."""
    rotations = np.array([operation.rot for operation in space_group.operations().sym_ops]) // gemmi.Op.DEN
    return rotations - np.eye(3, dtype=np.int64)


def _fixed_directions(space_group: gemmi.SpaceGroup, cell: gemmi.UnitCell) -> np.ndarray:
    """Orthonormal Cartesian rows of the space in which the operations fix the origin: float64 [0 to 3, 3].

    Perpendicular to the polar directions, those that no rotation changes.
    """
    from_cartesian, to_cartesian = np.array(cell.frac.mat.tolist()), np.array(cell.orth.mat.tolist())
    changes = to_cartesian @ _turns(space_group) @ from_cartesian
    _, size, rows = np.linalg.svd(changes.reshape(-1, 3))
    return rows[size > 1e-6]


def _equivalent_moves(space_group: gemmi.SpaceGroup) -> np.ndarray:
    """Moves within a cell that carry the space group into itself, in steps of 1/24: int64 [n, 3].

    x does when (R - 1) x is a lattice translation, centring included, for all operations. Of polar directions, along
    which any x does, there are the whole steps.
    """
    moves = np.indices((_STEPS,) * 3).reshape(3, -1).T
    centring = np.array(space_group.operations().cen_ops) * _STEPS // gemmi.Op.DEN
    for turn in _turns(space_group):
        moves = moves[np.isin(hkl_key((moves @ turn.T) % _STEPS), hkl_key(centring % _STEPS))]
    return moves


def _shortest(shift: np.ndarray, space_group: gemmi.SpaceGroup, cell: gemmi.UnitCell, basis: np.ndarray) -> np.ndarray:
    """The shortest move equivalent to `shift`, perpendicular to polar directions: float64 [3]."""
    around = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    moves = shift + _equivalent_moves(space_group) / _STEPS
    moves = ((moves - np.rint(moves))[:, None] + around).reshape(-1, 3)
    cartesian = moves @ np.array(cell.orth.mat.tolist()).T @ basis.T
    best = cartesian[np.square(cartesian).sum(axis=1).argmin()]
    return np.array(cell.frac.mat.tolist()) @ (best @ basis)


def _vector(x: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in x + 0.0) + ")"
