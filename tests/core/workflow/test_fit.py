"""The whole job: the example's hidden weights come back, stores are reused, stopping keeps what is done."""

from __future__ import annotations

import dataclasses
import gc
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.example import example_inputs, hidden_weights
from mdweights_core.io.files import hold
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import Project
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.names import begin_with_older, remove_others, store_place
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore, is_store
from mdweights_core.weights.settings import FitSettings, ValidationSettings
from mdweights_core.workflow import compute, fit_project, run_for_predict
from mdweights_core.workflow import fit as module

QUICK = FitSettings(max_steps=2)


def fitted(*given):
    """A fit that is neither validated nor explained."""
    return fit_project(*given, validation_settings=None, meaning_settings=None)


def predicted(frames, out, **options) -> StructureFactorStore:
    return jobs.run(compute(jobs.run(run_for_predict(frames, out, **options))))


def test_hidden_weights_come_back(example_project):
    true, state = hidden_weights()
    fitted = example_project.fit.weights
    assert np.corrcoef(true, fitted)[0, 1] > 0.9
    for s in np.unique(state):
        assert fitted[state == s].sum() == pytest.approx(true[state == s].sum(), abs=0.03)
    fitted_scores, equal = example_project.fit.scores, example_project.fit.uniform
    assert fitted_scores.cc_aniso > equal.cc_aniso + 0.05
    assert fitted_scores.cc_aniso_free > equal.cc_aniso_free + 0.02  # 166 free reflections: known to about 0.01


def test_a_second_fit_reuses_the_structure_factors(example_project, tmp_path):
    inputs = dataclasses.replace(example_inputs(), d_min=2.0)
    stages: list[str] = []
    out = tmp_path / "a.mdw"
    jobs.run(fitted(inputs, PredictSettings(), QUICK, out), lambda p: stages.append(p.stage))
    assert "structure factors" in stages
    stages.clear()
    jobs.run(fitted(inputs, PredictSettings(), QUICK, out), lambda p: stages.append(p.stage))
    assert "structure factors" not in stages


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_a_fit_that_does_not_end_leaves_the_project_its_structure_factors(tmp_path, how, monkeypatch):
    inputs, out = dataclasses.replace(example_inputs(), d_min=3.0), tmp_path / "a.mdw"
    before = jobs.run(fitted(inputs, PredictSettings(), QUICK, out))
    values = StructureFactorStore.open(before.store_path).read()
    other = PredictSettings(b_iso=80.0)
    if how == "failed":
        with pytest.raises(BadInput):
            jobs.run(fit_project(inputs, other, QUICK, out, np.ones(3)))
    else:
        job = fitted(inputs, other, QUICK, out)
        next(progress for progress in job if progress.stage == "weights")
        job.close()
    project = Project.open(out)
    assert project.predict_settings.b_iso == 0
    np.testing.assert_array_equal(StructureFactorStore.open(project.store_path).read(), values)
    assert len(list(out.glob("*.zarr"))) == 2
    monkeypatch.setattr("mdweights_core.scattering.predict.in_order", None)  # nothing is computed a second time
    after = jobs.run(fitted(inputs, other, QUICK, out))
    assert after.predict_settings.b_iso == 80
    assert Project.open(out).store_path == after.store_path
    assert list(out.glob("*.zarr")) == [after.store_path]
    assert StructureFactorStore.open(after.store_path).key["settings"]["b_iso"] == 80


def test_frames_that_are_added_leave_the_older_store_as_it_is(example_project, tmp_path):
    """The new store begins with the files of the older one, and neither changes the other."""
    folder = tmp_path / "a.mdw"
    shutil.copytree(example_project.store_path, folder / "frames.zarr")
    older = StructureFactorStore.open(folder / "frames.zarr")
    key = {**older.key, "parts": [*older.key["parts"], ["more", 2]]}
    place = store_place(folder, key)
    assert store_place(folder, older.key) == older.path != place
    jobs.run(begin_with_older(place, key))
    jobs.run(begin_with_older(place, key))  # is there already
    longer, values = StructureFactorStore.open(place), older.read()
    chunk = Path("structure_factors") / "c" / "0" / "0"
    assert (place / chunk).samefile(older.path / chunk)
    table = FrameTable.blank([*older.frames.source, "b", "b"], [*older.frames.index, 0, 1])
    longer.extend(table, key)
    longer.write(107, np.ones((3, longer.n_hkl), dtype=np.complex64))
    again = StructureFactorStore.open(older.path)
    assert (again.n_frames, again.is_complete, again.key) == (108, True, older.key)
    np.testing.assert_array_equal(again.read(), values)
    np.testing.assert_array_equal(StructureFactorStore.open(place).read(slice(107)), values[:107])
    with hold(older.path):
        remove_others(place)  # another run is at it
    assert is_store(older.path)
    remove_others(place)
    assert [path.name for path in folder.iterdir()] == [place.name]


def test_trajectory_store_and_mtz_folder_give_the_same_weights(tmp_path):
    inputs = dataclasses.replace(example_inputs(), d_min=1.8)
    direct = jobs.run(fitted(inputs, PredictSettings(), FitSettings(), tmp_path / "direct.mdw"))
    store_path = tmp_path / "frames.zarr"
    store = predicted(inputs.frames, store_path, topology=inputs.topology, map_inputs=inputs)
    from_store = dataclasses.replace(inputs, frames=(store_path,), topology=None)
    again = jobs.run(fitted(from_store, PredictSettings(), FitSettings(), tmp_path / "store.mdw"))
    np.testing.assert_allclose(again.fit.weights, direct.fit.weights, atol=1e-6)
    molecules = again.frame_source()  # the store remembers where they are
    assert molecules is not None
    assert molecules.n_frames == 108
    folder = tmp_path / "mtzs"
    _write_frames(store, folder)
    from_mtzs = dataclasses.replace(inputs, frames=(folder,), topology=None)
    third = jobs.run(fitted(from_mtzs, PredictSettings(), FitSettings(), tmp_path / "mtz.mdw"))
    np.testing.assert_allclose(third.fit.weights, direct.fit.weights, atol=2e-4)
    assert third.frame_source() is None


def _write_frames(store: StructureFactorStore, folder) -> None:
    folder.mkdir()
    for t in range(store.n_frames):
        f = store.read(slice(t, t + 1))[0]
        columns = [MtzColumn("FC", "F", np.abs(f)), MtzColumn("PHIC", "P", np.degrees(np.angle(f)))]
        write_mtz(folder / f"frame{t}.mtz", store.lattice, columns, title="frame", history=[])


def test_nothing_is_written_when_an_input_is_bad(tmp_path):
    inputs = dataclasses.replace(example_inputs(), map=tmp_path / "missing.mtz")
    with pytest.raises(BadInput, match="does not exist"):
        jobs.run(fit_project(inputs, PredictSettings(), QUICK, tmp_path / "a.mdw"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        ({"validation_settings": ValidationSettings(folds=10_000)}, "10000 folds cannot be made of"),
        ({"meaning_settings": MeaningSettings(energies="short.csv")}, "2 rows"),
        ({"meaning_settings": MeaningSettings(energies="missing.csv")}, "does not exist"),
    ],
)
def test_a_project_stays_when_what_comes_after_its_fit_is_refused(
    example_project, tmp_path, monkeypatch, options, saying
):
    out = tmp_path / "a.mdw"
    shutil.copytree(example_project.path, out)
    before = {path.name for path in out.iterdir()}
    monkeypatch.chdir(tmp_path)
    Path("short.csv").write_text("1\n2\n")
    with pytest.raises(BadInput, match=saying):
        jobs.run(fit_project(example_inputs(), PredictSettings(), QUICK, out, **options))
    assert {path.name for path in out.iterdir()} == before
    np.testing.assert_array_equal(Project.open(out).fit.weights, example_project.fit.weights)


def test_structure_factors_are_let_go_of_before_the_meaning_is_looked_for(tmp_path, monkeypatch):
    """They may be most of the memory, and trajectories want some."""
    made, explained, problems, alive = module.weight_problem, module.explained, [], []

    def watched(*arguments, **options):
        problem, factors = yield from made(*arguments, **options)
        problems.append(weakref.ref(problem))
        return problem, factors

    def looked_at(project, settings):
        gc.collect()
        alive.append(problems[0]() is not None)
        return (yield from explained(project, settings))

    monkeypatch.setattr(module, "weight_problem", watched)
    monkeypatch.setattr(module, "explained", looked_at)
    inputs = dataclasses.replace(example_inputs(), d_min=3.0)
    few = ValidationSettings(folds=2, starts=0, thetas=0, samples=2)
    project = jobs.run(fit_project(inputs, PredictSettings(), QUICK, tmp_path / "a.mdw", validation_settings=few))
    assert project.meaning is not None
    assert alive == [False]


def test_stop_during_structure_factors_keeps_what_is_done_and_gives_no_project(tmp_path):
    job = fit_project(example_inputs(), PredictSettings(), QUICK, tmp_path / "a.mdw")
    for progress in job:
        if progress.stage == "structure factors":
            break
    assert jobs.stop(job) is None
    project = jobs.run(fitted(example_inputs(), PredictSettings(), QUICK, tmp_path / "a.mdw"))
    assert len(project.fit.weights) == 108


def test_stop_during_the_fit_saves_the_weights_reached(tmp_path):
    settings = FitSettings(solver="adam", max_steps=5000)
    inputs = dataclasses.replace(example_inputs(), d_min=2.0)
    job = fit_project(inputs, PredictSettings(), settings, tmp_path / "a.mdw")
    looks = 0
    for progress in job:
        looks += progress.stage == "weights"
        if looks == 4:
            break
    project = jobs.stop(job)
    assert project is not None
    assert project.fit.stopped
    assert (project.path / "project.json").exists()


def test_a_resolution_range_without_reflections_is_told(tmp_path):
    inputs = dataclasses.replace(example_inputs(), d_min=50.0)
    with pytest.raises(BadInput, match="no reflection"):
        jobs.run(fit_project(inputs, PredictSettings(), QUICK, tmp_path / "a.mdw"))


def test_a_typed_cell_that_is_not_the_maps_is_told_before_any_work(tmp_path):
    inputs = dataclasses.replace(example_inputs(), cell=(30, 30, 30, 90, 90, 90))
    with pytest.raises(BadInput, match="not the map's"):
        jobs.run(fit_project(inputs, PredictSettings(), QUICK, tmp_path / "a.mdw"))
    assert list(tmp_path.iterdir()) == []


def test_a_typed_cell_is_compared_with_the_maps_for_a_store_too(example_project, tmp_path):
    inputs = dataclasses.replace(
        example_inputs(), frames=(example_project.path / "frames.zarr",), topology=None, cell=(30, 30, 30, 90, 90, 90)
    )
    with pytest.raises(BadInput, match="not the map's"):
        jobs.run(fit_project(inputs, PredictSettings(), QUICK, tmp_path / "a.mdw"))
