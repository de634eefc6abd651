"""The project folder: everything comes back, and what was there stays until the new files are complete."""

from __future__ import annotations

import dataclasses
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mdweights_core.errors import DiskProblem
from mdweights_core.io.files import hold
from mdweights_core.project import Project


def _same(one, other, path=""):
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            _same(getattr(one, field.name), getattr(other, field.name), f"{path}.{field.name}")
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, err_msg=path)
    elif isinstance(one, dict):
        assert set(one) == set(other), path
        for key in one:
            _same(one[key], other[key], f"{path}[{key}]")
    elif isinstance(one, tuple) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            _same(*pair, f"{path}[{number}]")
    elif isinstance(one, float) and np.isnan(one):
        assert np.isnan(other), path
    elif "cell" in path or "space_group" in path:
        assert str(one) == str(other), path
    else:
        assert one == other, path


def test_everything_comes_back(example_project):
    opened = Project.open(example_project.path)
    _same(example_project.fit, opened.fit)
    _same(example_project.frames, opened.frames)
    assert opened.inputs == example_project.inputs
    assert opened.fit_settings == example_project.fit_settings
    _same(example_project.validation, opened.validation)
    _same(example_project.meaning, opened.meaning)


def test_a_project_without_proofs_comes_back_without(copy):
    bare = dataclasses.replace(Project.open(copy), validation=None, meaning=None)
    bare.save()
    opened = Project.open(copy)
    assert opened.validation is None
    assert opened.meaning is None
    _same(bare.fit, opened.fit)


def test_a_project_of_the_first_schema_can_be_opened(copy):
    dataclasses.replace(Project.open(copy), validation=None, meaning=None).save()
    arrays_file = next(copy.glob("fit-*.npz"))
    with np.load(arrays_file) as arrays:
        older = {name: value for name, value in arrays.items() if name not in ("prior", "multipliers")}
    with arrays_file.open("wb") as stream:
        np.savez(stream, **older)
    record = json.loads((copy / "project.json").read_text()) | {"schema_version": 1}
    new = ("weighting", "n_eff_floor", "tied_frames", "max_frames", "bragg_weight", "mask_bragg", "mask_negative")
    new += ("mask_outliers", "mask_ice")
    for part, names in (("fit_settings", new), ("inputs", ("prior", "bragg")), ("result", ("gain", "theta"))):
        for name in names:
            del record[part][name]
    (copy / "project.json").write_text(json.dumps(record))
    opened = Project.open(copy)
    assert opened.fit.prior.tolist() == [1 / 108] * 108
    assert np.isnan(opened.fit.gain)
    assert opened.fit.theta == 0
    assert opened.validation is None


@pytest.mark.parametrize(("altloc", "x"), [("A", 1.0), ("B", 2.0)])
def test_molecules_are_of_the_conformer_that_was_computed(example_project, tmp_path, altloc, x):
    form = "ATOM  {:5d}  CB {}SER A   1    {:8.3f}{:8.3f}{:8.3f}  0.50 10.00           C\n"
    path = tmp_path / "alternatives.pdb"
    path.write_text(form.format(1, "A", 1, 2, 3) + form.format(2, "B", 2, 2, 3))
    inputs = dataclasses.replace(example_project.inputs, frames=(path,), topology=None)
    settings = dataclasses.replace(example_project.predict_settings, altloc=altloc)
    project = dataclasses.replace(example_project, inputs=inputs, predict_settings=settings)
    assert project.frame_source().positions(0).tolist() == [[x, 2, 3]]


def test_the_record_can_be_read_by_people_and_names_versions_and_hashes(example_project):
    record = json.loads((example_project.path / "project.json").read_text())
    assert record["schema_version"] == 2
    assert record["result"]["n_frames"] == len(example_project.fit.weights)
    assert record["provenance"]["packages"]["jax"]
    assert str(example_project.inputs.map) in record["provenance"]["files"]


def test_saving_again_leaves_one_array_file(copy):
    project = Project.open(copy)
    project.save()
    project.save()
    assert len(list(copy.glob("fit-*.npz"))) == 1
    _same(Project.open(copy).fit, project.fit)


def test_a_save_that_fails_leaves_the_old_project(copy, monkeypatch):
    project = Project.open(copy)
    real = os.replace

    def full(source, target):
        if str(target).endswith("project.json"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiskProblem, match="disk is full"):
        project.save()
    monkeypatch.undo()
    _same(Project.open(copy).fit, project.fit)


def test_a_place_that_cannot_be_made_is_a_disk_problem(copy, tmp_path):
    (tmp_path / "file").write_text("x")
    project = dataclasses.replace(Project.open(copy), path=tmp_path / "file" / "a.mdw")
    with pytest.raises(DiskProblem):
        project.save()


def test_a_disk_that_is_full_leaves_no_empty_folder(copy, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    project = dataclasses.replace(Project.open(copy), path=tmp_path / "new" / "a.mdw")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiskProblem, match="disk is full"):
        project.save()
    assert [path.name for path in tmp_path.iterdir()] == ["copy.mdw"]


def test_saving_waits_for_another_run_that_saves(copy):
    project = Project.open(copy)
    with ThreadPoolExecutor(1) as other:
        with hold(copy):
            saving = other.submit(project.save)
            with pytest.raises(TimeoutError):
                saving.result(timeout=0.2)
        saving.result(timeout=20)
    _same(Project.open(copy).fit, project.fit)
