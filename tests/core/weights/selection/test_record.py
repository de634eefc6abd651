"""A selection as a project keeps it."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.weights.selection.record import from_record, to_record
from mdweights_core.weights.selection.result import Selection
from mdweights_core.weights.selection.select import select_frames
from mdweights_core.weights.selection.settings import SelectionSettings


@pytest.fixture(params=["greedy", "genetic"])
def selection(request, ensemble) -> Selection:
    settings = SelectionSettings(request.param, min_frames=3, max_frames=9, generations=4, seed=2)
    return jobs.run(select_frames(ensemble.problem, "cc", settings))


def test_everything_comes_back(selection):
    arrays, plain = to_record(selection)
    again = from_record(arrays | {"weights": np.zeros(3)}, json.loads(json.dumps(plain)))
    assert again.settings == selection.settings
    for field in fields(Selection):
        one, other = getattr(selection, field.name), getattr(again, field.name)
        if field.name == "path":
            assert one.keys() == other.keys()
            for key in one:
                np.testing.assert_array_equal(one[key], other[key])
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        else:
            assert one == other


def test_a_damaged_record_is_not_taken(selection):
    arrays, plain = to_record(selection)
    with pytest.raises(ValueError, match="no selection raises"):
        from_record(arrays, plain | {"score": "beauty"})
    with pytest.raises(KeyError):
        from_record({key: value for key, value in arrays.items() if "path.cc_free" not in key}, plain)
