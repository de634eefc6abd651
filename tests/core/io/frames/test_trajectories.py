from __future__ import annotations

import gzip
import os
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import VIRTUAL, guess_element, symbol_despite_mass
from mdweights_core.io.frames.trajectories import open_frames, real_cell

PDB = "ATOM  {:5d} {:4s}{:1s}{:3s} {:1s}{:4d}    {:8.3f}{:8.3f}{:8.3f}{:6.2f}{:6.2f}          {:>2s}\n"
ATOMS = [("N", "N"), ("CA", "C"), ("C", "C"), ("O", "O")]
CRYST1 = "CRYST1   20.000   21.000   22.000  90.00 100.00  90.00 P 1           1\n"


def pdb_text(n_models: int = 3, *, header: str = CRYST1, end: str = "ENDMDL\n", model: bool = True) -> str:
    text = header
    for number in range(n_models):
        text += f"MODEL     {number + 1:4d}\n" if model else ""
        for row, (name, symbol) in enumerate(ATOMS):
            text += PDB.format(row + 1, f" {name}", "", "ALA", "A", 1, row, number, -1.5, 1, 0, symbol)
        text += end
    return text


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def gro_text(n_frames: int, names=("OW", "HW1", "HW2", "MW"), residue="SOL", box="2.0 2.1 2.2") -> str:
    text = ""
    for number in range(n_frames):
        text += f"water t= {0.5 * number:.5f} step= {number}\n{len(names):5d}\n"
        for row, name in enumerate(names):
            text += f"{1:5d}{residue:<5s}{name:>5s}{row + 1:5d}{0.1 * row:8.3f}{0.01 * number:8.3f}{-0.5:8.3f}\n"
        text += box + "\n"
    return text


@pytest.fixture
def small(shared_data) -> Path:
    return shared_data / "trajectories"


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


# --- what users do wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["xtc", "trr"])
@pytest.mark.parametrize("part", [0.6, 0.5])
def test_whole_frames_of_a_cut_trajectory_are_used(small, tmp_path, kind, part):
    content = (small / f"frame0.{kind}").read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(content[: int(part * len(content)) + 7])
    source = open_frames([path], small / "frame0.gro")
    assert abs(source.n_frames - part * 501) < 10
    assert f"its {source.n_frames} whole frames were read" in source.warnings[0]
    reference = open_frames([small / f"frame0.{kind}"], small / "frame0.gro")
    last = source.n_frames - 1
    assert sum(len(chunk.positions) for chunk in source.chunks()) == source.n_frames
    np.testing.assert_array_equal(source.positions(last), reference.positions(last))


def test_whole_frames_of_cut_dcd_and_gro_are_used(small, tmp_path):
    for kind, saying in (("dcd", "announces 501 frames but holds 300"), ("gro", "300 whole frames were read")):
        content = (small / f"frame0.{kind}").read_bytes()
        path = tmp_path / f"cut.{kind}"
        path.write_bytes(content[: int(0.6 * len(content))])
        source = open_frames([path], small / "frame0.gro")
        assert source.n_frames == 300
        assert any(saying in warning for warning in source.warnings)


@pytest.mark.parametrize(
    "kind", ["xtc", "trr", "dcd", "nc", "gro", "pdb", "cif", "mdcrd", "lammpstrj", "xyz", "rst7", "ncrst"]
)
@pytest.mark.parametrize("content", [b"\x00" * 500, b"not a trajectory at all\n" * 40, bytes(range(256)) * 8])
def test_rubbish_is_one_sentence(small, tmp_path, kind, content, capfd):
    path = tmp_path / f"rubbish.{kind}"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        open_frames([path], small / "frame0.gro")
    assert caught.value.where == str(path)
    assert "\n" not in caught.value.sentence
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["pdb", "cif", "gro", "psf", "prmtop", "mol2", "top"])
def test_rubbish_topology_is_one_sentence(small, tmp_path, kind, capfd):
    path = tmp_path / f"rubbish.{kind}"
    path.write_text("not a topology at all\n" * 30)
    with pytest.raises(BadInput) as caught:
        open_frames([small / "frame0.xtc"], path)
    assert caught.value.where == str(path)
    assert capfd.readouterr() == ("", "")


def test_whole_frames_of_a_cut_netcdf_are_used(small, tmp_path):
    path = tmp_path / "cut.nc"
    path.write_bytes((small / "frame0.nc").read_bytes()[:90_000])
    source, reference = (open_frames([file], small / "frame0.gro") for file in (path, small / "frame0.nc"))
    assert 250 < source.n_frames < 350
    lost = 501 - source.n_frames
    assert f"announces 501 frames but holds {source.n_frames}: {lost} are lost" in source.warnings[0]
    last = source.n_frames - 1
    np.testing.assert_array_equal(source.positions(last), reference.positions(last))


@pytest.mark.parametrize(
    ("trajectory", "topology", "saying"),
    [
        ("frame0.xtc", None, "says nothing about its atoms"),
        ("frame0.xtc", "adk.psf", "22 atoms but the topology has 3341"),
        ("frame0.nc", "adk.psf", "22 atoms but the topology has 3341"),
        ("frame0.gro", "adk.psf", "22 atoms but the topology has 3341"),
        ("nowhere.xtc", "frame0.gro", "does not exist"),
        ("frame0.xtc", "nowhere.pdb", "does not exist"),
        ("adk.psf", "adk.psf", "not a trajectory"),
        ("frame0.xtc", "frame0.trr", "not a topology"),
    ],
)
def test_wrong_choices(small, trajectory, topology, saying):
    with pytest.raises(BadInput, match=saying):
        open_frames([small / trajectory], None if topology is None else small / topology)


def test_empty_file_and_no_file(tmp_path):
    with pytest.raises(BadInput, match="empty"):
        open_frames([write(tmp_path / "empty.pdb", "")])
    with pytest.raises(BadInput, match="no frames"):
        open_frames([])


def test_coordinates_that_are_not_numbers(tmp_path, small):
    import mdtraj

    frames = mdtraj.load(str(small / "frame0.xtc"), top=str(small / "frame0.gro"))[:30]
    frames.xyz[20, 3, 1] = np.nan
    frames.save_dcd(str(tmp_path / "nan.dcd"))
    source = open_frames([tmp_path / "nan.dcd"], small / "frame0.gro")
    with pytest.raises(BadInput, match="Frame 21 has coordinates that are not numbers"):
        list(source.chunks(size=8))


def test_coordinates_beyond_single_precision(tmp_path, small):
    import mdtraj

    frames = mdtraj.load(str(small / "frame0.xtc"), top=str(small / "frame0.gro"))[:30]
    frames.xyz[3, 0, 1] = -9e4
    frames.save_dcd(str(tmp_path / "far.dcd"))
    assert len(list(open_frames([tmp_path / "far.dcd"], small / "frame0.gro").chunks(size=30))) == 1
    frames.xyz[20, 3, 1] = -2e5
    frames.save_dcd(str(tmp_path / "far.dcd"))
    source = open_frames([tmp_path / "far.dcd"], small / "frame0.gro")
    with pytest.raises(BadInput, match="Frame 21 has coordinates further than 1,000,000 Å from the origin"):
        list(source.chunks(size=8))


def test_models_with_other_atoms(tmp_path):
    longer = pdb_text(1) + pdb_text(1).replace(
        "ENDMDL", PDB.format(9, " CB", "", "ALA", "A", 1, 0, 0, 0, 1, 0, "C") + "ENDMDL"
    )
    source = open_frames([write(tmp_path / "longer.pdb", longer)])
    with pytest.raises(BadInput, match="Model 2 has 5 atoms but the first model has 4"):
        source.positions(1)
    swapped = pdb_text(1) + pdb_text(1).replace(" CA ", " CB ")
    source = open_frames([write(tmp_path / "swapped.pdb", swapped)])
    with pytest.raises(BadInput, match="Atom 2 of model 2 is CB, but CA in the first"):
        source.positions(1)


def test_coordinates_out_of_their_columns(tmp_path):
    text = pdb_text(2).replace("   1.000   1.000", "   1.0x0   1.000")
    source = open_frames([write(tmp_path / "columns.pdb", text)])
    with pytest.raises(BadInput, match="Model 2 has atom lines that cannot be read"):
        source.positions(1)


def test_frame_that_is_not_there(small):
    source = open_frames([small / "frame0.gro"])
    with pytest.raises(BadInput, match="no frame 502"):
        source.positions(501)


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


# --- files that change, and files that are not what they seem --------------------------------------------------------


@pytest.mark.parametrize("kind", ["xtc", "trr", "dcd", "nc", "h5", "gro"])
def test_file_that_grows_while_it_is_read(small, tmp_path, kind):
    path = tmp_path / f"run.{kind}"
    content = (small / f"frame0.{kind}").read_bytes()
    path.write_bytes(content)
    source = open_frames([path], small / "frame0.gro")
    with path.open("ab") as stream:
        stream.write(content[-2000:])
    reference = open_frames([small / f"frame0.{kind}"], small / "frame0.gro")
    np.testing.assert_array_equal(source.positions(500), reference.positions(500))
    assert sum(len(chunk.positions) for chunk in source.chunks(100)) == 501


@pytest.mark.parametrize("kind", ["xtc", "trr", "dcd", "nc", "h5", "gro"])
def test_file_that_is_cut_replaced_or_gone_while_it_is_read(small, tmp_path, kind):
    path = tmp_path / f"run.{kind}"
    content = (small / f"frame0.{kind}").read_bytes()
    path.write_bytes(content)
    source = open_frames([path], small / "frame0.gro")
    chunks = source.chunks(50)
    next(chunks)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match="replaced or cut while it was read"):
        list(chunks)
    (tmp_path / "other").write_bytes(content)
    (tmp_path / "other").replace(path)
    with pytest.raises(BadInput, match="replaced or cut while it was read"):
        source.positions(0)
    path.unlink()
    with pytest.raises(BadInput, match="not there any more"):
        source.positions(0)


@pytest.mark.parametrize("name", ["a.pdb.gz", "a.ent.gz", "a.cif.gz", "a.xyz.gz"])
@pytest.mark.parametrize("content", [gzip.compress(pdb_text().encode())[:60], b"\x1f\x8b" + b"\7" * 50, b"plain"])
def test_broken_gz_is_one_sentence(tmp_path, small, name, content, capfd):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        open_frames([tmp_path / name], small / "frame0.gro")
    assert caught.value.where == str(tmp_path / name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("truth", "kind"),
    [
        (truth, kind)
        for truth in ("pdb", "gro", "dcd", "xtc", "nc", "h5")
        for kind in ("xtc", "trr", "dcd", "nc", "h5", "gro", "pdb", "cif", "mdcrd", "lammpstrj", "rst7")
        if kind != truth
    ],
)
def test_right_content_under_a_wrong_name(tmp_path, small, truth, kind, capfd):
    path = tmp_path / f"named.{kind}"
    path.write_bytes(pdb_text().encode() if truth == "pdb" else (small / f"frame0.{truth}").read_bytes()[:40_000])
    with pytest.raises(BadInput) as caught:
        open_frames([path], small / "frame0.gro")
    assert caught.value.where == str(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["xtc", "pdb", "dtr", "h5"])
def test_a_folder_is_no_trajectory(tmp_path, small, kind):
    (tmp_path / f"run.{kind}").mkdir()
    with pytest.raises(BadInput):
        open_frames([tmp_path / f"run.{kind}"], small / "frame0.gro")


def test_wrong_atoms_of_a_later_file_are_told_at_once(small, tmp_path):
    with pytest.raises(BadInput, match="47681 atoms but the topology has 22") as caught:
        open_frames([small / "frame0.xtc", small / "adk_oplsaa.xtc"], small / "frame0.gro")
    assert caught.value.where == str(small / "adk_oplsaa.xtc")


def test_dummy_boxes_are_said(small):
    (warning,) = open_frames([small / "frame0.trr"], small / "frame0.gro").warnings
    assert warning == "The box in the frames (10 10 10 90 90 90) is a dummy and was left aside"
