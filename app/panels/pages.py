"""How the pages of the tabs are put together: parts side by side, and text to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QSplitter,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)


def side_by_side(left: QWidget, right: QWidget, shares: tuple[int, int] = (1, 1)) -> QSplitter:
    """Two parts with a handle between them; neither can be closed, and `shares` say how the width is divided."""
    page = QSplitter(Qt.Orientation.Horizontal)
    for place, (part, share) in enumerate(zip((left, right), shares, strict=True)):
        page.addWidget(part)
        page.setStretchFactor(place, share)
    page.setSizes([1000 * share for share in shares])
    page.setChildrenCollapsible(False)
    return page


def stack(page: QWidget, *rows: QWidget | QLayout) -> None:
    """Fill `page` with rows, without margins; the last widget takes the height that is left."""
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    *_, last = (row for row in rows if isinstance(row, QWidget))
    for row in rows:
        if isinstance(row, QLayout):
            layout.addLayout(row)
        else:
            layout.addWidget(row, 1 if row is last else 0)


def page_bar(titles: Sequence[str], name: str) -> QTabBar:
    """The names of pages within a tab, for a reader called `name`."""
    bar = QTabBar()
    for title in titles:
        bar.addTab(title)
    bar.setDrawBase(False)
    bar.setExpanding(False)
    bar.setAccessibleName(name)
    return bar


def paged(tab: QWidget, bar: QTabBar, pages: Iterable[QWidget], below: Sequence[QWidget] = ()) -> None:
    """Fill `tab` with the pages of `bar`, one at a time, over a row of widgets; buttons stay small."""
    shown = QStackedWidget()
    for page in pages:
        shown.addWidget(page)
    bar.currentChanged.connect(shown.setCurrentIndex)
    layout = QVBoxLayout(tab)
    layout.setContentsMargins(4, 2, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(bar)
    layout.addWidget(shown, 1)
    if below:
        row = QHBoxLayout()
        row.setContentsMargins(6, 2, 6, 3)
        for widget in below:
            row.addWidget(widget, 0 if isinstance(widget, QPushButton | QSpinBox) else 1)
        layout.addLayout(row)


def reading(text: QLabel, margin: int) -> QScrollArea:
    """A page with `text`, in HTML, that can be scrolled and copied from."""
    text.setWordWrap(True)
    text.setTextFormat(Qt.TextFormat.RichText)
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    text.setAlignment(Qt.AlignmentFlag.AlignTop)
    text.setMargin(margin)
    page = QScrollArea()
    page.setWidget(text)
    page.setWidgetResizable(True)
    page.setFrameShape(QFrame.Shape.NoFrame)
    return page
