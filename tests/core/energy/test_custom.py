"""The curvature of bonds and angles given as expressions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.energy.bonded import HarmonicAngles
from mdweights_core.energy.curvature import gauss_newton
from mdweights_core.energy.custom import CustomInternal
from mdweights_core.energy.expressions import Expression

X = np.array([[0.1, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.12, 0.0]])


def test_a_harmonic_expression_is_as_stiff_as_the_harmonic_term() -> None:
    atoms, k = jnp.array([[0, 1, 2]]), jnp.array([50.0])
    typed = CustomInternal(Expression("k*(theta-1.2)^2/2"), atoms, {"k": k})
    plain = HarmonicAngles(atoms, jnp.array([1.2]), k)
    found, expected = (gauss_newton([term.stiffness(X)], 3).toarray() for term in (typed, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_at_rest_the_stiffness_is_the_hessian_and_never_negative() -> None:
    """A Morse bond at its length, and one stretched beyond where it bends down."""
    atoms = jnp.array([[0, 1], [1, 2]])
    term = CustomInternal(
        Expression("D*(1-exp(-a*(r-r0)))^2"), atoms, {"D": 400.0, "a": 20.0, "r0": jnp.array([0.1, 0.02])}
    )
    stiff = term.stiffness(X)
    np.testing.assert_allclose(stiff.constants, [2 * 400 * 20**2, 0.0], rtol=1e-12)
    hessian = jax.jit(
        jax.hessian(lambda x: CustomInternal(term.expression, atoms[:1], {"D": 400.0, "a": 20.0, "r0": 0.1}).energy(x))
    )(X)
    np.testing.assert_allclose(gauss_newton([stiff], 3).toarray(), np.asarray(hessian).reshape(9, 9), atol=1e-6)
