"""Stages on a small loop system: counted, stopped, and better than the same effort without them."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.energy.loops import STEEP_CORE, Loops
from mdweights_core.minimize.base import End
from mdweights_core.minimize.cartesian import FreeAtoms
from mdweights_core.minimize.evaluation import evaluator
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.minimize.slow_modes import published_linear_stages, published_network_stages, slow_mode_stages
from mdweights_core.minimize.stages import Stage, minimize_in_stages
from mdweights_core.modes.backbone import backbone_modes

SYSTEM = Loops(100)
EVALUATE = evaluator(SYSTEM.energy(core=STEEP_CORE), batched=True)
BACKBONE = backbone_modes(SYSTEM.expected_norms(), 100)


def test_slow_modes_come_near_the_bound_and_lbfgs_does_not() -> None:
    system = Loops(240)
    evaluate = evaluator(system.energy(core=STEEP_CORE), batched=True)
    starts, limit = system.gaussian_starts(2, seed=1), 800
    backbone = backbone_modes(system.expected_norms(), 240)
    found = jobs.run(minimize_in_stages(evaluate, starts, slow_mode_stages(backbone, limit)))
    settings = MinimizeSettings(method="lbfgs", max_evaluations=limit, tolerance=1e-8, max_step=0.3)
    other = jobs.run(minimize_in_stages(evaluate, starts, [Stage(FreeAtoms(starts[0]), settings)]))
    assert (system.score(found.x) < 0.98 * system.lower_bound).all()
    assert (system.score(other.x) > 0.9 * system.lower_bound).all()
    assert found.evaluations.sum(axis=0).max() <= limit


def test_each_stage_begins_where_the_last_one_ended() -> None:
    start = SYSTEM.gaussian_starts(1, seed=2)
    stages = slow_mode_stages(BACKBONE, 200)
    whole = jobs.run(minimize_in_stages(EVALUATE, start, stages))
    x = start
    for stage in stages:
        part = jobs.run(minimize_in_stages(EVALUATE, x, [stage]))
        x = part.x
    np.testing.assert_allclose(whole.x, x, atol=1e-12)
    assert whole.energy[0] == pytest.approx(EVALUATE(whole.x)[0][0], rel=1e-12)
    assert whole.evaluations.shape == (4, 1)


def test_a_stopped_run_returns_where_it_is() -> None:
    job = minimize_in_stages(EVALUATE, SYSTEM.gaussian_starts(2, seed=3), slow_mode_stages(BACKBONE, 10**6))
    progress = next(job)
    assert "stage 1 of 4" in progress.message
    found = jobs.stop(job)
    assert found is not None
    assert found.ends == [End.STOPPED] * 2
    assert np.isfinite(found.x).all()
    assert found.evaluations[0].min() > 0
    assert (found.evaluations[1:] == 0).all()


def test_about_an_origin_the_start_is_kept() -> None:
    start = SYSTEM.chain_starts(1, seed=4)
    stage = slow_mode_stages(BACKBONE, 100, origin=start[0])[0]
    np.testing.assert_allclose(stage.variables.coordinates(stage.variables.variables(start)), start, atol=1e-12)


@pytest.mark.parametrize("make", [published_linear_stages, published_network_stages])
def test_published_settings_lower_the_energy_and_stop_early(make) -> None:  # type: ignore[no-untyped-def]
    starts = SYSTEM.gaussian_starts(2, seed=5)
    evaluate = evaluator(SYSTEM.energy(), batched=True)
    stages = make(BACKBONE.first(33), min_delta=1e-4)
    found = jobs.run(minimize_in_stages(evaluate, starts, stages))
    assert found.ends == [End.EARLY] * 2
    first = stages[0].variables
    assert (found.energy < evaluate(first.coordinates(first.variables(starts)))[0]).all()
