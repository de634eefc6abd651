"""The window minimises by the same job as the command line, with the same numbers."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

from app.models.minima_readings import FrameChoice, MinimaReading, MinimiseRequest
from app.workers.minimise_tasks import minimise, write
from mdweights_core import jobs
from mdweights_core.cli.main import main
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.structure_checks import box_of
from mdweights_core.errors import BadInput
from mdweights_core.minimize.compare import write_table
from mdweights_core.minimize.result import load
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.minimize.superpose import rmsd


@pytest.fixture(scope="module")
def request_of_frames(shared_data: Path) -> MinimiseRequest:
    """Two models of a peptide in vacuo, one atom fixed."""
    path = shared_data / "peptides" / "1PLW.pdb"
    return MinimiseRequest(
        path,
        frames=FrameChoice((path,), None, "", (3, 1)),
        fix="name CA and resid 1",
        energy=EnergySettings(solvent="none"),
        settings=MinimizeSettings(tolerance=5.0),
    )


@pytest.fixture(scope="module")
def found(request_of_frames: MinimiseRequest, tmp_path_factory: pytest.TempPathFactory) -> MinimaReading:
    return jobs.run(minimise(request_of_frames, tmp_path_factory.mktemp("run") / "run.npz"))


def test_the_command_line_finds_the_same(
    found: MinimaReading, request_of_frames: MinimiseRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(request_of_frames.structure)
    words = ["--frames", path, "--only", "3,1", "--solvent", "none", "--tolerance", "5"]
    words += ["--fix", "name CA and resid 1", "--out", str(tmp_path / "a.pdb"), "--result", str(tmp_path / "a.npz")]
    assert main(["minimize", path, *words]) == 0, capsys.readouterr().err
    other = load(tmp_path / "a.npz")
    for name in ("x", "start_energy", "energy", "rms_force", "evaluations", "trace_energy", "trace_rms_force"):
        np.testing.assert_array_equal(getattr(found.result, name), getattr(other, name), err_msg=name)
    assert found.result.settings == other.settings
    assert found.frames == (3, 1)


def test_snapshots_tell_how_far_a_start_has_come(request_of_frames: MinimiseRequest, tmp_path: Path) -> None:
    seen: list[Any] = []
    found = jobs.run(minimise(request_of_frames, tmp_path / "run.npz"), seen.append)
    told = [it for it in seen if "rmsd" in it.values]
    assert told
    for it in told:
        start = found.starts[int(it.values["start"])]
        assert it.values["rmsd"] == pytest.approx(10 * rmsd(it.arrays["x"][None], start)[0])


def test_compared_minimisers_are_those_of_the_command_line(
    request_of_frames: MinimiseRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(request_of_frames.structure)
    request = replace(request_of_frames, fix="", compare=("lbfgs-preconditioned", "fire"), reference=Path(path))
    request = replace(request, settings=MinimizeSettings(tolerance=300.0))
    seen: list[Any] = []
    found = jobs.run(minimise(request, tmp_path / "run.npz"), seen.append)
    assert found.methods == ("lbfgs-preconditioned",) * 2 + ("fire",) * 2
    assert found.frames == (3, 1, 3, 1)
    assert {int(it.values["method"]) for it in seen if "rmsd" in it.values} <= {0, 1}
    assert all(it.values["to_reference"] > 0 for it in seen if "rmsd" in it.values)
    first = load_first_model(Path(path))
    np.testing.assert_allclose(found.result.rmsd_to_reference, rmsd(found.result.x, first))
    words = ["--frames", path, "--only", "3,1", "--solvent", "none", "--tolerance", "300", "--reference", path]
    words += ["--compare", "lbfgs-preconditioned,fire", "--out", str(tmp_path / "theirs.csv")]
    assert main(["minimize", path, *words]) == 0, capsys.readouterr().err
    write_table(found.comparison, tmp_path / "ours.csv")
    ours, theirs = (table_without_seconds(tmp_path / f"{whose}.csv") for whose in ("ours", "theirs"))
    assert ours == theirs


def load_first_model(path: Path) -> np.ndarray:
    return np.asarray(mdtraj.load_pdb(str(path), no_boxchk=True).xyz[0], dtype=np.float64)


def table_without_seconds(path: Path) -> list[dict[str, str]]:
    """Seconds are of the machine."""
    with path.open(newline="") as stream:
        return [{name: text for name, text in row.items() if "seconds" not in name} for row in csv.DictReader(stream)]


def test_a_stopped_one_goes_on_to_the_same_end(
    found: MinimaReading, request_of_frames: MinimiseRequest, tmp_path: Path
) -> None:
    job = minimise(request_of_frames, tmp_path / "run.npz")
    next(it for it in job if "x" in it.arrays)
    stopped = jobs.stop(job)
    assert stopped is not None
    assert set(stopped.result.ends) & {"stopped", "not begun"}
    resumed = jobs.run(minimise(request_of_frames, tmp_path / "run.npz"))
    np.testing.assert_array_equal(resumed.result.x, found.result.x)
    np.testing.assert_array_equal(resumed.result.evaluations, found.result.evaluations)


def test_conformations_are_written_with_a_topology_where_they_have_none(found: MinimaReading, tmp_path: Path) -> None:
    assert jobs.run(write(found, tmp_path / "low.pdb")) == (tmp_path / "low.pdb", None)
    files = jobs.run(write(found, tmp_path / "low.xtc"))
    assert files == (tmp_path / "low.xtc", tmp_path / "low_topology.pdb")  # low.pdb is kept
    for frames in (
        mdtraj.load_pdb(str(tmp_path / "low.pdb"), no_boxchk=True),
        mdtraj.load_xtc(str(files[0]), top=mdtraj.load_pdb(str(files[1]), no_boxchk=True).topology),
    ):
        np.testing.assert_allclose(frames.xyz, found.result.x, atol=6e-4)


def test_what_a_structure_lacks_is_said(request_of_frames: MinimiseRequest, tmp_path: Path) -> None:
    bare = tmp_path / "bare.pdb"
    lines = request_of_frames.structure.read_text().split("ENDMDL")[0].splitlines(keepends=True)
    bare.write_text("".join(line for line in lines if line[:4] == "ATOM" and line[76:78].strip() != "H"))
    request = replace(request_of_frames, structure=bare, frames=None)
    with pytest.raises(BadInput, match="Hydrogens are missing"):
        jobs.run(minimise(request, tmp_path / "run.npz"))


def test_a_symmetric_crystal_is_brought_down_as_a_whole(shared_data: Path, tmp_path: Path) -> None:
    energy = EnergySettings(solvent="none", crystal=True, cutoff=0.45, add_hydrogens=True)
    path, settings = shared_data / "mtz" / "5e5z.pdb", MinimizeSettings(max_evaluations=5)
    found = jobs.run(minimise(MinimiseRequest(path, energy=energy, settings=settings), tmp_path / "run.npz"))
    assert found.result.energy[0] < found.result.start_energy[0]
    assert found.molecule.n_atoms == len(found.atoms) == 2 * 94  # P 21
    before, after = found.pair(0)
    np.testing.assert_array_equal(after, 10 * found.result.x[0])  # a crystal is not turned
    box = box_of(found.molecule.topology)
    assert box is not None
    mates = before[:94] * [-1, 1, -1] + [0, 5 * box[1, 1], 0]
    shift = (before[94:] - mates) @ np.linalg.inv(10 * box)
    np.testing.assert_allclose(shift - np.round(shift.mean(axis=0)), 0, atol=1e-6)
    written = jobs.run(write(found, tmp_path / "cell.pdb"))[0]
    np.testing.assert_allclose(
        mdtraj.load_pdb(str(written)).unitcell_lengths[0] * 10, [9.643, 9.609, 19.029], atol=0.01
    )
