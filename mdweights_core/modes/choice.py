"""Which atoms make an elastic network, how many modes they have, and how frequencies are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.errors import BadInput

if TYPE_CHECKING:
    from mdweights_core.io.frames.atoms import Atoms
    from mdweights_core.modes.spectrum import Modes

TRACE, ATOM_CUTOFF, TRACE_CUTOFF = "name CA", 0.8, 1.5
"""Networks of C-alpha atoms have springs of up to 1.5 nm, those of all atoms of up to 0.8 nm."""

STILL = 0.01
"""Rms force, kJ/mol/nm, up to which frequencies of a Hessian mean something."""

_LEAST_TRACE = 10  # C-alpha atoms that are a network
_RIGID = 6  # motions of a molecule that bend nothing


def suggested_network(atoms: Atoms) -> tuple[str, float]:
    """Words that choose the atoms of an elastic network, empty for all, and its longest spring in nm."""
    n_trace = int(((atoms.name == "CA") & (atoms.element == "C")).sum())
    return (TRACE, TRACE_CUTOFF) if n_trace >= _LEAST_TRACE else ("", ATOM_CUTOFF)


def as_many(count: int, n_atoms: int) -> int:
    """Modes to look for: those asked for, or as many as there are.

    Raises
    ------
    BadInput
        When there is none.
    """
    there = 3 * n_atoms - _RIGID
    if there < 1:
        raise BadInput("Fewer than three atoms have no modes", advice="Choose more atoms")
    return min(count, there)


def frequencies(modes: Modes, *, is_hessian: bool) -> np.ndarray:
    """Wavenumbers in 1/cm, or of a network, whose springs have no strength of their own, multiples of the lowest."""
    found = modes.wavenumbers
    return found if is_hessian else found / max(float(found[0]), np.finfo(float).tiny)
