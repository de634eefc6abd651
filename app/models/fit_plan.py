"""What the user asks of the next fit, as far as it is filled in: nothing of it is checked yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FitPlan:
    """Keywords of the settings that a fit, its validation and the search for its meaning take.

    Attributes
    ----------
    fit : mapping
        Of `FitSettings`.
    validation : mapping or None
        Of `ValidationSettings`; None leaves the validation out.
    meaning : mapping
        Of `MeaningSettings`.
    """

    fit: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] | None = field(default_factory=dict)
    meaning: Mapping[str, Any] = field(default_factory=dict)
