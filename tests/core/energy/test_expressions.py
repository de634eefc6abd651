"""Expressions against Lepton, which OpenMM's custom forces read them with, and against Python."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from mdweights_core.energy.expressions import FUNCTIONS, Expression
from mdweights_core.errors import BadInput

X, Y, Z = 0.7, -1.3, 2.1


def lepton(text: str) -> float:
    """Value at X, Y, Z by OpenMM."""
    openmm = pytest.importorskip("openmm")
    system, force = openmm.System(), openmm.CustomExternalForce(text)
    system.addParticle(1.0)
    force.addParticle(0, [])
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(1.0), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions([[X, Y, Z]])
    return context.getState(getEnergy=True).getPotentialEnergy()._value


def ours(text: str) -> float:
    return float(Expression(text)({"x": X, "y": Y, "z": Z}))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*3", 7.0),
        ("2^3^2", 512.0),
        ("-2^2", -4.0),
        ("2^-1", 0.5),
        ("2^-3^2", 2**-9),
        ("8/4/2", 1.0),
        ("5-3-1", 1.0),
        ("-x*y", -X * Y),
        ("x - -y", X + Y),
        ("1.5e-3*2E2 + .5 + 2.", 2.8),
        ("(x + y)*(x - y)", X * X - Y * Y),
        ("a*b; a = x + b; b = 2", (X + 2) * 2),
        ("a; a = x; ", X),
        ("select(step(y), 1, select(delta(0), 3, 4))", 3.0),
        ("min(x, y) + max(x, z)", Y + Z),
        ("atan2(y, x)", math.atan2(Y, X)),
        ("erf(x) + erfc(x)", 1.0),
        ("z^0.5 + z^1.5", Z**0.5 + Z**1.5),
        ("y^3 + y^-2", Y**3 + Y**-2),
        (" x\n + 1", X + 1),
    ],
)
def test_values(text: str, value: float) -> None:
    assert ours(text) == pytest.approx(value, rel=1e-14)
    assert lepton(text) == pytest.approx(value, rel=1e-14)


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(sorted(set(FUNCTIONS) - {"delta", "floor", "ceil"}))  # rounding would decide these
    return names.flatmap(
        lambda name: st.tuples(*[inner] * FUNCTIONS[name][0]).map(lambda parts: f"{name}({', '.join(parts)})")
    )


LEAVES = st.sampled_from(["x", "y", "z", "1", "2", "0.5", "1.7e1", "3."])
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", "*", " / ", "^"]), inner).map("".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        calls(inner),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]})^2*({parts[1]})"),
    ),
    max_leaves=4,  # OpenMM takes second derivatives of every one: more takes seconds each
)


@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])  # to shrink takes minutes
@given(TEXTS)
def test_any_expression_has_the_value_of_lepton(text: str) -> None:
    expected = lepton(text)
    assume(math.isfinite(expected) and abs(expected) < 1e8)
    assert ours(text) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "at its end (character 1): a value is missing"),
        ("x +", "at its end (character 4): a value is missing"),
        ("(x + 1", "at its end (character 7): a closing bracket is missing"),
        ("x + 1)", "at ')' (character 6): there is no bracket to close"),
        ("2 x", "at 'x' (character 3): an operator is missing"),
        ("x + $", "at '$' (character 5): this has no meaning here"),
        ("x*sine(2)", "at 'sine(2)' (character 3): there is no function sine"),
        ("min(x)", "min takes 2 arguments, not 1"),
        ("sqrt(x, 2)", "sqrt takes 1 argument, not 2"),
        ("a; a + 1", "at 'a + 1' (character 3): a definition has the form name = value"),
        ("a; a = 1 +", "at its end (character 11): a value is missing"),
        ("x = 2", "this has no meaning here"),
        ("min(x, )", "a value is missing"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, why: str) -> None:
    with pytest.raises(BadInput, match="cannot be read") as refused:
        Expression(text)
    assert why in refused.value.sentence


def test_variables_are_those_that_no_definition_gives() -> None:
    assert Expression("a*r + b; b = c + a; a = r1").names == {"r", "r1", "c"}


def test_a_variable_that_nothing_defines_is_named() -> None:
    with pytest.raises(BadInput, match="uses k, r0, which nothing defines"):
        Expression("k*(r-r0)^2").require(["r"])


def test_a_definition_may_not_use_an_earlier_one() -> None:
    assert Expression("a; b = 2; a = b").names == {"b"}


def test_functions_of_tables_are_called_with_their_arguments() -> None:
    expression = Expression("2*f(x, 1)", tables=(("f", 2),))
    assert float(expression({"x": 3.0}, {"f": lambda a, b: a + b})) == 8.0


def test_arrays_broadcast_and_have_derivatives() -> None:
    expression = Expression("k*(r-1)^2")
    r = np.array([0.5, 1.0, 2.0])
    gradient = jax.vmap(jax.grad(lambda r: expression({"r": r, "k": 3.0})))(r)
    np.testing.assert_allclose(gradient, 6 * (r - 1))


def test_equal_texts_are_equal_and_cheap_to_compare() -> None:
    assert Expression("x + 1") == Expression("x + 1")
    assert hash(Expression("x + 1")) == hash(Expression("x + 1"))
