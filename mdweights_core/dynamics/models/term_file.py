"""A small TOML file of terms and parameter values, which minimisation, sampling and fitting add to a force field.

    [[term]]
    name = "Morse"
    kind = "bond"
    expression = "D*(1 - exp(-a*(r - rest)))^2"
    between = ["CT", "HC"]
    replaces = "bonds"
    parameters = { D = 400, a = { value = 20, low = 5, high = 50, unit = "1/nm" } }

    [values]
    "epsilon of CT" = 0.46

Under [values] are parameters of the terms by their names, and of the force field, as a fit writes them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.dynamics.models.form_settings import FormSettings
from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.errors import BadInput
from mdweights_core.io.files import require_file, unreadable

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule

_WORDS = {"name", "kind", "expression", "parameters", "between", "cutoff", "apart", "replaces"}
_NEEDED = ("name", "kind", "expression")
_OF_PARAMETERS = {"value", "low", "high", "unit"}


@dataclass(frozen=True)
class TermFile:
    """What a file adds to an energy.

    Attributes
    ----------
    forms : tuple of FormSettings
        With the file's values in their parameters.
    values : mapping of str to float
        Of parameters of the force field, by name.
    """

    forms: tuple[FormSettings, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def told(self) -> tuple[str, ...]:
        """What is in it, briefly."""
        return (*(form.name for form in self.forms), *(f"{name} = {value:g}" for name, value in self.values.items()))


def read_terms(path: str | Path) -> TermFile:
    """Read terms and values.

    Raises
    ------
    BadInput
        For a file that cannot be read, holds neither, or tells what means nothing; the sentence names the file.
    """
    path = require_file(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(ValueError(str(error)), path) from error
    try:
        return _understood(content)
    except BadInput as error:
        raise BadInput(error.what, where=path, advice=error.advice) from error


def with_terms(molecule: Molecule, file: TermFile, types: np.ndarray | None = None) -> Molecule:
    """Return the molecule with terms added or replaced, and parameters of its force field at other values.

    Parameters
    ----------
    molecule : Molecule
    file : TermFile
    types : str [n_atoms], optional
        What the force field calls the atoms.

    Raises
    ------
    BadInput
        For names that mean nothing in this molecule, and derivatives that are wrong where it begins.
    """
    from mdweights_core.dynamics.models.base import model_at, simulated
    from mdweights_core.dynamics.models.checks import checked
    from mdweights_core.dynamics.models.system import molecular_model

    model, remarks = molecular_model(molecule, tuple(file.values), types=types, forms=file.forms)
    changed = simulated(model_at(model, file.values), 1.0, molecule.x, 1.0, remarks=remarks)
    if np.isfinite(molecule.x).all():
        remarks = checked(changed).remarks
    return replace(
        molecule,
        energy=changed.model.as_energy(changed.theta),
        remarks=(*molecule.remarks, *remarks),
        changes=(*molecule.changes, *file.told),
    )


def _understood(content: Mapping[str, Any]) -> TermFile:
    listed, values = content.get("term", []), content.get("values", {})
    if not isinstance(listed, list) or not isinstance(values, dict) or not (listed or values):
        raise BadInput("This file tells of no terms and no values", advice="Write [[term]] or [values]")
    if wrong := [name for name, value in values.items() if not _is_number(value)]:
        raise BadInput(f"The value of '{wrong[0]}' is no number", advice='Write a line such as "D" = 400.0')
    forms = [_form(table, values) for table in listed]
    own = {parameter.name for form in forms for parameter in form.parameters}
    return TermFile(tuple(forms), {name: float(value) for name, value in values.items() if name not in own})


def _form(table: Any, values: Mapping[str, float]) -> FormSettings:
    if not isinstance(table, dict) or any(not isinstance(table.get(word), str) for word in _NEEDED):
        raise BadInput("A term needs a name, a kind and an expression", advice="Write them as text in quotes")
    if unknown := sorted(set(table) - _WORDS):
        raise BadInput(f"A term has no '{unknown[0]}'", advice=f"Known are {', '.join(sorted(_WORDS))}")
    given = table.get("parameters", {})
    if not isinstance(given, dict):
        raise BadInput(f"The parameters of {table['name']} are no table", advice="Write parameters = { D = 400 }")
    parameters = tuple(_parameter(name, told, values) for name, told in given.items())
    between, cutoff, apart = table.get("between", []), table.get("cutoff"), table.get("apart", 3)
    if not (isinstance(between, list) and all(isinstance(text, str) for text in between)):
        raise BadInput(f"'between' of {table['name']} is no list", advice='Write between = ["CT", "HC"]')
    if not ((cutoff is None or _is_number(cutoff)) and isinstance(apart, int)):
        raise BadInput(f"'cutoff' or 'apart' of {table['name']} is no number", advice="Write cutoff = 0.9")
    return FormSettings(
        table["name"],
        table["kind"],
        table["expression"],
        parameters,
        tuple(between),
        None if cutoff is None else float(cutoff),
        apart,
        str(table.get("replaces", "")),
    )


def _parameter(name: str, told: Any, values: Mapping[str, float]) -> Parameter:
    """A number, or a table with value, bounds and unit."""
    table = told if isinstance(told, dict) else {"value": told}
    if set(table) - _OF_PARAMETERS or not all(_is_number(table.get(key, 0.0)) for key in ("value", "low", "high")):
        raise BadInput(f"The parameter {name} cannot be read", advice="Write a number, or { value = 1, low = 0 }")
    if name not in values and "value" not in table:
        raise BadInput(f"The parameter {name} has no value", advice="Write a number, or { value = 1, low = 0 }")
    bounds = {key: float(table[key]) for key in ("low", "high") if key in table}
    value = float(values.get(name, table.get("value", 0.0)))
    return Parameter(name, value, str(table.get("unit", "")), **bounds)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
