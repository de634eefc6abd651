"""What a user may choose about a network of springs; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mdweights_core.errors import BadInput


@dataclass(frozen=True)
class NetworkSettings:
    """Which springs there are, and which of them share a force constant.

    Attributes
    ----------
    cutoff : float
        Longest spring, nm.
    bins : tuple of float
        Lengths in nm at which classes of springs end, rising and below the cut-off.
    by_bond, by_contact : bool
        Whether neighbours in a chain, and springs between molecules of a crystal, are classes of their own.
    bins_of_contacts : bool
        Whether contacts have classes by length, too.
    constant : float
        Force constant at first, kJ/mol/nm^2; with a power that at 1 nm.
    power : float
        Force constants fall as the distance to this power.
    site : float
        Force constant at first of springs from atoms to their places, kJ/mol/nm^2; 0 for none.
    is_harmonic : bool
        Whether springs are harmonic in displacements, so that averages are known in closed form.
    """

    cutoff: float = 1.5
    bins: tuple[float, ...] = ()
    by_bond: bool = True
    by_contact: bool = True
    bins_of_contacts: bool = False
    constant: float = 418.4
    power: float = 0.0
    site: float = 0.0
    is_harmonic: bool = True

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if not 0 < self.cutoff < float("inf"):
            raise BadInput(f"Springs of up to {self.cutoff:g} nm tie nothing", advice="Give a cut-off above 0")
        edges = (0.0, *self.bins, self.cutoff)
        if any(not low < high for low, high in pairwise(edges)):
            told = ", ".join(f"{edge:g}" for edge in self.bins)
            raise BadInput(
                f"The lengths {told} nm are no classes of springs up to {self.cutoff:g} nm",
                advice="Give rising numbers between 0 and the cut-off",
            )
        if not (0 < self.constant < float("inf") and 0 <= self.site < float("inf")):
            raise BadInput("A force constant is not above 0", advice="Give a positive number of kJ/mol/nm^2")
