"""Frames of a saved project are selected, kept with it, and come out the same again."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.project import Project
from mdweights_core.revisit import rerun, select_project
from mdweights_core.weights.selection.result import comparison
from mdweights_core.weights.selection.settings import SelectionSettings

FEW = SelectionSettings(min_frames=100)


@pytest.fixture
def copy(example_project, tmp_path):
    """A copy of the example's project, with its structure factors, that may be changed."""
    target = tmp_path / "copy.mdw"
    shutil.copytree(example_project.path, target)
    return target


def test_a_selection_is_saved_with_its_project_and_leaves_the_rest_alone(copy):
    before = Project.open(copy)
    made = jobs.run(select_project(before, FEW))
    found = Project.open(copy)
    assert found.selection.settings == FEW
    assert found.selection.n_kept == 100
    for key, values in made.selection.path.items():
        np.testing.assert_array_equal(found.selection.path[key], values)
    assert found.selection.path["cc_aniso"][0] == pytest.approx(before.fit.uniform.cc_aniso, abs=1e-6)
    assert found.selection.path["cc_aniso_free"][0] == pytest.approx(before.fit.uniform.cc_aniso_free, abs=1e-6)
    np.testing.assert_array_equal(found.fit.weights, before.fit.weights)
    assert found.validation.verdict == before.validation.verdict
    assert "the weights agree better" in comparison(found.selection, found.fit)


def test_what_a_stopped_selection_reached_is_kept(copy):
    job = select_project(Project.open(copy), SelectionSettings())
    while (seen := next(job)).stage != "selection" or seen.step < 2:
        pass
    made = jobs.stop(job)
    assert made.selection.stopped
    assert len(made.selection.removed) >= 2
    assert Project.open(copy).selection.kept.tolist() == made.selection.kept.tolist()


def test_a_selection_that_is_stopped_at_its_beginning_leaves_the_former(copy):
    former = jobs.run(select_project(Project.open(copy), FEW))
    job = select_project(former, SelectionSettings())
    while next(job).stage != "selection":
        pass
    assert jobs.stop(job) is former
    assert Project.open(copy).selection.settings == FEW


def test_limits_that_leave_nothing_to_select_change_nothing(copy):
    before = (copy / "project.json").read_bytes()
    with pytest.raises(BadInput, match="none to leave out"):
        jobs.run(select_project(Project.open(copy), SelectionSettings(min_frames=108)))
    assert (copy / "project.json").read_bytes() == before


def test_a_damaged_selection_is_told(copy):
    jobs.run(select_project(Project.open(copy), FEW))
    record = copy / "project.json"
    record.write_text(record.read_text().replace('"score": "cc_aniso"', '"score": "beauty"'))
    with pytest.raises(BadInput, match="damaged"):
        Project.open(copy)


def test_a_selection_comes_out_the_same_again_and_changes_are_seen(copy):
    project = replace(Project.open(copy), validation=None, meaning=None)
    project = jobs.run(select_project(project, FEW))
    assert jobs.run(rerun(project)).same
    path = project.selection.path | {"cc": project.selection.path["cc"] + 0.5}
    other = replace(project, selection=replace(project.selection, path=path))
    report = jobs.run(rerun(other))
    assert set(report.differences) == {"selection.path.cc"}
    assert report.differences["selection.path.cc"] == pytest.approx(0.5)
