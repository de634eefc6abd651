"""The strip under the plots: whether to believe the weights, as a sentence and six lights."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.models.readings import ProjectReading
from app.models.revisit import VALIDATE
from app.models.session import Session
from app.models.validity import COLOURS, CONCLUSIONS, Light, Verdict, judge
from app.panels.forms import ElidedLabel, subtle
from app.theme import LIGHT, Theme
from mdweights_core.jobs import Progress
from mdweights_core.weights.validation.result import Validation

_NARROWEST = 600  # pixels: six lights of a word each

EMPTY = "Whether the weights can be believed will stand here after a fit."
NOT_VALIDATED = "This fit was not validated: whether its weights can be believed is not known."
INCOMPLETE = " The validation was stopped before its end."
PLACES = {
    "held-out": "held-out folds",
    "starts": "fits from other starts",
    "concentration": "weights",
    "theta": "scan of theta",
    "time": "bootstrap",
    "influence": "influence of single frames",
}
"""What a click on each light shows."""


class BeliefStrip(QFrame):
    """The verdict of a validation, and its lights, each with a shape and a word beside its colour.

    Signals
    -------
    light_clicked(str)
        Name of the light whose plot is asked for.
    validate_requested()
        The fit is to be validated.
    """

    light_clicked = Signal(str)
    validate_requested = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._theme: Theme = LIGHT
        self._lights: tuple[Light, ...] = ()
        self._verdict = Verdict.UNKNOWN
        self.setAccessibleName("Whether to believe the weights")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.sign, self.sentence = QLabel(), _WrappedLabel()
        self.validate_button = QPushButton("Validate")
        self.validate_button.setToolTip("Hold out parts of the data, begin elsewhere, draw frames anew: see Validation")
        self.buttons: list[LightButton] = []
        self._lay_out()
        document = session.document
        document.project_changed.connect(self._on_project)
        document.validation_changed.connect(self._on_validation)
        session.fit.running_changed.connect(self._on_running)
        session.fit.staged.connect(self._on_stage)
        session.fit.stepped.connect(self._on_step)
        session.revisit.running_changed.connect(self._on_revisit)
        self.validate_button.clicked.connect(self.validate_requested)
        self.refresh()

    def apply_theme(self, theme: Theme) -> None:
        """Paint the signs in the colours of `theme`."""
        self._theme = theme
        self._paint()

    @Slot()
    def refresh(self) -> None:
        """Show what is known now."""
        fitted = self._session.document.fitted
        validation = None if fitted is None else fitted.project.validation
        self._show_lights(() if fitted is None else judge(fitted.project.fit, validation))
        if fitted is None:
            self._say(Verdict.UNKNOWN, EMPTY)
        elif validation is None:
            self._say(Verdict.UNKNOWN, NOT_VALIDATED)
        else:
            rest = "" if validation.complete else INCOMPLETE
            self._say(CONCLUSIONS[validation.conclusion], validation.verdict + rest)
        lacks = fitted is not None and (validation is None or not validation.complete)
        lacks = lacks and not self._session.fit.is_running  # it may be about to be validated
        self.validate_button.setVisible(lacks)
        self._enable()

    def sizeHint(self) -> QSize:
        """As high as the sentence needs at the present width: a tool bar asks for nothing else."""
        width = max(self.width(), _NARROWEST)
        return QSize(width, self._rows.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(_NARROWEST, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def show_progress(self, progress: Progress) -> None:
        """Say how far the validation of a running job is."""
        self._say(Verdict.UNKNOWN, describe(progress))

    def _lay_out(self) -> None:
        first = QHBoxLayout()
        first.setSpacing(8)
        first.addWidget(self.sign)
        first.addWidget(self.sentence, 1)
        first.addWidget(self.validate_button)
        self._row = QHBoxLayout()
        self._row.setSpacing(2)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(8, 4, 8, 4)
        self._rows.setSpacing(2)
        self._rows.addLayout(first)
        self._rows.addLayout(self._row)

    def _show_lights(self, lights: tuple[Light, ...]) -> None:
        for button in self.buttons:
            self._row.removeWidget(button)
            button.setParent(None)
            button.deleteLater()
        self._lights = lights
        self.buttons = [LightButton(light) for light in lights]
        for button in self.buttons:
            button.clicked.connect(self._on_clicked)
            self._row.addWidget(button)
        self._paint()

    def _say(self, verdict: Verdict, text: str) -> None:
        self._verdict = verdict
        self.sign.setText(verdict.value)
        self.sign.setAccessibleName(f"Verdict: {verdict.word}")
        self.sentence.setText(text)
        self.updateGeometry()
        self._paint()

    def _paint(self) -> None:
        self.sign.setStyleSheet(f"color: {getattr(self._theme, COLOURS[self._verdict])}")
        for button in self.buttons:
            button.paint_in(self._theme)

    def _enable(self) -> None:
        """While another fit runs these are the verdicts on the one before."""
        fit = self._session.fit
        for button in self.buttons:
            button.setEnabled(not fit.hides_another)
        self.validate_button.setEnabled(not fit.is_running and not self._session.revisit.running)

    @Slot()
    def _on_clicked(self) -> None:
        button = self.sender()
        if isinstance(button, LightButton):
            self.light_clicked.emit(button.light.name)

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        self.refresh()

    @Slot(object)
    def _on_validation(self, validation: Validation | None) -> None:
        self.refresh()

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        if running:
            self._enable()
            self._say(Verdict.UNKNOWN, "A fit runs; it is validated afterwards.")
            self.validate_button.hide()
        else:
            self.refresh()

    @Slot(str)
    def _on_revisit(self, name: str) -> None:
        if name == VALIDATE:
            self._say(Verdict.UNKNOWN, "Validating")
        else:
            self.refresh()
        self._enable()

    @Slot(object)
    def _on_stage(self, progress: Progress) -> None:
        if self._session.fit.is_running or self._session.revisit.running == VALIDATE:
            self.show_progress(progress)

    @Slot(int, float, object)
    def _on_step(self, step: int, seconds: float, values: object) -> None:
        if self._session.fit.is_running:
            self._say(Verdict.UNKNOWN, f"Fitting, iteration {step}; what comes out is validated afterwards.")


class LightButton(QToolButton):
    """A light: its sign and name, the value below. A click asks for its plot."""

    def __init__(self, light: Light, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.light = light
        self.sign, self.name, self.value = QLabel(light.verdict.value), subtle(light.name), ElidedLabel(light.value)
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 2, 6, 2)
        grid.setHorizontalSpacing(5)
        grid.setVerticalSpacing(0)
        grid.addWidget(self.sign, 0, 0)
        grid.addWidget(self.name, 0, 1)
        grid.addWidget(self.value, 1, 0, 1, 2)
        grid.setColumnStretch(1, 1)
        for label in (self.sign, self.name, self.value):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setToolTip(_tip(light))
        self.setAccessibleName(f"{light.text}: {light.verdict.word}")
        self.setAutoRaise(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def text_shown(self) -> str:
        """Sign, name and value."""
        return f"{self.light.verdict.value} {self.light.text}"

    def paint_in(self, theme: Theme) -> None:
        """Colour the sign as `theme` has it."""
        self.sign.setStyleSheet(f"color: {getattr(theme, COLOURS[self.light.verdict])}")

    def sizeHint(self) -> QSize:
        width = max(self.value.fontMetrics().horizontalAdvance(text) for text in (self.light.value, self.light.name))
        return QSize(width + 40, 2 * self.fontMetrics().height() + 6)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, self.sizeHint().height())


def _tip(light: Light) -> str:
    shows = f"Click to see the {PLACES[light.name]}." if light.name in PLACES else ""
    return f"<p><b>{escape(light.name)}: {light.verdict.word}.</b> {escape(light.tip.rstrip('.'))}. {shows}</p>"


class _WrappedLabel(QLabel):
    """A sentence over as many lines as it takes, that can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setMinimumWidth(120)


def describe(progress: Progress) -> str:
    """How far a job is: ``Validating, 34 of 75: held-out folds``."""
    doing = {"validation": "Validating", "meaning": "Looking for the meaning"}.get(progress.stage)
    if doing is None:
        return f"{progress.message or progress.stage.capitalize()}; weights and their validation follow."
    far = f", {progress.step} of {progress.total}" if progress.total else ""
    return f"{doing}{far}: {progress.message}" if progress.message else f"{doing}{far}"
