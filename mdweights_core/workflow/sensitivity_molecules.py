"""Molecules with a force field, some values of which are parameters, as systems that are simulated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mdweights_core.dynamics.models.atom_types import atom_types
from mdweights_core.dynamics.models.system import simulated_molecule
from mdweights_core.dynamics.models.term_file import TermFile
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import set_up
from mdweights_core.energy.structure_checks import box_of
from mdweights_core.minimize.starts import atoms_of
from mdweights_core.workflow.sensitivity_systems import Studied


def molecule(
    path: Path,
    settings: EnergySettings,
    coordinates: Path | None,
    names: Sequence[str],
    kelvin: float,
    added: TermFile,
) -> Studied:
    """Make a molecule ready.

    Parameters
    ----------
    path : Path
        Structure or parameters, as `energy.setup.set_up` takes them.
    settings : EnergySettings
    coordinates : Path, optional
    names : sequence of str
        Of parameters, of the force field or of terms that are added; factors of all terms where there are none.
    kelvin : float
    added : TermFile
        Terms typed as expressions.

    Raises
    ------
    BadInput
        See `set_up` and `dynamics.models.system.simulated_molecule`.
    """
    found = set_up(path, settings, coordinates=coordinates)
    own = {parameter.name for form in added.forms for parameter in form.parameters}
    of_field = tuple(dict.fromkeys(name for name in (*names, *added.values) if name not in own))
    types = atom_types(found, path, settings)
    made = simulated_molecule(found, kelvin, of_field, types=types, forms=added.forms)
    told = f"{path.name} with {settings.force_field} in {_around(settings)}, {kelvin:g} K"
    box = box_of(found.topology) if settings.crystal else None
    return Studied(made, told, found.topology, atoms_of(found.topology), box, forms=added.forms)


def _around(settings: EnergySettings) -> str:
    if settings.crystal:
        return "its crystal"
    return "vacuo" if settings.solvent == "none" else settings.solvent
