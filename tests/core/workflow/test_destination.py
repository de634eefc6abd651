"""Where a project goes: strangers' folders are left alone, and what cannot be written to is told at once."""

from __future__ import annotations

import pytest

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.workflow import (
    check_destination,
)


def test_strangers_folders_and_names_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"end in \.mdw"):
        check_destination(tmp_path / "result")
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
    monkeypatch.setattr("mdweights_core.workflow.destination.os.access", lambda folder, mode: asked.append(folder))
    with pytest.raises(DiskProblem, match="nothing can be written"):
        check_destination(tmp_path / "new" / "a.mdw")
    assert asked == [tmp_path]
