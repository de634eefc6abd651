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
    )
    assert FitInputs.from_json(json.loads(json.dumps(inputs.to_json()))) == inputs


def test_crossed_resolution_limits_are_refused(tmp_path):
    with pytest.raises(BadInput, match="d_min"):
        FitInputs(tmp_path, (tmp_path,), d_min=10, d_max=2)
    with pytest.raises(BadInput, match="positive"):
        FitInputs(tmp_path, (tmp_path,), d_min=-3)
    with pytest.raises(BadInput, match="whole numbers of at least 1"):
        FitInputs(tmp_path, (tmp_path,), map_supercell=(2, 0, 1))
