"""`mdweights select`: files, one JSON object, and what is refused."""

from __future__ import annotations

import argparse
import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from mdweights_core import workflow
from mdweights_core.cli import select
from mdweights_core.cli.console import Terminal
from mdweights_core.errors import BadInput
from mdweights_core.weights.scores import coefficients
from mdweights_core.weights.selection.result import comparison


@pytest.fixture
def ensemble_behind(monkeypatch, ensemble):
    """Let every map and every frames be those of one ensemble."""

    def weight_problem(*arguments, **options):
        yield from ()
        return ensemble.problem, None

    monkeypatch.setattr(workflow, "weight_problem", weight_problem)
    return ensemble


def run(folder, *words: str, as_json: bool = False) -> None:
    parser = argparse.ArgumentParser()
    select.add(parser.add_subparsers())
    command = ["select", "--map", "m.mtz", "--frames", "f.zarr", "--out", str(folder / "kept.csv"), *words]
    args = parser.parse_args(command)
    args.run(args, Terminal(as_json), None)


def test_the_table_holds_what_is_kept_and_the_order_of_deletions(ensemble_behind, tmp_path, capsys):
    run(tmp_path, "--ndx", str(tmp_path / "kept.ndx"), as_json=True)
    result = json.loads(capsys.readouterr().out)
    with (tmp_path / "kept.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["frame"]) for row in rows] == list(range(14))
    assert [int(row["frame"]) for row in rows if row["kept"] == "1"] == result["kept"]
    deleted = {int(row["deletion"]): int(row["frame"]) for row in rows if row["kept"] == "0"}
    assert [deleted[i + 1] for i in range(len(deleted))] == result["removed"]
    head, *lines = (tmp_path / "kept.ndx").read_text().splitlines()
    assert head == "[ kept_frames ]"
    assert [int(word) - 1 for word in " ".join(lines).split()] == result["kept"]
    kept = np.isin(np.arange(14), result["kept"])
    expected = coefficients(ensemble_behind.problem, ensemble_behind.direct(kept))
    assert {name: result[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert result["cc_aniso_free_all_frames"] < 1


@pytest.mark.parametrize("method", ["greedy", "genetic"])
def test_people_read_the_held_out_score_of_either_method(ensemble_behind, tmp_path, capsys, method):
    run(tmp_path, "--method", method, "--min-frames", "12")
    said = capsys.readouterr()
    words = " ".join((said.out + said.err).split())
    assert "held-out reflections it goes from" in words
    assert f"{method}" not in words  # sentences, not names of settings


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--generations", "5"], "for the genetic algorithm"),
        (["--min-frames", "5", "--max-frames", "4"], "cannot be at least 5"),
        (["--min-frames", "40"], "none to leave out"),
        (["--mask-outliers", "-1"], "mask outliers is -1"),
    ],
)
def test_options_that_make_no_sense_are_refused(ensemble_behind, tmp_path, words, complaint):
    with pytest.raises(BadInput, match=complaint):
        run(tmp_path, *words)
    assert not (tmp_path / "kept.csv").exists()


@pytest.mark.parametrize("option", ["--theta", "--solver", "--weighting", "--max-steps", "--n-eff-floor", "--bragg"])
def test_options_of_weights_are_not_offered(ensemble_behind, tmp_path, capsys, option):
    with pytest.raises(SystemExit):
        run(tmp_path, "--help")
    assert f" {option} " not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(tmp_path, option, "0.1")


def test_no_more_frames_than_asked_for(ensemble_behind, tmp_path, capsys):
    run(tmp_path, "--max-frames", "3", as_json=True)
    assert json.loads(capsys.readouterr().out)["n_kept"] == 3


def test_the_table_must_be_called_a_table(ensemble_behind, tmp_path):
    with pytest.raises(BadInput, match=r"must end in \.csv"):
        run(tmp_path, "--out", str(tmp_path / "kept.mdw"))


def fit_of(problem, held_out: float) -> SimpleNamespace:
    """What a comparison needs of a fit."""
    scores = SimpleNamespace(cc=0.9, cc_aniso=0.99, cc_free=held_out, cc_aniso_free=held_out)
    return SimpleNamespace(weights=problem.prior, free=problem.free, scores=scores)


def test_a_fit_is_compared_with_on_the_same_held_out_reflections(ensemble_behind, tmp_path, capsys, monkeypatch):
    fit = fit_of(ensemble_behind.problem, held_out=0.123)
    monkeypatch.setattr(select.Project, "open", lambda path: SimpleNamespace(fit=fit))
    run(tmp_path, "--compare", "fit.mdw")
    words = " ".join(capsys.readouterr().out.split())
    assert "0.1230 on held-out reflections" in words
    assert "the kept frames agree better with held-out data" in words
    fit.free = ~fit.free
    with pytest.raises(BadInput, match="another free set"):
        run(tmp_path, "--compare", "fit.mdw")


def test_nothing_is_called_better_where_nothing_was_held_out(ensemble_behind, tmp_path, capsys):
    selected = SimpleNamespace(score="cc", change=lambda held_out=False: (0.5, float("nan") if held_out else 0.6))
    assert "nothing was held out" in comparison(selected, fit_of(ensemble_behind.problem, 0.4))
