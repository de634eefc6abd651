"""Molecules with a force field, some values of which are parameters, called what the field calls them.

    scale of torsions              a whole term
    epsilon of CT                  also sigma, charge: of all atoms of a type, or (of a selection)
    force constant CT-HC           also length CT-HC, angle HC-CT-HC, force constant HC-CT-HC
    amplitude X-CX-C-X 2           of torsion angles of that periodicity; without it, of all
    scale epsilon of (name CB)     a factor, where the values are not all alike

Pairs three bonds apart follow the values of their atoms; so do charges of an implicit solvent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mdweights_core.dynamics.models.base import Parameter, Simulated, model_at, simulated
from mdweights_core.dynamics.models.expression import form_of, without_replaced
from mdweights_core.dynamics.models.form_settings import FormSettings
from mdweights_core.dynamics.models.groups import Described, split_groups
from mdweights_core.dynamics.models.molecular import Change, MolecularModel, WholeTerm
from mdweights_core.dynamics.models.parameters import refuse_alike
from mdweights_core.dynamics.models.values import (
    Named,
    changed_angles,
    changed_atoms,
    changed_bonds,
    changed_torsions,
    unfollowed,
)
from mdweights_core.energy.custom import CustomExternal, CustomNonbonded
from mdweights_core.energy.dense import FEW, with_dense_pairs
from mdweights_core.energy.nonbonded import Nonbonded
from mdweights_core.energy.openmm_system import rigid_bonds
from mdweights_core.energy.restraints import PositionRestraints
from mdweights_core.energy.settings import GAS_CONSTANT
from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import BadInput, counted

EXAMPLES = "'scale of torsions', 'epsilon of CT', 'charge of (name CB)', 'force constant CT-HC', 'amplitude *-CX-C-* 2'"

_WHOLE = re.compile(r"scale of (?P<term>.+)")
_OF_ATOMS = re.compile(r"(?P<scale>scale )?(?P<what>charge|sigma|epsilon) of (?P<groups>.+)")
_OF_CHAINS = re.compile(
    r"(?P<scale>scale )?(?P<what>force constant|length|angle|amplitude) (?P<groups>.+?)(?: (?P<fold>[1-6]))?"
)
_LENGTHS = {"force constant": (2, 3), "length": (2,), "angle": (3,), "amplitude": (4,)}


def simulated_molecule(
    molecule: Molecule,
    kelvin: float,
    parameters: Sequence[str] = (),
    *,
    types: np.ndarray | None = None,
    forms: Sequence[FormSettings] = (),
    values: Mapping[str, float] | None = None,
) -> Simulated:
    """Make a molecule ready for derivatives by parameters of its force field, and of terms that are added to it.

    Parameters
    ----------
    molecule : Molecule
    kelvin : float
        Temperature.
    parameters : sequence of str
        Names of parameters of the force field, such as "epsilon of CT"; factors of all terms where there are none and
        no forms.
    types : str [n_atoms], optional
        What the force field calls the atoms (`atom_types`); their names by default.
    forms : sequence of FormSettings
        Terms typed as expressions.
    values : mapping of str to float, optional
        Of some parameters, where they begin.

    Raises
    ------
    BadInput
        For constraints, which derivatives cannot follow; for a name that means nothing here, values that are not alike,
        and forms that cannot be read.
    """
    _refuse_held(molecule)
    model, remarks = molecular_model(molecule, parameters, types=types, forms=forms)
    model = model_at(model if molecule.n_atoms > FEW else with_dense_pairs(model), values or {})
    return simulated(
        model,
        np.repeat(molecule.masses, 3),
        molecule.x,
        GAS_CONSTANT * kelvin,
        is_free=_is_free(model),
        remarks=(*remarks, *_jumps(model)),
    )


def molecular_model(
    molecule: Molecule,
    parameters: Sequence[str] = (),
    *,
    types: np.ndarray | None = None,
    forms: Sequence[FormSettings] = (),
) -> tuple[MolecularModel, tuple[str, ...]]:
    """Make the energy with parameters (see `simulated_molecule`), and say what is unusual."""
    names = np.array([atom.name for atom in molecule.topology.atoms()])
    described = Described(molecule, names if types is None else np.asarray(types))
    texts = tuple(parameters) or (() if forms else suggested_parameters(molecule))
    named = [named_parameter(text, described) for text in texts]
    energy, made = molecule.energy, []
    for settings in forms:
        form = form_of(settings, described)
        energy = without_replaced(energy, settings, form)
        made.append(form)
    _refuse_gone(named, set(energy.terms))
    every = (*(one.parameter for one in named), *(it for form in made for it in form.parameters))
    refuse_alike(every)
    model = MolecularModel(energy, tuple(one.change for one in named), tuple(made), 3 * molecule.n_atoms, every)
    return model, tuple(unfollowed(described)) if any(one.is_of_pairs for one in named) else ()


def suggested_parameters(molecule: Molecule) -> tuple[str, ...]:
    """Names of the factors of all terms."""
    return tuple(f"scale of {name}" for name in molecule.energy.terms)


def named_parameter(text: str, described: Described) -> Named:
    """Read the name of a parameter: what it is now, and what changes with it.

    Raises
    ------
    BadInput
        For a name of another form, groups that hold nothing, values that are not alike.
    """
    text = " ".join(text.split())
    if whole := _WHOLE.fullmatch(text):
        return _factor(text, whole["term"], described)
    if atoms := _OF_ATOMS.fullmatch(text):
        return changed_atoms(text, atoms["what"], atoms["groups"], described, is_factor=bool(atoms["scale"]))
    found = _OF_CHAINS.fullmatch(text)
    if found is None:
        raise BadInput(f"'{text}' names no parameter of a force field", advice=f"Write one as {EXAMPLES}")
    what, groups = found["what"], split_groups(found["groups"])
    if len(groups) not in _LENGTHS[what]:
        wanted = " or ".join(map(str, _LENGTHS[what]))
        raise BadInput(
            f"'{text}' names {counted(len(groups), 'group')} of atoms, and not {wanted}", advice="Part them by hyphens"
        )
    options = {"is_factor": bool(found["scale"])}
    if len(groups) == 4:
        return changed_torsions(text, groups, int(found["fold"] or 0), described, **options)
    change = changed_bonds if len(groups) == 2 else changed_angles
    return change(text, what, groups, described, **options)


def _factor(text: str, term: str, described: Described) -> Named:
    if term not in described.energy.terms:
        raise BadInput(f"There is no term '{term}'", advice=f"Terms are {', '.join(described.energy.terms)}")
    change: Change = WholeTerm(term)
    return Named(Parameter(text, 1.0, low=0.0), change, terms=(term,))


def _refuse_gone(named: Sequence[Named], there: set[str]) -> None:
    for one in named:
        gone = [term for term in one.terms if term not in there]
        if gone:
            raise BadInput(
                f"The parameter '{one.parameter.name}' is of the term '{gone[0]}', which is replaced",
                advice="Leave one of the two out",
            )


def _refuse_held(molecule: Molecule) -> None:
    rigid = len(rigid_bonds(molecule.system).atoms)
    if rigid:
        raise BadInput(
            f"The system keeps {counted(rigid, 'distance')} fixed (constraints), through which derivatives by "
            "parameters are not carried",
            advice="Make it without constraints, and with a step of 1 fs or less",
        )
    if len(molecule.fixed):
        raise BadInput(
            f"The system holds {counted(len(molecule.fixed), 'atom')} in place by giving them no mass",
            advice="Give them masses, and hold them by a term of springs",
        )


def _is_free(model: MolecularModel) -> bool:
    """Whether nothing is a function of where atoms are."""
    terms = (*model.base.terms.values(), *(form.empty for form in model.forms))
    return not any(isinstance(term, CustomExternal | PositionRestraints) for term in terms)


def _is_sudden(term: Any) -> bool:
    """Whether a term ends at a cut-off without being switched off before."""
    if isinstance(term, Nonbonded):
        return bool(term.field) and bool(term.field["switch"] >= term.field["cutoff"])
    if isinstance(term, CustomNonbonded):
        return getattr(term.blocks, "cutoff", None) is not None and "switch" not in term.shared
    return False


def _jumps(model: MolecularModel) -> list[str]:
    """Say where pair energies end suddenly."""
    found = []
    for name, term in model.base.terms.items():
        if _is_sudden(term):
            found.append(
                f"The forces of the term '{name}' jump at its cut-off, which derivatives along trajectories do not "
                "see: switch the energies off before it, or compare with another estimator."
            )
    return found
