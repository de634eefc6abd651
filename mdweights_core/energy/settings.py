"""What makes an energy from a structure: force field, solvent, cut-off, and what may be repaired."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput

FORCE_FIELDS = {  # files of OpenMM
    "amber14": ("amber14-all.xml",),
    "amber96": ("amber96.xml",),
    "amber99sbildn": ("amber99sbildn.xml",),
    "charmm36": ("charmm36.xml",),
}
SOLVENTS = {
    "none": (),
    "hct": ("implicit/hct.xml",),
    "obc1": ("implicit/obc1.xml",),
    "obc2": ("implicit/obc2.xml",),
    "gbn": ("implicit/gbn.xml",),
    "gbn2": ("implicit/gbn2.xml",),
}


@dataclass(frozen=True)
class EnergySettings:
    """How the energy of a structure is set up.

    Attributes
    ----------
    force_field : str
        A name of `FORCE_FIELDS`, or the path of an OpenMM force-field file (XML).
    solvent : str
        A name of `SOLVENTS`.
    cutoff : float, optional
        In nm; charges interact by a reaction field beyond it. None: all pairs.
    crystal : bool
        The unit cell with all its molecules, in a periodic box; needs a cut-off.
    copies : (int, int, int)
        How many unit cells along each axis.
    add_hydrogens : bool
        Whether hydrogens that are missing may be added.
    repair : bool
        Whether PDBFixer may add missing atoms and replace unusual residues; what the force field does not know is
        left out.
    ph : float
        At which protons are where.
    model : int
        Which model of the file, from 1 on.
    """

    force_field: str = "amber14"
    solvent: str = "obc2"
    cutoff: float | None = None
    crystal: bool = False
    copies: tuple[int, int, int] = (1, 1, 1)
    add_hydrogens: bool = False
    repair: bool = False
    ph: float = 7.0
    model: int = 1

    @property
    def files(self) -> tuple[str, ...]:
        """OpenMM's files of force field and solvent.

        Raises
        ------
        BadInput
            For a force field or solvent that is not known, and for values out of range.
        """
        if self.solvent not in SOLVENTS:
            raise BadInput(f"There is no solvent '{self.solvent}'", advice=f"Choose one of {', '.join(SOLVENTS)}")
        if self.force_field in FORCE_FIELDS:
            return FORCE_FIELDS[self.force_field] + SOLVENTS[self.solvent]
        if not self.force_field.lower().endswith(".xml"):
            raise BadInput(
                f"There is no force field '{self.force_field}'",
                advice=f"Choose one of {', '.join(FORCE_FIELDS)}, or name an OpenMM force-field file (.xml)",
            )
        return self.force_field, *SOLVENTS[self.solvent]

    def check(self) -> None:
        """Refuse values that mean nothing, or do not go together."""
        _ = self.files
        if self.cutoff is not None and not 0 < self.cutoff < float("inf"):
            raise BadInput(f"The cut-off of {self.cutoff:g} nm is not above 0")
        if self.crystal and self.cutoff is None:
            raise BadInput("A crystal needs a cut-off", advice="Choose one of half the smallest cell width or less")
        if self.crystal and self.solvent != "none":
            raise BadInput(
                f"The implicit solvent {self.solvent} is made for molecules alone in water, not for crystals",
                advice="Choose the solvent 'none' for a crystal",
            )
        if min(self.copies) < 1:
            raise BadInput(f"{self.copies} unit cells are none", advice="Choose 1 or more along each axis")
        if self.model < 1:
            raise BadInput(f"There is no model {self.model}", advice="Models are counted from 1 on")
