"""What the menus and keys do: the table of actions and their callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QMessageBox, QWidget

from app.commands.mark_frames import MarkFrames, MarkSelection
from app.dialogs.files import EXPORTS, FileDialogs
from app.dialogs.help import about, guide, guide_path, shortcut_sheet
from app.models.marks import Mark
from app.models.paths import PROJECT
from app.settings import Settings
from app.shortcuts import ActionSpec, sheet
from mdweights_core.errors import MdweightsError

if TYPE_CHECKING:
    from app.models.session import Session
    from app.panels.fit_panel import FitPanel

TO_THE_END = 1 << 40  # more places than there are frames


class Window(Protocol):
    """What the commands ask of the window itself."""

    def set_theme(self, name: str) -> None: ...
    def reset_layout(self) -> None: ...
    def check_frames(self) -> None: ...
    def show_minimise(self) -> None: ...
    def show_sample(self) -> None: ...
    def show_force_field(self) -> None: ...
    def select_frames(self) -> None: ...
    def show_scattering(self) -> None: ...
    def save_picture(self, path: Path) -> None: ...
    def close(self) -> bool: ...


class WindowCommands(QObject):
    """Callbacks of the actions. `window` is both the parent of dialogs and what view commands act on."""

    def __init__(
        self, window: QWidget, session: Session, fit_panel: FitPanel, undo: QUndoStack, settings: Settings
    ) -> None:
        super().__init__(window)
        self._window, self._session, self._fit_panel = window, session, fit_panel
        self._undo, self._settings = undo, settings
        self._dialogs = FileDialogs(window, settings)

    def table(self, window: Window) -> tuple[ActionSpec, ...]:
        """All actions, in the order of the menus."""
        return (
            *self._file(window),
            *self._edit(),
            *self._frames(window),
            *self._fit(window),
            *self._view(window),
            *self._help(),
        )

    def _file(self, window: Window) -> tuple[ActionSpec, ...]:
        return (
            ActionSpec("file.new", "&New", self.new, ("Ctrl+N",), "Begin a new project"),
            ActionSpec("file.open_project", "&Open project…", self.open_project, ("Ctrl+O",), "Open a .mdw folder"),
            ActionSpec("file.open_map", "Open &map…", self.open_map, ("Ctrl+M",), "Open a diffuse map"),
            ActionSpec(
                "file.open_frames", "Open &frames…", self.open_frames, ("Ctrl+T",), "Open trajectory and topology"
            ),
            ActionSpec(
                "file.open_folder", "Open frames f&older…", self.open_folder, (), "A folder of MTZ files or a store"
            ),
            ActionSpec("file.example", "Open &example", self.open_example, ("Ctrl+E",), "Load the built-in example"),
            ActionSpec("file.save", "&Save project", self.save, ("Ctrl+S",), "Save the fit", needs_fit=True),
            ActionSpec("file.save_as", "Save project &as…", self.save_as, ("Ctrl+Shift+S",), "", needs_fit=True),
            ActionSpec(
                "file.rerun",
                "&Rerun and compare",
                self._session.revisit.rerun,
                (),
                "See whether the fit comes out the same",
            ),
            *self._exports(),
            ActionSpec("file.quit", "&Quit", window.close, ("Ctrl+Q",), "Close the window"),
        )

    def _exports(self) -> list[ActionSpec]:
        return [
            ActionSpec(f"export.{kind}", f"{title}…", partial(self.export, kind), (), f"Write {name}", kind != "png")
            for kind, (title, name, _) in EXPORTS.items()
        ]

    def _edit(self) -> tuple[ActionSpec, ...]:
        return (
            ActionSpec("edit.undo", "&Undo", self._undo.undo, ("Ctrl+Z",), "Take the last mark back"),
            ActionSpec("edit.redo", "&Redo", self._undo.redo, ("Ctrl+Shift+Z", "Ctrl+Y"), "Set it again"),
        )

    def _frames(self, window: Window) -> tuple[ActionSpec, ...]:
        marks = (("keep", "K", Mark.KEEP), ("drop", "D", Mark.DROP), ("unsure", "U", Mark.UNSURE))
        return (
            ActionSpec("frames.next", "&Next frame", partial(self.step, 1), ("Space",), "Select the next frame"),
            ActionSpec("frames.previous", "&Previous frame", partial(self.step, -1), ("Shift+Space",), ""),
            *self._walks(),
            *(
                ActionSpec(
                    f"frames.{name}", f"Mark {name}", partial(self.mark, mark), (key,), f"Mark the frames {name}"
                )
                for name, key, mark in marks
            ),
            ActionSpec("frames.unmark", "Remove mark", partial(self.mark, Mark.NONE), ("Backspace",), ""),
            ActionSpec("frames.deselect", "Clear brush", self.clear_brush, ("Esc",), "Only the selected frame remains"),
            ActionSpec(
                "frames.check", "&Check frames", window.check_frames, ("Ctrl+K",), "See whether frames and map fit"
            ),
            ActionSpec(
                "frames.minimise", "&Minimise…", window.show_minimise, ("Ctrl+I",), "Bring structures to their minima"
            ),
            ActionSpec(
                "frames.sample",
                "Sa&mple…",
                window.show_sample,
                ("Ctrl+Shift+I",),
                "Draw an ensemble from a trained flow",
            ),
            ActionSpec(
                "frames.force_field",
                "&Force field…",
                window.show_force_field,
                ("Ctrl+Shift+F",),
                "Derivatives of an ensemble by parameters of its energy, and parameters tuned to data",
            ),
            ActionSpec(
                "frames.scattering",
                "&Scattering settings…",
                window.show_scattering,
                ("Ctrl+,",),
                "Selection, supercell, boxes, bulk solvent, where structure factors are computed",
            ),
        )

    def _walks(self) -> list[ActionSpec]:
        """Through the frames in order of their weight."""
        rows = (
            ("heavier", "Next &higher weight", 1, "H", "Select the frame that weighs just more"),
            ("lighter", "Next &lower weight", -1, "L", "Select the frame that weighs just less"),
            ("heaviest", "Highest weight", TO_THE_END, "Shift+H", "Select the frame that weighs most"),
            ("lightest", "Lowest weight", -TO_THE_END, "Shift+L", "Select the frame that weighs least"),
        )
        return [
            ActionSpec(f"frames.{name}", title, partial(self.walk, step), (key,), tip, needs_fit=True)
            for name, title, step, key, tip in rows
        ]

    def _fit(self, window: Window) -> tuple[ActionSpec, ...]:
        return (
            ActionSpec("fit.start", "&Start", self._fit_panel.start, ("Ctrl+R",), "Fit the weights"),
            ActionSpec("fit.stop", "S&top", self.stop, ("Ctrl+.",), "Stop with the present step"),
            ActionSpec(
                "fit.resume", "&Resume", self._fit_panel.resume, ("Ctrl+Shift+R",), "Go on from the last weights"
            ),
            ActionSpec(
                "fit.validate", "&Validate", self._fit_panel.validate, (), "See whether the weights can be believed"
            ),
            ActionSpec("fit.explain", "&Explain", self.explain, (), "See what the weights go with"),
            ActionSpec(
                "fit.select", "Select &frames", window.select_frames, (), "Keep or leave out whole frames, to compare"
            ),
        )

    def _view(self, window: Window) -> tuple[ActionSpec, ...]:
        return (
            ActionSpec("view.light", "&Light theme", partial(window.set_theme, "light")),
            ActionSpec("view.dark", "&Dark theme", partial(window.set_theme, "dark")),
            ActionSpec("view.reset", "&Reset layout", window.reset_layout, (), "Put all panels where they were"),
        )

    def _help(self) -> tuple[ActionSpec, ...]:
        return (
            ActionSpec("help.guide", "User &guide", self.show_guide, (), "Open the user guide"),
            ActionSpec("help.shortcuts", "&Keyboard shortcuts", self.show_shortcuts, ("F1", "?"), "All keys"),
            ActionSpec("help.about", "&About mdweights", self.show_about, (), "Versions"),
        )

    def new(self) -> None:
        """Begin a new project, after asking about unsaved results."""
        if self.may_discard():
            self._session.new()

    def open_project(self) -> None:
        """Ask for a project and open it."""
        path = self._dialogs.open_folder("Open project (a .mdw folder)")
        if path is not None:
            self.open_paths([path])

    def open_map(self) -> None:
        """Ask for a map and open it."""
        path = self._dialogs.open_map()
        if path is not None and self.may_discard():
            self._settings.add_recent([path])
            self._session.open_map(path)

    def open_frames(self) -> None:
        """Ask for trajectory files and open them."""
        paths = self._dialogs.open_frames()
        if paths:
            self.open_paths(paths)

    def open_folder(self) -> None:
        """Ask for a folder of MTZ files, or a store."""
        path = self._dialogs.open_folder("Open frames: a folder of MTZ files or a .zarr store")
        if path is not None:
            self.open_paths([path])

    def open_topology(self) -> None:
        """Ask for a topology of the open frames."""
        path = self._dialogs.open_topology()
        if path is not None:
            self._session.inputs.edit(topology=path)

    def open_prior(self) -> None:
        """Ask for the weights of a biased simulation."""
        path = self._dialogs.open_prior()
        if path is not None:
            self._session.inputs.edit(prior=path)

    def open_bragg(self) -> None:
        """Ask for Bragg amplitudes that are fitted beside the map."""
        path = self._dialogs.open_bragg()
        if path is not None:
            self._session.inputs.edit(bragg=path)

    def open_energies(self) -> None:
        """Ask for a table of energies that weights may go with."""
        path = self._dialogs.open_energies()
        if path is not None:
            self._session.revisit.set_meaning(energies=str(path))

    def explain(self) -> None:
        """Look for the meaning of the weights."""
        self._session.revisit.explain()

    def fit_solvent(self) -> None:
        """Ask for Bragg amplitudes and fit the bulk solvent to them."""
        path = self._dialogs.open_bragg()
        if path is not None:
            self._session.inputs.fit_solvent(path)

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open paths from a dialog, a drop or the list of recent files."""
        if not self.may_discard():
            return
        self._settings.add_recent(paths)
        self._session.open_paths(paths)

    def open_example(self) -> None:
        """Load the built-in example."""
        from mdweights_core.example import example_inputs

        if not self.may_discard():
            return
        try:
            self._session.open_inputs(example_inputs())
        except MdweightsError as problem:
            self._session.failed.emit(problem)

    def save(self) -> bool:
        """Save where it was saved before, or ask; True when saving began."""
        path = self._session.document.saved_path
        if path is None:
            return self.save_as()
        self._session.save(path)
        return True

    def save_as(self) -> bool:
        """Ask where to save; True when saving began."""
        document = self._session.document
        name = document.draft.map.stem if document.draft.map else "fit"
        path = self._dialogs.save_project(name + PROJECT) if document.fitted is not None else None
        if path is None:
            return False
        self._session.save(path)
        return True

    def export(self, kind: str) -> None:
        """Ask for a file name and write an export."""
        path = self._dialogs.export(kind)
        if path is None:
            return
        if kind == "png":
            self._window.save_picture(path)  # type: ignore[attr-defined]
        else:
            self._session.export(kind, path)

    def stop(self) -> None:
        """Stop the fit, of weights or of a bulk solvent, if one runs."""
        self._fit_panel.stop()

    def step(self, by: int) -> None:
        """Select the frame `by` further."""
        self._session.selection.select(max(self._session.selection.frame + by, 0))

    def walk(self, step: int) -> None:
        """Select the frame `step` places heavier, or lighter when negative."""
        fitted = self._session.document.fitted
        if fitted is not None:
            self._session.selection.walk(fitted.project.fit.weights, step)

    def mark(self, mark: Mark) -> None:
        """Mark the brushed frames, or the selected one."""
        frames = self._session.selection.targets()
        if len(frames):
            self._undo.push(MarkFrames(self._session.marks, frames, mark))

    def mark_selection(self, kept: np.ndarray) -> None:
        """Mark the frames of a selection keep and all others drop."""
        self._undo.push(MarkSelection(self._session.marks, kept))

    def fit_only(self, kept: np.ndarray) -> None:
        """Fit weights to some frames, bool [n_frames], and give all others none."""
        self._session.inputs.edit(only=tuple(np.flatnonzero(kept).tolist()))
        self._fit_panel.start()

    def clear_brush(self) -> None:
        """Forget the brushed frames."""
        self._session.selection.set_brushed([])

    def show_guide(self) -> None:
        """Show the user guide."""
        try:
            guide(guide_path(), self._window).show()
        except MdweightsError as problem:
            self._session.failed.emit(problem)

    def show_shortcuts(self) -> None:
        """Show the shortcut sheet."""
        shortcut_sheet(sheet(self.table(self._window)), self._window).show()  # type: ignore[arg-type]

    def show_about(self) -> None:
        """Show versions."""
        about(self._window).show()

    def may_discard(self) -> bool:
        """Ask whether unsaved results may be dropped; True when there are none."""
        working = self._session.working
        if not (self._session.document.is_unsaved or working):
            return True
        question = "The fit is not saved. Drop it?" if self._session.document.is_unsaved else f"{working} Stop it?"
        return QMessageBox.question(self._window, "mdweights", question) == QMessageBox.StandardButton.Yes
