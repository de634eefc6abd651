from dataclasses import fields

import numpy as np
import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QAbstractButton, QApplication, QDockWidget
from pytestqt.qtbot import QtBot

from app.theme import (
    DARK,
    LIGHT,
    Theme,
    apply_theme,
    difference_colours,
    intensity_colours,
    paint_dock_buttons,
    palette,
    system_theme,
)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channel = np.array([QColor(colour).redF(), QColor(colour).greenF(), QColor(colour).blueF()])
    linear = np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lightness(rgba: np.ndarray) -> np.ndarray:
    """CIE L* of RGBA rows."""
    y = np.array([luminance(QColor(*row[:3].tolist()).name()) for row in rgba])
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_legible(theme: Theme) -> None:
    for name in ("text", "subtle", "warning"):
        assert contrast(getattr(theme, name), theme.window) >= 4.5, name
        assert contrast(getattr(theme, name), theme.base) >= 4.5, name
    for name in ("plot_foreground", "good", "bad", "accent"):
        assert contrast(getattr(theme, name), theme.plot_background) >= 4.0, name


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_good_is_blue_and_bad_is_orange(theme: Theme) -> None:
    good, bad = QColor(theme.good), QColor(theme.bad)
    assert good.blue() > good.red() + 80
    assert bad.red() > bad.blue() + 80


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("colours", [intensity_colours, difference_colours], ids=["intensity", "difference"])
def test_missing_cells_look_like_no_value(theme: Theme, colours: object) -> None:
    table = colours()[:, :3].astype(int)  # type: ignore[operator]
    missing = np.array(QColor(theme.missing).getRgb()[:3])
    assert np.abs(table - missing).max(axis=1).min() > 20


def test_intensity_colours_grow_evenly_lighter() -> None:
    steps = np.diff(lightness(intensity_colours()[::16]))
    assert steps.min() > 0.5 * steps.mean()


def test_difference_colours_are_balanced_about_white() -> None:
    table = difference_colours()
    light = lightness(table)
    assert light[127:129].min() > 95
    assert np.abs(light[:112] - light[:-113:-1]).max() < 18
    assert (np.diff(light[:128]) >= -0.5).all()
    assert (np.diff(light[128:]) <= 0.5).all()


def test_every_colour_is_a_colour() -> None:
    for theme in (LIGHT, DARK):
        for field in fields(theme):
            if field.name != "name":
                assert QColor(getattr(theme, field.name)).isValid(), field.name
    assert DARK.is_dark
    assert not LIGHT.is_dark


def test_apply_theme_dresses_the_application(qapp: QApplication) -> None:
    before = QPalette(qapp.palette())
    style = qapp.style().objectName()
    try:
        apply_theme(qapp, DARK)
        assert qapp.style().objectName().lower() == "fusion"
        assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(DARK.window)
        disabled = qapp.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
        assert disabled == QColor(DARK.neutral)
    finally:
        apply_theme(qapp, LIGHT)
        qapp.setStyle(style)
        qapp.setPalette(before)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_buttons_of_a_dock_are_seen_on_its_ground(qtbot: QtBot, theme: Theme) -> None:
    dock = QDockWidget("dock")
    qtbot.addWidget(dock)
    paint_dock_buttons(dock, theme)
    for name in ("qt_dockwidget_floatbutton", "qt_dockwidget_closebutton"):
        picture = dock.findChild(QAbstractButton, name).icon().pixmap(64, 64).toImage()
        inked = [picture.pixelColor(i, i) for i in range(64) if picture.pixelColor(i, i).alpha() == 255]
        assert inked
        assert min(contrast(colour.name(), theme.window) for colour in inked) > 4.5


def test_system_theme_follows_the_ground_where_no_scheme_is_reported(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        def colorScheme(self) -> object:
            from PySide6.QtCore import Qt

            return Qt.ColorScheme.Unknown

    before = QPalette(qapp.palette())
    monkeypatch.setattr(QApplication, "styleHints", lambda self: Silent())
    try:
        for theme in (DARK, LIGHT):
            qapp.setPalette(palette(theme))
            assert system_theme() is theme
    finally:
        qapp.setPalette(before)
