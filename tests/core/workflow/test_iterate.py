"""Rounds of fit and draws on a molecule of twelve atoms, from the command line; frames of dynamics stand for draws."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.amide import VACUUM, frames, write_map, write_structure, write_trajectory
from support.draws import wide_draws

from mdweights_core import jobs
from mdweights_core.cli.main import main
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import set_up
from mdweights_core.errors import BadInput
from mdweights_core.flow.settings import SampleSettings
from mdweights_core.jobs import Job, Progress
from mdweights_core.project import FitInputs, Project
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import FitSettings
from mdweights_core.workflow import fit_project
from mdweights_core.workflow.draws import Task
from mdweights_core.workflow.iterate import IterateSettings, Round, Rounds, iterate
from mdweights_core.workflow.sampled import Sampled

DRAWN = 220
ROUND = Round(0, Path("a"), 9, 0.9, 0.60, 0.5, 0.5, 400, 5.0, float("nan"))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Project:
    """A fit of the molecule's frames to the map of some of them."""
    folder = tmp_path_factory.mktemp("amide")
    structure, x = write_structure(folder), frames()
    trajectory = write_trajectory(x, structure, folder / "md.xtc")
    weights = np.random.default_rng(0).gamma(0.5, size=len(x))
    observed = write_map(trajectory, structure, weights / weights.sum(), folder / "map.mtz")
    inputs = FitInputs(map=observed, frames=(trajectory,), topology=structure, space_group="P 1")
    job = fit_project(inputs, PredictSettings(), FitSettings(), folder / "md.mdw", validation_settings=None)
    return jobs.run(job)


@pytest.fixture
def drawn(monkeypatch) -> list[Task]:
    """Draws without a flow, each a frame of dynamics somewhere else; the tasks that asked for them."""
    asked = []

    def train_and_draw(task: Task, settings: SampleSettings, *, checkpoint: Path) -> Job[tuple[None, Sampled]]:
        yield Progress("training the flow")
        asked.append(task)
        x = frames()[:DRAWN] + 0.3
        samples = replace(wide_draws(DRAWN).samples, x=x.reshape(DRAWN, -1).astype(np.float32), seed=settings.seed)
        return None, Sampled(replace(samples, log_weights=np.linspace(-2, 0, DRAWN)), task.origin)

    monkeypatch.setattr("mdweights_core.workflow.iterate.train_and_draw", train_and_draw)
    return asked


def test_rounds_are_told_kept_and_gone_on_with(fitted, drawn, tmp_path, monkeypatch, capsys):
    structure = fitted.inputs.topology
    words = ["sample", str(structure), "--project", str(fitted.path), *VACUUM, "--samples", str(DRAWN)]
    words += ["--resample", "150", "--json"]
    assert main([*words, "--iterate", "1", "--out", str(tmp_path / "rounds")]) == 0
    told = json.loads(capsys.readouterr().out)
    first, second = told["rounds"]
    assert first["cc"] == pytest.approx(fitted.fit.scores.cc_aniso)
    assert first["ess"] is None
    (task,) = drawn
    np.testing.assert_allclose(task.examples.weights, fitted.fit.weights[fitted.fit.weights > 0])
    made = Project.open(second["project"])
    assert made.fit.scores.cc_aniso == second["cc"] > second["cc_before"]
    assert len(made.fit.weights) == second["frames"] <= 150
    np.testing.assert_allclose(made.fit.prior * 150, np.rint(made.fit.prior * 150), atol=1e-6)  # repeats count
    assert np.abs(made.frame_source().positions(0).mean(axis=0) - [5.0, 5.5, 6.0]).max() < 1.0
    with (tmp_path / "rounds" / "rounds.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["cc_held_out"]) for row in rows] == [one["cc_held_out"] for one in (first, second)]
    assert "held-out correlation" in told["sentence"]

    monkeypatch.setattr("mdweights_core.workflow.iterate.train_and_draw", None)  # nothing is drawn or fitted again
    monkeypatch.setattr("mdweights_core.workflow.iterate.fit_project", None)
    assert main([*words, "--iterate", "1", "--out", str(tmp_path / "rounds")]) == 0
    assert json.loads(capsys.readouterr().out)["rounds"] == told["rounds"]
    assert main([*words, "--iterate", "1", "--seed", "5", "--out", str(tmp_path / "rounds")]) == 2
    assert "another fit, other settings" in capsys.readouterr().err


def test_a_round_that_is_stopped_leaves_those_before(fitted, tmp_path):
    molecule = set_up(fitted.inputs.topology, EnergySettings(solvent="none"))
    job = iterate(fitted, molecule, EnergySettings(solvent="none"), IterateSettings(), tmp_path / "rounds")
    next(job)
    found = jobs.stop(job)
    assert found is not None
    assert found.stopped
    assert len(found.rounds) == 1
    assert found.sentence == "No round came to its end."


@pytest.mark.parametrize(
    ("cc_free", "n_free", "told"),
    [
        (0.70, 400, "explain the map better"),
        (0.62, 400, "within its error"),
        (0.58, 400, "did not improve (it went from 0.600 to 0.580 at best (round 1)): keep the first fit"),
        (float("nan"), 0, "No reflections are held out"),
    ],
)
def test_held_out_reflections_decide(cc_free, n_free, told):
    after = replace(ROUND, number=1, cc_free=cc_free, n_free=n_free)
    assert told in Rounds((ROUND, after), stopped=False, remarks=()).sentence


@pytest.mark.parametrize("settings", [{"rounds": 0}, {"frames": 1}])
def test_rounds_of_nothing_are_refused(settings):
    with pytest.raises(BadInput):
        IterateSettings(**settings)
