"""What a saved project can be asked again: validation, theta scan, meaning, and the same numbers."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.cli.main import main
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.example import example_inputs
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import Project
from mdweights_core.revisit import _compare_numbers, _why, explain_project, rerun, scan_project, validate_project
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.frames.scratch import Scratch
from mdweights_core.weights.settings import FitSettings, ValidationSettings
from mdweights_core.workflow import fit_project

QUICK = ValidationSettings(folds=2, starts=2, thetas=2, samples=3)


@pytest.fixture
def copy(example_project, tmp_path):
    """A copy of the example's project, with its structure factors, that may be changed."""
    target = tmp_path / "copy.mdw"
    shutil.copytree(example_project.path, target)
    return target


def _fit(out, **options):
    settings = FitSettings(**options)
    quick = {"validation_settings": QUICK, "meaning_settings": None}
    return jobs.run(fit_project(example_inputs(), PredictSettings(), settings, out, **quick))


def test_a_validation_takes_the_place_of_the_former(copy):
    jobs.run(validate_project(Project.open(copy), QUICK))
    found = Project.open(copy)
    assert found.validation.settings == QUICK
    assert found.validation.restarts.score.shape == (2,)
    assert len(found.validation.lights) == 6
    assert found.meaning is not None


def test_a_stopped_validation_keeps_the_former(copy):
    before = Project.open(copy).validation.verdict
    job = validate_project(Project.open(copy), ValidationSettings())
    while next(job).stage != "validation":
        pass
    kept = jobs.stop(job)
    assert kept.validation.verdict == before
    assert Project.open(copy).validation.settings == ValidationSettings()


def test_a_scan_leaves_the_project_alone(copy):
    before = (copy / "project.json").read_bytes()
    scan = jobs.run(scan_project(Project.open(copy), ValidationSettings(folds=2, starts=0, thetas=3, samples=0)))
    assert len(scan.theta) == 3
    assert (copy / "project.json").read_bytes() == before


QUICKLY = {
    "validate": ["--folds", "2", "--starts", "1", "--thetas", "0", "--samples", "0"],
    "scan": ["--folds", "2", "--thetas", "2"],
    "rerun": [],
}


@pytest.mark.parametrize("command", QUICKLY)
def test_structure_factors_are_read_from_disk_where_memory_is_short(command, copy, monkeypatch):
    """And only where it is: the project remembers nothing of it."""
    if command == "rerun":
        jobs.run(validate_project(Project.open(copy), QUICK))
    files, into = [], Scratch.into
    monkeypatch.setattr(Scratch, "into", lambda *where: files.append(where) or into(*where))
    for options, is_short in ((["--memory", "0.0001"], True), ([], False)):
        files.clear()
        assert main([command, str(copy), *QUICKLY[command], *options]) == 0
        assert bool(files) == is_short


def test_a_scan_of_nothing_is_refused(example_project):
    with pytest.raises(BadInput, match="two thetas"):
        jobs.run(scan_project(example_project, ValidationSettings(thetas=1)))


def test_a_validation_of_nothing_is_refused_and_after_a_fit_left_out(example_project, tmp_path):
    nothing = ValidationSettings(folds=0, starts=0, thetas=0, samples=0)
    with pytest.raises(BadInput, match="nothing would be validated"):
        jobs.run(validate_project(example_project, nothing))
    options = {"validation_settings": nothing, "meaning_settings": None}
    inputs = dataclasses.replace(example_inputs(), d_min=3.0)
    job = fit_project(inputs, PredictSettings(), FitSettings(max_steps=2), tmp_path / "a.mdw", **options)
    assert jobs.run(job).validation is None


def test_chosen_sets_are_compared(copy):
    settings = MeaningSettings(max_clusters=1)
    good, bad = np.arange(10), np.arange(50, 60)
    project = jobs.run(explain_project(Project.open(copy), settings, good, bad))
    assert project.meaning.sets.is_given
    assert set(np.flatnonzero(project.meaning.sets.good)) <= set(good)
    assert Project.open(copy).meaning.settings == settings


def test_the_example_gives_the_same_numbers_again(example_project):
    report = jobs.run(rerun(example_project))
    assert report.same, report.sentence
    assert report.largest_weight_difference == 0
    assert not list(example_project.path.parent.glob(".rerun-*"))


@pytest.mark.parametrize(
    "options", [{"theta": 0.02, "tied_frames": 5}, {"n_eff_floor": 60, "objective": "chi2"}, {"max_frames": 30}]
)
def test_other_fits_give_the_same_numbers_again(tmp_path, options):
    report = jobs.run(rerun(_fit(tmp_path / "other.mdw", **options)))
    assert report.same, report.sentence


def test_another_result_is_told_with_the_largest_difference(example_project):
    weights = example_project.fit.weights.copy()
    weights[:2] += 0.001, -0.001
    other = dataclasses.replace(example_project, fit=dataclasses.replace(example_project.fit, weights=weights))
    report = jobs.run(rerun(other))
    assert not report.same
    assert report.largest_weight_difference == pytest.approx(0.001)
    assert "weights differ by at most 1.0e-03" in report.sentence


def test_why_numbers_differ_names_the_program_first(example_project):
    told = example_project.provenance
    assert "Programs and libraries are the same" in _why(example_project, example_project)
    for changed, saying in [
        ({"source": "0" * 64}, "another version of mdweights, although"),
        ({"program": "mdweights 0.0"}, "mdweights 0.0 then"),
        ({"packages": told["packages"] | {"numpy": "1.0"}}, "numpy 1.0 then"),
    ]:
        before = dataclasses.replace(example_project, provenance=told | changed)
        assert saying in _why(before, example_project)
    unknown = {name: value for name, value in told.items() if name != "source"}
    before = dataclasses.replace(example_project, provenance=unknown)
    assert "or another version of mdweights" in _why(before, example_project)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ([np.nan, 1.0], [np.nan, 1.5], 0.5),
        ([np.nan, 1.0], [2.0, 1.0], np.inf),
        ([np.inf, 1.0], [np.inf, 3.0], 2.0),
        ([np.nan, np.nan], [np.nan, 0.0], np.inf),
    ],
)
def test_numbers_that_are_none_are_compared_too(one, other, difference):
    found = {}
    _compare_numbers("a", np.array(one), np.array(other), found)
    assert found == {"a": difference}


def test_an_explanation_of_chosen_sets_is_run_again_with_them(copy):
    project = jobs.run(explain_project(Project.open(copy), MeaningSettings(), np.arange(9), np.arange(50, 70)))
    assert jobs.run(rerun(project)).same


def test_a_stopped_rerun_compares_nothing(example_project):
    job = rerun(example_project)
    while next(job).stage != "validation":
        pass
    assert jobs.stop(job) is None


def test_a_project_that_is_only_read_is_told_before_any_work_and_run_again_elsewhere(example_project, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: mode == os.R_OK and access(place, mode))
    for job in (validate_project(example_project, QUICK), explain_project(example_project, MeaningSettings())):
        with pytest.raises(DiskProblem, match="nothing can be written here"):
            next(job)
    places = []
    monkeypatch.setattr(tempfile, "TemporaryDirectory", lambda prefix, dir: places.append(dir) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        jobs.run(rerun(example_project))
    monkeypatch.setattr(os, "access", access)
    with pytest.raises(ZeroDivisionError):
        jobs.run(rerun(example_project))
    assert places == [None, example_project.path.parent]


def test_a_changed_map_is_told(example_project, tmp_path):
    project = dataclasses.replace(example_project, provenance={"files": {str(tmp_path / "gone.mtz"): "abc"}})
    with pytest.raises(BadInput, match="gone or holds something else"):
        jobs.run(rerun(project))


def test_a_stopped_fit_is_not_run_again(example_project):
    project = dataclasses.replace(example_project, fit=dataclasses.replace(example_project.fit, stopped=True))
    with pytest.raises(BadInput, match="stopped"):
        jobs.run(rerun(project))


def test_stopping_in_the_validation_keeps_the_fit(tmp_path):
    job = fit_project(example_inputs(), PredictSettings(), FitSettings(), tmp_path / "stopped.mdw")
    while next(job).stage != "validation":
        pass
    table = tmp_path / "stopped.mdw" / "weights.csv"
    assert len(table.read_text().splitlines()) == 109  # those of 108 frames need not wait for the validation
    project = jobs.stop(job)
    assert project.fit.converged
    assert not project.validation.complete
    assert Project.open(project.path).fit.converged


def test_commands_print_one_object_each(copy, tmp_path, capsys):
    quick = ["--folds", "2", "--thetas", "2", "--json"]
    assert main(["validate", str(copy), "--starts", "1", "--samples", "2", *quick]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {light["state"] for light in found["lights"]} <= {"good", "weak", "bad", "none"}
    assert found["conclusion"] in {"supported", "weak", "unsupported", "overfit"}
    assert main(["scan", str(copy), "--csv", str(tmp_path / "scan.csv"), *quick]) == 0
    assert len(json.loads(capsys.readouterr().out)["theta"]) == 2
    assert len((tmp_path / "scan.csv").read_text().splitlines()) == 3
    assert main(["explain", str(copy), "--clusters", "3", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["pseudo_energy"]) == 108


def test_rerun_says_whether_numbers_are_the_same(tmp_path, capsys):
    project = _fit(tmp_path / "again.mdw")
    assert main(["rerun", str(project.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    changed = dataclasses.replace(project.fit, weights=project.fit.weights[::-1].copy())
    dataclasses.replace(project, fit=changed).save()
    assert main(["rerun", str(project.path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["same"] is False


def test_commands_for_people(copy, capsys):
    assert main(["scan", str(copy), "--folds", "2", "--thetas", "2"]) == 0
    assert "held-out reflections" in capsys.readouterr().out
    assert main(["explain", str(copy)]) == 0
    assert "central frame" in capsys.readouterr().out
