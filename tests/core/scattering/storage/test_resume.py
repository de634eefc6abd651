"""Going on: after a kill, with broken chunks, with frames that are new, on any scheduler, on full disks."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import gemmi
import mdtraj
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.scattering.engine import device
from mdweights_core.scattering.engine.direct import direct_structure_factors
from mdweights_core.scattering.engine.model import FrameEngine, FrameModel
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine
from mdweights_core.scattering.pools import cluster
from mdweights_core.scattering.pools.pool import WorkersLost
from mdweights_core.scattering.predict import predict
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import Execution, PredictSettings
from mdweights_core.scattering.storage.resume import run_key
from mdweights_core.scattering.storage.store import StructureFactorStore

CELL = gemmi.UnitCell(24, 26, 28, 85, 95, 105)


P1 = gemmi.SpaceGroup("P 1")


N_ATOMS = 60


Usage = namedtuple("Usage", "total used free")


def scene(n_frames: int, seed: int = 5) -> np.ndarray:
    """Positions that jitter and drift, angstrom [n_frames, n_atoms, 3]."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 1, (N_ATOMS, 3)) @ np.array(CELL.orth.mat.tolist()).T
    drift = np.cumsum(rng.normal(scale=0.2, size=(n_frames, 1, 3)), axis=0)
    return start + drift + rng.normal(scale=0.3, size=(n_frames, N_ATOMS, 3))


def topology() -> mdtraj.Topology:
    made = mdtraj.Topology()
    chain = made.add_chain()
    for number in range(N_ATOMS // 4):
        residue = made.add_residue("ALA", chain, resSeq=number + 1)
        for atom, symbol in (("N", "N"), ("CA", "C"), ("CB", "C"), ("O", "O")):
            made.add_atom(atom, mdtraj.element.get_by_symbol(symbol), residue)
    return made


def write(path: Path, positions: np.ndarray) -> Path:
    frames = mdtraj.Trajectory(positions / 10, topology())
    a, b, c, *angles = CELL.parameters
    frames.unitcell_lengths = np.tile([a / 10, b / 10, c / 10], (len(positions), 1))
    frames.unitcell_angles = np.tile(angles, (len(positions), 1))
    frames.save(str(path))
    return path


@pytest.fixture
def pdb(tmp_path) -> Path:
    return write(tmp_path / "top.pdb", scene(1))


@pytest.fixture
def lattice() -> MillerLattice:
    return half_lattice(CELL, P1, 4.0)


def frames_of(folder: Path, positions: np.ndarray, name: str = "run") -> FrameSource:
    return open_frames([write(folder / f"{name}.dcd", positions)], folder / "top.pdb")


def run(source: FrameSource, lattice: MillerLattice, out: Path, settings=PredictSettings(), **options):
    return jobs.run(predict(source, lattice, settings, out, **options))


class Counted:
    """How many frames were computed."""

    def __init__(self, monkeypatch) -> None:
        self.calls = 0
        original = FrameEngine.__call__

        def counting(engine, positions):
            self.calls += 1
            return original(engine, positions)

        monkeypatch.setattr(FrameEngine, "__call__", counting)


# --- killed ----------------------------------------------------------------------------------------------------------


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_resume
from mdweights_core.scattering.storage import filling
from mdweights_core.scattering.engine.model import FrameEngine
filling._FLUSH_SECONDS = 0.0  # every frame is written by itself
slow = FrameEngine.__call__
FrameEngine.__call__ = lambda engine, place: (time.sleep(0.05), slow(engine, place))[1]
folder = Path(sys.argv[1])
source = test_resume.open_frames([folder / "run.dcd"], folder / "top.pdb")
lattice = test_resume.half_lattice(test_resume.CELL, test_resume.P1, 4.0)
print("ready", flush=True)
test_resume.run(source, lattice, Path(sys.argv[2]))
"""


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_it_is_gone_on_with_bit_by_bit(tmp_path, pdb, lattice, seed):
    source = frames_of(tmp_path, scene(70))
    whole = run(source, lattice, tmp_path / "whole")
    out, chance = tmp_path / "killed", random.Random(seed)
    for _ in range(2):  # it is also killed while it goes on
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(out), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.02, 0.7))
            victim.send_signal(signal.SIGKILL)
    with contextlib.suppress(BadInput):  # killed before the store was whole: nothing was finished
        assert not StructureFactorStore.open(out).is_complete
    store = run(source, lattice, out)
    np.testing.assert_array_equal(store.read(), whole.read())
    np.testing.assert_array_equal(store.digests, whole.digests)
    np.testing.assert_allclose(store.frames.drift, whole.frames.drift, atol=1e-9)
    assert list(out.rglob("*.partial")) == []


@pytest.mark.parametrize("how", ["missing", "empty", "short", "flipped"])
def test_only_frames_of_broken_chunks_are_computed_again(tmp_path, pdb, lattice, how, monkeypatch):
    """In the middle of the store: the drift goes on from the frame before, and the rest is left alone."""
    source, out = frames_of(tmp_path, scene(70)), tmp_path / "F"
    whole = run(source, lattice, out)
    values, rows = whole.read(), whole.frames_per_chunk
    chunk = out / "structure_factors" / "c" / "1" / "0"
    content = bytearray(chunk.read_bytes())
    if how == "missing":
        chunk.unlink()
    elif how == "flipped":
        content[1000] ^= 1
        chunk.write_bytes(content)
        with pytest.raises(DiskProblem, match=f"frames {rows + 1} to {2 * rows} are damaged on disk"):
            StructureFactorStore.open(out).read()
    else:
        chunk.write_bytes(content[: 0 if how == "empty" else 100])
    count = Counted(monkeypatch)
    again = run(source, lattice, out)
    assert count.calls == rows
    np.testing.assert_array_equal(again.read(), values)
    np.testing.assert_allclose(again.frames.drift, whole.frames.drift, atol=1e-9)


def test_what_was_broken_while_it_was_half_done_is_said(tmp_path, pdb, lattice, monkeypatch):
    source, out = frames_of(tmp_path, scene(70)), tmp_path / "F"
    values = run(source, lattice, out).read()
    store = StructureFactorStore.open(out)
    store._columns["finished"][60:] = np.zeros(10, bool)  # as if stopped there
    chunk = out / "structure_factors" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    snapshots: list[jobs.Progress] = []
    count = Counted(monkeypatch)
    again = jobs.run(predict(source, lattice, PredictSettings(), out), snapshots.append)
    assert count.calls == store.frames_per_chunk + 10
    assert f"frames 1 to {store.frames_per_chunk} were damaged on disk" in again.origin["warnings"][-1]
    np.testing.assert_array_equal(again.read(), values)
    assert (snapshots[-1].step, snapshots[-1].total) == (70, 70)


# --- frames that are new ---------------------------------------------------------------------------------------------


def test_files_behind_the_old_ones_are_added(tmp_path, pdb, lattice, monkeypatch):
    positions = scene(100)
    one, two = write(tmp_path / "one.dcd", positions[:87]), write(tmp_path / "two.dcd", positions[87:])
    whole = run(frames_of(tmp_path, positions), lattice, tmp_path / "whole")
    out = tmp_path / "F"
    run(open_frames([one], pdb), lattice, out)
    count, snapshots = Counted(monkeypatch), list[jobs.Progress]()
    source = open_frames([one, two], pdb)
    store = jobs.run(predict(source, lattice, PredictSettings(), out), snapshots.append)
    assert count.calls == 13
    np.testing.assert_array_equal(store.read(), whole.read())
    np.testing.assert_allclose(store.frames.drift, whole.frames.drift, atol=1e-9)
    assert store.frames.source == (str(one),) * 87 + (str(two),) * 13
    assert store.origin["notes"] == ["87 frames were there, 13 are new"]
    assert "87 frames were there, 13 are new" in [snapshot.message for snapshot in snapshots]
    assert store.origin["trajectory"] == [str(one), str(two)]
    assert run(source, lattice, out).is_complete
    assert count.calls == 13


def test_a_file_that_has_grown(tmp_path, pdb, lattice, monkeypatch):
    positions, out = scene(40), tmp_path / "F"
    run(frames_of(tmp_path, positions[:25]), lattice, out)
    count = Counted(monkeypatch)
    store = run(frames_of(tmp_path, positions), lattice, out)
    assert count.calls == 15
    assert store.origin["notes"] == ["25 frames were there, 15 are new"]
    np.testing.assert_array_equal(
        store.read(), run(store_source := frames_of(tmp_path, positions, "same"), lattice, tmp_path / "G").read()
    )
    assert store_source.n_frames == 40


def test_files_of_other_names_are_the_same_frames(tmp_path, pdb, lattice, monkeypatch):
    source, out = frames_of(tmp_path, scene(10)), tmp_path / "F"
    run(source, lattice, out)
    shutil.move(tmp_path / "run.dcd", tmp_path / "moved.dcd")
    count = Counted(monkeypatch)
    store = run(open_frames([tmp_path / "moved.dcd"], pdb), lattice, out)
    assert count.calls == 0
    assert set(store.frames.source) == {str(tmp_path / "moved.dcd")}
    assert store.origin["notes"] == []


def test_another_first_frame_changes_all(tmp_path, pdb, lattice, monkeypatch):
    positions, out = scene(40), tmp_path / "F"
    run(frames_of(tmp_path, positions[:25]), lattice, out)
    positions[0] += 0.01
    count = Counted(monkeypatch)
    store = run(frames_of(tmp_path, positions), lattice, out)
    assert count.calls == 40
    assert store.origin["notes"] == []


@pytest.mark.parametrize(("n_frames", "notes"), [(40, ["Frame 14 is another"]), (43, ["40 frames", "Frame 14"])])
def test_only_frames_that_are_others_now_are_computed_again(tmp_path, pdb, lattice, n_frames, notes, monkeypatch):
    positions, out = scene(n_frames), tmp_path / "F"
    was = positions[:40].copy()
    was[13] += 0.01
    run(frames_of(tmp_path, was), lattice, out)
    source = frames_of(tmp_path, positions)
    count = Counted(monkeypatch)
    store = run(source, lattice, out)
    assert count.calls == 1 + n_frames - 40
    assert all(note.startswith(start) for note, start in zip(store.origin["notes"], notes, strict=True))
    np.testing.assert_array_equal(store.read(), run(source, lattice, tmp_path / "G").read())


@pytest.mark.parametrize("choose", ["conformer", "rows"])
def test_what_was_chosen_of_the_atoms_is_part_of_the_key(tmp_path, lattice, choose):
    """Two conformers, or two selections, of atoms that are alike but for where they are."""
    lines = [
        f"ATOM  {1 + i:5d}  CA {label}SER A   1    {5 + 3 * i:8.3f}{6:8.3f}{7:8.3f}  0.50 10.00           C"
        for i, label in enumerate("AB")
    ]
    place = tmp_path / "two.pdb"
    if choose == "conformer":
        place.write_text("\n".join(lines) + "\nEND\n")
        sources = [open_frames([place], altloc=label) for label in "AB"]
    else:
        place.write_text("\n".join(line[:16] + " " + line[17:] for line in lines) + "\nEND\n")
        sources = [open_frames([place]).select(np.array([row])) for row in (0, 1)]
    keys = [run_key(source, lattice, PredictSettings(), None) for source in sources]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("same", [{"k_sol": 0.4}, {"b_sol": 90.0}, {"supercell": (1, 1, 1)}])
def test_settings_that_change_nothing_keep_the_store(tmp_path, pdb, lattice, same, monkeypatch):
    source, out = frames_of(tmp_path, scene(3)), tmp_path / "F"
    run(source, lattice, out)
    count = Counted(monkeypatch)
    assert run(source, lattice, out, PredictSettings(**same)).is_complete
    assert count.calls == 0


def test_the_usual_solvent_is_the_same_named_or_not(pdb, lattice):
    source, masked = open_frames([pdb]), PredictSettings(solvent="mask")
    usual, named, other = (run_key(source, lattice, replace(masked, k_sol=k), None) for k in (None, 0.35, 0.4))
    assert usual == named != other


def test_that_a_graphics_card_failed_is_kept_with_the_store(tmp_path, pdb, lattice, monkeypatch):
    class Card:
        n_workers, warnings, left = 1, (), 3

        def __call__(self, positions):
            self.left -= 1
            if self.left < 0:
                raise BadInput("The GPU failed")
            return on_cpu(positions)

    source = frames_of(tmp_path, scene(8))
    on_cpu = ScatteringEngine(Scatterers.of(source.atoms, PredictSettings()), lattice)
    engine = FrameEngine(device._EitherEngine(Card(), on_cpu))
    monkeypatch.setattr(FrameModel, "engine", lambda *_: engine)
    store = jobs.run(predict(source, lattice, PredictSettings(), tmp_path / "F.zarr"))
    assert store.is_complete
    assert "The GPU failed: the CPU took over" in store.origin["warnings"]


def test_a_complete_store_of_something_else_is_only_replaced_where_it_may_be(tmp_path, pdb, lattice):
    positions, out, other = scene(5), tmp_path / "F", PredictSettings(b_iso=5)
    source = frames_of(tmp_path, positions[:3])
    before = run(source, lattice, out).read()
    with pytest.raises(BadInput, match=r"structure factors of 3 frames.*--replace"):
        run(source, lattice, out, other, may_replace=False)
    np.testing.assert_array_equal(run(source, lattice, out, may_replace=False).read(), before)
    longer = frames_of(tmp_path, positions, "longer")
    assert run(longer, lattice, out, may_replace=False).n_frames == 5  # nothing is lost
    assert run(longer, lattice, out, other).key["settings"]["b_iso"] == 5


BREATHING = np.array([1, 1.004, 1, 1, 1])


def test_what_closes_a_run_is_said_though_it_was_stopped_after_the_last_frame(tmp_path, pdb, lattice, monkeypatch):
    source = breathing(tmp_path, BREATHING)
    monkeypatch.setattr("mdweights_core.scattering.storage.filling.Pace.is_due", lambda pace: True)
    job = predict(source, lattice, PredictSettings(), tmp_path / "F")
    for progress in job:
        if progress.stage == "structure factors" and progress.step == 5:
            break
    job.close()
    assert StructureFactorStore.open(tmp_path / "F").is_complete
    assert "changes by up to 0.40 %" in run(source, lattice, tmp_path / "F").origin["warnings"][0]


def test_what_was_said_of_frames_is_said_of_all_when_some_are_added(tmp_path, pdb, lattice):
    assert "0.40 %" in run(breathing(tmp_path, BREATHING[:3]), lattice, tmp_path / "F").origin["warnings"][0]
    (warning,) = run(breathing(tmp_path, BREATHING), lattice, tmp_path / "F").origin["warnings"]
    assert "changes by up to 0.40 %" in warning


def breathing(folder: Path, scales: np.ndarray) -> FrameSource:
    frames = mdtraj.Trajectory(scene(len(scales)) / 10, topology())
    a, b, c, *angles = CELL.parameters
    frames.unitcell_lengths = scales[:, None] * np.array([a, b, c]) / 10
    frames.unitcell_angles = np.tile(angles, (len(scales), 1))
    frames.save(str(folder / "breathing.dcd"))
    return open_frames([folder / "breathing.dcd"], folder / "top.pdb")


@pytest.mark.parametrize("change", ["shorter", "settings", "atoms", "first file"])
def test_what_only_looks_longer_is_computed_anew(tmp_path, pdb, lattice, change, monkeypatch):
    positions, settings, out = scene(40), PredictSettings(), tmp_path / "F"
    one, two = write(tmp_path / "one.dcd", positions[:20]), write(tmp_path / "two.dcd", positions[20:])
    run(open_frames([one, two], pdb), lattice, out)
    files = [one, two, write(tmp_path / "three.dcd", scene(3, seed=8))]
    if change == "shorter":
        files = [one]
    elif change == "settings":
        settings = PredictSettings(b_iso=3)
    elif change == "atoms":
        settings = PredictSettings(selection="name CA")
    else:
        write(one, positions[:21])
    count = Counted(monkeypatch)
    source = open_frames(files, pdb)
    run(source, lattice, out, settings)
    assert count.calls == source.n_frames


def test_with_the_mean_box_added_frames_change_all(tmp_path, pdb, lattice, monkeypatch):
    positions, out, settings = scene(20), tmp_path / "F", PredictSettings(boxes="mean")
    run(frames_of(tmp_path, positions[:12]), lattice, out, settings)
    count = Counted(monkeypatch)
    store = run(frames_of(tmp_path, positions), lattice, out, settings)
    assert count.calls == 20
    assert "with them the mean box" in store.origin["notes"][0]


def test_identical_frames_are_told(tmp_path, pdb, lattice):
    positions = scene(30)
    alone = run(frames_of(tmp_path, positions), lattice, tmp_path / "F")
    assert not any("identical" in text for text in alone.origin["warnings"])
    positions[12] = positions[11]  # a restart
    positions[20] = positions[21] = positions[3]
    twice = run(frames_of(tmp_path, positions), lattice, tmp_path / "F")
    assert any("Frames 12 and 13 are identical (and 2 more pairs)" in text for text in twice.origin["warnings"])


# --- the error of a run ----------------------------------------------------------------------------------------------


def test_the_error_against_direct_summation_is_kept(tmp_path, pdb, lattice):
    source = frames_of(tmp_path, scene(3))
    store = run(source, lattice, tmp_path / "F", PredictSettings(remove_drift=False))
    place = source.positions(0).astype(float) @ np.array(CELL.frac.mat.tolist()).T
    direct = direct_structure_factors(Scatterers.alike(source.atoms.element), lattice, place)
    error = np.linalg.norm(store.read(np.array([0]))[0] - direct) / np.linalg.norm(direct)
    assert store.origin["measured_error"] == pytest.approx(error, rel=0.3)  # of some of the reflections
    assert 0 < error < 1e-4


def test_an_error_above_the_one_asked_for_is_told(tmp_path, pdb, lattice, monkeypatch):
    original = FrameEngine.__call__
    monkeypatch.setattr(FrameEngine, "__call__", lambda engine, place: original(engine, place) * 1.01)
    store = run(frames_of(tmp_path, scene(3)), lattice, tmp_path / "F")
    assert store.origin["measured_error"] == pytest.approx(0.01, rel=0.05)
    assert any("off by 1.0e-02, more than the 1.0e-04 asked for" in text for text in store.origin["warnings"])


def test_solvent_and_symmetry_are_part_of_it(tmp_path, pdb):
    """Both change the numbers, and the error is that of the atoms alone."""
    lattice = half_lattice(gemmi.UnitCell(24, 26, 28, 90, 90, 90), gemmi.SpaceGroup("P 2 21 21"), 4.0)
    source = frames_of(tmp_path, scene(3))
    plain = run(source, lattice, tmp_path / "F").read()
    for settings in (PredictSettings(solvent="mask"), PredictSettings(expand_symmetry=True)):
        store = run(source, lattice, tmp_path / "F", settings)
        assert store.origin["measured_error"] < 1e-4
        assert np.linalg.norm(store.read() - plain) > 0.05 * np.linalg.norm(plain)
        assert store.lattice.space_group.hm == "P 1"
    other = MillerLattice(lattice.hkl, lattice.cell, gemmi.SpaceGroup("P 21 21 21"))
    assert run(source, other, tmp_path / "F", settings).key != store.key


# --- schedulers ------------------------------------------------------------------------------------------------------


def test_the_same_on_threads_processes_and_a_cluster(tmp_path, pdb, lattice, capfd):
    source = frames_of(tmp_path, scene(40))
    threads = run(source, lattice, tmp_path / "threads", execution=Execution(workers=2, device="cpu"))
    processes = run(source, lattice, tmp_path / "processes", execution=Execution("processes", 2, "cpu"))
    with cluster.LocalCluster(
        n_workers=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0", memory_limit=0
    ) as made:
        remote = run(source, lattice, tmp_path / "remote", execution=Execution(made.scheduler_address, device="cpu"))
    np.testing.assert_array_equal(processes.read(), threads.read())
    np.testing.assert_array_equal(remote.read(), threads.read())
    assert processes.key == threads.key
    assert capfd.readouterr() == ("", "")


def test_processes_are_stopped_at_once_and_keep_their_frames(tmp_path, pdb, lattice):
    job = predict(
        frames_of(tmp_path, scene(2000)),
        lattice,
        PredictSettings(),
        tmp_path / "F",
        execution=Execution("processes", 1),
    )
    while next(job).step < 40:
        pass
    began = time.monotonic()
    assert jobs.stop(job) is None
    assert time.monotonic() - began < 8
    assert 40 <= StructureFactorStore.open(tmp_path / "F").finished.sum() < 2000


def test_stopped_while_processes_start(tmp_path, pdb, lattice):
    job = predict(
        frames_of(tmp_path, scene(5)), lattice, PredictSettings(), tmp_path / "F", execution=Execution("processes", 1)
    )
    while next(job).message != "Starting processes":
        pass

    def still_start() -> bool:
        return any(thread.name.startswith("starting") for thread in threading.enumerate())

    jobs.stop(job)
    assert still_start()
    began = time.monotonic()
    while still_start():  # they come up, and are ended
        assert time.monotonic() - began < 30
        time.sleep(0.05)
    assert run(frames_of(tmp_path, scene(5)), lattice, tmp_path / "F").is_complete


def test_lost_workers_say_what_is_kept(tmp_path, pdb, lattice, monkeypatch):
    original, calls = FrameEngine.__call__, []

    def full_after_50(engine, place):
        calls.append(1)
        if len(calls) > 50:
            raise MemoryError
        return original(engine, place)

    monkeypatch.setattr(FrameEngine, "__call__", full_after_50)
    with pytest.raises(WorkersLost, match=r"The memory is full; 50 of 70 frames are kept\. .*fewer workers"):
        run(frames_of(tmp_path, scene(70)), lattice, tmp_path / "F", execution=Execution(workers=1))
    assert StructureFactorStore.open(tmp_path / "F").finished.sum() == 50


def test_an_unreachable_scheduler_leaves_the_older_store_alone(tmp_path, pdb, lattice):
    source = frames_of(tmp_path, scene(5))
    before = run(source, lattice, tmp_path / "F")
    with pytest.raises(BadInput, match="No Dask scheduler answers"):
        run(source, lattice, tmp_path / "F", PredictSettings(b_iso=5), execution=Execution("tcp://127.0.0.1:1"))
    after = StructureFactorStore.open(tmp_path / "F")
    assert (after.key, after.is_complete) == (before.key, True)


def test_chunks_of_small_frames_are_written_together(tmp_path, pdb, lattice, monkeypatch):
    written, write_frames = [], StructureFactorStore.write
    monkeypatch.setattr(
        StructureFactorStore, "write", lambda *a, **more: (written.append(len(a[2])), write_frames(*a, **more))[1]
    )
    monkeypatch.setattr("mdweights_core.scattering.storage.filling._LEAST_SECONDS", 60.0)
    source = frames_of(tmp_path, scene(70))
    values = run(source, lattice, tmp_path / "F").read()
    monkeypatch.setattr("mdweights_core.scattering.storage.filling._ENOUGH_BYTES", 8 * len(lattice) * 40)
    np.testing.assert_array_equal(run(source, lattice, tmp_path / "G").read(), values)
    assert written == [70, 64, 6]


# --- full disks ------------------------------------------------------------------------------------------------------


def test_a_disk_that_fills_up_keeps_what_is_done(tmp_path, pdb, lattice, monkeypatch):
    source, out = frames_of(tmp_path, scene(70)), tmp_path / "F"
    put = sys.modules["zarr"].storage._local._put

    def until_full(path, value, exclusive=False):
        if path.parts[-3:-1] == ("c", "2"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return put(path, value, exclusive=exclusive)

    with monkeypatch.context() as small:
        small.setattr("mdweights_core.scattering.storage.filling._LEAST_SECONDS", 0.0)  # a chunk at a time
        small.setattr("zarr.storage._local._put", until_full)
        with pytest.raises(DiskProblem, match=r"disk is full; 64 of 70 frames are kept\. Free some space"):
            run(source, lattice, out)
    assert StructureFactorStore.open(out).finished.sum() == 64
    np.testing.assert_array_equal(run(source, lattice, out).read(), run(source, lattice, tmp_path / "G").read())


def test_too_little_space_is_refused_before_anything_is_touched(tmp_path, pdb, lattice, monkeypatch):
    source, out = frames_of(tmp_path, scene(70)), tmp_path / "F"
    run(source, lattice, out)
    needed = 70 * len(lattice) * 8
    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage(10**9, 10**9 - 1000, 1000))
    longer = frames_of(tmp_path, scene(1000))
    with pytest.raises(DiskProblem, match=r"take 4\.\d MB, but only [\d.]+ kB are free here"):
        run(longer, lattice, out, PredictSettings(b_iso=5))
    before = StructureFactorStore.open(out)
    assert before.is_complete
    assert needed < 400_000
    with pytest.raises(DiskProblem, match="are free here"):
        run(longer, lattice, out)
    assert StructureFactorStore.open(out).n_frames == 70
    assert run(frames_of(tmp_path, scene(70)), lattice, out, PredictSettings(b_iso=5)).is_complete  # in its place
