"""Zhao's fit of three atoms to one structure: parameters inside his tolerances through 500 steps at T = 0."""

from __future__ import annotations

import pytest
from support.zhao_water import TOLERANCE, WANTED, zhao_water

from mdweights_core import jobs
from mdweights_core.dynamics.tuning.job import tune
from mdweights_core.dynamics.tuning.settings import TuneSettings


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        (TuneSettings(method="rmsprop", iterations=30), 30),
        (TuneSettings(iterations=8), 8),
    ],
)
def test_bond_and_angle_come_within_his_tolerances(settings: TuneSettings, most: int) -> None:
    found = jobs.run(tune(*zhao_water(), settings))
    values = dict(zip(found.parameters, found.values, strict=True))
    assert found.iterations <= most
    assert abs(values["b0"] - WANTED["b0"]) < TOLERANCE
    assert abs(values["a0"] - WANTED["a0"]) < TOLERANCE
    assert any("do not determine" in sentence for sentence in found.sentences), "three distances fix two numbers only"
