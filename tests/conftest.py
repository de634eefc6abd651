"""What all tests share: real data, a clean home, a display to draw on, and a look at what a window left behind."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtWidgets import QApplication

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_MAPS = 20_000  # of the 65 530 that Linux allows

# The same examples in every run, and no time limit: the first example pays for compiling.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")


def _xcb_works() -> bool:
    """Tell whether Qt can draw on an X display: one is there or will be started, and the plugin finds its libraries.

    Qt aborts the process when it cannot load the platform it was told to use, so that this is asked beforehand.
    """
    package = importlib.util.find_spec("PySide6")
    if package is None or package.origin is None or not (shutil.which("Xvfb") or os.environ.get("DISPLAY")):
        return False
    try:
        ctypes.CDLL(str(Path(package.origin).parent / "Qt/plugins/platforms/libqxcb.so"))
    except OSError:
        return False
    return True


# pytest-xvfb starts an X display where Xvfb is installed; without a usable one windows are drawn in memory, without GL.
os.environ.setdefault("QT_QPA_PLATFORM", "xcb" if _xcb_works() else "offscreen")
# Mesa's software GL draws on this thread: its own threads are known to hang where many windows come and go.
os.environ.setdefault("LP_NUM_THREADS", "0")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the repository (or where MDWEIGHTS_SHARED_DATA points)."""
    folder = Path(os.environ.get("MDWEIGHTS_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the real data is not here: {folder} (set MDWEIGHTS_SHARED_DATA)")
    return folder


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Send settings, caches and recent-file lists to a folder of this test's own."""
    home = tmp_path_factory.mktemp("home")
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    return home


@pytest.fixture(autouse=True, scope="module")
def room_for_compiled_programs() -> Iterator[None]:
    """Forget compiled programs before the kernel's limit of memory maps, at which the compiler crashes."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and _memory_maps() > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


def _memory_maps() -> int:
    """Pieces of memory that this process has mapped: XLA takes several for each program."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0  # a system without such a file, and without this limit


@pytest.fixture
def private_settings(private_home: Path) -> None:
    """Send QSettings to this test's own folder: Qt remembers where they were when it was first asked."""
    from PySide6.QtCore import QSettings

    for kind in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
        QSettings.setPath(kind, QSettings.Scope.UserScope, str(private_home / "settings"))


@pytest.fixture
def left_behind(qapp: QApplication) -> Callable[[], list[str]]:
    """Return a function that names the running threads and timers and the open windows that are new in this test."""
    before = _running(qapp)
    return lambda: [_describe(thing) for thing in _running(qapp) if not any(thing is known for known in before)]


@pytest.fixture
def no_leaks(left_behind: Callable[[], list[str]]) -> Iterator[None]:
    """Fail a test that leaves a thread or timer running or a window open.

    Such a thing lives on into later tests, and crashes one of them where nothing points back to its cause.
    """
    yield
    leaks = left_behind()
    if leaks:
        pytest.fail("the test left behind: " + "; ".join(leaks), pytrace=False)


def _running(app: QApplication) -> list[QObject]:
    from PySide6.QtCore import QEvent, QThread, QTimer
    from shiboken6 import Shiboken

    app.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    wrapped = Shiboken.getAllValidWrappers()
    threads = [it for it in wrapped if isinstance(it, QThread) and it is not app.thread() and it.isRunning()]
    timers = [it for it in wrapped if isinstance(it, QTimer) and it.isActive()]
    windows = [widget for widget in app.topLevelWidgets() if widget.isVisible()]
    return [*threads, *timers, *windows]


def _describe(thing: QObject) -> str:
    name = f" named {thing.objectName()!r}" if thing.objectName() else ""
    parent = f" of {type(thing.parent()).__name__}" if thing.parent() else ""
    return f"{type(thing).__name__}{name}{parent}"


@pytest.fixture(scope="session")
def gl_context(qapp: QApplication) -> str:
    """Return the version of OpenGL that views can draw with; skip where there is none."""
    from PySide6.QtGui import QOffscreenSurface, QOpenGLContext

    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if not (context.create() and context.makeCurrent(surface)):
        pytest.skip(f"no OpenGL context can be made on Qt's platform {qapp.platformName()!r}")
    try:
        return ".".join(map(str, context.format().version()))
    finally:
        context.doneCurrent()
