"""What a fit is made from: into JSON and back, and limits that cannot be."""

from __future__ import annotations

import json

import pytest

from mdweights_core.errors import BadInput
from mdweights_core.project import FitInputs


def test_inputs_survive_json(tmp_path):
    inputs = FitInputs(
        tmp_path / "m.mtz",
        (tmp_path / "a.xtc",),
        topology=tmp_path / "t.pdb",
        cell=(1, 2, 3, 90, 90, 90),
        d_min=2.0,
        map_supercell=(2, 2, 3),
        only=(0, 1, 2, 7),
    )
    assert inputs.to_json()["only"] == "0-2,7"
    assert FitInputs.from_json(json.loads(json.dumps(inputs.to_json()))) == inputs


def test_crossed_resolution_limits_are_refused(tmp_path):
    with pytest.raises(BadInput, match="d_min"):
        FitInputs(tmp_path, (tmp_path,), d_min=10, d_max=2)
    with pytest.raises(BadInput, match="positive"):
        FitInputs(tmp_path, (tmp_path,), d_min=-3)
    with pytest.raises(BadInput, match="whole numbers of at least 1"):
        FitInputs(tmp_path, (tmp_path,), map_supercell=(2, 0, 1))


def test_a_fit_of_one_frame_is_refused_and_older_projects_are_of_all(tmp_path):
    with pytest.raises(BadInput, match="two frames at least"):
        FitInputs(tmp_path, (tmp_path,), only=(3,))
    plain = FitInputs(tmp_path / "m.mtz", (tmp_path,)).to_json()
    del plain["only"]
    assert FitInputs.from_json(plain).only is None
