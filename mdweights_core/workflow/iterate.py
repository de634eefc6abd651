"""Rounds of fit and flow: weights of a fit train a flow, its draws become frames, and these are fitted again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.importance import kish_fraction
from mdweights_core.flow.settings import SampleSettings
from mdweights_core.io.csv_files import write_csv
from mdweights_core.io.files import atomic_write_text, disk_problem
from mdweights_core.jobs import Job, Progress, Stopped
from mdweights_core.project import Project
from mdweights_core.scattering.settings import Execution
from mdweights_core.workflow.destination import check_destination
from mdweights_core.workflow.draws import Task, molecule_task, train_and_draw
from mdweights_core.workflow.ensemble_files import merged, resampled_draws, write_ensemble
from mdweights_core.workflow.examples import frames_of_source
from mdweights_core.workflow.fit import fit_project
from mdweights_core.workflow.sampled import Sampled, load_sampled, save_sampled

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule

STAGE = "rounds"
TABLE = "rounds.csv"
_SAMPLES, _FLOW, _MADE_FROM, _FIT = "samples.npz", "flow.npz", "made_from.json", "fit.mdw"
_FRAMES, _TOPOLOGY, _PRIOR = "frames.xtc", "frames.pdb", "weights.csv"
_HEADS = ("round", "project", "frames", "cc", "cc_held_out", "cc_before", "cc_before_held_out", "n_eff", "ess")
_BEYOND_CHANCE = 2.0  # standard errors


@dataclass(frozen=True)
class IterateSettings:
    """How rounds go.

    Attributes
    ----------
    rounds : int
    frames : int
        Draws that become frames in each, at most: repeats are one frame of more weight. 0 for as many as were fitted.
    sample : SampleSettings
    kind : str
        Of the coordinates.
    select : str
        Atoms of the project's frames that the structure has; all where empty.
    """

    rounds: int = 1
    frames: int = 0
    sample: SampleSettings = SampleSettings()
    kind: str = "internal"
    select: str = ""

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise BadInput(f"{self.rounds} rounds are none", advice="Give one at least")
        if self.frames and self.frames < 2:
            raise BadInput("a fit needs two frames at least", advice="Give more frames to a round")


@dataclass(frozen=True)
class Round:
    """A fit, and the draws that its frames were.

    Attributes
    ----------
    number : int
        0 for the fit that was there before.
    project : Path
    frames : int
    cc, cc_free : float
        Anisotropic correlation of the fit, on fitted and on held-out reflections.
    before, before_free : float
        The same with the weights before the fit: of the force field's ensemble, from round 1 on.
    n_free : int
        Held-out reflections.
    n_eff : float
        Effective frames.
    ess : float
        Effective sample size of the draws, a fraction; NaN for round 0.
    """

    number: int
    project: Path
    frames: int
    cc: float
    cc_free: float
    before: float
    before_free: float
    n_free: int
    n_eff: float
    ess: float


@dataclass(frozen=True)
class Rounds:
    """All rounds, the fit before them first.

    Attributes
    ----------
    rounds : tuple of Round
    stopped : bool
    remarks : tuple of str
    """

    rounds: tuple[Round, ...]
    stopped: bool
    remarks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Whether sampling anew helped, as held-out reflections see it."""
        first, *others = self.rounds
        if not others:
            return "No round came to its end."
        best = max(others, key=lambda one: np.nan_to_num(one.cc_free, nan=-1.0))
        if not np.isfinite(first.cc_free) or not np.isfinite(best.cc_free):
            return "No reflections are held out, so nothing tells whether the new frames are better than the first."
        told = f"from {first.cc_free:.3f} to {best.cc_free:.3f} at best (round {best.number})"
        error = float(np.hypot(_error(first), _error(best)))
        if best.cc_free - first.cc_free > _BEYOND_CHANCE * error:
            return f"The held-out correlation went {told}: the new frames explain the map better."
        if best.cc_free > first.cc_free:
            return f"The held-out correlation went {told}, within its error of {error:.3f}: it did not improve surely."
        return f"The held-out correlation did not improve (it went {told}): keep the first fit."


def iterate(
    project: Project,
    molecule: Molecule,
    energy: EnergySettings,
    settings: IterateSettings,
    out: Path,
    *,
    execution: Execution = Execution(),
) -> Job[Rounds]:
    """Train a flow on the frames of a fit with their weights, draw frames, fit them to the same map, and so on.

    The draws enter a fit with the weights that make them the force field's ensemble as its prior weights. Each round
    lies in a folder of its own in `out`; the same call goes on from what is there. Stopped, the rounds that came to
    their end are returned.

    Parameters
    ----------
    project : Project
        A finished fit of a trajectory.
    molecule : Molecule
        Of the atoms that the frames hold, or that `settings.select` leaves of them.
    energy : EnergySettings
        What its energy was made by.
    settings : IterateSettings
    out : Path
        Folder of all rounds.
    execution : Execution
        Where structure factors are computed.

    Raises
    ------
    BadInput
        Frames of other atoms, without atoms, or too few of them; a folder with rounds of something else.
    DiskProblem
        When the folder cannot be written to.
    """
    rounds, remarks = [_round(0, project, float("nan"))], list[str]()
    is_stopped = False
    try:
        for number in range(1, settings.rounds + 1):
            yield Progress(STAGE, number - 1, settings.rounds, f"round {number} of {settings.rounds}")
            now = project if number == 1 else Project.open(rounds[-1].project)
            task = _task(now, molecule, energy, settings)
            remarks += task.remarks
            made = yield from _made(number, project, task, settings, _folder(out, number), execution)
            if made is None:
                is_stopped = True
                break
            rounds.append(made)
            _write_table(rounds, out)
    except Stopped:
        is_stopped = True
    return Rounds(tuple(rounds), is_stopped, tuple(dict.fromkeys(remarks)))


def _made(
    number: int, first: Project, task: Task, settings: IterateSettings, folder: Path, execution: Execution
) -> Job[Round | None]:
    """Draw and fit; None where it was stopped."""
    sampled = yield from _drawn(task, settings, folder)
    if sampled is None:
        return None
    _write_frames(sampled, settings.frames or len(first.fit.weights), settings.sample.seed, folder)
    fitted = yield from _fitted(first, folder, execution)
    if fitted.fit.stopped:
        return None
    return _round(number, fitted, kish_fraction(sampled.samples.log_weights))


def _folder(out: Path, number: int) -> Path:
    """The folder of a round, made where it is not there."""
    folder = out / f"round{number}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_problem(error, folder) from error
    return folder


def _task(project: Project, molecule: Molecule, energy: EnergySettings, settings: IterateSettings) -> Task:
    from mdweights_core.io.frames.selection import select_atoms

    source = project.frame_source()
    if source is None:
        raise BadInput(
            "the frames of this project are structure factors without atoms",
            where=project.path,
            advice="Fit the trajectory itself",
        )
    if settings.select and len(source.atoms) != molecule.n_atoms:  # frames of later rounds have these atoms only
        source = source.select(select_atoms(source.atoms, settings.select))
    examples = frames_of_source(molecule, source, None, project.fit.weights)
    return molecule_task(molecule, energy, settings.sample.temperature, examples, kind=settings.kind)


def _drawn(task: Task, settings: IterateSettings, folder: Path) -> Job[Sampled | None]:
    """Draws of a round: those that are there, or new ones; None where it was stopped."""
    made_from, place = _fingerprint(task, settings), folder / _MADE_FROM
    if place.exists() and place.read_text(encoding="utf-8") != made_from:
        raise BadInput(
            "the folder holds a round of another fit, other settings or another structure",
            where=folder,
            advice="Choose another --out, or remove it to begin anew",
        )
    if (folder / _SAMPLES).exists():
        return load_sampled(folder / _SAMPLES)
    atomic_write_text(place, made_from)
    _, sampled = yield from train_and_draw(task, settings.sample, checkpoint=folder / _FLOW)
    if sampled.samples.n_samples < settings.sample.samples:
        return None
    save_sampled(sampled, folder / _SAMPLES)
    return sampled


def _fingerprint(task: Task, settings: IterateSettings) -> str:
    assert task.examples is not None
    digest = hashlib.sha256(task.origin.structure.encode())
    for values in (task.examples.x, task.examples.weights):
        digest.update(np.ascontiguousarray(values).tobytes())
    told = {"sample": asdict(settings.sample), "frames": settings.frames, "kind": settings.kind}
    return json.dumps({**told, "energy": task.origin.energy, "examples": digest.hexdigest()}, indent=1)


def _write_frames(sampled: Sampled, count: int, seed: int, folder: Path) -> None:
    """The frames of a round with their weights, the same ones every time; those that are there stay."""
    if all((folder / name).exists() for name in (_FRAMES, _TOPOLOGY, _PRIOR)):
        return
    for name in (_FRAMES, _TOPOLOGY):  # a topology alone would give the other one another name
        (folder / name).unlink(missing_ok=True)
    chosen = merged(resampled_draws(sampled.samples.log_weights, count, seed))
    if len(chosen.draws) < 2:
        raise BadInput(
            "One draw has all the weight, and a fit needs two frames at least",
            where=folder,
            advice="Train longer (--effort), or draw more (--samples)",
        )
    write_ensemble(sampled, chosen, folder / _FRAMES, folder / _PRIOR)


def _fitted(first: Project, folder: Path, execution: Execution) -> Job[Project]:
    """The fit of a round: the one that is there where it is of the same files, or a new one."""
    inputs = replace(
        first.inputs, frames=(folder / _FRAMES,), topology=folder / _TOPOLOGY, prior=folder / _PRIOR, only=None
    )
    out = folder / _FIT
    if out.exists():
        there = Project.open(out)
        is_same = there.inputs.to_json() == inputs.to_json() and there.fit_settings == first.fit_settings
        if is_same and not there.fit.stopped and not there.changed_files():
            return there
    check_destination(out)
    job = fit_project(
        inputs,
        first.predict_settings,
        first.fit_settings,
        out,
        validation_settings=None,
        meaning_settings=None,
        execution=execution,
    )
    return (yield from job)


def _round(number: int, project: Project, ess: float) -> Round:
    fit = project.fit
    return Round(
        number=number,
        project=project.path,
        frames=len(fit.weights),
        cc=fit.scores.cc_aniso,
        cc_free=fit.scores.cc_aniso_free,
        before=fit.uniform.cc_aniso,
        before_free=fit.uniform.cc_aniso_free,
        n_free=int(fit.free.sum()),
        n_eff=fit.n_eff,
        ess=ess,
    )


def _error(one: Round) -> float:
    """Standard error of a held-out correlation of independent reflections."""
    return float((1 - one.cc_free**2) / np.sqrt(max(one.n_free - 1, 1)))


def round_values(one: Round) -> dict[str, object]:
    """A round as plain values, for tables and JSON; None for what is not known."""
    numbers = (one.cc, one.cc_free, one.before, one.before_free, one.n_eff, one.ess)
    known = [float(value) if np.isfinite(value) else None for value in numbers]
    return dict(zip(_HEADS, (one.number, str(one.project), one.frames, *known), strict=True))


def _write_table(rounds: Sequence[Round], out: Path) -> None:
    rows = [["" if value is None else value for value in round_values(one).values()] for one in rounds]
    write_csv(out / TABLE, _HEADS, rows)
