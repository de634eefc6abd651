"""Progress, tables and JSON: all that the command line prints goes through here."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event
from types import FrameType
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mdweights_core import jobs

Result = TypeVar("Result")


class Terminal:
    """Where a subcommand writes: words to stdout, or one JSON object there when `--json` was given.

    Progress and warnings go to stderr in both cases, so that stdout can be piped. `exit_code` is that of a subcommand
    that came to its end.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.interrupted = False
        self.exit_code = 0
        self._foretold: set[str] = set()
        make = partial(Console, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._out, self._err = make(quiet=as_json), make(stderr=True)

    def say(self, text: str = "") -> None:
        """A line for people."""
        self._out.print(text)

    def table(self, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """A small table for people: first column left, the others right."""
        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for i, name in enumerate(columns):
            table.add_column(name, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*map(Text, row))  # labels of columns may hold brackets
        self._out.print(table)

    def foretell(self, topic: str, text: str, is_warning: bool) -> None:
        """What was seen before the work: a line for people or a warning, which is not repeated after it."""
        if is_warning:
            self.warn(f"{topic}: {text}")
        else:
            self.say(f"  {topic}: {text}")
        self._foretold.add(_opening(text))

    def warn(self, text: str) -> None:
        """A warning, on stderr."""
        if _opening(text) not in self._foretold:
            self._err.print(f"warning: {text}", style="yellow")

    def error(self, text: str) -> None:
        """An error, on stderr."""
        self._err.print(f"error: {text}", style="red")

    def result(self, values: Mapping[str, Any]) -> None:
        """The one JSON object on stdout, when asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(values, default=_plain, allow_nan=False) + "\n")

    def run(self, job: jobs.Job[Result]) -> Result:
        """Drive `job` with a progress bar on stderr when that is a terminal.

        Ctrl-C asks the job to stop at its next snapshot. What it has by then is returned, with `interrupted` set; a job
        with nothing to keep raises KeyboardInterrupt, and so does a second Ctrl-C at once.
        """
        with _interrupts() as asked:
            if not self._err.is_terminal:
                return self._drive(job, asked, None)
            message = TextColumn("{task.fields[message]}", markup=False)
            columns = (TextColumn("{task.description:<18}"), BarColumn(), message)
            with Progress(*columns, TimeRemainingColumn(), console=self._err, transient=True) as bar:
                return self._drive(job, asked, _Bars(bar).show)

    def _drive(self, job: jobs.Job[Result], asked: Event, show: Callable[[jobs.Progress], None] | None) -> Result:
        while not asked.is_set():
            try:
                progress = next(job)
            except StopIteration as end:
                return end.value
            if show is not None:
                show(progress)
        kept = jobs.stop(job)
        if kept is None:
            raise KeyboardInterrupt
        self.interrupted = True
        return kept


def _opening(text: str) -> str:
    """The words that tell one matter from another; the numbers behind them may differ."""
    return " ".join(text.split()[:3])


@contextmanager
def _interrupts() -> Iterator[Event]:
    """Turn the first Ctrl-C into an event; the handler before is back in place for the second and afterwards."""
    asked = Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class _Bars:
    """One bar per stage of a job."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def show(self, progress: jobs.Progress) -> None:
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bar.add_task(progress.stage, total=progress.total, message="")
        self._bar.update(
            self._tasks[progress.stage], completed=progress.step, total=progress.total, message=progress.message
        )


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value)
