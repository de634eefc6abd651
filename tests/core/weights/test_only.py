"""A fit of some frames: in every number that of a simulation which has no others, under the numbers frames had."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic import Truth, synthetic_problem

from mdweights_core import jobs
from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.errors import BadInput
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.frames import reader
from mdweights_core.weights.problem import WeightProblem, build_problem
from mdweights_core.weights.result import describe_fit, fit_summary, fitted_frames, name_of_prior, verdict
from mdweights_core.weights.selection.greedy import greedy_deletion
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.settings import FitSettings, ValidationSettings
from mdweights_core.weights.validation.validate import validate

N = 40
ONLY = (*range(3, 30, 2), 32, 33, 34, 39)
VALIDATION = ValidationSettings(folds=3, starts=2, thetas=3, samples=4)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return synthetic_problem(N, 400, n_true=15)


def stored(folder, truth: Truth, frames: np.ndarray) -> StructureFactorStore:
    table = FrameTable.blank(["frames.xtc"] * len(frames), frames)
    store = StructureFactorStore.create(
        folder / f"{len(frames)}.zarr", truth.problem.groups.p1, table, {"kind": "test"}
    )
    store.write(0, truth.f_p1[frames].astype(np.complex64))
    return store


@pytest.fixture(scope="module")
def stores(truth, tmp_path_factory) -> tuple[StructureFactorStore, StructureFactorStore]:
    """Of all frames, and of those to be fitted alone."""
    folder = tmp_path_factory.mktemp("only")
    return stored(folder, truth, np.arange(N)), stored(folder, truth, np.array(ONLY))


def problems(truth: Truth, stores, prior: np.ndarray | None = None, **settings) -> tuple[WeightProblem, WeightProblem]:
    p = truth.problem
    seen = DiffuseMap(p.groups.lattice, p.observed.astype(np.float32), free=p.free)
    mine = FitSettings(**settings)
    alone = None if prior is None else prior[list(ONLY)] / prior[list(ONLY)].sum()
    return (
        jobs.run(build_problem(seen, stores[0], mine, prior=prior, only=ONLY)),
        jobs.run(build_problem(seen, stores[1], mine, prior=alone)),
    )


@pytest.mark.parametrize("settings", [{}, {"tied_frames": 3}, {"n_eff_floor": 9.0}, {"max_frames": 6}])
@pytest.mark.parametrize("has_prior", [False, True])
def test_the_fit_is_that_of_these_frames_alone(truth, stores, settings, has_prior):
    prior = np.linspace(1.0, 2.0, N) / np.linspace(1.0, 2.0, N).sum() if has_prior else None
    some, alone = problems(truth, stores, prior, **settings)
    assert (some.n_frames, some.n_fitted, some.n_units) == (N, len(ONLY), alone.n_units)
    fit, other = (jobs.run(fit_weights(problem, FitSettings(**settings))) for problem in (some, alone))
    kept = np.isin(np.arange(N), ONLY)
    np.testing.assert_allclose(fit.weights[kept], other.weights, atol=1e-7)
    np.testing.assert_array_equal(fit.weights[~kept], 0.0)
    np.testing.assert_array_equal(fitted_frames(fit), kept)
    np.testing.assert_allclose(fit.prior[kept], other.prior, rtol=1e-12)
    np.testing.assert_allclose(fit.influence[kept], other.influence, atol=1e-8)
    np.testing.assert_allclose(fit.multipliers[kept], other.multipliers, atol=1e-6)
    assert np.isnan(fit.multipliers[~kept]).all()
    for scores, those in ((fit.scores, other.scores), (fit.uniform, other.uniform)):
        assert scores.cc_aniso == pytest.approx(those.cc_aniso, abs=1e-7)
        assert scores.cc_free == pytest.approx(those.cc_free, abs=1e-7)
    assert (fit.warnings, verdict(fit), fit.n_active) == (other.warnings, verdict(other), other.n_active)
    assert name_of_prior(fit) == name_of_prior(other)
    assert describe_fit(fit).startswith(f"{len(ONLY)} of {N} frames, ")
    assert (fit_summary(fit)["n_frames"], fit_summary(fit)["n_fitted"]) == (N, len(ONLY))


def test_the_validation_says_the_same_with_the_numbers_that_frames_have(truth, stores):
    found = []
    for problem in problems(truth, stores):
        fit = jobs.run(fit_weights(problem))
        found.append(jobs.run(validate(problem, fit, VALIDATION, runs=np.zeros(problem.n_frames, dtype=np.int64))))
    some, alone = found
    assert (some.conclusion, some.verdict) == (alone.conclusion, alone.verdict)
    for light, other in zip(some.lights[:-1], alone.lights[:-1], strict=True):
        if light.name != "concentration":  # names a frame
            assert light == other
    worst = int(np.nanargmax(np.abs(alone.leave_one_out)))
    assert some.lights[-1].value == alone.lights[-1].value.replace(f"frame {worst}:", f"frame {ONLY[worst]}:")
    np.testing.assert_array_equal(some.bootstrap.weight_error[list(ONLY)], alone.bootstrap.weight_error)
    assert not np.delete(some.bootstrap.weights, ONLY, axis=1).any()


def test_a_selection_goes_on_from_these_frames(truth, stores):
    some, alone = (
        jobs.run(greedy_deletion(problem, SelectionSettings(min_frames=5))) for problem in problems(truth, stores)
    )
    np.testing.assert_array_equal(np.flatnonzero(some.kept), np.array(ONLY)[alone.kept])
    np.testing.assert_array_equal(some.order[list(ONLY)], alone.order)
    assert (np.delete(some.order, ONLY) == -1).all()
    np.testing.assert_array_equal(np.flatnonzero(some.kept_after(0)), ONLY)
    assert some.path["n_kept"][0] == len(ONLY)


def test_frames_are_read_in_pieces(truth, stores, monkeypatch):
    whole, _ = problems(truth, stores)
    monkeypatch.setattr(reader, "_READ_BYTES", 1)
    monkeypatch.setattr(StructureFactorStore, "frames_per_chunk", 4)
    pieces, _ = problems(truth, stores, tied_frames=1)
    weights = np.full(len(ONLY), 1 / len(ONLY))
    np.testing.assert_allclose(pieces.of_frames(weights), whole.of_frames(weights))
    np.testing.assert_allclose(pieces.usual, whole.usual, rtol=1e-4)


def test_a_frame_that_is_not_there_is_named(truth, stores):
    p = truth.problem
    seen = DiffuseMap(p.groups.lattice, p.observed.astype(np.float32), free=p.free)
    with pytest.raises(BadInput, match="no frame 40: frames are numbered from 0 to 39"):
        jobs.run(build_problem(seen, stores[0], only=(1, 5, 40)))
