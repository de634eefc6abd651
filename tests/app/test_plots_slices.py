from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.plots.intensity_scale import SCALES, IntensityScale
from app.plots.plane_choice import PlaneChoice
from app.plots.plane_view import largest_inverse_d, plane_transform
from app.plots.slice_view import SliceTriptych
from app.theme import DARK, LIGHT, difference_colours
from mdweights_core.crystal.volume import ReciprocalVolume, Slice
from mdweights_core.errors import BadInput, DiskProblem

TRICLINIC = gemmi.UnitCell(30, 35, 40, 75, 112, 100)
LIMITS = (6, 5, 4)
HOLE = (3, -2, 1)


def volume(cell: gemmi.UnitCell = TRICLINIC) -> ReciprocalVolume:
    """Values that name their own indices: h + 100 k + 10 000 l, one reflection missing."""
    h, k, l = np.meshgrid(*(np.arange(-n, n + 1) for n in LIMITS), indexing="ij")
    values = (h + 100 * k + 10_000 * l).astype(np.float32)
    values[tuple(index + limit for index, limit in zip(HOLE, LIMITS, strict=True))] = np.nan
    return ReciprocalVolume(values, cell)


@pytest.fixture
def triptych(qtbot: QtBot) -> SliceTriptych:
    widget = SliceTriptych()
    qtbot.addWidget(widget)
    widget.resize(900, 420)
    widget.set_limits(LIMITS)
    return widget


def show(widget: SliceTriptych, qtbot: QtBot) -> None:
    with qtbot.waitExposed(widget):
        widget.show()


def colour_at(widget: SliceTriptych, view: int, plane: Slice, u: int, v: int) -> tuple[int, int, int]:
    x, y = u * plane.axes[0] + v * plane.axes[1]
    widget.views[view]._forget_rings()  # a ring may run over the cell
    where = widget.views[view].mapViewToScene(QPointF(x, y))
    image: QImage = widget.canvas.grab().toImage()
    return image.pixelColor(where.toPoint()).getRgb()[:3]  # type: ignore[return-value]


@pytest.mark.parametrize("zone", ["hk", "hl", "kl"])
def test_the_picture_and_the_read_out_use_the_same_geometry(zone: str) -> None:
    plane = volume().slice(zone, 1)
    for row, column in [(0, 0), (plane.v_max, plane.u_max), (1, 2 * plane.u_max), (3, 5)]:
        point = plane_transform(plane).map(QPointF(column + 0.5, row + 0.5))
        h, k, l = plane.hkl_at(point.x(), point.y())
        shown = plane.values[row, column]
        expected = h + 100 * k + 10_000 * l
        assert shown == expected or ((h, k, l) == HOLE and np.isnan(shown))


def test_cells_are_painted_where_their_reflections_are(triptych: SliceTriptych, qtbot: QtBot) -> None:
    plane = volume().slice("hk", 1)
    triptych.set_component("anisotropic")
    triptych.choice.contrast.setCurrentText("min-max")
    triptych.set_slices(plane)
    show(triptych, qtbot)
    limit = float(np.nanmax(np.abs(plane.values)))
    table = difference_colours()[:, :3].astype(int)
    for u, v in [(4, 4), (-5, 2), (3, 1), (-2, -4)]:
        value = plane.value_at(u, v, 1)
        expected = table[min(255, int(256 * (value + limit) / (2 * limit)))]
        assert np.abs(np.array(colour_at(triptych, 0, plane, u, v)) - expected).max() <= 3


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_missing_cell_is_flat_grey(triptych: SliceTriptych, qtbot: QtBot, theme: object) -> None:
    plane = volume().slice("hk", 1)
    triptych.set_slices(plane)
    triptych.apply_theme(theme)
    show(triptych, qtbot)
    assert colour_at(triptych, 0, plane, 3, -2) == QColor(theme.missing).getRgb()[:3]


def test_views_move_together(triptych: SliceTriptych, qtbot: QtBot) -> None:
    plane = volume().slice("hk", 0)
    triptych.set_slices(plane, plane, plane)
    show(triptych, qtbot)
    triptych.views[2].setRange(xRange=(-0.05, 0.08), yRange=(-0.04, 0.06), padding=0)
    first = np.array(triptych.views[2].viewRange())
    for view in triptych.views[:2]:
        np.testing.assert_allclose(np.array(view.viewRange()), first, atol=0.004)
    assert {view.width() for view in triptych.views} == {triptych.views[0].width()}


def test_the_whole_plane_fills_the_view_at_any_size(triptych: SliceTriptych, qtbot: QtBot) -> None:
    plane = volume().slice("hk", 0)
    triptych.set_slices(plane)
    show(triptych, qtbot)
    view = triptych.views[0]
    for width, height in [(900, 420), (1500, 420), (700, 700)]:
        triptych.resize(width, height)
        QApplication.processEvents()
        half = np.array(view.whole_range())
        spare = np.array(view.viewRange())[:, 1] / half
        assert spare.min() == pytest.approx(1.04, abs=0.03)
    view.setRange(xRange=(0.0, 0.05), yRange=(0.0, 0.05))
    view.sigRangeChangedManually.emit([True, True])
    triptych.resize(800, 500)
    QApplication.processEvents()
    assert view.viewRange()[0][1] < half[0]


def test_read_out_tells_all_numbers_and_dashes(triptych: SliceTriptych) -> None:
    observed = volume()
    double = ReciprocalVolume(2 * observed.values, TRICLINIC)
    triptych.set_slices(observed.slice("hk", 1), double.slice("hk", 1), None, None)
    triptych.show_cursor(2, 3, 1)
    d = TRICLINIC.calculate_d([2, 3, 1])
    assert list(triptych.readout().values()) == ["2 3 1", f"{d:.2f} \N{ANGSTROM SIGN}", "10302", "20604", "-", "-"]
    triptych.show_cursor(*HOLE)
    assert triptych.readout()["I obs"] == "-"
    assert triptych.readout()["h k l"] == "3 -2 1"


def test_a_cursor_outside_the_plane_takes_the_read_out_away(triptych: SliceTriptych) -> None:
    triptych.set_slices(volume().slice("hk", 1))
    for hkl in [(2, 3, 0), (60, 0, 1)]:
        triptych.show_cursor(2, 3, 1)
        triptych.show_cursor(*hkl)
        assert set(triptych.readout().values()) == {"-"}


def test_the_cursor_follows_to_the_next_level(triptych: SliceTriptych) -> None:
    triptych.set_slices(volume().slice("hk", 1))
    triptych.show_cursor(2, 3, 1)
    triptych.set_slices(volume().slice("hk", 2))
    assert triptych.readout()["h k l"] == "2 3 2"


def test_another_plane_is_asked_for_by_spin_box_keys_and_combo(triptych: SliceTriptych, qtbot: QtBot) -> None:
    triptych.set_slices(volume().slice("hk", 0))
    show(triptych, qtbot)
    asked: list[tuple[str, int]] = []
    triptych.slice_requested.connect(lambda zone, level: asked.append((zone, level)))
    triptych.activateWindow()
    triptych.canvas.setFocus()
    qtbot.waitUntil(triptych.canvas.hasFocus)
    triptych.choice.level.setValue(4)
    qtbot.keyClick(triptych.canvas, Qt.Key.Key_PageDown)
    triptych.choice.lower_button.click()
    triptych.choice.zone.setCurrentIndex(2)
    assert asked == [("hk", 4), ("hk", 3), ("hk", 2), ("kl", 2)]
    assert [triptych.choice.zone.itemText(row) for row in range(3)] == ["h k 2", "h 2 l", "2 k l"]


def test_the_level_is_bounded_by_the_map(triptych: SliceTriptych) -> None:
    triptych.set_slices(volume().slice("kl", 6))
    asked: list[tuple[str, int]] = []
    triptych.slice_requested.connect(lambda zone, level: asked.append((zone, level)))
    assert (triptych.choice.level.minimum(), triptych.choice.level.maximum()) == (-6, 6)
    triptych.choice.zone.setCurrentIndex(0)
    assert asked == [("hk", 4)]
    assert triptych.choice.level.prefix() == "l = "


def test_showing_slices_asks_for_nothing(triptych: SliceTriptych) -> None:
    asked: list[object] = []
    triptych.slice_requested.connect(lambda *where: asked.append(where))
    triptych.component_changed.connect(asked.append)
    triptych.set_slices(volume().slice("kl", 3))
    triptych.set_component("anisotropic")
    assert asked == []
    assert triptych.plane == ("kl", 3)
    triptych.choice.component.setCurrentIndex(0)
    assert asked == ["total"]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("component", ["total", "anisotropic"])
def test_values_of_both_signs_are_drawn_on_every_scale(triptych: SliceTriptych, scale: str, component: str) -> None:
    plane = volume().slice("hk", 0)
    triptych.choice.scale.setCurrentText(scale)
    triptych.set_component(component)
    triptych.set_slices(plane, plane, plane)
    for view in triptych.views:
        assert np.isfinite(view._image.image).all()
        low, high = view._image.levels
        assert low < high
    low, high = triptych.views[2]._image.levels
    assert low == -high


def test_observed_and_calculated_share_their_limits(triptych: SliceTriptych) -> None:
    observed = volume().slice("hk", 0)
    bright = ReciprocalVolume(3 * volume().values, TRICLINIC).slice("hk", 0)
    triptych.choice.contrast.setCurrentText("min-max")
    triptych.set_slices(observed, bright, None)
    assert tuple(triptych.views[0]._image.levels) == tuple(triptych.views[1]._image.levels)
    scale = IntensityScale("linear", 3.0 * np.nanmin(observed.values), 3.0 * np.nanmax(observed.values))
    assert tuple(triptych.views[0]._image.levels) == pytest.approx(scale.levels)


def test_bottom_axis_numbers_stand_where_the_lattice_lines_meet_the_edge(triptych: SliceTriptych, qtbot: QtBot) -> None:
    plane = volume().slice("hl", 0)
    triptych.set_slices(plane)
    show(triptych, qtbot)
    view = triptych.views[0]
    (left, right), (low, _) = view.viewRange()
    axis = triptych._index_axes[1]
    values = axis.tickValues(left, right, 280)[0][1]
    assert len(values) >= 3
    for x, text in zip(values, axis.tickStrings(values, 1.0, 1.0), strict=True):
        u, v = np.linalg.solve(plane.axes.T, [x, low])
        assert u == pytest.approx(int(text.replace("\N{MINUS SIGN}", "-")), abs=1e-9)
        assert abs(v) > 1.0  # the lower edge is far from the line v = 0


def test_rings_reach_to_the_farthest_measured_reflection() -> None:
    plane = volume().slice("hk", 2)
    index = np.array([(h, k, 2) for h in range(-6, 7) for k in range(-5, 6)])
    farthest = max(1.0 / TRICLINIC.calculate_d(hkl.tolist()) for hkl in index)
    assert largest_inverse_d(plane) == pytest.approx(farthest, rel=1e-6)


def test_without_calculated_map_the_view_says_what_to_do(triptych: SliceTriptych) -> None:
    triptych.set_slices(volume().slice("hk", 0))
    assert "Run a fit" in triptych.views[1]._sentence.toPlainText()
    triptych.set_slices(volume().slice("hk", 0), volume().slice("hk", 0))
    assert triptych.views[1]._sentence.toPlainText() == ""


def test_empty_state_comes_back(triptych: SliceTriptych) -> None:
    assert triptych.is_empty
    assert triptych.empty_label.text() == "Open a diffuse map to see slices."
    triptych.set_slices(volume().slice("hk", 0))
    assert not triptych.is_empty
    triptych.clear()
    assert triptych.is_empty
    assert set(triptych.readout().values()) != {""}


@pytest.mark.parametrize("name", ["slice.png", "slice.svg"])
def test_figures_are_written(triptych: SliceTriptych, qtbot: QtBot, tmp_path: Path, name: str) -> None:
    triptych.set_slices(volume().slice("hk", 0))
    triptych.apply_theme(DARK)
    show(triptych, qtbot)
    triptych.export_image(tmp_path / name, theme=LIGHT)
    written = QImage(str(tmp_path / name)) if name.endswith("png") else None
    if written is not None:
        assert written.width() == 2 * triptych.canvas.viewport().width()
        assert written.pixelColor(2, 2) == QColor(LIGHT.plot_background)
    else:
        text = (tmp_path / name).read_text()
        assert "observed, h k 0" in text
        assert "r.l.u." in text
    assert triptych.theme is DARK


def test_figures_that_cannot_be_written_say_so(triptych: SliceTriptych, tmp_path: Path) -> None:
    triptych.set_slices(volume().slice("hk", 0))
    with pytest.raises(BadInput, match=r"\.png or \.svg"):
        triptych.export_image(tmp_path / "slice.tiff")
    for name in ("slice.png", "slice.svg"):
        with pytest.raises(DiskProblem):
            triptych.export_image(tmp_path / "nowhere" / name)


def test_the_real_map_is_drawn(triptych: SliceTriptych, qtbot: QtBot, shared_data: Path) -> None:
    from mdweights_core.crystal.laue import group_of, laue_groups
    from mdweights_core.io.maps.mtz import read_diffuse_map

    chart = read_diffuse_map(shared_data / "snase" / "snc_reference_P41merged.mtz").within(2.0, None)
    groups = laue_groups(chart.lattice)
    values = np.full(len(groups), np.nan)
    values[group_of(chart.lattice.hkl, groups)] = chart.intensity
    plane = ReciprocalVolume.from_groups(groups, values).slice("hk", 0)
    triptych.set_slices(plane)
    show(triptych, qtbot)
    bright, dim = (colour_at(triptych, 0, plane, u, 0) for u in (14, 3))
    assert sum(bright) > sum(dim)  # the solvent ring at 3.4 A


def shown_ring_labels(triptych: SliceTriptych) -> list[float]:
    """Heights on the screen of the ring labels that are shown in the first view, pixels, rising."""
    view = triptych.views[0]
    shown = [label for _, label in view._ring_labels if label.isVisible()]
    return sorted(view.mapViewToScene(label.pos()).y() for label in shown)


def test_rings_stay_where_the_plane_has_the_same_ones(triptych: SliceTriptych) -> None:
    view = triptych.views[0]
    triptych.set_slices(volume().slice("hk", 0))
    before = list(view._rings)
    assert before
    triptych.set_slices(volume().slice("hk", 0))
    assert view._rings == before
    triptych.set_slices(volume().slice("hk", 1))
    assert not set(view._rings) & set(before)
    before = list(view._rings)
    view.apply_theme(DARK)
    assert not set(view._rings) & set(before)
    view.say("nothing")
    assert not view._rings


def test_labels_of_rings_never_cover_one_another(triptych: SliceTriptych, qtbot: QtBot) -> None:
    triptych.resize(500, 200)
    triptych.set_slices(volume().slice("hk", 0))
    show(triptych, qtbot)
    few = shown_ring_labels(triptych)
    assert len(few) >= 1
    assert all(gap > 15 for gap in np.diff(few))  # their slanted distance is 20
    triptych.views[0].scaleBy((0.25, 0.25))
    assert len(shown_ring_labels(triptych)) > len(few)


@pytest.mark.parametrize("width", [480, 700, 1100])
def test_numbers_of_a_colour_bar_have_room(triptych: SliceTriptych, qtbot: QtBot, width: int) -> None:
    triptych.resize(width, 400)
    plane = volume().slice("hk", 0)
    wide = replace(plane, values=1e3 * plane.values)
    triptych.set_slices(wide, wide, replace(plane, values=37.0 * (plane.values - np.nanmean(plane.values))))
    show(triptych, qtbot)
    for bar in (triptych._bar, triptych._difference_bar):
        numbers = bar.axis._tickLevels[0]
        low, high = bar._scale.levels
        assert len(numbers) >= 2
        metrics = QFontMetricsF(bar.axis.font())
        edges = []
        for position, text in numbers:
            at, half = (position - low) / (high - low) * bar.view.width(), 0.5 * metrics.horizontalAdvance(text)
            edges += [at - half, at + half]
        assert edges == sorted(edges)
        assert min(edges) > -5
        assert max(edges) < bar.view.width() + 5


def test_captions_give_way_in_a_narrow_window(qtbot: QtBot) -> None:
    room = QWidget()
    qtbot.addWidget(room)
    choice = PlaneChoice(room)
    with qtbot.waitExposed(room):
        room.show()
    line = choice.fontMetrics().height()
    for width, there in ((50 * line, True), (34 * line, False), (50 * line, True)):
        choice.resize(width, 40)
        assert [caption.isVisibleTo(choice) for caption in choice._captions] == [there, there]
