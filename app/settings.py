"""What is remembered from one start to the next: layout, theme, recent files, where to compute.

Nothing a result depends on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow

from mdweights_core.errors import BadInput
from mdweights_core.scattering.settings import Execution

LAYOUT_VERSION = 5
MAX_RECENT = 10


class Settings:
    """A thin typed layer over QSettings; a damaged file or entry reads as the default.

    Parameters
    ----------
    store : QSettings, optional
        Where to keep it; by default the user's configuration folder.
    """

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = store or QSettings(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, "mdweights", "mdweights"
        )

    @property
    def theme(self) -> str | None:
        """``light``, ``dark``, or None to follow the desktop."""
        name = self._text("theme")
        return name if name in ("light", "dark") else None

    @theme.setter
    def theme(self, name: str) -> None:
        self._store.setValue("theme", name)

    @property
    def recent(self) -> tuple[Path, ...]:
        """Recently opened files that still exist, the latest first."""
        value = self._store.value("recent")
        names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        paths = [Path(name) for name in names if isinstance(name, str) and name and "\0" not in name]
        return tuple(path for path in paths if path.exists())[:MAX_RECENT]

    def add_recent(self, paths: Iterable[Path]) -> None:
        """Put `paths` at the head of the recent files."""
        fresh = [path.absolute() for path in paths]
        kept = [*fresh, *(path for path in self.recent if path not in fresh)][:MAX_RECENT]
        self._store.setValue("recent", [str(path) for path in kept])

    @property
    def folder(self) -> str:
        """Folder the last file was opened from; empty when there was none."""
        return self._text("folder")

    @folder.setter
    def folder(self, path: str) -> None:
        self._store.setValue("folder", path)

    @property
    def execution(self) -> Execution:
        """Where structure factors are computed."""
        workers, given = self._text("workers"), Execution()
        scheduler, device = self._text("scheduler") or given.scheduler, self._text("device") or given.device
        try:
            return Execution(scheduler, int(workers) if workers.isdigit() else None, device)
        except BadInput:
            return given

    @execution.setter
    def execution(self, chosen: Execution) -> None:
        self._store.setValue("scheduler", chosen.scheduler)
        self._store.setValue("workers", "" if chosen.workers is None else str(chosen.workers))
        self._store.setValue("device", chosen.device)

    def save_layout(self, window: QMainWindow) -> None:
        """Remember where the window and its docks are."""
        self._store.setValue("geometry", window.saveGeometry())
        self._store.setValue("layout", window.saveState(LAYOUT_VERSION))
        self._store.sync()

    def restore_layout(self, window: QMainWindow) -> bool:
        """Put the window where it was; False when nothing usable was remembered."""
        geometry, layout = self._bytes("geometry"), self._bytes("layout")
        if geometry is None or layout is None:
            return False
        return window.restoreGeometry(geometry) and window.restoreState(layout, LAYOUT_VERSION)

    def _text(self, key: str) -> str:
        value = self._store.value(key)
        return value if isinstance(value, str) else ""

    def _bytes(self, key: str) -> QByteArray | None:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else None
