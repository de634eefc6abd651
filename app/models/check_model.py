"""What is known of how the frames fit the map: nothing yet, a look that goes on, what was seen, or why not."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.models.validity import Verdict

if TYPE_CHECKING:
    from mdweights_core.errors import MdweightsError
    from mdweights_core.scattering.frames.checks import FrameCheck

VERDICTS = {"good": Verdict.GOOD, "note": Verdict.UNKNOWN, "warning": Verdict.CAUTION, "problem": Verdict.BAD}
"""How each level of a remark is shown."""


class CheckState(Enum):
    """How far the look at the frames is."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class CheckModel(QObject):
    """The last look at the frames; while another goes on, the former result stays to be looked at."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = CheckState.NONE
        self.result: FrameCheck | None = None
        self.problem: MdweightsError | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The gravest of all remarks that are more than notes; None where nothing is known."""
        if self.state is CheckState.FAILED:
            return Verdict.BAD
        if self.state is not CheckState.DONE or self.result is None:
            return None
        levels = {remark.level for remark in self.result.remarks}
        return next((VERDICTS[level] for level in ("problem", "warning") if level in levels), Verdict.GOOD)

    @property
    def summary(self) -> str:
        """The result in a few words; empty where there is none."""
        if self.state is CheckState.RUNNING:
            return "looking at the frames…"
        verdict = self.verdict
        if verdict is None:
            return ""
        if self.state is CheckState.FAILED or self.result is None:
            return f"{verdict.value} cannot be computed"
        counts = {level: sum(remark.level == level for remark in self.result.remarks) for level in VERDICTS}
        told = [_count(counts[level], level) for level in ("problem", "warning") if counts[level]]
        return f"{verdict.value} {', '.join(told) or 'frames and map fit together'}"

    def clear(self) -> None:
        """Nothing is known."""
        self._set(CheckState.NONE, None, None)

    def start(self) -> None:
        """A look began."""
        self._set(CheckState.RUNNING, self.result, None)

    def finish(self, result: FrameCheck | None) -> None:
        """A look ended; None where there was nothing to look at."""
        self._set(CheckState.NONE if result is None else CheckState.DONE, result, None)

    def fail(self, problem: MdweightsError) -> None:
        """A look met what would keep structure factors from being computed."""
        self._set(CheckState.FAILED, None, problem)

    def _set(self, state: CheckState, result: FrameCheck | None, problem: MdweightsError | None) -> None:
        self.state, self.result, self.problem = state, result, problem
        self.changed.emit()


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n > 1 else ''}"
