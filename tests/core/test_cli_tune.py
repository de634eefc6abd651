"""`mdweights sensitivity` and `mdweights tune` from the command line to their files, on the smallest of systems."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.amide import write_structure

from mdweights_core.cli.main import main
from mdweights_core.dynamics.tuning.targets import read_targets
from mdweights_core.io.frames.trajectories import open_frames

SHORT = ("--replicas", 64, "--steps", 600, "--stride", 5)
NETWORK = ("--network", "--crystal", "--springs", 0.5, "--site", 200, "--replicas", 16, "--blocks", 16)

Run = Callable[..., Any]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty folder; what it printed as JSON, or said in vain."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, fails: int = 0) -> Any:
        code = main([*map(str, words), "--json"])
        told = capsys.readouterr()
        assert code == fails, told.err
        return told.err if fails else json.loads(told.out)

    return run


def test_a_spring_is_looked_at_and_then_tuned_to_what_was_seen(command: Run) -> None:
    """Targets written at k = 3 bring k = 1 there: <x^2> = 1 / k and d<x^2>/dk = -1 / k^2."""
    seen = command(
        "sensitivity", "oscillator", "--observables", "x^2 0", "--set", "k=3", *SHORT,
        "--out", "j.csv", "--targets-out", "t.csv", "--checkpoint", "c.npz",
    )  # fmt: skip
    value, slope = seen["observables"][0], seen["estimates"]["pathwise"]
    assert abs(value["value"] - 1 / 3) < 4 * value["error"]
    assert abs(slope["jacobian"][0][0] + 1 / 9) < 4 * slope["error"][0][0]
    assert seen["parameters"] == {"k": 3.0}
    assert seen["verdict"] == "verified"
    targets = read_targets(Path("t.csv"))
    assert targets.names == ("x^2 0",)
    np.testing.assert_allclose(targets.values, value["value"], rtol=1e-8)
    head, line = Path("j.csv").read_text().splitlines()
    cells = dict(zip(head.split(","), line.split(","), strict=True))
    assert float(cells["pathwise"]) == pytest.approx(slope["jacobian"][0][0], rel=1e-8)
    assert cells["verdict"] == "verified"

    found = command(
        "tune", "oscillator", "--targets", "t.csv", *SHORT, "--seed", 5, "--out", "p.toml", "--checkpoint", "f.npz"
    )
    parameter = found["parameters"][0]
    assert found["end"] == "converged"
    assert abs(parameter["value"] - 3) < 4 * parameter["error"]
    assert found["chi2_per_datum"] < 10 < found["trace"][0]["chi2_per_datum"]
    tuned = tomllib.loads(Path("p.toml").read_text())
    assert tuned["values"] == {"k": parameter["value"]}
    assert tuned["errors"] == {"k": parameter["error"]}
    again = command("tune", "oscillator", "--targets", "t.csv", *SHORT, "--seed", 5, "--checkpoint", "f.npz")
    assert again["parameters"] == found["parameters"]
    assert again["derivatives"] is None


def test_a_network_is_tuned_and_its_ensemble_goes_to_predict(command: Run, tmp_path: Path) -> None:
    write_structure(tmp_path)
    Path("t.csv").write_text(
        "observable,value,sigma,held_out\nB factor of C 1 (A^2),10,1,\nB factor of C 2 (A^2),9,1,yes\n"
    )
    found = command(
        "tune", "amide.pdb", *NETWORK, "--observables", "B C", "--targets", "t.csv", "--parameters", "k on site",
        "--steps", 300, "--stride", 5, "--estimators", "pathwise", "--iterations", 2,
        "--frames-out", "tuned.xtc", "--out", "p.toml",
    )  # fmt: skip
    assert found["files"] == ["p.toml", "tuned.xtc", "tuned.pdb"]
    assert found["trace"][-1]["chi2_per_datum"] < found["trace"][0]["chi2_per_datum"]
    assert found["chi2_per_datum_held_out"] is not None
    assert {one["name"] for one in found["parameters"]} == {"k on site"}
    assert set(tomllib.loads(Path("p.toml").read_text())["values"]) > {"k on site"}
    frames = open_frames([Path("tuned.xtc")], Path("tuned.pdb"))
    assert len(frames.atoms) == 12
    assert frames.n_frames >= 16
    predicted = command("predict", "--frames", "tuned.xtc", "--topology", "tuned.pdb", "--d-min", 3, "--out", "f.zarr")
    assert predicted["n_frames"] == frames.n_frames


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("absent.pdb", "--observables", "Rg"), "no small system of that name"),
        (("oscillator",), "No observable is named"),
        (("oscillator", "--observables", "x^2 1"), "There is no variable 1"),
        (("oscillator", "--observables", "pressure"), "'pressure' names no observable"),
        (("oscillator", "--observables", "B"), "has no atoms with names"),
        (("oscillator", "--observables", "distance 0 1"), "is not in space"),
        (("oscillator", "--observables", "x 0", "x 0"), "'x 0' is named twice"),
        (("oscillator", "--observables", "x 0", "--set", "q=1"), "There is no parameter 'q'"),
        (("oscillator", "--observables", "x 0", "--set", "k"), "'k' is no name and number"),
        (("oscillator", "--observables", "x 0", "--set", "k=-1"), "not between 0 and inf"),
        (("oscillator", "--observables", "x 0", "--bounds", "k=3:2"), "leave nothing between them"),
        (("oscillator", "--observables", "x 0", "--parameters", "q"), "There is no parameter 'q'"),
        (("oscillator", "--observables", "x^2 0", "--replicas", "7"), "7 replicas cannot be dealt out to 32 blocks"),
        (("oscillator", "--observables", "x^2 0", "--step", "0"), "Steps of 0"),
        (("oscillator", "--observables", "x^2 0", "--step", "9"), "step"),
        (("oscillator", "--observables", "x^2 0", "--network"), "--network is for structures"),
        (("oscillator", "--observables", "x^2 0", "--site", "3"), "--site is for networks"),
        (("oscillator", "--observables", "x^2 0", "--out", "j.txt"), "must end in .csv"),
        (("oscillator", "--observables", "x^2 0", "--frames-out", "f.pdb"), "--frames-out is for molecules"),
        (("amide.pdb", "--network", "--observables", "B", "--solvent", "none"), "knows no force field"),
        (("amide.pdb", "--network", "--observables", "diffuse 1 0 0"), "is no crystal"),
        (("amide.pdb", "--network", "--observables", "B", "--classes", "a"), "no list of lengths"),
        (("amide.pdb", "--network", "--observables", "distance 0 12"), "There is no atom 12"),
        (("amide.pdb", "--network", "--observables", "Rg", "--temperature", "-3"), "temperature is -3 K"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(
    command: Run, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    write_structure(tmp_path)
    error = command("sensitivity", *words, fails=2)
    assert told in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("table", "words", "told"),
    [
        ("observable,value\nx 0,1\n", (), "no column 'sigma'"),
        ("observable,value,sigma\nx^2 0,1,0.1\n", ("--priors", "k=2"), "holds no two numbers"),
        ("observable,value,sigma\nx^2 0,1,0.1\n", ("--priors", "q=2:1"), "prior of 'q'"),
        ("observable,value,sigma\nx^2 0,1,0.1\n", ("--observables", "x 0"), "no observable called 'x^2 0'"),
        ("observable,value,sigma\nx^2 0,1,0.1\n", ("--reuse", "2"), "share for reuse is 2"),
        ("observable,value,sigma\nx^2 0,1,0.1\n", ("--out", "p.csv"), "must end in .toml"),
        ("observable,value,sigma\nx^2 0,1,0.1\n", ("--values", "t.csv"), "t.csv"),
    ],
)
def test_targets_that_mean_nothing_are_refused_in_a_sentence(
    command: Run, table: str, words: tuple[str, ...], told: str
) -> None:
    Path("t.csv").write_text(table)
    assert told in command("tune", "oscillator", "--targets", "t.csv", *words, fails=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Nothing is given to tune to"),
        (("--d-fit", "3"), "--d-fit is for a map"),
        (("--map", "m.mtz"), "Springs are tuned to a map"),
        (("--map", "m.mtz", "--network", "--targets", "t.csv"), "--targets does not go with --map"),
        (("--map", "m.mtz", "--network", "--frames-out", "f.pdb"), "written as .xtc"),
        (("--map", "absent.mtz", "--network"), "absent.mtz"),
        (("--map", "m.mtz", "--network", "--transverse", "2"), "transverse is 2"),
    ],
)
def test_what_is_no_fit_to_a_map_is_refused(command: Run, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    assert told in command("tune", write_structure(tmp_path), *words, fails=2)
