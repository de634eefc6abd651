"""The small systems by name, read without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mdweights_core.errors import BadInput

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.base import Simulated


@dataclass(frozen=True)
class SmallSystem:
    """What a small system is called and made by.

    Attributes
    ----------
    sentence : str
        What it is, for a list of choices.
    made_by : str
        Module and function: "toys:oscillator".
    options : mapping
        What that is given.
    """

    sentence: str
    made_by: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Simulated:
        """Return the system; this imports JAX."""
        module, _, name = self.made_by.partition(":")
        made_by = getattr(import_module(f"mdweights_core.dynamics.models.{module}"), name)
        found: Simulated = made_by(**self.options)
        return found


def small_system(name: str) -> SmallSystem:
    """Look up a small system.

    Raises
    ------
    BadInput
        There is none of that name.
    """
    if name not in SMALL_SYSTEMS:
        raise BadInput(f"There is no small system '{name}'", advice=f"Choose one of {', '.join(SMALL_SYSTEMS)}")
    return SMALL_SYSTEMS[name]


SMALL_SYSTEMS: dict[str, SmallSystem] = {
    "oscillator": SmallSystem("One variable on a spring: k", "toys:oscillator"),
    "well-low": SmallSystem("Two wells parted by 0.25 kT: h, s", "toys:double_well", {"h": 0.25, "s": 0.3}),
    "well": SmallSystem("Two wells parted by 1 kT: h, s", "toys:double_well", {"h": 1.0, "s": 0.3}),
    "well-high": SmallSystem(
        "Two wells parted by 3 kT, too high for derivatives along trajectories: h, s",
        "toys:double_well",
        {"h": 3.0, "s": 0.3},
    ),
    "lj-dimer": SmallSystem("Two tethered Lennard-Jones particles: epsilon, sigma, k, r0", "toys:tethered_dimer"),
    "ring": SmallSystem("A one-dimensional crystal of 16 atoms: k1, k2, k3", "toys:diatomic_ring"),
    "water-still": SmallSystem("Three atoms of water at rest, T = 0: kb, b0, ka, a0", "toys:water"),
    "water-warm": SmallSystem("Three atoms of water at 100 K: kb, b0, ka, a0", "toys:water", {"is_ensemble": True}),
    "lj-crystal": SmallSystem(
        "Lennard-Jones crystal of 32 atoms at T* = 0.3: epsilon, sigma", "lennard_jones:lennard_jones_crystal"
    ),
    "lj-liquid": SmallSystem(
        "Lennard-Jones liquid of 108 atoms at T* = 0.728: epsilon, sigma",
        "lennard_jones:lennard_jones_crystal",
        {"atoms": 108, "density": 0.8442, "kt": 0.728},
    ),
}
"""All small systems by the names that the command line takes."""
