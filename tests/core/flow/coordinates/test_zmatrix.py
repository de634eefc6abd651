"""Z-matrices of random graphs of bonds, of rings, of straight molecules, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.layout import bonds_in_rings
from mdweights_core.flow.coordinates.zmatrix import Graph, Start, choose_zmatrix

Bonds = list[tuple[int, int]]


@st.composite
def molecules(draw: st.DrawFn) -> tuple[int, Bonds]:
    """Draw a random tree of bonds, of atoms in any order, with up to two bonds more."""
    n = draw(st.integers(3, 14))
    order = draw(st.permutations(range(n)))
    bonds = [(order[i], order[draw(st.integers(0, i - 1))]) for i in range(1, n)]
    ends = st.integers(0, n - 1)
    more = draw(st.lists(st.tuples(ends, ends), max_size=2))
    return n, bonds + [pair for pair in more if pair[0] != pair[1]]


@given(molecules())
def test_every_atom_is_placed_once_and_by_atoms_before_it(molecule: tuple[int, Bonds]) -> None:
    n, bonds = molecule
    zmatrix = choose_zmatrix(Graph(n, bonds))
    bonded = {frozenset(pair) for pair in bonds}
    assert sorted(zmatrix.order) == list(range(n))
    level = dict.fromkeys(zmatrix.start.atoms, -1) | dict(zip(zmatrix.atoms, zmatrix.levels, strict=True))
    assert (np.diff(zmatrix.levels) >= 0).all()
    for row, (atom, (p, g, t)) in enumerate(zip(zmatrix.atoms, zmatrix.references, strict=True)):
        assert len({atom, p, g, t}) == 4
        assert max(level[p], level[g], level[t]) < level[atom]
        assert {frozenset((atom, p)), frozenset((p, g))} <= bonded
        first = zmatrix.first[row]
        assert first <= row
        assert (zmatrix.references[first] == (p, g, t)).all()


@given(molecules())
def test_rings_are_bonds_whose_loss_keeps_the_molecule_together(molecule: tuple[int, Bonds]) -> None:
    n, bonds = molecule
    pairs = {frozenset(pair) for pair in bonds}
    found = bonds_in_rings(Graph(n, bonds))
    for pair in pairs:
        rest = Graph(n, [tuple(other) for other in pairs - {pair}])
        a, b = pair
        assert ((a, b) in found) == ((b, a) in found) == (len(rest.distances(0)) == n)


def test_a_chain_starts_in_the_middle() -> None:
    zmatrix = choose_zmatrix(Graph(7, [(i, i + 1) for i in range(6)]))
    assert zmatrix.start.atoms[0] == 3
    assert zmatrix.levels.max() == 2


def test_hydrogens_come_after_what_the_backbone_goes_on_with() -> None:
    # H(0) before C(1) in the file, both on C(3)
    graph = Graph(6, [(3, 0), (3, 1), (3, 4), (4, 5), (4, 2)], is_hydrogen=[True, False, True, False, False, False])
    zmatrix = choose_zmatrix(graph, Start((3, 4, 5), {4: 3, 5: 4}))
    rows = {int(atom): row for row, atom in enumerate(zmatrix.atoms)}
    assert rows[1] < rows[0]
    assert zmatrix.first[rows[0]] == rows[1]
    assert not zmatrix.is_branch[rows[1]]
    assert zmatrix.is_branch[rows[0]]


def test_no_torsion_is_told_about_a_straight_angle() -> None:
    # C-C#C-C with an H at one end: 0-1-2-3 straight, 4 on 0
    x = np.array([[[0, 0, 0], [0.15, 0, 0], [0.27, 0, 0], [0.42, 0, 0], [-0.05, 0.1, 0], [0.47, 0, 0.1]]])
    graph = Graph(6, [(0, 1), (1, 2), (2, 3), (0, 4), (3, 5)], positions=x)
    zmatrix = choose_zmatrix(graph)
    for p, g, t in zmatrix.references:
        assert not graph.is_straight(*((g, p, t) if t in graph.neighbours[p] else (p, g, t)))


@pytest.mark.parametrize(
    ("n", "bonds", "x", "sentence"),
    [
        (2, [(0, 1)], None, "at least three"),
        (5, [(0, 1), (1, 2), (3, 4)], None, "2 pieces that no bond joins"),
        (4, [(0, 1), (1, 2), (2, 3)], np.outer(range(4), [0.1, 0, 0])[None], "lie in a line"),
    ],
)
def test_what_has_no_internal_coordinates_is_told(n: int, bonds: Bonds, x: np.ndarray, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        choose_zmatrix(Graph(n, bonds, positions=x))
