"""Where a project comes from: fingerprints of its files, and which of them changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mdweights_core.project import FitInputs, Project, provenance


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
