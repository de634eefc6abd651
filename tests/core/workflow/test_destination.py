"""Where a project goes: strangers' folders are left alone, and what cannot be written to is told at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from support.synthetic import synthetic_problem

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.scattering.storage import filling
from mdweights_core.workflow import check_destination
from mdweights_core.workflow.destination import check_room


def test_strangers_folders_and_names_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"end in \.mdw"):
        check_destination(tmp_path / "result")
    with pytest.raises(BadInput, match=r"Try project\.mdw"):
        check_destination(Path())
    folder = tmp_path / "thesis.mdw"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("x")
    with pytest.raises(BadInput, match=r"chapter1\.tex"):
        check_destination(folder)
    assert (folder / "chapter1.tex").exists()


def test_a_place_where_nothing_can_be_written_is_told_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(DiskProblem, match="too long"):
        check_destination(tmp_path / f"{300 * 'x'}.mdw")
    (tmp_path / "link.mdw").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="broken link"):
        check_destination(tmp_path / "link.mdw")
    asked = []
    monkeypatch.setattr("mdweights_core.io.files.os.access", lambda folder, mode: asked.append(folder))
    with pytest.raises(DiskProblem, match="nothing can be written"):
        check_destination(tmp_path / "new" / "a.mdw")
    assert asked == [tmp_path]


def test_a_disk_without_room_for_the_project_is_told_before_the_fit(tmp_path, monkeypatch):
    problem = synthetic_problem(20, 500).problem
    check_room(tmp_path / "a.mdw", problem, 50)
    monkeypatch.setattr(filling, "free_bytes", lambda _: 520_000)
    with pytest.raises(DiskProblem, match=r"results, .* take 6\d\d.\d kB, but only 520.0 kB are free"):
        check_room(tmp_path / "a.mdw", problem, 50)
    monkeypatch.setattr(filling, "free_bytes", lambda _: None)
    check_room(tmp_path / "a.mdw", problem, 50)


def test_a_project_takes_no_more_than_is_asked_for(example_project, tmp_path, monkeypatch):
    fit, samples = example_project.fit, example_project.validation.settings.samples
    size = SimpleNamespace(n_frames=len(fit.weights), groups=fit.groups)
    taken = sum(file.stat().st_size for file in example_project.path.iterdir() if file.is_file())
    monkeypatch.setattr(filling, "free_bytes", lambda _: taken)
    with pytest.raises(DiskProblem, match="are free here"):
        check_room(tmp_path / "a.mdw", size, samples)
