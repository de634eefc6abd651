"""A flat bulk solvent for frames that were stripped of theirs.

F_total(h) = F_atoms(h) + k_sol exp(-B_sol s^2 / 4) F_mask(h), s = 1/d, with the mask of that very frame: solvent is
where no atom is near (Jiang & Brunger, J. Mol. Biol. 243, 100, 1994). Masks that differ from frame to frame add to the
diffuse intensity; one mask shared by all frames would add nothing to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.frames.atoms import SOLVENT, WATER, Atoms
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.frames.placement import Placement
from mdweights_core.scattering.settings import PredictSettings

SPACING = 0.6  # angstrom between the points of one grid: see BulkSolvent
_POINTS_PER_D = 2.5  # points per d_min, more than the 2 that hold the reflections
_MOST_POINTS = 600_000_000  # about 7 GB of mask and transform
_COARSE = 0.15  # of the structure factors of a mask: twice that of a usual crystal of a protein
_RADII = gemmi.AtomicRadiiSet.Cctbx
# four grids that together are one face-centred grid, in steps between points
_OFFSETS = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])

_SOLUTE_ATOM = 18.0  # cubic angstrom of a protein per atom other than hydrogen (1.21 A^3/Da), hydrogens included
_WATER_MOLECULE = 29.9  # cubic angstrom in water of 1 g/cm^3
_TOUCHING = 1.0  # angstrom: nearer than any two bonded atoms but hydrogens
_MOST_TOUCHING = 0.05  # of atoms; molecules that lie in each other have about a fifth
_EXPLICIT, _STRIPPED = 0.7, 0.02  # waters of a box filled with them, and of one without any worth the name


class BulkSolvent:
    """The flat solvent's part of the structure factors, for many frames of the same atoms.

    The mask is gemmi's with the settings of cctbx: van der Waals radii, a probe of 1.1 A, 0.9 A shrunk back. Hydrogens
    are left out, so that frames with and without them have the same mask. It is made of the whole periodic box, where
    atoms of one cell lie next to those of another.

    A grid places the edge of the mask to a fraction of its step, and a model that moves by less than a step appears to
    change. Four grids that complete each other cost half of one grid of half the step and are better: with the default
    of 0.6 A this noise is 1.2 % of the solvent's part (a single grid of 0.6 A: 3.0 %, of 0.3 A: 1.6 %; staphylococcal
    nuclease, 2 A, B_sol 46 A^2). A box of 1.2 million A^3 with 33 000 such atoms takes about 0.9 s on one core.

    More is lost in crevices that a grid does not resolve: against masks of 0.2 A the solvent's part is off by 10 % in
    crystals of staphylococcal nuclease and ferredoxin, 15 % in triclinic lysozyme, 39 % in the cell of 1.7 nm^3 of a
    hexapeptide. `FrameModel.mask_error` measures it in every run, `mask_warning` tells when it is much. Between the NMR
    models of ubiquitin in their tight crystal (2 A, B_sol 46 A^2), masks differ from those of 0.13 A by

    =======  ====  =====  =======  ====
    spacing  F     scale  changes  cost
    =======  ====  =====  =======  ====
    0.6 A    15 %  0.97   4.5 %    1
    0.4 A    9 %   0.99   1.8 %    4.5
    0.3 A    6 %   1.00   0.8 %    11
    =======  ====  =====  =======  ====

    where `F` is the norm of the difference relative to the solvent's part, `scale` the projection onto the fine mask,
    and `changes` the power of the difference relative to that of the solvent's changes from frame to frame. The diffuse
    intensity of atoms and solvent together is then off by 2.5 % at 0.6 A and 1.2 % at 0.4 A, beyond 8 A by 9 and 5 %
    (against 0.2 A; correlation 0.998, beyond 8 A 0.985, at 0.6 A), where leaving the solvent out is off by 25 and
    310 %.

    Parameters
    ----------
    scatterers : Scatterers
        Elements tell the radii; atoms of no occupancy make no mask.
    lattice : MillerLattice
        Reflections, ``n_hkl`` of them, commensurate with the box: `repeats` are multiples of ``ndiv``.
    k_sol, b_sol : float
        Density of the solvent, e/A^3, and its B factor, A^2.
    repeats : 3 int
        Cells along each axis of the simulated box.
    symmetry : gemmi.SpaceGroup, optional
        Positions are one asymmetric unit; all its copies make the mask.
    spacing : float, optional
        Angstrom between points of one grid; by default 0.6, or less where d_min needs it.

    Attributes
    ----------
    box : gemmi.UnitCell
    spacing : float
        Angstrom between points of one grid, at most.
    shape : (int, int, int)
        Points of one grid along each axis.

    Raises
    ------
    BadInput
        Reflections between those of the box, no spacing, or a grid that does not fit in memory.
    """

    def __init__(
        self,
        scatterers: Scatterers,
        lattice: MillerLattice,
        *,
        k_sol: float,
        b_sol: float,
        repeats: Sequence[int] | np.ndarray,
        symmetry: gemmi.SpaceGroup | None = None,
        spacing: float | None = None,
    ) -> None:
        self.n_atoms, self.n_hkl = len(scatterers), len(lattice)
        self.repeats = np.asarray(repeats, dtype=np.int64)
        self.symmetry = symmetry
        self.box = _multiple(lattice.cell, self.repeats)
        self._solid = np.flatnonzero(~np.isin(scatterers.element, ("H", "D")) & (scatterers.occupancy > 0))
        self._elements = scatterers.element[self._solid]
        inverse_d = lattice.inverse_d
        self.spacing = _spacing(inverse_d, spacing)
        self.shape = _grid_shape(self.box, self.spacing, symmetry)
        hkl = _box_indices(lattice, self.repeats)
        # the transform of a real mask has the reflections with l >= 0; the others are their conjugates
        self._turned = hkl[:, 2] < 0
        hkl[self._turned] *= -1
        self._places = np.ravel_multi_index(tuple((hkl % self.shape).T), _half(self.shape))
        self._steps = hkl / self.shape
        voxel = self.box.volume / np.prod(self.shape, dtype=float)
        self._scale = k_sol * voxel * np.exp(-b_sol * np.square(inverse_d) / 4) / len(_OFFSETS)

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """The solvent's part of F, complex64 [n_hkl], in electrons, around atoms at `positions`.

        Threads may share a solvent, but gemmi makes their masks one after the other (three quarters of the time); only
        the transforms run side by side. Processes do not wait for each other.

        Parameters
        ----------
        positions : float [n_atoms, 3]
            Fractional coordinates in the cell of the lattice.
        """
        from scipy.fft import rfftn

        total = np.zeros(self.n_hkl, dtype=np.complex128)
        for offset, mask in zip(_OFFSETS, self._masks(positions), strict=True):
            modes = rfftn(mask, workers=1).reshape(-1)[self._places].conj()
            total += modes * np.exp(2j * np.pi * (self._steps @ offset))
        total *= self._scale
        return np.where(self._turned, total.conj(), total).astype(np.complex64)

    @property
    def n_bytes(self) -> int:
        """Memory that a frame takes meanwhile: one mask and its transform."""
        return 4 * int(np.prod(self.shape)) + 8 * int(np.prod(_half(self.shape)))

    def _masks(self, positions: np.ndarray) -> Iterator[np.ndarray]:
        """For each offset of the grid 1 where the box has solvent and 0 where it has atoms, float32 of `shape`."""
        if np.shape(positions) != (self.n_atoms, 3):
            raise BadInput(f"{self.n_atoms} atoms were expected, but the positions have shape {np.shape(positions)}")
        copies = expanded(np.asarray(positions, dtype=np.float64)[self._solid], self.symmetry) / self.repeats
        elements = np.resize(self._elements, len(copies))
        model = _model(elements, copies @ np.array(self.box.orth.mat.tolist()).T)
        masker = gemmi.SolventMasker(_RADII)
        for step in np.diff(_OFFSETS, axis=0, prepend=0.0):
            # the grid stays and the atoms go the other way
            move = self.box.orthogonalize(gemmi.Fractional(*(-step / self.shape)))
            model.transform_pos_and_adp(gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(*move.tolist())))
            grid = gemmi.FloatGrid(*self.shape)
            grid.set_unit_cell(self.box)
            grid.spacegroup = gemmi.SpaceGroup("P 1")
            masker.put_mask_on_float_grid(grid, model)
            yield grid.array


def mask_warning(error: float | None) -> tuple[str, ...]:
    """What is to be said of a mask that is off by the relative `error` of its structure factors."""
    if error is None or error < _COARSE:
        return ()
    return (
        f"The bulk solvent is known to {100 * error:.0f} % only (structure factors of the first frame's mask, against "
        "those of one twice as fine): it lies in crevices that the mask does not resolve. Do not rely on diffuse "
        "intensity at low angles, where the solvent counts",
    )


def expanded(positions: np.ndarray, symmetry: gemmi.SpaceGroup | None) -> np.ndarray:
    """All copies of fractional `positions` [n, 3] under a space group, copy after copy: float64 [n_op * n, 3]."""
    if symmetry is None:
        return positions
    operations = [(np.array(op.rot) / op.DEN, np.array(op.tran) / op.DEN) for op in symmetry.operations()]
    return np.concatenate([positions @ rotation.T + shift for rotation, shift in operations])


def _multiple(cell: gemmi.UnitCell, repeats: np.ndarray) -> gemmi.UnitCell:
    a, b, c = (float(n) * length for n, length in zip(repeats, (cell.a, cell.b, cell.c), strict=True))
    return gemmi.UnitCell(a, b, c, cell.alpha, cell.beta, cell.gamma)


def _box_indices(lattice: MillerLattice, repeats: np.ndarray) -> np.ndarray:
    """Miller indices of the reflections in the box, int64 [n_hkl, 3]."""
    if (repeats < 1).any() or (repeats % np.asarray(lattice.ndiv)).any():
        fine, cells = (" x ".join(str(int(n)) for n in numbers) for numbers in (lattice.ndiv, repeats))
        raise BadInput(
            f"A bulk solvent has structure factors at the reflections of the simulated box only: indices divided by "
            f"{fine} lie between those of a box of {cells} cells",
            advice="Compute without solvent, or on reflections that the box has",
        )
    return lattice.hkl.astype(np.int64) * (repeats // np.asarray(lattice.ndiv))


def _half(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of the transform of a real grid."""
    return shape[0], shape[1], shape[2] // 2 + 1


def _spacing(inverse_d: np.ndarray, wanted: float | None) -> float:
    if wanted is not None and not wanted > 0:
        raise BadInput(f"The spacing of the solvent mask is {wanted:g}, but must be a positive number of angstroms")
    finest = float(np.max(inverse_d, initial=0.0))
    return min(wanted or SPACING, 1 / (_POINTS_PER_D * finest)) if finest else wanted or SPACING


def _grid_shape(box: gemmi.UnitCell, spacing: float, symmetry: gemmi.SpaceGroup | None) -> tuple[int, int, int]:
    """Points along each axis: at most `spacing` apart, easy to transform, and moved onto themselves by symmetry."""
    grid = gemmi.FloatGrid()
    grid.set_unit_cell(box)
    grid.spacegroup = symmetry or gemmi.SpaceGroup("P 1")
    expected = box.volume / spacing**3
    if expected > _MOST_POINTS:
        raise BadInput(f"The solvent mask would have {expected:.1e} points", advice="Use a larger d_min")
    grid.set_size_from_spacing(spacing, gemmi.GridSizeRounding.Up)
    return grid.nu, grid.nv, grid.nw


def _model(elements: np.ndarray, cartesian: np.ndarray) -> gemmi.Model:
    """The atoms as gemmi's masker wants them; elements [n], positions [n, 3] in angstrom."""
    kinds = {symbol: gemmi.Element(symbol) for symbol in np.unique(elements).tolist()}
    residue = gemmi.Residue()
    for symbol, place in zip(elements.tolist(), cartesian.tolist(), strict=True):
        atom = gemmi.Atom()
        atom.element, atom.pos = kinds[symbol], gemmi.Position(*place)
        residue.add_atom(atom)
    chain, model = gemmi.Chain("A"), gemmi.Model(1)
    chain.add_residue(residue)
    model.add_chain(chain)
    return model


@dataclass(frozen=True)
class SolventContent:
    """How much solvent frames hold.

    Attributes
    ----------
    n_waters, n_ions : int
        In the box.
    filled_fraction : float
        Waters and ions, of as many as what the other atoms leave empty would hold.
    kind : str
        ``"explicit"``: a filled box, where a mask would only find the voids between waters; ``"stripped"``: none;
        ``"few waters"``: some, as those that a crystal structure lists.
    """

    n_waters: int
    n_ions: int
    filled_fraction: float
    kind: Literal["explicit", "stripped", "few waters"]

    @property
    def sentence(self) -> str:
        """What was seen, and what it means for a flat solvent."""
        held = f"{counted(self.n_waters, 'water')} and {counted(self.n_ions, 'ion')}"
        share = f"{100 * min(self.filled_fraction, 1):.0f} %"
        if self.kind == "explicit" and not self.n_waters + self.n_ions:
            return "The atoms of the frames fill the cell: there is no room for a bulk solvent"
        if self.kind == "explicit":
            return (
                f"The frames hold their solvent ({held} fill the space between "
                "the other atoms): a flat bulk solvent would add nothing but noise"
            )
        if self.kind == "stripped":
            return "The frames were stripped of their solvent: a flat bulk solvent can stand for it"
        return (
            f"The frames hold {held}, {share} of what their empty space holds: "
            "a flat bulk solvent can stand for the rest"
        )


def solvent_content(atoms: Atoms, cell_volume: float, n_copies: int = 1) -> SolventContent:
    """Whether frames hold their solvent or were stripped of it, by the waters that would fill what is empty.

    Parameters
    ----------
    atoms : Atoms
    cell_volume : float
        Volume of the box, A^3.
    n_copies : int
        Copies of the atoms in it, where they are one asymmetric unit.
    """
    heavy = ~np.isin(atoms.element, ("H", "D"))
    names = np.char.upper(atoms.residue_name)
    is_water, is_solvent = np.isin(names, list(WATER)), np.isin(names, list(SOLVENT))
    n_waters = n_copies * int(np.count_nonzero(is_water & (atoms.element == "O")))
    n_ions = n_copies * int(np.count_nonzero(is_solvent & ~is_water & heavy))
    empty = cell_volume - _SOLUTE_ATOM * n_copies * np.count_nonzero(heavy & ~is_solvent)
    held = (n_waters + n_ions) * _WATER_MOLECULE
    # a box that its other atoms fill has no solvent to add, whatever it holds
    filled = held / empty if empty > held else 1.0
    kind: Literal["explicit", "stripped", "few waters"] = "few waters"
    if filled >= _EXPLICIT:
        kind = "explicit"
    elif filled < _STRIPPED:
        kind = "stripped"
    return SolventContent(n_waters, n_ions, float(filled), kind)


def content_of_box(
    atoms: Atoms, cell: gemmi.UnitCell, repeats: np.ndarray | tuple[int, int, int], symmetry: gemmi.SpaceGroup | None
) -> SolventContent:
    """`solvent_content` of frames whose box is `repeats` cells, made whole by the operations of `symmetry`."""
    n_copies = len(symmetry.operations()) if symmetry else 1
    return solvent_content(atoms, cell.volume * float(np.prod(repeats)), n_copies)


def settled_solvent(
    settings: PredictSettings,
    atoms: Atoms,
    placement: Placement,
    positions: np.ndarray,
    symmetry: gemmi.SpaceGroup | None,
) -> tuple[PredictSettings, tuple[str, ...]]:
    """The settings without a flat solvent where frames carry theirs, and what is to be said of the solvent.

    `positions` [n_atoms, 3] are those of a frame, fractional in the crystal's cell.

    Raises
    ------
    BadInput
        As of `refuse_folded`, where a solvent is wanted.
    """
    if settings.solvent == "none":
        return settings, ()
    refuse_folded(atoms, placement, positions)
    content = content_of_box(atoms, placement.cell, placement.cells, symmetry)
    if content.kind == "explicit":
        return replace(settings, solvent="none"), (f"No flat bulk solvent was added: {content.sentence}",)
    if placement.repeats is None:
        return settings, ("The bulk solvent fills one cell of the crystal around the atoms of each frame",)
    return settings, ()


def refuse_folded(atoms: Atoms, placement: Placement, positions: np.ndarray) -> None:
    """Refuse a mask of frames that hold more than one cell without that being known.

    Frames without a box, or whose box was left aside, are taken for the content of one cell. That is so as long as
    atoms that are apart do not lie on one another there.

    Raises
    ------
    BadInput
        When they do.
    """
    heavy = ~np.isin(atoms.element, ("H", "D"))
    if placement.repeats is not None or not heavy.any():
        return
    axes, own = np.array(placement.cell.orth.mat.tolist()).T, positions[heavy]
    share = _touching(own % 1.0 @ axes) - _touching(own @ axes)
    if share > _MOST_TOUCHING:
        raise BadInput(
            "A bulk solvent needs the box of the frames to be whole cells of the crystal: taken for one cell, "
            f"{100 * share:.0f} % of their atoms lie on others",
            advice="Give the cells in the box (--supercell) and the cell of these frames (--cell), or compute without "
            "a bulk solvent",
        )


def _touching(cartesian: np.ndarray) -> float:
    """Part of atoms, at [n, 3] in angstrom, that have another one nearer than atoms can be."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(cartesian).query(cartesian, k=2, distance_upper_bound=_TOUCHING)[0][:, 1]
    return float(np.isfinite(nearest).mean())
