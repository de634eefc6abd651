"""Frames that a flow learns from: of trajectories and projects with their weights, or of short chains in toys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.reference.settings import ChainSettings
from mdweights_core.jobs import Job, Stopped
from mdweights_core.project import Project
from mdweights_core.weights.prior import read_prior

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule
    from mdweights_core.energy.toys.registry import Toy, ToyTarget
    from mdweights_core.flow.systems import Prepared
    from mdweights_core.io.frames.trajectories import FrameSource

_WALKERS = 64
_STEP = 0.4  # the first one tried
_DESCENT = 200  # steps from starts that may lie high, as a lattice of particles does
_BURN_IN = 1000
_ACCEPTED = 0.7  # share of moves that a step is short enough for
_LOOKED_AT = 1000  # frames whose energies are looked at
_SPREADS = 10.0  # of thermal energies: beyond, a frame is not one of the ensemble
_MARGIN = 50.0  # kT


@dataclass(frozen=True, eq=False)
class Examples:
    """Configurations to learn from.

    Attributes
    ----------
    x : float [T, N]
    weights : float64 [T], optional
        None for frames of the ensemble itself.
    runs : int [T]
        The simulation that each is of; those of one lie together, in order of time.
    energies : int
        Computed to make them.
    know_populations : bool
        Whether they are in proportion over all states, and not only within each.
    notes : tuple of str
    """

    x: np.ndarray
    weights: np.ndarray | None
    runs: np.ndarray
    energies: int = 0
    know_populations: bool = True
    notes: tuple[str, ...] = ()


def frames_of_source(
    molecule: Molecule, source: FrameSource, chosen: Sequence[int] | None, weights: np.ndarray | None
) -> Examples:
    """Frames of the molecule's atoms, in nm.

    Parameters
    ----------
    molecule : Molecule
    source : FrameSource
    chosen : sequence of int, optional
        Which, from 0; all by default.
    weights : float64 [n_frames], optional
        Of all frames; those of weight zero are left out.

    Raises
    ------
    BadInput
        Other atoms, no such frame, or no weight on any of them.
    """
    from mdweights_core.minimize.starts import frame_starts

    frames = np.arange(source.n_frames) if chosen is None else np.array(chosen, dtype=np.int64)
    beyond = frames[frames >= source.n_frames]
    if len(beyond):
        raise BadInput(
            f"There is no frame {beyond[0]}: there are {source.n_frames}, counted from 0", where=source.paths[0]
        )
    files = np.repeat(np.arange(len(source.parts)), [count for _, count in source.parts])
    notes: tuple[str, ...] = ()
    if weights is not None:
        kept = frames[weights[frames] > 0]
        if not len(kept):
            raise BadInput("No frame that was chosen has a weight", advice="Choose others")
        if len(kept) < len(frames):
            notes = (f"{counted(len(frames) - len(kept), 'frame')} of weight 0 are left out of {len(frames)}.",)
        frames = kept
    x = frame_starts(molecule.topology, source, frames.tolist())
    share = None if weights is None else weights[frames] / weights[frames].sum()
    return Examples(x.reshape(len(x), -1), share, files[frames], notes=notes)


def source_and_weights(
    frames: Sequence[Path], topology: Path | None, project: Path | None, weights: Path | None
) -> tuple[FrameSource, np.ndarray | None]:
    """A trajectory with the weights of a file, or that of a project with the weights of its fit.

    Raises
    ------
    BadInput
        When they cannot be read, or do not fit one another.
    """
    from mdweights_core.io.frames.trajectories import open_frames

    fitted = None
    if project is None:
        source = open_frames(list(frames), topology)
    else:
        opened = Project.open(project)
        found, fitted = opened.frame_source(), opened.fit.weights
        if found is None:
            raise BadInput(
                "the frames of this project are structure factors without atoms",
                where=project,
                advice="Give the trajectory with --frames",
            )
        source = found
    return source, fitted if weights is None else read_prior(weights, source.n_frames)


def toy_examples(toy: Toy, count: int, seed: int = 0) -> Job[Examples]:
    """About `count` configurations of a toy system, by exact chains from its starts; their energies are counted.

    Chains that are shorter than what they need to cross from state to state tell of states, and not of how much each
    of them weighs.
    """
    from mdweights_core.flow.reference.chains import run_chains, spread_over

    target = toy.make()
    walkers = min(_WALKERS, count)
    starts = spread_over(target.starts, walkers, np.float64)
    settings, starts, spent = yield from _paced(target, starts, seed)
    chains = yield from run_chains(target, starts, replace(settings, frames=-(-count // walkers), burn_in=_BURN_IN))
    if chains.stopped:
        raise Stopped
    x = chains.x.transpose(1, 0, 2).reshape(-1, target.n)
    spent += chains.evaluations
    note = (
        f"{len(x)} examples of chains from {counted(len(target.starts), 'start')} took {spent} energies; "
        "how much each state weighs is not known from them."
    )
    return Examples(x, None, np.repeat(np.arange(walkers), len(chains.x)), spent, False, (note,))


def _paced(target: ToyTarget, starts: np.ndarray, seed: int) -> Job[tuple[ChainSettings, np.ndarray, int]]:
    """Steps of which enough are accepted, found by halving; where the walkers have come, and the energies it took."""
    from mdweights_core.flow.reference.chains import run_chains

    settings = ChainSettings(frames=1, stride=20, burn_in=80, descent=_DESCENT, step=_STEP, moves="hybrid", seed=seed)
    spent = 0
    while True:
        found = yield from run_chains(target, starts, settings)
        spent += found.evaluations
        if found.stopped:
            raise Stopped
        starts, settings = found.x[-1], replace(settings, descent=0)
        if found.acceptance >= _ACCEPTED or settings.step < 1e-4:
            return replace(settings, seed=seed + 1), starts, spent
        settings = replace(settings, step=settings.step / 2)


def remarks_on_energies(prepared: Prepared) -> tuple[str, ...]:
    """What the energies of the examples tell of them.

    Raises
    ------
    BadInput
        When there are examples whose energy is not a number.
    """
    if prepared.examples is None:
        return ()
    from mdweights_core.flow.evaluate import energies_at

    count = len(prepared.examples)
    chosen = np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int)
    u = energies_at(prepared.target, prepared.examples[chosen])
    broken = np.flatnonzero(~np.isfinite(u))
    if len(broken):
        raise BadInput(
            f"The energy of example {chosen[broken[0]]}, and of {len(broken)} of {len(u)} looked at, is not a number",
            advice="Leave such frames out, or minimise them first (mdweights minimize)",
        )
    middle = float(np.median(u))
    high = u > middle + _MARGIN + _SPREADS * np.sqrt(prepared.coordinates.n / 2)
    if not high.any():
        return ()
    return (
        f"{counted(int(high.sum()), 'example')} of {len(u)} looked at have energies far above the others (up to "
        f"{u.max() - middle:.0f} kT above the middle one): they are not of this ensemble. Leave frames out that are "
        "not equilibrated.",
    )
