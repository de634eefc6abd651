"""Springs of a crystal from its diffuse map: the whole job, from a structure file to a tuned network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap, same_cell
from mdweights_core.dynamics.crystal_network.comparison import Comparison, comparison_of
from mdweights_core.dynamics.crystal_network.draws import draw_frames
from mdweights_core.dynamics.crystal_network.intensities import UnitWaves
from mdweights_core.dynamics.crystal_network.least_squares import B_OF_U, DAMPING, Fit, State, steps
from mdweights_core.dynamics.crystal_network.liquid import LiquidLike, fit_liquid
from mdweights_core.dynamics.crystal_network.motions import Motions
from mdweights_core.dynamics.crystal_network.result import Agreement, NetworkFit
from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.dynamics.crystal_network.springs import springs_of
from mdweights_core.dynamics.crystal_network.units import Crystal, crystal_of
from mdweights_core.errors import BadInput
from mdweights_core.io.checkpoints import Keeper, fingerprint, load_checkpoint, save_checkpoint
from mdweights_core.io.frames.selection import select_atoms
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.jobs import Clock, Job, Progress, Stopped

STAGE, PREDICTING = "springs of the crystal", "diffuse map of the network"
_AT_ONCE = 500  # reflections between two snapshots


@dataclass(frozen=True, eq=False)
class _Walk:
    """From where steps go on: logarithms of force constants, damping, and the correlations so far."""

    logarithms: np.ndarray
    damping: float = DAMPING
    history: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class _Tuned:
    """Where springs have come to, and the whole map they predict, None when the fit was stopped."""

    state: State
    history: list[float]
    calculated: np.ndarray | None


def fit_network(
    structure: str | os.PathLike[str],
    observed: DiffuseMap,
    settings: CrystalNetworkSettings = CrystalNetworkSettings(),
    *,
    selection: str = "not element H",
    checkpoint: Path | None = None,
) -> Job[NetworkFit]:
    """Tune an elastic network of a unit cell to a diffuse map, and compare it with liquid-like motions.

    The network is harmonic, so that all is known in closed form: covariances, B factors, diffuse intensities to all
    orders and their derivatives. Its cell is periodic and its modes are those of the zone centre: it predicts
    intensities at whole indices only, where correlations reach no further than a cell (see `springs`). Stopped, it
    returns the springs there are, with neither predictions of the whole map nor liquid-like motions.

    Parameters
    ----------
    structure : path
        PDB or mmCIF file with the asymmetric unit.
    observed : DiffuseMap
        At whole indices, with the crystal's cell and space group.
    settings : CrystalNetworkSettings
    selection : str
        Atoms that scatter.
    checkpoint : Path, optional
        Written after each step; a fit goes on from one of the same crystal, map and settings.

    Raises
    ------
    BadInput
        A map between whole indices, another cell, too few reflections or atoms.
    """
    clock = Clock()
    crystal = crystal_from(structure, observed, selection, settings.atoms_per_unit)
    comparison = comparison_of(observed, settings)
    motions = Motions(crystal, springs_of(crystal, settings), settings.temperature)
    made_from = _made_from(crystal, observed, settings)
    begin = _Walk(np.log(motions.springs.start))
    if checkpoint is not None:
        begin = load_checkpoint(checkpoint, made_from, "another crystal, map or settings", _read_walk) or begin
    keeper = Keeper[_Walk](checkpoint, 0.0, lambda walk, path: save_checkpoint(path, made_from, *_written_walk(walk)))
    tuned = yield from _tuned(motions, comparison, settings, begin, keeper)
    liquid: tuple[LiquidLike, np.ndarray] | None = None
    if settings.liquid and tuned.calculated is not None:
        yield Progress("liquid-like motions", 0, 1, "fitting correlation length and displacement")
        liquid = fit_liquid(crystal, comparison)
    return _result(motions, comparison, settings, tuned, liquid, clock.elapsed)


def crystal_from(
    structure: str | os.PathLike[str], observed: DiffuseMap, selection: str, atoms_per_unit: int
) -> Crystal:
    """The crystal that a file and a map tell of.

    Raises
    ------
    BadInput
        As `fit_network`.
    """
    lattice = observed.lattice
    if lattice.ndiv != (1, 1, 1):
        raise BadInput(
            "The map lies between whole indices, where a single periodic cell scatters nothing that it could predict",
            advice="Give a map at whole indices",
        )
    source = open_frames([structure])
    if source.cell is None or not same_cell(source.cell, lattice.cell, 0.02):
        raise BadInput("The structure has another unit cell than the map", where=Path(structure))
    rows = select_atoms(source.atoms, selection)
    positions = next(iter(source.chunks())).positions[0][rows]
    return crystal_of(source.atoms.select(rows), positions, lattice.cell, lattice.space_group, atoms_per_unit)


def _tuned(
    motions: Motions, comparison: Comparison, settings: CrystalNetworkSettings, begin: _Walk, keeper: Keeper[_Walk]
) -> Job[_Tuned]:
    n_component = 1 if motions.springs.dimension == 1 else 6
    waves = UnitWaves(motions.crystal, comparison.lattice.select(comparison.fitted), n_component)
    fit = Fit(motions, waves, comparison, _observed_b(motions.crystal), settings.b_weight)
    done = max(len(begin.history) - 1, 0)
    history = list(begin.history[:done])
    yield Progress(STAGE, done, settings.iterations, "computing the first map")
    walk = steps(fit, begin.logarithms, settings.iterations - done, begin.damping)
    state, damping = next(walk)
    try:
        yield _told(state, history, settings)
        for state, damping in walk:
            told = _told(state, history, settings)
            keeper.save(_Walk(state.logarithms, damping, tuple(history)))
            yield replace(told, message=" ".join((f"{told.message}.", *keeper.notes))) if keeper.notes else told
        calculated = yield from _predicted(motions, comparison, state)
    except Stopped:
        return _Tuned(state, history, None)
    return _Tuned(state, history, calculated)


def _told(state: State, history: list[float], settings: CrystalNetworkSettings) -> Progress:
    history.append(state.correlation)
    message = f"anisotropic CC {state.correlation:.4f} on the fitted reflections"
    values = {"cc_aniso": state.correlation}
    return Progress(
        STAGE, len(history) - 1, settings.iterations, message, values, {"constants": np.exp(state.logarithms)}
    )


def _made_from(crystal: Crystal, observed: DiffuseMap, settings: CrystalNetworkSettings) -> str:
    """What a checkpoint must be of; more iterations and other draws are still the same fit."""
    same = replace(settings, iterations=1, frames=0)
    return fingerprint(repr(same), [crystal.positions, observed.lattice.hkl, observed.intensity])


def _written_walk(walk: _Walk) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return {"damping": walk.damping, "history": walk.history}, {"logarithms": walk.logarithms}


def _read_walk(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> _Walk:
    return _Walk(arrays["logarithms"], float(record["damping"]), tuple(map(float, record["history"])))


def _predicted(motions: Motions, comparison: Comparison, state: State) -> Job[np.ndarray]:
    """Intensities [n_group] of all reflections."""
    rows = motions.rows(np.exp(state.logarithms))
    covariance, found = motions.covariance(rows), []
    for part in _parts(len(comparison.lattice)):
        waves = UnitWaves(motions.crystal, comparison.lattice.select(part), len(covariance.own))
        found.append(waves.intensities(covariance))
        yield Progress(PREDICTING, int(part[-1]) + 1, len(comparison.lattice))
    return np.concatenate(found)


def _parts(n: int) -> Iterator[np.ndarray]:
    for start in range(0, n, _AT_ONCE):
        yield np.arange(start, min(start + _AT_ONCE, n))


def _observed_b(crystal: Crystal) -> np.ndarray | None:
    """B factors of the units, None where the structure has none that differ."""
    b = crystal.atoms.b_iso
    return None if b is None or np.ptp(b) == 0 else crystal.unit_means(b.astype(np.float64))


def _result(
    motions: Motions,
    comparison: Comparison,
    settings: CrystalNetworkSettings,
    tuned: _Tuned,
    liquid: tuple[LiquidLike, np.ndarray] | None,
    seconds: float,
) -> NetworkFit:
    constants = np.exp(tuned.state.logarithms)
    rows = motions.rows(constants)
    b_units, b_observed = B_OF_U * motions.mean_squares(rows), _observed_b(motions.crystal)
    frames = draw_frames(motions, constants, settings.frames, settings.seed)
    model = LiquidLike(np.nan, np.nan) if liquid is None else liquid[0]
    return NetworkFit(
        springs=motions.springs.names,
        counts=motions.springs.counts,
        constants=constants,
        errors=tuned.state.errors,
        network=_agreement(comparison, tuned.calculated),
        liquid=None if liquid is None else _agreement(comparison, liquid[1]),
        gamma=model.gamma,
        sigma=model.sigma,
        edges=comparison.edges,
        n_fitted=len(comparison.fitted),
        n_work=int((~comparison.free).sum()),
        n_held_out=int(comparison.free.sum()),
        history=np.array(tuned.history),
        b_factors=b_units[motions.crystal.member],
        b_correlation=np.nan if b_observed is None else float(np.corrcoef(b_units, b_observed)[0, 1]),
        frames=frames,
        seconds=seconds,
        is_stopped=tuned.calculated is None,
    )


def _agreement(comparison: Comparison, calculated: np.ndarray | None) -> Agreement:
    if calculated is None:
        return Agreement(np.nan, np.nan, np.nan, np.zeros(0))
    free = comparison.free
    held_out = comparison.agreement(calculated, free) if free.any() else np.nan
    total = comparison.total(calculated, free if free.any() else ~free)
    return Agreement(comparison.agreement(calculated, ~free), held_out, total, comparison.by_resolution(calculated))
