"""The running job, at the right of the status bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from app.models.session import STOPPABLE, Session
from mdweights_core.jobs import Clock, Progress

DELAY_MS = 300


class JobStatus(QWidget):
    """Stage, bar, time left and Stop of the job that runs; hidden when none does."""

    stop_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text, self.bar, self.stop_button = QLabel(), QProgressBar(), QPushButton("Stop")
        self.bar.setFixedWidth(120)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the job")
        self.stop_button.setToolTip("Stop the job with its present step (Ctrl+.)")
        self._stage, self._is_stopping = "", False
        self._clock = Clock()
        self._delay = QTimer(self, interval=DELAY_MS, singleShot=True)
        self._delay.timeout.connect(self.show)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 6, 0)
        for widget in (self.text, self.bar, self.stop_button):
            layout.addWidget(widget)
        self.stop_button.clicked.connect(self._on_stop)
        self.hide()

    @Slot(str)
    def start(self, name: str) -> None:
        """A job began; one that ends at once is not shown."""
        self._stage, self._is_stopping = "", False
        self.text.setText(name.capitalize())
        self.bar.setRange(0, 0)
        self.stop_button.setEnabled(True)
        self._delay.start()

    @Slot(object)
    def advance(self, progress: Progress) -> None:
        """Show a snapshot."""
        if progress.stage != self._stage:
            self._stage, self._clock = progress.stage, Clock()
        self.bar.setRange(0, progress.total or 0)
        self.bar.setValue(progress.step)
        if not self._is_stopping:
            self.text.setText(describe(progress, self._clock.remaining(progress.step, progress.total)))

    @Slot()
    def show_stopping(self) -> None:
        """The fit was asked to stop; a step that is still told of does not hide that."""
        self._is_stopping = True
        self.stop_button.setEnabled(False)
        self.text.setText("Stopping after this step")

    @Slot()
    def end(self) -> None:
        """Nothing runs any more."""
        self._delay.stop()
        self.hide()

    @Slot()
    def _on_stop(self) -> None:
        self.stop_requested.emit()


class StatusBinding(QObject):
    """Shows in `status` what runs: of several jobs that of the first runner, which fits."""

    def __init__(self, session: Session, runners: Sequence[Any], status: JobStatus, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._runners, self._status = session, tuple(runners), status
        fitter, *others = runners
        fitter.job_started.connect(self._on_job_started)
        fitter.progressed.connect(status.advance)
        for runner in others:
            runner.job_started.connect(self._on_side_job_started)
            runner.progressed.connect(self._on_side_progress)
        for runner in runners:
            runner.busy_changed.connect(self._on_busy)
        session.fit.stopping.connect(status.show_stopping)

    @Slot(str)
    def _on_job_started(self, name: str) -> None:
        self._status.start(name)
        self._status.stop_button.setVisible(self._session.fit.is_running or name in STOPPABLE)

    @Slot(str)
    def _on_side_job_started(self, name: str) -> None:
        """Where a fit runs its progress is what is shown."""
        if not self._runners[0].is_busy:
            self._on_job_started(name)

    @Slot(object)
    def _on_side_progress(self, progress: Progress) -> None:
        if not self._runners[0].is_busy:
            self._status.advance(progress)

    @Slot(bool)
    def _on_busy(self, busy: bool) -> None:
        running = [runner.current for runner in self._runners if runner.current is not None]
        if not running:
            self._status.end()
        elif not busy and not self._runners[0].is_busy:  # what went on beside the fit comes to the front
            self._on_job_started(running[0])


def describe(progress: Progress, remaining: float | None) -> str:
    """One line: the job's own message, or else stage, how far, and how long still."""
    if progress.message:
        return progress.message
    parts = [progress.stage.capitalize()]
    if progress.total:
        parts.append(f"{progress.step} of {progress.total}")
    if remaining is not None and remaining >= 1.0:
        parts.append(f"about {duration(remaining)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time people read: ``40 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
