"""Values of OpenMM's objects as plain numbers in its own units, and what its forces share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.blocks import PairBlocks, pair_blocks
from mdweights_core.errors import BadInput

Array = jax.Array


def plain(value: Any) -> Any:
    """Return a value without its unit, in nm, ps, dalton, kJ/mol, radian."""
    if not hasattr(value, "unit"):
        return value
    from openmm import unit

    return value.value_in_unit_system(unit.md_unit_system)


def box_of(system: Any) -> np.ndarray | None:
    """Box of a System in nm, rows a, b, c: [3, 3]; None where no force is periodic."""
    if not system.usesPeriodicBoundaryConditions():
        return None
    return np.array([plain(vector) for vector in system.getDefaultPeriodicBoxVectors()], dtype=np.float64)


def rows(n: int, get: Callable[[int], Any], n_atoms: int, n_values: int) -> tuple[Array, Array]:
    """Atoms int [n, n_atoms] and values float64 [n, n_values] of a force's list."""
    found = [get(i) for i in range(n)]
    atoms = np.array([row[:n_atoms] for row in found], dtype=int).reshape(n, n_atoms)
    values = np.array([[plain(value) for value in row[n_atoms:]] for row in found], dtype=np.float64)
    return jnp.asarray(atoms), jnp.asarray(values.reshape(n, n_values))


@dataclass(frozen=True)
class Surroundings:
    """Positions [n_atoms, 3] in nm about which atoms are sorted, and the box, if any."""

    x: np.ndarray
    box: np.ndarray | None

    def box_for(self, force: Any) -> Array | None:
        """Return the box where a force is periodic."""
        return jnp.asarray(self.box) if force.usesPeriodicBoundaryConditions() else None

    def pairs(self, force: Any, excluded: np.ndarray) -> PairBlocks:
        """Tiles of the pairs that a force (with a method NoCutoff, CutoffNonPeriodic or CutoffPeriodic) counts.

        Raises
        ------
        BadInput
            For a cut-off of more than half the box, within which an atom could meet two images of another.
        """
        cutoff = None if force.getNonbondedMethod() == force.NoCutoff else plain(force.getCutoffDistance())
        box = self.box if force.getNonbondedMethod() == force.CutoffPeriodic else None
        if box is not None and cutoff is not None and cutoff > np.diag(box).min() / 2:
            raise BadInput(
                f"The cut-off of {cutoff:g} nm is more than half the box, which is {np.diag(box).min():.3g} nm wide",
                advice="Choose a shorter cut-off, or more unit cells side by side",
            )
        return pair_blocks(self.x, excluded, cutoff=cutoff, box=box)
