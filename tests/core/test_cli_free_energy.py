"""`mdweights free-energy` on draws whose free energies are known by quadrature."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.amide import PDB
from support.draws import DIFFERENCE, wide_draws

from mdweights_core.cli.main import main
from mdweights_core.workflow.sampled import Origin, Sampled, save_sampled

Run = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder with samples; what it printed as JSON, or said in vain."""
    monkeypatch.chdir(tmp_path)
    save_sampled(wide_draws(20_000), tmp_path / "s.npz")

    def run(*words: object, fails: int = 0) -> Any:
        code = main(["free-energy", *map(str, words), "--json"])
        told = capsys.readouterr()
        assert code == fails, told.err
        return told.err if fails else json.loads(told.out)

    return run


def test_the_wells_differ_as_quadrature_says(ask: Run) -> None:
    told = ask("s.npz")
    assert told["states"] == ["left well", "right well"]
    found = told["by_weights"]
    assert found["error_kT"] < 0.1
    assert found["kT"] == pytest.approx(DIFFERENCE, abs=3 * found["error_kT"])
    assert told["by_bar"] is None
    assert "kJ_mol" not in found
    for words in (("--states", "x < 0.083528"), ("--state-a", "x -inf 0.083528")):
        assert ask("s.npz", *words)["by_weights"] == pytest.approx(found)
    turned = ask("s.npz", "--states", "x > 0.083528")["by_weights"]
    assert turned["kT"] == pytest.approx(-found["kT"])


def test_reference_frames_make_it_surer(ask: Run, tmp_path: Path) -> None:
    save_sampled(wide_draws(2000, frames=20_000), tmp_path / "both.npz")
    told = ask("both.npz")
    by_bar, by_weights = told["by_bar"], told["by_weights"]
    assert by_bar["error_kT"] < by_weights["error_kT"] / 1.3
    assert by_bar["kT"] == pytest.approx(DIFFERENCE, abs=3 * by_bar["error_kT"])
    assert ask("both.npz", "--no-frames")["by_bar"] is None


def test_a_state_that_was_not_sampled_is_told(ask: Run, tmp_path: Path) -> None:
    save_sampled(wide_draws(2000, only_left=True), tmp_path / "left.npz")
    told = ask("left.npz")
    assert told["by_weights"]["kT"] is None
    assert told["by_weights"]["bound_kT"] > 2
    assert told["light"]["state"] == "bad"
    assert "No sample of any weight lies in state right well" in told["light"]["sentence"]


def test_a_profile_is_that_of_the_density(ask: Run, tmp_path: Path) -> None:
    told = ask("s.npz", "--along", "x", "--bins", "40", "--profile", "p.csv", "--plot", "p.png")
    assert "by_weights" not in told
    with (tmp_path / "p.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    known = [row for row in rows if row["free_energy_kT"] and float(row["effective_samples"]) > 20]
    x, found, error = (np.array([float(row[name]) for row in known]) for name in ("x", "free_energy_kT", "error_kT"))
    within = x[:, None] + np.diff(told["profile"]["centre"])[0] * np.linspace(-0.5, 0.5, 201)
    exact = -np.log(np.exp(-(within**4) + 6 * within**2 - within).mean(axis=1))
    apart = found - exact - np.average(found - exact, weights=error**-2)
    assert len(known) > 10
    assert np.abs(apart / error).max() < 4
    assert len(told["profile"]["centre"]) == 40
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_a_molecule_has_joules_and_angles(ask: Run, tmp_path: Path) -> None:
    samples = wide_draws(500).samples
    x = np.random.default_rng(0).normal(size=(500, 36)).astype(np.float32)
    molecule = Sampled(type(samples)(**{**vars(samples), "x": x}), Origin(structure=PDB, temperature=300.0))
    save_sampled(molecule, tmp_path / "m.npz")
    found = ask("m.npz", "--state-a", "torsion 0 4 6 8 -90 90", "--along", "torsion 0 4 6 8")
    value = found["by_weights"]
    assert value["kJ_mol"] == pytest.approx(value["kT"] * 2.494, rel=1e-3)
    assert value["first"] + value["second"] == pytest.approx(1)
    assert found["along"] == "torsion 0-4-6-8 (degrees)"
    assert found["profile"]["centre"][0] == pytest.approx(-176.4)
    assert "There are no two states" in ask("m.npz", fails=2)


def test_people_read_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_sampled(wide_draws(2000, frames=500), tmp_path / "s.npz")
    assert main(["free-energy", str(tmp_path / "s.npz"), "--along", "x"]) == 0
    told = capsys.readouterr().out
    assert "Along x: The free energy is lowest at -1.7" in told
    assert "reference frames" not in told
    assert main(["free-energy", str(tmp_path / "s.npz")]) == 0
    told = capsys.readouterr().out
    for part in ("A: left well; B: right well", "samples and reference frames", "F(right well) - F(left well) = 3."):
        assert part in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("absent.npz",), "absent.npz"),
        (("s.npz", "--state-a", "x 0 1", "--states", "x < 0"), "both name states"),
        (("s.npz", "--state-b", "else"), "Give --state-a too"),
        (("s.npz", "--profile", "p.csv"), "needs a coordinate"),
        (("s.npz", "--along", "x", "--plot", "p.svg"), "must end in .png"),
        (("s.npz", "--state-a", "x 0 1", "--state-b", "x 0.5 2"), "in two states at once"),
        (("s.npz", "--state-a", "x 50 60", "--state-b", "x 70 80"), "No sample of either state has weight"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(ask: Run, words: tuple[str, ...], told: str) -> None:
    error = ask(*words, fails=2)
    assert told in error
    assert "Traceback" not in error
