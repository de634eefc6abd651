from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import gemmi
import mdtraj
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.scattering.engine.model import FrameModel
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.frames import checks
from mdweights_core.scattering.frames.checks import FrameCheck, Remark, check_frames, remarks_as_text
from mdweights_core.scattering.predict import predict
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.store import StructureFactorStore, store_bytes

CELL = gemmi.UnitCell(24, 26, 28, 85, 95, 105)
P1 = gemmi.SpaceGroup("P 1")
PARTS = (("N", "N"), ("CA", "C"), ("CB", "C"), ("O", "O"))
N_PROTEIN, N_WATERS = 40, 6


def write_frames(folder: Path, positions: np.ndarray, cells: np.ndarray | None) -> FrameSource:
    """A trajectory of ten residues without hydrogens, six waters and an ion, at positions in angstrom."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(N_PROTEIN // 4):
        residue = topology.add_residue("ALA", chain, resSeq=number + 1)
        for atom, symbol in PARTS:
            topology.add_atom(atom, mdtraj.element.get_by_symbol(symbol), residue)
    for number in range(N_WATERS):
        residue = topology.add_residue("HOH", chain, resSeq=100 + number)
        topology.add_atom("O", mdtraj.element.oxygen, residue)
    topology.add_atom("NA", mdtraj.element.sodium, topology.add_residue("NA", chain, resSeq=200))
    frames = mdtraj.Trajectory(positions / 10, topology)
    if cells is not None:
        frames.unitcell_lengths, frames.unitcell_angles = cells[:, :3] / 10, cells[:, 3:]
    frames[0].save_pdb(str(folder / "run.pdb"))
    frames.save_dcd(str(folder / "run.dcd"))
    return open_frames([folder / "run.dcd"], folder / "run.pdb")


def scene(n_frames: int, *, jitter: float = 0.3, seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 1, (N_PROTEIN + N_WATERS + 1, 3)) @ np.array(CELL.orth.mat.tolist()).T
    return start + rng.normal(scale=jitter, size=(n_frames, len(start), 3))


def boxes(n_frames: int, cell: gemmi.UnitCell = CELL) -> np.ndarray:
    return np.tile(cell.parameters, (n_frames, 1))


def check(
    source: FrameSource, settings: PredictSettings | None = None, *, group=P1, ndiv=(1, 1, 1), **more
) -> FrameCheck:
    lattice = half_lattice(CELL, group, 5.0, None, ndiv)
    return jobs.run(check_frames(source, lattice, settings or PredictSettings(), **more))


def remarks(found: FrameCheck, topic: str) -> list[tuple[str, str]]:
    return [(remark.level, remark.text) for remark in found.remarks if remark.topic == topic]


def only(found: FrameCheck, topic: str) -> tuple[str, str]:
    (remark,) = remarks(found, topic)
    return remark


@pytest.fixture
def source(tmp_path) -> FrameSource:
    return write_frames(tmp_path, scene(8), boxes(8))


def test_good_frames(source, tmp_path):
    snapshots: list[jobs.Progress] = []
    lattice = half_lattice(CELL, P1, 5.0)
    job = check_frames(source, lattice, PredictSettings(), out=tmp_path / "F.zarr", map_name="map.mtz")
    found = jobs.run(job, snapshots.append)
    assert found.frames.tolist() == list(range(8))
    assert found.duplicates == ()
    assert (found.n_frames, found.n_atoms, found.n_hkl) == (8, 47, len(lattice))
    np.testing.assert_allclose(found.boxes, boxes(8), atol=1e-3)
    assert found.time.shape == (8,)
    assert 0 < found.seconds_per_frame < 1
    assert 0 < found.seconds_needed < 8
    assert found.bytes_needed == store_bytes(8, len(lattice))
    assert found.bytes_free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    assert not [remark for remark in found.remarks if remark.level in ("warning", "problem")]
    assert remarks(found, "box") == [
        ("good", "The box of the frames is the cell of map.mtz"),
        ("good", "All frames have the same box (constant volume)"),
    ]
    assert {remark.topic for remark in found.remarks} >= {"frames", "drift", "atoms", "content", "molecules", "disk"}
    assert {snapshot.stage for snapshot in snapshots} == {"checking frames"}
    text = remarks_as_text(found.remarks)
    assert text.splitlines()[0] == "good: frames: All 8 frames were looked at"
    assert len(text.splitlines()) == len(found.remarks)


def test_remarks_as_text():
    assert remarks_as_text([Remark("note", "box", "One"), Remark("problem", "disk", "Two")]) == (
        "note: box: One\nproblem: disk: Two"
    )
    assert remarks_as_text([]) == ""


# --- which frames ----------------------------------------------------------------------------------------------------


def test_of_many_frames_some_are_looked_at(tmp_path):
    source = write_frames(tmp_path, scene(450), boxes(450))
    found = check(source)
    assert len(found.frames) == 200
    assert (found.frames[0], found.frames[-1]) == (0, 449)
    assert set(np.diff(found.frames).tolist()) == {2, 3}
    assert remarks(found, "frames")[0][1] == "200 of 450 frames, evenly spread, were looked at"


@pytest.mark.parametrize("n_frames", [1, 2, 3, 7, 200, 201, 12_345])
def test_every_beginning_of_the_order_is_spread(n_frames):
    order = checks._spread(n_frames)
    assert sorted(set(order.tolist())) == sorted(order.tolist())
    assert len(order) == min(n_frames, 200)
    assert order[0] == 0
    assert order.max() == n_frames - 1
    for count in (c for c in (4, 16, 64) if c < len(order)):
        gaps = np.diff([*sorted(order[:count].tolist()), n_frames])
        assert gaps.max() <= 2.1 * n_frames / count


def test_slow_reading_ends_early_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "_LOOKING_SECONDS", 0.0)
    found = check(write_frames(tmp_path, scene(30), boxes(30)))
    assert found.frames.tolist() == [0]
    assert remarks(found, "frames")[0][1].startswith("1 of 30 frames")


# --- box -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["own", "mean"])
def test_breathing_boxes(tmp_path, choice):
    cells = boxes(6) * np.linspace(1, 1.004, 6)[:, None] ** [1, 0, 0, 0, 0, 0]
    found = check(write_frames(tmp_path, scene(6), cells), PredictSettings(boxes=choice))
    level, text = remarks(found, "box")[-1]
    assert level == "warning"
    assert "0.20, 0.00 and 0.00 %" in text
    assert ("in the mean box, where this counts as disorder" in text) is (choice == "mean")


def test_a_box_that_hardly_breathes_is_a_note(tmp_path):
    cells = boxes(6) * np.linspace(1, 1.001, 6)[:, None] ** [1, 0, 0, 0, 0, 0]
    level, text = remarks(check(write_frames(tmp_path, scene(6), cells)), "box")[-1]
    assert (level, "0.05, 0.00" in text) == ("note", True)


def test_another_box_and_none(tmp_path):
    found = check(write_frames(tmp_path, scene(3), boxes(3, gemmi.UnitCell(40, 26, 28, 85, 95, 105))))
    assert remarks(found, "box")[0][0] == "warning"
    assert "left aside" in remarks(found, "box")[0][1]
    (tmp_path / "other").mkdir()
    found = check(write_frames(tmp_path / "other", scene(3), None))
    assert only(found, "box")[1].startswith("The frames have no box")
    assert np.isnan(found.boxes).all()


# --- drift -----------------------------------------------------------------------------------------------------------


def test_drift_is_measured_frame_by_frame(tmp_path):
    drift = np.outer(np.arange(40), [0.25, -0.17, 0.31])
    frames = np.repeat(scene(1), 40, axis=0) + drift[:, None]
    source = write_frames(tmp_path, frames, boxes(40))
    found = check(source)
    np.testing.assert_allclose(found.drift, drift, atol=2e-3)
    assert only(found, "drift") == ("note", "The frames drift, which is taken out: up to 16.9 Å as a whole")
    level, text = only(check(source, PredictSettings(remove_drift=False)), "drift")
    assert (level, "look diffuse" in text) == ("warning", True)


def test_jumping_models(tmp_path):
    jumps = np.random.default_rng(1).normal(scale=0.8, size=(40, 1, 3))
    source = write_frames(tmp_path, np.repeat(scene(1), 40, axis=0) + jumps, boxes(40))
    level, text = only(check(source), "drift")
    assert (level, "back and forth" in text) == ("warning", True)
    assert only(check(source, PredictSettings(remove_drift=False)), "drift")[0] == "note"


# --- frames that repeat ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "is_same"), [(0.0, True), (4e-4, True), (5e-3, False)])
def test_frames_that_repeat(tmp_path, off, is_same):
    frames = scene(9)
    frames[4], frames[7] = frames[1] + off, frames[1] - off
    found = check(write_frames(tmp_path, frames, boxes(9)))
    assert found.duplicates == (((1, 4), (1, 7)) if is_same else ())
    told = [text for level, text in remarks(found, "frames") if level == "warning"]
    assert len(told) == is_same
    assert not told or told[0].startswith("Frames 2 and 5 are identical (and 1 more pair): ")


# --- atoms and what they fill ----------------------------------------------------------------------------------------


def test_a_selection_says_what_it_leaves_out(source):
    found = check(source, PredictSettings(selection="protein and name CA CB"))
    assert found.n_atoms == 20
    assert remarks(found, "atoms")[0] == (
        "note",
        "20 of 47 atoms scatter; left out are 6 waters, 1 ion, 20 other atoms",
    )


@pytest.mark.parametrize(("radiation", "level"), [("xray", "note"), ("neutron", "warning")])
def test_missing_hydrogens(source, radiation, level):
    told = remarks(check(source, PredictSettings(radiation=radiation)), "atoms")
    assert (level, True) in [(found, "no hydrogens" in text) for found, text in told]


def test_columns_of_the_topology_that_are_not_used(tmp_path):
    write_frames(tmp_path, scene(2), boxes(2))
    lines = (tmp_path / "run.pdb").read_text().splitlines()
    lines = [f"{x[:54]}{0.5:6.2f}{30.0:6.2f}{x[66:]}" if x.startswith(("ATOM", "HETATM")) else x for x in lines]
    (tmp_path / "run.pdb").write_text("\n".join(lines) + "\n")
    source = open_frames([tmp_path / "run.dcd"], tmp_path / "run.pdb")
    told = " ".join(text for _, text in remarks(check(source), "atoms"))
    assert "B factors (mean 30" in told
    assert "47 atoms another occupancy" in told
    used = check(source, PredictSettings(b_from_topology=True, occupancy_from_topology=True))
    assert "topology" not in " ".join(text for _, text in remarks(used, "atoms"))


@pytest.mark.parametrize(("solvent", "level"), [("none", "note"), ("mask", "good")])
def test_stripped_frames(source, solvent, level):
    found = check(source, PredictSettings(selection="protein", solvent=solvent))
    assert (level, "stripped" in remarks(found, "content")[0][1]) == (remarks(found, "content")[0][0], True)


def test_an_asymmetric_unit_and_a_whole_cell(shared_data):
    path = shared_data / "ubiquitin" / "2k39_on_1ubi_116models_noH.pdb"
    group, cell = gemmi.SpaceGroup("P 21 21 21"), gemmi.UnitCell(50.84, 42.77, 28.95, 90, 90, 90)
    lattice, source = half_lattice(cell, group, 6.0), open_frames([path])
    alone = jobs.run(check_frames(source, lattice, PredictSettings()))
    level, text = remarks(alone, "content")[-1]
    assert (level, "look like one asymmetric unit" in text) == ("warning", True)
    expanded = jobs.run(check_frames(source, lattice, PredictSettings(expand_symmetry=True)))
    assert [level for level, _ in remarks(expanded, "content")] == ["note"]


def test_lost_frames_are_a_warning_and_one_frame_is_one(source, monkeypatch):
    text = "md.xtc: the end of the file is cut off or damaged; its 5 whole frames were read, at least one is lost"
    monkeypatch.setattr(type(source), "warnings", (text, "3 sites without an atom (MW) were left out"))
    found = remarks(check(source, PredictSettings()), "frames")
    assert [level for level, _ in found] == ["good", "warning", "note"]


def test_an_asymmetric_unit_without_its_space_group(shared_data):
    source = open_frames([shared_data / "ubiquitin" / "2k39_on_1ubi_116models_noH.pdb"])
    lattice = half_lattice(source.cell, P1, 6.0)
    alone = jobs.run(check_frames(source, lattice, PredictSettings()))
    level, text = remarks(alone, "content")[-1]
    assert (level, "give the space group" in text) == ("note", True)
    expanded = jobs.run(check_frames(source, lattice, PredictSettings(expand_symmetry=True)))
    assert remarks(expanded, "content")[-1] == ("warning", "The space group P 1 has no symmetry to expand")


def test_a_solvent_of_x_rays_for_neutrons(source):
    settings = PredictSettings(selection="protein", solvent="mask", radiation="neutron")
    with pytest.raises(BadInput, match=r"0\.35, is that for X-rays, not for neutrons\. Give its density.* in fm"):
        check(source, settings)
    check(source, dataclasses.replace(settings, k_sol=0.64))


def test_a_whole_cell_is_not_to_be_expanded(shared_data):
    folder = shared_data / "snase"
    source = open_frames([folder / "snase_p41_cell.xtc"], folder / "snase_p41_cell.pdb")
    lattice = half_lattice(gemmi.UnitCell(48.5, 48.5, 63.4, 90, 90, 90), gemmi.SpaceGroup("P 41"), 8.0)
    found = jobs.run(check_frames(source, lattice, PredictSettings(expand_symmetry=True)))
    assert ("problem", True) in [(level, "lie on one another" in text) for level, text in remarks(found, "content")]
    as_is = jobs.run(check_frames(source, lattice, PredictSettings(selection="protein")))
    assert [level for level, _ in remarks(as_is, "content")] == ["note"]


# --- molecules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ndiv", "molecules", "level", "saying"),
    [
        ((1, 1, 1), "auto", "good", "changes nothing"),
        ((1, 1, 1), "whole", "note", "you asked for it"),
        ((2, 1, 1), "auto", "note", "between those of the box"),
        ((2, 1, 1), "as-is", "warning", "left as they are"),
    ],
)
def test_whole_molecules(source, ndiv, molecules, level, saying):
    found, text = only(check(source, PredictSettings(molecules=molecules), ndiv=ndiv), "molecules")
    assert (found, saying in text) == (level, True)


def test_drift_of_whole_molecules(tmp_path):
    drift = np.outer(np.arange(20), [0.25, -0.17, 0.31])
    frames = np.repeat(scene(1), 20, axis=0) + drift[:, None]
    inside = frames @ np.linalg.inv(np.array(CELL.orth.mat.tolist())).T % 1
    source = write_frames(tmp_path, inside @ np.array(CELL.orth.mat.tolist()).T, boxes(20))
    np.testing.assert_allclose(check(source, ndiv=(2, 2, 2)).drift, drift, atol=2e-3)


# --- what it will cost -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "level"), [(10, "problem"), (70_000, "warning"), (10**9, "good")])
def test_space_on_disk(source, tmp_path, monkeypatch, free, level):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    lattice = half_lattice(CELL, P1, 5.0).select(slice(256))
    found = jobs.run(check_frames(source, lattice, PredictSettings(), out=tmp_path / "not" / "yet" / "F.zarr"))
    assert found.bytes_free == free
    assert found.bytes_needed == store_bytes(8, 256)
    assert only(found, "disk")[0] == level


@pytest.mark.parametrize("n_there", [8, 3])
def test_the_check_and_the_run_ask_for_the_same_room(tmp_path, monkeypatch, n_there):
    """Also where a store is gone on with or replaced, of which the place counts."""
    source, lattice, out = write_frames(tmp_path, scene(8), boxes(8)), half_lattice(CELL, P1, 5.0), tmp_path / "F.zarr"
    jobs.run(predict(source, lattice, PredictSettings(b_iso=9.0 if n_there == 8 else 0.0), out))
    if n_there == 3:  # as after a run that was stopped
        store = StructureFactorStore.open(out)
        store.forget(np.arange(3, 8))
        list(store.verify())  # keeps that
    need = store_bytes(8, len(lattice))
    there = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    for free, is_enough in ((need - there, True), (need - there - 1, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        found = jobs.run(check_frames(source, lattice, PredictSettings(), out=out))
        assert (found.bytes_needed, found.bytes_free) == (need, free + there)
        assert (only(found, "disk")[0] != "problem") is is_enough
    with pytest.raises(DiskProblem, match="are free here"):
        jobs.run(predict(source, lattice, PredictSettings(), out))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=need - there))
    assert jobs.run(predict(source, lattice, PredictSettings(), out)).is_complete


def test_time_is_that_of_frames_side_by_side(source, monkeypatch):
    class Slow:
        n_workers = 4

        def __call__(self, _positions):
            time.sleep(0.1)

    monkeypatch.setattr(FrameModel, "engine", lambda _self: Slow())
    found = check(source)
    assert found.seconds_per_frame == pytest.approx(0.1, rel=0.5)
    assert found.seconds_needed == pytest.approx(8 * found.seconds_per_frame / 4, rel=0.01)


def test_the_job_goes_on_yielding_and_can_be_stopped(source, monkeypatch):
    go_on = threading.Event()

    class Slow:
        n_workers = 1

        def __call__(self, _positions):
            go_on.wait(20)

    monkeypatch.setattr(FrameModel, "engine", lambda _self: Slow())
    job = check_frames(source, half_lattice(CELL, P1, 5.0), PredictSettings())
    while next(job).message != "Trying a frame":
        pass
    began = time.monotonic()
    assert jobs.stop(job) is None
    assert time.monotonic() - began < 10
    go_on.set()


# --- what cannot be computed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "saying"),
    [
        ({"supercell": (2, 1, 1)}, "is not 2 x 1 x 1 cells"),
        ({"selection": "proteins"}, "not a selection"),
        ({"selection": "resname ATP"}, "none of the 47 atoms"),
    ],
)
def test_what_would_stop_the_run_is_refused_at_once(source, choices, saying):
    with pytest.raises(BadInput, match=saying):
        check(source, PredictSettings(**choices))


def test_no_reflections(source):
    with pytest.raises(BadInput, match="no reflections"):
        jobs.run(check_frames(source, half_lattice(CELL, P1, 5.0).select(slice(0)), PredictSettings()))


def test_a_frame_without_its_box(tmp_path):
    cells = boxes(5)
    cells[3, :3] = 0
    with pytest.raises(BadInput, match=r"Frame 4 has no (real )?box"):
        check(write_frames(tmp_path, scene(5), cells))


# --- real data -------------------------------------------------------------------------------------------------------


def test_four_point_water_in_an_oblique_box(shared_data):
    folder = shared_data / "trajectories"
    source = open_frames([folder / "adk_oplsaa.xtc"], folder / "adk_oplsaa.gro")
    lattice = half_lattice(gemmi.UnitCell(80, 80, 80, 60, 60, 90), P1, 8.0)
    found = jobs.run(check_frames(source, lattice, PredictSettings()))
    assert found.n_atoms == 36_597
    assert "11084 sites without an atom" in remarks(found, "frames")[1][1]
    assert remarks(found, "box")[-1][0] == "warning"  # 0.14 % up and down
    assert remarks(found, "content")[0][0] == "good"
    assert "11084 waters and 4 ions" in remarks(found, "content")[0][1]


def test_peptide_crystal(shared_data):
    folder = shared_data / "peptide_crystal"
    source = open_frames([folder / "mdXtal.nc"], folder / "x6dky.parm7")
    cell = gemmi.UnitCell(19.142, 23.632, 23.851, 90, 90, 90)
    lattice = half_lattice(cell, gemmi.SpaceGroup("P 2 21 21"), 3.0, None, (2, 1, 1))
    found = jobs.run(check_frames(source, lattice, PredictSettings(supercell=(2, 1, 1))))
    assert not [remark for remark in found.remarks if remark.level in ("warning", "problem")]
    assert remarks(found, "box")[0] == ("note", "The box of the frames holds 2 x 1 x 1 cells")


def test_a_topology_whose_atoms_are_all_empty_is_refused(source):
    empty = dataclasses.replace(source.atoms, occupancy=np.zeros(len(source.atoms)))
    with pytest.raises(BadInput, match="nothing would scatter"):
        Scatterers.of(empty, PredictSettings(occupancy_from_topology=True))
