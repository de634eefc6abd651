"""What lies where in the window: the docks at its sides, the strip of lights under them, and the room each has."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QToolBar, QWidget

from app.theme import Theme, paint_dock_buttons

LEFT, RIGHT, BOTTOM = (
    Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.DockWidgetArea.RightDockWidgetArea,
    Qt.DockWidgetArea.BottomDockWidgetArea,
)


class Docks:
    """The docks of a window by name: data, fit and what computes left, molecule, frames right, log below, hidden."""

    def __init__(self, window: QMainWindow, *, data: QWidget, fit: QWidget, minimise: QWidget, sample: QWidget,
                 force_field: QWidget, molecule: QWidget, frames: QWidget, log: QWidget,
                 belief: QWidget) -> None:  # fmt: skip
        self._window = window
        self.by_name = {
            "data": self._dock("Data", data, LEFT),
            "fit": self._dock("Fit", fit, LEFT),
            "minimise": self._dock("Minimise", minimise, LEFT),
            "sample": self._dock("Sample", sample, LEFT),
            "force field": self._dock("Force field", force_field, LEFT),
            "molecule": self._dock("Molecule", molecule, RIGHT),
            "frames": self._dock("Frames", frames, RIGHT),
            "log": self._dock("Log", log, BOTTOM),
        }
        self.by_name["log"].hide()
        window.tabifyDockWidget(self.by_name["fit"], self.by_name["minimise"])
        window.tabifyDockWidget(self.by_name["minimise"], self.by_name["sample"])
        window.tabifyDockWidget(self.by_name["sample"], self.by_name["force field"])
        self.by_name["fit"].raise_()
        self._place_belief(belief)

    def share_space(self) -> None:
        """Give each dock its usual room in the window as large as it is now."""
        width = self._window.width()
        left, right = ([self.by_name[name] for name in side] for side in (("data", "fit"), ("molecule", "frames")))
        widths = [min(310, width // 4), min(400, width * 27 // 100)]
        self._window.resizeDocks([left[0], right[0]], widths, Qt.Orientation.Horizontal)
        self._window.resizeDocks(left, [400, 460], Qt.Orientation.Vertical)
        self._window.resizeDocks(right, [420, 360], Qt.Orientation.Vertical)

    def apply_theme(self, theme: Theme) -> None:
        """Paint the buttons of the docks in the colours of `theme`."""
        for dock in self.by_name.values():
            paint_dock_buttons(dock, theme)

    def _dock(self, title: str, widget: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(title, self._window)
        dock.setObjectName(title.lower())
        dock.setWidget(widget)
        self._window.addDockWidget(area, dock)
        return dock

    def _place_belief(self, belief: QWidget) -> None:
        """Under all docks, over the status bar, where it cannot be moved away."""
        bar = QToolBar("Whether to believe the weights", self._window)
        bar.setObjectName("belief")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        bar.toggleViewAction().setVisible(False)
        bar.addWidget(belief)
        self._window.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)
