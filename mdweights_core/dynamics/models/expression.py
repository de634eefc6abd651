"""Terms of an energy typed as expressions, whose free names are parameters: new functional forms.

Nothing typed is run as a program: expressions are parsed (`energy.expressions`), and all derivatives are made from what
was parsed. Beside its coordinates an expression may use what is known of atoms:

    atom                x0, y0, z0 (where it begins), charge, mass
    bond, angle         rest, constant (r0 or theta0, and k, of the harmonic term there)
    pair                charge1, charge2, sigma1, sigma2, epsilon1, epsilon2, mass1, mass2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Array, Parameter
from mdweights_core.dynamics.models.form_settings import KINDS, N_ATOMS, FormSettings
from mdweights_core.dynamics.models.groups import ANY, Described
from mdweights_core.energy.base import Energy, Term
from mdweights_core.energy.blocks import pair_blocks
from mdweights_core.energy.bonded import HarmonicAngles, HarmonicBonds, PeriodicTorsions, RyckaertBellemansTorsions
from mdweights_core.energy.custom import CustomExternal, CustomInternal, OfPair
from mdweights_core.energy.expressions import Expression
from mdweights_core.energy.nonbonded import Nonbonded
from mdweights_core.energy.openmm_values import box_of
from mdweights_core.energy.pairs import pair_energy
from mdweights_core.errors import BadInput, counted

SWITCH = 0.8
"""Share of a cut-off from which on energies of pairs are switched off."""

_LISTS = (HarmonicBonds, HarmonicAngles, PeriodicTorsions, RyckaertBellemansTorsions)
_PLURAL = {"atom": "atom", "bond": "bond", "angle": "angle", "torsion": "torsion angle", "pair": "pair"}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SelectedPairs:
    """Sum of an expression over pairs of atoms, one of a first group and the other of a second.

    Attributes
    ----------
    expression : Expression
    blocks : PairBlocks or DensePairs
    atoms : mapping of str to float64 [n_atoms]
        What is known of them, and "first" and "second", 1 for members of a group and 0 for all others.
    shared : mapping
        "values", "tables" and perhaps "switch": see `energy.custom.OfPair`.
    """

    expression: Expression = field(metadata={"static": True})
    blocks: Any
    atoms: Mapping[str, Array]
    shared: Mapping[str, Any]

    def energy(self, x: Array) -> Array:
        """Energy in kJ/mol of positions [n_atoms, 3]."""
        return pair_energy(_Between(OfPair(self.expression)), self.blocks, x, self.atoms, self.shared)


@dataclass(frozen=True)
class _Between:
    """A pair function where it is of two groups, else 0."""

    function: OfPair

    def __call__(self, r: Array, a: Mapping[str, Array], b: Mapping[str, Array], shared: Any) -> Array:
        counts = a["first"] * b["second"] + a["second"] * b["first"] > 0
        return jnp.where(counts, self.function(r, a, b, shared), 0.0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Form:
    """A term whose expression has parameters: `term` puts values in their place.

    Attributes
    ----------
    empty : Term
        The term without its parameters.
    atoms : int [m, k]
        Of a list of bonds, angles, torsion angles or atoms; [0, 2] for pairs.
    name : str
    parameters : tuple of Parameter
    """

    empty: Any
    atoms: Array
    name: str = field(metadata={"static": True})
    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    def term(self, theta: Array) -> Term:
        """The term where its parameters have values [p]."""
        values = {parameter.name: theta[i] for i, parameter in enumerate(self.parameters)}
        if isinstance(self.empty, SelectedPairs):
            return replace(self.empty, shared={**self.empty.shared, "values": values})
        found: Term = replace(self.empty, values={**self.empty.values, **values})
        return found


def form_of(settings: FormSettings, described: Described) -> Form:
    """Make a term from what was typed.

    Raises
    ------
    BadInput
        For an expression that cannot be read, a name that is no parameter, a parameter that is not used, and groups
        between which there is nothing.
    """
    expression = _expression(settings)
    try:
        if settings.kind == "pair":
            return _pairs(settings, expression, described)
        return _listed(settings, expression, described)
    except BadInput as error:
        raise BadInput(f"The term {settings.name}: {error.what}", advice=error.advice) from error


def _expression(settings: FormSettings) -> Expression:
    tables = (("periodicdistance", 6),) if settings.kind == "atom" else ()
    return Expression(settings.expression, tables)


def _known(settings: FormSettings, expression: Expression, known: Mapping[str, Any]) -> dict[str, Any]:
    """What an expression uses of what is known; its other names must be parameters.

    Raises
    ------
    BadInput
        For names that are no parameters, and parameters that no expression uses.
    """
    coordinates = set(KINDS[settings.kind])
    given = {parameter.name for parameter in settings.parameters}
    if hidden := sorted(given & coordinates):
        raise BadInput(f"{hidden[0]} is a coordinate, and no parameter", advice="Call the parameter something else")
    if unused := sorted(given - expression.names):
        raise BadInput(
            f"the expression '{settings.expression}' does not use {', '.join(unused)}", advice="Leave the parameter out"
        )
    free = expression.names - coordinates - given
    if missing := sorted(free - set(known)):
        raise BadInput(
            f"the expression '{settings.expression}' uses {', '.join(missing)}, which nothing defines",
            advice=f"Give values ({missing[0]} = 1); known are {', '.join(sorted(coordinates | set(known)))}",
        )
    return {name: known[name] for name in free}


def _listed(settings: FormSettings, expression: Expression, described: Described) -> Form:
    """A sum over atoms, bonds, angles or torsion angles."""
    count = N_ATOMS[settings.kind]
    atoms = _chosen(settings, described, count)
    if not len(atoms):
        raise BadInput(
            f"there is no {_PLURAL[settings.kind]} between {' - '.join(settings.between) or 'any atoms'}",
            advice="Look at the types of atoms and at the bonds of the structure",
        )
    places = atoms[:, 0] if count == 1 else atoms
    known = _of_atoms(described, places) if count == 1 else _of_harmonic(described, atoms)
    kind = CustomExternal if count == 1 else CustomInternal
    values = {name: jnp.asarray(value) for name, value in _known(settings, expression, known).items()}
    box = box_of(described.molecule.system) if count == 1 else None
    empty = kind(expression, jnp.asarray(places), values, None if box is None else jnp.asarray(box))
    return Form(empty, jnp.asarray(atoms), settings.name, settings.parameters)


def _chosen(settings: FormSettings, described: Described, count: int) -> np.ndarray:
    groups = settings.between or (ANY,) * count
    if count == 1:
        return np.flatnonzero(described.group(groups[0]))[:, None]
    chains = described.chains(count)
    return chains[described.matching(chains, groups)]


def _of_atoms(described: Described, atoms: np.ndarray) -> dict[str, np.ndarray]:
    start = described.molecule.x[atoms]
    known = {"x0": start[:, 0], "y0": start[:, 1], "z0": start[:, 2], "mass": described.molecule.masses[atoms]}
    charges = _nonbonded(described)
    return known | ({"charge": charges["charge"][atoms]} if charges else {})


def _nonbonded(described: Described) -> dict[str, np.ndarray]:
    """Charge, sigma and epsilon of all atoms, where the energy has them."""
    terms = [term for term in described.energy.terms.values() if isinstance(term, Nonbonded)]
    if not terms:
        return {}
    stored = {name: np.asarray(values) for name, values in terms[0].atoms.items()}
    return {"charge": stored["charge"], "sigma": 2 * stored["radius"], "epsilon": stored["well"] ** 2}


def _of_harmonic(described: Described, atoms: np.ndarray) -> dict[str, np.ndarray]:
    """Values at rest and force constants [m] of harmonic terms, where these have all of the bonds or angles."""
    kind, rest = (HarmonicBonds, "length") if atoms.shape[1] == 2 else (HarmonicAngles, "angle")
    found: dict[tuple[int, ...], tuple[float, float]] = {}
    for term in described.energy.terms.values():
        if isinstance(term, kind):
            columns = (np.asarray(getattr(term, name)).tolist() for name in ("atoms", rest, "constant"))
            found |= {_ordered(row): (value, constant) for row, value, constant in zip(*columns, strict=True)}
    rows = [found.get(_ordered(row)) for row in atoms.tolist()]
    if any(row is None for row in rows):
        return {}
    values = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return {"rest": values[:, 0], "constant": values[:, 1]}


def _ordered(row: list[int]) -> tuple[int, ...]:
    """Atoms of a chain, from the lower of its ends on."""
    return tuple(row if row[0] < row[-1] else row[::-1])


def _pairs(settings: FormSettings, expression: Expression, described: Described) -> Form:
    """A sum over pairs of atoms of two groups, or of one."""
    groups = settings.between or (ANY,)
    first, second = described.group(groups[0]), described.group(groups[-1])
    if not first.any() or (first.sum() + second.sum() < 3 and (first == second).all()):
        raise BadInput(f"there are no pairs of {' and '.join(groups)}", advice="Choose more atoms")
    known = {**_nonbonded(described), "mass": described.molecule.masses}
    used = _known(settings, expression, {f"{name}{side}": value for name, value in known.items() for side in "12"})
    atoms = {name: jnp.asarray(known[name]) for name in sorted({name[:-1] for name in used})}
    atoms |= {"first": jnp.asarray(first.astype(float)), "second": jnp.asarray(second.astype(float))}
    shared: dict[str, Any] = {"values": {}, "tables": {}}
    box = _box_for(settings, described)
    if settings.cutoff is not None:
        shared["switch"] = [jnp.asarray(SWITCH * settings.cutoff), jnp.asarray(settings.cutoff)]
    blocks = pair_blocks(
        _somewhere(described.molecule.x), described.within(settings.apart), cutoff=settings.cutoff, box=box
    )
    empty = SelectedPairs(expression, blocks, atoms, shared)
    return Form(empty, jnp.zeros((0, 2), int), settings.name, settings.parameters)


def _somewhere(x: np.ndarray) -> np.ndarray:
    """Positions about which atoms are sorted: on a line where there are none yet."""
    return x if np.isfinite(x).all() else np.arange(float(len(x)))[:, None] * [1.0, 0.0, 0.0]


def _box_for(settings: FormSettings, described: Described) -> np.ndarray | None:
    box = box_of(described.molecule.system)
    if box is None:
        return None
    width = float(np.diag(box).min())
    if settings.cutoff is None or settings.cutoff > width / 2:
        raise BadInput(
            f"pairs in a periodic box need a cut-off of at most half of it, which is {width:.3g} nm wide",
            advice="Give one",
        )
    return box


def without_replaced(energy: Energy, settings: FormSettings, form: Form) -> Energy:
    """The energy less what a form takes the place of.

    Raises
    ------
    BadInput
        Where there is no such term, or there is one of the form's name that stays.
    """
    name = settings.replaces
    if name and name not in energy.terms:
        raise BadInput(f"The term {settings.name} replaces '{name}'", advice=f"Terms are {', '.join(energy.terms)}")
    if name:
        energy = _less(energy, name, np.asarray(form.atoms))
    if settings.name in energy.terms:
        raise BadInput(
            f"There is a term '{settings.name}' already", advice="Choose another name, or replace all of that term"
        )
    return energy


def _less(energy: Energy, name: str, atoms: np.ndarray) -> Energy:
    """The energy without entries of a term that are of the same atoms; without the term, where it is no such list."""
    term: Any = energy.terms[name]
    if not isinstance(term, _LISTS) or np.shape(term.atoms)[1] != atoms.shape[1] or not len(atoms):
        return energy.without(name)
    gone = {_ordered(row) for row in atoms.tolist()}
    kept = np.array([_ordered(row) not in gone for row in np.asarray(term.atoms).tolist()], dtype=bool)
    if kept.all():
        raise BadInput(f"The term '{name}' has nothing of the same atoms", advice="Leave 'replaces' out")
    if not kept.any():
        return energy.without(name)
    columns = {it.name: getattr(term, it.name)[kept] for it in fields(term) if it.name != "box"}
    return energy.with_term(name, replace(term, **columns))


def told(form: Form) -> str:
    """What a form is of: "Morse: 9 bonds; D = 400, a = 20"."""
    values = ", ".join(parameter.told for parameter in form.parameters)
    count = len(form.atoms)
    what = (
        "pairs" if not count else counted(count, {1: "atom", 2: "bond", 3: "angle"}.get(form.atoms.shape[1], "torsion"))
    )
    return f"{form.name}: {what}; {values}"
