"""The shortcut sheet, the user guide and the about box."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from app.errors import versions
from mdweights_core.errors import DiskProblem


class TextDialog(QDialog):
    """A page of rich text with a Close button, not modal."""

    def __init__(self, title: str, html: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.page = QTextBrowser()
        self.page.setHtml(html)
        self.page.setOpenExternalLinks(True)
        self.page.setAccessibleName(title)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.page)
        layout.addWidget(buttons)
        self.resize(520, 560)


def shortcut_sheet(rows: list[tuple[str, str, str]], parent: QWidget | None = None) -> TextDialog:
    """All shortcuts, grouped as the menus are: rows of (menu, title, keys)."""
    parts, last = [], ""
    for group, title, keys in rows:
        if group != last:
            parts.append(f'<tr><td colspan="2"><h3>{escape(group)}</h3></td></tr>')
            last = group
        parts.append(f'<tr><td>{escape(title)}</td><td style="padding-left: 24px"><b>{escape(keys)}</b></td></tr>')
    return TextDialog("Keyboard shortcuts", f"<table>{''.join(parts)}</table>", parent)


def guide_path() -> Path:
    """Where the user guide is: in a clone, or where an installed program keeps its documents."""
    in_clone = Path(__file__).resolve().parents[2] / "docs" / "guide.md"
    return in_clone if in_clone.is_file() else Path(sys.prefix) / "share" / "doc" / "mdweights" / "guide.md"


def guide(path: Path, parent: QWidget | None = None) -> TextDialog:
    """The user guide, a Markdown file.

    Raises
    ------
    DiskProblem
        When it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        advice = "Read it where the program comes from: docs/guide.md"
        raise DiskProblem("The user guide is not part of this installation", where=path, advice=advice) from error
    dialog = TextDialog("User guide", "", parent)
    dialog.page.setSearchPaths([str(path.parent)])
    dialog.page.setMarkdown(text)
    dialog.resize(820, 700)
    return dialog


def about(parent: QWidget | None = None) -> TextDialog:
    """What this is, and the versions a report should name."""
    text = (
        "<h2>mdweights</h2><p>Frame weights for molecular-dynamics ensembles from X-ray diffuse scattering maps.</p>"
        f"<pre>{escape(versions())}</pre>"
    )
    return TextDialog("About mdweights", text, parent)
