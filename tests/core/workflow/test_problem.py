"""Structure factors on the way to a weight problem: opened once, and taken as they are where they are given."""

from __future__ import annotations

import dataclasses
from collections import Counter

from mdweights_core import jobs
from mdweights_core.example import example_inputs
from mdweights_core.io.frames import trajectories
from mdweights_core.scattering import frame_run
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.workflow import (
    load_map,
    structure_factors_of,
)


def test_a_run_opens_its_frames_and_hashes_their_files_once(tmp_path, monkeypatch):
    asked = Counter()
    monkeypatch.setattr(frame_run, "open_frames", _counted(asked, frame_run.open_frames))
    monkeypatch.setattr(trajectories, "_fingerprint", _counted(asked, trajectories._fingerprint))
    inputs, out = dataclasses.replace(example_inputs(), d_min=3.0), tmp_path / "a.mdw"
    told: list[object] = []
    factors = jobs.run(structure_factors_of(inputs, load_map(inputs), PredictSettings(), out, on_check=told.append))
    assert len(told) == 1
    assert factors.store.is_complete
    assert not factors.is_given
    assert asked == {"open_frames": 1, "_fingerprint": len(inputs.frames)}


def _counted(asked: Counter[str], function):
    def call(*arguments, **options):
        asked[function.__name__] += 1
        return function(*arguments, **options)

    return call


def test_structure_factors_that_are_given_are_taken_as_they_are(example_project, tmp_path):
    frames = (example_project.store_path,)
    inputs = dataclasses.replace(example_inputs(), frames=frames, topology=None)
    factors = jobs.run(structure_factors_of(inputs, load_map(inputs), PredictSettings(b_iso=80.0), tmp_path / "a.mdw"))
    assert factors.is_given
    assert factors.store.path == example_project.store_path
    assert factors.settings.b_iso == 0
    assert list(tmp_path.iterdir()) == []
