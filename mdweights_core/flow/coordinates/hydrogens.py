"""Hydrogens that cannot be told apart: which labels they get, so that a frame is told in one way only.

The torsions of three alike hydrogens (CH3, NH3) enter by their mean, which grows by exactly a third of a turn when the
labels move on by one: a third of the circle of that mean holds every conformation once. Two alike hydrogens (CH2) are
told apart by the hand of their centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from mdweights_core.energy.internal import torsion
from mdweights_core.flow.coordinates.base import Array, as_dtype, wrapped


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hydrogens:
    """Groups of three and of two alike hydrogens.

    Attributes
    ----------
    triples : int [k, 3]
        Atoms.
    triple_references : int [k, 3]
        Atoms p, g and t of each group.
    rows : int [k, 3]
        Where their torsions are among those of the placement.
    hand : float64 [k]
        1 where torsions grow from the first hydrogen to the second, -1 where they fall.
    middle : float64 [k]
        Of the third of the circle where the mean torsion is, radian.
    pairs, pair_references : int [j, 2], [j, 3]
    pair_hand : float64 [j]
        Sign of the torsion of the second hydrogen less that of the first.
    """

    triples: Array
    triple_references: Array
    rows: Array
    hand: Array
    middle: Array
    pairs: Array
    pair_references: Array
    pair_hand: Array

    def from_mean(self, torsions: Array) -> Array:
        """Torsions of placement [m], where those of first hydrogens were the mean of the group."""
        return torsions.at[self.rows[:, 0]].add(-self._mean_of_others(torsions))

    def to_mean(self, torsions: Array) -> Array:
        """Torsions [m] with the mean of the group in place of the first hydrogen's."""
        return torsions.at[self.rows[:, 0]].add(self._mean_of_others(torsions))

    def relabelled(self, x: Array) -> tuple[Array, Array]:
        """Positions [n_atoms, 3] with the hydrogens in the order of the rules, and whether any was given another label.

        Returns
        -------
        positions : float [n_atoms, 3]
        changed : bool
        """
        own = as_dtype(self, x)
        triples, pairs = own._ordered_triples(x), own._ordered_pairs(x)
        changed = jnp.any(triples != self.triples) | jnp.any(pairs != self.pairs)
        return x.at[self.triples].set(x[triples]).at[self.pairs].set(x[pairs]), changed

    def _mean_of_others(self, torsions: Array) -> Array:
        return (torsions[self.rows[:, 1]] + torsions[self.rows[:, 2]]) / 3

    def _ordered_triples(self, x: Array) -> Array:
        """Atoms [k, 3] that come first, second and third."""
        seen = torsion(x[_quads(self.triples, self.triple_references)])
        seen = wrapped(self.hand[:, None] * (seen - self.middle[:, None]))
        order = jnp.argsort(seen, axis=1)
        third_turns = jnp.floor(jnp.sum(seen, axis=1) / (2 * jnp.pi) + 0.5).astype(order.dtype)
        # the middle one comes first; when the mean is beyond the third of the circle, the one before it, or after it
        places = (1 - third_turns[:, None] + jnp.arange(3)) % 3
        return jnp.take_along_axis(self.triples, jnp.take_along_axis(order, places, axis=1), axis=1)

    def _ordered_pairs(self, x: Array) -> Array:
        """Atoms [j, 2] that come first and second."""
        seen = torsion(x[_quads(self.pairs, self.pair_references)])
        is_other = wrapped(seen[:, 1] - seen[:, 0]) * self.pair_hand < 0
        return jnp.where(is_other[:, None], self.pairs[:, ::-1], self.pairs)


def _quads(hydrogens: Array, references: Array) -> Array:
    """Atoms [k, j, 4] of the torsions of k groups of j hydrogens."""
    shape = (*hydrogens.shape, 3)
    return jnp.concatenate([hydrogens[..., None], jnp.broadcast_to(references[:, None], shape)], axis=-1)
