"""Coordinates of a molecule of the kind that the settings name."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.base import Coordinates, normalised
from mdweights_core.flow.coordinates.build import (
    assemble,
    internal_coordinates,
    learn,
    prepared,
    remarks_on_coordinates,
    scaled,
)
from mdweights_core.flow.coordinates.layout import Layout, labels_of
from mdweights_core.flow.coordinates.mixed import Backbone, MixedCoordinates
from mdweights_core.flow.coordinates.placement import Placement
from mdweights_core.flow.coordinates.settings import CoordinateSettings
from mdweights_core.flow.coordinates.zmatrix import Graph, Start, choose_zmatrix, refuse_pieces

BACKBONE = ("N", "CA", "C", "O", "CB")
FEWEST = 4


def coordinates_of(
    molecule: Molecule,
    frames: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    settings: CoordinateSettings | None = None,
    boxes: np.ndarray | None = None,
) -> tuple[Coordinates, tuple[str, ...]]:
    """Internal or mixed coordinates, as the settings say, and remarks: see `internal_coordinates`."""
    make = mixed_coordinates if settings is not None and settings.kind == "mixed" else internal_coordinates
    return make(molecule, frames, weights, settings, boxes)


def mixed_coordinates(
    molecule: Molecule,
    frames: np.ndarray | None,
    weights: np.ndarray | None = None,
    settings: CoordinateSettings | None = None,
    boxes: np.ndarray | None = None,
) -> tuple[Coordinates, tuple[str, ...]]:
    """Principal components of a protein's backbone and internal coordinates of all else; see `internal_coordinates`.

    Raises
    ------
    BadInput
        Without frames, or without a backbone.
    """
    settings = settings or CoordinateSettings(kind="mixed")
    if frames is None:
        raise BadInput("Mixed coordinates need frames", advice="Give frames, or choose internal coordinates")
    graph, frames, weights, remarks = prepared(molecule, frames, weights, boxes)
    assert frames is not None
    refuse_pieces(graph)
    zmatrix = choose_zmatrix(graph, backbone_of(molecule.topology, graph))
    backbone = Backbone.from_frames(
        np.array(zmatrix.start.atoms), np.asarray(frames, np.float64), normalised(weights, len(frames))
    )
    layout = Layout.of(zmatrix, labels_of(molecule.topology), with_start=False)
    placement = Placement.of(zmatrix)

    def read(x: jax.Array) -> jax.Array:
        return jnp.concatenate(placement.read(x))

    learned = learn(molecule, graph, layout, frames, weights, settings, read)

    def made(centre: np.ndarray, scale: np.ndarray) -> MixedCoordinates:
        branches, names = assemble(layout, placement, learned, centre, scale)
        components = (f"backbone component {i + 1}" for i in range(backbone.n))
        return MixedCoordinates(backbone, branches, (*components, *names))

    coordinates = scaled(made, molecule, learned, settings)
    return coordinates, tuple(
        remarks + learned.remarks + remarks_on_coordinates(molecule, coordinates.n, frames, weights)
    )


def backbone_of(topology: Any, graph: Graph) -> Start:
    """The largest set of backbone atoms that bonds join.

    Raises
    ------
    BadInput
        If there are fewer than four.
    """
    named = {atom.index for atom in topology.atoms() if atom.name in BACKBONE and not graph.is_hydrogen[atom.index]}
    best: dict[int, int] = {}
    while named:
        found = _joined(graph, min(named), named)
        named -= found.keys()
        best = max(best, found, key=len)
    if len(best) < FEWEST:
        raise BadInput("The molecule has no backbone of a protein", advice="Choose internal coordinates")
    return Start(tuple(best), {atom: before for atom, before in best.items() if atom != before})


def _joined(graph: Graph, first: int, among: set[int]) -> dict[int, int]:
    """Return the atom before each of those that bonds among them join to the first; that is its own."""
    before, waiting = {first: first}, [first]
    for atom in waiting:
        for other in graph.neighbours[atom]:
            if other in among and other not in before:
                before[other] = atom
                waiting.append(other)
    return before
