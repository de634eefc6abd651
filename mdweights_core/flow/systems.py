"""What a flow is to sample, ready for it: a molecule at a temperature, or a toy system by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.energy.setup import Molecule
from mdweights_core.energy.toys.registry import Toy
from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.base import Coordinates
from mdweights_core.flow.coordinates.molecule import coordinates_of
from mdweights_core.flow.coordinates.particles import PolarMeanFree
from mdweights_core.flow.coordinates.plain import Standardised, Whitening
from mdweights_core.flow.coordinates.settings import CoordinateSettings
from mdweights_core.flow.reaction import Reaction
from mdweights_core.flow.targets import MolecularTarget, Target


@dataclass(frozen=True, eq=False)
class Prepared:
    """A system and what is known of it.

    Attributes
    ----------
    target : Target
    coordinates : Coordinates
    examples : float [T, N], optional
    weights : float64 [T], optional
        Of these.
    reaction : Reaction, optional
    remarks : tuple of str
    """

    target: Target
    coordinates: Coordinates
    examples: np.ndarray | None = None
    weights: np.ndarray | None = None
    reaction: Reaction | None = None
    remarks: tuple[str, ...] = ()


def of_molecule(
    molecule: Molecule,
    kelvin: float,
    frames: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    *,
    kind: str = "internal",
    reaction: Reaction | None = None,
) -> Prepared:
    """Prepare a molecule.

    Parameters
    ----------
    molecule : Molecule
    kelvin : float
    frames : float [T, n_atoms, 3], optional
        In nm.
    weights : float [T], optional
        Of the frames; equal ones by default.
    kind : str
        Of the coordinates.
    reaction : Reaction, optional

    Raises
    ------
    BadInput
        For frames of other atoms, molecules in pieces... (see `coordinates_of`).
    """
    settings = CoordinateSettings(kind=kind, temperature=kelvin)
    coordinates, remarks = coordinates_of(molecule, frames, weights, settings)
    examples = None if frames is None else np.asarray(frames).reshape(len(frames), -1)
    target = MolecularTarget.at(molecule.energy, kelvin)
    return Prepared(target, coordinates, examples, weights, reaction, remarks)


def of_toy(toy: Toy, examples: np.ndarray | None = None, weights: np.ndarray | None = None) -> Prepared:
    """Prepare a toy system; without examples its starts say where it lies and how wide it is."""
    target = toy.make()
    is_planar = toy.made_by.endswith("DoubleWellParticles")
    if examples is None:
        spread = np.maximum(target.starts.std(axis=0).max(), 1.0)
        shown = np.concatenate([target.starts - spread, target.starts + spread])
        coordinates: Coordinates = Standardised.from_frames(shown)
    elif examples.ndim != 2 or examples.shape[1] != target.n:
        raise BadInput(f"The examples have {examples.shape[-1]} variables, the system {target.n}")
    elif is_planar:
        coordinates = PolarMeanFree.from_frames(examples, weights=weights)
    elif target.n > _MANY:
        coordinates = Whitening.from_frames(examples, weights)
    else:
        coordinates = Standardised.from_frames(examples, weights)
    measure = toy.coordinate
    if examples is None:
        return Prepared(target, coordinates)
    along = np.asarray(measure(examples))
    return Prepared(target, coordinates, examples, weights, Reaction(measure, float(along.min()), float(along.max())))


_MANY = 40  # variables; more are whitened
