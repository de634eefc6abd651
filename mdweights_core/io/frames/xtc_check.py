"""Whether the packed positions of an XTC frame can be unpacked: the library that does it trusts them.

Atoms follow each other in groups: one whose place in the box is written in full, a bit that tells whether five more
follow, which change how many atoms come next as small differences and in how many bits, and these atoms. So the groups
can be counted through without unpacking any (GROMACS manual, "File formats"; its XTC library).
"""

from __future__ import annotations

import numpy as np

SMALL_INDICES = range(9, 73)
"""Of the table of sizes small differences are packed with; an index is also the number of bits of three of them."""

_MOST_PACKED = 0xFFFFFF  # a larger span on any axis, and the three numbers are written one by one
_SLACK = 4  # bytes there may be behind the last group
_CHANGES = [(code // 3, code % 3 - 1) for code in range(32)]  # of five bits: atoms that follow, step of the index


def can_be_unpacked(least: np.ndarray, most: np.ndarray, small: int, packed: bytes, n_atoms: int) -> bool:
    """True when the groups of a frame hold all atoms and fill its bytes.

    Parameters
    ----------
    least, most : int64 [3]
        Span of the positions on each axis, in units of the precision.
    small : int
        Index the frame begins with, one of `SMALL_INDICES`.
    packed : bytes
    n_atoms : int
    """
    spans = [int(span) for span in most - least + 1]
    if min(spans) < 1 or max(spans) >= 1 << 31 or small not in SMALL_INDICES:
        return False
    used = _used_bits(_bits_of_place(spans), small, packed, n_atoms)
    return used is not None and 0 <= 8 * len(packed) - used < 8 * (_SLACK + 1)


def _bits_of_place(spans: list[int]) -> int:
    if max(spans) > _MOST_PACKED:
        return sum(span.bit_length() for span in spans)
    return (spans[0] * spans[1] * spans[2]).bit_length()


def _used_bits(place: int, small: int, packed: bytes, n_atoms: int) -> int | None:
    """Bits of the groups of all atoms; None when these end within a group, or there are too few bytes."""
    content, end = packed + b"\0\0", 8 * len(packed)
    bit = following = atoms = 0
    while atoms < n_atoms:
        bit += place
        if bit >= end or small not in SMALL_INDICES:
            return None
        six = (content[bit >> 3] << 8 | content[(bit >> 3) + 1]) >> (10 - (bit & 7)) & 63
        step = 0
        if six < 32:
            bit += 1
        else:
            bit += 6
            following, step = _CHANGES[six & 31]
        bit += following * small
        atoms += 1 + following
        small += step
    return bit if atoms == n_atoms else None
