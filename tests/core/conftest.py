"""A finished fit of the built-in example, made once."""

from __future__ import annotations

import pytest

from mdweights_core import jobs
from mdweights_core.example import example_inputs
from mdweights_core.project import Project
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import FitSettings


@pytest.fixture(scope="session")
def example_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the fit of the example, saved in a folder that tests may read but not change."""
    from mdweights_core.workflow import fit_project

    out = tmp_path_factory.mktemp("example") / "example.mdw"
    return jobs.run(fit_project(example_inputs(), PredictSettings(), FitSettings(), out))
