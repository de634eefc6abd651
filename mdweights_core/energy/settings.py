"""What makes an energy from a structure: force field, solvent, cut-off, and what may be repaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mdweights_core.errors import BadInput

GAS_CONSTANT = 8.31446261815324e-3
"""kJ/mol/K (CODATA 2018)."""

FORCE_FIELDS = {  # files of OpenMM
    "amber14": ("amber14-all.xml",),
    "amber96": ("amber96.xml",),
    "amber99sbildn": ("amber99sbildn.xml",),
    "charmm36": ("charmm36.xml",),
}


class WaterModel(NamedTuple):
    """Three-site water, and the ions that go with it: what it is called, and its file of OpenMM."""

    name: str
    file: str


WATER_MODELS = {  # the one that OpenMM's user guide pairs with each force field
    "amber14": WaterModel("TIP3P-FB", "amber14/tip3pfb.xml"),
    "amber96": WaterModel("TIP3P", "tip3p.xml"),
    "amber99sbildn": WaterModel("TIP3P", "tip3p.xml"),
    "charmm36": WaterModel("CHARMM's TIP3P", "charmm36/water.xml"),
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
        A name of `FORCE_FIELDS`, or the path of an OpenMM force-field file (XML); several are separated by commas.
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
    drop_water : bool
        Whether waters and single ions of the structure are left out.
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
    drop_water: bool = False
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
        parts = [part.strip() for part in self.force_field.split(",")]
        for part in parts:
            if part not in FORCE_FIELDS and not part.lower().endswith(".xml"):
                raise BadInput(
                    f"There is no force field '{part}'",
                    advice=f"Choose one of {', '.join(FORCE_FIELDS)}, or name OpenMM force-field files (.xml)",
                )
        files = [file for part in parts for file in FORCE_FIELDS.get(part, (part,))]
        return *files, *SOLVENTS[self.solvent]

    @property
    def water_model(self) -> WaterModel | None:
        """What goes with the force field; None where that is a file, which has its own."""
        named = (part.strip() for part in self.force_field.split(","))
        return next((WATER_MODELS[part] for part in named if part in WATER_MODELS), None)

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
        if not 0 <= self.ph <= 14:
            raise BadInput(f"There is no pH of {self.ph:g}", advice="Choose one between 0 and 14")
