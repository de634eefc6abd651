"""Colours of the window and its plots, light and dark, and the colour maps of the slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QAbstractButton, QApplication, QDockWidget


@dataclass(frozen=True)
class Theme:
    """The colours everything is drawn with, as ``#rrggbb``.

    Attributes
    ----------
    name : str
        ``light`` or ``dark``.
    window, base, text, subtle : str
        Window, entry fields, text, and text that steps back.
    accent : str
        The one colour of what is selected: frame, brush, button with focus.
    warning : str
        The one colour of what needs attention.
    plot_background, plot_foreground, grid : str
        Of all plots and of the molecule view.
    neutral : str
        Bars and points that are neither good, bad nor selected.
    good, bad : str
        Blue for frames kept (or positive weights), orange for frames dropped: told apart with any colour vision.
    missing : str
        Cells of a slice that were not measured; no colour map contains it.
    """

    name: str
    window: str
    base: str
    text: str
    subtle: str
    accent: str
    warning: str
    plot_background: str
    plot_foreground: str
    grid: str
    neutral: str
    good: str
    bad: str
    missing: str

    @property
    def is_dark(self) -> bool:
        """True when light text stands on a dark ground."""
        return QColor(self.window).lightness() < 128


LIGHT = Theme(
    name="light",
    window="#f3f4f6",
    base="#ffffff",
    text="#1c2127",
    subtle="#5d6673",
    accent="#6b3fc0",
    warning="#b42318",
    plot_background="#ffffff",
    plot_foreground="#3a424c",
    grid="#d9dde3",
    neutral="#96a0ad",
    good="#0b6fae",
    bad="#c65a00",
    missing="#c9ccd1",
)

DARK = Theme(
    name="dark",
    window="#24282e",
    base="#363d47",
    text="#e6e9ed",
    subtle="#a3acb8",
    accent="#b99cff",
    warning="#ff8f7a",
    plot_background="#16181c",
    plot_foreground="#c8ced6",
    grid="#363c45",
    neutral="#79838f",
    good="#56b0ee",
    bad="#f59a3c",
    missing="#4a4f57",
)


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Give `app` the Fusion style, the palette of `theme`, and pyqtgraph its defaults."""
    app.setStyle("Fusion")
    app.setPalette(palette(theme))
    pg.setConfigOptions(
        background=theme.plot_background,
        foreground=theme.plot_foreground,
        imageAxisOrder="row-major",
        antialias=False,
    )


def system_theme() -> Theme:
    """The theme that fits the desktop: its colour scheme where it reports one, else the lightness of its windows."""
    app = QGuiApplication.instance()
    if not isinstance(app, QGuiApplication):
        return LIGHT
    scheme = app.styleHints().colorScheme()
    if scheme == Qt.ColorScheme.Unknown:
        ground = app.palette().color(QPalette.ColorRole.Window)
        return DARK if ground.lightness() < 128 else LIGHT
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def palette(theme: Theme) -> QPalette:
    """The Qt palette of `theme`, with its disabled colours."""
    role = QPalette.ColorRole
    made = QPalette(QColor(theme.window))
    for name, colour in {
        role.Window: theme.window,
        role.WindowText: theme.text,
        role.Base: theme.base,
        role.AlternateBase: theme.window,
        role.Text: theme.text,
        role.Button: theme.base if theme.is_dark else theme.window,
        role.ButtonText: theme.text,
        role.PlaceholderText: theme.subtle,
        role.ToolTipBase: theme.base,
        role.ToolTipText: theme.text,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.plot_background,
        role.Link: theme.accent,
        role.LinkVisited: theme.accent,
        role.BrightText: theme.warning,
    }.items():
        made.setColor(name, QColor(colour))
    for name in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText, role.PlaceholderText):
        made.setColor(QPalette.ColorGroup.Disabled, name, QColor(theme.neutral))
    made.setColor(QPalette.ColorGroup.Disabled, role.Base, QColor(theme.window))
    made.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(theme.grid))
    return made


def paint_dock_buttons(dock: QDockWidget, theme: Theme) -> None:
    """Draw the float and close buttons of a dock in the theme's colours: the style's own vanish on a dark ground."""
    for name, draw in _DOCK_BUTTONS.items():
        button = dock.findChild(QAbstractButton, name)
        if button is not None:
            button.setIcon(_icon(draw, theme.subtle))


def _icon(draw: Callable[[QPainter], None], colour: str) -> QIcon:
    picture = QPixmap(64, 64)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colour), 7))
    draw(painter)
    painter.end()
    return QIcon(picture)


def _two_windows(painter: QPainter) -> None:
    painter.drawRect(10, 22, 32, 32)
    painter.drawPolyline([QPoint(24, 10), QPoint(54, 10), QPoint(54, 40)])


def _cross(painter: QPainter) -> None:
    painter.drawLine(12, 12, 52, 52)
    painter.drawLine(52, 12, 12, 52)


_DOCK_BUTTONS = {"qt_dockwidget_floatbutton": _two_windows, "qt_dockwidget_closebutton": _cross}


def intensity_colours() -> np.ndarray:
    """Table for intensities of one sign, perceptually uniform (viridis): uint8 [256, 4], RGBA."""
    return pg.colormap.get("viridis").getLookupTable(nPts=256, alpha=True)


def difference_colours() -> np.ndarray:
    """Table for values about zero, blue over white to orange, of equal lightness on both sides: uint8 [256, 4]."""
    stops = ["#08306b", "#2171b5", "#7fb3d9", "#fafafa", "#f3a65c", "#c65a00", "#6f2f00"]
    positions = np.array([0.0, 0.2, 0.36, 0.5, 0.64, 0.8, 1.0])
    return pg.ColorMap(positions, [QColor(stop) for stop in stops]).getLookupTable(nPts=256, alpha=True)
