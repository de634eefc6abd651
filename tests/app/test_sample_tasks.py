"""The window samples by the same job as the command line, with the same numbers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mdtraj
import numpy as np
import pytest
from support.sample_fakes import a_molecule_sample, a_sample, draws, energy

from app.models.minima_readings import FrameChoice
from app.models.sample_readings import Column, SampleReading, SampleRequest
from app.workers import sample_tasks
from mdweights_core import jobs
from mdweights_core.cli.main import main
from mdweights_core.errors import BadInput
from mdweights_core.flow.settings import FlowSettings, SampleSettings
from mdweights_core.jobs import Progress
from mdweights_core.weights.prior import read_prior
from mdweights_core.workflow.examples import Examples
from mdweights_core.workflow.sampled import Origin, Sampled, load_sampled

SMALL = SampleSettings(
    schedule="example",
    effort=0.004,
    batch=16,
    flow=FlowSettings(layers=0),
    samples=300,
    probe=False,
    seed=3,
)
REQUEST = SampleRequest(toy="double-well", examples=64, settings=SMALL)
WORDS = "double-well --examples 64 --schedule example --effort 0.004 --batch 16 --layers 0"
WORDS += " --samples 300 --no-probe --seed 3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def stopped_and_resumed(folder: Path) -> tuple[SampleReading, SampleReading, list[Progress]]:
    """A run that was stopped while it trained, and the same gone on with."""
    job = sample_tasks.sample(REQUEST, folder / "run.npz")
    next(it for it in job if "history" in it.arrays and it.step >= 2)
    stopped = jobs.stop(job)
    assert stopped is not None
    seen: list[Progress] = []
    return stopped, jobs.run(sample_tasks.sample(REQUEST, folder / "run.npz"), seen.append), seen


@pytest.fixture
def found(stopped_and_resumed: tuple[SampleReading, SampleReading, list[Progress]]) -> SampleReading:
    return stopped_and_resumed[1]


def test_a_stopped_run_keeps_its_training_and_draws_nothing(
    stopped_and_resumed: tuple[SampleReading, SampleReading, list[Progress]],
) -> None:
    stopped, found, seen = stopped_and_resumed
    assert stopped.trained.is_stopped
    assert stopped.sampled.samples.n_samples == 0
    assert (stopped.judged, stopped.weighing, dict(stopped.columns)) == (None, None, {})
    first = next(it for it in seen if "history" in it.arrays)
    n_before = len(stopped.sampled.samples.history)
    assert 0 < n_before <= first.step
    np.testing.assert_array_equal(found.sampled.samples.history[:n_before], stopped.sampled.samples.history)


def test_the_command_line_takes_the_training_and_draws_the_same(
    found: SampleReading, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(folder / "run.npz", tmp_path / "run.npz")  # of another system or other settings it would be refused
    words = [*WORDS.split(), "--checkpoint", str(tmp_path / "run.npz"), "--out", str(tmp_path / "s.npz")]
    assert main(["sample", *words]) == 0, capsys.readouterr().err
    other = load_sampled(tmp_path / "s.npz")
    for name in ("x", "u", "log_weights", "example_log_weights", "history"):
        np.testing.assert_array_equal(getattr(found.sampled.samples, name), getattr(other.samples, name), err_msg=name)
    np.testing.assert_array_equal(found.sampled.origin.frames, other.origin.frames)
    printed = capsys.readouterr().out
    assert found.judged is not None
    assert f"{found.judged.evidence.weights.log_z:.4f}" in printed
    assert found.judged.judgement.verdict in " ".join(printed.split())


def test_draws_are_told_of_with_histograms_on_their_way(
    stopped_and_resumed: tuple[SampleReading, SampleReading, list[Progress]],
) -> None:
    _, found, _ = stopped_and_resumed
    samples = found.sampled.samples
    told = sample_tasks._with_histograms(
        Progress("drawing", arrays={"u": samples.u, "log_weights": samples.log_weights})
    )
    assert found.weighing is not None
    np.testing.assert_array_equal(told.arrays["weight_counts"], found.weighing.counts)
    assert found.weighing.counts.sum() == samples.n_samples
    nothing = Progress("drawing", arrays={"u": np.array([np.inf]), "log_weights": np.array([-np.inf])})
    assert sample_tasks._with_histograms(nothing) is nothing


def test_profile_and_difference_are_those_of_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reading = a_sample()
    jobs.run(sample_tasks.write(reading, tmp_path / "s.npz", 0))
    assert main(["free-energy", str(tmp_path / "s.npz"), "--json"]) == 0
    states = json.loads(capsys.readouterr().out)
    assert main(["free-energy", str(tmp_path / "s.npz"), "--along", "x", "--json"]) == 0
    along = json.loads(capsys.readouterr().out)
    profile = jobs.run(sample_tasks.along(reading, "x"))
    shown = [None if np.isnan(value) else value for value in profile.profile.free_energy]
    assert shown == along["profile"]["free_energy_kT"]
    assert profile.column.along.title == along["along"]
    both = ((-np.inf, reading.boundary), (reading.boundary, np.inf))
    found = jobs.run(sample_tasks.differ(reading, "x", both)).found
    assert found.by_weights.value == states["by_weights"]["kT"]
    assert found.by_weights.error == states["by_weights"]["error_kT"]


def test_reference_frames_are_used_for_a_difference() -> None:
    reading = a_sample()
    rng = np.random.default_rng(4)
    frames = np.column_stack([np.where(np.arange(400) % 2, 1.7, -1.75) + 0.2 * rng.normal(size=400), np.zeros(400)])
    log_q = -0.5 * np.sum((frames / [2.0, 1.2]) ** 2, axis=1) - np.log(2 * np.pi * 2.4)
    ones = np.ones(400)
    origin = Origin("double-well", frames=frames, frame_log_weights=-energy(frames) - log_q, frame_weights=ones,
                    frame_runs=np.arange(400))  # fmt: skip
    column = reading.columns["x"]
    reading = replace(
        reading,
        sampled=Sampled(reading.sampled.samples, origin),
        columns={"x": replace(column, frames=frames[:, 0])},
    )
    found = jobs.run(sample_tasks.differ(reading, "x", ((-3.0, 0.0), (0.0, 3.0)))).found
    assert found.by_bar is not None
    assert found.by_bar.value == pytest.approx(found.by_weights.value, abs=4 * found.by_weights.error)


def test_frames_that_are_compared_with_keep_their_numbers() -> None:
    """Of every other frame from 10 on the last three were held back from the training."""
    given = SampleRequest(frames=FrameChoice((Path("run.xtc"),), None, "", tuple(range(10, 30, 2))))
    x = np.arange(20.0).reshape(10, 2)
    kept = np.array([7, 8, 9])
    origin = Origin("", frames=x[kept], frame_weights=np.ones(3), frame_runs=kept, frame_numbers=kept)
    task: Any = SimpleNamespace(examples=Examples(x, None, np.arange(10)))
    sampled: Any = SimpleNamespace(origin=origin)
    frames, weights, numbers = sample_tasks._compared(given, task, sampled)
    assert numbers.tolist() == [24, 26, 28]
    np.testing.assert_array_equal(frames, x[kept])
    np.testing.assert_allclose(weights, 1 / 3)


def test_states_on_a_circle_end_where_they_are_drawn() -> None:
    reading = a_sample()
    angle = replace(reading.columns["x"].along, period=360.0, unit="degrees")
    values = np.linspace(-180, 179, reading.sampled.samples.n_samples)
    reading = replace(reading, columns={"phi": Column(angle, values, np.zeros(5))})
    found = jobs.run(sample_tasks.differ(reading, "phi", ((-180.0, 0.0), (0.0, 180.0)))).found
    weights = np.exp(reading.sampled.samples.log_weights)
    expected = -np.log(weights[values >= 0].sum() / weights[values < 0].sum())
    assert found.by_weights.value == pytest.approx(expected, abs=1e-9)


def test_two_coordinates_compare_frames_with_weighted_samples() -> None:
    reading = a_sample()
    found = jobs.run(sample_tasks.map_of(reading, ("x", "variable 1")))
    samples = reading.sampled.samples
    weights = np.exp(samples.log_weights)
    left = found.weighted.first[1:] <= 0
    # bins that end at or before 0, summed by hand
    edge = found.weighted.first[1:][left].max()
    inside = weights[samples.x[:, 0] < edge].sum() / weights.sum()
    assert found.weighted.share[left].sum() == pytest.approx(inside, abs=1e-6)
    assert found.distance is not None
    assert found.frames is not None
    assert found.distance.total_variation == pytest.approx(np.abs(found.frames.share - found.weighted.share).sum() / 2)


def test_conformations_of_a_path_are_laid_on_one_another() -> None:
    reading = a_molecule_sample()
    assert reading.start is not None
    placed = sample_tasks.laid_on(reading.frames, reading.start)
    assert np.abs(placed - reading.start).max() < 0.06
    distances = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (placed[1], reading.frames[1].reshape(-1, 3))]
    np.testing.assert_allclose(*distances, atol=1e-6)


def test_frames_are_written_with_weights_that_a_fit_takes(tmp_path: Path) -> None:
    reading = a_molecule_sample()
    lines = [
        f"ATOM  {i + 1:5d}  C{i + 1}  BUT A   1    {10 * x:8.3f}{10 * y:8.3f}{10 * z:8.3f}  1.00  0.00           C"
        for i, (x, y, z) in enumerate(np.asarray(reading.start))
    ]
    origin = replace(reading.sampled.origin, structure="\n".join([*lines, "END", ""]))
    reading = replace(reading, sampled=Sampled(reading.sampled.samples, origin))
    files = jobs.run(sample_tasks.write(reading, tmp_path / "s.xtc", 12))
    assert files == (tmp_path / "s.xtc", tmp_path / "s.pdb", tmp_path / "s_weights.csv")
    frames = mdtraj.load_xtc(str(files[0]), top=mdtraj.load_pdb(str(files[1]), no_boxchk=True).topology)
    weights = read_prior(files[2], len(frames))
    assert np.unique(np.round(weights * 12, 6)).tolist() == [1.0] or (weights * 12 > 0.99).all()
    assert reading.start is not None
    assert np.abs(frames.xyz - reading.start).max() < 0.06
    assert "s.xtc" in sample_tasks.written(reading, files)
    assert sample_tasks.written(reading, files[:1]) == "Wrote 20 samples to s.xtc"


def test_coordinates_that_are_not_there_are_refused() -> None:
    with pytest.raises(BadInput, match="is no coordinate"):
        jobs.run(sample_tasks.measure(a_sample(), "phi 2"))


def test_log_weights_of_one_value_have_an_axis() -> None:
    made = draws(50)
    found = sample_tasks.weigh(made.u, np.zeros(50))
    assert found.counts.sum() == 50
    assert (np.diff(found.edges) > 0).all()
