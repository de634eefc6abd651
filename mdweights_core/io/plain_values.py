"""Plain values, as JSON holds them, against the types of the dataclass that is to be made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_OF_JSON: dict[Any, type | tuple[type, ...]] = {float: (int, float), Path: str}


def require_types(what: str, plain: Any, types: Mapping[str, Any] | type) -> None:
    """Refuse plain values that are of other types than those wanted.

    Parameters
    ----------
    what : str
        How the error calls them.
    plain : mapping
        Values by name. Names without a type, and types without a value, are left to whoever reads them.
    types : mapping of str to type, or dataclass

    Raises
    ------
    TypeError
        With the name of the first that does not fit.
    """
    if not isinstance(plain, dict):
        raise TypeError(f"{what} is no list of names and values")
    wanted = get_type_hints(types) if isinstance(types, type) else types
    for name, value in plain.items():
        if name in wanted and not _fits(value, wanted[name]):
            raise TypeError(f"{what}.{name} is of another type")


def _fits(value: Any, wanted: Any) -> bool:
    kind, parts = get_origin(wanted), get_args(wanted)
    if kind in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if kind is tuple:
        return isinstance(value, list) and _items_fit(value, parts)
    if kind is not None:
        return isinstance(value, dict) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    if is_dataclass(wanted):
        return isinstance(value, dict) and all(
            _fits(value[name], own) for name, own in get_type_hints(wanted).items() if name in value
        )
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, _OF_JSON.get(wanted, wanted))


def _items_fit(values: list[Any], wanted: tuple[Any, ...]) -> bool:
    if wanted[-1] is Ellipsis:
        return all(_fits(value, wanted[0]) for value in values)
    return len(values) == len(wanted) and all(map(_fits, values, wanted))
