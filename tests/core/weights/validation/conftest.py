"""A small problem of known weights, its fit, and that fit as something that can be repeated."""

from __future__ import annotations

import pytest
from support.synthetic import synthetic_problem

from mdweights_core import jobs
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.settings import FitSettings
from mdweights_core.weights.validation.bench import Bench


@pytest.fixture(scope="session")
def truth():
    """24 frames, 600 reflections of which some are equivalent, little noise."""
    return synthetic_problem(24, 900, n_true=8, n_modes=4, space_group="P 21 21 21")


@pytest.fixture(scope="session")
def fit(truth):
    """Its fit."""
    return jobs.run(fit_weights(truth.problem, FitSettings(seed=3)))


@pytest.fixture(scope="session")
def bench(truth, fit):
    """The fit as it can be repeated."""
    return Bench.of(truth.problem, fit, None)
