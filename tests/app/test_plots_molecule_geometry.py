"""What the molecule view draws, as arrays: needs no OpenGL."""

from pathlib import Path

import gemmi
import numpy as np
import pytest

from app.scenes import molecule_geometry as geometry
from app.scenes.molecule_geometry import AtomTable


def table(rows: list[tuple[str, str, str, str, int]]) -> AtomTable:
    return AtomTable.of(*zip(*rows, strict=True))


@pytest.fixture
def water_and_ethane() -> tuple[AtomTable, np.ndarray]:
    atoms = table(
        [
            ("C", "C1", "ETH", "A", 1),
            ("C", "C2", "ETH", "A", 1),
            ("H", "H1", "ETH", "A", 1),
            ("O", "O", "HOH", "W", 2),
            ("H", "H1", "HOH", "W", 2),
            ("H", "H2", "HOH", "W", 2),
        ]
    )
    positions = np.array(
        [[0, 0, 0], [1.53, 0, 0], [-0.4, 1.02, 0], [6, 0, 0], [6.96, 0, 0], [5.76, 0.93, 0]], dtype=np.float32
    )
    return atoms, positions


def test_hydrogens_and_water_are_hidden_unless_asked_for(water_and_ethane: tuple[AtomTable, np.ndarray]) -> None:
    atoms, _ = water_and_ethane
    assert np.flatnonzero(geometry.visible(atoms, hydrogens=False, water=False)).tolist() == [0, 1]
    assert np.flatnonzero(geometry.visible(atoms, hydrogens=True, water=False)).tolist() == [0, 1, 2]
    assert np.flatnonzero(geometry.visible(atoms, hydrogens=False, water=True)).tolist() == [0, 1, 3]


def test_bonds_join_neighbours_but_not_two_hydrogens(water_and_ethane: tuple[AtomTable, np.ndarray]) -> None:
    atoms, positions = water_and_ethane
    found = {tuple(pair) for pair in geometry.bonds(positions, atoms).tolist()}
    assert found == {(0, 1), (0, 2), (3, 4), (3, 5)}


def test_atoms_that_are_nowhere_have_no_bonds(water_and_ethane: tuple[AtomTable, np.ndarray]) -> None:
    atoms, positions = water_and_ethane
    positions[1] = np.nan
    assert {tuple(pair) for pair in geometry.bonds(positions, atoms).tolist()} == {(0, 2), (3, 4), (3, 5)}
    positions[:] = np.nan
    assert geometry.bonds(positions, atoms).shape == (0, 2)


def test_bonds_of_a_protein_are_those_of_its_chemistry(shared_data: Path) -> None:
    model = gemmi.read_structure(str(shared_data / "peptides" / "2JOF.pdb"))[0]
    flat = [(atom, residue) for chain in model for residue in chain for atom in residue]
    atoms = table([(a.element.name, a.name, r.name, "A", r.seqid.num) for a, r in flat])
    positions = np.array([a.pos.tolist() for a, _ in flat])
    found = geometry.bonds(positions, atoms)
    degree = np.bincount(found.ravel(), minlength=len(atoms))
    assert (degree[atoms.is_hydrogen] == 1).all()
    assert degree[atoms.element == "C"].max() <= 4
    # Trp-cage: one chain, three rings of its own (Tyr, and two of Trp) and four of proline
    rings = len(found) - len(atoms) + 1
    assert rings == 7


def test_a_trace_stops_at_gaps_and_chain_ends() -> None:
    rows = [("C", "CA", "ALA", chain, number) for chain, number in [("A", 1), ("A", 2), ("A", 5), ("B", 1), ("B", 2)]]
    rows.append(("CA", "CA", "CA", "B", 3))  # a calcium ion is not an alpha carbon
    atoms = table(rows)
    x = np.array([0.0, 3.8, 15.0, 18.8, 22.6, 26.4])
    positions = np.column_stack([x, np.zeros(6), np.zeros(6)])
    assert geometry.trace(atoms, positions).tolist() == [[0, 1], [3, 4]]


def test_big_molecules_and_traces_alone_are_traced_small_ones_not() -> None:
    small = table([("C", name, "ALA", "A", i) for i in range(100) for name in ("CA", "CB")])
    alone = table([("C", "CA", "ALA", "A", i) for i in range(100)])
    big = table([("C", "CA", "ALA", "A", i) for i in range(geometry.TRACE_ABOVE + 1)])
    solvent = table([("O", "O", "HOH", "A", i) for i in range(geometry.TRACE_ABOVE + 1)])
    assert [geometry.prefers_trace(atoms) for atoms in (small, alone, big, solvent)] == [False, True, True, False]


def test_a_bond_cut_by_the_boundary_shrinks_to_a_point() -> None:
    positions = np.array([[0.5, 0, 0], [1.9, 0, 0], [29.0, 0, 0]])
    ends = geometry.untorn(positions, np.array([[0, 1], [1, 2]]), longest=3.0)
    assert ends[0, 1, 0] == pytest.approx(1.9)
    assert (ends[1, 0] == ends[1, 1]).all()


def test_each_half_of_a_bond_has_the_colour_of_its_atom() -> None:
    ends = np.array([[[0.0, 0, 0], [2.0, 0, 0]]])
    colours = np.array([[1.0, 0, 0, 1], [0, 0, 1.0, 1]])
    points, paint = geometry.two_coloured(ends, colours, np.array([[0, 1]]))
    assert points[:, 0].tolist() == [0, 1, 1, 2]
    assert paint[:, 0].tolist() == [1, 1, 0, 0]


def test_chains_keep_their_colour_and_differ() -> None:
    atoms = table([("C", "CA", "ALA", chain, 1) for chain in "ABAC"])
    colours = geometry.chain_colours(atoms)
    assert (colours[0] == colours[2]).all()
    assert len(np.unique(colours, axis=0)) == 3


def test_the_cell_has_twelve_edges_of_three_lengths() -> None:
    cell = gemmi.UnitCell(27.4, 32.1, 34.5, 88.7, 108.5, 111.9)
    edges = geometry.cell_edges(geometry.cell_axes(cell)).reshape(12, 2, 3)
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    assert sorted(lengths) == pytest.approx([27.4] * 4 + [32.1] * 4 + [34.5] * 4, rel=1e-5)
    corners = {tuple(corner) for corner in np.round(edges.reshape(-1, 3), 2).tolist()}
    expected = [cell.orthogonalize(gemmi.Fractional(x, y, z)).tolist() for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    assert len(corners) == 8
    np.testing.assert_allclose(sorted(corners), sorted(np.round(expected, 2).tolist()), atol=0.011)


@pytest.mark.parametrize("direction", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 2, 0.5], [0.3, -0.2, -0.9]])
def test_view_angles_point_the_direction_at_the_viewer(direction: list[float]) -> None:
    azimuth, elevation = np.radians(geometry.view_angles(np.array(direction)))
    # a turntable of vispy stands at -y for azimuth 0 and turns towards +x
    eye = [np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
    np.testing.assert_allclose(eye, np.array(direction) / np.linalg.norm(direction), atol=1e-9)


def test_thinning_keeps_both_ends() -> None:
    models = [np.full((1, 3), float(i)) for i in range(100)]
    kept = [int(model[0, 0]) for model in geometry.thin_evenly(models, 5)]
    assert kept[0] == 0
    assert kept[-1] == 99
    assert len(kept) == 5
    assert geometry.thin_evenly(models[:3], 5) == models[:3]


def test_the_mean_of_molecules_that_were_put_back_into_the_cell() -> None:
    cell = gemmi.UnitCell(10, 12, 14, 90, 90, 110)
    axes = geometry.cell_axes(cell)
    first = np.array([[1.0, 2.0, 3.0], [9.5, 1.0, 0.5]])
    models = [first, first + 0.3 + axes[0], first - 0.6 - 2 * axes[1] + axes[2]]
    assert geometry.mean_model(models, cell) == pytest.approx(first - 0.1, abs=1e-5)
    assert geometry.mean_model(models[:1]) == pytest.approx(first)
    assert geometry.mean_model([first, first + 1.0]) == pytest.approx(first + 0.5)
