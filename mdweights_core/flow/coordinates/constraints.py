"""What does not vary: lengths and angles that a simulation kept fixed are no variables of a flow.

A bond is taken as fixed where the System says so, or where its spread in the frames is far below that of its spring at
the temperature: positions rounded to 0.001 nm, as XTC files hold them, make fixed bonds vary by 0.0004 nm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdweights_core.energy.base import Energy
from mdweights_core.energy.openmm_system import rigid_bonds
from mdweights_core.energy.settings import GAS_CONSTANT
from mdweights_core.errors import counted

SHARE = 0.25  # of the spread of the spring
FLOOR = (1e-4, 1e-3)  # nm, radian: less than this is none where no spring is known
NAMED = 3  # of many, in a sentence

Widths = dict[tuple[int, ...], float]


def thermal_widths(energy: Energy, x: np.ndarray, temperature: float) -> Widths:
    """Standard deviation sqrt(kT / K) of the lengths (nm) and angles (radian) that have a spring K.

    Returns
    -------
    dict of tuple of int to float
        By the atoms, in the order of `key`.
    """
    constants: dict[tuple[int, ...], float] = {}
    for term in energy.terms.values():
        stiff = term.stiffness(x) if hasattr(term, "stiffness") else None
        if stiff is not None and stiff.atoms.ndim == 2 and stiff.atoms.shape[1] in (2, 3):
            for atoms, constant in zip(stiff.atoms.tolist(), stiff.constants.tolist(), strict=True):
                constants[key(atoms)] = constants.get(key(atoms), 0.0) + constant
    return {atoms: float(np.sqrt(GAS_CONSTANT * temperature / k)) for atoms, k in constants.items() if k > 0}


def key(atoms: list[int] | tuple[int, ...]) -> tuple[int, ...]:
    """Atoms of a length or an angle, the same from either end."""
    return tuple(atoms) if atoms[0] < atoms[-1] else tuple(atoms[::-1])


def held_by(system: Any, atoms: list[tuple[int, ...]]) -> np.ndarray:
    """Which lengths and angles an OpenMM System keeps fixed: bool [q], False for torsions."""
    pairs = {key(pair) for pair in rigid_bonds(system).atoms.tolist()}

    def is_held(of: tuple[int, ...]) -> bool:
        sides = [key((a, b)) for i, a in enumerate(of) for b in of[i + 1 :]]
        return len(of) < 4 and pairs.issuperset(sides)

    return np.array([is_held(of) for of in atoms], dtype=bool)


def held_in_frames(spread: np.ndarray, atoms: list[tuple[int, ...]], widths: Widths) -> np.ndarray:
    """Which values vary less in frames than any spring allows: bool [q].

    Parameters
    ----------
    spread : float64 [q]
        Standard deviations, nm and radian.
    atoms : list of tuple of int
        Two for lengths, three for angles, four for torsions.
    widths : dict
        See `thermal_widths`.
    """
    limits = [max(FLOOR[len(of) > 2], SHARE * widths.get(key(of), 0.0)) for of in atoms]
    return spread < np.array(limits)


def told(frozen: np.ndarray, names: list[str]) -> list[str]:
    """A sentence on what is fixed, if anything is."""
    if not frozen.any():
        return []
    found = [names[i] for i in np.flatnonzero(frozen)]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [
        f"{counted(len(found), 'variable')} of {len(names)} do not vary and are kept at their means "
        f"({', '.join(found[:NAMED])}{more}): densities are those of the conformations that keep these constraints."
    ]
