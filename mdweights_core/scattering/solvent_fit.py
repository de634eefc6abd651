"""Density and B factor of a flat bulk solvent, fitted to Bragg amplitudes.

Bragg amplitudes are those of the mean density: |F| = scale exp(-B s^2 / 4) |A + k_sol exp(-B_sol s^2 / 4) M|, with A
and M the structure factors of atoms and mask averaged over frames. The solvent shows at low angles, where it cancels
much of what the atoms scatter.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters, format_cell, same_cell
from mdweights_core.crystal.laue import group_of, laue_groups
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import select_frames
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.io.maps.bragg import BraggAmplitudes, read_amplitudes
from mdweights_core.jobs import Job, Progress
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.solvent import BulkSolvent, content_of_box, refuse_folded
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine
from mdweights_core.scattering.frames.placement import DriftTracker, Placement, place_frames
from mdweights_core.scattering.settings import PredictSettings

_D_MIN = 2.0  # angstrom: what lies beyond tells of atoms, not of solvent
_LOW_ANGLE = 8.0  # angstrom: amplitudes beyond tell most of the solvent
_FEWEST, _FEWEST_LOW = 100, 20
_LIMITS = ([0.0, 0.0, -200.0], [1.5, 200.0, 500.0])  # of k_sol, B_sol and the overall B
_USUAL_K, _USUAL_B = (0.2, 0.6), (10.0, 100.0)
_NOTHING, _POOR_R = 0.05, 0.4
_OTHER_CRYSTAL = 0.03  # relative difference of cells that cooling does not make


@dataclass(frozen=True)
class SolventFit:
    """A bulk solvent that fits Bragg amplitudes.

    Attributes
    ----------
    k_sol, b_sol : float
        Density, e/A^3, and B factor, A^2.
    scale, b_overall : float
        From structure factors in electrons to the observed scale, and the B factor of all, A^2.
    r_before, r_after : float
        sum | |F_obs| - |F| | / sum |F_obs| without and with solvent, scale and overall B fitted for each.
    n_low : int
        Amplitudes with d above 8 A.
    """

    k_sol: float
    b_sol: float
    scale: float
    b_overall: float
    r_before: float
    r_after: float
    n_low: int

    @property
    def concerns(self) -> tuple[str, ...]:
        """Why not to trust the numbers; empty when they are as usual."""
        found = []
        if self.n_low < _FEWEST_LOW:
            found.append(f"only {self.n_low} amplitudes beyond 8 Å tell of the solvent")
        if self.r_after > _POOR_R:
            found.append("the frames explain the amplitudes poorly")
        if self.k_sol < _NOTHING:
            found.append("next to no solvent fits the low angles of these frames")
        elif not _LIMITS[0][1] + 1 < self.b_sol < _LIMITS[1][1] - 1:
            found.append("the B factor ran to the limit of what was tried")
        elif not (_within(self.k_sol, _USUAL_K) and _within(self.b_sol, _USUAL_B)):
            found.append("usual are 0.3 to 0.45 e/Å³ and 20 to 80 Å²")
        return tuple(found)

    @property
    def sentence(self) -> str:
        """The result in a line, with what speaks against it."""
        found = (
            f"Bulk solvent of {self.k_sol:.3f} e/Å³ with a B factor of {self.b_sol:.0f} Å² fitted to Bragg amplitudes: "
            f"R {100 * self.r_before:.1f} % without, {100 * self.r_after:.1f} % with it"
        )
        return f"{found}, but {', and '.join(self.concerns)}" if self.concerns else found


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def fit_solvent(observed: np.ndarray, f_atoms: np.ndarray, f_mask: np.ndarray, inverse_d: np.ndarray) -> SolventFit:
    """Fit scale, overall B, k_sol and B_sol to amplitudes, by unweighted least squares.

    The errors of such a model are its own, many times those of measuring, so that these do not weigh.

    Parameters
    ----------
    observed : float [n_hkl]
        |F_obs| on any scale.
    f_atoms, f_mask : complex [n_hkl]
        Means over frames; the mask's of k_sol 1 and B_sol 0.
    inverse_d : float [n_hkl]
        1/d, 1/angstrom.

    Raises
    ------
    BadInput
        When there are fewer than 100 amplitudes.
    """
    if len(observed) < _FEWEST:
        raise BadInput(f"{len(observed)} Bragg amplitudes are too few to fit a bulk solvent to")
    from scipy.optimize import least_squares

    problem = _Problem(observed, f_atoms, f_mask, inverse_d)
    low, high = (np.array(limit) for limit in _LIMITS)
    bare = least_squares(lambda b: problem.residuals(np.array([0, 0, b[0]])), [0.0], bounds=(low[2:], high[2:]))
    starts = [(k, b, float(bare.x[0])) for k in (0.1, 0.35) for b in (20.0, 50.0, 90.0)]
    fits = [least_squares(problem.residuals, start, bounds=(low, high), x_scale=(0.1, 20.0, 10.0)) for start in starts]
    best = min(fits, key=lambda fit: float(fit.cost)).x
    return SolventFit(
        k_sol=float(best[0]),
        b_sol=float(best[1]),
        scale=problem.scale(problem.amplitude(best)),
        b_overall=float(best[2]),
        r_before=problem.r_factor(np.array([0, 0, bare.x[0]])),
        r_after=problem.r_factor(best),
        n_low=int(np.count_nonzero(inverse_d < 1 / _LOW_ANGLE)),
    )


class _Problem:
    """Observed amplitudes and what (k_sol, B_sol, overall B) make of the model's, scale aside."""

    def __init__(self, observed: np.ndarray, f_atoms: np.ndarray, f_mask: np.ndarray, inverse_d: np.ndarray) -> None:
        self._observed = np.asarray(observed, dtype=np.float64)
        self._atoms, self._mask = f_atoms.astype(np.complex128), f_mask.astype(np.complex128)
        self._stol2 = np.square(inverse_d) / 4
        self._norm = float(np.linalg.norm(self._observed))

    def amplitude(self, x: np.ndarray) -> np.ndarray:
        """Of the model, in electrons."""
        solvent = x[0] * np.exp(-x[1] * self._stol2) * self._mask
        return np.exp(-x[2] * self._stol2) * np.abs(self._atoms + solvent)

    def scale(self, amplitude: np.ndarray) -> float:
        """The best factor to the observed scale."""
        return float(amplitude @ self._observed / (amplitude @ amplitude))

    def _misfit(self, x: np.ndarray) -> np.ndarray:
        amplitude = self.amplitude(x)
        return self.scale(amplitude) * amplitude - self._observed

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Relative to all that was observed."""
        return self._misfit(x) / self._norm

    def r_factor(self, x: np.ndarray) -> float:
        """The crystallographic R."""
        return float(np.abs(self._misfit(x)).sum() / self._observed.sum())


def fit_solvent_of_frames(
    source: FrameSource,
    lattice: MillerLattice | None,
    settings: PredictSettings,
    bragg: str | os.PathLike[str],
    *,
    column: str | None = None,
    n_frames: int = 10,
) -> Job[SolventFit]:
    """Fit the bulk solvent of stripped frames to the Bragg amplitudes of an MTZ file.

    All images of each reflection are computed as of P1 and compared each with the observed amplitude, so that nothing
    is asked of the origin of the frames.

    Parameters
    ----------
    source : FrameSource
    lattice : MillerLattice or None
        Of the run: its cell is used, and has to be that of the amplitudes or a whole multiple; None takes theirs.
    settings : PredictSettings
        Of the run; `k_sol` and `b_sol` do not matter.
    bragg : path
    column : str, optional
        Amplitudes or intensities to take; see `read_amplitudes`.
    n_frames : int
        Frames averaged, evenly taken from all.

    Raises
    ------
    BadInput
        Another radiation than X-rays, amplitudes of another crystal or too few, frames that hold their solvent, or
        files that cannot be read.
    """
    if settings.radiation != "xray":
        raise BadInput(
            f"A bulk solvent can be fitted to the Bragg amplitudes of X-rays, not of {settings.radiation}s",
            advice=f"Give its density, in {settings.density_unit}",
        )
    yield Progress("bulk solvent", message="Reading Bragg amplitudes")
    amplitudes = read_amplitudes(bragg, column)
    cell = _cell(amplitudes, lattice, bragg)
    p1, observed = _in_p1(amplitudes, cell)
    if len(p1) < _FEWEST:
        raise BadInput(f"{len(p1)} amplitudes between 2 Å and the origin are too few", where=bragg)
    source, rows = select_frames(source, settings.selection)
    atoms = source.atoms.select(rows)
    group = amplitudes.lattice.space_group if lattice is None else lattice.space_group
    symmetry = group if settings.expand_symmetry else None
    frames = np.unique(np.linspace(0, source.n_frames - 1, n_frames).round().astype(int))
    placement = place_frames(source, p1, _on_cell(settings, lattice, cell))
    _refuse_solvent(atoms, placement, symmetry)
    scatterers = Scatterers.of(atoms, settings)
    engine = ScatteringEngine(scatterers, p1, radiation=settings.radiation, symmetry=symmetry)
    solvent = BulkSolvent(scatterers, p1, k_sol=1.0, b_sol=0.0, repeats=placement.cells, symmetry=symmetry)
    sums = np.zeros((2, len(p1)), dtype=np.complex128)
    for done, positions in enumerate(_placed(source, rows, placement, settings, frames), start=1):
        sums += engine(positions), solvent(positions)
        yield Progress("bulk solvent", done, len(frames), f"Frame {done} of {len(frames)} for the fit of the solvent")
    f_atoms, f_mask = sums / len(frames)
    return fit_solvent(observed, f_atoms, f_mask, p1.inverse_d)


def _cell(amplitudes: BraggAmplitudes, lattice: MillerLattice | None, path: str | os.PathLike[str]) -> gemmi.UnitCell:
    """The crystal's cell: that of the run, or the part of it that the indices of the amplitudes belong to."""
    own = amplitudes.lattice.cell
    if lattice is None:
        return own
    sizes = np.array(cell_parameters(lattice.cell))
    sizes[:3] /= np.maximum(np.round(sizes[:3] / cell_parameters(own)[:3]), 1)
    cell = gemmi.UnitCell(*sizes)
    if not same_cell(cell, own, _OTHER_CRYSTAL):
        raise BadInput(
            f"The cell of the Bragg amplitudes ({format_cell(own)}) is not that of the frames "
            f"({format_cell(lattice.cell)})",
            where=path,
            advice="Choose the Bragg data of the same crystal form",
        )
    return cell


def _on_cell(settings: PredictSettings, lattice: MillerLattice | None, cell: gemmi.UnitCell) -> PredictSettings:
    """The settings with their supercell counted in `cell`, where the run's lattice is of a multiple of it."""
    if settings.supercell is None or lattice is None:
        return settings
    times = np.round(np.divide(cell_parameters(lattice.cell)[:3], cell_parameters(cell)[:3]))
    a, b, c = (np.array(settings.supercell) * times).astype(int).tolist()
    return replace(settings, supercell=(a, b, c))


def _in_p1(amplitudes: BraggAmplitudes, cell: gemmi.UnitCell) -> tuple[MillerLattice, np.ndarray]:
    """All images of the reflections to 2 A, one of each Friedel pair, and their observed amplitudes."""
    lattice = replace(amplitudes.lattice, cell=cell)
    keep = lattice.d_spacing >= _D_MIN
    lattice = lattice.select(keep)
    groups = laue_groups(lattice)
    group = group_of(lattice.hkl, groups)
    mean = np.bincount(group, amplitudes.amplitude[keep]) / np.bincount(group)
    observed = np.empty(len(groups.p1))
    for rows in groups.copies:
        observed[rows[rows >= 0]] = mean[rows >= 0]
    return groups.p1, observed


def _refuse_solvent(atoms: Atoms, placement: Placement, symmetry: gemmi.SpaceGroup | None) -> None:
    content = content_of_box(atoms, placement.cell, placement.cells, symmetry)
    if content.kind == "explicit":
        raise BadInput(content.sentence, advice="Compute them without a bulk solvent")


def _placed(
    source: FrameSource, rows: np.ndarray, placement: Placement, settings: PredictSettings, frames: np.ndarray
) -> Iterator[np.ndarray]:
    """Fractional positions of some frames, as the run would place them."""
    tracker: DriftTracker | None = None
    for frame in frames.tolist():
        chunk = next(source.chunks(size=1, start=frame))
        place = placement.fractional(chunk.positions[0], None if chunk.cells is None else chunk.cells[0], frame)
        if tracker is None:
            refuse_folded(source.atoms.select(rows), placement, place[rows])
        tracker = tracker or placement.drift_tracker(source.atoms, place)
        shift = tracker(place)
        yield place[rows] - shift if settings.remove_drift else place[rows]
