"""Tables of targets, own scales and what data determine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.tuning.problem import Linearised
from mdweights_core.dynamics.tuning.scales import Scales
from mdweights_core.dynamics.tuning.settings import Prior
from mdweights_core.dynamics.tuning.sloppiness import determination
from mdweights_core.dynamics.tuning.targets import Targets, read_targets
from mdweights_core.errors import BadInput

TABLE = """observable,value,sigma,held_out
B factor of CA 1 (A^2),12.5,0.5,
"distance of atoms 1 and 2 (nm)", 0.15, 0.01, yes
Rg (nm),1.2,0.02,no
"""


def test_a_table_is_read_and_ordered_as_observables_are(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    targets = read_targets(path)
    assert targets.n_fitted == 2
    ordered, places = targets.ordered(["Rg (nm)", "other", "distance of atoms 1 and 2 (nm)", "B factor of CA 1 (A^2)"])
    np.testing.assert_array_equal(places, [0, 2, 3])
    np.testing.assert_array_equal(ordered.values, [1.2, 0.15, 12.5])
    np.testing.assert_array_equal(ordered.held_out, [False, True, False])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("observable,value\na,1\n", "no column 'sigma'"),
        ("observable,value,sigma\n", "no targets"),
        ("observable,value,sigma\na,x,1\n", "Line 2 has a value or sigma that is not a number"),
        ("observable,value,sigma\na,1,\n", "Line 2 has a value or sigma"),
        ("observable,value,sigma\na,1,0\n", "sigma of target 'a' is not positive"),
        ("observable,value,sigma\na,nan,1\n", "value of target 'a' is not a number"),
        ("observable,value,sigma\na,1,1\na,2,1\n", "several targets 'a'"),
        ("observable,value,sigma,held_out\na,1,1,maybe\n", "'maybe' for held_out"),
        ("observable,value,sigma,held_out\na,1,1,yes\n", "none is left for the fit"),
        ("observable,value,sigma\n,1,1\n", "Line 2 names no observable"),
    ],
)
def test_tables_that_make_no_sense_are_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=told):
        read_targets(path)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xff\xfe\x00observable\x00\xff")
    with pytest.raises(BadInput, match=r"t\.csv"):
        read_targets(path)


PARAMETERS = (Parameter("k", 2.0, low=0.0), Parameter("x", -4.0), Parameter("q", 0.0, low=-1.0, high=3.0))


def test_own_scales_go_there_and_back_with_their_slope() -> None:
    scales = Scales.of(PARAMETERS, (Prior("k", 2.0, 0.2), Prior("x", -3.0, 1.0)))
    theta = np.array([3.0, -5.0, 1.0])
    u = scales.own(theta)
    np.testing.assert_allclose(u, [np.log(3.0), -1.25, 0.5])
    np.testing.assert_allclose(scales.theta(u), theta)
    step = 1e-6
    differences = [(scales.theta(u + step * e) - scales.theta(u - step * e)).sum() / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(scales.slope(theta), differences, rtol=1e-8)
    np.testing.assert_allclose(scales.low, [-np.inf, -np.inf, -0.5])
    np.testing.assert_allclose(scales.centres, [np.log(2.0), -0.75, 0])
    np.testing.assert_allclose(scales.widths, [0.1, 0.25, np.inf])


@pytest.mark.parametrize(
    ("parameters", "prior", "told"),
    [
        ((Parameter("k", 1.0, low=1.0, high=1.0),), Prior("k", 1.0, 1.0), "k may only be 1"),
        (PARAMETERS, Prior("k", -1.0, 1.0), "the parameter is positive"),
    ],
)
def test_scales_that_cannot_be_are_refused(parameters: tuple[Parameter, ...], prior: Prior, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        Scales.of(parameters, (prior,))


def test_a_prior_has_a_width() -> None:
    with pytest.raises(BadInput, match="width 0"):
        Prior("k", 1.0, 0.0)


def test_stiff_and_sloppy_combinations_are_told_in_words() -> None:
    """Two data of a + b, one of c, none of d: a - b and d are lost."""
    jacobian = np.array([[10.0, 5, 0, 0], [10.0, 5, 0, 0], [0, 0, 4, 0]])
    nothing = np.zeros(4)
    at = Linearised(nothing, np.zeros(3), jacobian, np.zeros((0, 3)), nothing, nothing)
    found = determination(at, ["a", "b", "c", "d"])
    np.testing.assert_allclose(found.singular_values[:2], [np.sqrt(250), 4])
    np.testing.assert_allclose(found.singular_values[2:], 0, atol=1e-9)
    np.testing.assert_allclose(found.errors[2], 0.25)
    assert np.isinf(found.errors[[0, 1, 3]]).all()
    assert found.sentences[0] == "The data fix a + 0.5 b to 6.3 % and c to 25 % (relative changes)."
    assert "d" in found.sentences[1]
    assert found.sentences[2] == "a, b and d have errors of more than 50 %, priors included."


def test_noise_of_the_simulation_adds_to_errors() -> None:
    """A = 1 / 25, and noise of variance 3 in the second datum: A + A 4 3 4 A."""
    zero = np.zeros(1)
    at = Linearised(zero, np.zeros(2), np.array([[3.0], [4.0]]), np.array([[0.0, np.sqrt(3.0)]]), zero, zero)
    assert determination(at, ["a"]).errors[0] == pytest.approx(np.sqrt(1 / 25 + 48 / 625))


def test_noise_that_looks_like_a_parameter_promises_all_of_its_gain() -> None:
    """Of noise along the Jacobian a fit takes all away, of noise across it nothing; chi-square scatters as drawn."""
    zero, jacobian = np.zeros(1), np.array([[3.0], [4.0]])
    along, across = ([[0.6, 0.8]], [[-0.8, 0.6]])
    for noise, gain in ((along, 1.0), (across, 0.0)):
        at = Linearised(zero, np.array([2.0, 1.0]), jacobian, np.array(noise), zero, zero)
        assert at.noise_gain == pytest.approx(gain)
        drawn = at.residuals + np.random.default_rng(0).normal(size=(200_000, 1)) * np.array(noise)
        assert at.chi2_error == pytest.approx(np.sum(drawn**2, axis=1).std(), rel=0.01)


def test_no_data_fix_nothing() -> None:
    zero = np.zeros(2)
    at = Linearised(zero, np.zeros(1), np.zeros((1, 2)), np.zeros((0, 1)), zero, zero)
    assert determination(at, ["a", "b"]).sentences[0] == "The data fix no parameter."


def test_targets_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Targets.of(["a", "b"], np.ones(1), np.ones(1))
