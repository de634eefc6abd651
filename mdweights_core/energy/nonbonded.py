"""Lennard-Jones and Coulomb energies between all pairs of atoms, with or without a cut-off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from mdweights_core.energy.blocks import PairBlocks
from mdweights_core.energy.internal import distance
from mdweights_core.energy.pairs import pair_energy

Array = jax.Array

COULOMB = 138.93545764438198  # 1 / (4 pi epsilon0) in kJ/mol nm / e^2, from the CODATA values of 2018


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Nonbonded:
    """Lennard-Jones (Lorentz-Berthelot) and Coulomb energies of pairs, of special pairs, and of all beyond the cut-off.

    With a cut-off, Coulomb energies are those of a reaction field (Tironi et al., J. Chem. Phys. 102, 5451, 1995) and
    Lennard-Jones energies may be switched off smoothly before it.

    Attributes
    ----------
    blocks : PairBlocks
        All ordinary pairs.
    atoms : mapping of str to float64 [n_atoms]
        "charge" (e), "radius" (half of sigma, nm), "well" (square root of epsilon).
    field : mapping of str to float64
        With a cut-off "k" and "c" of the reaction field (nm^-3, nm^-1), and "switch", the distance in nm from which on
        Lennard-Jones energies are switched off, and "cutoff". Empty without one.
    special : int [m, 2]
        Pairs with values of their own, never cut off: those three bonds apart.
    special_charge, special_sigma, special_epsilon : float64 [m]
        Product of charges in e^2, nm, kJ/mol.
    special_box : float64 [3, 3], optional
        Where their distances are those of nearest images.
    beyond : float64
        Mean Lennard-Jones energy beyond the cut-off, kJ/mol.
    """

    blocks: PairBlocks
    atoms: Mapping[str, Array]
    field: Mapping[str, Array]
    special: Array
    special_charge: Array
    special_sigma: Array
    special_epsilon: Array
    special_box: Array | None
    beyond: Array

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        ordinary = pair_energy(_pair, self.blocks, x, self.atoms, self.field)
        r = distance(x[self.special], self.special_box)
        sixth = (self.special_sigma / r) ** 6
        special = 4 * self.special_epsilon * (sixth * sixth - sixth) + COULOMB * self.special_charge / r
        return ordinary + jnp.sum(special) + self.beyond


def _pair(r: Array, a: Mapping[str, Array], b: Mapping[str, Array], field: Mapping[str, Array]) -> Array:
    inverse = 1 / r
    sixth = ((a["radius"] + b["radius"]) * inverse) ** 6
    dispersion = 4 * a["well"] * b["well"] * (sixth * sixth - sixth)
    charges = COULOMB * a["charge"] * b["charge"]
    if not field:
        return dispersion + charges * inverse
    return dispersion * switched(r, field["switch"], field["cutoff"]) + charges * (
        inverse + field["k"] * r * r - field["c"]
    )


def switched(r: Array, begin: Array, end: Array) -> Array:
    """Factor that goes from 1 to 0 between two distances, with two continuous derivatives."""
    t = jnp.clip((r - begin) / jnp.where(end > begin, end - begin, 1.0), 0.0, 1.0)
    return 1 - t**3 * (10 - t * (15 - 6 * t))
