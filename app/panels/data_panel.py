"""What goes in: map above, frames below."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.models.readings import MapReading
from app.models.session import Session
from app.panels.frames_box import FramesBox
from app.panels.map_box import MapBox


class DataPanel(QScrollArea):
    """The Data dock, bound to the session's document."""

    map_requested = Signal()
    frames_requested = Signal()
    topology_requested = Signal()
    settings_requested = Signal()
    check_requested = Signal()
    failed = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.map_box, self.frames_box = MapBox(), FramesBox()
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.map_box)
        layout.addWidget(self.frames_box)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._connect()

    def _connect(self) -> None:
        document = self._session.document
        document.map_changed.connect(self.map_box.show_reading)
        document.map_changed.connect(self._on_readings)
        document.map_changed.connect(self._on_map)
        document.frames_changed.connect(self._on_readings)
        document.draft_changed.connect(self.frames_box.show_draft)
        document.draft_changed.connect(self.map_box.show_draft)
        self.map_box.edited.connect(self._on_edited)
        self.frames_box.edited.connect(self._on_edited)
        self.map_box.failed.connect(self.failed)
        self.frames_box.failed.connect(self.failed)
        self.map_box.open_requested.connect(self.map_requested)
        self.frames_box.open_requested.connect(self.frames_requested)
        self.frames_box.topology_requested.connect(self.topology_requested)
        self.frames_box.settings_requested.connect(self.settings_requested)
        self.frames_box.check_requested.connect(self.check_requested)
        self._session.check.changed.connect(self._on_check)

    @Slot(object)
    def _on_readings(self, reading: object) -> None:
        """What the frames are, and how their box stands to the cell of the map."""
        document = self._session.document
        self.frames_box.show_reading(document.frames, document.box_warnings, asks_for_cell=document.asks_for_cell)

    @Slot(object)
    def _on_map(self, reading: MapReading | None) -> None:
        self.frames_box.show_cell_problem(reading.problem if reading is not None and reading.is_cell_wrong else None)

    @Slot()
    def _on_check(self) -> None:
        check = self._session.check
        tip = "" if check.problem is None else check.problem.sentence
        self.frames_box.show_check(check.summary and f"Check: {check.summary}", tip)

    @Slot(dict)
    def _on_edited(self, changes: dict) -> None:
        self._session.inputs.edit(**changes)
        self._on_readings(None)  # what is said of the box follows the settings
