"""Where the molecules lie: in the box of their frames, or in the cell of the map when that box is another."""

from __future__ import annotations

from types import SimpleNamespace

import gemmi
import pytest

from app.models.document import Document, Draft
from app.models.readings import FramesReading, MapReading

MAP_CELL = (30.0, 40.0, 50.0, 90.0, 100.0, 90.0)


def document(box: tuple[float, ...] | None, cell: tuple[float, ...] | None) -> Document:
    made = Document()
    box_cell = None if box is None else gemmi.UnitCell(*box)
    made.set_frames(FramesReading("molecules", ("a #0",), 1, box_cell, (), molecules=object()))  # type: ignore[arg-type]
    if cell is not None:
        made.set_map(MapReading(SimpleNamespace(cell=gemmi.UnitCell(*cell), ndiv=(1, 1, 1), kind="MTZ")))  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("box", "drawn", "said"),
    [
        (
            (30.03, 40.04, 50.05, 90.0, 100.0, 90.0),
            (30.03, 40.04, 50.05, 90.0, 100.0, 90.0),
            "positions were scaled with the box",
        ),
        ((60.0, 40.0, 50.0, 90.0, 100.0, 90.0), (60.0, 40.0, 50.0, 90.0, 100.0, 90.0), "holds 2 x 1 x 1 cells"),
        ((77.0, 77.0, 77.0, 90.0, 90.0, 90.0), MAP_CELL, "is not the crystal's cell"),
        (None, MAP_CELL, ""),
    ],
    ids=["constant pressure", "supercell", "solution", "none"],
)
def test_the_cell_the_molecules_lie_in(
    qapp: object, box: tuple[float, ...] | None, drawn: tuple[float, ...], said: str
) -> None:
    made = document(box, MAP_CELL)
    assert made.molecule_cell is not None
    assert made.molecule_cell.parameters == pytest.approx(drawn)
    assert said in " ".join(made.box_warnings)
    assert bool(made.box_warnings) == bool(said)


def test_without_a_map_the_typed_cell_counts_and_then_the_box(qapp: object) -> None:
    made = document((20.0, 20.0, 20.0, 90.0, 90.0, 90.0), None)
    assert made.molecule_cell.a == 20.0
    assert made.box_warnings == ()
    made.set_draft(Draft(cell=MAP_CELL))
    assert made.molecule_cell.parameters == MAP_CELL
    assert Document().molecule_cell is None
