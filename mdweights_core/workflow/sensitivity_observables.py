"""Observables as people name them: ``B CA``, ``Rg``, ``distance 3 7``, ``diffuse map.mtz 4``, ``x^2 0``.

Atoms and variables are counted from 0, as everywhere on the command line. An observable of one number keeps the text
as its name, so that a table of targets can hold what was typed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.dynamics.observables.base import Observable, joined
from mdweights_core.dynamics.observables.displacements import b_factors, displacement_tensors, mean_square_displacements
from mdweights_core.dynamics.observables.energy import MeanEnergy
from mdweights_core.dynamics.observables.geometry import distance_histogram, distances, radius_of_gyration
from mdweights_core.dynamics.observables.moments import moments
from mdweights_core.dynamics.tuning.targets import Targets
from mdweights_core.errors import BadInput, counted
from mdweights_core.workflow.sensitivity_systems import Studied

HOW = (
    "Write 'B CA', 'U name CA', 'u^2 0 1', 'distance 3 7', 'r^-6 3 7', 'histogram 3 7 0.1 0.9 8', 'Rg', "
    "'F 1 0 2', 'diffuse 1 0 2', 'diffuse map.mtz 4', 'CC map.mtz 4', 'energy' or 'x^2 0'"
)
_UNIT = re.compile(r" \((nm(\^-?\d+)?|A\^2|kJ/mol|e(\^2)?)\)$")
_POWER = re.compile(r"(x|r)(?:\^(-?\d+))?$")


def observables_of(texts: Sequence[str], studied: Studied) -> Observable:
    """One observable with the numbers of all that are named.

    Raises
    ------
    BadInput
        For a text that names none, atoms that are not there, or two of one name.
    """
    found = joined([_observable(text, studied) for text in texts])
    twice = [name for name, count in Counter(found.names).items() if count > 1]
    if twice:
        raise BadInput(f"The observable '{twice[0]}' is named twice", advice="Name it once")
    return found


def _observable(text: str, studied: Studied) -> Observable:
    words = _bare(text).split()
    if not words:
        raise BadInput("An observable has no name", advice=HOW)
    power = _POWER.match(words[0])
    if power:
        make = _distance if power[1] == "r" else _moment
        made = make(int(power[2] or 1), words[1:], studied)
    elif words[0] in _MAKERS:
        made = _MAKERS[words[0]](words[1:], studied)
    else:
        raise BadInput(f"'{text}' names no observable", advice=HOW)
    if len(made.names) > 1:
        return made
    single: Any = made
    renamed: Observable = replace(single, names=(" ".join(words) + made.names[0].removeprefix(_bare(made.names[0])),))
    return renamed


def targets_of(targets: Targets, observable: Observable) -> Targets:
    """The same targets, called as the observables are: units may be left out of a table.

    Raises
    ------
    BadInput
        For a target of none of them.
    """
    known = {_bare(name): name for name in observable.names} | {name: name for name in observable.names}
    names = (known.get(name, known.get(_bare(name), name)) for name in targets.names)
    renamed = replace(targets, names=tuple(names))
    renamed.ordered(observable.names)
    return renamed


def _bare(name: str) -> str:
    """A name without the unit in brackets that it ends in."""
    return _UNIT.sub("", name.strip())


def _moment(power: int, words: Sequence[str], studied: Studied) -> Observable:
    return moments(_numbers(words, studied.simulated.n, "variable"), power)


def _distance(power: int, words: Sequence[str], studied: Studied) -> Observable:
    _require_space(studied)
    pair = _numbers(words, len(studied.reference), "atom")
    if len(pair) != 2:
        raise BadInput(f"A distance is of two atoms, and {counted(len(pair), 'atom')} are named", advice=HOW)
    return distances([pair], power, "" if studied.atoms is None else "nm")


def _histogram(words: Sequence[str], studied: Studied) -> Observable:
    _require_space(studied)
    if len(words) != 5:
        raise BadInput("A histogram wants two atoms, its limits and its number of bins", advice=HOW)
    pair, bins = _numbers(words[:2], len(studied.reference), "atom"), _whole(words[4])
    low, high = (_real(word) for word in words[2:4])
    if bins < 1:
        raise BadInput(f"A histogram of {counted(bins, 'bin')} tells nothing", advice=HOW)
    return distance_histogram([pair], np.linspace(low, high, bins + 1))


def _b(words: Sequence[str], studied: Studied) -> Observable:
    rows = _selected(words, studied)
    return b_factors(studied.reference, rows, _labels(studied, rows))


def _tensors(words: Sequence[str], studied: Studied) -> Observable:
    rows = _selected(words, studied)
    return displacement_tensors(studied.reference, rows, _labels(studied, rows))


def _squares(words: Sequence[str], studied: Studied) -> Observable:
    """Mean square displacements; without atoms in the square of the system's own unit of length."""
    import jax.numpy as jnp

    rows = _numbers(words, len(studied.reference), "atom")
    made = mean_square_displacements(studied.reference, rows, [str(row) for row in rows])
    if studied.atoms is not None:
        return made
    return replace(made, factor=jnp.asarray(1.0), names=tuple(f"u^2 {row}" for row in rows))


def _gyration(words: Sequence[str], studied: Studied) -> Observable:
    _require_space(studied)
    rows = _selected(words, studied) if words else np.arange(len(studied.reference))
    return radius_of_gyration(rows, np.asarray(studied.simulated.masses)[:: studied.simulated.dimension][rows])


def _energy(words: Sequence[str], studied: Studied) -> Observable:
    if words:
        raise BadInput(f"'energy {' '.join(words)}' names no observable", advice="Write energy")
    return MeanEnergy(studied.simulated.model, ("energy (kJ/mol)" if studied.atoms is not None else "energy",))


def _amplitude(words: Sequence[str], studied: Studied) -> Observable:
    from mdweights_core.dynamics.observables.waves import mean_structure_factors

    return mean_structure_factors(_reflection(words, studied), _elements(studied))


def _diffuse(words: Sequence[str], studied: Studied) -> Observable:
    from mdweights_core.crystal.laue import laue_groups
    from mdweights_core.dynamics.observables.waves import diffuse_intensities

    if studied.simulated.dimension == 1:
        return _on_a_line(words, studied)
    if len(words) == 3 and all(_is_number(word) for word in words):
        return diffuse_intensities(_reflection(words, studied), _elements(studied))
    return diffuse_intensities(laue_groups(_map(words, studied).lattice), _elements(studied))


def _on_a_line(words: Sequence[str], studied: Studied) -> Observable:
    """Intensities of a ring of atoms at whole multiples of one over its length; atoms scatter as they weigh."""
    import jax.numpy as jnp

    from mdweights_core.dynamics.observables.waves import DiffuseIntensities, Equivalents, Waves

    if not words:
        raise BadInput("No reflection is named", advice="Write 'diffuse 3'")
    h = np.array([_whole(word) for word in words])
    weights, kind = np.unique(np.asarray(studied.simulated.masses), return_inverse=True)
    length = studied.simulated.n * float(np.diff(studied.reference[:, 0]).mean()) if len(kind) > 1 else 1.0
    q = 2 * np.pi * h[:, None] / length
    waves = Waves(jnp.asarray(q), jnp.asarray(np.outer(weights, np.ones(len(h)))), jnp.eye(len(weights))[kind])
    return DiffuseIntensities(waves, Equivalents.none(len(h)), tuple(f"diffuse {number}" for number in h.tolist()))


def _agreement(words: Sequence[str], studied: Studied) -> Observable:
    from mdweights_core.dynamics.observables.agreement import map_agreement

    return map_agreement(_map(words, studied), _elements(studied), Path(words[0]).name)


_MAKERS: dict[str, Callable[[Sequence[str], Studied], Observable]] = {
    "B": _b,
    "U": _tensors,
    "u^2": _squares,
    "distance": lambda words, studied: _distance(1, words, studied),
    "histogram": _histogram,
    "Rg": _gyration,
    "energy": _energy,
    "F": _amplitude,
    "diffuse": _diffuse,
    "CC": _agreement,
}


def _map(words: Sequence[str], studied: Studied) -> Any:
    """The observed map that is named, cut to the resolution behind it."""
    from mdweights_core.io.maps.observed import read_map

    if not 1 <= len(words) <= 2 or _is_number(words[0]):
        raise BadInput("A map and a resolution in angstrom are wanted", advice="Write 'diffuse map.mtz 4'")
    _elements(studied)
    _cell(studied)
    return read_map(words[0]).within(_real(words[1]) if len(words) == 2 else None, None)


def _reflection(words: Sequence[str], studied: Studied) -> Any:
    import gemmi

    from mdweights_core.crystal.lattice import MillerLattice

    if len(words) != 3:
        raise BadInput("A reflection has three indices", advice="Write 'diffuse 1 0 2'")
    return MillerLattice(np.array([[_whole(word) for word in words]]), _cell(studied), gemmi.SpaceGroup("P 1"))


def _cell(studied: Studied) -> Any:
    """The unit cell of a crystal, angstrom and degrees."""
    import gemmi

    if studied.box is None:
        raise BadInput(
            f"{studied.told} is no crystal, and has no reflections", advice="Give --crystal with a structure"
        )
    lengths = 10 * np.linalg.norm(studied.box, axis=1)
    unit = studied.box / np.linalg.norm(studied.box, axis=1)[:, None]
    angles = np.degrees(np.arccos([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]))
    return gemmi.UnitCell(*lengths, *angles)


def _selected(words: Sequence[str], studied: Studied) -> np.ndarray:
    """Rows of atoms by a name such as CA, or by words of the selection language; all for none."""
    from mdweights_core.io.frames.selection import select_atoms

    atoms = _atoms(studied)
    is_name = len(words) == 1 and bool(np.any(atoms.name == words[0]))
    return select_atoms(atoms, f"name {words[0]}" if is_name else " ".join(words))


def _labels(studied: Studied, rows: np.ndarray) -> list[str]:
    """What atoms are called: CA 12, with the chain or the row where that is not enough."""
    atoms = _atoms(studied)
    short = [f"{atoms.name[row]} {atoms.residue_number[row]}" for row in rows]
    long = [f"{atoms.chain[row]} {label}" for row, label in zip(rows, short, strict=True)]
    if len(set(short)) == len(short):
        return short
    if len(set(long)) == len(long):
        return long
    return [f"{label} (atom {row})" for row, label in zip(rows, long, strict=True)]


def _atoms(studied: Studied) -> Any:
    if studied.atoms is None:
        raise BadInput(f"{studied.told} has no atoms with names", advice="Write 'u^2 0' or 'x^2 0'")
    return studied.atoms


def _elements(studied: Studied) -> list[str]:
    return [str(symbol) for symbol in _atoms(studied).element]


def _require_space(studied: Studied) -> None:
    if studied.simulated.dimension != 3:
        raise BadInput(f"{studied.told} is not in space, and has no distances", advice="Write 'x^2 0'")


def _numbers(words: Sequence[str], count: int, what: str) -> list[int]:
    """Whole numbers from 0 on, below `count`."""
    if not words:
        raise BadInput(f"No {what} is named", advice=HOW)
    numbers = [_whole(word) for word in words]
    if beyond := [number for number in numbers if not 0 <= number < count]:
        raise BadInput(f"There is no {what} {beyond[0]}", advice=f"They are counted from 0 to {count - 1}")
    return numbers


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _real(word: str) -> float:
    if not _is_number(word) or not np.isfinite(float(word)):
        raise BadInput(f"'{word}' is not a number", advice=HOW)
    return float(word)


def _whole(word: str) -> int:
    if not _is_number(word) or not float(word).is_integer():
        raise BadInput(f"'{word}' is not a whole number", advice=HOW)
    return int(float(word))
