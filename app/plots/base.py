"""What every plot shares: an empty state, the theme, axes with units and figure export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPalette
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from app.theme import LIGHT, Theme
from mdweights_core.errors import BadInput, DiskProblem

SCORE_NAMES = {"cc_aniso": "anisotropic CC", "cc": "total CC"}
"""What the numbers of a validation are called."""

_REDRAW_MS = 60
_NO_RANGES: tuple[tuple[float, float], ...] = ()


class PlotPanel(QWidget):
    """A widget with one pyqtgraph canvas that shows a sentence instead while it has nothing to show.

    Attributes
    ----------
    canvas : pyqtgraph.GraphicsLayoutWidget
        Where the plots live.
    body : QVBoxLayout
        Controls go above, read-outs below the canvas.
    """

    title = ""
    empty_text = ""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = LIGHT
        self.setAccessibleName(self.title)
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setAccessibleName(f"{self.title} plot")
        self.canvas.ci.setContentsMargins(4, 4, 8, 4)
        self.empty_label = _empty_label(self.empty_text)
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(2)
        self.body.addWidget(self.canvas, stretch=1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.empty_label)
        self._pages.addWidget(content)

    @property
    def is_empty(self) -> bool:
        """True while the sentence stands in place of the plot."""
        return self._pages.currentIndex() == 0

    def minimumSizeHint(self) -> QSize:
        """Small enough for a docked window of 1280 x 800."""
        return QSize(220, 120)

    def add_controls(self, *widgets: QWidget) -> QLabel:
        """Put `widgets` in a row above the canvas; the caption returned takes what is left of it."""
        summary = summary_label()
        row = QHBoxLayout()
        row.setContentsMargins(6, 3, 6, 0)
        for widget in widgets:
            row.addWidget(widget)
        row.addWidget(summary, stretch=1)
        self.body.insertLayout(0, row)
        return summary

    def add_legend(self, entries: int, column: int = 0, span: int = 1) -> pg.LegendItem:
        """A legend of so many entries side by side above the plots, which lie in row 1 and take all other height."""
        legend = pg.LegendItem(colCount=entries, verSpacing=-4, labelTextSize="8pt")
        self.canvas.addItem(legend, row=0, col=column, colspan=span)
        self.canvas.ci.layout.setRowStretchFactor(1, 1)
        self.canvas.ci.layout.setVerticalSpacing(0)
        return legend

    def show_content(self) -> None:
        """Show the plot."""
        self._pages.setCurrentIndex(1)

    def show_empty(self, sentence: str | None = None) -> None:
        """Show `sentence` (or the plot's own) in place of the plot."""
        self.empty_label.setText(sentence or self.empty_text)
        self._pages.setCurrentIndex(0)

    def clear(self) -> None:
        """Forget all data and show the empty state."""
        self.show_empty()

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        self.theme = theme
        self.canvas.setBackground(theme.plot_background)

    def export_image(self, path: str | Path, *, theme: Theme | None = None, scale: float = 2.0) -> None:
        """Write the plot as it is seen to a PNG or SVG file.

        Parameters
        ----------
        path : path
            Its ending, ``.png`` or ``.svg``, says the format.
        theme : Theme, optional
            Colours of the figure when they are to differ from the screen's (LIGHT for print).
        scale : float
            PNG pixels per screen pixel.

        Raises
        ------
        BadInput
            When the ending is neither.
        DiskProblem
            When the file cannot be written.
        """
        seen = self.theme
        try:
            if theme is not None:
                self.apply_theme(theme)
            self.canvas.grab()  # items place themselves when painted: those made a moment ago have not been yet
            export_view(self.canvas, Path(path), self.theme, scale)
        finally:
            if theme is not None:
                self.apply_theme(seen)


class LateDraw(QTimer):
    """Draws a moment later, and once for all that came meanwhile: a running fit tells more than can be seen."""

    def __init__(self, draw: Callable[[], None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setSingleShot(True)
        self.setInterval(_REDRAW_MS)
        self.timeout.connect(draw)

    def soon(self) -> None:
        """Draw, unless that is about to happen."""
        if not self.isActive():
            self.start()


def export_view(view: pg.GraphicsView, path: Path, theme: Theme, scale: float) -> None:
    """Paint `view` into a PNG or SVG file; `BadInput` for other endings, `DiskProblem` when it cannot be written."""
    size = view.viewport().size()
    target = QRectF(0, 0, size.width(), size.height())
    if path.suffix.lower() == ".svg":
        generator = QSvgGenerator()
        generator.setFileName(str(path))
        generator.setSize(size)
        generator.setViewBox(target)
        # pyqtgraph records axes at the screen's resolution; at any other the numbers stand off their ticks
        generator.setResolution(view.logicalDpiX())
        generator.setTitle(view.accessibleName())
        painter = QPainter()
        if not painter.begin(generator):
            raise DiskProblem("the figure could not be written", where=path, advice="Choose another folder")
        painter.fillRect(target, QColor(theme.plot_background))
        view.render(painter, target)
        painter.end()
        return
    if path.suffix.lower() != ".png":
        raise BadInput(
            f"figures are written as .png or .svg, not as '{path.suffix}'",
            where=path,
            advice="Change the file's ending",
        )
    image = QImage(size * scale, QImage.Format.Format_ARGB32)
    image.fill(QColor(theme.plot_background))
    painter = QPainter(image)
    view.render(painter, QRectF(image.rect()))
    painter.end()
    if not image.save(str(path)):
        raise DiskProblem("the figure could not be written", where=path, advice="Choose another folder")


def style_axis(axis: pg.AxisItem, theme: Theme) -> None:
    """Lines, numbers and label of `axis` in the theme's colours."""
    axis.setPen(pg.mkPen(theme.plot_foreground, width=1))
    axis.setTextPen(pg.mkPen(theme.plot_foreground))
    if axis.labelText:
        axis.setLabel(axis.labelText, siPrefixEnableRanges=_NO_RANGES, color=theme.plot_foreground)


def paint_legend(legend: pg.LegendItem, theme: Theme) -> None:
    """Names of `legend` in the theme's colour, those that stand there already too."""
    legend.setLabelTextColor(theme.plot_foreground)
    for _, label in legend.items:
        label.setText(label.text, color=theme.plot_foreground)


def style_plot(plot: pg.PlotItem, theme: Theme) -> None:
    """Axes of `plot` in the theme's colours."""
    for name in ("left", "bottom", "right", "top"):
        style_axis(plot.getAxis(name), theme)


def plain_axis(axis: pg.AxisItem, label: str) -> None:
    """Name an axis, unit included; numbers are never rescaled behind the label's back."""
    axis.setLabel(label, siPrefixEnableRanges=_NO_RANGES)  # switched off alone, it is once more applied by pyqtgraph
    axis.enableAutoSIPrefix(False)


def subtle_label(text: str = "") -> QLabel:
    """A caption in the theme's subtle text colour."""
    label = QLabel(text)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def summary_label() -> QLabel:
    """A caption at the right end of a row of controls that gives way when there is no room."""
    label = subtle_label()
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def figures_font(widget: QWidget) -> QFont:
    """The widget's font with digits of equal width, so that a read-out does not dance."""
    font = QFont(widget.font())
    font.setStyleHint(QFont.StyleHint.Monospace)
    font.setFamilies(["DejaVu Sans Mono", "Menlo", "Consolas", "monospace"])
    return font


def known_curve(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve, or an empty one when no point of it is known: pyqtgraph warns about curves of nothing but NaN."""
    if (np.isfinite(x) & np.isfinite(y)).any():
        return np.asarray(x, dtype=np.float64), np.array(y, dtype=np.float64)
    return np.empty(0), np.empty(0)


def glass(colour: str, alpha: int) -> QColor:
    """`colour` made see-through: alpha from 0 (not there) to 255 (opaque)."""
    made = QColor(colour)
    made.setAlpha(alpha)
    return made


def _empty_label(text: str) -> QLabel:
    label = subtle_label(text)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(True)
    label.setMargin(16)
    return label
