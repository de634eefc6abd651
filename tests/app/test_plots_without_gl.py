"""Where there is no OpenGL the molecule view says so and takes everything in silence."""

import os
import subprocess
import sys
from pathlib import Path

import gemmi
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.scenes import molecule_scene
from app.scenes.molecule_scene import MoleculeView
from app.theme import DARK


@pytest.fixture
def view(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> MoleculeView:
    monkeypatch.setattr(molecule_scene, "gl_problem", lambda: "the driver is on strike")
    widget = MoleculeView()
    qtbot.addWidget(widget)
    return widget


def test_it_says_why_and_that_the_rest_works(view: MoleculeView) -> None:
    assert not view.is_available
    said = "3D view is not available: the driver is on strike. Everything else works."
    assert view.message.text() == said
    view.set_atoms(["C", "O"], ["CA", "O"], ["ALA", "ALA"], ["A", "A"], [1, 1])
    view.show_frame(np.zeros((2, 3)), gemmi.UnitCell(10, 10, 10, 90, 90, 90))
    assert view.message.text() == said


def test_every_call_is_harmless(view: MoleculeView, tmp_path: Path) -> None:
    view.set_atoms(["C"], ["CA"], ["ALA"], ["A"], [1])
    view.show_frame(np.zeros((1, 3)))
    view.show_sets([np.zeros((1, 3))], [])
    view.show_mode("sets")
    view.set_caption("frame 1")
    view.apply_theme(DARK)
    view.reset_view()
    view.look_along("a")
    view.export_image(tmp_path / "molecule.png")
    view.clear()
    view.close_scene()
    assert (tmp_path / "molecule.png").stat().st_size > 0
    assert view.mode == "sets"


def test_a_failing_driver_is_told_not_raised(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molecule_scene, "gl_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "app.scenes.molecule_canvas", None)
    widget = MoleculeView()
    qtbot.addWidget(widget)
    assert not widget.is_available
    assert widget.message.text().startswith("3D view is not available: ")


def test_a_display_without_opengl_is_recognised() -> None:
    script = "\n".join(
        [
            "from PySide6.QtWidgets import QApplication",
            "from app.scenes.probe import gl_problem",
            "print(gl_problem())",
            "app = QApplication([])",
            "print(gl_problem())",
        ]
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["there is no window system yet", "the display 'offscreen' has no OpenGL"]
