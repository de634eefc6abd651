"""Lights that say at a glance whether to believe a result, with a sentence each."""

from __future__ import annotations

from dataclasses import dataclass

GOOD, WEAK, BAD, NONE = "good", "weak", "bad", "none"
"""States of a light; "none" where it could not be computed."""


@dataclass(frozen=True)
class Light:
    """One question that decides whether to believe a result, and its answer.

    Attributes
    ----------
    name : str
        The word on the light.
    state : str
        "good", "weak", "bad" or "none".
    value : str
        What to read at a glance, such as ``0.41 (0.37 unweighted)``.
    sentence : str
        What it means for this result.
    """

    name: str
    state: str
    value: str
    sentence: str
