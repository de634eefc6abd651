"""Elastic networks whose force constants are parameters, one for each class of springs and of atoms.

A spring is harmonic in the distance of its atoms, or in the component of their displacements along the spring at rest:
then all averages are known in closed form. On-site springs tie atoms to their places in the structure, which
stands for all that the network leaves out; with them the network is not free to move as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Array, Parameter, Simulated, simulated
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.models.parameters import refuse_alike
from mdweights_core.energy.base import Energy
from mdweights_core.energy.elastic import ElasticNetwork, elastic_network
from mdweights_core.energy.restraints import PositionRestraints
from mdweights_core.errors import BadInput

_SAME = 1e-9  # nm


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SpringNetwork:
    """Sum over m springs of k_c w (r - r0)^2 / 2 and over atoms of k_t |x - x0|^2 / 2.

    Attributes
    ----------
    atoms : int32 [m, 2]
    offset : float64 [m, 3]
        Where the image of the second atom lies relative to that atom, nm.
    length, weight : float64 [m]
        r0 in nm, and w, what the force constant of the class is multiplied by.
    kind : int [m]
        Class c of each spring: its force constant is theta[c].
    site_kind : int [n_atoms]
        Class t of each atom; P for those that are not tied.
    reference : float64 [n_atoms, 3]
        x0 in nm, where all springs are at rest.
    n : int
        Three times the number of atoms.
    parameters : tuple of Parameter
        Force constants in kJ/mol/nm^2.
    is_harmonic : bool
        Whether r - r0 is replaced by the displacements along the spring at rest.
    """

    atoms: Array
    offset: Array
    length: Array
    weight: Array
    kind: Array
    site_kind: Array
    reference: Array
    n: int = field(metadata={"static": True})
    parameters: tuple[Parameter, ...] = field(metadata={"static": True})
    is_harmonic: bool = field(default=False, metadata={"static": True})

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy in kJ/mol of a configuration [N]."""
        at = x.reshape(-1, 3)
        sites = jnp.sum(self._per_atom(theta)[:, None] * (at - self.reference) ** 2)
        return (jnp.sum(self._per_spring(theta) * self._stretch(at) ** 2) + sites) / 2

    def curvature(self, x: Array, theta: Array) -> tuple[Array, Array, Array]:
        """Gradient [N], Hessian [N, N] and d2E/dx dtheta [N, P] in closed form."""
        at = x.reshape(-1, 3)
        unit, across = self._directions(at)
        k, away = self._per_spring(theta), at - self.reference
        along = unit[:, :, None] * unit[:, None, :]
        blocks = k[:, None, None] * (along + across[:, None, None] * (jnp.eye(3) - along))
        hessian = self._assembled(blocks, self._per_atom(theta))
        mixed = self._by_class((self.weight * self._stretch(at))[:, None] * unit, away, len(theta))
        return mixed @ theta, hessian, mixed

    def hessian(self, theta: Array) -> Array:
        """Second derivatives [N, N] at rest, where all springs act along themselves, in kJ/mol/nm^2."""
        return self.curvature(self.reference.reshape(-1), theta)[1]

    def as_energy(self, theta: Array) -> Energy:
        """The network as an energy of terms, for minimisers and flows; springs are harmonic in distances.

        Raises
        ------
        BadInput
            Where they are harmonic in displacements.
        """
        if self.is_harmonic:
            raise BadInput(
                "A network that is harmonic in displacements has no energy of distances",
                advice="Its minimum and its ensemble are known: make it with true distances for anything else",
            )
        springs = ElasticNetwork(self.atoms, self.offset, self.length, self._per_spring(theta))
        sites = PositionRestraints(jnp.arange(self.n // 3), self.reference, self._per_atom(theta))
        return Energy({"springs": springs, "sites": sites}, self.n // 3)

    def _per_spring(self, theta: Array) -> Array:
        return self.weight * theta[self.kind]

    def _per_atom(self, theta: Array) -> Array:
        return jnp.append(theta, 0.0)[self.site_kind]

    def _between(self, at: Array) -> Array:
        return at[self.atoms[:, 0]] - at[self.atoms[:, 1]]

    def _stretch(self, at: Array) -> Array:
        """By how much springs are longer than at rest, [m] in nm."""
        if self.is_harmonic:
            return jnp.sum(self._directions(at)[0] * self._between(at - self.reference), axis=1)
        return jnp.linalg.norm(self._between(at) - self.offset, axis=1) - self.length

    def _directions(self, at: Array) -> tuple[Array, Array]:
        """Unit vectors [m, 3] along springs and their strain 1 - r0/r [m]."""
        if self.is_harmonic:
            return (self._between(self.reference) - self.offset) / self.length[:, None], jnp.zeros_like(self.length)
        between = self._between(at) - self.offset
        r = jnp.linalg.norm(between, axis=1)
        return between / r[:, None], 1 - self.length / r

    def _assembled(self, blocks: Array, sites: Array) -> Array:
        """The Hessian [N, N] from those of springs [m, 3, 3] by the vector between their atoms, and of sites."""
        count = self.n // 3
        first, second = self.atoms.T
        pairs = jnp.zeros((count, count, 3, 3)).at[first, second].add(-blocks).at[second, first].add(-blocks)
        own = jnp.zeros((count, 3, 3)).at[first].add(blocks).at[second].add(blocks)
        every = jnp.arange(count)
        pairs = pairs.at[every, every].add(own + sites[:, None, None] * jnp.eye(3))
        return pairs.transpose(0, 2, 1, 3).reshape(self.n, self.n)

    def _by_class(self, pull: Array, away: Array, n_parameters: int) -> Array:
        """d2E/dx dtheta [N, P] from the pull of springs of force constant 1 [m, 3] and displacements [n_atoms, 3]."""
        count = self.n // 3
        columns = jnp.zeros((count, n_parameters, 3))
        columns = columns.at[self.atoms[:, 0], self.kind].add(pull).at[self.atoms[:, 1], self.kind].add(-pull)
        columns = columns.at[jnp.arange(count), self.site_kind].add(away, mode="drop")
        return columns.transpose(0, 2, 1).reshape(self.n, n_parameters)


def spring_network(
    positions: np.ndarray,
    settings: NetworkSettings,
    *,
    kt: float,
    masses: np.ndarray | float = 1.0,
    cell: np.ndarray | None = None,
    molecule: np.ndarray | None = None,
    chain: np.ndarray | None = None,
    site_class: np.ndarray | None = None,
) -> Simulated:
    """Tie all atoms within the cut-off to one another, with a force constant for each class of springs.

    Parameters
    ----------
    positions : float64 [n_atoms, 3]
        The structure at rest, nm; in a crystal all atoms of one P1 cell.
    settings : NetworkSettings
        Classes, cut-off, force constants at first.
    kt : float
        kJ/mol.
    masses : float64 [n_atoms] or float
        Dalton.
    cell : float64 [3, 3], optional
        Vectors of a crystal's P1 cell as rows, nm.
    molecule : int [n_atoms], optional
        Which molecule an atom is of; springs between molecules, and to images in other cells, are contacts. By
        default all are of one.
    chain : int [n_atoms], optional
        Which chain an atom is of: neighbours in the order of atoms are bonded within one. By default that of the
        molecule.
    site_class : int [n_atoms], optional
        Class of on-site springs of each atom, -1 for none; all are alike by default.

    Raises
    ------
    BadInput
        Positions that are no network (see `elastic_network`), classes that no spring is of are left out.
    """
    positions = np.asarray(positions, dtype=np.float64)
    plain = elastic_network(positions, cutoff=settings.cutoff, constant=1.0, power=settings.power, cell=cell)
    atoms, offset, length = (np.asarray(it) for it in (plain.atoms, plain.offset, plain.length))
    molecule = np.zeros(len(positions), dtype=int) if molecule is None else np.asarray(molecule)
    chain = molecule if chain is None else np.asarray(chain)
    apart = (molecule[atoms[:, 0]] != molecule[atoms[:, 1]]) | np.any(np.abs(offset) > _SAME, axis=1)
    is_bonded = (np.abs(np.diff(atoms, axis=1)[:, 0]) == 1) & (chain[atoms[:, 0]] == chain[atoms[:, 1]]) & ~apart
    names, kind = _classes(settings, length, is_bonded, apart)
    site_names, site_kind = _sites(settings, len(positions), site_class, len(names))
    parameters = tuple(
        Parameter(name, value, "kJ/mol/nm^2", low=0.0)
        for name, value in [(name, settings.constant) for name in names] + [(it, settings.site) for it in site_names]
    )
    refuse_alike(parameters)
    model = SpringNetwork(
        plain.atoms,
        plain.offset,
        plain.length,
        plain.constant,
        jnp.asarray(kind),
        jnp.asarray(site_kind),
        jnp.asarray(positions),
        positions.size,
        parameters,
        settings.is_harmonic,
    )
    weights = np.repeat(np.broadcast_to(masses, len(positions)), 3)
    return simulated(model, weights, positions, kt, is_free=not site_names)


def _classes(
    settings: NetworkSettings, length: np.ndarray, is_bonded: np.ndarray, is_contact: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Names of the classes that springs [m] are of, and the class of each, int [m]."""
    edges = [0.0, *settings.bins, settings.cutoff]
    inside = np.searchsorted(settings.bins, length, side="right")
    label = np.array([_range(edges[i], edges[i + 1]) for i in range(len(edges) - 1)])[inside]
    if settings.by_bond:
        label = np.where(is_bonded, "bonded", label)
    if settings.by_contact:
        label = np.where(
            is_contact, np.char.add("contacts ", label) if settings.bins_of_contacts else "contacts", label
        )
    order = [*(["bonded"] if settings.by_bond else []), *(_range(a, b) for a, b in pairwise(edges))]
    order += ["contacts", *(f"contacts {name}" for name in order)]
    names = [name for name in order if name in set(label)]
    return [f"k {name}" for name in names], np.array([names.index(name) for name in label])


def _range(low: float, high: float) -> str:
    return f"{low:g}-{high:g} nm"


def _sites(
    settings: NetworkSettings, n_atoms: int, site_class: np.ndarray | None, n_springs: int
) -> tuple[Sequence[str], np.ndarray]:
    """Names of the classes of on-site springs, and the parameter of each atom, int [n_atoms]; past the end for none."""
    if settings.site <= 0:
        return [], np.full(n_atoms, n_springs)
    given = np.zeros(n_atoms, dtype=int) if site_class is None else np.asarray(site_class)
    known = sorted(set(given[given >= 0].tolist()))
    names = ["k on site"] if len(known) == 1 else [f"k on site {number + 1}" for number in known]
    place = {number: n_springs + i for i, number in enumerate(known)}
    return names, np.array([place.get(number, n_springs + len(known)) for number in given.tolist()])
