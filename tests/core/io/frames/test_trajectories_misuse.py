"""What users do wrong: files that are cut, changed, misnamed or no trajectories at all."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from support.trajectory_texts import PDB, pdb_text, write

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.trajectories import open_frames

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
@pytest.mark.parametrize(
    "content",
    [gzip.compress(pdb_text().encode())[:60], b"\x1f\x8b" + b"\7" * 50, b"plain"],
    ids=["cut", "damaged", "plain"],  # not the bytes: they hold the second of collection, which workers must agree on
)
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
