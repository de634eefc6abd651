"""The atoms of a topology, and the element of an atom that only has a name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import gemmi
import numpy as np

from mdweights_core.errors import BadInput

VIRTUAL = ""  # element of a site without an atom: the fourth point of a water model, a lone pair
_VIRTUAL_NAMES = re.compile(r"(M|MW|OM|IW|EP|EPW|LP|LPA|LPB|VS|XX?)\d*[A-Z]?")
_WATER = {"HOH", "WAT", "SOL", "DOD", "TIP", "TIP3", "TIP4", "TIP5", "TP3", "TP4", "TP5", "T3P", "T4P", "SPC", "OPC"}
_IONS = {
    **dict.fromkeys(("NA", "SOD", "NA+", "NAP"), "Na"),
    **dict.fromkeys(("CL", "CLA", "CL-", "CLM", "CIM"), "Cl"),
    **dict.fromkeys(("K", "POT", "K+"), "K"),
    **dict.fromkeys(("MG", "MG2", "MG2+"), "Mg"),
    **dict.fromkeys(("CA", "CAL", "CA2", "CA2+"), "Ca"),
    **dict.fromkeys(("ZN", "ZN2", "ZN2+"), "Zn"),
    **dict.fromkeys(("LI", "LIT", "LI+"), "Li"),
    **dict.fromkeys(("RB", "RUB", "RB+"), "Rb"),
    **dict.fromkeys(("CS", "CES", "CS+"), "Cs"),
    **dict.fromkeys(("BR", "BR-"), "Br"),
    **dict.fromkeys(("I", "IOD", "I-"), "I"),
    **dict.fromkeys(("FE", "FE2", "FE3"), "Fe"),
    **dict.fromkeys(("MN", "MN2"), "Mn"),
    **dict.fromkeys(("CU", "CU1", "CU2"), "Cu"),
    **dict.fromkeys(("CD", "CD2"), "Cd"),
    **dict.fromkeys(("BA", "BA2"), "Ba"),
    **dict.fromkeys(("NI", "NI2"), "Ni"),
    **dict.fromkeys(("CO", "CO3"), "Co"),
}
WATER = frozenset(_WATER)  # residue names of waters
SOLVENT = frozenset(_WATER | set(_IONS))  # and of single ions too
_LIGHT = ("D", "He", "Li", "Be", "B", "Ne")
_TWO_LETTERS = {
    "CL": "Cl",
    "BR": "Br",
    "SE": "Se",
    "SI": "Si",
    "ZN": "Zn",
    "FE": "Fe",
    "MG": "Mg",
    "MN": "Mn",
    "CU": "Cu",
}


@dataclass(frozen=True, eq=False)
class Atoms:
    """What the topology says about each atom.

    Attributes
    ----------
    element : str [n_atoms]
        Symbols as in the periodic table, ``Cl``; D is deuterium.
    name, residue_name, chain : str [n_atoms]
    residue_number : int32 [n_atoms]
    b_iso, occupancy : float32 [n_atoms] or None
        Isotropic B factor (angstrom squared) and occupancy; None when the topology has none.
    """

    element: np.ndarray
    name: np.ndarray
    residue_name: np.ndarray
    residue_number: np.ndarray
    chain: np.ndarray
    b_iso: np.ndarray | None = None
    occupancy: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.element)

    def select(self, rows: np.ndarray) -> Atoms:
        """Only `rows` (boolean mask or indices)."""
        picked: dict[str, Any] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            picked[field.name] = None if column is None else column[rows]
        return Atoms(**picked)


def make_atoms(
    symbols: Iterable[str | None],
    names: Iterable[str],
    residue_names: Iterable[str],
    residue_numbers: Iterable[int],
    chains: Iterable[str],
    *,
    b_iso: np.ndarray | None = None,
    occupancy: np.ndarray | None = None,
) -> Atoms:
    """Atoms with an element each: the topology's where it gives one, guessed from the name where not.

    `symbols` holds the topology's element symbols, None or an unknown text where it has none, ``VS`` for a virtual
    site, whose element is the empty text.

    Raises
    ------
    BadInput
        When an element is neither given nor to be guessed.
    """
    name, residue_name = np.array(list(names), dtype=str), np.array(list(residue_names), dtype=str)
    known: dict[tuple[str | None, str, str], str] = {}
    element = []
    for key in zip(symbols, name.tolist(), residue_name.tolist(), strict=True):
        if key not in known:
            known[key] = _element(*key)
        element.append(known[key])
    return Atoms(
        element=np.array(element, dtype=str),
        name=name,
        residue_name=residue_name,
        residue_number=np.array(list(residue_numbers), dtype=np.int32),
        chain=np.array(list(chains), dtype=str),
        b_iso=b_iso,
        occupancy=occupancy,
    )


def _element(symbol: str | None, name: str, residue_name: str) -> str:
    if symbol == "VS":
        return VIRTUAL
    if symbol:
        element = gemmi.Element(symbol)
        if element.atomic_number > 0:
            return element.name
    return guess_element(name, residue_name)


def symbol_despite_mass(symbol: str | None, name: str, residue_name: str) -> str | None:
    """The element of an atom that was told by its mass, put right by its name.

    With repartitioned masses hydrogen looks like helium, a CH2 carbon like beryllium, the nitrogen of NH like carbon.
    """
    if symbol is None or symbol == "VS":
        return symbol
    if symbol not in _LIGHT and name.upper().startswith(symbol.upper()):
        return symbol
    try:
        return guess_element(name, residue_name) or symbol
    except BadInput:
        return symbol


def guess_element(name: str, residue_name: str) -> str:
    """The element of an atom from its name and residue; the empty text for a virtual site.

    Raises
    ------
    BadInput
        When the name tells nothing, as that of a coarse-grained bead.
    """
    letters = re.sub(r"^[\d\W]+", "", name.upper())
    residue = residue_name.upper()
    ion = _IONS.get(residue)
    if ion and (letters == residue or letters.startswith(ion.upper())):
        return ion
    is_polymer = gemmi.find_tabulated_residue(residue_name).is_standard()
    if _VIRTUAL_NAMES.fullmatch(letters) or ((is_polymer or residue in _WATER) and letters[:1] in ("M", "L", "E", "V")):
        return VIRTUAL
    if not is_polymer and letters[:2] in _TWO_LETTERS:
        return _TWO_LETTERS[letters[:2]]
    if letters[:1] in tuple("CNOHSPDFBIK"):
        return letters[0]
    raise BadInput(
        f"The element of atom '{name}' of residue '{residue_name}' is neither given nor to be guessed from its name",
        advice="Use a topology with elements, such as a PDB file with its element column",
    )
