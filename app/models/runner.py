"""What the models need of a job runner; `app.workers.job_runner.JobRunner` is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Runner(Protocol):
    """Runs jobs one after the other and tells how they go with Qt signals."""

    progressed: Any
    finished: Any
    failed: Any

    @property
    def is_busy(self) -> bool: ...
    def submit(self, name: str, factory: Callable[[], Any]) -> None: ...
    def stop(self, name: str | None = None) -> None: ...
