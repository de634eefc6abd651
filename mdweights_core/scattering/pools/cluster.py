"""Frames computed on processes of this machine or on the workers of a Dask scheduler.

Every worker is told once how frames are computed, those that join later too; after that only positions go out and
structure factors come back. A worker that dies takes nothing with it: its frames are given to another one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
import uuid
import warnings
import weakref
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing import resource_tracker
from typing import Any, ClassVar

import dask
import numpy as np
from distributed import Client, KilledWorker, LocalCluster, Nanny, WorkerPlugin
from distributed.comm.addressing import parse_address, parse_host_port
from distributed.comm.core import CommClosedError
from distributed.utils import silence_logging_cmgr
from distributed.versions import VersionMismatchWarning

from mdweights_core import __version__
from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.model import FrameModel
from mdweights_core.scattering.engine.protocol import Engine
from mdweights_core.scattering.pools.pool import FULL_MEMORY, Computed, Failures, WorkersLost, compute_batch

_CONNECT_SECONDS = 10
_CLOSE_SECONDS = 10
_ENVIRONMENT = "distributed.nanny.pre-spawn-environ"
_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")  # those with handlers
_PATIENCE_SECONDS = 30.0  # without any worker
_CHECK_SECONDS = 5.0
_FETCHING = 4  # results on their way at the same time

_CUT_OFF = ("The connection to the Dask scheduler was lost", "Run it again once it is there")

_engines: dict[str, Engine] = {}  # in a worker: what computes the frames of each run
_models: dict[str, tuple[FrameModel, int, str]] = {}
_building = threading.Lock()


class _Recipe(WorkerPlugin):
    """Brings the model of a run to every worker."""

    def __init__(self, token: str, model: FrameModel, n_threads: int | None, device: str) -> None:
        self.name = f"mdweights-{token}"
        self._token, self._model, self._n_threads, self._device = token, model, n_threads, device

    def setup(self, worker: Any) -> None:
        """Keep the model; the engine is made by the first frame."""
        _models[self._token] = (self._model, self._n_threads or worker.state.nthreads, self._device)

    def teardown(self, worker: Any) -> None:
        """Forget the run."""
        _models.pop(self._token, None)
        _engines.pop(self._token, None)


def _compute(token: str, positions: np.ndarray) -> Computed:
    """In a worker: structure factors of a batch."""
    with _building:
        if token not in _engines:
            model, n_threads, device = _models[token]
            _engines[token] = model.engine(n_threads, device)
    return compute_batch(_engines[token], positions)


class DaskPool:
    """Workers of a Dask scheduler.

    Parameters
    ----------
    model : FrameModel
    address : str or None
        Of the scheduler, ``tcp://host:8786``; None starts processes on this machine.
    n_workers, n_threads : int
        Processes to start, and the threads of each.
    device : str
        Where the workers compute.

    Raises
    ------
    BadInput
        When the scheduler does not answer, has no workers, or these lack this program.
    """

    overhead: ClassVar[float] = 5e-3
    failures: ClassVar[Failures] = {
        MemoryError: FULL_MEMORY,
        KilledWorker: (
            "The workers that computed the frames died again and again",
            "Run it again with fewer workers: perhaps they need more memory than there is",
        ),
        CancelledError: _CUT_OFF,
        CommClosedError: _CUT_OFF,
    }

    def __init__(
        self, model: FrameModel, *, address: str | None = None, n_workers: int = 1, n_threads: int = 1, device: str
    ) -> None:
        self.warnings: tuple[str, ...] = ()
        self._token = uuid.uuid4().hex
        self._cluster: LocalCluster | None = None
        self._seen_worker = self._looked = time.monotonic()
        with ExitStack() as stack:
            for name in _LOGGERS:
                stack.enter_context(silence_logging_cmgr(logging.CRITICAL + 1, root=name))
            # positions of large frames are meant to go with their task, which can then be done again
            stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}))
            if address is None:
                self._cluster = _processes(n_workers)
                stack.callback(_close_processes, self._cluster)
            self._client = _connected(address or self._cluster)
            stack.callback(self._client.close, timeout=2)
            if address is not None:
                self.warnings = _compared_versions(self._client, address)
            recipe = _Recipe(self._token, model, None if address else n_threads, device)
            self._client.register_plugin(recipe)
            stack.callback(self._forget, recipe.name)
            self.n_workers = max(1, sum(self._client.nthreads().values()))
            self._tasks: weakref.WeakSet[Any] = weakref.WeakSet()
            self._results = ThreadPoolExecutor(_FETCHING, thread_name_prefix="results")
            self._open = stack.pop_all()

    def submit(self, positions: np.ndarray) -> Future[Computed]:
        """Compute frames at fractional `positions` [n, n_atoms, 3], some time."""
        task = self._client.submit(_compute, self._token, positions, pure=False)
        self._tasks.add(task)
        return self._results.submit(task.result)

    def check(self) -> None:
        """Count the workers now and then, some may come later; raise `WorkersLost` without any for half a minute."""
        now = time.monotonic()
        if now - self._looked < _CHECK_SECONDS:
            return
        self._looked = now
        if self._client.status != "running":  # what was submitted is told that by Dask
            return
        try:
            n_threads = self._client.scheduler_info(n_workers=0).get("total_threads", 0)
        except (OSError, TimeoutError):  # lost just now
            return
        self.n_workers = max(1, n_threads)
        if n_threads:
            self._seen_worker = now
        elif now - self._seen_worker > _PATIENCE_SECONDS:
            raise WorkersLost("There is no worker left", advice="Start workers, and run it again")

    def close(self) -> None:
        """Give up what was submitted, and end the processes that were started."""
        self._results.shutdown(wait=False, cancel_futures=True)
        if self._client.status == "running":  # else it would wait for a scheduler that is gone
            with suppress(OSError, TimeoutError):
                self._client.cancel(list(self._tasks))
        self._open.close()

    def _forget(self, plugin: str) -> None:
        scheduler = self._client.scheduler
        if self._client.status == "running" and scheduler is not None:
            with suppress(OSError, TimeoutError):  # all workers are asked, and a frozen one never answers
                self._client.sync(scheduler.unregister_worker_plugin, name=plugin, callback_timeout=_CLOSE_SECONDS)


def _processes(n_workers: int) -> LocalCluster:
    # Ctrl-C goes to all processes of a terminal, and is for this one: threads and processes started here never see it
    resource_tracker.ensure_running()  # where it is started only by the first of them, that one sees it again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # Dask has its processes give memory back at once; a transform would get all of its grids anew, which takes longer
    # than the transform
    environment = {k: v for k, v in dask.config.get(_ENVIRONMENT).items() if not k.startswith("MALLOC")}
    try:
        with dask.config.set({_ENVIRONMENT: environment}):
            return LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # web pages, which cannot be turned off: any free port
                scheduler_kwargs={"dashboard": False},
                memory_limit=0,
                silence_logs=logging.CRITICAL + 1,
            )
    except (OSError, RuntimeError, TimeoutError) as problem:
        raise BadInput("The processes could not be started", advice="Compute on threads") from problem
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _close_processes(cluster: LocalCluster) -> None:
    """End the workers whatever they do just now, then the rest."""

    async def kill() -> None:
        nannies = [worker for worker in cluster.workers.values() if isinstance(worker, Nanny)]
        await asyncio.gather(*(nanny.kill(timeout=0.2) for nanny in nannies), return_exceptions=True)

    with suppress(OSError, TimeoutError):
        cluster.sync(kill, callback_timeout=_CLOSE_SECONDS)
    with suppress(OSError, TimeoutError):
        cluster.close(timeout=_CLOSE_SECONDS)


def _connected(where: str | LocalCluster | None) -> Client:
    try:
        if isinstance(where, str):
            _knock(where)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(where, timeout=_CONNECT_SECONDS, set_as_default=False, name="mdweights")
    except (OSError, ValueError, TimeoutError) as problem:
        raise BadInput(
            "No Dask scheduler answers",
            where=str(where),
            advice="Check the address, start one with `dask scheduler`, or compute on this machine",
        ) from problem
    return client


def _knock(address: str) -> None:
    """Raise OSError at once where nobody listens: Dask itself goes on trying."""
    scheme, location = parse_address(address)
    if scheme in ("tcp", "tls", "ws", "wss"):
        socket.create_connection(parse_host_port(location, 8786), timeout=_CONNECT_SECONDS).close()


def _compared_versions(client: Client, address: str) -> tuple[str, ...]:
    """What to say about workers that have other versions of what computes; BadInput when they have none of it."""
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError as problem:
        raise BadInput(
            "The Dask scheduler has no workers", where=address, advice="Start some with `dask worker ADDRESS`"
        ) from problem
    try:
        everywhere = client.run(_versions)
    except ImportError as problem:
        raise BadInput(
            "There are workers without mdweights", where=address, advice=f"Install mdweights {__version__} there"
        ) from problem
    here = _versions()
    differing = {
        f"{name} {there[name]} (here {here[name]})"
        for there in everywhere.values()
        for name in here
        if there[name] != here[name]
    }
    if not differing:
        return ()
    return (f"Workers at {address} have {', '.join(sorted(differing))}: numbers may differ in their last digits",)


def _versions() -> dict[str, str]:
    """What the numbers of a worker depend on; the import of this module tells that mdweights is there at all."""
    import finufft

    return {"mdweights": __version__, "numpy": np.__version__, "finufft": finufft.__version__}
