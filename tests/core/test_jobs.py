"""Jobs: run to the end, stop with and without something to keep."""

from __future__ import annotations

from mdweights_core import jobs
from mdweights_core.jobs import Clock, Progress, Stopped


def _count(n: int, cleaned: list[str], keep: bool):
    done = 0
    try:
        for done in range(1, n + 1):
            yield Progress("counting", done, n)
    except Stopped:
        if not keep:
            raise
    finally:
        cleaned.append("cleaned")
    return done


def test_run_returns_the_result_and_shows_every_snapshot():
    seen, cleaned = [], []
    assert jobs.run(_count(3, cleaned, keep=True), seen.append) == 3
    assert [p.step for p in seen] == [1, 2, 3]
    assert cleaned == ["cleaned"]


def test_stop_returns_what_the_job_keeps():
    cleaned: list[str] = []
    job = _count(10, cleaned, keep=True)
    next(job), next(job)
    assert jobs.stop(job) == 2
    assert cleaned == ["cleaned"]


def test_stop_of_a_job_with_nothing_to_keep_gives_none_and_cleans_up():
    cleaned: list[str] = []
    job = _count(10, cleaned, keep=False)
    next(job)
    assert jobs.stop(job) is None
    assert cleaned == ["cleaned"]


def test_a_job_may_go_on_yielding_while_it_saves_what_it_has():
    def work():
        try:
            while True:
                yield Progress("working")
        except Stopped:
            yield Progress("saving")
        return "saved"

    job = work()
    next(job)
    assert jobs.stop(job) == "saved"


def test_stop_before_the_start_gives_none():
    assert jobs.stop(_count(10, [], keep=False)) is None


def test_clock_estimates_the_time_left_from_the_pace(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mdweights_core.jobs.time.monotonic", lambda: now[0])
    clock = Clock(interval=1.0)
    assert not clock.is_due()
    now[0] += 2.0
    assert clock.is_due()
    assert not clock.is_due()
    assert clock.remaining(step=1, total=4) == 6.0
    assert clock.remaining(step=0, total=4) is None
    assert clock.remaining(step=1, total=None) is None


def test_a_job_is_told_in_another_way_and_returns_the_same():
    doubled = jobs.retold(_count(3, [], keep=True), lambda seen: Progress(seen.stage, 2 * seen.step))
    seen: list[Progress] = []
    assert jobs.run(doubled, seen.append) == 3
    assert [p.step for p in seen] == [2, 4, 6]


def test_a_retold_job_is_stopped_as_it_is():
    for keep, kept in ((True, 2), (False, None)):
        cleaned: list[str] = []
        job = jobs.retold(_count(10, cleaned, keep=keep), lambda seen: seen)
        next(job), next(job)
        assert jobs.stop(job) == kept
        assert cleaned == ["cleaned"]
