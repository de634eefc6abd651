"""The run that gives structure factors: its reflections, its key, and crystals that cannot be."""

from __future__ import annotations

import dataclasses

import pytest

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.example import example_inputs
from mdweights_core.scattering.predict import predict, predict_key
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.workflow import (
    compute,
    in_project,
    run_for_predict,
)


def predicted(frames, out, **options) -> StructureFactorStore:
    return jobs.run(compute(jobs.run(run_for_predict(frames, out, **options))))


def test_a_run_with_other_settings_has_another_key_and_the_same_open_frames(tmp_path):
    inputs = example_inputs()
    run = jobs.run(run_for_predict(inputs.frames, tmp_path / "f.zarr", topology=inputs.topology, d_min=4.0))
    placed = in_project(run, tmp_path)
    assert placed.source is run.source
    assert placed.key is run.key
    assert placed.out.parent == tmp_path
    warmer = dataclasses.replace(run, settings=PredictSettings(b_iso=80.0))
    assert warmer.key["settings"]["b_iso"] == 80
    assert warmer.key != run.key


def test_a_key_that_is_known_is_that_of_the_store(tmp_path):
    inputs = example_inputs()
    run = jobs.run(run_for_predict(inputs.frames, tmp_path / "f.zarr", topology=inputs.topology, d_min=4.0))
    from_run = jobs.run(compute(run))
    assert from_run.key == predict_key(run.source, run.lattice, run.settings)
    again = jobs.run(predict(run.source, run.lattice, run.settings, run.out, may_replace=False))
    assert again.key == from_run.key


def test_without_a_map_the_resolution_must_be_given(tmp_path):
    inputs = example_inputs()
    with pytest.raises(BadInput, match="--d-min"):
        predicted(inputs.frames, tmp_path / "f.zarr", topology=inputs.topology)
    store = predicted(inputs.frames, tmp_path / "f.zarr", topology=inputs.topology, d_min=4.0)
    assert store.lattice.d_spacing.min() >= 4.0


@pytest.mark.parametrize(
    ("choices", "saying"),
    [
        ({"space_group": "P 6"}, "does not fit the space group P 6"),
        ({"settings": PredictSettings(expand_symmetry=True)}, "space group of the asymmetric unit is not known"),
        ({"settings": PredictSettings(supercell=(1000, 1, 1))}, "no room for an atom"),
        ({"cell": (0.1, 20, 20, 90, 90, 90)}, "no room for an atom"),
        ({"cell": (1, 2, 3)}, "not the three lengths and three angles"),
        ({"cell": (10, 20, -30, 90, 90, 90)}, "not the three lengths and three angles"),
        ({"cell": (10, 20, 30, 10, 10, 179)}, "not the three lengths and three angles"),
    ],
)
def test_a_crystal_that_cannot_be_is_refused_before_any_work(tmp_path, choices, saying):
    inputs = example_inputs()
    with pytest.raises(BadInput, match=saying):
        predicted(inputs.frames, tmp_path / "f.zarr", topology=inputs.topology, d_min=4.0, **choices)
    assert list(tmp_path.iterdir()) == []
