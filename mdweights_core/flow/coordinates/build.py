"""Coordinates of a molecule from its bonds, its energy and frames, with remarks on what they leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.base import value_and_gradient
from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import counted
from mdweights_core.flow.coordinates import alike as hydrogens_alike
from mdweights_core.flow.coordinates import constraints
from mdweights_core.flow.coordinates.base import Coordinates, normalised
from mdweights_core.flow.coordinates.checks import check_frames, remarks_on_number
from mdweights_core.flow.coordinates.curvature import thermal_scales
from mdweights_core.flow.coordinates.hydrogens import Hydrogens
from mdweights_core.flow.coordinates.internal import Branches, InternalCoordinates, read_all
from mdweights_core.flow.coordinates.kinds import (
    BOUNDED,
    CIRCULAR,
    Kinds,
    circular_mean,
    interval_of_branch,
    interval_of_plane,
    rarer_hand,
    wrapped,
)
from mdweights_core.flow.coordinates.layout import Layout, bonds_in_rings, labels_of, planar_bonds
from mdweights_core.flow.coordinates.placement import Placement
from mdweights_core.flow.coordinates.scales import Scales
from mdweights_core.flow.coordinates.settings import CoordinateSettings
from mdweights_core.flow.coordinates.zmatrix import Graph, choose_zmatrix

Made = TypeVar("Made", bound=Coordinates)

LOOKED_AT = 200_000
"""Frames that means and spreads are taken from: evenly spaced ones, where there are more."""
SHOWN = 100
"""Frames that tell straight angles."""
AT_ONCE = 4096
AT_REST = 100.0
"""Rms force, kJ/mol/nm, below which a structure is near enough to a minimum to tell scales."""
LEAST = 1e-6
"""The smallest scale of ln r and of logits: of constraints that are kept as variables."""


class Learned(NamedTuple):
    """What frames tell of q values.

    `values` [T, q] (nm, radian) and weights [T] of sum 1; which are fixed, bool [q]; rules and remarks.
    """

    values: np.ndarray
    weights: np.ndarray
    kinds: Kinds
    frozen: np.ndarray
    hydrogens: Hydrogens
    remarks: list[str]


def internal_coordinates(
    molecule: Molecule,
    frames: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    settings: CoordinateSettings | None = None,
    boxes: np.ndarray | None = None,
) -> tuple[Coordinates, tuple[str, ...]]:
    """Internal coordinates scaled by frames, or by the energy alone.

    Parameters
    ----------
    molecule : Molecule
        One molecule with all its bonds. Without frames its positions are those of a minimum.
    frames : float [T, n_atoms, 3], optional
        In nm.
    weights : float [T], optional
        Of the frames; equal ones by default.
    settings : CoordinateSettings
    boxes : float [T, 3, 3], optional
        Box vectors as rows, where these cut the molecule.

    Returns
    -------
    coordinates : Coordinates
    remarks : tuple of str
        What was fixed, relabelled or made whole, in sentences.

    Raises
    ------
    BadInput
        For molecules in pieces or in a line, and frames that do not fit (`checks.check_frames`).
    """
    settings = settings or CoordinateSettings()
    graph, frames, weights, remarks = prepared(molecule, frames, weights, boxes)
    zmatrix = choose_zmatrix(graph)
    layout = Layout.of(zmatrix, labels_of(molecule.topology), with_start=True)
    placement, start = Placement.of(zmatrix), jnp.asarray(zmatrix.start.atoms)
    learned = learn(
        molecule, graph, layout, frames, weights, settings, lambda x: jnp.concatenate(read_all(placement, start, x))
    )

    def made(centre: np.ndarray, scale: np.ndarray) -> InternalCoordinates:
        branches, names = assemble(layout, placement, learned, centre, scale)
        return InternalCoordinates(branches, start, names)

    coordinates = scaled(made, molecule, learned, settings)
    return coordinates, tuple(
        remarks + learned.remarks + remarks_on_coordinates(molecule, coordinates.n, frames, weights)
    )


def graph_of(molecule: Molecule, frames: np.ndarray | None = None) -> Graph:
    """The bonds of a molecule: of its topology, and of the springs of its energy where that joins more."""
    atoms = list(molecule.topology.atoms())
    bonds = [(a.index, b.index) for a, b in molecule.topology.bonds()]
    is_hydrogen = [atom.element is not None and atom.element.symbol in ("H", "D") for atom in atoms]
    positions = molecule.x[None] if frames is None else frames[:: max(1, len(frames) // SHOWN)]
    graph = Graph(len(atoms), bonds, is_hydrogen, positions)
    if atoms and len(graph.distances(0)) < len(atoms):
        widths = constraints.thermal_widths(molecule.energy, molecule.x, temperature=300.0)
        graph = Graph(len(atoms), [*bonds, *(pair for pair in widths if len(pair) == 2)], is_hydrogen, positions)
    return graph


def prepared(
    molecule: Molecule, frames: np.ndarray | None, weights: np.ndarray | None, boxes: np.ndarray | None
) -> tuple[Graph, np.ndarray | None, np.ndarray | None, list[str]]:
    """Graph of bonds, and frames looked at and made whole."""
    if frames is None:
        return graph_of(molecule), None, None, []
    frames, remarks = check_frames(graph_of(molecule), frames, weights, boxes)
    return graph_of(molecule, frames), frames, weights, remarks


def learn(
    molecule: Molecule,
    graph: Graph,
    layout: Layout,
    frames: np.ndarray | None,
    weights: np.ndarray | None,
    settings: CoordinateSettings,
    read: Callable[[jax.Array], jax.Array],
) -> Learned:
    """Kinds, fixed values and labels of hydrogens.

    `read` tells all lengths, angles and torsions [q] of positions [n_atoms, 3].
    """
    looked_at, share = _looked_at(molecule.x, frames, weights)
    groups = hydrogens_alike.no_alike()
    if settings.fold_hydrogens and settings.fix_chirality:  # their order is a hand, too
        groups = hydrogens_alike.find_alike(layout, graph, molecule.energy, molecule.x)
    hydrogens = hydrogens_alike.label_rules(layout, groups, looked_at, share)
    values, changed = _values(layout, hydrogens, read, looked_at)
    kinds = decide(layout, graph, values, share, settings)
    folded = layout.first_torsion + groups.triples[:, 0]
    kinds.kind[folded], kinds.fold[folded], kinds.middle[folded] = CIRCULAR, 3.0, np.asarray(hydrogens.middle)
    frozen = _frozen(molecule, layout, values if frames is not None else None, share, settings)
    remarks = hydrogens_alike.told(groups, int(changed.sum()), len(looked_at)) + _both_hands(layout, graph, values)
    return Learned(values, share, kinds, frozen, hydrogens, remarks + constraints.told(frozen, layout.names))


def decide(
    layout: Layout, graph: Graph, values: np.ndarray, weights: np.ndarray, settings: CoordinateSettings
) -> Kinds:
    """Kinds of values [T, q]: branches, planar groups and rings are held where frames show them."""
    kinds = Kinds.of_lengths_and_angles(layout.n_lengths, layout.n_angles, layout.n_torsions)
    if not settings.fix_chirality:
        return kinds
    rings, planes = bonds_in_rings(graph), planar_bonds(graph)
    means = circular_mean(values[:, layout.first_torsion :], weights)
    for row, mean in enumerate(means.tolist()):
        value = layout.first_torsion + row
        _, p, g, _ = layout.atoms[value]
        angles, interval = values[:, value], None
        if layout.zmatrix.is_branch[row]:
            interval = interval_of_branch(angles, mean)
        elif (g, p) in rings or (g, p) in planes:
            interval = interval_of_plane(angles, mean, in_ring=(g, p) in rings)
        if interval is not None:
            kinds.bound(value, interval)
    return kinds


def scaled(
    made: Callable[[np.ndarray, np.ndarray], Made],
    molecule: Molecule,
    learned: Learned,
    settings: CoordinateSettings,
) -> Made:
    """Coordinates with the means and spreads of frames, or those of the energy's curvature where there is one only."""
    chosen = np.flatnonzero(~learned.frozen & (learned.kinds.kind != CIRCULAR))
    chosen = chosen[np.argsort(learned.kinds.kind[chosen], kind="stable")]
    latent = learned.kinds.latent(learned.values, chosen)
    centre = learned.weights @ latent
    if len(latent) > 1:
        return made(centre, np.maximum(np.sqrt(learned.weights @ (latent - centre) ** 2), LEAST))
    unscaled = made(centre, np.ones(len(centre)))
    return made(centre, thermal_scales(unscaled, molecule, settings.temperature)[: len(centre)])


def assemble(
    layout: Layout, placement: Placement, learned: Learned, centre: np.ndarray, scale: np.ndarray
) -> tuple[Branches, tuple[str, ...]]:
    """Branches whose varying values are sorted by kind, and the names of these."""
    kinds, frozen = learned.kinds, learned.frozen
    free = np.flatnonzero(~frozen)
    free = free[np.argsort(kinds.kind[free], kind="stable")]
    fixed = np.flatnonzero(frozen)
    take = np.empty(len(frozen), dtype=np.int64)
    take[np.concatenate([free, fixed])] = np.arange(len(frozen))
    scales = _scales(kinds, free, centre, scale)
    at = _means(layout, learned.values, learned.weights)[fixed]
    branches = Branches(
        placement,
        learned.hydrogens,
        scales,
        fixed=jnp.asarray(at),
        take=jnp.asarray(take),
        free=jnp.asarray(free),
        n_lengths=layout.n_lengths,
        n_angles=layout.n_angles,
    )
    return branches, tuple(_name(layout, kinds, i) for i in free.tolist())


def remarks_on_coordinates(
    molecule: Molecule, n: int, frames: np.ndarray | None, weights: np.ndarray | None
) -> list[str]:
    """A sentence where frames are few for n variables, or where there are none and the structure is no minimum."""
    if frames is not None:
        return remarks_on_number(len(frames), n, weights)
    _, gradient = value_and_gradient(molecule.energy, jnp.asarray(molecule.x))
    rms = float(np.sqrt(np.mean(np.asarray(gradient) ** 2)))
    if rms < AT_REST:
        return []
    return [
        f"Without frames the scales are those of vibrations about the structure, which has forces of {rms:.3g} "
        "kJ/mol/nm (rms): minimise it first."
    ]


def _looked_at(x: np.ndarray, frames: np.ndarray | None, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return frames [T, n_atoms, 3] in float64, and weights [T] of sum 1."""
    if frames is None:
        return np.asarray(x, dtype=np.float64)[None], np.ones(1)
    step = -(-len(frames) // LOOKED_AT)
    weights = normalised(weights, len(frames))[::step]
    return np.asarray(frames[::step], dtype=np.float64), weights / weights.sum()


def _values(
    layout: Layout, hydrogens: Hydrogens, read: Callable[[jax.Array], jax.Array], frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return all values [T, q] of frames with their hydrogens relabelled, and in which these were: bool [T]."""
    n = layout.first_torsion

    def of_frame(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, changed = hydrogens.relabelled(x)
        values = read(x)
        return jnp.concatenate([values[:n], hydrogens.to_mean(values[n:])]), changed

    values, changed = jax.jit(lambda x: jax.lax.map(of_frame, x, batch_size=AT_ONCE))(jnp.asarray(frames))
    return np.asarray(values), np.asarray(changed)


def _both_hands(layout: Layout, graph: Graph, values: np.ndarray) -> list[str]:
    """Sentences on centres of four bonds that have one hand in some frames and the other in others."""
    rows = np.flatnonzero(layout.zmatrix.is_branch)
    said = []
    for value in (layout.first_torsion + rows).tolist():
        n = rarer_hand(values[:, value]) if len(graph.neighbours[layout.atoms[value][1]]) == 4 else 0
        if n:
            said.append(
                f"Both hands of a centre occur, the rarer in {n} of {counted(len(values), 'frame')} "
                f"({layout.names[value]}): samples will hold both."
            )
    return said


def _frozen(
    molecule: Molecule,
    layout: Layout,
    values: np.ndarray | None,
    weights: np.ndarray,
    settings: CoordinateSettings,
) -> np.ndarray:
    """Return which values do not vary: bool [q]."""
    if not settings.freeze:
        return np.zeros(len(layout.atoms), dtype=bool)
    frozen = constraints.held_by(molecule.system, layout.atoms)
    if values is not None:
        widths = constraints.thermal_widths(molecule.energy, molecule.x, settings.temperature)
        frozen |= constraints.held_in_frames(_spread(layout, values, weights), layout.atoms, widths)
    return frozen


def _spread(layout: Layout, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return standard deviations [q] of values [T, q], those of torsions about their mean direction."""
    apart = values - _means(layout, values, weights)
    apart[:, layout.first_torsion :] = wrapped(apart[:, layout.first_torsion :])
    return np.sqrt(weights @ apart**2)


def _means(layout: Layout, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return means [q], those of torsions as directions."""
    means = weights @ values
    means[layout.first_torsion :] = circular_mean(values[:, layout.first_torsion :], weights)
    return means


def _scales(kinds: Kinds, free: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> Scales:
    """Return the scales of the values `free` [n], which are sorted by kind."""
    bounded, circular = (free[kinds.kind[free] == kind] for kind in (BOUNDED, CIRCULAR))
    return Scales(
        jnp.asarray(centre),
        jnp.asarray(scale),
        jnp.asarray(kinds.low[bounded]),
        jnp.asarray(kinds.high[bounded]),
        jnp.asarray(kinds.middle[circular]),
        jnp.asarray(kinds.fold[circular]),
        n_lengths=len(free) - len(bounded) - len(circular),
    )


def _name(layout: Layout, kinds: Kinds, value: int) -> str:
    name = layout.names[value]
    return f"{name} (any of 3 H)" if kinds.fold[value] == 3 else name
