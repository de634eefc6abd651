"""The row of controls over the slices: which plane, which intensities, which colours."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QToolButton, QWidget

from app.plots.base import subtle_label
from app.plots.intensity_scale import CONTRASTS, SCALES
from mdweights_core.crystal.volume import ZONES

COMPONENTS = ("total", "anisotropic")
# in a row narrower than this many lines are high the captions leave their room to the boxes
_ROOMY = 36


class PlaneChoice(QWidget):
    """Says what the user chose; draws nothing.

    Signals
    -------
    plane_chosen(str, int)
        Zone (``hk``, ``hl``, ``kl``) and level.
    component_chosen(str)
        ``total`` or ``anisotropic``.
    colours_changed()
        Scale or contrast are others now.
    whole_requested()
        The whole plane is to be seen again.
    """

    plane_chosen = Signal(str, int)
    component_chosen = Signal(str)
    colours_changed = Signal()
    whole_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._limits = (0, 0, 0)
        self.zone = _combo(tuple(plane_name(zone, 0) for zone in ZONES), "Plane", "Which two indices run in the plane")
        self.level = QSpinBox()
        self.level.setAccessibleName("Level of the plane")
        self.level.setToolTip("The third index (Page Up, Page Down)")
        self.level.setKeyboardTracking(False)
        self.component = _combo(COMPONENTS, "Show", "Total intensities, or the anisotropic part: shell means removed")
        self.scale = _combo(
            SCALES, "Colour scale", "How intensities become colours; log and arcsinh are odd about zero"
        )
        self.contrast = _combo(tuple(CONTRASTS), "Contrast", "Which central part of the values the colours span")
        self.contrast.setCurrentText("99 %")
        self.lower_button, self.higher_button = (
            _arrow(Qt.ArrowType.LeftArrow, "Lower level"),
            _arrow(Qt.ArrowType.RightArrow, "Higher level"),
        )
        self.whole = QToolButton()
        self.whole.setText("whole")
        self.whole.setAccessibleName("Whole plane")
        self.whole.setToolTip("Show the whole plane again")
        self._captions = [subtle_label(text) for text in ("scale", "contrast")]
        self._lay_out()
        self._connect()

    @property
    def plane(self) -> tuple[str, int]:
        """Zone and level the controls stand on."""
        return ZONES[self.zone.currentIndex()], self.level.value()

    @property
    def is_signed(self) -> bool:
        """True when the intensities chosen lie about zero."""
        return self.component.currentIndex() == COMPONENTS.index("anisotropic")

    def show_plane(self, zone: str, level: int) -> None:
        """Stand on a plane, without emitting."""
        for widget in (self.zone, self.level):
            widget.blockSignals(True)
        self.zone.setCurrentIndex(ZONES.index(zone))
        self._bound_level(at_least=abs(level))
        self.level.setValue(level)
        self._name_zones()
        for widget in (self.zone, self.level):
            widget.blockSignals(False)

    def show_component(self, component: str) -> None:
        """Stand on ``total`` or ``anisotropic``, without emitting."""
        self.component.blockSignals(True)
        self.component.setCurrentIndex(COMPONENTS.index(component))
        self.component.blockSignals(False)

    def set_limits(self, limits: tuple[int, int, int]) -> None:
        """Take (h_max, k_max, l_max) of the map: they bound the level."""
        self._limits = limits
        self._bound_level()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for caption in self._captions:
            caption.setVisible(event.size().width() >= _ROOMY * self.fontMetrics().height())

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 4, 6, 0)
        row.setSpacing(4)
        for widget in (self.zone, self.lower_button, self.level, self.higher_button, self.component):
            row.addWidget(widget)
        for caption, widget in zip(self._captions, (self.scale, self.contrast), strict=True):
            row.addSpacing(4)
            row.addWidget(caption)
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.whole)

    def _connect(self) -> None:
        self.zone.currentIndexChanged.connect(self._on_plane)
        self.level.valueChanged.connect(self._on_plane)
        self.component.currentIndexChanged.connect(self._on_component)
        self.scale.currentIndexChanged.connect(self._on_colours)
        self.contrast.currentIndexChanged.connect(self._on_colours)
        self.whole.clicked.connect(self.whole_requested)
        self.lower_button.clicked.connect(self.level.stepDown)
        self.higher_button.clicked.connect(self.level.stepUp)

    def _bound_level(self, at_least: int = 0) -> None:
        zone = ZONES[self.zone.currentIndex()]
        third = next(letter for letter in "hkl" if letter not in zone)
        highest = max(self._limits["hkl".index(third)], at_least)
        blocked = self.level.blockSignals(True)
        self.level.setRange(-highest, highest)
        self.level.setPrefix(f"{third} = ")
        self.level.blockSignals(blocked)

    def _name_zones(self) -> None:
        for row, zone in enumerate(ZONES):
            self.zone.setItemText(row, plane_name(zone, self.level.value()))

    @Slot()
    def _on_plane(self) -> None:
        self._bound_level()
        self._name_zones()
        self.plane_chosen.emit(*self.plane)

    @Slot()
    def _on_component(self) -> None:
        self.component_chosen.emit(COMPONENTS[self.component.currentIndex()])

    @Slot()
    def _on_colours(self) -> None:
        self.colours_changed.emit()


def plane_name(zone: str, level: int) -> str:
    """The plane as it is written: ``h k 0``, ``h 3 l``."""
    return " ".join(letter if letter in zone else str(level) for letter in "hkl")


def _combo(items: Sequence[str], name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.addItems(items)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    box.setAccessibleName(name)
    box.setToolTip(tip)
    return box


def _arrow(direction: Qt.ArrowType, name: str) -> QToolButton:
    button = QToolButton()
    button.setArrowType(direction)
    button.setAutoRepeat(True)
    button.setAccessibleName(name)
    button.setToolTip(name)
    return button
