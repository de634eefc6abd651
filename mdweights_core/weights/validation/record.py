"""A validation as arrays and plain values, for a project to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from mdweights_core.weights.settings import ValidationSettings
from mdweights_core.weights.validation.result import Bootstrap, Folds, Light, Restarts, ThetaScan, Validation

_PREFIX = "validation."
_PARTS: dict[str, type] = {"folds": Folds, "restarts": Restarts, "theta_scan": ThetaScan, "bootstrap": Bootstrap}


def to_record(validation: Validation) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for an npz file, their names beginning with ``validation.``, and plain values that JSON can hold."""
    arrays: dict[str, np.ndarray] = {}
    plain = _plain(validation, _PREFIX, arrays)
    plain["settings"] = asdict(validation.settings)
    plain["lights"] = [asdict(light) for light in validation.lights]
    for name in _PARTS:
        part = getattr(validation, name)
        plain[name] = None if part is None else _plain(part, f"{_PREFIX}{name}.", arrays)
    return arrays, plain


def from_record(arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> Validation:
    """The inverse of `to_record`; other arrays may lie beside.

    Raises
    ------
    KeyError, TypeError, ValueError
        When something is missing or is not what it should be.
    """
    own = _values(Validation, _PREFIX, arrays, plain)
    own["settings"] = ValidationSettings(**plain["settings"])
    own["lights"] = tuple(Light(**light) for light in plain["lights"])
    for name, kind in _PARTS.items():
        part = plain[name]
        own[name] = None if part is None else kind(**_values(kind, f"{_PREFIX}{name}.", arrays, part))
    return Validation(**own)


def _plain(part: Any, prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The fields of a dataclass: arrays and floats (which may be NaN) go into `arrays`, plain ones come back."""
    plain: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, np.ndarray | float):
            arrays[prefix + field.name] = np.asarray(value)
        elif value is None or isinstance(value, str | bool | int):
            plain[field.name] = value
    return plain


def _values(kind: type, prefix: str, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in plain:
            own[field.name] = plain[field.name]
        elif prefix + field.name in arrays:
            value = arrays[prefix + field.name]
            own[field.name] = float(value) if value.ndim == 0 else np.array(value)
    return own
