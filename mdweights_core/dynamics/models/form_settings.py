"""A term of an energy as a user types it; imports without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.errors import BadInput

KINDS: Mapping[str, tuple[str, ...]] = {  # how many atoms, and what their coordinates are called
    "atom": ("x", "y", "z"),
    "bond": ("r",),
    "angle": ("theta",),
    "torsion": ("theta",),
    "pair": ("r",),
}
"""What a term may be of, and the coordinates in its expression: nm and radian."""

N_ATOMS = {"atom": 1, "bond": 2, "angle": 3, "torsion": 4, "pair": 2}
"""How many atoms each kind is of."""


@dataclass(frozen=True)
class FormSettings:
    """A sum of an expression over atoms, bonds, angles, torsion angles or pairs.

    Attributes
    ----------
    name : str
        Of the term.
    kind : str
        A name of `KINDS`.
    expression : str
        In the language of OpenMM's custom forces: "D*(1-exp(-a*(r-r0)))^2". Names that are not coordinates and not
        known of the atoms are parameters.
    parameters : tuple of Parameter
        All of these.
    between : tuple of str
        Groups of atoms: types, (selections) or *; one for each atom of a bond, angle or torsion angle, one or two for
        pairs, one for atoms. All where empty.
    cutoff : float, optional
        Of pairs, nm; energies are switched off before it.
    apart : int
        Pairs that are at most so many bonds apart do not count.
    replaces : str
        Term that it takes the place of, of bonds, angles and torsion angles only where it is of the same atoms; empty
        for none.
    """

    name: str
    kind: str
    expression: str
    parameters: tuple[Parameter, ...] = ()
    between: tuple[str, ...] = ()
    cutoff: float | None = None
    apart: int = 3
    replaces: str = ""

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not self.name.strip():
            raise BadInput("A term has no name", advice="Call it something")
        if self.kind not in KINDS:
            raise BadInput(f"The term {self.name} is of '{self.kind}'", advice=f"Choose one of {', '.join(KINDS)}")
        wanted = (0, 1, 2) if self.kind == "pair" else (0, N_ATOMS[self.kind])
        if len(self.between) not in wanted:
            raise BadInput(
                f"The term {self.name} is between {len(self.between)} groups of atoms",
                advice=f"Give {' or '.join(map(str, wanted[1:]))} of them, or none for all atoms",
            )
        if self.cutoff is not None and (self.kind != "pair" or not 0 < self.cutoff < float("inf")):
            raise BadInput(f"The cut-off of the term {self.name} means nothing", advice="Only pairs have one, above 0")
        if self.apart < 0:
            raise BadInput(f"Pairs of the term {self.name} cannot be {self.apart} bonds apart")


def typed_parameters(text: str) -> tuple[Parameter, ...]:
    """Parameters as people type them: "D=10, a=2, r0=0.3".

    Raises
    ------
    BadInput
        For words of another form.
    """
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (part.strip() for part in word.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not (name and equals and value == value):
            raise BadInput(f"'{word}' is no name and number", advice="Write D=10, a=2, r0=0.3")
        found.append(Parameter(name, value))
    return tuple(found)
