"""A fit of the frames that a selection kept, by the command line, from the table to exports, report and another run."""

from __future__ import annotations

import csv
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.cli.main import main
from mdweights_core.example import example_inputs
from mdweights_core.project import Project
from mdweights_core.revisit import rerun

KEPT = [t for t in range(108) if t % 3]
LEAN = ["--d-min", "2.5", "--folds", "2", "--starts", "1", "--thetas", "2", "--samples", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``some.mdw``, a fit of two frames in three."""
    folder, inputs = tmp_path_factory.mktemp("only"), example_inputs()
    rows = [f"{t},{int(t in KEPT)}," for t in range(108)]
    (folder / "kept.csv").write_text("\n".join(["frame,kept,deletion", *rows]))
    words = ["--map", str(inputs.map), "--frames", str(inputs.frames[0]), "--topology", str(inputs.topology)]
    given = ["--only", str(folder / "kept.csv"), "--out", str(folder / "some.mdw")]
    assert main(["fit", *words, *LEAN, *given, "--json"]) == 0
    return folder


def test_other_frames_keep_their_numbers_and_have_no_weight(folder):
    project = Project.open(folder / "some.mdw")
    assert project.inputs.only == tuple(KEPT)
    assert np.flatnonzero(project.fit.prior).tolist() == KEPT
    assert not np.delete(project.fit.weights, KEPT).any()
    assert project.fit.weights.sum() == pytest.approx(1)
    assert project.validation is not None
    assert "of 72 frames" in next(light.value for light in project.validation.lights if light.name == "concentration")
    assert np.isnan(np.delete(project.meaning.pseudo_energy, KEPT)).all()
    assert np.isfinite(project.meaning.features[0].z)


def test_exports_and_the_report_tell_of_it(folder, capsys):
    words = ["--csv", str(folder / "w.csv"), "--mtz", str(folder / "w.mtz"), "--ndx", str(folder / "w.ndx")]
    assert main(["export", str(folder / "some.mdw"), *words]) == 0
    with (folder / "w.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [t for t, row in enumerate(rows) if row["relative_weight"]] == KEPT
    assert "72 of 108 frames of peptide_crystal.xtc" in "".join(gemmi.read_mtz_file(str(folder / "w.mtz")).history)
    assert main(["report", str(folder / "some.mdw"), "--out", str(folder / "r.html")]) == 0
    page = (folder / "r.html").read_text()
    assert "72 of 108, " in page
    assert "1-2,4-5,7-8" in page
    capsys.readouterr()


def test_another_run_comes_to_the_same(folder):
    assert jobs.run(rerun(Project.open(folder / "some.mdw"))).same


def test_a_frame_that_is_not_there_is_told(folder, capsys):
    store = Project.open(folder / "some.mdw").store_path
    words = ["--map", str(example_inputs().map), "--frames", str(store), "--only", "0-108", "--out"]
    assert main(["fit", *words, str(folder / "none.mdw")]) == 2
    assert "no frame 108" in capsys.readouterr().err
