"""Which values of a force field one parameter stands for, in each term that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Parameter
from mdweights_core.dynamics.models.groups import Described
from mdweights_core.dynamics.models.molecular import Change, Scaling, Values
from mdweights_core.energy.bonded import HarmonicAngles, HarmonicBonds, PeriodicTorsions
from mdweights_core.energy.custom import GeneralisedBorn
from mdweights_core.energy.nonbonded import Nonbonded
from mdweights_core.errors import BadInput, counted

_ALIKE = 1e-6  # relative difference of values that are one
_FOLLOWS = 1e-4  # of pairs three bonds apart from what their atoms tell
_CHARGES = ("charge", "q")  # what implicit solvents call them
_UNITS = {"charge": "e", "sigma": "nm", "epsilon": "kJ/mol"}


@dataclass(frozen=True)
class Named:
    """A parameter and what it does.

    Attributes
    ----------
    parameter : Parameter
    change : Change
    terms : tuple of str
        Which terms it changes.
    is_of_pairs : bool
        Whether pairs three bonds apart are to follow.
    """

    parameter: Parameter
    change: Change
    terms: tuple[str, ...]
    is_of_pairs: bool = False


def changed_atoms(text: str, what: str, group: str, described: Described, *, is_factor: bool) -> Named:
    """Charge, sigma or epsilon of the atoms of a group."""
    member = described.group(group)
    parts = [part for name, term in _of_type(described, Nonbonded) for part in _pairs(name, term, what, member)]
    if what == "charge":
        parts += _of_solvent(described, member)
    found = [_per_atom(term, what)[member] for _, term in _of_type(described, Nonbonded)]
    reference = _reference(text, np.concatenate([np.empty(0), *found]), is_factor=is_factor)
    low = 0.0 if what != "charge" else -np.inf
    return _named(text, parts, reference, "" if is_factor else _UNITS[what], low, is_of_pairs=True)


def changed_bonds(text: str, what: str, groups: Sequence[str], described: Described, *, is_factor: bool) -> Named:
    """Force constant or length of the bonds between two groups."""
    column, unit = ("constant", "kJ/mol/nm^2") if what == "force constant" else ("length", "nm")
    return _listed(text, HarmonicBonds, column, unit, groups, described, is_factor=is_factor)


def changed_angles(text: str, what: str, groups: Sequence[str], described: Described, *, is_factor: bool) -> Named:
    """Force constant or angle of three groups."""
    column, unit = ("constant", "kJ/mol/radian^2") if what == "force constant" else ("angle", "radian")
    return _listed(text, HarmonicAngles, column, unit, groups, described, is_factor=is_factor)


def changed_torsions(text: str, groups: Sequence[str], fold: int, described: Described, *, is_factor: bool) -> Named:
    """Amplitude of the torsion angles about bonds, of one periodicity, or of all (0)."""
    return _listed(text, PeriodicTorsions, "constant", "kJ/mol", groups, described, is_factor=is_factor, fold=fold)


def unfollowed(described: Described) -> Iterator[str]:
    """Say how many pairs three bonds apart have values that do not follow from those of their atoms."""
    for name, term in _of_type(described, Nonbonded):
        free = ~np.all([_follows(term, what) for what in _UNITS], axis=0)
        if free.any():
            yield (
                f"{counted(int(free.sum()), 'pair')} of the term '{name}' have values of their own, which do not "
                "follow from those of their atoms and stay as they are where these are changed."
            )


def _of_type(described: Described, kind: type) -> list[tuple[str, Any]]:
    return [(name, term) for name, term in described.energy.terms.items() if isinstance(term, kind)]


def _listed(
    text: str,
    kind: type,
    column: str,
    unit: str,
    groups: Sequence[str],
    described: Described,
    *,
    is_factor: bool,
    fold: int = 0,
) -> Named:
    """Values of a list of bonds, angles or torsion angles."""
    parts, found = [], [np.empty(0)]
    for name, term in _of_type(described, kind):
        atoms = np.asarray(term.atoms)
        chosen = described.matching(atoms, groups)
        if kind is PeriodicTorsions:
            chosen &= described.are_bonded(atoms) & ((np.asarray(term.periodicity) == fold) | (fold == 0))
        if chosen.any():
            parts.append(Scaling(jnp.asarray(chosen.astype(float)), name, (column,)))
            found.append(np.asarray(getattr(term, column))[chosen])
    reference = _reference(text, np.concatenate(found), is_factor=is_factor)
    low = -np.inf if kind is PeriodicTorsions and not is_factor else 0.0
    return _named(text, parts, reference, "" if is_factor else unit, low)


def _named(
    text: str, parts: Sequence[Scaling], reference: float, unit: str, low: float, *, is_of_pairs: bool = False
) -> Named:
    change = Values(tuple(parts), jnp.asarray(reference))
    terms = tuple(dict.fromkeys(part.term for part in parts))
    return Named(Parameter(text, reference, unit, low=low), change, terms, is_of_pairs)


def _reference(text: str, found: np.ndarray, *, is_factor: bool) -> float:
    """The value that all have, 1 for a factor."""
    if not len(found):
        raise BadInput(
            f"Nothing in this energy is called '{text}'", advice="Look at the types of atoms, and at the terms"
        )
    if is_factor:
        return 1.0
    value = float(found[0])
    if np.abs(found - value).max() > _ALIKE * np.abs(found).max():
        raise BadInput(
            f"The values of '{text}' are not all alike: they go from {found.min():g} to {found.max():g}",
            advice=f"Choose fewer atoms, or a factor of all of them: 'scale {text}'",
        )
    if value == 0:
        raise BadInput(f"The value of '{text}' is 0, which no factor changes", advice="Choose other atoms")
    return value


def _per_atom(term: Nonbonded, what: str) -> np.ndarray:
    """Values of the atoms [n_atoms] in the units of parameters."""
    stored = {name: np.asarray(values) for name, values in term.atoms.items()}
    if what == "charge":
        return stored["charge"]
    return 2 * stored["radius"] if what == "sigma" else stored["well"] ** 2


def _pairs(name: str, term: Nonbonded, what: str, member: np.ndarray) -> Iterator[Scaling]:
    """What a value of atoms changes: itself, and that of pairs three bonds apart."""
    leaf, power = {"charge": ("charge", 1.0), "sigma": ("radius", 1.0), "epsilon": ("well", 0.5)}[what]
    yield Scaling(jnp.asarray(power * member), name, ("atoms", leaf))
    ends = member[np.asarray(term.special)] & _follows(term, what)[:, None]
    if not ends.any():
        return
    if what == "sigma":
        share = np.sum(ends * _per_atom(term, what)[np.asarray(term.special)] / 2, axis=1)
        yield Scaling(jnp.asarray(share), name, ("special_sigma",), is_linear=True)
    else:
        yield Scaling(jnp.asarray(power * ends.sum(axis=1)), name, (f"special_{what}",))


def _follows(term: Nonbonded, what: str) -> np.ndarray:
    """Pairs bool [m] whose value is what their atoms tell: the mean sigma, or one factor for all of the products."""
    first, second = _per_atom(term, what)[np.asarray(term.special)].T
    own = np.asarray(getattr(term, f"special_{what}"))
    if what == "sigma":
        return np.asarray(np.abs(own - (first + second) / 2) <= _FOLLOWS * np.maximum(own, 1e-12))
    product = first * second if what == "charge" else np.sqrt(first * second)
    usual = np.abs(product) > _FOLLOWS * np.abs(product).max(initial=0.0)
    factor = float(np.median(own[usual] / product[usual])) if usual.any() else 1.0
    return np.asarray(np.abs(own - factor * product) <= _FOLLOWS * np.abs(own).max(initial=1e-12))


def _of_solvent(described: Described, member: np.ndarray) -> Iterator[Scaling]:
    for name, term in _of_type(described, GeneralisedBorn):
        for leaf in _CHARGES:
            if leaf in term.atoms:
                yield Scaling(jnp.asarray(member.astype(float)), name, ("atoms", leaf))
