"""Two states that a user drew, as masks of samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdweights_core.errors import BadInput, counted


def checked_masks(masks: Sequence[np.ndarray], count: int, what: str = "sample") -> np.ndarray:
    """Masks of states as bool [K, S].

    Raises
    ------
    BadInput
        When a mask has another length than the samples, or two states overlap.
    """
    for mask in masks:
        if np.shape(mask) != (count,):
            raise BadInput(f"A state of {np.size(mask)} {what}s does not fit {counted(count, what)}")
    states = np.array([np.asarray(mask, dtype=bool) for mask in masks])
    shared = int((states.sum(axis=0) > 1).sum())
    if shared:
        lie = "lies" if shared == 1 else "lie"
        raise BadInput(f"{counted(shared, what)} {lie} in two states at once", advice="Draw states that do not overlap")
    return states


def labels_of(masks: np.ndarray) -> np.ndarray:
    """The state of each sample, int [S]; -1 for those in none, of masks bool [K, S] that do not overlap."""
    return np.where(masks.any(axis=0), masks.argmax(axis=0), -1)
