"""Parameters, their bounds, and what is refused."""

from __future__ import annotations

import math

import pytest

from mdweights_core.dynamics.models.parameters import Parameter, at_values, refuse_alike
from mdweights_core.errors import BadInput

TWO = (Parameter("k", 2.0, "kJ/mol", low=0.0), Parameter("s", -1.0))


def test_values_are_put_by_name() -> None:
    moved = at_values(TWO, {"s": 3})
    assert [it.value for it in moved] == [2.0, 3.0]
    assert moved[0] == TWO[0]


def test_a_parameter_is_told_with_its_unit() -> None:
    assert [it.told for it in TWO] == ["k = 2 kJ/mol", "s = -1"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"h": 1.0}, "no parameter 'h'. Known are k, s"),
        ({"k": -1.0}, "not between 0 and inf"),
        ({"k": math.nan}, "nan"),
    ],
)
def test_values_that_mean_nothing_are_refused(values: dict[str, float], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        at_values(TWO, values)


def test_no_two_have_one_name() -> None:
    with pytest.raises(BadInput, match="Two parameters are called 'k'"):
        refuse_alike([*TWO, TWO[0]])


def test_a_parameter_has_a_name() -> None:
    with pytest.raises(BadInput, match="has no name"):
        Parameter(" ", 1.0)
