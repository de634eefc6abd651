"""Energies given as expressions: of internal coordinates, of positions, of pairs, and generalised Born models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.base import Stiffness
from mdweights_core.energy.blocks import PairBlocks
from mdweights_core.energy.expressions import Expression
from mdweights_core.energy.internal import angle, derivatives, distance, norm, torsion
from mdweights_core.energy.nonbonded import switched
from mdweights_core.energy.pairs import pair_energy, pair_sums
from mdweights_core.energy.periodic import nearest_image

Array = jax.Array
# What a custom force of 2, 3 or 4 atoms is a function of, and what its expression calls that.
COORDINATES = {2: ("r", distance), 3: ("theta", angle), 4: ("theta", torsion)}


@dataclass(frozen=True)
class _Listed:
    """Sum of an expression over a list of m atoms or groups of atoms.

    Attributes
    ----------
    expression : Expression
    atoms : int [m] or [m, k]
    values : mapping of str to float64 [m] or scalar
        Variables of the expression beside those of places.
    box : float64 [3, 3], optional
        Where distances are those of nearest images.
    """

    expression: Expression = field(metadata={"static": True})
    atoms: Array
    values: Mapping[str, Array]
    box: Array | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CustomInternal(_Listed):
    """Sum of an expression of the distance r of two atoms, or of the angle or torsion angle theta of three or four."""

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        name, coordinate = COORDINATES[self.atoms.shape[1]]
        return self._of(name, coordinate(x[self.atoms], self.box))

    def stiffness(self, x: np.ndarray) -> Stiffness:
        """Curvature along the distances or angles, where it is positive."""
        name, coordinate = COORDINATES[self.atoms.shape[1]]
        at = coordinate(jnp.asarray(x)[self.atoms], self.box)
        slope = jax.grad(partial(self._of, name))
        second = np.asarray(jax.jvp(slope, (at,), (jnp.ones_like(at),))[1])  # each depends on its own coordinate only
        constants = np.where(np.isfinite(second), np.maximum(second, 0.0), 0.0)
        return Stiffness(np.asarray(self.atoms), derivatives(coordinate, x, self.atoms, self.box), constants)

    def _of(self, name: str, at: Array) -> Array:
        """Energy by the internal coordinates [m]."""
        return _total(self.expression({**self.values, name: at}), len(self.atoms))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CustomExternal(_Listed):
    """Sum of an expression of the positions x, y, z of single atoms in nm.

    It may call periodicdistance(x, y, z, x0, y0, z0), the distance of nearest images.
    """

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        at = dict(zip("xyz", x[self.atoms].T, strict=True))
        return _total(self.expression({**self.values, **at}, {"periodicdistance": self._distance}), len(self.atoms))

    def _distance(self, *coordinates: Any) -> Array:
        first, second = (jnp.stack(jnp.broadcast_arrays(*part), axis=-1) for part in (coordinates[:3], coordinates[3:]))
        return norm(nearest_image(first - second, self.box))


def _total(energies: Array, n: int) -> Array:
    """Sum over n of them, also where an expression has no variable."""
    return jnp.sum(jnp.broadcast_to(energies, (n,)))


@dataclass(frozen=True)
class OfPair:
    """An expression of r and of what is known of two atoms, whose names end in 1 and 2, as a pair function."""

    expression: Expression

    def __call__(self, r: Array, a: Mapping[str, Array], b: Mapping[str, Array], shared: Any) -> Array:
        """Values for features of both atoms; shared holds "values", "tables" and perhaps "switch"."""
        both = {f"{name}{side}": value for side, part in (("1", a), ("2", b)) for name, value in part.items()}
        found = self.expression({**shared["values"], **both, "r": r}, shared["tables"])
        return found * switched(r, *shared["switch"]) if "switch" in shared else found


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CustomNonbonded:
    """Sum over pairs of atoms of an expression of their distance r.

    Attributes
    ----------
    expression : Expression
        Of r, of what is known of each atom (names that end in 1 and 2) and of the other variables.
    blocks : PairBlocks
    atoms : mapping of str to float64 [n_atoms]
    shared : mapping
        "values", a mapping of other variables to scalars, and "tables"; also "switch", where the energy is switched
        off between two distances [2] in nm.
    """

    expression: Expression = field(metadata={"static": True})
    blocks: PairBlocks
    atoms: Mapping[str, Array]
    shared: Mapping[str, Any]

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        return pair_energy(OfPair(self.expression), self.blocks, x, self.atoms, self.shared)


@dataclass(frozen=True)
class Step:
    """One value or energy of a generalised Born model: of single atoms, or of pairs with or without excluded ones."""

    expression: Expression
    is_pair: bool
    leaves_out: bool = False  # excluded pairs
    name: str = ""  # of a value


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GeneralisedBorn:
    """Values of each atom from its neighbours (the Born radius), and energies of atoms and pairs that use them.

    Attributes
    ----------
    values, energies : tuple of Step
        In the order in which they are computed. A value of pairs is a sum over all other atoms.
    every : PairBlocks
        All pairs.
    kept : PairBlocks or None
        All but excluded pairs, where a step leaves these out.
    atoms : mapping of str to float64 [n_atoms]
    shared : mapping
        "values", a mapping of other variables to scalars, and "tables".
    """

    values: tuple[Step, ...] = field(metadata={"static": True})
    energies: tuple[Step, ...] = field(metadata={"static": True})
    every: PairBlocks
    kept: PairBlocks | None
    atoms: Mapping[str, Array]
    shared: Mapping[str, Any]

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        known = dict(self.atoms)
        for step in self.values:
            if step.is_pair:
                known[step.name] = pair_sums(
                    OfPair(step.expression), self._blocks(step), x, self._used(step, known), self.shared
                )
            else:
                known[step.name] = jnp.broadcast_to(self._single(step, x, known), len(x))
        return sum((self._energy(step, x, known) for step in self.energies), start=jnp.zeros((), x.dtype))

    def _energy(self, step: Step, x: Array, known: Mapping[str, Array]) -> Array:
        if step.is_pair:
            return pair_energy(OfPair(step.expression), self._blocks(step), x, self._used(step, known), self.shared)
        return _total(self._single(step, x, known), len(x))

    def _single(self, step: Step, x: Array, known: Mapping[str, Array]) -> Array:
        at = dict(zip("xyz", x.T, strict=True))
        return step.expression({**self.shared["values"], **at, **known}, self.shared["tables"])

    def _blocks(self, step: Step) -> PairBlocks:
        return self.kept if step.leaves_out and self.kept is not None else self.every

    @staticmethod
    def _used(step: Step, known: Mapping[str, Array]) -> dict[str, Array]:
        """What of the atoms a step of pairs needs."""
        return {name: known[name] for name in known if {f"{name}1", f"{name}2"} & step.expression.names}
