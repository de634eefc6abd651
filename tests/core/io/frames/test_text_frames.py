from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.trajectories import open_frames

PDB = "ATOM  {:5d} {:4s}{:1s}{:3s} {:1s}{:4d}    {:8.3f}{:8.3f}{:8.3f}{:6.2f}{:6.2f}          {:>2s}\n"


def residue(number: int, shares: dict[str, float], *, names: dict[str, str] | None = None) -> str:
    """A nitrogen of all conformers at x = 0, and a CB per conformer at x = 1, 2, 3 for A, B, C."""
    lines = [PDB.format(1, " N", "", "SER", "A", number, 0, number, 0, 1, 10, "N")]
    for label, share in shares.items():
        x, name = ord(label) - ord("A") + 1, (names or {}).get(label, "SER")
        lines.append(PDB.format(2, " CB", label, name, "A", number, x, number, 0, share, 20, "C"))
    return "".join(lines)


def models(*texts: str) -> str:
    return "".join(f"MODEL     {i + 1:4d}\n{text}ENDMDL\n" for i, text in enumerate(texts))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def as_cif(pdb: Path) -> Path:
    structure = gemmi.read_structure(str(pdb))
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(pdb.with_suffix(".cif")))
    return pdb.with_suffix(".cif")


# --- B factors and occupancies ---------------------------------------------------------------------------------------


def conformer_a(residue: gemmi.Residue) -> str:
    """A where there is one, else the most occupied."""
    labels = {atom.altloc for atom in residue}
    return "A" if "A" in labels else max(residue, key=lambda atom: (atom.altloc != "\0", atom.occ)).altloc


def of_residues(residues: list[gemmi.Residue], wanted: list[gemmi.Atom]) -> list[tuple[gemmi.Atom, gemmi.Residue]]:
    """The residue of each atom."""
    home = {atom.serial: residue for residue in residues for atom in residue}
    return [(atom, home[atom.serial]) for atom in wanted]


def whole(atom: gemmi.Atom, residue: gemmi.Residue) -> float:
    """Its occupancy where its conformer stands for all of the residue, which together have at most one."""
    share = {label: max(one.occ for one in residue if one.altloc == label) for label in {a.altloc for a in residue}}
    share.pop("\0", None)
    return atom.occ * min(1, sum(share.values())) / share[atom.altloc]


@pytest.mark.parametrize("name", ["snase/4wor.pdb", "lysozyme/6o2h.pdb"])
@pytest.mark.parametrize("kind", ["pdb", "cif"])
def test_b_factors_and_occupancies_are_those_gemmi_reads(shared_data, tmp_path, name, kind):
    """ANISOU records change nothing."""
    path = tmp_path / "model.pdb"
    path.write_bytes((shared_data / name).read_bytes())
    structure = gemmi.read_structure(str(path))
    residues = [residue for chain in structure[0] for residue in chain]
    wanted = [atom for residue in residues for atom in residue if atom.altloc in ("\0", conformer_a(residue))]
    has_a = any(atom.altloc == "A" for atom in wanted)
    atoms = open_frames([path if kind == "pdb" else as_cif(path)], altloc="A" if has_a else "").atoms
    assert atoms.b_iso.dtype == atoms.occupancy.dtype == np.float32
    np.testing.assert_allclose(atoms.b_iso, [atom.b_iso for atom in wanted], atol=1e-5)
    occupancy = [atom.occ if atom.altloc == "\0" else whole(atom, one) for atom, one in of_residues(residues, wanted)]
    np.testing.assert_allclose(atoms.occupancy, occupancy, atol=1e-5)
    assert atoms.name.tolist() == [atom.name for atom in wanted]


def test_blank_b_factors_are_zero_and_blank_occupancies_one(tmp_path):
    line = PDB.format(1, " CA", "", "ALA", "A", 1, 0, 0, 0, 0.5, 12.25, "C")
    text = line + line[:60] + "      " + line[66:] + line[:54] + "            " + line[66:] + line[:54] + "\n"
    atoms = open_frames([write(tmp_path / "blank.pdb", text)]).atoms
    assert atoms.b_iso.tolist() == [12.25, 0, 0, 0]
    assert atoms.occupancy.tolist() == [0.5, 0.5, 1, 1]


@pytest.mark.parametrize("b_iso", ["      ", "******", "   nan"])
def test_columns_without_numbers_are_no_b_factors(tmp_path, b_iso):
    line = PDB.format(1, " CA", "", "ALA", "A", 1, 1, 2, 3, 0.5, 0, "C")
    source = open_frames([write(tmp_path / "stars.pdb", line[:60] + b_iso + line[66:])])
    assert source.atoms.b_iso is None
    assert source.atoms.occupancy.tolist() == [0.5]
    assert source.positions(0).tolist() == [[1, 2, 3]]


def test_formats_without_b_factors(shared_data):
    folder = shared_data / "trajectories"
    for topology in ("frame0.gro", "frame0.h5"):
        atoms = open_frames([folder / "frame0.xtc"], folder / topology).atoms
        assert (atoms.b_iso, atoms.occupancy) == (None, None)


# --- alternative conformers ------------------------------------------------------------------------------------------


def x_of(source, frame: int = 0) -> list[float]:
    """x of the CB of each residue: which conformer it is."""
    return source.positions(frame)[source.atoms.name == "CB", 0].tolist()


@pytest.fixture(params=["pdb", "cif"])
def alternatives(tmp_path, request) -> Path:
    text = residue(1, {"A": 0.4, "B": 0.6}) + residue(2, {"A": 0.5, "B": 0.5}) + residue(3, {"A": 0.3, "C": 0.7})
    path = write(tmp_path / "alt.pdb", models(text + residue(4, {"B": 0.5})))
    return path if request.param == "pdb" else as_cif(path)


def test_conformer_of_most_occupancy_is_taken_and_said(alternatives):
    source = open_frames([alternatives])
    assert x_of(source) == [2, 1, 3, 2]
    assert source.warnings == (
        "3 residues with alternative conformers (A, B, C): of each the one of most occupancy was taken; "
        "choose another with --altloc",
    )


def test_wanted_conformer_is_taken_where_there_is_one(alternatives):
    source = open_frames([alternatives], altloc="A")
    assert x_of(source) == [1, 1, 1, 2]
    assert source.warnings == ()
    source = open_frames([alternatives], altloc="B")
    assert x_of(source) == [2, 2, 3, 2]
    assert source.warnings == (
        "1 of the 3 residues with alternative conformers have no conformer B: of these the one of most occupancy was "
        "taken",
    )


@pytest.mark.parametrize("altloc", ["", "A", "B"])
def test_a_conformer_taken_stands_for_all(alternatives, altloc):
    """Else half a residue would scatter where occupancies are taken; a residue that is partly there stays so."""
    atoms = open_frames([alternatives], altloc=altloc).atoms
    assert atoms.occupancy[atoms.name == "CB"] == pytest.approx([1, 1, 1, 0.5])


def test_occupancies_that_add_up_to_more_or_nothing(tmp_path):
    text = residue(1, {"A": 0.8, "B": 0.8}) + residue(2, {"A": 0.0, "B": 0.0}) + residue(3, {"A": 0.2, "B": 0.1})
    atoms = open_frames([write(tmp_path / "odd.pdb", models(text))]).atoms
    assert atoms.occupancy[atoms.name == "CB"] == pytest.approx([1, 0, 0.3])


def test_conformer_that_is_nowhere_is_refused(alternatives, tmp_path):
    with pytest.raises(BadInput, match="no alternative conformer 'X': there are A, B, C"):
        open_frames([alternatives], altloc="X")
    with pytest.raises(BadInput, match="no alternative conformer 'A': no atom has alternatives"):
        open_frames([write(tmp_path / "plain.pdb", residue(1, {}))], altloc="A")


def test_marks_follow_the_conformer(alternatives):
    assert len({open_frames([alternatives], altloc=label).marks for label in ("", "A", "B")}) == 3


def test_all_models_take_the_conformers_of_the_first(tmp_path):
    texts = [residue(1, {"A": share, "B": 1 - share}) for share in (0.6, 0.5, 0.3)]
    source = open_frames([write(tmp_path / "alt.pdb", models(*texts))])
    assert [x_of(source, frame) for frame in range(3)] == [[1], [1], [1]]
    assert source.warnings[0].startswith("1 residue with alternative conformers (A, B)")


def test_all_files_take_the_conformers_of_the_topology(tmp_path):
    one = write(tmp_path / "one.pdb", residue(1, {"A": 0.6, "B": 0.4}))
    two = write(tmp_path / "two.pdb", residue(1, {"A": 0.4, "B": 0.6}))
    assert [x_of(open_frames([one, two]), frame) for frame in (0, 1)] == [[1], [1]]
    assert [x_of(open_frames([one], two), frame) for frame in (0,)] == [[2]]


def test_a_model_with_other_labels_takes_its_own_best(tmp_path):
    text = models(residue(1, {"A": 0.6, "B": 0.4}), residue(1, {"B": 0.2, "C": 0.8}))
    source = open_frames([write(tmp_path / "alt.pdb", text)])
    assert [x_of(source, frame) for frame in (0, 1)] == [[1], [3]]


def test_conformers_of_different_residues_are_one_residue(tmp_path):
    path = write(tmp_path / "mixed.pdb", residue(1, {"A": 0.3, "B": 0.7}, names={"A": "SER", "B": "THR"}))
    assert open_frames([path]).atoms.residue_name.tolist() == ["SER", "THR"]
    assert open_frames([path], altloc="A").atoms.residue_name.tolist() == ["SER", "SER"]


def test_trajectory_of_one_conformer_on_a_topology_with_more(tmp_path):
    import mdtraj

    path = write(tmp_path / "alt.pdb", residue(1, {"A": 0.4, "B": 0.6}) + residue(2, {"A": 1.0}))
    with mdtraj.open(str(tmp_path / "run.dcd"), "w") as run:
        run.write(np.arange(24, dtype=np.float32).reshape(2, 4, 3))
    source = open_frames([tmp_path / "run.dcd"], path)
    assert (len(source.atoms), source.n_frames) == (4, 2)
    assert source.atoms.name.tolist() == ["N", "CB", "N", "CB"]
    with mdtraj.open(str(tmp_path / "other.dcd"), "w") as run:
        run.write(np.zeros((2, 5, 3), dtype=np.float32))
    with pytest.raises(BadInput, match=r"have 5 atoms but the topology has 4\..*or another alternative conformer"):
        open_frames([tmp_path / "other.dcd"], path)


def test_mmcif_without_author_numbers(tmp_path):
    names = ["type_symbol", *(f"label_{kind}_id" for kind in ("atom", "alt", "comp", "asym", "seq"))]
    names += ["Cartn_x", "Cartn_y", "Cartn_z", "occupancy"]
    text = "data_x\nloop_\n" + "".join(f"_atom_site.{name}\n" for name in names)
    text += "C CB A SER A 1 1 0 0 0.4\nC CB B SER A 1 2 0 0 0.6\nC CB A SER A 2 1 0 0 0.6\nC CB B SER A 2 2 0 0 0.4\n"
    source = open_frames([write(tmp_path / "label.cif", text)])
    assert x_of(source) == [2, 1]
    assert (source.atoms.residue_number.tolist(), source.atoms.chain.tolist()) == ([1, 2], ["A", "A"])
    assert source.atoms.b_iso is None


def test_last_model_of_mmcif_that_is_cut_off_is_left_out(tmp_path):
    text = residue(1, {}) + residue(2, {})
    path = as_cif(write(tmp_path / "models.pdb", models(text, text, text)))
    rows = path.read_text().rstrip("\n#").splitlines(keepends=True)
    last = max(i for i, row in enumerate(rows) if row.startswith("ATOM"))
    path.write_text("".join(rows[:last]))
    source = open_frames([path])
    assert source.n_frames == 2
    assert "its 2 whole frames were read, at least one is lost" in source.warnings[0]
    assert len(source.positions(1)) == 2
