"""Lennard-Jones crystals in a periodic box, with second derivatives in closed form.

Pairs end at a cut-off with two continuous derivatives: where an energy only is shifted, its force jumps, and the
Hessian has a part that automatic differentiation does not see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Array, Parameter, Simulated, simulated
from mdweights_core.errors import BadInput

CUTOFF, SWITCH = 2.5, 0.8
"""Longest distance in units of sigma, and the share of it from which on energies are switched off."""


class _Pairs(NamedTuple):
    """Derivatives of all pair energies by s, the squared distance: [n, n] each; 0 for an atom with itself."""

    first: Array
    second: Array
    first_by_sigma: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LennardJones:
    """4 eps (q^6 - q^3) S(s) over all pairs of nearest images, q = sigma^2/s, s = r^2.

    S goes from 1 to 0 between two values of s as 1 - t^3 (10 - 15 t + 6 t^2). Species a and b meet with
    sqrt(eps_a eps_b) and (sigma_a + sigma_b) / 2.

    Attributes
    ----------
    species : int [n_atoms]
    edge : float64 scalar
        Of the cubic box.
    switch, cutoff : float64 scalars
        At most half the edge.
    n : int
        Three times the number of atoms.
    parameters : tuple of Parameter
        epsilon of each species, then sigma of each.
    """

    species: Array
    edge: Array
    switch: Array
    cutoff: Array
    n: int = field(metadata={"static": True})
    parameters: tuple[Parameter, ...] = field(metadata={"static": True})

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of a configuration [N]."""
        s = self._squared(self._between(x))
        epsilon, sigma = self._mixed(theta)
        sixth = (sigma * sigma / s) ** 3
        counts = jnp.triu(jnp.ones(s.shape, bool), 1)
        return jnp.sum(jnp.where(counts, 4 * epsilon * (sixth * sixth - sixth) * self._switched(s)[0], 0.0))

    def curvature(self, x: Array, theta: Array) -> tuple[Array, Array, Array]:
        """Gradient [N], Hessian [N, N] and d2E/dx dtheta [N, P]."""
        between = self._between(x)
        pairs = self._derivatives(self._squared(between), theta)
        pull = 2 * pairs.first[..., None] * between
        by_sigma = 2 * pairs.first_by_sigma[..., None] * between
        gradient = jnp.sum(pull, axis=1)
        return gradient.reshape(-1), _hessian(pairs, between), self._by_parameters(pull, by_sigma, theta)

    def _between(self, x: Array) -> Array:
        """Vectors [n, n, 3] from the nearest image of atom j to atom i."""
        at = x.reshape(-1, 3)
        between = at[:, None] - at[None]
        return between - self.edge * jnp.round(between / self.edge)

    @staticmethod
    def _squared(between: Array) -> Array:
        """Squared distances [n, n], 1 for an atom with itself."""
        return jnp.sum(between**2, axis=-1) + jnp.eye(len(between))

    def _mixed(self, theta: Array) -> tuple[Array, Array]:
        """Epsilon and sigma of pairs: [n, n], or scalars where all atoms are alike."""
        if len(theta) == 2:
            return theta[0], theta[1]
        epsilon, sigma = theta.reshape(2, -1)[:, self.species]
        root = jnp.sqrt(epsilon)
        return root[:, None] * root, (sigma[:, None] + sigma) / 2

    def _switched(self, s: Array) -> tuple[Array, Array, Array]:
        """Factor that ends energies, and its derivatives by s."""
        begin = self.switch**2
        width = self.cutoff**2 - begin
        t = jnp.clip((s - begin) / width, 0.0, 1.0)
        first = -30 * (t * (1 - t)) ** 2 / width
        return 1 - t**3 * (10 - t * (15 - 6 * t)), first, -60 * t * (1 - t) * (1 - 2 * t) / width**2

    def _derivatives(self, s: Array, theta: Array) -> _Pairs:
        epsilon, sigma = self._mixed(theta)
        q = sigma * sigma / s
        sixth = q * q * q
        dispersion, repulsion = 4 * epsilon * sixth, 4 * epsilon * sixth * sixth
        switch, switch1, switch2 = self._switched(s)
        plain, plain1 = repulsion - dispersion, (3 * dispersion - 6 * repulsion) / s
        plain2 = (42 * repulsion - 12 * dispersion) / s**2
        first = plain1 * switch + plain * switch1
        second = plain2 * switch + 2 * plain1 * switch1 + plain * switch2
        by_sigma = (18 * dispersion - 72 * repulsion) / s * switch + (12 * repulsion - 6 * dispersion) * switch1
        others = 1 - jnp.eye(len(s))
        return _Pairs(others * first, others * second, others * by_sigma / sigma)

    def _by_parameters(self, pull: Array, by_sigma: Array, theta: Array) -> Array:
        """d2E/dx dtheta [N, P] from the gradients of pairs [n, n, 3] and their derivatives by sigma of the pair."""
        if len(theta) == 2:
            return jnp.stack([jnp.sum(pull, axis=1).reshape(-1) / theta[0], jnp.sum(by_sigma, axis=1).reshape(-1)], 1)
        epsilon = theta.reshape(2, -1)[0]
        is_of = jax.nn.one_hot(self.species, len(epsilon), dtype=pull.dtype)
        columns = []
        for values, share in ((pull, 0.5 / epsilon), (by_sigma, jnp.full_like(epsilon, 0.5))):
            from_first = jnp.sum(values, axis=1)[:, :, None] * is_of[:, None]
            from_second = jnp.einsum("ijc,ja->ica", values, is_of)
            columns.append(share * (from_first + from_second))
        return jnp.concatenate(columns, axis=2).reshape(pull.shape[0] * 3, -1)


def _hessian(pairs: _Pairs, between: Array) -> Array:
    """Second derivatives [N, N] of pair energies of s, by positions."""
    n = len(between)
    along = 4 * pairs.second[..., None, None] * between[..., :, None] * between[..., None, :]
    blocks = along + 2 * pairs.first[..., None, None] * jnp.eye(3)
    own = jnp.arange(n)
    return (-blocks).at[own, own].set(jnp.sum(blocks, axis=1)).transpose(0, 2, 1, 3).reshape(3 * n, 3 * n)


def lennard_jones_crystal(
    atoms: int = 32,
    density: float = 1.0,
    kt: float = 0.3,
    *,
    species: int = 1,
    epsilon: float = 1.0,
    sigma: float = 1.0,
) -> Simulated:
    """A face-centred cubic crystal in reduced units, at rest on its lattice.

    Parameters
    ----------
    atoms : int
        4 m^3: 32, 108, 256...
    density : float
        Atoms per unit volume.
    kt : float
        T*, in units of epsilon.
    species : int
        How many kinds of atoms take turns, each with an epsilon and a sigma of its own that are equal at first.
    epsilon, sigma : float
        Of all of them.

    Raises
    ------
    BadInput
        For a number of atoms that fills no cubes.
    """
    cells = round((atoms / 4) ** (1 / 3))
    if cells < 1 or 4 * cells**3 != atoms:
        raise BadInput(
            f"{atoms} atoms fill no cube of face-centred cells", advice="Choose 4 times a cube: 32, 108, 256, 500..."
        )
    edge = (atoms / density) ** (1 / 3)
    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    places = (corners + np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])).reshape(-1, 3)
    cutoff = min(CUTOFF * sigma, edge / 2)
    model = LennardJones(
        species=jnp.asarray(np.arange(atoms) % species),
        edge=jnp.asarray(edge),
        switch=jnp.asarray(SWITCH * cutoff),
        cutoff=jnp.asarray(cutoff),
        n=3 * atoms,
        parameters=_named("epsilon", epsilon, species) + _named("sigma", sigma, species),
    )
    return simulated(model, 1.0, places * edge / cells, kt, is_free=True)


def _named(name: str, value: float, species: int) -> tuple[Parameter, ...]:
    names = [name] if species == 1 else [f"{name} of species {i + 1}" for i in range(species)]
    return tuple(Parameter(it, value, low=0.0) for it in names)
