"""Simulations that are tuned: reweighted frames against closed forms, fits through dynamics, stop and resume."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.dynamics.models.toys import oscillator
from mdweights_core.dynamics.observables.base import joined
from mdweights_core.dynamics.observables.moments import moments
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.tuning.ensemble import Ensemble, weights_of
from mdweights_core.dynamics.tuning.job import tune
from mdweights_core.dynamics.tuning.settings import TuneSettings
from mdweights_core.dynamics.tuning.targets import Targets

SHORT = SensitivitySettings(step=0.2, friction=2.0, replicas=64, steps=1000, burn_in=100)
NAME = "<x^2> of variable 1"


def ensemble(checkpoint: Path | None = None) -> Ensemble:
    return Ensemble(oscillator(), moments([0], 2), SHORT, checkpoint)


@cache
def simulated() -> Ensemble:
    """An oscillator of k = 1, simulated once."""
    made = ensemble()
    jobs.run(made.simulate(np.array([1.0]), 0))
    return made


@pytest.mark.parametrize("k", [0.9, 1.2, 1.6])
def test_reweighted_means_and_derivatives_are_those_of_the_closed_form(k: float) -> None:
    """<x^2> = 1 / k at kT = 1."""
    found = simulated().reweighted(np.array([k]), 0.2)
    assert found is not None
    assert 0.2 < found.effective < 1
    assert abs(found.values[0] - 1 / k) < 4 * found.value_errors[0]
    assert abs(found.jacobian[0, 0] + 1 / k**2) < 4 * found.jacobian_errors[0, 0]
    assert found.value_errors[0] < 0.1


def test_frames_count_for_what_normal_distributions_overlap() -> None:
    """Kish's share of draws of variance 1 for variance 1 / k is sqrt(2 k - 1) / k."""
    k = 3.0
    found = simulated().reweighted(np.array([k]), 0.01)
    assert found is not None
    assert found.effective == pytest.approx(np.sqrt(2 * k - 1) / k, rel=0.1)
    assert simulated().reweighted(np.array([k]), 0.99) is None


def test_reweighting_to_where_it_was_changes_nothing() -> None:
    made = simulated()
    assert made.found is not None
    same = made.reweighted(np.array([1.0]), 0.5)
    assert same is not None
    np.testing.assert_allclose(same.values, made.found.values, rtol=1e-12)
    np.testing.assert_allclose(same.value_errors, made.found.value_errors, rtol=1e-6)
    np.testing.assert_allclose(same.jacobian, made.found.best.jacobian, rtol=1e-12)


def test_noise_of_values_is_as_large_as_their_errors() -> None:
    """<x> and <x^2> of an oscillator, independent by symmetry, and <x^2> again, which is the same."""
    made = Ensemble(oscillator(), joined([moments([0]), moments([0], 2), moments([0], 2)]), SHORT)
    found = jobs.run(made.simulate(np.array([1.0]), 0))
    covariance = found.noise.T @ found.noise
    np.testing.assert_allclose(np.diag(covariance), found.value_errors**2, rtol=1e-9)
    correlation = covariance / np.outer(found.value_errors, found.value_errors)
    assert abs(correlation[0, 1]) < 0.6
    assert correlation[1, 2] == pytest.approx(1)


def test_memory_is_all_that_reweighting_needs() -> None:
    fresh = ensemble()
    assert fresh.reweighted(np.array([1.1]), 0.1) is None
    fresh.remember(simulated().memory())
    one, two = (made.reweighted(np.array([1.1]), 0.1) for made in (fresh, simulated()))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.values, two.values)


def test_energies_of_any_size_give_weights() -> None:
    weights, effective = weights_of(np.array([1e4, 1e4, 1e4 + 800]))
    np.testing.assert_allclose(weights, [1.5, 1.5, 0], atol=1e-12)
    assert effective == pytest.approx(2 / 3)


def test_a_spring_is_tuned_stopped_and_gone_on_with(tmp_path: Path) -> None:
    """<x^2> = 0.5 asks for k = 2; noise decides when it ends."""
    targets = Targets.of([NAME], np.array([0.5]), np.array([0.01]))
    checkpoint = tmp_path / "fit.npz"
    settings = TuneSettings(reuse=0.8)
    job = tune(ensemble(tmp_path / "now.npz"), targets, settings, checkpoint=checkpoint)
    while next(job).stage != "tuning":
        pass
    stopped = jobs.stop(job)
    assert stopped is not None
    found = jobs.run(tune(ensemble(tmp_path / "now.npz"), targets, settings, checkpoint=checkpoint))
    np.testing.assert_array_equal(found.trace_theta[:2], stopped.trace_theta)
    assert found.end == "converged"
    assert found.trace_effective[-1] == 1
    assert abs(found.values[0] - 2) < 4 * found.errors[0]
    assert found.errors[0] < 0.15
    assert not (tmp_path / "now.npz").exists()
