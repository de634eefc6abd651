"""Structure factors of frames of atoms, by fast Fourier transforms.

F(h) = sum_j o_j f_j(s) exp(-B_j s^2 / 4) exp(+2 pi i h.x_j), x_j fractional, s = 1/d.

Atoms are points: no densities are spread over a grid, so the error is set by one number. What the atoms scatter is
written in a few shapes (`form_factors.AtomBasis`), each of which takes one transform of points (`gridding`); the less a
shape has of the whole, the coarser its transform may be. Two real sets of strengths a and b ride in one complex
transform G of a + ib: A(h) = (G(h) + conj G(-h)) / 2 and B(h) = (G(h) - conj G(-h)) / 2i, so that with their shapes
S_a, S_b and U = (S_a - i S_b) / 2 the sum S_a A + S_b B is U G(h) + conj(U G(-h)).
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import finufft
import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes, transformed
from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.base import TransformEngine
from mdweights_core.scattering.engine.form_factors import AtomBasis
from mdweights_core.scattering.engine.gridding import Design, angles, find_design, transform
from mdweights_core.scattering.engine.scatterers import Scatterers

MAX_MODES = 400_000_000  # about 6 GB of working memory in single precision, 12 GB in double
SHARED_BYTES = 4_000_000_000  # for the grids of all frames side by side
_BASIS_PART, _FIRST_PART, _OTHER_PART = 0.2, 0.25, 0.1  # of the error wanted: basis, first transform, all others
# Errors are foreseen for atoms of random phase. At low angles a crystal full of matter scatters less than these, and
# so its error is relatively larger: by what the structure factor of liquid water is below 1, and some more.
_RANDOM_FROM, _LEAST_MARGIN = 3.0, 0.25  # angstrom
_COARSEST = 0.3


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
    return transformed(positions, reciprocal_axes(cell))


class ScatteringEngine(TransformEngine):
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
    n_atoms, n_hkl : int
    n_transforms : int
        Fourier transforms that a frame takes, each for two shapes.
    n_workers : int
        Frames that may be computed at the same time, from as many threads. Frames side by side scale better than one
        frame spread over threads; only transforms too large for that are spread.
    warnings : tuple of str
        Why a graphics card that was there is not used; empty otherwise.

    Raises
    ------
    BadInput
        An element that does not scatter, an index range too large for memory, or reflections that the operations do not
        map onto one another.
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
        super().__init__(scatterers, lattice, symmetry)
        _refuse_too_many_modes(self.asked.hkl)
        self._pairs: list[_Pair] = []
        if self.n_atoms and self.n_hkl:
            self._pairs = _pairs(scatterers, self.asked, radiation, relative_error)
        n_threads = n_threads or available_threads()
        largest = max((pair.design.n_bytes for pair in self._pairs), default=1)
        self.n_workers = int(np.clip(SHARED_BYTES // largest, 1, n_threads))
        self._threads_each = n_threads // self.n_workers
        self.n_transforms = len(self._pairs)
        self.warnings: tuple[str, ...] = ()
        self._workspaces: queue.SimpleQueue[_Workspace | None] = queue.SimpleQueue()
        for _ in range(self.n_workers):
            self._workspaces.put(None)

    @property
    def _is_empty(self) -> bool:
        return not self._pairs

    def _factors(self, turns: np.ndarray) -> np.ndarray:
        with self._workspace() as workspace:
            return workspace.factors(turns)

    @contextmanager
    def _workspace(self) -> Iterator[_Workspace]:
        """A workspace no other thread uses now; made when first needed."""
        workspace = self._workspaces.get()
        try:
            if workspace is None:
                workspace = _Workspace(self._pairs, self._threads_each)
            yield workspace
        finally:
            self._workspaces.put(workspace)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two shapes and their transform.

    Attributes
    ----------
    design : Design
    strengths : complex [n_atoms]
    rows, opposite : int [n_hkl]
        Places of h and -h in the transformed grid.
    shape : complex [n_hkl]
        U of the two shapes, with the spreading divided out.
    """

    design: Design
    strengths: np.ndarray
    rows: np.ndarray
    opposite: np.ndarray
    shape: np.ndarray


class _Workspace:
    """What one thread computes frames with: spreaders and a grid, made once."""

    def __init__(self, pairs: Sequence[_Pair], n_threads: int) -> None:
        self._pairs, self._n_threads = pairs, n_threads
        self._spreaders = [pair.design.spreader(n_threads) for pair in pairs]
        self._memory = np.zeros(max(pair.design.n_bytes for pair in pairs), dtype=np.uint8)

    def factors(self, turns: np.ndarray) -> np.ndarray:
        """Structure factors, complex64 [n_hkl], of atoms at fractions `turns` [n_atoms, 3] of the box of modes."""
        total = mirrored = 0
        for pair, spreader in zip(self._pairs, self._spreaders, strict=True):
            modes = self._modes(pair, spreader, turns)
            total = total + pair.shape * modes[pair.rows]
            mirrored = mirrored + pair.shape * modes[pair.opposite]
        return (total + np.conj(mirrored)).astype(np.complex64)

    def _modes(self, pair: _Pair, spreader: finufft.Plan, turns: np.ndarray) -> np.ndarray:
        design = pair.design
        grid = self._memory[: design.n_bytes].view(design.dtype).reshape(design.shape)
        spreader.setpts(*angles(turns, design.dtype))
        spreader.execute(pair.strengths, out=grid)
        transform(grid, design.limit, self._n_threads)
        return grid.reshape(-1)


def _pairs(scatterers: Scatterers, lattice: MillerLattice, radiation: str, relative_error: float) -> list[_Pair]:
    inverse_d = lattice.inverse_d
    relative_error *= float(np.clip(_RANDOM_FROM * inverse_d.max(), _LEAST_MARGIN, 1.0))
    basis = AtomBasis(scatterers, inverse_d, radiation, _BASIS_PART * relative_error)
    shapes = basis.shapes(inverse_d)
    n_pair = (len(shapes) + 1) // 2
    pairs = []
    for first in range(0, len(shapes), 2):
        strengths, shape = basis.strengths[first] + 0j, shapes[first] + 0j
        if first + 1 < len(shapes):
            strengths += 1j * basis.strengths[first + 1]
            shape -= 1j * shapes[first + 1]
        part = _OTHER_PART / np.sqrt(n_pair - 1) if first else _FIRST_PART
        error = min(part * relative_error / float(np.linalg.norm(basis.shares[first : first + 2])), _COARSEST)
        design = find_design(lattice.hkl, len(scatterers), error)
        shape *= design.division(lattice.hkl) / 2
        pairs.append(
            _Pair(
                design,
                strengths.astype(design.dtype),
                design.rows(lattice.hkl),
                design.rows(-lattice.hkl),
                shape.astype(design.dtype),
            )
        )
    return pairs


def _refuse_too_many_modes(hkl: np.ndarray) -> None:
    size = 2.0 * np.abs(hkl).max(axis=0, initial=0) + 1
    if size.prod() > MAX_MODES:
        raise BadInput(
            f"The reflections span {size[0]:.0f} x {size[1]:.0f} x {size[2]:.0f} indices, more than fit in memory",
            advice="Use a larger d_min",
        )


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
