"""The toy systems by name, each with a coordinate and the boundary of two states; read without JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from mdweights_core.errors import BadInput


class ToyTarget(Protocol):
    """A toy system: energies at kT = 1."""

    @property
    def n(self) -> int:
        """Number of variables."""
        ...

    @property
    def starts(self) -> np.ndarray:
        """Configurations of low energy to start from, float64 [m, n]."""
        ...

    def reduced(self, x: Any) -> Any:
        """Energy of a configuration [n] in kT, in its precision."""
        ...


@dataclass(frozen=True)
class Toy:
    """What a toy system is called and what is asked of it.

    Attributes
    ----------
    sentence : str
        What it is, for a list of choices.
    made_by : str
        Module, class and, where there is one, classmethod: "wells:DoubleWell.code".
    coordinate : function
        From configurations [..., n], of NumPy or JAX, to numbers [...].
    label : str
        What the coordinate is called.
    boundary : float
        It separates the two states. The free-energy difference is F(above) - F(below).
    below, above : str
        What the states are called.
    options : mapping
        What the maker is given.
    """

    sentence: str
    made_by: str
    coordinate: Callable[[Any], Any]
    label: str
    boundary: float
    below: str
    above: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> ToyTarget:
        """Return the system, a pytree that jitted functions take as an argument; this imports JAX."""
        module, _, path = self.made_by.partition(":")
        made_by: Any = import_module(f"mdweights_core.energy.toys.{module}")
        for name in path.split("."):
            made_by = getattr(made_by, name)
        return made_by(**self.options)

    def is_above(self, x: Any) -> Any:
        """Which configurations [..., n] are in the state above the boundary, bool [...]."""
        return self.coordinate(x) > self.boundary


def toy(name: str) -> Toy:
    """Look up a toy system.

    Raises
    ------
    BadInput
        There is none of that name.
    """
    if name not in TOYS:
        raise BadInput(f"There is no toy system '{name}'", advice=f"Choose one of {', '.join(TOYS)}")
    return TOYS[name]


def _first(x: Any) -> Any:
    return x[..., 0]


def _across(x: Any) -> Any:
    return x[..., 1] - x[..., 0]


def _first_distance(x: Any) -> Any:
    return ((x[..., 2] - x[..., 0]) ** 2 + (x[..., 3] - x[..., 1]) ** 2) ** 0.5


def _radius_of_gyration(x: Any) -> Any:
    places = x.reshape(*x.shape[:-1], -1, 3)
    spread = (places - places.mean(axis=-2, keepdims=True)) ** 2
    return spread.sum(axis=(-1, -2)) ** 0.5 / places.shape[-2] ** 0.5


def _double_well(sentence: str, form: str, boundary: float) -> Toy:
    return Toy(sentence, f"wells:DoubleWell.{form}", _first, "x", boundary, "left well", "right well")


def _mueller_brown(scale: float) -> Toy:
    return Toy(
        f"Mueller-Brown potential times {scale:g}: three curved wells in two variables",
        "wells:MuellerBrown",
        _across,
        "y - x",
        0.75,
        "lower right wells",
        "upper left well",
        {"scale": scale},
    )


def _dimer(slope: float, kind: str) -> Toy:
    return Toy(
        f"Dimer of two lengths among 36 repelling particles in a box, slope {slope:g} ({kind}): 76 variables",
        "particles:DimerInFluid",
        _first_distance,
        "length of the dimer",
        1.5,
        "closed",
        "open",
        {"slope": slope},
    )


TOYS: dict[str, Toy] = {
    "double-well": _double_well("Double well x^4 - 6x^2 + x + y^2/2, the 2019 paper's figures", "code", 0.083528),
    "double-well-printed": _double_well("Double well x^4/4 - 3x^2 + x + y^2/2, its text", "printed", 0.167449),
    "double-well-fab": _double_well("Double well x^4 - 6x^2 - x/2 + y^2/2, a factor of Many Well", "fab", -0.041691),
    "double-well-even": _double_well("Double well x^4 - 4x^2 + y^2/2, both wells alike", "bgflow", 0.0),
    "mueller-brown": _mueller_brown(0.1),
    "mueller-brown-steep": _mueller_brown(0.15),
    "mixture-9": Toy(
        "Nine Gaussians on a square lattice, equal weights",
        "densities:GaussianMixture.three_by_three",
        _first,
        "x",
        2.5,
        "left and middle",
        "right",
    ),
    "mixture-40": Toy(
        "Forty Gaussians scattered over a square, equal weights",
        "densities:GaussianMixture.forty_modes",
        _first,
        "x",
        0.0,
        "left",
        "right",
    ),
    "many-well": Toy(
        "Many Well: 16 double wells side by side, 32 variables, 65 536 modes",
        "wells:ManyWell",
        _first,
        "x of the first well",
        -0.041691,
        "left well",
        "right well",
    ),
    "dw4": Toy(
        "DW4: four particles in the plane, a double well for each pair",
        "particles:DoubleWellParticles",
        _first_distance,
        "distance of particles 1 and 2",
        4.0,
        "close",
        "far",
    ),
    "lj13": Toy(
        "LJ13: thirteen Lennard-Jones particles in a harmonic trap",
        "particles:LennardJonesParticles",
        _radius_of_gyration,
        "radius of gyration",
        1.5,
        "compact",
        "loose",
    ),
    "dimer": _dimer(2.0, "published profile"),
    "dimer-default": _dimer(-0.5, "default of the published program"),
    "gaussian": Toy(
        "Ten correlated Gaussian variables", "densities:Gaussian.correlated", _first, "x1", -1.0, "low", "high"
    ),
    "funnel": Toy(
        "Funnel: ten variables, one sets the spread of the others",
        "densities:Funnel",
        _first,
        "x1",
        0.0,
        "narrow",
        "wide",
    ),
}
"""All toy systems by the names that the command line takes."""
