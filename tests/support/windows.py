"""Derivatives of a trajectory in the windowed form of Zhao's paper: what the recursion is checked against.

dx_t/dtheta = -b dt sum_s zeta_s S_(t-1-s) with S_n = 1 + a + ... + a^n: the paper's text counts n terms in S_n, its
worked example and its program n + 1. The last k zetas are kept in a buffer; older ones are summed up with the weight of
a whole window, 1 - a^k over 1 - a.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.integrators import Zhao

Array = jax.Array


@partial(jax.jit, static_argnames="most")
def windowed(model, integrator: Zhao, theta: Array, x: Array, v: Array, noise: Array, k: Array, most: int) -> Array:
    """Derivatives [T, P, N] along the steps of noise [T, N], from a start that depends on no parameter; k <= most."""
    ages = jnp.arange(1, most + 1)
    whole = (1 - integrator.kept**k) / (1 - integrator.kept)
    weights = jnp.where(ages <= k, (1 - integrator.kept**ages) / (1 - integrator.kept), 0.0)

    def step(carry, n):
        x, v, rows, recent, older = carry
        gradient, linear = jax.linearize(jax.grad(model.energy), x, theta)
        zeta = jax.vmap(linear)(rows, jnp.eye(len(theta)))
        older = older + recent[k - 1]
        recent = jnp.concatenate([zeta[None], recent[:-1]])
        total = jnp.einsum("k,kpn->pn", weights, recent) + whole * older
        rows = -integrator.push * integrator.length * total
        x, v = integrator.step(x, v, gradient, n)
        return (x, v, rows, recent, older), rows

    nothing = jnp.zeros((len(theta), len(x)))
    carry = (x, v, nothing, jnp.zeros((most, *nothing.shape)), nothing)
    return jax.lax.scan(step, carry, noise)[1]


def window_of(kept: float, tolerance: float = 1e-14) -> int:
    """Zhao's k: how many steps until a^k is below a tolerance."""
    return int(np.log(tolerance) / np.log(kept) + 1)
