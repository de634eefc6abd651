"""What depends on the reflections of a problem only, made once for all steps of its fit."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

_MOST_NUMBERS = 2**23
_Made = TypeVar("_Made")


class Kept(Generic[_Made]):
    """Results by the rows of a problem; of arrays as long as these, 64 MiB, the last ones used."""

    def __init__(self) -> None:
        self._made: OrderedDict[bytes, _Made] = OrderedDict()

    def of(self, rows: np.ndarray, make: Callable[[np.ndarray], _Made]) -> _Made:
        """What `make` gives for `rows` [G], or gave before."""
        key = hashlib.blake2b(np.ascontiguousarray(rows).data, digest_size=16).digest()
        found = self._made.pop(key, None)
        self._made[key] = make(rows) if found is None else found
        while len(self._made) > max(1, _MOST_NUMBERS // max(1, len(rows))):
            self._made.popitem(last=False)
        return self._made[key]
