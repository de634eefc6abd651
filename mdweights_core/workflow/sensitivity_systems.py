"""What ensembles are simulated of: small systems by name, elastic networks, molecules with a force field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.models.registry import small_system
from mdweights_core.energy.settings import GAS_CONSTANT
from mdweights_core.errors import BadInput, counted

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.base import Simulated
    from mdweights_core.dynamics.models.form_settings import FormSettings
    from mdweights_core.io.frames.atoms import Atoms


@dataclass(frozen=True, eq=False)
class Studied:
    """A system that is simulated, and what its atoms are.

    Attributes
    ----------
    simulated : Simulated
    told : str
        What it is, in words.
    topology : openmm.app.Topology or None
        None for systems that are no atoms of a molecule.
    atoms : Atoms or None
    box : float64 [3, 3] or None
        Vectors of a crystal's cell as rows, nm.
    held : mapping of str to float
        Values of parameters that do not vary.
    forms : tuple of FormSettings
        Terms that were added to a force field.
    """

    simulated: Simulated
    told: str
    topology: Any = None
    atoms: Atoms | None = None
    box: np.ndarray | None = None
    held: Mapping[str, float] = field(default_factory=dict)
    forms: tuple[FormSettings, ...] = ()

    @property
    def reference(self) -> np.ndarray:
        """Positions [n_atoms, dimension] where the simulation begins."""
        return np.asarray(self.simulated.start).reshape(-1, self.simulated.dimension)

    def at(self, values: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]) -> Studied:
        """The same with other values and bounds of some parameters."""
        from mdweights_core.dynamics.models.parameters import at_values

        known = [parameter.name for parameter in self.simulated.parameters]
        if unknown := [name for name in bounds if name not in known]:
            raise BadInput(f"There is no parameter '{unknown[0]}'", advice=f"Known are {', '.join(known)}")
        if wrong := [name for name, (low, high) in bounds.items() if not low < high]:
            raise BadInput(f"The bounds of {wrong[0]} leave nothing between them", advice="Give the lower one first")
        free = [replace(it, low=-np.inf, high=np.inf) if it.name in bounds else it for it in self.simulated.parameters]
        parameters = tuple(
            replace(it, low=bounds[it.name][0], high=bounds[it.name][1]) if it.name in bounds else it
            for it in at_values(free, values)
        )
        model: Any = self.simulated.model
        return replace(self, simulated=replace(self.simulated, model=replace(model, parameters=parameters)))

    def only(self, names: Sequence[str]) -> Studied:
        """The same with those parameters only; all where no name is given."""
        from mdweights_core.dynamics.tuning.chosen import chosen

        some = chosen(self.simulated, names)
        left = {it.name: it.value for it in self.simulated.parameters if it.name not in names} if names else {}
        return replace(self, simulated=some, held=left)


def small(name: str) -> Studied:
    """A small system whose answers are known."""
    return Studied(small_system(name).make(), name)


def network(
    path: Path,
    settings: NetworkSettings,
    *,
    select: str = "",
    crystal: bool = False,
    model: int = 1,
    kelvin: float = 300.0,
) -> Studied:
    """Elastic network of the atoms of a structure, or of all molecules of its cell.

    Parameters
    ----------
    path : Path
        PDB or mmCIF.
    settings : NetworkSettings
    select : str
        Its atoms; those with the name CA, or of small molecules all, where empty.
    crystal : bool
        Fill the unit cell, and tie molecules to their neighbours.
    model : int
        Of the file, from 1 on.
    kelvin : float

    Raises
    ------
    BadInput
        For what cannot be read, atoms that are not there, springs that tie too little.
    """
    from mdweights_core.dynamics.models.network import spring_network
    from mdweights_core.energy.crystal import fill_cell
    from mdweights_core.energy.setup import read_structure
    from mdweights_core.energy.structure_checks import box_of
    from mdweights_core.io.frames.selection import select_atoms
    from mdweights_core.minimize.frames import topology_of
    from mdweights_core.minimize.starts import atoms_of
    from mdweights_core.modes.choice import suggested_network

    topology, x = read_structure(path, model)
    said: list[str] = []
    if crystal:
        topology, x, said = fill_cell(path, topology, x)
    everything = atoms_of(topology)
    words = select or suggested_network(everything)[0]
    rows = select_atoms(everything, words) if words else np.arange(len(x))
    box = box_of(topology) if crystal else None
    chain = np.array([atom.residue.chain.index for atom in topology.atoms()])[rows]
    atoms = everything.select(rows)
    made = spring_network(
        x[rows],
        settings,
        kt=GAS_CONSTANT * kelvin,
        masses=_masses(atoms),
        cell=box,
        molecule=chain if crystal else None,
        chain=chain,
    )
    part = topology_of(atoms)
    part.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    told = f"elastic network of {counted(len(rows), 'atom')} of {path.name}, {kelvin:g} K"
    return Studied(replace(made, remarks=(*made.remarks, *said)), told, part, atoms, box)


def _masses(atoms: Atoms) -> np.ndarray:
    """Of the elements [n_atoms], dalton."""
    import gemmi

    return np.array([gemmi.Element(str(symbol)).weight for symbol in atoms.element])
