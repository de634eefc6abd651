"""`mdweights sample` from the command line to its files, with the smallest of flows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.amide import VACUUM, frames, write_structure, write_trajectory
from support.draws import wide_draws

from mdweights_core.cli.main import main
from mdweights_core.jobs import Job, Progress
from mdweights_core.workflow.judged import judged, summary
from mdweights_core.workflow.sampled import Sampled, load_sampled

TINY = ("--layers", "0", "--width", "8", "--bins", "4", "--schedule", "example", "--effort", "0.02", "--no-probe")

Run = Callable[..., Any]


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in an empty folder; what it printed as JSON, or said in vain."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, fails: int = 0) -> Any:
        code = main(["sample", *map(str, words), "--json"])
        told = capsys.readouterr()
        assert code == fails, told.err
        return told.err if fails else json.loads(told.out)

    return run


def test_a_finished_training_draws_more_and_files_hold_what_was_told(sample: Run) -> None:
    words = ("double-well", *TINY, "--examples", "200", "--checkpoint", "c.npz")
    first = sample(*words, "--out", "a.npz", "--samples", "4096")
    more = sample(*words, "--out", "b.npz", "--samples", "8000")
    assert (first["samples"], more["samples"]) == (4096, 8000)
    assert first["training_energies"] == more["training_energies"] > 200
    assert any("of chains from 2 starts" in remark for remark in more["remarks"])
    saved = load_sampled(Path("b.npz"))
    again = json.loads(json.dumps(summary(saved, judged(saved))))
    assert again == {name: more[name] for name in again}
    assert more["forward_ess"] is not None
    assert more["log_z"] == pytest.approx(11.020467, abs=4 * more["log_z_error"])
    assert 0 < more["ess"] <= more["ess_clipped"] + 1e-12 <= 1 + 1e-12
    assert "other settings" in sample(*words, "--batch", "64", "--out", "b.npz", fails=2)


@pytest.mark.parametrize("words", [(), ("--checkpoint", "c.npz")])
def test_a_training_that_is_stopped_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    def stopped(*args: Any, **options: Any) -> Job[tuple[None, Sampled]]:
        yield Progress("training the flow")
        return None, wide_draws(0)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mdweights_core.workflow.draws.train_and_draw", stopped)
    assert main(["sample", "double-well", "--out", "s.npz", *words]) == 0
    told = capsys.readouterr().out
    assert "Stopped after 5 steps of the training; nothing was drawn." in told
    assert ("goes on from c.npz" if words else "With --checkpoint") in told
    assert not Path("s.npz").exists()


def test_draws_without_any_weight_are_kept_and_told(sample: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = wide_draws(50)
    lost = replace(drawn, samples=replace(drawn.samples, log_weights=np.full(50, -np.inf)))

    def weightless(*args: Any, **options: Any) -> Job[tuple[None, Sampled]]:
        yield Progress("drawing configurations")
        return None, lost

    monkeypatch.setattr("mdweights_core.workflow.draws.train_and_draw", weightless)
    assert "weight" in sample("double-well", "--out", "s.npz", fails=2)
    assert load_sampled(Path("s.npz")).samples.n_samples == 50


@pytest.fixture
def structure(tmp_path: Path) -> Path:
    return write_structure(tmp_path)


def _broken(x: np.ndarray, how: str) -> np.ndarray:
    x = x.copy()
    if how == "one conformation":
        x[:] = x[0]
    elif how == "in pieces":
        x[:, :6] += 0.5
    elif how == "few":
        x = x[:20]
    return x


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("one conformation", "of one conformation"),
        ("in pieces", "in pieces in"),
        ("few", "20 frames are too few to learn from"),
    ],
)
def test_frames_that_nothing_can_be_learned_from_are_refused(
    sample: Run, structure: Path, tmp_path: Path, how: str, told: str
) -> None:
    write_trajectory(_broken(frames(), how), structure, tmp_path / "f.xtc")
    words = ("--frames", "f.xtc", "--topology", structure, "--out", "s.npz", *VACUUM, *TINY)
    assert told in sample(structure, *words, fails=2)
    assert not (tmp_path / "s.npz").exists()


def test_frames_of_other_atoms_are_refused(sample: Run, structure: Path, tmp_path: Path) -> None:
    write_trajectory(frames(60), structure, tmp_path / "f.xtc")
    words = ("--frames", "f.xtc", "--out", "s.npz", *VACUUM, *TINY)
    told = sample(structure, *words, "--select", "element C or element O", fails=2)
    assert "The frames have 4 atoms, the structure 12" in told
    assert "There is no frame 60" in sample(structure, *words, "--only", "0-60", fails=2)


def test_molecules_in_pieces_are_refused(sample: Run, structure: Path, tmp_path: Path) -> None:
    lines = structure.read_text().splitlines()
    atoms = [line for line in lines if line.startswith("HETATM")]
    other = [f"{line[:21]}B{line[22:38]}{float(line[38:46]) + 6:8.3f}{line[46:]}" for line in atoms]
    Path("two.pdb").write_text("\n".join([lines[0], *atoms, "TER", *other, "TER", "END", ""]))
    assert "piece" in sample("two.pdb", "--out", "s.npz", *VACUUM, "--effort", "0.01", fails=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("absent.pdb", "--out", "s.npz"), "no toy system of that name"),
        (("double-well", "--out", "s.xtc"), "must end in .npz"),
        (("double-well", "--out", "s.npz", "--frames-out", "f.xtc"), "is for molecules"),
        (("double-well", "--out", "s.npz", "--schedule", "example"), "there are no examples"),
        (("double-well", "--out", "s.npz", "--layers", "-1"), "layers is -1"),
        (("double-well", "--out", "s.npz", "--spread-along", "phi 2"), "its own coordinate"),
        (("double-well", "--out", "s.npz", "--spread-along", "own"), "Give --examples N"),
        (("double-well", "--out", "s.npz", "--temperature", "-3"), "temperature is -3"),
        (("double-well", "--out", "s.npz", "--resample", "3"), "Give --frames-out too"),
        (("double-well", "--out", "s", "--iterate", "1", "--project", "x.mdw"), "is for molecules"),
        (("amide.pdb", "--out", "s.npz", "--examples", "9"), "for toy systems"),
        (("amide.pdb", "--out", "s.npz", "--only", "3"), "--only is for frames"),
        (("amide.pdb", "--out", "s.npz", "--frames", "a", "--project", "b"), "both name example frames"),
        (("amide.pdb", "--out", "s.npz", "--frames-out", "f.dcd"), "must end in .xtc or .pdb"),
        (("amide.pdb", "--out", "s", "--iterate", "1"), "Give --project X.mdw too"),
        (("amide.pdb", "--out", "s.npz", "--iterate", "1", "--project", "x.mdw"), "--out is a folder"),
        (
            ("amide.pdb", "--out", "s", "--iterate", "1", "--project", "x.mdw", "--checkpoint", "c.npz"),
            "does not go with --iterate",
        ),
        (
            ("amide.pdb", "--out", "s.npz", "--frames-out", "f.pdb", "--weights-out", "w.csv", "--resample", "9"),
            "have equal weights",
        ),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(
    sample: Run, structure: Path, words: tuple[str, ...], told: str
) -> None:
    error = sample(*words, fails=2)
    assert told in error
    assert "Traceback" not in error
