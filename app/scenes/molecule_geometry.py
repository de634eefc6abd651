"""What to draw of a molecule: which atoms, which bonds, which trace, which colours. Plain arrays, no OpenGL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import gemmi
import numpy as np
from scipy.spatial import cKDTree

# above this many heavy atoms a macromolecule is shown as a trace
TRACE_ABOVE = 2000
# two atoms are bonded when they are closer than the sum of their covalent radii and this much, angstrom
_BOND_SLACK = 0.4
_SHORTEST_BOND = 0.5
# a longer stretch between neighbours of a trace is a gap or another image of the cell: CA-CA 3.8, P-P up to 7.5
_LONGEST_STEP = {"CA": 4.6, "P": 8.0}
_WATER = frozenset({"HOH", "WAT", "TIP3", "TP3", "TIP", "SOL", "H2O", "DOD", "SPC", "TIP4", "T3P", "T4P", "OPC"})
_ELEMENT_COLOURS = {
    "C": (0.56, 0.60, 0.64),
    "N": (0.26, 0.46, 0.92),
    "O": (0.88, 0.26, 0.22),
    "S": (0.85, 0.68, 0.10),
    "P": (0.93, 0.52, 0.16),
    "H": (0.80, 0.82, 0.84),
    "F": (0.35, 0.75, 0.40),
    "CL": (0.25, 0.70, 0.30),
    "BR": (0.62, 0.28, 0.18),
    "NA": (0.58, 0.40, 0.85),
    "K": (0.52, 0.32, 0.75),
    "CA": (0.30, 0.65, 0.45),
    "MG": (0.30, 0.65, 0.35),
    "ZN": (0.48, 0.50, 0.68),
    "FE": (0.75, 0.42, 0.20),
}
_OTHER_ELEMENT = (0.80, 0.45, 0.70)
# Okabe-Ito order without black: neighbours differ for every colour vision
_CHAIN_COLOURS = np.array(
    [
        (0.00, 0.45, 0.70),
        (0.90, 0.62, 0.00),
        (0.00, 0.62, 0.45),
        (0.80, 0.47, 0.65),
        (0.34, 0.71, 0.91),
        (0.84, 0.37, 0.00),
        (0.72, 0.68, 0.16),
        (0.55, 0.55, 0.60),
    ]
)


@dataclass(frozen=True, eq=False)
class AtomTable:
    """The atoms of a scene.

    Attributes
    ----------
    element, name, residue_name, chain : str [n_atoms]
        Elements in capitals.
    residue_number : int [n_atoms]
    """

    element: np.ndarray
    name: np.ndarray
    residue_name: np.ndarray
    chain: np.ndarray
    residue_number: np.ndarray

    def __len__(self) -> int:
        return len(self.element)

    @classmethod
    def of(
        cls,
        elements: Iterable[str],
        names: Iterable[str],
        residue_names: Iterable[str],
        chains: Iterable[str],
        residue_numbers: Iterable[int],
    ) -> AtomTable:
        """The table from any columns of equal length."""
        as_text = [np.array([str(v).strip() for v in column], dtype=object) for column in (elements, names)]
        element = np.array([v.upper() for v in as_text[0]], dtype=object)
        residue = np.array([str(v).strip().upper() for v in residue_names], dtype=object)
        chain = np.array([str(v) for v in chains], dtype=object)
        return cls(element, as_text[1], residue, chain, np.array(list(residue_numbers), dtype=np.int64))

    @property
    def is_hydrogen(self) -> np.ndarray:
        """bool [n_atoms]."""
        return np.isin(self.element, ["H", "D"])

    @property
    def is_water(self) -> np.ndarray:
        """bool [n_atoms]."""
        return np.array([name in _WATER for name in self.residue_name], dtype=bool)

    @property
    def is_trace(self) -> np.ndarray:
        """Atoms a trace runs through: CA (carbon) of amino acids, P of nucleotides; bool [n_atoms]."""
        return ((self.name == "CA") & (self.element == "C")) | ((self.name == "P") & (self.element == "P"))


def visible(atoms: AtomTable, hydrogens: bool, water: bool) -> np.ndarray:
    """Which atoms are shown, bool [n_atoms]."""
    shown = np.ones(len(atoms), dtype=bool)
    if not hydrogens:
        shown &= ~atoms.is_hydrogen
    if not water:
        shown &= ~atoms.is_water
    return shown


def prefers_trace(atoms: AtomTable) -> bool:
    """True for macromolecules too big for sticks, and for atoms of a trace alone."""
    heavy = visible(atoms, hydrogens=False, water=False)
    is_long = atoms.is_trace.sum() > 1
    return bool(is_long and (heavy.sum() > TRACE_ABOVE or atoms.is_trace[heavy].all()))


def bonds(positions: np.ndarray, atoms: AtomTable) -> np.ndarray:
    """Pairs of bonded atoms by distance, int32 [n_bond, 2].

    Parameters
    ----------
    positions : float [n_atoms, 3]
        angstrom. Atoms are bonded when nearer than the sum of their covalent radii + 0.4 angstrom.
    """
    known = np.isfinite(positions).all(axis=1)
    rows = np.flatnonzero(known)
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.int32)
    radius = covalent_radii(atoms.element[rows])
    tree = cKDTree(np.asarray(positions[rows], dtype=np.float64))
    pairs = tree.query_pairs(2.0 * radius.max() + _BOND_SLACK, output_type="ndarray")
    length = np.linalg.norm(tree.data[pairs[:, 0]] - tree.data[pairs[:, 1]], axis=1)
    bonded = (length > _SHORTEST_BOND) & (length < radius[pairs[:, 0]] + radius[pairs[:, 1]] + _BOND_SLACK)
    hydrogen = atoms.is_hydrogen[rows]
    bonded &= ~(hydrogen[pairs[:, 0]] & hydrogen[pairs[:, 1]])
    return np.sort(rows[pairs[bonded]], axis=1).astype(np.int32)


def covalent_radii(elements: np.ndarray) -> np.ndarray:
    """Covalent radius of each element symbol, angstrom, float64."""
    table = {symbol: gemmi.Element(str(symbol)).covalent_r for symbol in set(elements)}
    return np.array([table[symbol] for symbol in elements], dtype=np.float64)


def trace(atoms: AtomTable, positions: np.ndarray) -> np.ndarray:
    """Pairs of trace atoms that follow each other in a chain without a gap, int32 [n_step, 2]."""
    rows = np.flatnonzero(atoms.is_trace & np.isfinite(positions).all(axis=1))
    first, second = rows[:-1], rows[1:]
    same_chain = atoms.chain[first] == atoms.chain[second]
    same_kind = atoms.name[first] == atoms.name[second]
    longest = np.array([_LONGEST_STEP[name] for name in atoms.name[first]])
    length = np.linalg.norm(positions[first] - positions[second], axis=1)
    joined = same_chain.astype(bool) & same_kind.astype(bool) & (length < longest)
    return np.column_stack([first[joined], second[joined]]).astype(np.int32)


def untorn(positions: np.ndarray, pairs: np.ndarray, longest: float) -> np.ndarray:
    """End points of each pair, float32 [n_pair, 2, 3]; one torn by the periodic boundary shrinks to its first end."""
    ends = np.asarray(positions, dtype=np.float32)[pairs]
    torn = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) > longest
    ends[torn, 1] = ends[torn, 0]
    return ends


def two_coloured(ends: np.ndarray, colours: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each bond as two halves in the colours of its atoms: positions [4 n_pair, 3] and RGBA [4 n_pair, 4], float32."""
    middle = ends.mean(axis=1)
    points = np.stack([ends[:, 0], middle, middle, ends[:, 1]], axis=1).reshape(-1, 3)
    paint = np.stack([colours[pairs[:, 0]]] * 2 + [colours[pairs[:, 1]]] * 2, axis=1).reshape(-1, 4)
    return points.astype(np.float32), paint.astype(np.float32)


def element_colours(atoms: AtomTable) -> np.ndarray:
    """RGBA by element, float32 [n_atoms, 4]."""
    table = {symbol: (*_ELEMENT_COLOURS.get(symbol, _OTHER_ELEMENT), 1.0) for symbol in set(atoms.element)}
    return np.array([table[symbol] for symbol in atoms.element], dtype=np.float32).reshape(-1, 4)


def chain_colours(atoms: AtomTable) -> np.ndarray:
    """RGBA by chain, in the order chains appear, float32 [n_atoms, 4]."""
    order = {chain: i for i, chain in enumerate(dict.fromkeys(atoms.chain))}
    rows = np.array([order[chain] % len(_CHAIN_COLOURS) for chain in atoms.chain], dtype=np.int64)
    opaque = np.ones((len(atoms), 1))
    return np.hstack([_CHAIN_COLOURS[rows], opaque]).astype(np.float32)


def lightened(colours: np.ndarray) -> np.ndarray:
    """Colours for a dark ground, RGBA float32 [n, 4]: a third of the way to white."""
    light = colours.copy()
    light[:, :3] += (1.0 - light[:, :3]) / 3.0
    return light


def mean_model(models: list[np.ndarray], cell: gemmi.UnitCell | None = None) -> np.ndarray:
    """Mean position of every atom over `models`, float32 [n_atoms, 3].

    Parameters
    ----------
    models : list of float [n_atoms, 3]
        angstrom, at least one.
    cell : gemmi.UnitCell, optional
        Atoms that were put back into it count where they are nearest to those of the first model.
    """
    first = np.asarray(models[0], dtype=np.float64)
    shifts = np.asarray(models, dtype=np.float64) - first
    if cell is not None:
        axes = cell_axes(cell)
        shifts -= np.round(shifts @ np.linalg.inv(axes)) @ axes
    return (first + shifts.mean(axis=0)).astype(np.float32)


def cell_edges(axes: np.ndarray) -> np.ndarray:
    """End points of the twelve edges of a cell, float32 [24, 3]; the first three edges are a, b and c from the origin.

    Parameters
    ----------
    axes : float [3, 3]
        Rows a, b, c, angstrom.
    """
    a, b, c = np.asarray(axes, dtype=np.float64)
    zero = np.zeros(3)
    starts = [(zero, a), (zero, b), (zero, c)]
    starts += [(a, a + b), (a, a + c), (b, b + a), (b, b + c), (c, c + a), (c, c + b)]
    starts += [(a + b, a + b + c), (a + c, a + b + c), (b + c, a + b + c)]
    return np.array(starts, dtype=np.float32).reshape(-1, 3)


def cell_axes(cell: gemmi.UnitCell) -> np.ndarray:
    """Rows a, b, c of the cell in the Cartesian frame of PDB files, angstrom, float64 [3, 3]."""
    return np.array(cell.orth.mat.tolist(), dtype=np.float64).T


def view_angles(direction: np.ndarray) -> tuple[float, float]:
    """Turntable azimuth and elevation, degrees, from which `direction` (3-vector) points at the viewer."""
    x, y, z = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    azimuth = np.degrees(np.arctan2(x, -y)) if np.hypot(x, y) > 1e-9 else 0.0
    return float(azimuth), float(np.degrees(np.arcsin(np.clip(z, -1.0, 1.0))))


def thin_evenly(models: list[np.ndarray], at_most: int) -> list[np.ndarray]:
    """At most `at_most` of the models, evenly spread over the list."""
    if len(models) <= at_most:
        return models
    return [models[int(i)] for i in np.linspace(0, len(models) - 1, max(at_most, 1)).round()]
