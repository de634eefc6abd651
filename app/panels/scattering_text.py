"""Settings of structure factors as people write and read them."""

from __future__ import annotations

import re

import gemmi

from mdweights_core.errors import BadInput
from mdweights_core.scattering.settings import PredictSettings

RADIATIONS = {"xray": "X-rays", "electron": "electrons", "neutron": "neutrons"}
BOXES = {"own": "each frame's own", "mean": "mean of all frames"}
MOLECULES = {"auto": "whole where it matters", "whole": "whole", "as-is": "as they are in the files"}
SOLVENTS = {"none": "none", "mask": "flat, outside the atoms"}


def parse_supercell(text: str) -> tuple[int, int, int] | None:
    """Three whole numbers, written like ``2 2 1`` or ``2x2x1``; None for nothing.

    Raises
    ------
    BadInput
        For anything else.
    """
    words = re.split(r"[\s,x×*]+", text.strip().lower()) if text.strip() else []
    if not words:
        return None
    if len(words) != 3 or not all(word.isdecimal() for word in words):
        raise BadInput(
            f"'{text}' is not a supercell",
            advice="Write three numbers such as 2 2 1, or none to have it found",
        )
    a, b, c = map(int, words)
    return a, b, c


def show_supercell(cells: tuple[int, int, int] | None) -> str:
    """The inverse of `parse_supercell`."""
    return "" if cells is None else " × ".join(map(str, cells))


def parse_b_elements(text: str) -> dict[str, float]:
    """B factors by element, written like ``H=5, C=2``.

    Raises
    ------
    BadInput
        For anything else, and for what is no element.
    """
    found: dict[str, float] = {}
    for part in filter(None, re.split(r"[,;]", text.replace(" ", ""))):
        element, _, number = part.partition("=")
        symbol = element.capitalize()
        try:
            found[symbol] = float(number)
        except ValueError:
            raise BadInput(
                f"'{text}' is not a list of B factors by element", advice="Write it as H=5, C=2 (Å²)"
            ) from None
        if not gemmi.Element(symbol).atomic_number:
            raise BadInput(f"'{element}' is not a chemical element", advice="Write B factors as H=5, C=2 (Å²)")
    return found


def show_b_elements(b: dict[str, float]) -> str:
    """The inverse of `parse_b_elements`."""
    return ", ".join(f"{element}={value:g}" for element, value in b.items())


def parse_error(text: str) -> float:
    """A relative error; BadInput for what is no number."""
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"'{text}' is not a relative error", advice="Write a number such as 1e-4") from None


def show_error(error: float) -> str:
    """The inverse of `parse_error`: ``1e-4``."""
    digits, power = f"{error:.5e}".split("e")
    return f"{float(digits):g}e{int(power)}"


def _show_density(settings: PredictSettings) -> str:
    try:
        return f"{settings.solvent_density():.3g}\u00a0{settings.density_unit}"
    except BadInput:
        return "of no density yet"


def deviations(settings: PredictSettings) -> list[str]:
    """What is not as it is by default, in a few words each; B factor and drift stand in the panel themselves."""
    usual = PredictSettings()
    told = {
        "selection": settings.selection,
        "altloc": f"conformer {settings.altloc}",
        "occupancy_from_topology": "occupancies of the topology",
        "radiation": RADIATIONS[settings.radiation],
        "b_elements": f"B {show_b_elements(dict(settings.b_elements))}",
        "b_from_topology": "B factors of the topology",
        "relative_error": f"error {show_error(settings.relative_error)}",
        "supercell": f"{show_supercell(settings.supercell)} cells",
        "boxes": "mean box",
        "molecules": f"molecules {MOLECULES[settings.molecules]}",
        "expand_symmetry": "symmetry expanded",
        "solvent": f"bulk solvent {_show_density(settings)}, {settings.b_sol:.3g}\u00a0Å²",
    }
    return [text for name, text in told.items() if getattr(settings, name) != getattr(usual, name)]
