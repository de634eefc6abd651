"""What runs on the worker threads, with the real core on small files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gemmi
import h5py
import numpy as np
import pytest

from app.models.document import Draft
from app.models.fit_plan import FitPlan
from app.models.readings import MapReading
from app.workers import tasks
from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.example import example_inputs
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.io.maps.lunus import write_lat
from mdweights_core.jobs import Progress, Stopped, run, stop
from mdweights_core.scattering.predict import predict
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import Execution, PredictSettings

CELL = (20.0, 30.0, 40.0, 90.0, 90.0, 90.0)


@pytest.fixture
def lat(tmp_path: Path) -> Path:
    lattice = half_lattice(gemmi.UnitCell(*CELL), gemmi.SpaceGroup("P 2 2 2"), 5.0)
    path = tmp_path / "map.lat"
    write_lat(path, lattice, np.arange(1.0, len(lattice) + 1, dtype=np.float32))
    return path


@pytest.fixture(scope="module")
def example() -> Draft:
    return replace(Draft.of(example_inputs()), d_min=3.0)


@pytest.fixture(scope="module")
def example_map(example: Draft) -> MapReading:
    return run(tasks.read_map(example))


def test_a_map_without_cell_is_described_and_read_once_cell_and_space_group_are_typed(lat: Path) -> None:
    described = run(tasks.read_map(Draft(map=lat)))
    assert described.summary.cell is None
    assert described.used is None
    assert described.problem is not None
    read = run(tasks.read_map(Draft(map=lat, cell=CELL, space_group="P 2 2 2")))
    assert read.problem is None
    assert read.used.lattice.cell.parameters == CELL
    assert "observed" in read.volumes.components["total"]


def test_a_wrong_cell_loses_no_map(lat: Path) -> None:
    read = run(tasks.read_map(Draft(map=lat, cell=(21.0, 30.0, 40.0, 90.0, 90.0, 90.0), space_group="P 2 2 2")))
    assert read.is_cell_wrong
    assert read.summary.n_reflections > 10
    assert read.problem is not None


def test_a_checkpoint_as_frames(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.nxs"
    with h5py.File(path, "w") as file:
        file["entry/sample/unit_cell"] = np.array(CELL)
        file["entry/sample/unit_cell_group"] = "P 1"
        file["entry/reflections/hkl"] = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
        file["entry/data/fcalc_list"] = np.ones((5, 3, 2), dtype=np.float32)
    read = run(tasks.read_frames(Draft(frames=(path,))))
    assert (read.n_frames, read.source[4]) == (5, "checkpoint.nxs #4")
    assert not read.is_trajectory
    assert read.cell.parameters == CELL


def test_the_frames_of_the_example_are_looked_at(example: Draft, example_map: MapReading, tmp_path: Path) -> None:
    draft = replace(example, scattering=PredictSettings(selection="protein"))
    looked, check = run(tasks.check(draft, example_map.used, tmp_path / "fit.mdw"))
    assert looked is draft
    assert check is not None
    assert (check.n_frames, check.n_atoms) == (108, 608)
    assert {remark.topic for remark in check.remarks} >= {"box", "drift", "atoms", "disk"}


def test_atoms_are_counted_and_what_is_no_selection_is_told(example: Draft) -> None:
    molecules = run(tasks.read_frames(example)).molecules
    assert run(tasks.select(molecules, "protein")) == 608
    with pytest.raises(BadInput, match="not a selection"):
        run(tasks.select(molecules, "protien"))


@pytest.mark.parametrize(("altloc", "x"), [("A", 1.0), ("B", 2.0)])
def test_the_conformer_shown_is_the_one_a_store_was_computed_from(tmp_path: Path, altloc: str, x: float) -> None:
    form = "ATOM  {:5d}  CB {}SER A   1    {:8.3f}{:8.3f}{:8.3f}  0.50 10.00           C\n"
    path = tmp_path / "alternatives.pdb"
    path.write_text(form.format(1, "A", 1, 2, 3) + form.format(2, "B", 2, 2, 3))
    lattice = half_lattice(gemmi.UnitCell(*CELL), gemmi.SpaceGroup("P 1"), 9.0)
    settings = PredictSettings(altloc=altloc)
    out = tmp_path / "frames.zarr"
    run(predict(open_frames([path], altloc=altloc), lattice, settings, out))
    read = run(tasks.read_frames(Draft(frames=(out,))))
    assert read.molecules.positions(0).tolist() == [[x, 2, 3]]


def test_a_solvent_is_fitted_to_the_lattice_of_the_map(
    example: Draft, example_map: MapReading, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fit_solvent_of_frames(source: Any, lattice: MillerLattice | None, settings: Any, bragg: Path) -> Any:
        asked.append((len(source.atoms), lattice, settings, bragg))
        yield Progress("bulk solvent")
        return SimpleNamespace(k_sol=0.4)

    monkeypatch.setattr("mdweights_core.scattering.solvent_fit.fit_solvent_of_frames", fit_solvent_of_frames)
    assert run(tasks.fit_solvent(example, example_map.used, Path("bragg.mtz"))).k_sol == 0.4
    assert run(tasks.fit_solvent(example, None, Path("bragg.mtz"))).k_sol == 0.4
    (n_atoms, lattice, settings, _), (_, none, _, _) = asked
    assert n_atoms == 776
    assert lattice is example_map.used.lattice
    assert none is None
    assert settings == PredictSettings()


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Say what the store behind a project tells of itself; an exception is raised."""

    def say(told: Any) -> None:
        def open_store(path: Path) -> Any:
            if isinstance(told, Exception):
                raise told
            return SimpleNamespace(origin=told, path=path)

        monkeypatch.setattr("mdweights_core.scattering.storage.store.StructureFactorStore.open", open_store)

    return say


@pytest.mark.parametrize(
    ("told", "error"), [({"measured_error": 2e-5}, 2e-5), ({}, None), (BadInput("no store"), None)]
)
def test_the_error_of_structure_factors_is_what_the_store_says(
    origin: Callable[[Any], None], told: Any, error: float | None
) -> None:
    origin(told)
    project = SimpleNamespace(store_path=Path("fit.mdw/frames.zarr"))
    assert tasks._measured_error(project) == error  # type: ignore[arg-type]


@pytest.fixture
def staged_fit(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A fit that goes through its stages; the list tells what lies in its folder, and how it was stopped."""
    saved: list[str] = []

    def fit_project(*_: Any, **__: Any) -> Any:
        yield Progress("weights", 1)
        saved.append("fitted")
        try:
            for stage in ("validation", "validation", "meaning"):
                yield Progress(stage, 1, 2, "words", {"cc": 0.5})
                if stage == "validation":
                    saved[0] = "validated"
        except Stopped:
            saved.append("stopped")
        yield Progress("saving")
        return "project"

    monkeypatch.setattr("mdweights_core.workflow.fit_project", fit_project)
    monkeypatch.setattr(tasks, "_open", lambda out: saved[0])
    monkeypatch.setattr(tasks, "_project_reading", lambda project: f"reading of {project}")
    return saved


def readings_of(job: Any) -> list[tuple[str, object]]:
    seen: list[tuple[str, object]] = []
    assert run(job, lambda p: seen.append((p.stage, getattr(p, "reading", None)))) == "reading of project"
    return seen


def test_a_fit_is_told_of_as_soon_as_its_weights_are_saved(staged_fit: list[str], tmp_path: Path) -> None:
    draft = Draft(map=Path("m.mtz"), frames=(Path("f.nc"),))
    assert readings_of(tasks.fit(draft, FitPlan(), tmp_path, None, Execution())) == [
        ("weights", None),
        ("validation", "reading of fitted"),
        ("validation", "reading of fitted"),
        ("meaning", "reading of validated"),
        ("saving", "reading of validated"),
    ]


def test_a_fit_that_tells_early_is_stopped_as_any_other(staged_fit: list[str], tmp_path: Path) -> None:
    job = tasks.fit(Draft(map=Path("m.mtz"), frames=(Path("f.nc"),)), FitPlan(), tmp_path, None, Execution())
    while next(job).stage != "validation":
        pass
    assert stop(job) == "reading of project"
    assert staged_fit == ["fitted", "stopped"]


def test_a_map_of_a_supercell_is_read_on_the_unit_cell(lat: Path) -> None:
    read = run(tasks.read_map(Draft(map=lat, cell=CELL, space_group="P 2 2 2", map_supercell=(2, 3, 1))))
    assert read.problem is None
    assert tuple(read.used.lattice.ndiv) == (2, 3, 1)
    assert read.used.lattice.cell.parameters == pytest.approx((10, 10, 40, 90, 90, 90))
