from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import dask
import gemmi
import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.model import FrameModel
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.pools import cluster
from mdweights_core.scattering.pools.pool import Computed, ThreadPool, WorkersLost, in_order
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings

N_ATOMS = 400


@pytest.fixture(scope="module")
def model() -> FrameModel:
    lattice = half_lattice(gemmi.UnitCell(24, 26, 28, 85, 95, 105), gemmi.SpaceGroup("P 1"), 2.5)
    return FrameModel.of(Scatterers.alike(["C", "O"] * (N_ATOMS // 2)), lattice, PredictSettings())


def places(n_frames: int) -> Iterator[tuple[np.ndarray, int]]:
    rng = np.random.default_rng(0)
    return ((rng.random((N_ATOMS, 3)), frame) for frame in range(n_frames))


def results(pool, n_frames: int) -> np.ndarray:
    taken = [one for one in in_order(pool, places(n_frames)) if one is not None]
    assert [frame for _, frame in taken] == list(range(n_frames))
    return np.array([factors for factors, _ in taken])


@pytest.fixture(scope="module")
def expected(model) -> np.ndarray:
    engine = model.engine(1)
    return np.array([engine(place) for place, _ in places(60)])


# --- what goes in and comes out --------------------------------------------------------------------------------------


@dataclass
class Recorder:
    """A pool that computes at once, as if each frame took `seconds`, and remembers what it was given."""

    seconds: float
    n_workers: int = 2
    overhead: float = 1e-3
    warnings: tuple[str, ...] = ()
    failures: dict[type[Exception], tuple[str, str]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def submit(self, positions: np.ndarray) -> Future[Computed]:
        self.batches.append(len(positions))
        done: Future[Computed] = Future()
        done.set_result(Computed(positions[:, :, 0].astype(np.complex64), self.seconds * len(positions)))
        return done

    def check(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(("seconds", "most"), [(1.0, 1), (0.004, 5), (1e-6, 64)])
def test_small_frames_go_in_batches_and_come_out_in_order(seconds, most):
    pool = Recorder(seconds)
    np.testing.assert_array_equal(
        results(pool, 300), np.array([place[:, 0] for place, _ in places(300)]).astype(np.complex64)
    )
    assert sum(pool.batches) == 300
    assert max(pool.batches) == most
    assert most == 1 or pool.batches[-2] == most  # the last one may be what is left


def test_no_more_is_read_than_keeps_the_workers_busy():
    """Frames are read as fast as they are computed: a long trajectory is not held in memory."""
    read = 0

    def counted() -> Iterator[tuple[np.ndarray, int]]:
        nonlocal read
        for place in places(500):
            read += 1
            yield place

    ahead = [read - frame for _, frame in in_order(Recorder(0.01), counted())]
    assert max(ahead) < 100
    large = Recorder(10.0)
    large.submit = lambda positions: _done(np.zeros((len(positions), 2**24), np.complex64))  # 128 MB
    read, ahead = 0, []
    for _, frame in in_order(large, ((np.zeros((1, 3)), n) for n, _ in enumerate(counted()))):
        ahead.append(read - frame)
        if frame == 10:
            break
    assert max(ahead) <= 6


def _done(factors: np.ndarray) -> Future[Computed]:
    future: Future[Computed] = Future()
    future.set_result(Computed(factors, 10.0))
    return future


def test_frames_before_one_that_cannot_be_read_are_computed():
    def broken() -> Iterator[tuple[np.ndarray, int]]:
        yield from places(37)
        raise BadInput("frame 38 is broken")

    taken: list[int] = []
    with pytest.raises(BadInput, match="frame 38"):
        taken.extend(one[1] for one in in_order(Recorder(1e-6), broken()) if one is not None)
    assert taken == list(range(37))


def test_full_memory_is_a_sentence(model):
    class Full:
        n_workers = 1

        def __call__(self, positions):
            raise MemoryError

    pool = ThreadPool(Full())
    with pytest.raises(WorkersLost, match=r"memory is full\. Run it again with fewer workers"):
        results(pool, 3)
    pool.close()


# --- threads, processes, clusters ------------------------------------------------------------------------------------


def test_threads_give_what_one_after_the_other_gives(model, expected):
    pool = ThreadPool(model.engine(3))
    np.testing.assert_array_equal(results(pool, 60), expected)
    pool.close()


def test_closed_threads_do_not_finish_what_waits():
    computed, go_on = [], threading.Event()

    class Slow:
        n_workers = 1
        warnings = ()

        def __call__(self, positions):
            go_on.wait(10)
            computed.append(1)
            return np.zeros(1, np.complex64)

    pool = ThreadPool(Slow())
    futures = [pool.submit(np.zeros((1, 1, 3))) for _ in range(5)]
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 5
    go_on.set()
    assert futures[0].result(5).factors.shape == (1, 1)
    assert all(future.cancelled() for future in futures[1:])
    assert computed == [1]


def test_processes_give_the_same_and_one_that_is_killed_is_replaced(model, expected, capfd):
    pool = cluster.DaskPool(model, n_workers=2, device="cpu")
    try:
        taken = []
        for one in in_order(pool, places(60)):
            if one is None:
                continue
            taken.append(one[0])
            if len(taken) == 1:
                workers = list(pool._client.run(os.getpid).values())
                for worker in workers:
                    os.kill(worker, signal.SIGINT)  # Ctrl-C in a terminal: nothing to them
                assert list(pool._client.run(os.getpid).values()) == workers
                os.kill(workers[0], signal.SIGKILL)
        np.testing.assert_array_equal(np.array(taken), expected)
    finally:
        pool.close()
    assert capfd.readouterr() == ("", "")


def test_workers_that_die_again_and_again_are_a_sentence(model, capfd):
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        pool = cluster.DaskPool(model, n_workers=1, device="cpu")
    try:
        pool._client.run(os.kill, os.getpid(), 0)  # the worker is up
        pid = next(iter(pool._client.run(os.getpid).values()))
        os.kill(pid, signal.SIGSTOP)  # it has tasks, and finishes none
        waiting = in_order(pool, places(10))
        assert next(waiting) is None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkersLost, match="died again and again"):
            for _ in waiting:
                pass
    finally:
        began = time.monotonic()
        pool.close()
    assert time.monotonic() - began < 20
    assert capfd.readouterr() == ("", "")


@contextlib.contextmanager
def workers_of_this_process(n_workers: int, n_threads: int = 1) -> Iterator[cluster.LocalCluster]:
    made = cluster.LocalCluster(
        n_workers=n_workers,
        threads_per_worker=n_threads,
        processes=False,
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
    )
    try:
        yield made
    finally:
        made.close(timeout=60)  # by itself it would wait for ever


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[cluster.LocalCluster]:
    with workers_of_this_process(2, 2) as made:
        yield made


def test_a_cluster_gives_the_same_and_is_left_as_it_was(model, expected, dask_cluster):
    pool = cluster.DaskPool(model, address=dask_cluster.scheduler_address, device="cpu")
    assert (pool.n_workers, pool.warnings) == (4, ())
    np.testing.assert_array_equal(results(pool, 60), expected)
    pool.close()
    assert not any(name.startswith("mdweights") for name in dask_cluster.scheduler.worker_plugins)
    assert (len(dask_cluster.scheduler.workers), len(dask_cluster.scheduler.tasks)) == (2, 0)
    assert not cluster._models
    assert not cluster._engines


def test_workers_that_join_later_take_part_and_are_fed(model, expected, monkeypatch):
    monkeypatch.setattr(cluster, "_CHECK_SECONDS", 0.0)
    with workers_of_this_process(1) as own:
        pool = cluster.DaskPool(model, address=own.scheduler_address, device="cpu")
        before = pool.n_workers
        own.scale(3)
        pool._client.wait_for_workers(3, timeout=10)
        np.testing.assert_array_equal(results(pool, 60), expected)
        assert (before, pool.n_workers) == (1, 3)
        pool.close()


def test_a_scheduler_that_goes_away_is_a_sentence(model, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)  # how long it is tried to connect again
    with workers_of_this_process(1) as own:
        pool = cluster.DaskPool(model, address=own.scheduler_address, device="cpu")
        waiting = in_order(pool, places(10_000))
        next(waiting)
    with pytest.raises(WorkersLost, match="connection to the Dask scheduler was lost"):
        for _ in waiting:
            pass
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 5


def test_a_frozen_worker_does_not_keep_a_run_from_its_end(model, monkeypatch):
    monkeypatch.setattr(cluster, "_CLOSE_SECONDS", 1)
    own = cluster._processes(1)
    try:
        pool = cluster.DaskPool(model, address=own.scheduler_address, device="cpu")
        (pid,) = pool._client.run(os.getpid).values()
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        pool.close()
        assert time.monotonic() - began < 20
    finally:
        cluster._close_processes(own)  # the frozen one too


def test_processes_that_do_not_start(model, monkeypatch):
    """As in a script that computes without ``if __name__ == "__main__"``."""

    def fails(**_options):
        raise RuntimeError("Cluster failed to start: Nanny failed to start.")

    monkeypatch.setattr(cluster, "LocalCluster", fails)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(BadInput, match=r"could not be started\. Compute on threads"):
        cluster.DaskPool(model, n_workers=2, device="cpu")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://127.0.0.1:none", "carrier-pigeon://roof"])
def test_an_address_where_nobody_answers(model, address):
    began = time.monotonic()
    with pytest.raises(BadInput, match="No Dask scheduler answers") as caught:
        cluster.DaskPool(model, address=address, device="cpu")
    assert caught.value.where == address
    assert time.monotonic() - began < 5


@pytest.fixture
def lonely_scheduler(tmp_path) -> Iterator[str]:
    """Address of a scheduler in a process of its own, to which no workers belong."""
    told = tmp_path / "scheduler.json"
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)]
    with subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", *words], stderr=subprocess.DEVNULL
    ) as process:
        try:
            end = time.monotonic() + 60
            while not told.exists() or not told.read_text().strip():
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            yield json.loads(told.read_text())["address"]
        finally:
            process.kill()


def test_a_scheduler_without_workers(model, monkeypatch, lonely_scheduler):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 2.0)
    with pytest.raises(BadInput, match="has no workers"):
        cluster.DaskPool(model, address=lonely_scheduler, device="cpu")


class FakeClient:
    """What the workers of another installation answer."""

    def __init__(self, answer: dict[str, str] | None) -> None:
        self.answer = answer

    def wait_for_workers(self, n_workers: int, timeout: float) -> None: ...

    def run(self, function):
        if self.answer is None:
            raise ModuleNotFoundError("No module named 'mdweights_core'")
        return {"tcp://a:1": function(), "tcp://b:2": {**function(), **self.answer}}


def test_workers_of_another_version_are_told():
    same = cluster._compared_versions(FakeClient({}), "tcp://head:8786")
    (sentence,) = cluster._compared_versions(FakeClient({"numpy": "1.0"}), "tcp://head:8786")
    assert same == ()
    assert sentence.startswith(f"Workers at tcp://head:8786 have numpy 1.0 (here {np.__version__}): ")
    with pytest.raises(BadInput, match="workers without mdweights"):
        cluster._compared_versions(FakeClient(None), "tcp://head:8786")


def test_without_any_worker_patience_ends(model, dask_cluster, monkeypatch):
    pool = cluster.DaskPool(model, address=dask_cluster.scheduler_address, device="cpu")
    monkeypatch.setattr(cluster, "_CHECK_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "_PATIENCE_SECONDS", 0.2)
    pool.check()
    with monkeypatch.context() as gone:
        gone.setattr(pool._client, "scheduler_info", lambda n_workers: {"total_threads": 0})
        time.sleep(0.3)
        with pytest.raises(WorkersLost, match="no worker left"):
            pool.check()
    pool.check()
    pool.close()
