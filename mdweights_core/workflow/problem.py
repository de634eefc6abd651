"""From files to a weight problem: the map, the structure factors of the frames, and what goes beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Job, Progress
from mdweights_core.project import FitInputs
from mdweights_core.scattering.frame_run import (
    check,
    compute,
    in_project,
    is_done,
    settings_behind,
    with_fitted_solvent,
)
from mdweights_core.scattering.settings import Execution, PredictSettings
from mdweights_core.scattering.storage.names import begin_with_older
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.bragg import BraggData, bragg_data, bragg_lattice, union
from mdweights_core.weights.prior import read_prior
from mdweights_core.weights.settings import FitSettings
from mdweights_core.workflow.runs import load_map, run_on_map

if TYPE_CHECKING:
    from mdweights_core.scattering.frames.checks import FrameCheck
    from mdweights_core.weights.problem import WeightProblem


class FrameFactors(NamedTuple):
    """Structure factors of all frames, what they were computed with, and whether they were given as a store."""

    store: StructureFactorStore
    settings: PredictSettings
    is_given: bool


def weight_problem(
    inputs: FitInputs,
    predict_settings: PredictSettings,
    fit_settings: FitSettings,
    out: Path,
    *,
    execution: Execution = Execution(),
    memory: float | None = None,
    bragg: Path | None = None,
    on_check: Callable[[FrameCheck], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Job[tuple[WeightProblem, FrameFactors]]:
    """Read the map and get the frames' structure factors: what weights are fitted to. Arguments as of `fit_project`."""
    yield Progress("reading", message=f"Reading {Path(inputs.map).name}")
    diffuse_map = load_map(inputs)
    bragg_intensities = None
    if inputs.bragg is not None and fit_settings.bragg_weight > 0:
        bragg_intensities = bragg_data(
            inputs.bragg,
            diffuse_map.lattice,
            inputs.d_min,
            inputs.d_max,
            free_fraction=fit_settings.free_fraction,
            seed=fit_settings.seed,
        )
    factors = yield from structure_factors_of(
        inputs,
        diffuse_map,
        predict_settings,
        out,
        execution=execution,
        bragg=bragg,
        beside=bragg_intensities,
        on_check=on_check,
        on_note=on_note,
    )
    n_frames = factors.store.n_frames
    prior = None if inputs.prior is None else read_prior(inputs.prior, n_frames)
    from mdweights_core.weights.problem import build_problem  # loads JAX, too

    problem = yield from build_problem(
        diffuse_map,
        factors.store,
        fit_settings,
        prior=prior,
        only=inputs.only,
        bragg=bragg_intensities,
        memory=memory,
        scratch=out if out.is_dir() else out.parent,
    )
    return problem, factors


def structure_factors_of(
    inputs: FitInputs,
    diffuse_map: DiffuseMap,
    settings: PredictSettings,
    out: Path,
    *,
    execution: Execution = Execution(),
    bragg: Path | None = None,
    beside: BraggData | None = None,
    on_check: Callable[[FrameCheck], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Job[FrameFactors]:
    """The frames' structure factors on the map's lattice: of the store given, or of one in the folder `out`.

    Those that are there already are not computed again. Arguments and errors as of `fit_project`; Bragg reflections
    `beside` the map join its lattice.
    """
    run = yield from run_on_map(inputs, diffuse_map, settings, out)
    if run is not None and beside is not None:
        lattice = union(run.lattice, bragg_lattice(beside, run.lattice))
        run = replace(run, lattice=lattice)
    if run is None:
        store = open_complete_store(inputs.frames[0])
        return FrameFactors(store, settings_behind(store) or settings, is_given=True)
    run = in_project((yield from with_fitted_solvent(run, bragg)), out)
    if on_note is not None and run.note:
        on_note(run.note)
    if on_check is not None and not is_done(run) and (checked := (yield from check(run))):
        on_check(checked)
    yield from begin_with_older(run.out, run.key)
    return FrameFactors((yield from compute(run, execution)), run.settings, is_given=False)


def open_complete_store(path: Path) -> StructureFactorStore:
    """A store all of whose frames are finished."""
    store = StructureFactorStore.open(path)
    if not store.is_complete:
        done = int(store.finished.sum())
        raise BadInput(
            f"only {done} of {store.n_frames} frames are finished",
            where=path,
            advice="Run `mdweights predict` again with the same arguments; it goes on where it stopped",
        )
    return store
