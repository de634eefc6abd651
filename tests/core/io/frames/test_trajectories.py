"""Trajectories of all formats, through the one door that opens them."""

from __future__ import annotations

import gzip
import os
import resource
import warnings

import numpy as np
import pytest
from support.trajectory_texts import CRYST1, PDB, gro_text, pdb_text, write

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import VIRTUAL, guess_element, symbol_despite_mass
from mdweights_core.io.frames.trajectories import open_frames, real_cell

# --- real trajectories -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["xtc", "dcd", "nc", "trr", "gro", "h5"])
def test_formats_agree(shared_data, kind):
    folder = shared_data / "trajectories"
    topology = None if kind in ("gro", "h5") else folder / "frame0.gro"
    source = open_frames([folder / f"frame0.{kind}"], topology)
    reference = open_frames([folder / "frame0.gro"])
    assert (source.n_frames, len(source.atoms)) == (501, 22)
    assert (source.cell is None) == (kind not in ("xtc", "dcd"))
    assert "".join(source.atoms.element) == "".join(reference.atoms.element)
    for frame in (0, 3, 250, 500, 17):
        assert np.abs(source.positions(frame) - reference.positions(frame)).max() < 0.0101  # GRO keeps 0.01 angstrom
    chunks = list(source.chunks(size=100, start=120))
    assert [chunk.start for chunk in chunks] == [120, 220, 320, 420]
    assert sum(len(chunk.positions) for chunk in chunks) == 381
    assert np.isnan(chunks[0].time).all() == (kind == "dcd")
    np.testing.assert_array_equal(chunks[1].positions[30], source.positions(250))


def test_reading_prints_nothing(shared_data, capfd):
    folder = shared_data / "trajectories"
    source = open_frames([folder / "frame0.dcd", folder / "frame0.nc", folder / "frame0.xtc"], folder / "frame0.gro")
    for frame in (0, 700, 1400, 2, 1502):
        source.positions(frame)
    assert capfd.readouterr() == ("", "")


def test_several_files_in_a_row(shared_data):
    folder = shared_data / "trajectories"
    source = open_frames([folder / "frame0.trr", folder / "frame0.dcd"], folder / "frame0.gro")
    assert source.n_frames == 1002
    assert source.origin(501) == (str(folder / "frame0.dcd"), 0)
    assert source.origin(500) == (str(folder / "frame0.trr"), 500)
    assert [len(chunk.positions) for chunk in source.chunks(size=400)] == [400, 101, 400, 101]
    assert np.abs(source.positions(501) - source.positions(0)).max() < 0.0101


def test_crystal_simulation_in_amber_files(shared_data):
    folder = shared_data / "peptide_crystal"
    source = open_frames([folder / "mdXtal.nc"], folder / "x6dky.parm7")
    assert (source.n_frames, len(source.atoms)) == (4, 2328)
    assert np.allclose(source.cell.parameters, (38.284, 23.632, 23.851, 90, 90, 90))
    (chunk,) = source.chunks()
    assert chunk.time.tolist() == [1050, 1300, 1550, 1800]
    assert chunk.cells.shape == (4, 6)
    restart = open_frames([folder / "mdXtal.inpcrd"], folder / "x6dky.parm7")
    assert (restart.n_frames, restart.positions(0).shape) == (1, (2328, 3))


def test_models_of_an_ensemble(shared_data):
    source = open_frames([shared_data / "ubiquitin" / "2k39_on_1ubi_116models_noH.pdb"])
    assert (source.n_frames, len(source.atoms)) == (116, 602)
    assert source.cell.parameters == (50.84, 42.77, 28.95, 90, 90, 90)
    assert np.ptp([source.positions(frame)[0, 0] for frame in range(0, 116, 29)]) > 0.01
    assert source.atoms.name[1] == "CA"
    assert source.atoms.residue_name[0] == "MET"


@pytest.mark.parametrize(
    ("name", "n_frames", "n_atoms"), [("trajectories/2EQQ.pdb", 20, 423), ("peptides/1PLW.pdb", 80, 75)]
)
def test_models_without_a_cell(shared_data, name, n_frames, n_atoms):
    source = open_frames([shared_data / name])
    assert (source.n_frames, len(source.atoms), source.cell) == (n_frames, n_atoms, None)
    assert next(source.chunks()).cells is None


def test_psf_and_dcd(shared_data):
    folder = shared_data / "trajectories"
    source = open_frames([folder / "adk_dims.dcd"], folder / "adk.psf")
    assert (source.n_frames, len(source.atoms), source.cell) == (98, 3341, None)
    assert "announces 500 frames but holds 98" in source.warnings[0]


def test_virtual_sites_are_left_out_and_said(shared_data):
    folder = shared_data / "trajectories"
    source = open_frames([folder / "adk_oplsaa.xtc"], folder / "adk_oplsaa.gro")
    assert source.positions(9).shape == (36597, 3)
    assert len(source.atoms) == 36597
    assert (source.atoms.element == "Na").sum() == 4
    assert source.warnings == ("11084 sites without an atom (MW) were left out",)
    assert np.allclose(source.cell.parameters, (80.017, 80.017, 80.017, 60, 60, 90), atol=2e-3)


def test_random_access_equals_reading_in_order(shared_data):
    folder = shared_data / "lysozyme"
    source = open_frames([folder / "lyso.xtc"], folder / "lyso_topology.pdb")
    everything = np.concatenate([chunk.positions for chunk in source.chunks(size=7)])
    assert everything.shape == (101, 1961, 3)
    for frame in (100, 0, 57, 56, 58):
        np.testing.assert_array_equal(source.positions(frame), everything[frame])


# --- text files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [{}, {"end": "END\n", "model": False}, {"end": "ENDMDL   \r\n"}])
def test_models_in_the_dialects_of_pdb(tmp_path, style):
    source = open_frames([write(tmp_path / "models.pdb", pdb_text(**style))])
    assert source.n_frames == 3
    assert source.positions(2)[:, 1].tolist() == [2, 2, 2, 2]
    assert source.positions(1)[:, 0].tolist() == [0, 1, 2, 3]
    assert source.atoms.name.tolist() == ["N", "CA", "C", "O"]
    assert np.allclose(source.cell.parameters, (20, 21, 22, 90, 100, 90))


def test_compressed_models(tmp_path):
    path = tmp_path / "models.pdb.gz"
    path.write_bytes(gzip.compress(pdb_text().encode()))
    assert open_frames([path]).positions(1)[0].tolist() == [0, 1, -1.5]


def test_each_model_may_have_its_own_cell(tmp_path):
    wider = CRYST1.replace("20.000", "20.500")
    text = pdb_text(1) + pdb_text(1, header=wider)
    (chunk,) = open_frames([write(tmp_path / "npt.pdb", text)]).chunks()
    assert chunk.cells[:, 0].tolist() == [20.0, 20.5]


def test_atoms_keep_the_order_of_the_file_when_numbers_repeat(tmp_path):
    """In big boxes residue numbers start again, in the same chain."""
    lines = [PDB.format(i % 100000, " O", "", "HOH", "W", i % 10, i * 0.5, 0, 0, 1, 0, "O") for i in range(25)]
    source = open_frames([write(tmp_path / "water.pdb", "".join(lines))])
    assert source.positions(0)[:, 0].tolist() == [0.5 * i for i in range(25)]


def test_models_of_mmcif(tmp_path, shared_data):
    import gemmi

    structure = gemmi.read_structure(str(shared_data / "peptides" / "1PLW.pdb"))
    structure.cell = gemmi.UnitCell(30, 31, 32, 90, 95, 90)
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(tmp_path / "models.cif"))
    source = open_frames([tmp_path / "models.cif"])
    reference = open_frames([shared_data / "peptides" / "1PLW.pdb"])
    assert source.n_frames == 80
    assert source.cell.parameters == (30, 31, 32, 90, 95, 90)
    assert source.atoms.name.tolist() == reference.atoms.name.tolist()
    np.testing.assert_allclose(source.positions(79), reference.positions(79), atol=1e-4)


@pytest.mark.parametrize("kind", ["mdcrd", "xyz", "lammpstrj", "ncrst", "rst7"])
def test_rarer_formats_that_mdtraj_writes(small, tmp_path, kind):
    import mdtraj

    frames = mdtraj.load(str(small / "frame0.xtc"), top=str(small / "frame0.gro"))[:7]
    is_restart = kind in ("ncrst", "rst7")
    frames = frames[:1] if is_restart else frames
    frames.unitcell_angles = np.full((len(frames), 3), 90.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames.save(str(tmp_path / f"run.{kind}"))
    source = open_frames([tmp_path / f"run.{kind}"], small / "frame0.gro")
    assert source.n_frames == len(frames)
    for frame in (len(frames) - 1, 0, len(frames) // 2):
        assert np.abs(source.positions(frame) - 10 * frames.xyz[frame]).max() < 0.002
    if kind != "xyz":
        assert np.allclose(source.cell.parameters[:3], 10 * frames.unitcell_lengths[0], atol=0.01)
    assert source.warnings == ()


def test_more_files_than_may_be_open(tmp_path, small):
    """One frame per file is common; a process may not hold all of them open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = [write(tmp_path / f"{i}.pdb", pdb_text(1).replace("-1.500", f"{-i - 1:6.3f}"[:6])) for i in range(60)]
    links = [tmp_path / f"{i}.xtc" for i in range(60)]
    for link in links:
        link.symlink_to(small / "frame0.xtc")
    open_now = len(os.listdir("/proc/self/fd"))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 30, hard))
        models = open_frames(files)
        runs = open_frames(links, small / "frame0.gro")
        assert sum(len(chunk.positions) for chunk in models.chunks()) == 60
        assert sum(len(chunk.positions) for chunk in runs.chunks(size=501)) == 60 * 501
        assert models.positions(7)[0, 2] == -8
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_frames_of_gro(tmp_path):
    source = open_frames([write(tmp_path / "water.gro", gro_text(4))])
    assert source.n_frames == 4
    assert source.atoms.element.tolist() == ["O", "H", "H"]
    (chunk,) = source.chunks()
    assert chunk.time.tolist() == [0.0, 0.5, 1.0, 1.5]
    np.testing.assert_allclose(chunk.positions[3], [[0, 0.3, -5], [1, 0.3, -5], [2, 0.3, -5]], atol=1e-5)
    np.testing.assert_allclose(chunk.cells[0], [20, 21, 22, 90, 90, 90])


def test_oblique_box_of_gro(tmp_path):
    """A hexagonal box with vectors (2 0 0), (-1 sqrt3 0), (0 0 3) nm."""
    text = gro_text(1, box="2.0 1.7320508 3.0 0 0 -1.0 0 0 0")
    assert np.allclose(open_frames([write(tmp_path / "hex.gro", text)]).cell.parameters, (20, 20, 30, 90, 90, 120))


# --- elements and boxes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "residue", "element"),
    [
        *(("CA", "ALA", "C"), ("CA", "CA", "Ca"), ("HG11", "VAL", "H"), ("1HB", "ALA", "H"), ("OXT", "LYS", "O")),
        *(("NA", "NA", "Na"), ("SOD", "SOD", "Na"), ("CLA", "CLA", "Cl"), ("CL", "CL", "Cl"), ("SG", "CYS", "S")),
        *(
            ("OW", "SOL", "O"),
            ("HW1", "SOL", "H"),
            ("MW", "SOL", VIRTUAL),
            ("EPW", "WAT", VIRTUAL),
            ("M", "HOH", VIRTUAL),
        ),
        *(("SE", "MSE", "Se"), ("FE", "HEM", "Fe"), ("CL1", "LIG", "Cl"), ("P", "DA", "P"), ("O5'", "DA", "O")),
    ],
)
def test_element_from_a_name(name, residue, element):
    assert guess_element(name, residue) == element


@pytest.mark.parametrize(
    ("by_mass", "name", "residue", "element"),
    [
        *(("He", "HE1", "HSD", "H"), ("Be", "CB", "SER", "C"), ("C", "N", "ALA", "N"), ("P", "SG", "CYS", "S")),
        *(("Li", "LIT", "LIT", "Li"), ("VS", "OM", "TIP4", "VS"), ("Cl", "CLA", "CLA", "Cl"), ("C", "C1", "LIG", "C")),
    ],
)
def test_repartitioned_masses_do_not_mislead(by_mass, name, residue, element):
    assert symbol_despite_mass(by_mass, name, residue) == element


def test_beads_have_no_element(tmp_path):
    with pytest.raises(BadInput, match="'QQ'"):
        open_frames([write(tmp_path / "beads.gro", gro_text(1, names=("QQ",), residue="GLX"))])


@pytest.mark.parametrize(
    "box",
    [
        (1, 1, 1, 90, 90, 90),
        (0, 0, 0, 0, 0, 0),
        (10, 10, 10, 90, 90, 90),
        (30, 30, 30, 90, 90, np.nan),
        (9, 8, 7, 90, 90, 90),
    ],
)
def test_dummy_boxes(box):
    assert real_cell(np.array(box, dtype=float), 200) is None


@pytest.mark.parametrize("box", [(9.643, 9.609, 19.029, 90, 101.22, 90), (50.3, 4.777, 14.7, 90, 101.7, 90)])
def test_small_crystals_are_no_dummies(box):
    assert real_cell(np.array(box), 100).parameters == box


def test_parts_follow_content_and_order(tmp_path):
    one, two = write(tmp_path / "one.pdb", pdb_text(1)), write(tmp_path / "two.pdb", pdb_text(2))
    assert len({open_frames(paths).parts for paths in ([one], [one, two], [two, one])}) == 3
    before = open_frames([one]).parts
    assert open_frames([one]).parts == before
    write(one, pdb_text(1).replace("-1.500", "-1.501"))
    assert open_frames([one]).parts != before


# --- some of the atoms, and the boxes --------------------------------------------------------------------------------


def test_selected_atoms_of_the_same_frames(small):
    source = open_frames([small / "adk_oplsaa.xtc"], small / "adk_oplsaa.gro")  # with sites left out, too
    rows = np.flatnonzero(source.atoms.element == "O")[::-3]
    part = source.select(rows)
    assert (part.n_frames, part.warnings, part.cell) == (source.n_frames, source.warnings, source.cell)
    assert part.atoms.name.tolist() == source.atoms.name[rows].tolist()
    np.testing.assert_array_equal(part.positions(3), source.positions(3)[rows])
    again = part.select(np.arange(len(rows)) % 2 == 0)
    np.testing.assert_array_equal(next(again.chunks(2, start=7)).positions[1], source.positions(8)[rows[::2]])


def test_marks_follow_the_selection(small):
    source = open_frames([small / "frame0.xtc"], small / "frame0.gro")
    selections = [[0, 1], [1, 0], [0], list(range(22)), np.arange(22) < 2]
    marks = [source.select(np.array(rows)).marks for rows in selections]
    assert marks[3] == source.marks == ()
    assert marks[4] == marks[0]
    assert len(set(marks)) == 4


@pytest.mark.parametrize("rows", [np.zeros(0, dtype=int), np.zeros(22, dtype=bool), np.array([22]), np.ones(21, bool)])
def test_selections_that_cannot_be(small, rows):
    with pytest.raises(BadInput, match=r"selected|selection"):
        open_frames([small / "frame0.xtc"], small / "frame0.gro").select(rows)


def test_boxes_of_all_frames(tmp_path, small):
    import mdtraj

    frames = mdtraj.load(str(small / "frame0.xtc"), top=str(small / "frame0.gro"))[:40]
    lengths = np.linspace(2.5, 2.9, 120).reshape(40, 3)
    lengths[7] = 0
    frames.unitcell_lengths, frames.unitcell_angles = lengths, np.full((40, 3), 90.0)
    frames.save_dcd(str(tmp_path / "npt.dcd"))
    source = open_frames([tmp_path / "npt.dcd", small / "frame0.trr"], small / "frame0.gro")
    boxes = source.boxes()
    assert boxes.shape == (541, 6)
    assert np.flatnonzero(np.isnan(boxes).any(axis=1)).tolist() == [7, *range(40, 541)]  # the trr has dummies
    assert np.allclose(np.delete(boxes[:40, :3], 7, axis=0), np.delete(10 * lengths, 7, axis=0), atol=1e-4)
    assert np.isnan(open_frames([small / "frame0.trr"], small / "frame0.gro").boxes()).all()


def test_dummy_boxes_are_said(small):
    (warning,) = open_frames([small / "frame0.trr"], small / "frame0.gro").warnings
    assert warning == "The box in the frames (10 10 10 90 90 90) is a dummy and was left aside"
