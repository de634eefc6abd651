"""The runner: jobs start, tell how they go, stop, fail and end with the thread, whatever the moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from app.workers.job_runner import JobRunner
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job, Progress, Stopped


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[JobRunner]:
    made = JobRunner()
    yield made
    assert made.shutdown()


def counting(n: int, pause: float = 0.0) -> Job[int]:
    for step in range(n):
        yield Progress("counting", step, n)
        time.sleep(pause)
    return n


def keeping() -> Job[str]:
    """Runs for ever; keeps something when stopped, as a fit does."""
    try:
        while True:
            yield Progress("waiting")
            time.sleep(0.005)
    except Stopped:
        return "kept"


def failing(error: Exception) -> Job[None]:
    yield Progress("failing")
    raise error


def test_a_job_tells_its_start_progress_and_result_in_order(qtbot: QtBot, runner: JobRunner) -> None:
    told: list[object] = []
    runner.job_started.connect(told.append)
    runner.progressed.connect(told.append)
    with qtbot.waitSignal(runner.finished) as ended:
        runner.submit("count", lambda: counting(3))
    assert ended.args == ["count", 3, False]
    assert told[0] == "count"
    assert told[-1] == Progress("counting", 2, 3)
    assert not runner.is_busy


def test_the_job_runs_on_another_thread_and_is_told_of_on_this_one(qtbot: QtBot, runner: JobRunner) -> None:
    def where() -> Job[int]:
        yield Progress("where")
        return threading.get_ident()

    heard: list[int] = []
    runner.finished.connect(lambda *_: heard.append(threading.get_ident()))
    with qtbot.waitSignal(runner.finished) as ended:
        runner.submit("where", where)
    assert ended.args[1] != threading.get_ident()
    assert heard == [threading.get_ident()]


def test_a_fast_job_is_told_of_at_most_twenty_times_a_second(qtbot: QtBot, runner: JobRunner) -> None:
    seen: list[Progress] = []
    runner.progressed.connect(seen.append)
    began = time.monotonic()
    with qtbot.waitSignal(runner.finished):
        runner.submit("count", lambda: counting(2000, 0.0001))
    assert 1 <= len(seen) <= 20 * (time.monotonic() - began) + 2
    assert seen[-1].step == 1999


def test_stop_gives_what_the_job_kept(qtbot: QtBot, runner: JobRunner) -> None:
    with qtbot.waitSignal(runner.progressed):
        runner.submit("fit", keeping)
    with qtbot.waitSignal(runner.finished, timeout=1000) as ended:
        runner.stop()
    assert ended.args == ["fit", "kept", True]


def test_stop_of_a_job_that_keeps_nothing_gives_none(qtbot: QtBot, runner: JobRunner) -> None:
    with qtbot.waitSignal(runner.progressed):
        runner.submit("count", lambda: counting(10_000, 0.005))
    with qtbot.waitSignal(runner.finished, timeout=1000) as ended:
        runner.stop()
    assert ended.args == ["count", None, True]


def test_stop_before_the_first_step_and_of_waiting_jobs(qtbot: QtBot, runner: JobRunner) -> None:
    ends: list[tuple[str, object, bool]] = []
    runner.finished.connect(lambda *args: ends.append(args))
    runner.submit("first", keeping)
    runner.submit("second", keeping)
    runner.stop()
    qtbot.waitUntil(lambda: len(ends) == 2)
    assert ends[0] == ("second", None, True)
    assert ends[1][0] == "first"
    assert ends[1][2]


def test_stop_by_name_leaves_other_jobs_alone(qtbot: QtBot, runner: JobRunner) -> None:
    runner.submit("count", lambda: counting(5, 0.01))
    runner.stop("fit")
    with qtbot.waitSignal(runner.finished) as ended:
        pass
    assert ended.args == ["count", 5, False]


def test_a_waiting_job_is_replaced_by_a_newer_one_of_its_name(qtbot: QtBot, runner: JobRunner) -> None:
    ends: list[object] = []
    runner.finished.connect(lambda name, result, stopped: ends.append(result))
    runner.submit("read", lambda: counting(1, 0.05))
    for n in (2, 3, 4):
        runner.submit("read", lambda n=n: counting(n))
    qtbot.waitUntil(lambda: not runner.is_busy)
    assert ends == [1, 4]


@pytest.mark.parametrize("error", [BadInput("The file is no map", where="x.mtz"), ZeroDivisionError("1/0")])
def test_a_failure_is_handed_over_and_the_next_job_runs(qtbot: QtBot, runner: JobRunner, error: Exception) -> None:
    with qtbot.waitSignal(runner.failed) as failed:
        runner.submit("read", lambda: failing(error))
    assert failed.args == ["read", error]
    with qtbot.waitSignal(runner.finished) as ended:
        runner.submit("count", lambda: counting(2))
    assert ended.args[1] == 2


def test_a_factory_that_fails_is_a_failed_job(qtbot: QtBot, runner: JobRunner) -> None:
    def factory() -> Job[None]:
        raise BadInput("There is nothing to fit yet")

    with qtbot.waitSignal(runner.failed) as failed:
        runner.submit("fit", factory)
    assert isinstance(failed.args[1], BadInput)


def test_fifty_jobs_in_a_row(qtbot: QtBot, runner: JobRunner) -> None:
    results: list[object] = []
    runner.finished.connect(lambda name, result, stopped: results.append(result))
    for n in range(50):
        runner.submit(f"job {n}", lambda n=n: counting(n % 4 + 1))
    qtbot.waitUntil(lambda: len(results) == 50, timeout=10_000)
    assert results == [n % 4 + 1 for n in range(50)]


def test_shutdown_in_the_middle_of_a_job_ends_the_thread_and_tells_nobody(qtbot: QtBot) -> None:
    runner = JobRunner()
    ends: list[str] = []
    runner.finished.connect(lambda name, *_: ends.append(name))
    with qtbot.waitSignal(runner.progressed):
        runner.submit("fit", keeping)
    assert runner.shutdown(2000)
    assert ends == []
