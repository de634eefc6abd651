"""Atoms chosen by a text in mdtraj's selection language, such as ``protein and not element H``.

The words of the language are read by mdtraj; what they mean for an atom is said here, from what the topology says of
it, so that every name of water is ``water`` and a histidine of any force field is ``protein``.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import gemmi
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import SOLVENT, WATER, Atoms
from mdweights_core.io.frames.trajectories import FrameSource

EXAMPLES = "'protein', 'not water', 'name CA', 'chainid 0 and resid 1 to 20'"
_DEEP = 5000  # calls: a dozen pairs of brackets
_LONG = 80  # letters of a text that are repeated in a sentence
_BACKBONE = frozenset(("N", "CA", "C", "O"))
_WITH_IT = frozenset(("H", "HA"))  # hydrogens that are no part of a side chain
_VARIANTS = {
    **dict.fromkeys(("HID", "HIE", "HISA", "HISB", "HISD", "HISE", "HISH"), "HIS"),
    **dict.fromkeys(("CYX", "CYS1", "CYS2", "CYSH"), "CYS"),
    **dict.fromkeys(("LYP", "LYSH"), "LYS"),
    **dict.fromkeys(("ASH", "ASPH", "ASPP"), "ASP"),
    **dict.fromkeys(("GLUH", "GLUP"), "GLU"),
    "ARGN": "ARG",
    "NMA": "NME",
}

_parsing = threading.Lock()  # the limit is that of all threads
_described: weakref.WeakKeyDictionary[Atoms, list[_Atom]] = weakref.WeakKeyDictionary()  # by identity


class _Element(NamedTuple):
    symbol: str
    mass: float


@dataclass(slots=True)
class _Chain:
    index: int


class _Kind(NamedTuple):
    """What a residue's name tells."""

    is_water: bool
    is_protein: bool
    is_nucleic: bool
    code: str | None


@dataclass(slots=True)
class _Residue:
    """A residue under the names that mdtraj's parsed selections ask for."""

    name: str
    index: int
    resSeq: int  # noqa: N815
    chain: _Chain
    is_water: bool
    is_protein: bool
    is_nucleic: bool
    code: str | None


@dataclass(slots=True)
class _Atom:
    """An atom under the names that mdtraj's parsed selections ask for."""

    name: str
    index: int
    element: _Element
    residue: _Residue
    segment_id: str

    @property
    def is_backbone(self) -> bool:
        return self.residue.is_protein and self.name in _BACKBONE

    @property
    def is_sidechain(self) -> bool:
        return self.residue.is_protein and self.name not in _BACKBONE and self.name not in _WITH_IT


def select_atoms(atoms: Atoms, text: str) -> np.ndarray:
    """Rows of the atoms that a text in mdtraj's selection language chooses.

    ``resid`` and ``chainid`` count residues and chains from 0, ``residue`` (or ``resSeq``) is the number in the file,
    ``segname`` the chain's letter.

    Parameters
    ----------
    atoms : Atoms
    text : str
        Empty chooses all.

    Returns
    -------
    int64 [n]
        Ascending.

    Raises
    ------
    BadInput
        When the text is no selection, or chooses nothing.
    """
    if not text.strip():
        return np.arange(len(atoms), dtype=np.int64)
    from mdtraj.core.selection import parse_selection
    from pyparsing import ParseBaseException

    try:
        with _deep_recursion():
            parsed = parse_selection(text)
        if "'to'" in parsed.source:  # mdtraj takes the word of a range without an end for a name
            raise ValueError("a range without an end")
        chosen = parsed.expr
        rows = [atom.index for atom in _atoms_of(atoms) if chosen(atom)]
    except (ParseBaseException, re.error, *_MISTAKES) as problem:
        raise BadInput(f"'{_short(text)}' is not a selection of atoms", advice=f"Examples are {EXAMPLES}") from problem
    if not rows:
        raise BadInput(f"The selection '{_short(text)}' chooses none of the {len(atoms)} atoms", advice=_advice(atoms))
    return np.array(rows, dtype=np.int64)


# what a wrong text comes to in mdtraj: no sense, no Python, a number beside a name, an unknown word, endless brackets
_MISTAKES = (ValueError, SyntaxError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError)


@contextlib.contextmanager
def _deep_recursion() -> Iterator[None]:
    """The parser calls itself some 350 times for every pair of brackets: Python's usual limit is met at the third."""
    with _parsing:
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(max(usual, _DEEP))
        try:
            yield
        finally:
            sys.setrecursionlimit(usual)


def residue_index(atoms: Atoms) -> np.ndarray:
    """The residue of each atom, counted from 0 in the order of the topology, int64 [n_atoms]."""
    return _runs(atoms.chain, atoms.residue_number, atoms.residue_name)


def is_water(atoms: Atoms) -> np.ndarray:
    """True for the atoms of waters, bool [n_atoms]."""
    names, kind = np.unique(atoms.residue_name, return_inverse=True)
    return np.array([_kind(str(name)).is_water for name in names], dtype=bool)[kind]


def is_solvent(atoms: Atoms) -> np.ndarray:
    """True for the atoms of waters and of single ions, bool [n_atoms]."""
    return np.isin(np.char.upper(atoms.residue_name), list(SOLVENT))


def anchor_atoms(atoms: Atoms) -> np.ndarray:
    """Rows of the atoms that tell the drift: CA, else what is neither hydrogen nor solvent, else all; int [n]."""
    alpha = (atoms.name == "CA") & (atoms.element == "C")
    if alpha.any():
        return np.flatnonzero(alpha)
    solid = ~np.isin(atoms.element, ("H", "D")) & ~is_solvent(atoms)
    return np.flatnonzero(solid) if solid.any() else np.arange(len(atoms))


def select_frames(source: FrameSource, text: str) -> tuple[FrameSource, np.ndarray]:
    """The frames with all atoms that are needed, and the rows among these of the atoms that scatter, int64 [n].

    Besides those of the selection, the atoms of the whole frame that tell its drift are needed: what the crystal as a
    whole does is no matter of what is looked at.

    Raises
    ------
    BadInput
        As of `select_atoms`.
    """
    if not text.strip():
        return source, np.arange(len(source.atoms))
    chosen = select_atoms(source.atoms, text)
    needed = np.union1d(chosen, anchor_atoms(source.atoms))
    return source.select(needed), np.searchsorted(needed, chosen)


def _atoms_of(atoms: Atoms) -> list[_Atom]:
    """The atoms one by one, made once: the window asks with every key that is pressed."""
    described = _described.get(atoms)
    if described is None:
        residues, first = np.unique(residue_index(atoms), return_index=True)
        chain = [_Chain(number) for number in _runs(atoms.chain).tolist()]
        parts = [
            _Residue(name, index, number, chain[row], *_kind(name))
            for index, row, name, number in zip(
                residues.tolist(),
                first.tolist(),
                atoms.residue_name[first].tolist(),
                atoms.residue_number[first].tolist(),
                strict=True,
            )
        ]
        element = {str(s): _Element(str(s), gemmi.Element(str(s)).weight) for s in np.unique(atoms.element)}
        columns = (atoms.name, atoms.element, residue_index(atoms), atoms.chain)
        described = [
            _Atom(name, index, element[symbol], parts[residue], segment)
            for index, (name, symbol, residue, segment) in enumerate(zip(*(c.tolist() for c in columns), strict=True))
        ]
        _described[atoms] = described
    return described


def _runs(*columns: np.ndarray) -> np.ndarray:
    """Number, from 0, of the run of rows alike in all columns that each row lies in."""
    if not len(columns[0]):
        return np.zeros(0, dtype=np.int64)
    begins = np.zeros(len(columns[0]), dtype=bool)
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    return np.cumsum(begins)


@lru_cache(maxsize=1024)
def _kind(residue_name: str) -> _Kind:
    from mdtraj.core.topology import Residue

    residue = Residue(_usual_name(residue_name.upper()), 0, None, 1)
    return _Kind(residue.is_water, residue.is_protein, residue.is_nucleic, residue.code)


def _usual_name(name: str) -> str:
    """The name the Protein Data Bank has for a residue of any force field, as far as mdtraj does not know it."""
    if name in SOLVENT:  # CHARMM's calcium, CAL, is an amino acid elsewhere
        return "HOH" if name in WATER else "ION"
    if len(name) == 4 and name[0] in "NC":  # Amber's first and last residues of a chain: NALA, CHID
        inner = _VARIANTS.get(name[1:], name[1:])
        if gemmi.find_tabulated_residue(inner).is_amino_acid():
            return inner
    return _VARIANTS.get(name, name)


def _short(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."


def _advice(atoms: Atoms) -> str:
    names, counts = np.unique(atoms.residue_name, return_counts=True)
    usual = ", ".join(names[np.argsort(-counts, kind="stable")][:8].tolist())
    return f"Its residues are {usual}{'...' if len(names) > 8 else ''}; examples are {EXAMPLES}"
