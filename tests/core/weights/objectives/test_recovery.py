"""Each objective finds the true weights best under the errors it is made for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.synthetic import synthetic_problem

from mdweights_core import jobs
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.settings import FitSettings


@pytest.fixture(scope="module")
def truth():
    return synthetic_problem(40, 3000, n_true=12, noise=0.05)


@pytest.fixture(scope="module")
def exact(truth):
    return intensities(truth.problem.frames, truth.weights[None])[0]


def agreement(truth, observed, objective):
    fit = jobs.run(fit_weights(replace(truth.problem, observed=observed), FitSettings(objective=objective)))
    return np.corrcoef(fit.weights, truth.weights)[0, 1]


def test_gamma_under_errors_in_proportion_to_the_intensity(truth, exact):
    observed = exact * np.random.default_rng(1).gamma(1 / 0.3**2, 0.3**2, len(exact))
    gamma = agreement(truth, observed, "gamma")
    assert gamma > 0.98
    assert gamma > agreement(truth, observed, "chi2") + 0.03


def test_cross_entropy_under_counting_errors(truth, exact):
    observed = np.random.default_rng(1).poisson(20 * exact / exact.mean()) + 1e-9
    entropy = agreement(truth, observed, "cross-entropy")
    assert entropy > 0.99
    assert entropy > max(agreement(truth, observed, name) for name in ("chi2", "gamma"))


def test_students_t_under_outliers(truth):
    rng, spoilt = np.random.default_rng(1), truth.problem.observed.copy()
    spoilt[rng.choice(len(spoilt), 60, replace=False)] *= 20.0
    assert agreement(truth, spoilt, "student-t") > 0.99
    assert agreement(truth, spoilt, "chi2") < 0.5
