"""Settings of a structure-factor run: plain values, importable without the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mdweights_core.errors import BadInput

LARGEST_B = 1000.0  # angstrom squared: beyond it nothing is left at any resolution
USUAL_DENSITY = 0.35  # of a bulk solvent in electrons per cubic angstrom: water has 0.334, salts add to it
RADIATIONS = ("xray", "electron", "neutron")
BOXES = ("own", "mean")
SOLVENTS = ("none", "mask")
MOLECULES = ("auto", "whole", "as-is")
DEVICES = ("auto", "cpu", "gpu")
_PROTOCOLS = ("tcp", "tls", "ws", "wss", "ucx", "ucxx")  # at which a Dask scheduler can be


@dataclass(frozen=True)
class PredictSettings:
    """What structure factors are computed from frames: everything here changes the numbers.

    Attributes
    ----------
    remove_drift : bool
        Take the common translation of each frame against the first out; rotations and everything else stay.
    b_iso : float
        B factor added to all atoms, angstrom squared; 0 when the frames carry the motion.
    b_elements : mapping of str to float
        B factors added by element, angstrom squared: ``{"H": 5.0}``.
    b_from_topology, occupancy_from_topology : bool
        Take each atom's B factor (added to the others) and occupancy from the topology (PDB or mmCIF).
    relative_error : float
        Target for ||F - F_direct|| / ||F_direct||.
    radiation : str
        ``"xray"`` (IT92), ``"electron"`` (Peng et al. 1996, as gemmi's C4322) or ``"neutron"`` (scattering lengths).
    selection : str
        Atoms that scatter, in mdtraj's selection language (``protein``, ``not water``); empty for all.
    altloc : str
        The alternative conformer taken of atoms that have several; empty takes the one of most occupancy.
    supercell : 3 int or None
        Cells of the crystal along each axis of the frames' boxes; None finds them from box and cell.
    boxes : str
        ``"own"``: atoms are made fractional in their own frame's box; ``"mean"``: in the mean box of all frames.
    molecules : str
        ``"whole"``: molecules cut by the box are put together again; ``"as-is"``: not; ``"auto"``: where it matters,
        that is where reflections are not commensurate with the box.
    expand_symmetry : bool
        The frames hold one asymmetric unit: the space group's operations make the whole cell from it.
    solvent : str
        ``"mask"`` adds a flat bulk solvent to frames that were stripped of theirs.
    k_sol : float or None
        Density of the solvent in electrons per cubic angstrom, for electrons and neutrons in what their scattering
        factors are in (angstrom and fm) per cubic angstrom. Light water scatters neutrons with a negative density.
        None: the usual one, which only X-rays have.
    b_sol : float
        B factor of the solvent, angstrom squared.

    Raises
    ------
    BadInput
        When a number or a word makes no sense.
    """

    remove_drift: bool = True
    b_iso: float = 0.0
    b_elements: Mapping[str, float] = field(default_factory=dict)
    b_from_topology: bool = False
    occupancy_from_topology: bool = False
    relative_error: float = 1e-4
    radiation: str = "xray"
    selection: str = ""
    altloc: str = ""
    supercell: tuple[int, int, int] | None = None
    boxes: str = "own"
    molecules: str = "auto"
    expand_symmetry: bool = False
    solvent: str = "none"
    k_sol: float | None = None
    b_sol: float = 46.0

    def __post_init__(self) -> None:
        if self.supercell is not None:  # a list when it comes from JSON
            object.__setattr__(self, "supercell", tuple(int(n) for n in self.supercell))
        for name, b in {"B factor": self.b_iso, "solvent's B factor": self.b_sol, **self._named_b()}.items():
            _require(0 <= b <= LARGEST_B, f"the {name} is {b:g}, but must lie between 0 and {LARGEST_B:g} A^2")
        _require(
            1e-12 <= self.relative_error <= 0.1,
            f"the relative error is {self.relative_error:g}, but must lie between 1e-12 and 0.1",
        )
        least = -2 if self.radiation == "neutron" else 0
        _require(
            self.k_sol is None or least <= self.k_sol <= 2,
            f"the solvent density is {self.k_sol}, but must lie between {least} and 2 {self.density_unit}",
        )
        for element in self.b_elements:
            _require(_is_element(element), f"there is no element {element!r} to give a B factor to")
        for name, choices in _CHOICES.items():
            given = getattr(self, name)
            _require(given in choices, f"{name} is {given!r}, but must be one of {', '.join(choices)}")
        _require(len(self.altloc) <= 1, f"the alternative conformer is {self.altloc!r}, but is one letter")
        cells = self.supercell
        _require(
            cells is None or (len(cells) == 3 and min(cells) >= 1),
            f"the supercell is {cells}, but needs three whole numbers of at least 1",
        )

    @property
    def density_unit(self) -> str:
        """The unit of `k_sol`: what the radiation scatters from, per cubic angstrom."""
        return {"xray": "e/Å³", "electron": "Å/Å³", "neutron": "fm/Å³"}.get(self.radiation, "e/Å³")

    def solvent_density(self) -> float:
        """`k_sol`, or the usual density of crystals.

        Raises
        ------
        BadInput
            When there is none for this radiation.
        """
        if self.k_sol is not None:
            return self.k_sol
        if self.radiation != "xray":
            raise BadInput(
                f"the usual density of the bulk solvent, {USUAL_DENSITY:g}, is that for X-rays, not for "
                f"{self.radiation}s",
                advice="Give its density (--k-sol), in fm/A^3 for neutrons (heavy water 0.64, light water -0.06), in "
                "A/A^3 for electrons",
            )
        return USUAL_DENSITY

    def _named_b(self) -> dict[str, float]:
        return {f"B factor of {element}": b for element, b in self.b_elements.items()}


_CHOICES = {"radiation": RADIATIONS, "boxes": BOXES, "molecules": MOLECULES, "solvent": SOLVENTS}


@dataclass(frozen=True)
class Execution:
    """Where structure factors are computed: nothing here changes the numbers beyond their error.

    Attributes
    ----------
    scheduler : str
        ``"threads"`` or ``"processes"`` of this machine, or the address of a Dask scheduler (``tcp://host:8786``).
    workers : int or None
        Frames computed at the same time; None uses what this process may.
    device : str
        ``"cpu"``, ``"gpu"``, or ``"auto"``: whichever is faster for the first frame where there is a GPU.
    """

    scheduler: str = "threads"
    workers: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        is_known = self.scheduler in ("threads", "processes") or _is_address(self.scheduler)
        _require(
            is_known,
            f"the scheduler is {self.scheduler!r}, but must be threads, processes or an address like tcp://host:8786",
        )
        _require(self.workers is None or self.workers >= 1, f"the number of workers is {self.workers}, but at least 1")
        _require(self.device in DEVICES, f"the device is {self.device!r}, but must be one of {', '.join(DEVICES)}")


def _is_element(symbol: str) -> bool:
    import gemmi

    return gemmi.Element(symbol).atomic_number > 0


def _is_address(text: str) -> bool:
    protocol, mark, place = text.partition("://")
    return bool(mark and place) and protocol in _PROTOCOLS


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise BadInput(otherwise)
