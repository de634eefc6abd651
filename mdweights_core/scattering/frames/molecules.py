"""Molecules of frames that periodic boundaries cut: what is bonded to what, and the pieces put together again.

At reflections commensurate with the box a box vector more or less changes nothing. At all others, and for a selection
of atoms, a molecule scatters as itself only when all of it is in one place.
"""

from __future__ import annotations

from typing import NamedTuple

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import reciprocal_axes, transformed
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import anchor_atoms, is_solvent, residue_index

_STRETCH = 0.4  # angstrom beyond the sum of two covalent radii that still is a bond
_CHAIN_LINK = 4.2  # angstrom between the CA of neighbouring residues, for selections without what lies between


class _Bonds(NamedTuple):
    """Bonds of atoms `one` and `other` [n], the first with `image` [n, 3] box vectors added."""

    one: np.ndarray
    other: np.ndarray
    image: np.ndarray

    def of(self, rows: np.ndarray) -> _Bonds:
        """Some of them."""
        return _Bonds(*(column[rows] for column in self))


class Molecules:
    """Which atoms hang together, and how the molecules of any frame are made whole.

    Bonds are distances in the first frame below the sum of covalent radii and 0.4 A, across the faces of the box too;
    none between hydrogens, and none of a water or an ion with another residue. (Topologies rarely tell all bonds, and
    what they tell depends on their format.) In every frame an atom is put on the image nearest to the one that it is
    bonded to, along a tree of bonds, and each molecule then on the image nearest to where it was in the first frame,
    the common drift of all apart. Frames need not come in order.

    Parameters
    ----------
    atoms : Atoms
    positions : float [n_atoms, 3]
        Cartesian positions of the first frame, angstrom.
    box : gemmi.UnitCell
        Its box.

    Attributes
    ----------
    label : int [n_atoms]
        The molecule of each atom, from 0.
    n_molecules : int
    is_endless : bool [n_molecules]
        Bonded to their own images, as a mineral or a polymer through the cell: these have no whole, and are left as the
        first frame is written, in pieces where that cuts them.
    """

    def __init__(self, atoms: Atoms, positions: np.ndarray, box: gemmi.UnitCell) -> None:
        self._n_atoms = len(atoms)
        place = transformed(positions, reciprocal_axes(box))
        bonds = _find_bonds(atoms, place, box)
        self._tie(bonds)
        endless = self._endless(bonds, place)
        self._n_endless, self._n_endless_atoms = int(endless.sum()), int(self._size[endless].sum())
        self.is_endless = endless
        if endless.any():
            # an image that is too near, as of models put into a crystal, is no neighbour in other frames: what has no
            # whole stays as it was written
            atom_is_endless = endless[self.label]
            self._tie(bonds.of(~(atom_is_endless[bonds.one] & bonds.image.any(axis=1))))
            self.is_endless = np.zeros(self.n_molecules, dtype=bool)
            self.is_endless[self.label[atom_is_endless]] = True
        whole = self._mended(place)
        self._anchors = anchor_atoms(atoms)
        self._anchor_place = whole[self._anchors]
        self._centre = self._centres(whole)

    def _tie(self, bonds: _Bonds) -> None:
        """Tell molecules apart, and how each is put together along its bonds."""
        self.label, self._parent = _forest(self._n_atoms, bonds)
        self.n_molecules = int(self.label.max(initial=-1)) + 1
        self._size = np.bincount(self.label, minlength=self.n_molecules)
        self._jumps = _jumps(self._parent)

    @property
    def warnings(self) -> list[str]:
        """Sentences on what cannot be made whole."""
        if not self._n_endless:
            return []
        count, size = self._n_endless, self._n_endless_atoms
        who = "A molecule" if count == 1 else f"{count} molecules"
        return [
            f"{who} of {size} atoms {'is' if count == 1 else 'are'} bonded to {'its' if count == 1 else 'their'} own "
            "images across the box and cannot be made whole: reflections between those of the box depend on the cut"
        ]

    def whole(self, place: np.ndarray) -> np.ndarray:
        """Fractional coordinates [n_atoms, 3] in the frame's own box, with all molecules whole; float64."""
        place = self._mended(np.asarray(place, dtype=np.float64))
        moved = self._centres(place) - self._centre - self._drift(place)
        return place - np.rint(moved).take(self.label, axis=0)

    def _mended(self, place: np.ndarray) -> np.ndarray:
        """Every atom on the image that hangs together with the first of its molecule."""
        step = place - place.take(self._parent, axis=0)
        if step.max(initial=0.0) < 0.5 and step.min(initial=0.0) > -0.5:
            return place  # nothing is cut, as in most frames of a solution run
        shift = -np.rint(step)
        # after k rounds a shift is the sum over 2^k bonds towards the first atom
        for rows, ancestors in self._jumps:
            shift[rows] += shift[ancestors]
        return place + shift

    def _centres(self, place: np.ndarray) -> np.ndarray:
        sums = [np.bincount(self.label, weights=axis, minlength=self.n_molecules) for axis in place.T]
        return np.stack(sums, axis=1) / self._size[:, None]

    def _drift(self, place: np.ndarray) -> np.ndarray:
        """The common translation against the first frame, up to half a box: the direction of the mean phase."""
        turns = 2j * np.pi * (place[self._anchors] - self._anchor_place)
        return np.angle(np.exp(turns).mean(axis=0)) / (2 * np.pi)

    def _endless(self, bonds: _Bonds, place: np.ndarray) -> np.ndarray:
        """A bond that is long once molecules are whole leads to an image of the molecule itself."""
        shift = np.rint(self._mended(place) - place)
        open_ends = (shift[bonds.one] - shift[bonds.other] != bonds.image).any(axis=1)
        endless = np.zeros(self.n_molecules, dtype=bool)
        endless[self.label[bonds.one[open_ends]]] = True
        return endless


def _find_bonds(atoms: Atoms, place: np.ndarray, box: gemmi.UnitCell) -> _Bonds:
    """All bonds of atoms at fractional `place` [n_atoms, 3] in the box."""
    residue = residue_index(atoms)
    solvent = is_solvent(atoms)
    is_alone = np.bincount(residue)[residue] == 1 if len(residue) else solvent
    rows = np.flatnonzero(~(solvent & is_alone))  # ions are large, and would make many neighbours of none
    radius = _covalent_radii(atoms.element)
    close = _close_pairs(place[rows], box, 2 * float(radius[rows].max(initial=0.0)) + _STRETCH)
    close = _Bonds(rows[close.one], rows[close.other], close.image)
    one, other = close.one, close.other
    is_hydrogen = np.isin(atoms.element, ("H", "D"))
    may = (residue[one] == residue[other]) | ~(solvent[one] | solvent[other])
    may &= ~(is_hydrogen[one] & is_hydrogen[other])
    may &= _lengths(close, place, box) <= radius[one] + radius[other] + _STRETCH
    links = _chain_links(atoms, residue, place, box)
    return _Bonds(*(np.concatenate([a[may], b]) for a, b in zip(close, links, strict=True)))


def _chain_links(atoms: Atoms, residue: np.ndarray, place: np.ndarray, box: gemmi.UnitCell) -> _Bonds:
    """CA to CA of neighbouring residues, which hold a chain together when the atoms between are not there."""
    alpha = np.flatnonzero((atoms.name == "CA") & (atoms.element == "C"))
    one, other = alpha[:-1], alpha[1:]
    links = _Bonds(one, other, np.rint(place[other] - place[one]))
    near = (residue[other] - residue[one] == 1) & (atoms.chain[other] == atoms.chain[one])
    near &= _lengths(links, place, box) <= _CHAIN_LINK
    return links.of(near)


def _close_pairs(place: np.ndarray, box: gemmi.UnitCell, reach: float) -> _Bonds:
    """Pairs of atoms, or images of atoms, not farther apart than `reach` (angstrom); each once."""
    from scipy.spatial import cKDTree

    turns = np.floor(place)
    inside, source, image = place - turns, np.arange(len(place)), -turns
    margin = reach * np.linalg.norm(reciprocal_axes(box), axis=1)
    for axis in range(3):  # what lies at a lower face is seen from the upper one
        again = np.flatnonzero(inside[:, axis] < margin[axis])
        step = np.eye(3)[axis]
        inside = np.concatenate([inside, inside[again] + step])
        image = np.concatenate([image, image[again] + step])
        source = np.concatenate([source, source[again]])
    if not len(place):
        return _Bonds(source, source, image)
    points = transformed(inside, np.array(box.orth.mat.tolist()))
    one, other = cKDTree(points).query_pairs(reach, output_type="ndarray").T
    image = image[one] - image[other]
    one, other = source[one], source[other]
    image[one > other] *= -1
    pairs = np.column_stack([np.minimum(one, other), np.maximum(one, other), image]).astype(np.int64)
    pairs = np.unique(pairs, axis=0)
    return _Bonds(pairs[:, 0], pairs[:, 1], pairs[:, 2:])


def _lengths(bonds: _Bonds, place: np.ndarray, box: gemmi.UnitCell) -> np.ndarray:
    between = place[bonds.one] + bonds.image - place[bonds.other]
    return np.linalg.norm(transformed(between, np.array(box.orth.mat.tolist())), axis=1)


def _covalent_radii(element: np.ndarray) -> np.ndarray:
    symbols, kind = np.unique(element, return_inverse=True)
    return np.array([gemmi.Element(str(symbol)).covalent_r for symbol in symbols], dtype=np.float64)[kind]


def _forest(n_atoms: int, bonds: _Bonds) -> tuple[np.ndarray, np.ndarray]:
    """The molecule of each atom, and the atom before it on the way from the first of its molecule (itself for that)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    def graph(one: np.ndarray, other: np.ndarray, size: int) -> coo_array:
        return coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(size, size)).tocsr()

    label = connected_components(graph(bonds.one, bonds.other, n_atoms), directed=False)[1]
    first = np.unique(label, return_index=True)[1]
    # one more atom that is bonded to the first of every molecule makes one tree of all
    rooted = graph(np.append(bonds.one, np.full(len(first), n_atoms)), np.append(bonds.other, first), n_atoms + 1)
    before = breadth_first_order(rooted, n_atoms, directed=False)[1][:n_atoms]
    return label, np.where(before == n_atoms, np.arange(n_atoms), before)


def _jumps(parent: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For bonds 1, 2, 4, 8... up the trees: rows that do not reach a first atom by that, and where they get to."""
    jumps, ancestor = [], parent
    while (rows := np.flatnonzero(parent[ancestor] != ancestor)).size:
        jumps.append((rows, ancestor[rows]))
        ancestor = ancestor[ancestor]
    return jumps
