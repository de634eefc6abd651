"""What the window's worker does with parameters: numbers of the core, runs stopped and gone on with, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import pytest
from support.amide import write_structure

from app.models.force_field_readings import EnsembleReading, EnsembleRequest, Loaded, SystemRequest, derivatives_so_far
from app.workers import force_field_tasks as tasks
from mdweights_core import jobs
from mdweights_core.dynamics.models.form_settings import FormSettings, typed_parameters
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.tuning.settings import TuneSettings
from mdweights_core.errors import BadInput
from mdweights_core.io.csv_files import write_csv
from mdweights_core.jobs import Progress
from mdweights_core.workflow.sensitivity_values import read_values

SMALL = SensitivitySettings(friction=5.0, replicas=64, steps=400, burn_in=100, blocks=16)
SPRING = SystemRequest(small="oscillator")


@pytest.fixture(scope="module")
def spring() -> Loaded:
    return jobs.run(tasks.load(SPRING))


@pytest.fixture(scope="module")
def request_of(spring: Loaded) -> EnsembleRequest:
    return EnsembleRequest(SPRING, spring.parameters, spring.observables, SMALL)


@pytest.fixture(scope="module")
def stopped_and_resumed(
    spring: Loaded, request_of: EnsembleRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EnsembleReading, EnsembleReading, list[Progress]]:
    """A run that was stopped when samples counted, and the same gone on with."""
    checkpoint = tmp_path_factory.mktemp("run") / "run.npz"
    seen: list[Progress] = []
    job = tasks.sensitivities(spring, replace(request_of, simulation=replace(SMALL, steps=20_000)), checkpoint)
    for snapshot in job:
        seen.append(snapshot)
        if "values" in snapshot.arrays:
            break
    stopped = jobs.stop(job)
    assert stopped is not None
    return stopped, jobs.run(tasks.sensitivities(spring, stopped.request, checkpoint)), seen


def test_a_system_comes_with_its_parameters_and_something_to_observe(spring: Loaded) -> None:
    assert [(row.name, row.value, row.low) for row in spring.parameters] == [("k", 1.0, 0.0)]
    assert [row.name for row in spring.observables] == ["x 0", "x^2 0"]


def test_snapshots_tell_derivatives_and_what_they_are_of(
    stopped_and_resumed: tuple[EnsembleReading, EnsembleReading, list[Progress]],
) -> None:
    stopped, found, seen = stopped_and_resumed
    live = derivatives_so_far(seen[-1])
    assert live is not None
    assert (live.observables, live.parameters) == (("x 0", "x^2 0"), ("k",))
    assert list(live.theta) == [1.0]
    assert set(live.estimates) == {"pathwise", "likelihood", "covariance"}
    assert stopped.is_stopped
    assert not found.is_stopped
    assert stopped.found is not None
    assert found.found is not None
    assert stopped.found.steps < found.found.steps == 20_000


def test_derivatives_are_those_of_the_closed_form(
    stopped_and_resumed: tuple[EnsembleReading, EnsembleReading, list[Progress]],
) -> None:
    found = stopped_and_resumed[1].found
    assert found is not None
    for estimate in found.estimates.values():  # <x^2> = kT / k, with kT = k = 1
        assert abs(estimate.jacobian[1, 0] + 1.0) < 4.5 * estimate.error[1, 0]
        assert estimate.error[1, 0] < 0.2


def test_a_spring_is_tuned_with_a_prior_and_written_as_values(
    spring: Loaded, request_of: EnsembleRequest, tmp_path: Path
) -> None:
    rows = tuple(replace(row, value=0.5, sigma=0.02) if "^2" in row.name else row for row in spring.observables)
    parameters = (replace(spring.parameters[0], value=1.5, high=9.0, centre=2.0, width=5.0),)
    request = replace(request_of, parameters=parameters, observables=rows, tuning=TuneSettings(iterations=6))
    seen: list[Progress] = []
    reading = jobs.run(tasks.tune(spring, request, tmp_path / "fit.npz"), seen.append)
    tuning = reading.tuning
    assert tuning is not None
    assert tuning.start == pytest.approx([1.5])
    assert abs(tuning.values[0] - 2.0) < 4.5 * tuning.errors[0]
    assert tuning.errors[0] < 0.5
    trace = [it.arrays["theta"] for it in seen if "trace_chi2" in it.arrays]
    assert all((theta > 0).all() and (theta < 9.0).all() for theta in trace)
    assert jobs.run(tasks.save(reading, tmp_path / "k.toml")) == (tmp_path / "k.toml",)
    assert read_values(tmp_path / "k.toml") == pytest.approx({"k": tuning.values[0]})
    jobs.run(tasks.save(reading, tmp_path / "j.csv"))
    assert (tmp_path / "j.csv").read_text().startswith("observable,value,value_error,parameter,pathwise")


def test_targets_are_read_into_the_rows_and_others_are_added(spring: Loaded, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    write_csv(
        table, ["observable", "value", "sigma", "held_out"], [["x^2 0", "0.5", "0.1", "yes"], ["x 0", "0", "1", ""]]
    )
    rows = jobs.run(tasks.read_targets(spring, table, spring.observables))
    assert [(row.name, row.value, row.sigma, row.is_held_out) for row in rows] == [
        ("x 0", 0.0, 1.0, False),
        ("x^2 0", 0.5, 0.1, True),
    ]
    write_csv(table, ["observable", "value", "sigma"], [["x^4 0", "3", "0.1"]])
    rows = jobs.run(tasks.read_targets(spring, table, spring.observables))
    assert [(row.text, row.name, row.value) for row in rows] == [("x^4 0", "x^4 0", 3.0)]


def test_what_makes_no_sense_is_refused(spring: Loaded, request_of: EnsembleRequest, tmp_path: Path) -> None:
    unticked = replace(request_of, parameters=(replace(spring.parameters[0], is_chosen=False),))
    bounds = replace(request_of, parameters=(replace(spring.parameters[0], low=3.0, high=2.0),))
    for request, said in ((unticked, "No parameter is ticked"), (bounds, "The bounds of k"),
                          (replace(request_of, observables=()), "nothing to observe")):  # fmt: skip
        with pytest.raises(BadInput, match=said):
            jobs.run(tasks.sensitivities(spring, request, tmp_path / "c.npz"))
    with pytest.raises(BadInput, match="Nothing was observed"):
        jobs.run(tasks.tune(spring, replace(request_of, tuning=TuneSettings()), tmp_path / "c.npz"))
    with pytest.raises(BadInput, match="names no observable"):
        jobs.run(tasks.look_at(spring, "colour"))


@pytest.mark.parametrize(
    ("expression", "values", "said"), [("k*(r-r0", "k=1, r0=1", "\\)"), ("k*r", "k=1, a=2", "does not use a")]
)
def test_expressions_that_cannot_be_used_are_refused(expression: str, values: str, said: str) -> None:
    form = FormSettings("mine", "bond", expression, typed_parameters(values))
    with pytest.raises(BadInput, match=said):
        jobs.run(tasks.read_form(form))


def test_a_network_is_simulated_and_its_ensemble_becomes_frames(tmp_path: Path) -> None:
    structure = write_structure(tmp_path)
    system = SystemRequest(structure=structure, network=NetworkSettings(cutoff=1.0), select="all")
    loaded = jobs.run(tasks.load(system))
    assert [row.name for row in loaded.observables] == ["Rg (nm)"]
    simulation = replace(SMALL, replicas=16, steps=40, burn_in=10, estimators=("covariance",))
    request = EnsembleRequest(system, loaded.parameters, loaded.observables, simulation)
    reading = jobs.run(tasks.sensitivities(loaded, request, tmp_path / "c.npz"))
    assert reading.can_be_frames
    files = jobs.run(tasks.write_frames(reading, tmp_path / "e.xtc"))
    frames = mdtraj.load(files[0], top=files[1])
    assert frames.n_atoms == 12
    assert frames.n_frames == len(reading.frames) == 16 * 4
    np.testing.assert_allclose(frames.xyz.mean(axis=0), loaded.studied.reference, atol=0.05)
