"""Results as arrays for an npz file and plain values for JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def packed(part: Any, prefix: str, arrays: dict[str, np.ndarray], apart: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a dataclass, without those `apart`.

    Arrays and floats (which may be NaN) go into `arrays`, their names beginning with `prefix`; plain values come back,
    nested dataclasses as mappings of the same kind.
    """
    plain: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name in apart:
            continue
        if isinstance(value, np.ndarray | float):
            arrays[prefix + field.name] = np.asarray(value)
        elif is_dataclass(value):
            plain[field.name] = packed(value, f"{prefix}{field.name}.", arrays)
        else:
            plain[field.name] = list(value) if isinstance(value, tuple) else value
    return plain


def unpacked(kind: type, prefix: str, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the fields of a dataclass, nested ones as they lie in `plain`; those that are missing are left out."""
    own: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in plain:
            value = plain[field.name]
            own[field.name] = tuple(value) if isinstance(value, list) else value
        elif prefix + field.name in arrays:
            value = arrays[prefix + field.name]
            own[field.name] = float(value) if value.ndim == 0 else np.array(value)
    return own
