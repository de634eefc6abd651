"""What a flow is to sample, ready for it: a molecule at a temperature, or a toy system by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdweights_core.energy.setup import Molecule
from mdweights_core.energy.toys.registry import Toy
from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.base import Coordinates
from mdweights_core.flow.coordinates.molecule import coordinates_of
from mdweights_core.flow.coordinates.particles import MeanFree, PolarMeanFree
from mdweights_core.flow.coordinates.plain import Standardised
from mdweights_core.flow.coordinates.relabel import OneOrder, Relabelled, nearest_turned_order, told
from mdweights_core.flow.coordinates.settings import CoordinateSettings
from mdweights_core.flow.reaction import Reaction
from mdweights_core.flow.symmetry import Symmetry, of_mirrors, of_particles
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
    symmetry : Symmetry, optional
        Operations that change no energy, over which the density of draws is summed.
    images : Symmetry, optional
        Operations that change no energy and lead from one example to another: the flow learns from all of these.
    order : OneOrder, optional
        Of alike particles; draws in another one count for nothing.
    remarks : tuple of str
    """

    target: Target
    coordinates: Coordinates
    examples: np.ndarray | None = None
    weights: np.ndarray | None = None
    reaction: Reaction | None = None
    symmetry: Symmetry | None = None
    images: Symmetry | None = None
    order: OneOrder | None = None
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
    return Prepared(target, coordinates, examples, weights, reaction, remarks=remarks)


def of_toy(toy: Toy, examples: np.ndarray | None = None, weights: np.ndarray | None = None) -> Prepared:
    """Prepare a toy system; without examples its starts say where it lies and how wide it is.

    Alike particles are put in the order of the first start. All orders of few of them are summed over in the weights;
    of many, as of the dimer's fluid, ln Z is that of one order. That fluid is learned with its mirror images.
    """
    target: Any = toy.make()
    remarks: list[str] = []
    symmetry = images = order = None
    if examples is not None and (examples.ndim != 2 or examples.shape[1] != target.n):
        raise BadInput(f"The examples have {examples.shape[-1]} variables, the system {target.n}")
    shown = _scattered(target.starts) if examples is None else np.asarray(examples, dtype=np.float64)
    kind = type(target).__name__
    if kind == "DoubleWellParticles":
        shown, remarks = _in_order(nearest_turned_order(shown, target.starts[0]))
        coordinates: Coordinates = PolarMeanFree.from_frames(shown, weights=weights, whiten=True)
        symmetry = of_particles(target.n // 2, 2, mirror=True)
    elif kind == "LennardJonesParticles":
        coordinates = MeanFree.from_frames(shown, 3)
    else:
        if kind == "DimerInFluid":
            order = OneOrder(target.starts[0], tuple(range(2, target.n // 2)), 2)
            images = of_mirrors(target.starts[0], 2)
            shown, remarks = _in_order(order.given_to(shown))
            remarks.append(f"Each example is learned from with its {images.order - 1} mirror images.")
        coordinates = Standardised.from_frames(shown, weights)
    measure = toy.coordinate
    if examples is None:
        return Prepared(target, coordinates, symmetry=symmetry, order=order)
    along = np.asarray(measure(shown))
    reaction = Reaction(measure, float(along.min()), float(along.max()))
    return Prepared(target, coordinates, shown, weights, reaction, symmetry, images, order, tuple(remarks))


def _scattered(starts: np.ndarray) -> np.ndarray:
    """Starts, each moved at random by as much as they are apart, or by one."""
    spread = max(float(starts.std(axis=0).max()), 1.0)
    rng = np.random.default_rng(0)
    return (starts[None] + spread * rng.normal(size=(_MOVED, *starts.shape))).reshape(-1, starts.shape[1])


def _in_order(relabelled: Relabelled) -> tuple[np.ndarray, list[str]]:
    return relabelled.frames, told(relabelled)


_MOVED = 50
