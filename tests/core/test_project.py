"""The project folder: everything comes back, half-written or strange folders are told."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mdweights_core.cli.main import main
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.files import hold
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.project import FitInputs, Project, provenance


@pytest.fixture
def copy(example_project, tmp_path):
    """A copy of the example's project without its structure factors, free to be damaged."""
    target = tmp_path / "copy.mdw"
    shutil.copytree(example_project.path, target, ignore=shutil.ignore_patterns("*.zarr"))
    return target


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


def _leaves(value, place=()):
    """Places of all values in a record; of lists the first item stands for all."""
    if isinstance(value, dict | list) and value:
        for key, part in list(value.items() if isinstance(value, dict) else enumerate(value[:1])):
            yield (*place, key)
            yield from _leaves(part, (*place, key))


@pytest.mark.parametrize("wrong", [None, "x", []])
def test_a_record_with_a_wrong_value_is_damaged_or_does_no_harm(copy, wrong, capsys):
    whole = (copy / "project.json").read_text()
    places = list(dict.fromkeys(_leaves(json.loads(whole))))
    assert len(places) > 150
    refused = 0
    for place in places:
        record = json.loads(whole)
        inner = record
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = wrong
        (copy / "project.json").write_text(json.dumps(record))
        code = main(["info", str(copy), "--json"])
        assert code in (0, 2), (place, capsys.readouterr().err)
        refused += code == 2
    assert refused > len(places) / 3


def test_a_newer_schema_is_refused(copy):
    file = copy / "project.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 99}))
    with pytest.raises(BadInput, match="newer version"):
        Project.open(copy)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"schema_version": "x"}'])
def test_a_broken_record_is_a_sentence(copy, damage):
    (copy / "project.json").write_text(damage)
    with pytest.raises(BadInput, match="project"):
        Project.open(copy)


@pytest.mark.parametrize("length", [0, 10, 1000, 100_000])
def test_truncated_arrays_are_a_sentence(copy, length):
    file = next(copy.glob("fit-*.npz"))
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(BadInput, match="damaged"):
        Project.open(copy)


def test_a_missing_key_is_a_sentence(copy):
    file = copy / "project.json"
    record = json.loads(file.read_text())
    del record["result"]["n_eff"]
    file.write_text(json.dumps(record))
    with pytest.raises(BadInput, match="damaged"):
        Project.open(copy)


def test_a_folder_that_is_no_project_is_told(tmp_path):
    with pytest.raises(BadInput, match="not an mdweights project"):
        Project.open(tmp_path)


def test_inputs_survive_json(tmp_path):
    inputs = FitInputs(
        tmp_path / "m.mtz",
        (tmp_path / "a.xtc",),
        tmp_path / "t.pdb",
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


def test_frames_are_told_apart(tmp_path):
    assert frame_kind((tmp_path / "F.zarr",)) == "store"
    assert frame_kind((tmp_path,)) == "mtz"
    assert frame_kind((tmp_path / "a.mtz.gz",)) == "mtz"
    assert frame_kind((tmp_path / "a.xtc",)) == "trajectory"
    (tmp_path / "run.dtr").mkdir()
    assert frame_kind((tmp_path / "run.dtr",)) == "trajectory"
    with pytest.raises(BadInput, match="one store"):
        frame_kind((tmp_path / "F.zarr", tmp_path / "G.zarr"))
    with pytest.raises(BadInput, match="no frames"):
        frame_kind(())
    with pytest.raises(BadInput, match="one store"):
        frame_kind((tmp_path / "a.zarr", tmp_path / "b.zarr"))


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


def test_fingerprints_do_not_depend_on_the_folder_the_fit_was_run_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.mtz").write_bytes(b"x")
    files = provenance(FitInputs(map=Path("map.mtz"), frames=(Path("absent.zarr"),)))["files"]
    assert list(files) == [str(tmp_path / "map.mtz")]


def test_input_files_that_changed_are_named(copy, tmp_path):
    project = Project.open(copy)
    assert project.changed_files() == []
    absent = str(tmp_path / "absent.mtz")
    files = project.provenance["files"] | {absent: "0", str(project.inputs.map): "other"}
    changed = dataclasses.replace(project, provenance={**project.provenance, "files": files}).changed_files()
    assert set(changed) == {absent, str(project.inputs.map)}
