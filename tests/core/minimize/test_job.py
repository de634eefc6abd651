"""The job: what it returns, how it is stopped and gone on with, and what it says of bad starts and disks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.energy.base import Energy, value_and_gradient
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.jobs import Job
from mdweights_core.minimize import job as job_module
from mdweights_core.minimize.job import minimize
from mdweights_core.minimize.result import NOT_BEGUN, Minimisation, load, save, summary
from mdweights_core.minimize.settings import METHODS, MinimizeSettings


@pytest.fixture(autouse=True)
def every_step_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yield after every evaluation."""
    monkeypatch.setattr(job_module, "Clock", lambda interval=0.0: jobs.Clock(0.0))


def killed_after(job: Job[Minimisation], steps: int) -> None:
    """Drive a job some steps and let it die without a word."""
    for _ in range(steps):
        next(job)
    job.close()


def test_a_result_tells_of_every_start(chain: Energy, bent_chains: np.ndarray) -> None:
    settings = MinimizeSettings(tolerance=0.01)
    found = jobs.run(minimize(chain, bent_chains, settings, reference=bent_chains[0]))
    assert found.ends == ("converged",) * 4
    for i in range(4):
        value, gradient = value_and_gradient(chain, found.x[i])
        assert found.energy[i] == pytest.approx(float(value), abs=1e-12)
        assert found.rms_force[i] == pytest.approx(float(np.sqrt(np.mean(np.square(gradient)))))
        assert found.start_energy[i] == pytest.approx(float(value_and_gradient(chain, bent_chains[i])[0]))
        trace = found.trace(i)
        assert trace["evaluations"].tolist() == list(range(1, found.evaluations[i] + 1))
        assert (np.diff(trace["seconds"]) >= 0).all()
        assert trace["energy"][-1] == found.energy[i]
        there = found.until(i, 1.0)
        assert there is not None
        assert trace["rms_force"][there[0] - 1] <= 1.0 < trace["rms_force"][there[0] - 2]
    assert found.until(0, 1e-9) is None
    assert found.rmsd_to_reference[0] == found.rmsd_to_start[0] > 0


def test_progress_shows_where_a_start_is(chain: Energy, bent_chains: np.ndarray) -> None:
    seen: list[jobs.Progress] = []
    found = jobs.run(minimize(chain, bent_chains[:2]), seen.append)
    assert [progress.step for progress in seen] == sorted(progress.step for progress in seen)
    assert "compiling" in seen.pop(0).message
    assert {progress.values["start"] for progress in seen} == {0.0, 1.0}
    assert seen[-1].arrays["energy"].tolist() == found.trace(1)["energy"][: len(seen[-1].arrays["energy"])].tolist()
    assert seen[-1].arrays["x"].shape == (20, 3)
    assert "kJ/mol/nm" in seen[-1].message


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("together", [1, 3])
def test_a_killed_run_comes_to_the_same_end(
    chain: Energy, bent_chains: np.ndarray, tmp_path: Path, method: str, together: int
) -> None:
    settings = MinimizeSettings(method=method, tolerance=1.0, max_evaluations=25, together=together)
    whole = jobs.run(minimize(chain, bent_chains, settings))
    place = tmp_path / "run.npz"
    for steps in (7, 12):
        killed_after(minimize(chain, bent_chains, settings, checkpoint=place, save_seconds=0.0), steps)
    gone_on = jobs.run(minimize(chain, bent_chains, settings, checkpoint=place, save_seconds=0.0))
    np.testing.assert_array_equal(gone_on.x, whole.x)
    np.testing.assert_array_equal(gone_on.trace_energy, whole.trace_energy)
    np.testing.assert_array_equal(gone_on.evaluations, whole.evaluations)
    assert gone_on.ends == whole.ends


def test_a_stopped_run_keeps_what_it_has_and_goes_on(chain: Energy, bent_chains: np.ndarray, tmp_path: Path) -> None:
    settings = MinimizeSettings(tolerance=0.01)
    place = tmp_path / "run.npz"
    running = minimize(chain, bent_chains, settings, checkpoint=place)
    while next(running).values.get("start", 0) < 1:
        pass
    stopped = jobs.stop(running)
    assert stopped is not None
    assert stopped.ends == ("converged", "stopped", NOT_BEGUN, NOT_BEGUN)
    assert np.isfinite(stopped.energy[:2]).all()
    assert np.isnan(stopped.energy[2:]).all()
    np.testing.assert_array_equal(stopped.x[2:], bent_chains[2:])
    assert summary(stopped)["starts"][3]["energy"] is None
    whole = jobs.run(minimize(chain, bent_chains, settings))
    gone_on = jobs.run(minimize(chain, bent_chains, settings, checkpoint=place))
    np.testing.assert_array_equal(gone_on.x, whole.x)


def test_a_finished_checkpoint_is_the_result(chain: Energy, bent_chains: np.ndarray, tmp_path: Path) -> None:
    place = tmp_path / "run.npz"
    whole = jobs.run(minimize(chain, bent_chains, checkpoint=place))
    again = minimize(chain, bent_chains, checkpoint=place)
    seen: list[jobs.Progress] = []
    np.testing.assert_array_equal(jobs.run(again, seen.append).x, whole.x)
    assert len(seen) == 1


def test_a_checkpoint_of_something_else_is_refused(chain: Energy, bent_chains: np.ndarray, tmp_path: Path) -> None:
    place = tmp_path / "run.npz"
    jobs.run(minimize(chain, bent_chains[:1], checkpoint=place))
    others = (
        (chain, bent_chains[:1] + 1e-9, MinimizeSettings()),
        (chain, bent_chains[:1], MinimizeSettings(tolerance=0.2)),
        (chain.without("torsions"), bent_chains[:1], MinimizeSettings()),
    )
    for energy, starts, settings in others:
        with pytest.raises(BadInput, match="of other starts, another energy or other settings"):
            jobs.run(minimize(energy, starts, settings, checkpoint=place))
    place.write_bytes(place.read_bytes()[:300])
    with pytest.raises(BadInput, match="damaged"):
        jobs.run(minimize(chain, bent_chains[:1], checkpoint=place))


def test_a_full_disk_is_told_and_loses_nothing(
    chain: Energy, bent_chains: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise DiskProblem("The disk is full", where=tmp_path)

    monkeypatch.setattr(job_module, "save_run", full)
    found = jobs.run(minimize(chain, bent_chains, checkpoint=tmp_path / "run.npz", save_seconds=0.0))
    assert found.ends == ("converged",) * 4
    assert [note for note in found.notes if "The disk is full" in note] == list(found.notes)


def test_starts_with_atoms_on_one_another_are_told(cluster: Energy, icosahedron: np.ndarray) -> None:
    starts = np.stack([icosahedron, 1.01 * icosahedron])
    starts[0, 3] = starts[0, 4]
    found = jobs.run(minimize(cluster, starts))
    assert found.ends == ("energy not finite", "converged")
    assert "The energy of 1 start is not finite" in found.notes[0]
    np.testing.assert_array_equal(found.x[0], starts[0])


def test_a_limit_is_told(chain: Energy, bent_chains: np.ndarray) -> None:
    found = jobs.run(minimize(chain, bent_chains, MinimizeSettings(max_evaluations=3)))
    assert "4 starts used up the evaluations" in found.notes[0]


def test_fixed_atoms_stay_where_each_start_has_them(chain: Energy, bent_chains: np.ndarray) -> None:
    fixed = np.arange(20) >= 15
    found = jobs.run(minimize(chain, bent_chains, MinimizeSettings(together=4), fixed=fixed))
    np.testing.assert_array_equal(found.x[:, fixed], bent_chains[:, fixed])
    assert found.ends == ("converged",) * 4


def test_bad_starts_are_refused(chain: Energy, bent_chains: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"19 atoms, and the molecule 20"):
        jobs.run(minimize(chain, bent_chains[:, :19]))
    holes = bent_chains.copy()
    holes[2, 3, 0] = np.nan
    with pytest.raises(BadInput, match="Start 3 has coordinates that are not numbers"):
        jobs.run(minimize(chain, holes))
    with pytest.raises(BadInput, match="All atoms are fixed"):
        jobs.run(minimize(chain, bent_chains, fixed=np.ones(20, dtype=bool)))


@pytest.mark.parametrize(
    "wrong",
    [{"method": "newton"}, {"tolerance": 0.0}, {"max_evaluations": 0}, {"together": 0}, {"min_delta": -1.0}],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict) -> None:
    with pytest.raises(BadInput):
        MinimizeSettings(**wrong)


def test_a_result_is_read_back_as_it_was(chain: Energy, bent_chains: np.ndarray, tmp_path: Path) -> None:
    found = jobs.run(minimize(chain, bent_chains[:2], reference=bent_chains[0]))
    save(found, tmp_path / "found.npz")
    read = load(tmp_path / "found.npz")
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(read, name), value)
    (tmp_path / "found.npz").write_bytes(b"no result")
    with pytest.raises(BadInput, match="not a minimisation"):
        load(tmp_path / "found.npz")
