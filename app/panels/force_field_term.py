"""New functional forms: terms typed as expressions, which are added to a force field or take the place of a term."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QPushButton, QWidget

from app.panels.fold import Fold
from app.panels.forms import Entry, add_row, choice, note
from mdweights_core.dynamics.models.form_settings import KINDS, FormSettings, typed_parameters
from mdweights_core.errors import BadInput, MdweightsError, counted

_COORDINATES = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in KINDS.items())
EXPRESSION_TIP = (
    f"In the language of OpenMM's custom forces, such as D*(1 - exp(-a*(r - r0)))^2; coordinates are {_COORDINATES}"
)
BETWEEN_TIP = "Types of atoms, (selections) or *, separated by commas: CT, HC; all where it is empty"
_LINES = 3


class ForceFieldTerm(Fold):
    """Fields of one term over the list of those that are there.

    Signals
    -------
    added(object)
        A `FormSettings` that is to be taken if it can be read.
    removed(str)
        The term of that name is to be left out.
    """

    added = Signal(object)
    removed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("New terms", parent)
        self.forms: tuple[FormSettings, ...] = ()
        self.name, self.kind, self.expression = Entry(), choice({kind: kind for kind in KINDS}), Entry()
        self.values, self.between, self.replaces = Entry(), Entry(), Entry()
        self.add_button, self.remove_button = QPushButton("Add"), QPushButton("Remove")
        self.problem, self.list = note(), QListWidget()
        self.kind.setCurrentIndex(self.kind.findData("bond"))
        add_row(self.rows, "Name", self.name, "Of the term")
        add_row(self.rows, "Of each", self.kind, "What the expression is a sum over")
        add_row(self.rows, "Expression", self.expression, EXPRESSION_TIP)
        add_row(self.rows, "Values", self.values, "Of its parameters: D=400, a=20, r0=0.11")
        add_row(self.rows, "Between", self.between, BETWEEN_TIP)
        add_row(self.rows, "Replaces", self.replaces, "Term that it takes the place of, such as bonds; none if empty")
        self.expression.setPlaceholderText("D*(1 - exp(-a*(r - r0)))^2")
        self.values.setPlaceholderText("D=400, a=20, r0=0.11")
        buttons = QHBoxLayout()
        for button in (self.add_button, self.remove_button):
            buttons.addWidget(button)
        self.rows.addRow(buttons)
        self.rows.addRow(self.problem)
        self.rows.addRow(self.list)
        self.problem.hide()
        self.list.setFixedHeight(_LINES * (self.list.fontMetrics().height() + 4))
        self.list.setAccessibleName("Terms that are added")
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(self._on_remove)
        self.show_forms(())

    def form(self) -> FormSettings:
        """The term that is typed.

        Raises
        ------
        BadInput
            When it means nothing.
        """
        if not self.expression.text().strip():
            raise BadInput("No expression is typed", advice="Write one such as k*(r - r0)^2")
        between = tuple(filter(None, (word.strip() for word in self.between.text().split(","))))
        return FormSettings(
            self.name.text().strip(),
            self.kind.currentData(),
            self.expression.text().strip(),
            typed_parameters(self.values.text()),
            between,
            replaces=self.replaces.text().strip(),
        )

    def show_forms(self, forms: tuple[FormSettings, ...]) -> None:
        """Show the terms that are there."""
        self.forms = forms
        self.list.clear()
        self.list.addItems([f"{form.name}: {form.expression}" for form in forms])
        self.list.setVisible(bool(forms))
        self.remove_button.setEnabled(bool(forms))
        self.set_digest(counted(len(forms), "term") if forms else "")
        self.tell(None)

    @Slot(object)
    def tell(self, problem: MdweightsError | None) -> None:
        """Say why the term that is typed cannot be used; None takes that back."""
        self.expression.mark(problem)
        self.problem.setText("" if problem is None else problem.sentence)
        self.problem.setVisible(problem is not None)

    @Slot()
    def add(self) -> None:
        """Ask for the term that is typed."""
        try:
            form = self.form()
        except BadInput as problem:
            self.tell(problem)
        else:
            self.added.emit(form)

    @Slot()
    def _on_remove(self) -> None:
        if self.forms:
            self.removed.emit(self.forms[max(0, self.list.currentRow())].name)
