"""Structure factors of one frame of atoms, by a non-uniform fast Fourier transform.

F(h) = sum_j f_j(s) exp(-B s^2 / 4) exp(+2 pi i h.x_j), x_j fractional, s = 1/d.

Atoms are points: no densities are spread over a grid, so the error is set by one number. The transform is a type-1
NUFFT (Barnett, Magland, af Klinteberg, SIAM J. Sci. Comput. 41, C479, 2019) per form-factor shape. Two real sets of
strengths a and b ride in one complex transform G of a + ib: A(h) = (G(h) + conj G(-h)) / 2 and
B(h) = (G(h) - conj G(-h)) / 2i.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import finufft
import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.errors import BadInput
from mdweights_core.scattering.form_factors import form_factor_basis, form_factors
from mdweights_core.scattering.scatterers import Scatterers

MAX_MODES = 400_000_000  # about 20 GB of working memory
_SHARED_MODES = 20_000_000  # beyond this, frames side by side would take too much memory
_SINGLE_PRECISION_ERROR = 5e-5  # single precision reaches 2e-5 at 60 to 300 indices
_NARROW_GRID_ERROR = 1e-8  # a grid 1.25 times the modes, half as dear as 2 times, reaches 1e-9


def structure_factors(
    positions: np.ndarray,
    elements: Sequence[str] | np.ndarray,
    lattice: MillerLattice,
    cell: gemmi.UnitCell,
    *,
    b_iso: float = 0.0,
    relative_error: float = 1e-5,
) -> np.ndarray:
    """Structure factors of one frame on the reflections of `lattice`.

    Parameters
    ----------
    positions : float [n_atoms, 3]
        Cartesian positions in angstrom, in the frame of PDB files.
    elements : str [n_atoms]
        Element symbols.
    lattice : MillerLattice
        Reflections to compute, ``n_hkl`` of them. Nothing is symmetrised.
    cell : gemmi.UnitCell
        Cell that makes positions fractional, and that gives d.
    b_iso : float
        One B factor for all atoms, angstrom squared; 0 when the frames carry the motion.
    relative_error : float
        Target for ||F - F_direct|| / ||F_direct||.

    Returns
    -------
    complex64 [n_hkl]
        In electrons.

    Raises
    ------
    BadInput
        An element without form factor, shapes that do not fit, or an index range too large for memory.
    """
    scatterers = Scatterers.alike(elements, b_iso)
    engine = ScatteringEngine(scatterers, replace(lattice, cell=cell), relative_error=relative_error)
    return engine(fractional(positions, cell))


def fractional(positions: np.ndarray, cell: gemmi.UnitCell) -> np.ndarray:
    """Cartesian positions [..., 3] in angstrom as fractional coordinates of `cell`, float64."""
    return np.asarray(positions, dtype=np.float64) @ reciprocal_axes(cell).T


class ScatteringEngine:
    """Structure factors of many frames of the same atoms: everything that does not depend on positions is made once.

    Parameters
    ----------
    scatterers : Scatterers
    lattice : MillerLattice
        Reflections to compute, ``n_hkl`` of them; its cell gives d.
    radiation : str
        ``"xray"``, ``"electron"`` or ``"neutron"``.
    symmetry : gemmi.SpaceGroup, optional
        Positions are one asymmetric unit, and all operations of this group (centring included) make the whole cell.
    relative_error : float
        Target for ||F - F_direct|| / ||F_direct||.
    n_threads : int, optional
        Threads to use; by default what this process may.

    Attributes
    ----------
    n_workers : int
        Frames that may be computed at the same time, from as many threads. Frames side by side scale better than one
        frame spread over threads; only transforms too large for that are spread.
    """

    def __init__(
        self,
        scatterers: Scatterers,
        lattice: MillerLattice,
        *,
        radiation: str = "xray",
        symmetry: gemmi.SpaceGroup | None = None,
        relative_error: float = 1e-4,
        n_threads: int | None = None,
    ) -> None:
        self.n_atoms, self.n_hkl = len(scatterers), len(lattice)
        self.ndiv = np.asarray(lattice.ndiv, dtype=np.float64)
        images, self._phases = _images(lattice, symmetry)
        self.n_modes, self._rows, self._opposite = _mode_box(images)
        self._strengths, self._shapes = _strengths_and_shapes(
            scatterers, lattice.inverse_d, radiation, relative_error / 2
        )
        self._complex = np.complex64 if relative_error >= _SINGLE_PRECISION_ERROR else np.complex128
        self._real = np.zeros(0, self._complex).real.dtype
        self._strengths = self._strengths.astype(self._complex)
        n_threads = n_threads or available_threads()
        self.n_workers = n_threads if np.prod(self.n_modes) <= _SHARED_MODES else 1
        self._plans: queue.SimpleQueue[finufft.Plan | None] = queue.SimpleQueue()
        for _ in range(self.n_workers):
            self._plans.put(None)
        self._options = {
            "eps": max(relative_error / 2, 1e-14),
            "upsampfac": 1.25 if relative_error >= _NARROW_GRID_ERROR else 2.0,
            "nthreads": n_threads // self.n_workers,
        }

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Structure factors, complex64 [n_hkl], of atoms at fractional `positions` [n_atoms, 3]."""
        if np.shape(positions) != (self.n_atoms, 3):
            raise BadInput(f"{self.n_atoms} atoms were expected, but the positions have shape {np.shape(positions)}")
        if not self.n_atoms or not self.n_hkl:
            return np.zeros(self.n_hkl, dtype=np.complex64)
        total = np.zeros(self.n_hkl, dtype=np.complex128)
        with self._plan() as plan:
            plan.setpts(*self._angles(positions))
            for pair, strengths in enumerate(self._strengths):
                modes = plan.execute(strengths).reshape(-1)
                here, there = self._gathered(modes, self._rows), self._gathered(modes, self._opposite, True)
                total += self._shapes[2 * pair] * (here + there) / 2
                if 2 * pair + 1 < len(self._shapes):
                    total += self._shapes[2 * pair + 1] * (here - there) / 2j
        return total.astype(np.complex64)

    def _gathered(self, modes: np.ndarray, rows: np.ndarray, conjugate: bool = False) -> np.ndarray:
        """Sum over operations of the modes at `rows` [n_op, n_hkl] times their phases, complex [n_hkl]."""
        picked = modes[rows].conj() if conjugate else modes[rows]
        return (picked * self._phases).sum(axis=0)

    @contextmanager
    def _plan(self) -> Iterator[finufft.Plan]:
        """A plan no other thread uses now; made when first needed."""
        plan = self._plans.get()
        try:
            if plan is None:
                plan = finufft.Plan(1, self.n_modes, isign=1, dtype=np.dtype(self._complex).name, **self._options)
            yield plan
        finally:
            self._plans.put(plan)

    def _angles(self, positions: np.ndarray) -> list[np.ndarray]:
        """Positions as angles in [-pi, pi], wrapped in double precision before any rounding."""
        turns = np.asarray(positions, dtype=np.float64) / self.ndiv
        turns -= np.round(turns)
        return [np.ascontiguousarray(2 * np.pi * axis, dtype=self._real) for axis in turns.T]


def _strengths_and_shapes(
    scatterers: Scatterers, inverse_d: np.ndarray, radiation: str, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Complex strengths [n_pair, n_atoms], two shapes in each, and the shapes [n_shape, n_hkl]."""
    names = np.char.add(np.char.add(scatterers.element, " "), scatterers.b_iso.astype(str))
    pairs, kind, counts = np.unique(names, return_inverse=True, return_counts=True)
    table = np.array(
        [form_factors([e], inverse_d, float(b), radiation=radiation)[0] for e, b in (pair.split(" ") for pair in pairs)]
    )
    if not len(kind) or not len(inverse_d):
        return np.zeros((0, len(kind)), dtype=np.complex128), np.zeros((0, len(inverse_d)))
    mixing, shapes = form_factor_basis(table, counts, tolerance)
    if mixing.shape[1] % 2:
        mixing = np.pad(mixing, ((0, 0), (0, 1)))
    paired = mixing[:, 0::2] + 1j * mixing[:, 1::2]
    return np.ascontiguousarray(paired[kind].T) * scatterers.occupancy, shapes


def _images(lattice: MillerLattice, symmetry: gemmi.SpaceGroup | None) -> tuple[np.ndarray, np.ndarray]:
    """Images h R of each reflection [n_op, n_hkl, 3] and what they are multiplied by, complex128 [n_op, n_hkl].

    F(h) = sum_op exp(2 pi i h.t) F_asu(h R), h the true index.
    """
    operations = gemmi.GroupOps([gemmi.Op()]) if symmetry is None else symmetry.operations()
    ndiv = np.array(lattice.ndiv)
    rotations = np.array([op.rot for op in operations.sym_ops]) // gemmi.Op.DEN
    shifts = np.array([op.tran for op in operations.sym_ops]) / gemmi.Op.DEN
    centring = np.array(operations.cen_ops) / gemmi.Op.DEN
    scaled = rotations * ndiv[None, None, :]
    if (scaled % ndiv[None, :, None]).any():
        raise BadInput(
            f"Reciprocal axes divided by {' x '.join(map(str, lattice.ndiv))} are not mapped onto one another by the "
            f"operations of {symmetry.xhm() if symmetry else 'P 1'}",
            advice="Divide equivalent axes alike, or do not expand the symmetry",
        )
    images = np.einsum("ni,oij->onj", lattice.hkl.astype(np.int64), scaled // ndiv[None, :, None])
    every = np.exp(2j * np.pi * (lattice.index @ centring.T)).sum(axis=1)
    return images, np.exp(2j * np.pi * (shifts @ lattice.index.T)) * every


def _mode_box(hkl: np.ndarray) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray]:
    """Size of the box of modes -n..n that holds all reflections, and the flat places of hkl and of -hkl in it."""
    limit = np.abs(hkl).reshape(-1, 3).max(axis=0, initial=0).astype(np.int64)
    size = 2 * limit + 1
    if np.prod(size.astype(float)) > MAX_MODES:
        raise BadInput(
            f"The reflections span {size[0]} x {size[1]} x {size[2]} indices, more than fit in memory",
            advice="Use a larger d_min",
        )
    rows = np.ravel_multi_index(tuple(np.moveaxis(hkl + limit, -1, 0)), tuple(size))
    return (int(size[0]), int(size[1]), int(size[2])), rows, np.prod(size) - 1 - rows


def available_threads() -> int:
    """CPUs this process may really use: its affinity, cut to the container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(Path("/sys/fs/cgroup"))
    return max(1, allowed if quota is None else min(allowed, int(np.ceil(quota))))


def cgroup_quota(root: Path) -> float | None:
    """CPUs granted by cgroup v2 or v1, None when unlimited or unknown."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError):
        return None
