"""Values of parameters as people type them, and as a small TOML file that tells where they come from."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.tuning.result import Tuning
from mdweights_core.dynamics.tuning.settings import Prior
from mdweights_core.errors import BadInput
from mdweights_core.io.files import atomic_write_text, require_file, unreadable

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.form_settings import FormSettings


def typed_values(words: Sequence[str]) -> dict[str, float]:
    """Values by name from words such as ``k1=0.8``.

    Raises
    ------
    BadInput
        For a word of another form, or a name given twice.
    """
    found: dict[str, float] = {}
    for word in words:
        name, number = _parts(word, "k1=0.8")
        if name in found:
            raise BadInput(f"The parameter {name} is given twice", advice="Give it once")
        found[name] = _number(number, word)
    return found


def typed_priors(words: Sequence[str]) -> tuple[Prior, ...]:
    """Priors from words such as ``k1=2:0.5``, a centre and a width."""
    return tuple(Prior(name, low, high) for name, low, high in _pairs(words, "k1=2:0.5"))


def typed_bounds(words: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Bounds by name from words such as ``k1=0.1:10``."""
    return {name: (low, high) for name, low, high in _pairs(words, "k1=0.1:10")}


def _pairs(words: Sequence[str], example: str) -> Iterable[tuple[str, float, float]]:
    for word in words:
        name, rest = _parts(word, example)
        first, colon, second = rest.partition(":")
        if not colon:
            raise BadInput(f"'{word}' holds no two numbers", advice=f"Write {example}")
        yield name, _number(first, word), _number(second, word)


def _parts(word: str, example: str) -> tuple[str, str]:
    name, sign, rest = (part.strip() for part in word.rpartition("="))
    if not (name and sign and rest):
        raise BadInput(f"'{word}' is no name and number", advice=f"Write {example}")
    return name, rest


def _number(text: str, word: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise BadInput(f"'{text}' in '{word}' is not a number")
    return found


def read_values(path: Path) -> dict[str, float]:
    """Values by name from a file that `write_tuned` wrote, or any TOML file with a table ``[values]``.

    Raises
    ------
    BadInput
        When it cannot be read or holds no numbers by name.
    """
    require_file(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")).get("values")
    except (OSError, ValueError) as error:
        raise unreadable(ValueError(str(error)), path) from error
    if not isinstance(values, dict) or not all(isinstance(it, int | float) for it in values.values()):
        raise BadInput(
            "This file has no table of values", where=path, advice='Write [values], and lines such as "k1" = 0.8'
        )
    return {name: float(value) for name, value in values.items()}


def write_tuned(
    path: Path, found: Tuning, system: str, others: Mapping[str, float], forms: Sequence[FormSettings] = ()
) -> None:
    """Write tuned parameters, `others` that were held, terms they are of, and what is known of them, as TOML.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    values = dict(zip(found.parameters, found.values.tolist(), strict=True))
    lines = [
        f"# Parameters of {' '.join(system.split())}, tuned by mdweights to {len(found.targets.names)} targets.",
        *(f"# {sentence}" for sentence in (found.verdict, *found.sentences)),
        "",
        *(line for form in forms for line in _term(form)),
        "[values]",
        *(f"{_key(name)} = {value!r}" for name, value in {**others, **values}.items()),
        "",
        "[errors]  # standard errors of those that were tuned; inf where nothing determines them",
        *(f"{_key(name)} = {error!r}" for name, error in zip(found.parameters, found.errors.tolist(), strict=True)),
        "",
        "[units]",
        *(f"{_key(name)} = {_key(unit)}" for name, unit in zip(found.parameters, found.units, strict=True)),
    ]
    atomic_write_text(path, "\n".join(lines) + "\n")


def _term(form: FormSettings) -> list[str]:
    """A term as `dynamics.models.term_file` reads it."""
    plain = {name: getattr(form, name) for name in ("name", "kind", "expression", "replaces", "apart", "cutoff")}
    given = {name: value for name, value in plain.items() if value not in (None, "")}
    between = ", ".join(map(_key, form.between))
    parameters = ", ".join(f"{_key(it.name)} = {_settings(it)}" for it in form.parameters)
    return [
        "[[term]]",
        *(f"{name} = {_key(value) if isinstance(value, str) else value}" for name, value in given.items()),
        f"between = [{between}]",
        f"parameters = {{ {parameters} }}",
        "",
    ]


def _settings(one: Parameter) -> str:
    return f"{{ value = {one.value!r}, low = {one.low!r}, high = {one.high!r}, unit = {_key(one.unit)} }}"


def _key(text: str) -> str:
    """A text in double quotes, with what TOML and JSON escape alike."""
    return json.dumps(text, ensure_ascii=False)
