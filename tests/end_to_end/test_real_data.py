"""The program on real crystals and real files: weights found again, disorder told apart, files used or refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.cli.main import main
from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import in_asu, laue_groups
from mdweights_core.io.maps.mtz import MtzColumn, read_diffuse_map, write_mtz
from mdweights_core.project import Project
from mdweights_core.scattering.storage.store import StructureFactorStore

LYSOZYME_CELL = "27.424,32.134,34.513,88.66,108.46,111.88"
LIQUID, INDEPENDENT, RIGID = slice(0, 60), slice(60, 120), slice(120, 180)
UNVALIDATED = ["--folds", 0, "--starts", 0, "--thetas", 0, "--samples", 0]  # where weights alone are looked at

Run = Callable[..., dict]


@dataclass(frozen=True)
class Refusal:
    code: int
    words: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `mdweights ARGS --json` and return its result; a failure fails the test with the program's own words."""

    def call(*args: object) -> dict:
        code = main([*map(str, args), "--json"])
        seen = capsys.readouterr()
        assert code == 0, seen.err
        return json.loads(seen.out)

    return call


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Callable[..., Refusal]:
    """Run `mdweights ARGS`, which is expected to end in an error."""

    def call(*args: object) -> Refusal:
        code = main([*map(str, args)])
        seen = capsys.readouterr()
        assert seen.out == ""
        return Refusal(code, seen.err)

    return call


def weights_of(result: dict) -> np.ndarray:
    with open(result["weights_file"], encoding="utf-8", newline="") as stream:
        return np.array([float(row["weight"]) for row in csv.DictReader(stream)])


def true_weights(n_frames: int) -> np.ndarray:
    weights = np.random.default_rng(0).gamma(0.5, size=n_frames)
    return weights / weights.sum()


def write_target(path: Path, store: StructureFactorStore, weights: np.ndarray, space_group: str) -> None:
    """The weighted variance averaged over the Laue class, in double precision, with 5 % noise, sigmas, a free set."""
    rng = np.random.default_rng(1)
    f = store.read().astype(np.complex128)
    variance = weights @ np.abs(f) ** 2 - np.abs(weights @ f) ** 2
    groups = laue_groups(MillerLattice(store.lattice.hkl, store.lattice.cell, gemmi.SpaceGroup(space_group)))
    row = {tuple(hkl): i for i, hkl in enumerate(store.lattice.hkl.tolist())}
    order = np.array([row[tuple(hkl)] for hkl in groups.p1.hkl.tolist()])
    exact = groups.average(variance[order])
    sigma = 0.05 * exact
    columns = [
        MtzColumn("IDIFF", "J", exact + sigma * rng.normal(size=len(exact))),
        MtzColumn("SIGIDIFF", "Q", sigma),
        MtzColumn("FreeR_flag", "I", (rng.random(len(exact)) > 0.08).astype(float)),
    ]
    hkl = in_asu(groups.lattice.hkl, groups.lattice.space_group)
    lattice = MillerLattice(hkl, groups.lattice.cell, groups.lattice.space_group)
    write_mtz(path, lattice, columns, title="target of known weights", history=[])


@pytest.fixture(scope="module")
def lysozyme(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 101 MD frames in their P1 crystal to 3 A (frames.zarr) and a map of known weights (target.mtz)."""
    folder = tmp_path_factory.mktemp("lysozyme")
    source = shared_data / "lysozyme"
    frames = ["--frames", source / "lyso.xtc", "--topology", source / "lyso_topology.pdb", "--cell", LYSOZYME_CELL]
    args = ["predict", *frames, "--space-group", "P 1", "--d-min", "3", "--out", folder / "frames.zarr"]
    assert main([*map(str, args)]) == 0
    write_target(folder / "target.mtz", StructureFactorStore.open(folder / "frames.zarr"), true_weights(101), "P 1")
    return folder


def test_the_weights_of_a_simulation_are_found_again(lysozyme: Path, run: Run, tmp_path: Path) -> None:
    result = run(
        "fit", "--map", lysozyme / "target.mtz", "--frames", lysozyme / "frames.zarr", "--out", tmp_path / "fit.mdw"
    )
    found = weights_of(result)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    assert np.corrcoef(found, true_weights(101))[0, 1] > 0.985
    assert result["cc_aniso_free"] > 0.95
    assert result["cc_aniso_free"] > result["cc_aniso_free_uniform"] + 0.1
    assert result["n_eff"] == pytest.approx(1 / np.sum(true_weights(101) ** 2), rel=0.15)
    assert result["converged"]
    assert result["iterations"] <= 10
    assert result["kkt_residual"] < 1e-3


def test_entropy_spreads_the_weights_and_costs_agreement(lysozyme: Path, run: Run, tmp_path: Path) -> None:
    job = ["fit", "--map", lysozyme / "target.mtz", "--frames", lysozyme / "frames.zarr", *UNVALIDATED]
    results = [run(*job, "--theta", theta, "--out", tmp_path / f"{theta}.mdw") for theta in (0, 0.01, 0.1, 1)]
    n_eff, cc = [r["n_eff"] for r in results], [r["cc_aniso"] for r in results]
    assert sorted(n_eff) == n_eff
    assert sorted(cc, reverse=True) == cc
    assert n_eff[0] < 0.5 * n_eff[-1]
    assert cc[-1] > results[0]["cc_aniso_uniform"]


def test_a_first_order_solver_comes_close_to_the_exact_one(lysozyme: Path, run: Run, tmp_path: Path) -> None:
    job = ["fit", "--map", lysozyme / "target.mtz", "--frames", lysozyme / "frames.zarr", *UNVALIDATED]
    exact = run(*job, "--out", tmp_path / "exact.mdw")
    slow = run(*job, "--solver", "adam", "--out", tmp_path / "slow.mdw")
    assert slow["cc_aniso"] <= exact["cc_aniso"] + 1e-5
    assert slow["cc_aniso"] > exact["cc_aniso"] - 0.005
    assert np.corrcoef(weights_of(slow), weights_of(exact))[0, 1] > 0.99


MEASURED = ["--d-min", "3", "--d-max", "10"]


def nuclease_frames(shared_data: Path) -> list[object]:
    source = shared_data / "snase"
    return ["--frames", source / "disorder_models.xtc", "--topology", source / "disorder_models.pdb"]


@pytest.fixture(scope="module")
def nuclease(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three models of disorder on a nuclease's measured map (frames.zarr) and their fit (right.mdw)."""
    folder = tmp_path_factory.mktemp("nuclease")
    measured = ["--map", shared_data / "snase" / "snc_reference_P41merged.mtz", *MEASURED]
    store, frames = folder / "frames.zarr", [*nuclease_frames(shared_data), "--keep-drift"]
    assert main([*map(str, ["predict", *frames, *measured, "--out", store])]) == 0
    assert main([*map(str, ["fit", "--frames", store, *measured, "--out", folder / "right.mdw"])]) == 0
    return folder


def test_a_measured_map_prefers_liquid_like_motions(nuclease: Path) -> None:
    fit = Project.open(nuclease / "right.mdw").fit
    assert fit.scores.cc_aniso > 0.7
    assert fit.scores.cc_aniso_free > 0.6
    assert fit.scores.cc_aniso_free > fit.uniform.cc_aniso_free + 0.05
    assert fit.weights[LIQUID].sum() > 0.5
    assert fit.weights[INDEPENDENT].sum() < 0.2
    assert not any("Reindexing" in text for text in fit.warnings)


def test_a_wrong_indexing_is_seen_and_said(shared_data: Path, nuclease: Path, run: Run, tmp_path: Path) -> None:
    measured = ["--map", shared_data / "snase" / "snc_reference_P41merged.mtz", *MEASURED]
    swap = ["--reindex", "k,h,-l", "--out", tmp_path / "swapped.mdw"]
    swapped = run("fit", *measured, "--frames", nuclease / "frames.zarr", *swap)
    right = Project.open(nuclease / "right.mdw").fit.uniform
    assert abs(swapped["cc_aniso_uniform"]) < 0.15
    assert abs(swapped["cc_aniso_free"]) < 0.2
    assert swapped["cc_uniform"] > 0.75 * right.cc, "the total CC is expected to hide a wrong indexing"
    assert any("Reindexing" in text and "k,h,-l" in text for text in swapped["warnings"])


def test_a_map_in_P1_with_its_space_group_named_is_the_merged_map(
    shared_data: Path, nuclease: Path, run: Run, tmp_path: Path
) -> None:
    in_p1 = ["--map", shared_data / "snase" / "snc_reference_P1.mtz", "--space-group", "P 41", *MEASURED, *UNVALIDATED]
    run("fit", *in_p1, "--frames", nuclease / "frames.zarr", "--out", tmp_path / "p1.mdw")
    one, other = (Project.open(path).fit for path in (tmp_path / "p1.mdw", nuclease / "right.mdw"))
    assert np.array_equal(one.groups.lattice.hkl, other.groups.lattice.hkl)
    assert np.corrcoef(one.observed, other.observed)[0, 1] > 0.9999
    # the free sets are not the same: the one of the P1 file was drawn without regard to equivalents
    assert one.uniform.cc_aniso == pytest.approx(other.uniform.cc_aniso, abs=0.03)
    assert np.corrcoef(one.weights, other.weights)[0, 1] > 0.9


def test_taking_out_a_drift_that_is_real_takes_signal_away(
    shared_data: Path, nuclease: Path, run: Run, tmp_path: Path
) -> None:
    measured = ["--map", shared_data / "snase" / "snc_reference_P41merged.mtz", *MEASURED]
    job = ["fit", *measured, *nuclease_frames(shared_data), *UNVALIDATED]
    still = run(*job, "--max-steps", 1, "--out", tmp_path / "still.mdw")
    moving = Project.open(nuclease / "right.mdw").fit
    assert still["cc_aniso_uniform"] < moving.uniform.cc_aniso - 0.05


@pytest.fixture(scope="module")
def ubiquitin(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 116 models as frames to 3 A (frames.zarr) and the map of known weights (target.mtz)."""
    folder = tmp_path_factory.mktemp("ubiquitin")
    models = shared_data / "ubiquitin" / "2k39_on_1ubi_116models_noH.pdb"
    args = ["predict", "--frames", models, "--space-group", "P 21 21 21", "--d-min", "3"]
    assert main([*map(str, args), "--out", str(folder / "frames.zarr")]) == 0
    store = StructureFactorStore.open(folder / "frames.zarr")
    write_target(folder / "target.mtz", store, true_weights(116), "P 21 21 21")
    return folder


def test_models_of_a_pdb_file_are_weighted_and_exported(
    shared_data: Path, ubiquitin: Path, run: Run, tmp_path: Path
) -> None:
    models = shared_data / "ubiquitin" / "2k39_on_1ubi_116models_noH.pdb"
    result = run("fit", "--map", ubiquitin / "target.mtz", "--frames", models, "--out", tmp_path / "fit.mdw")
    weights = weights_of(result)
    assert np.corrcoef(weights, true_weights(116))[0, 1] > 0.9
    assert result["cc_aniso_free"] > result["cc_aniso_free_uniform"]

    run("export", tmp_path / "fit.mdw", "--pdb", tmp_path / "best.pdb", "--top", 3)
    best, source = gemmi.read_structure(str(tmp_path / "best.pdb")), gemmi.read_structure(str(models))
    assert len(best) == 3
    for model, frame in zip(best, np.argsort(-weights)[:3], strict=True):
        assert positions(model) == pytest.approx(positions(source[int(frame)]), abs=0.002)


def positions(model: gemmi.Model) -> np.ndarray:
    return np.array([place.atom.pos.tolist() for place in model.all()])


def test_one_MTZ_per_frame_gives_the_weights_of_the_models(
    shared_data: Path, ubiquitin: Path, run: Run, tmp_path: Path
) -> None:
    models = tmp_path / "models.pdb"
    few = first_models(shared_data / "ubiquitin" / "2k39_on_1ubi_116models_noH.pdb", 12)
    few.write_pdb(str(models))
    store = StructureFactorStore.open(ubiquitin / "frames.zarr")
    write_summed_frames(few, store.lattice, tmp_path / "frames")
    job = ["fit", "--map", ubiquitin / "target.mtz", "--d-min", "3.5", "--keep-drift", *UNVALIDATED]
    from_models = run(*job, "--frames", models, "--out", tmp_path / "models.mdw")
    from_files = run(*job, "--frames", tmp_path / "frames", "--out", tmp_path / "files.mdw")
    assert from_files["n_reflections"] == from_models["n_reflections"]
    assert weights_of(from_files) == pytest.approx(weights_of(from_models), abs=1e-4)


def first_models(path: Path, n: int) -> gemmi.Structure:
    structure = gemmi.read_structure(str(path))
    del structure[n:]
    structure.spacegroup_hm = "P 1"
    structure.setup_cell_images()
    for model in structure:
        for place in model.all():
            place.atom.b_iso = 0.0
    return structure


def write_summed_frames(structure: gemmi.Structure, lattice: MillerLattice, folder: Path) -> None:
    """Structure factors by gemmi's direct summation over atoms, as FC and PHIC, one file per model."""
    folder.mkdir()
    lattice = lattice.select(lattice.d_spacing > 3.4)
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    for number, model in enumerate(structure, start=1):
        f = np.array([calculator.calculate_sf_from_model(model, hkl) for hkl in lattice.hkl.tolist()])
        columns = [MtzColumn("FC", "F", np.abs(f)), MtzColumn("PHIC", "P", np.degrees(np.angle(f)))]
        write_mtz(folder / f"frame_{number}.mtz", lattice, columns, title="frame", history=[])


USABLE = {"5e5z.mtz": "I", "7n2l.mtz": "IOBS"}
REFUSED = {
    "1dur_ksol1.mtz": "no intensity column",
    "1dur_vanilla.mtz": "no intensity column",
    "5wkd_phases.mtz.gz": "no intensity column",
    "PYP_diffmap.mtz": "no intensity column",
    "phaser_1.mtz": "no intensity column",
    "HEWL_refined.mtz": "Friedel pairs",
    "data_unmerged.mtz": "unmerged",
}


def test_every_MTZ_of_the_collection_is_tried(shared_data: Path) -> None:
    found = {path.name for path in (shared_data / "mtz").glob("*.mtz*")}
    assert found == {*USABLE, *REFUSED}


@pytest.mark.parametrize("name", [*USABLE, *REFUSED])
def test_an_MTZ_is_described(shared_data: Path, run: Run, name: str) -> None:
    [described] = run("info", shared_data / "mtz" / name)["files"]
    table = gemmi.read_mtz_file(str(shared_data / "mtz" / name))
    assert described["n_reflections"] == table.nreflections
    assert [column["label"] for column in described["columns"]] == table.column_labels()
    assert described["is_unmerged"] == (name == "data_unmerged.mtz")
    assert described["intensity_column"] == USABLE.get(name)


@pytest.mark.parametrize("name", USABLE)
def test_a_usable_MTZ_is_fitted(shared_data: Path, run: Run, tmp_path: Path, name: str) -> None:
    measured = shared_data / "mtz" / name
    write_shaken_models(shared_data / "mtz" / "5e5z.pdb", read_diffuse_map(measured).lattice.cell, tmp_path / "f.pdb")
    args = ["--map", measured, "--frames", tmp_path / "f.pdb", "--d-min", "2", "--out", tmp_path / "fit.mdw"]
    result = run("fit", *args)
    assert result["n_reflections"] + result["n_free"] > 100
    assert weights_of(result).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_an_MTZ_without_a_usable_map_is_refused_in_a_sentence(
    shared_data: Path, refuse: Callable[..., Refusal], tmp_path: Path, name: str
) -> None:
    measured = tmp_path / "maps" / name
    measured.parent.mkdir()
    shutil.copy(shared_data / "mtz" / name, measured)
    out = tmp_path / "out" / "fit.mdw"
    refusal = refuse("fit", "--map", measured, "--frames", shared_data / "mtz" / "5e5z.pdb", "--out", out)
    assert refusal.code == 2
    assert refusal.words.startswith(f"error: {measured}: ")
    assert REFUSED[name] in refusal.words
    assert refusal.words.count("\n") == 1
    assert not out.parent.exists()


def write_shaken_models(model: Path, cell: gemmi.UnitCell, path: Path, n_models: int = 6) -> None:
    """A model with its atoms moved at random (0.3 A), several times, in another cell."""
    rng = np.random.default_rng(0)
    original, shaken = gemmi.read_structure(str(model))[0], gemmi.Structure()
    for number in range(1, n_models + 1):
        copy = original.clone()
        copy.num = number
        for place in copy.all():
            place.atom.pos += gemmi.Position(*rng.normal(scale=0.3, size=3))
        shaken.add_model(copy)
    shaken.cell, shaken.spacegroup_hm = cell, "P 1"
    shaken.write_pdb(str(path))
