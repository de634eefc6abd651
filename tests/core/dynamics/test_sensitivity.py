"""The job: harmonic table, double wells, guards, stop and resume, and what cannot be simulated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.dynamics.job import sensitivity
from mdweights_core.dynamics.models.base import Parameter, simulated
from mdweights_core.dynamics.models.toys import double_well, oscillator, water
from mdweights_core.dynamics.observables.base import joined
from mdweights_core.dynamics.observables.geometry import distances
from mdweights_core.dynamics.observables.moments import moments
from mdweights_core.dynamics.result import REFUSED, UNVERIFIED, VERIFIED
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.errors import BadInput

SQUARE = moments([0], power=2)
BOTH = joined([moments([0]), SQUARE])
SPRING = SensitivitySettings(step=0.5, friction=1.0, replicas=256, steps=3000, burn_in=60, stride=2, blocks=32)


def away(value: float, exact: float, error: float) -> float:
    """Standard errors from the exact value."""
    return float(abs(value - exact) / error)


@pytest.fixture(scope="module")
def zhao_spring():
    return jobs.run(sensitivity(oscillator(), SQUARE, replace(SPRING, integrator="zhao")))


def test_a_spring_by_zhaos_integrator(zhao_spring) -> None:
    """k = friction = 1, steps of 0.5: the ensemble of the steps, its derivative, and the covariance's own answer."""
    found = zhao_spring
    assert away(found.values[0], 1.087323495, found.value_errors[0]) < 3
    for name, exact in (("pathwise", -1.016404708), ("likelihood", -1.016404708), ("covariance", -(1.087323495**2))):
        estimate = found.estimates[name]
        assert away(estimate.jacobian[0, 0], exact, estimate.error[0, 0]) < 3, name
        assert estimate.error[0, 0] < 0.015, name
    assert found.exponent == pytest.approx(-0.5, abs=0.01)  # half the friction
    assert found.temperature == pytest.approx(1.065223, abs=0.015)


def test_an_ensemble_that_is_not_boltzmanns_is_verified_and_told_of(zhao_spring) -> None:
    assert zhao_spring.verdict == VERIFIED
    assert zhao_spring.recommended == "pathwise"
    assert any("not Boltzmann's" in note for note in zhao_spring.notes)


def test_a_spring_by_lfmiddle_is_exact_at_any_step() -> None:
    found = jobs.run(sensitivity(oscillator(), SQUARE, SPRING))
    assert away(found.values[0], 1.0, found.value_errors[0]) < 3
    for name, estimate in found.estimates.items():
        assert away(estimate.jacobian[0, 0], -1.0, estimate.error[0, 0]) < 3, name
        assert estimate.error[0, 0] < 0.015, name
    assert found.verdict == VERIFIED
    assert len(found.notes) == 2
    assert found.temperature == pytest.approx(1.0, abs=0.015)


LOW, HIGH = np.array([0.25, 0.3]), np.array([3.0, 0.3])
WELL = SensitivitySettings(step=0.05, friction=10.0, replicas=512, steps=4000, burn_in=1000, stride=20, blocks=32)


def test_a_low_barrier_passes() -> None:
    found = jobs.run(sensitivity(double_well(), BOTH, WELL, theta=LOW))
    exact = np.array([[-0.32983069, 0.98949018], [-1.24875627, 0.27423304]])
    assert found.parameters == ("h", "s")
    for name, estimate in found.estimates.items():
        assert np.max(np.abs(estimate.jacobian - exact) / estimate.error) < 4, name
    assert found.verdict == VERIFIED
    assert found.best.jacobian[0, 1] == pytest.approx(0.98949018, rel=0.05)
    assert 1 < found.growth[0] < found.growth[2] < 1000


def test_a_high_barrier_is_refused() -> None:
    found = jobs.run(sensitivity(double_well(), BOTH, WELL, theta=HIGH))
    assert found.verdict == REFUSED
    assert found.recommended == "covariance"
    assert np.all(found.verdicts == REFUSED)
    assert "pathwise" not in found.estimates
    assert "given up" in found.notes[0]
    assert found.best.jacobian[0, 1] == pytest.approx(0.82931482, abs=5 * found.best.error[0, 1])


def test_pathwise_alone_ends_where_tangents_grow_and_elsewhere_is_unverified() -> None:
    alone = replace(WELL, estimators=("pathwise",), replicas=256, steps=400, burn_in=200)
    with pytest.raises(BadInput, match=r"Tangents grow.*more friction"):
        jobs.run(sensitivity(double_well(), BOTH, replace(alone, largest_growth=20.0), theta=HIGH))
    found = jobs.run(sensitivity(double_well(), BOTH, alone, theta=LOW))
    assert found.verdict == UNVERIFIED
    assert "nothing verifies" in found.notes[0]


SHORT = replace(SPRING, replicas=32, steps=400, frames=3, burn_in=40)


def same(one, other) -> None:
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.last, other.last)
    assert one.notes == other.notes
    assert one.window == other.window
    for name, estimate in one.estimates.items():
        np.testing.assert_array_equal(estimate.jacobian, other.estimates[name].jacobian)
        np.testing.assert_array_equal(estimate.error, other.estimates[name].error)


def test_stopped_and_gone_on_with_it_comes_to_the_same_bits(tmp_path) -> None:
    told = []
    whole = jobs.run(sensitivity(oscillator(), SQUARE, SHORT), told.append)
    assert whole.frames.shape == (96, 1)
    live = [progress.arrays for progress in told if progress.arrays]
    assert {"values", "value_errors", "jacobian pathwise", "error likelihood"} <= set(live[-1])
    assert live[-1]["jacobian covariance"].shape == (1, 1)
    for wanted in (30, 500, 700):  # in the burn-in, in the pilot, and while samples count
        job = sensitivity(oscillator(), SQUARE, SHORT, checkpoint=tmp_path / "run.npz", save_seconds=0.0)
        ended = stopped_after(job, wanted)
        if wanted == 700:
            assert ended.stopped
            assert 0 < ended.steps < 400
    same(jobs.run(sensitivity(oscillator(), SQUARE, SHORT, checkpoint=tmp_path / "run.npz")), whole)
    with pytest.raises(BadInput, match="another system"):
        jobs.run(sensitivity(oscillator(), SQUARE, replace(SHORT, seed=1), checkpoint=tmp_path / "run.npz"))
    (tmp_path / "run.npz").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="damaged"):
        jobs.run(sensitivity(oscillator(), SQUARE, SHORT, checkpoint=tmp_path / "run.npz"))


def stopped_after(job, step: int):
    for progress in job:
        if progress.step >= step:
            return jobs.stop(job)
    raise AssertionError("it came to its end")


@pytest.fixture(autouse=True)
def _snapshots_at_every_stride(monkeypatch, request) -> None:
    """Few strides in a call, so that there is something to stop."""
    if "gone_on_with" in request.node.name:
        monkeypatch.setattr("mdweights_core.dynamics.simulation.SECONDS", 0.0)
        monkeypatch.setattr("mdweights_core.dynamics.job.SECONDS", 0.0)


def test_a_run_whose_tangents_grew_is_gone_on_with(tmp_path) -> None:
    settings = replace(WELL, replicas=64, steps=200, burn_in=200, largest_growth=20.0, window=200)
    whole = jobs.run(sensitivity(double_well(), BOTH, settings, theta=HIGH))
    assert whole.verdict == REFUSED
    job = sensitivity(double_well(), BOTH, settings, theta=HIGH, checkpoint=tmp_path / "run.npz")
    stopped_after(job, 300)
    same(jobs.run(sensitivity(double_well(), BOTH, settings, theta=HIGH, checkpoint=tmp_path / "run.npz")), whole)


def test_at_zero_temperature_it_is_the_structure_at_rest() -> None:
    """Bonds and the angle of Zhao's water come to rest at b0 and a0, and depend on nothing else."""
    settings = SensitivitySettings(
        "zhao", 0.005, 10.0, replicas=16, steps=200, burn_in=4000, blocks=16, stride=100, estimators=("pathwise",)
    )
    found = jobs.run(sensitivity(water(), distances([[0, 1], [1, 2]]), settings))
    b0, a0 = 0.8, 2.1
    np.testing.assert_allclose(found.values, [b0, 2 * b0 * np.sin(a0 / 2)], atol=1e-6)
    exact = [[0, 1, 0, 0], [0, 2 * np.sin(a0 / 2), 0, b0 * np.cos(a0 / 2)]]
    np.testing.assert_allclose(found.best.jacobian, exact, atol=1e-5)
    assert np.max(found.best.error) < 1e-12
    assert found.verdict == UNVERIFIED


def test_other_values_of_parameters_and_other_starts() -> None:
    starts = np.full((32, 1), 0.1)
    settings = replace(SHORT, estimators=("covariance",))
    found = jobs.run(sensitivity(oscillator(), SQUARE, settings, theta=np.array([4.0]), starts=starts))
    assert found.theta == [4.0]
    assert found.values[0] == pytest.approx(0.25, abs=4 * found.value_errors[0])
    with pytest.raises(BadInput, match="do not fit 32 replicas"):
        jobs.run(sensitivity(oscillator(), SQUARE, settings, starts=starts[:3]))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Idle:
    """A spring, and a parameter that does nothing."""

    parameters: tuple[Parameter, ...] = field(metadata={"static": True})
    n = 1

    def energy(self, x, theta):
        return jnp.sum(theta[: len(theta) - 1]) * x[0] ** 2 / 2 + x[0] ** 2 * (len(theta) == 1)


def test_parameters_that_touch_nothing_are_named() -> None:
    idle = Parameter("idle", 1.0)
    two = simulated(Idle((Parameter("k", 1.0), idle)), 1.0, np.zeros(1), 1.0, dimension=1)
    found = jobs.run(sensitivity(two, SQUARE, SHORT))
    assert "The observables do not depend on idle: these derivatives are zero." in found.notes
    one = simulated(Idle((idle,)), 1.0, np.zeros(1), 1.0, dimension=1)
    with pytest.raises(BadInput, match="No parameter touches"):
        jobs.run(sensitivity(one, SQUARE, replace(SHORT, estimators=("covariance",))))


def test_what_cannot_be_simulated_is_said() -> None:
    cases = [
        (oscillator(), replace(SHORT, step=2.5), "temperature is"),
        (replace(oscillator(), start=jnp.full(1, np.nan)), SHORT, "energy at the start"),
        (water(), SHORT, "zero temperature"),
    ]
    for system, settings, sentence in cases:
        with pytest.raises(BadInput, match=sentence):
            jobs.run(sensitivity(system, SQUARE, settings))


def test_settings_that_mean_nothing_are_refused() -> None:
    cases = [
        ({"integrator": "verlet"}, "no integrator"),
        ({"estimators": ("guess",)}, "no estimator"),
        ({"estimators": ()}, "No estimator"),
        ({"step": 0.0}, "cannot be taken"),
        ({"friction": 0.0}, "random forces"),
        ({"blocks": 8}, "8 blocks"),
        ({"replicas": 40}, "40 replicas"),
        ({"steps": 3}, "1 sample"),
        ({"stride": 0}, "stride is 0"),
        ({"largest_growth": 1.0}, "largest growth"),
    ]
    for changes, sentence in cases:
        with pytest.raises(BadInput, match=sentence):
            replace(SPRING, **changes)
