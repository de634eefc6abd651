"""A small flow trained once on the double well."""

import pytest
from support.flows import SMALL, TWO_STAGES, DoubleWell, prepared_double_well

from mdweights_core import jobs
from mdweights_core.flow.settings import TrainSettings
from mdweights_core.flow.train import train


@pytest.fixture(scope="session")
def double_well() -> DoubleWell:
    prepared, settings = prepared_double_well(), TrainSettings(SMALL, TWO_STAGES, seed=1)
    job = train(prepared.target, prepared.coordinates, settings, examples=prepared.examples)
    return DoubleWell(prepared, settings, jobs.run(job))
