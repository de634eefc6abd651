from collections.abc import Iterator
from pathlib import Path

import gemmi
import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.scenes.molecule_scene import MoleculeView
from app.scenes.probe import gl_problem
from app.theme import DARK, LIGHT
from mdweights_core.errors import BadInput, DiskProblem

CELL = gemmi.UnitCell(12, 14, 16, 90, 90, 90)
# a chain of five atoms with an oxygen and a hydrogen, and one water
ELEMENTS = ["C", "C", "C", "O", "H", "O"]
NAMES = ["CA", "CB", "CG", "OD", "H1", "O"]
RESIDUES = ["LIG"] * 5 + ["HOH"]
POSITIONS = np.array([[4, 6, 8], [5.5, 6, 8], [7, 6, 8], [8.2, 6, 8], [4, 7, 8], [2, 2, 2]], dtype=np.float32)


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[MoleculeView]:
    widget = MoleculeView()
    qtbot.addWidget(widget)
    widget.resize(420, 420)
    yield widget
    widget.close_scene()


def show(view: MoleculeView, qtbot: QtBot) -> None:
    with qtbot.waitExposed(view):
        view.show()
    QApplication.processEvents()


def set_chain(view: MoleculeView) -> None:
    view.set_atoms(ELEMENTS, NAMES, RESIDUES, ["A"] * 5 + ["W"], [1] * 5 + [2])


def pixels(view: MoleculeView) -> np.ndarray:
    """What is on the canvas: int [height, width, 3]."""
    QApplication.processEvents()
    assert view._scene is not None
    image = view._scene.image().convertToFormat(QImage.Format.Format_RGB888)
    raw = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def inked(view: MoleculeView) -> np.ndarray:
    """Pixels that are not ground, bool [height, width]."""
    ground = np.array(QColor(view.theme.plot_background).getRgb()[:3])
    return np.abs(pixels(view) - ground).max(axis=2) > 12


def reddish(view: MoleculeView) -> int:
    rgb = pixels(view)
    return int(((rgb[..., 0] > rgb[..., 2] + 40) & (rgb[..., 0] > rgb[..., 1] + 40)).sum())


def bluish(view: MoleculeView) -> int:
    rgb = pixels(view)
    return int((rgb[..., 2] > rgb[..., 0] + 40).sum())


def test_this_display_has_opengl(view: MoleculeView) -> None:
    assert gl_problem() is None
    assert view.is_available


def test_empty_view_says_what_to_do(view: MoleculeView, qtbot: QtBot) -> None:
    show(view, qtbot)
    assert view.message.isVisible()
    assert view.message.text() == "Open a trajectory to see its molecules."


def test_a_frame_is_drawn_in_the_colours_of_its_elements(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS)
    show(view, qtbot)
    assert inked(view).sum() > 300
    assert reddish(view) > 30  # the oxygen
    view.controls.colour_box.setCurrentIndex(1)
    assert reddish(view) == 0


def test_hydrogens_and_water_are_hidden_by_default(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS, CELL)
    show(view, qtbot)
    plain = inked(view).sum()
    view.controls.hydrogens.setChecked(True)
    with_hydrogen = inked(view).sum()
    view.controls.water.setChecked(True)
    assert plain < with_hydrogen < inked(view).sum()


def test_the_next_frame_moves_what_is_there(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS, CELL)
    show(view, qtbot)
    view.look_along("c")
    visuals = list(view._scene._sizes)
    before = np.argwhere(inked(view) & (np.abs(np.diff(pixels(view)[..., :2], axis=2)[..., 0]) > 30)).mean(axis=0)
    view.show_frame(POSITIONS + np.array([0, 3.0, 0], dtype=np.float32), CELL)
    after = np.argwhere(inked(view) & (np.abs(np.diff(pixels(view)[..., :2], axis=2)[..., 0]) > 30)).mean(axis=0)
    assert after[0] < before[0] - 10  # looking down c, +y is up
    assert list(view._scene._sizes) == visuals


@pytest.mark.parametrize(("axis", "across", "up"), [("a", "b", "c"), ("b", "a", "c"), ("c", "a", "b")])
def test_looking_along_an_axis_shows_the_other_two(
    view: MoleculeView, qtbot: QtBot, axis: str, across: str, up: str
) -> None:
    set_chain(view)
    view.show_frame(POSITIONS, CELL)
    show(view, qtbot)
    view.look_along(axis)
    pixels(view)
    origin, *ends = view._scene.on_screen(np.vstack([np.zeros(3), np.diag([12.0, 14.0, 16.0])]))
    step = dict(zip("abc", np.array(ends) - origin, strict=True))
    assert np.linalg.norm(step[axis]) < 1.0
    assert abs(step[across][0]) > 40
    assert abs(step[across][1]) < 1.0
    assert step[up][1] < -40  # pixels count downwards
    # the frame is right-handed: a x b points at the viewer when looking down c
    handed = {"a": 1, "b": -1, "c": 1}[axis]
    assert np.sign(step[across][0]) == handed


def test_sets_are_blue_and_orange(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS)
    view.apply_theme(DARK)
    view.show_sets([POSITIONS, POSITIONS + 0.3], [])
    view.show_mode("sets")
    show(view, qtbot)
    assert bluish(view) > 50
    assert reddish(view) == 0
    view.show_sets([], [POSITIONS])
    assert bluish(view) == 0
    rgb = pixels(view)
    assert ((rgb[..., 0] > rgb[..., 2] + 60) & (rgb[..., 1] > rgb[..., 2])).sum() > 50
    assert view.caption == "0 good (blue), 1 bad (orange)"


def test_frame_and_sets_are_never_mixed(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS)
    view.show_sets([], [])
    show(view, qtbot)
    assert inked(view).any()
    view.show_mode("sets")
    assert not inked(view).any()
    assert view.caption == "Mark frames to compare good with bad."


def test_the_user_switches_the_mode(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS)
    modes: list[str] = []
    view.mode_changed.connect(modes.append)
    view.show_mode("sets")
    assert modes == []
    view.controls.mode_buttons["frame"].click()
    view.controls.mode_buttons["frame"].click()
    view.controls.mode_buttons["sets"].click()
    assert modes == ["frame", "sets"]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_ground_is_that_of_the_theme(view: MoleculeView, qtbot: QtBot, theme: object) -> None:
    set_chain(view)
    view.show_frame(POSITIONS)
    view.apply_theme(theme)
    show(view, qtbot)
    assert pixels(view)[2, -3].tolist() == list(QColor(theme.plot_background).getRgb()[:3])


def test_the_picture_carries_its_caption(view: MoleculeView, qtbot: QtBot, tmp_path: Path) -> None:
    set_chain(view)
    view.show_frame(POSITIONS, CELL)
    show(view, qtbot)
    bare = view.grab_image().convertToFormat(QImage.Format.Format_RGB32)
    view.set_caption("frame 117, weight 0.0121")
    named = view.grab_image().convertToFormat(QImage.Format.Format_RGB32)
    corner = view._overlay.caption.geometry()
    assert bare.copy(corner) != named.copy(corner)
    view.export_image(tmp_path / "molecule.png")
    assert QImage(str(tmp_path / "molecule.png")).size() == named.size()
    with pytest.raises(BadInput, match=r"\.png only"):
        view.export_image(tmp_path / "molecule.svg")
    with pytest.raises(DiskProblem):
        view.export_image(tmp_path / "nowhere" / "molecule.png")


def test_positions_of_other_atoms_are_ignored(view: MoleculeView) -> None:
    view.show_frame(POSITIONS)
    assert not view.has_content
    set_chain(view)
    view.show_frame(POSITIONS[:3])
    view.show_sets([POSITIONS[:2]], [])
    assert not view.has_content


def test_another_molecule_replaces_the_first(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS)
    show(view, qtbot)
    view.clear()
    assert view.message.isVisible()
    view.set_atoms(["O", "O"], ["O1", "O2"], ["OXY", "OXY"], ["A", "A"], [1, 1])
    view.show_frame(np.array([[0.0, 0, 0], [1.2, 0, 0]]))
    assert reddish(view) > 100
    assert not view.message.isVisible()


def test_a_real_protein_is_traced_by_chain(view: MoleculeView, qtbot: QtBot, shared_data: Path) -> None:
    model = gemmi.read_structure(str(shared_data / "snase" / "disorder_models.pdb"))[0]
    flat = [(a, r, c) for c in model for r in c for a in r]
    view.set_atoms(
        [a.element.name for a, _, _ in flat],
        [a.name for a, _, _ in flat],
        [r.name for _, r, _ in flat],
        [c.name for _, _, c in flat],
        [r.seqid.num for _, r, _ in flat],
    )
    view.show_frame(np.array([a.pos.tolist() for a, _, _ in flat]), gemmi.UnitCell(48.5, 48.5, 63.4, 90, 90, 90))
    show(view, qtbot)
    assert view.controls.style_box.currentText() == "trace"
    assert inked(view).sum() > 2000


def set_trace(view: MoleculeView) -> np.ndarray:
    """Twelve CA atoms in a row along a; returns their positions."""
    view.set_atoms(["C"] * 12, ["CA"] * 12, ["ALA"] * 12, ["A"] * 12, range(12))
    return np.column_stack([3.8 * np.arange(12), np.zeros(12), np.zeros(12)]).astype(np.float32)


def test_each_set_of_chains_has_its_mean_drawn_through_it(view: MoleculeView, qtbot: QtBot) -> None:
    line = set_trace(view)
    up = np.array([0.0, 0.0, 8.0], dtype=np.float32)
    view.show_frame(line, gemmi.UnitCell(45, 45, 45, 90, 90, 90))
    view.show_mode("sets")
    show(view, qtbot)
    view.look_along("b")

    def inked_rows() -> np.ndarray:
        """Height of every inked row over the first chain, angstrom, leaving the cell and the caption out."""
        pixels(view)
        (x0, y0), (x1, y1) = view._scene.on_screen(np.array([[8.0, 0.0, 0.0], [30.0, 0.0, 10.0]]))
        left, right = sorted((round(x0), round(x1)))
        rows = np.flatnonzero(inked(view)[:, left:right].mean(axis=1) > 0.9)
        return (y0 - rows) / (y0 - y1) * 10.0

    view.show_sets([line + up, line + 2 * up], [])
    heights = inked_rows()
    assert np.abs(heights - 12.0).min() < 0.5
    assert "means thick" in view.caption
    view.show_sets([line + up], [line + 2 * up])  # one model is its own mean
    assert np.abs(inked_rows() - 12.0).min() > 2.0


def test_sticks_keep_their_thickness_in_angstrom(view: MoleculeView, qtbot: QtBot) -> None:
    line = set_trace(view)
    view.controls.style_box.setCurrentIndex(1)
    view.show_frame(line)
    show(view, qtbot)
    view.look_along("b")

    def thickness() -> int:
        return int(np.median(inked(view)[:, 200:260].sum(axis=0)))

    pixels(view)
    near = thickness()
    view._scene.camera.scale_factor *= 2.0
    pixels(view)
    assert thickness() == pytest.approx(near / 2, rel=0.25)
    assert near > 5


def test_another_cell_is_shown_whole(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS, CELL)
    show(view, qtbot)
    view.show_frame(POSITIONS, gemmi.UnitCell(60, 60, 60, 90, 90, 90))
    corner = view._scene.on_screen(np.full((1, 3), 60.0))[0]
    assert (corner > 0).all()
    assert (corner < [view._scene.widget.width(), view._scene.widget.height()]).all()


def test_closing_gives_the_context_back(view: MoleculeView, qtbot: QtBot) -> None:
    set_chain(view)
    view.show_frame(POSITIONS)
    show(view, qtbot)
    view.close()
    assert not view.is_available
    view.show_frame(POSITIONS)  # a reader thread may still answer
    view.close_scene()
