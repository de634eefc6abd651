"""Keeping what libraries print out of the terminal."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import threading
from collections.abc import Iterator
from functools import cache

_lock = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what Python and C code print out of the terminal.

    The streams belong to the whole process, so this is for the moment of opening a file, not for reading through it.
    """
    with (
        _lock,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.ExitStack() as undo,
    ):
        with contextlib.suppress(OSError):  # a process without a terminal may have no such descriptors
            for descriptor in (1, 2):
                _mute(descriptor, undo)
        yield


def _mute(descriptor: int, undo: contextlib.ExitStack) -> None:
    _flush_c_streams()
    saved = os.dup(descriptor)
    undo.callback(os.close, saved)
    undo.callback(os.dup2, saved, descriptor)
    undo.callback(_flush_c_streams)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), descriptor)


def _flush_c_streams() -> None:
    """What C code printed waits in a buffer of its own, and must go while its descriptor is muted."""
    ctypes.CDLL(None).fflush(None)


@contextlib.contextmanager
def c_errors_muted() -> Iterator[None]:
    """Keep what C code says on stderr out of the terminal, and nothing else: for reading through a file.

    The C library's own stream is exchanged, so that what Python prints meanwhile, on any thread, is seen. Only GNU's
    library has a stream that can be.
    """
    nothing = _c_nothing()
    if nothing is None:
        yield
        return
    with _lock:
        stream = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
        saved, stream.value = stream.value, nothing
        try:
            yield
        finally:
            stream.value = saved


@cache
def _c_nothing() -> int | None:
    """A C stream into nothing, open as long as the process runs."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None
    library.fopen.restype = ctypes.c_void_p
    return library.fopen(os.devnull.encode(), b"w")
