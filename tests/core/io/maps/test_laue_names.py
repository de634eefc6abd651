"""Laue classes by name, in place of a space group."""

from __future__ import annotations

import gemmi
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.io.maps.mtz_file import parse_laue, parse_space_group

LAUE_CLASSES = {
    (30, 31, 32, 80, 85, 75): ["-1"],
    (30, 31, 32, 90, 95, 90): ["2/m"],
    (30, 31, 32, 90, 90, 95): ["2/m"],
    (30, 31, 32, 95, 90, 90): ["2/m"],
    (30, 31, 32, 90, 90, 90): ["mmm"],
    (30, 30, 32, 90, 90, 90): ["4/m", "4/mmm"],
    (30, 30, 30, 90, 90, 90): ["m-3", "m-3m"],
    (30, 30, 32, 90, 90, 120): ["-3", "-3m1", "-31m", "6/m", "6/mmm"],
    (30, 30, 30, 70, 70, 70): ["-3", "-3m"],
}


@pytest.mark.parametrize(("cell", "symbol"), [(cell, symbol) for cell in LAUE_CLASSES for symbol in LAUE_CLASSES[cell]])
def test_a_laue_class_stands_for_its_symmorphic_primitive_group(cell: tuple[float, ...], symbol: str) -> None:
    group = parse_space_group(symbol.upper(), gemmi.UnitCell(*cell))
    assert group.laue_str() == symbol.replace("-3m1", "-3m").replace("-31m", "-3m")
    assert group.is_symmorphic()
    assert len(group.operations().cen_ops) == 1
    assert group.is_centrosymmetric()
    assert gemmi.UnitCell(*cell).is_compatible_with_spacegroup(group, 0.01)


def test_the_two_trigonal_settings_are_told_apart() -> None:
    cell = gemmi.UnitCell(30, 30, 32, 90, 90, 120)
    assert parse_space_group("-3m1", cell).hm == "P -3 m 1"
    assert parse_space_group("-31m", cell).hm == "P -3 1 m"
    with pytest.raises(BadInput, match="Write -3m1 or -31m"):
        parse_space_group("-3m", cell)
    assert parse_laue("5/m", cell) is None
