"""What can be said of structure factors only when all frames are there: of their boxes, drift, error and duplicates.

It is told from the frame table of the store, so that it does not matter how many runs it took to fill.
"""

from __future__ import annotations

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.scattering.frames.placement import Placement, jumps, mean_box
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.resume import duplicates_warning
from mdweights_core.scattering.storage.store import StructureFactorStore

_NOTICEABLE_DRIFT = 0.5  # angstrom


def closing_warnings(
    store: StructureFactorStore, source: FrameSource, lattice: MillerLattice, settings: PredictSettings
) -> list[str]:
    """Sentences on all frames of a complete store; no file of `source` is read."""
    boxes = store.frames.cell
    has_mean = settings.boxes == "mean" and source.cell is not None
    mean = gemmi.UnitCell(*mean_box(boxes)) if has_mean else None
    placement = Placement(source.cell, lattice, settings, mean_box=mean)
    return [
        *placement.closing_warnings(boxes),
        *_drift_warning(store, settings),
        *_error_warning(store, settings),
        *duplicates_warning(store),
    ]


def largest_drift(store: StructureFactorStore) -> float:
    """The largest common translation found so far, angstrom."""
    drift = np.linalg.norm(store.frames.drift[store.finished], axis=1)
    return float(np.max(drift, initial=0.0))


def _drift_warning(store: StructureFactorStore, settings: PredictSettings) -> list[str]:
    largest = largest_drift(store)
    if largest < _NOTICEABLE_DRIFT:
        return []
    jumping = jumps(store.frames.drift)
    if settings.remove_drift and jumping:
        return [
            f"The frames jump by up to {largest:.2f} A as a whole, back and forth, and this was taken out; where "
            "frames are independent models such shifts are no drift but disorder: compare with --keep-drift"
        ]
    if not settings.remove_drift and not jumping:
        return [f"The frames drift by up to {largest:.2f} A as a whole, and this was not taken out"]
    return []


def _error_warning(store: StructureFactorStore, settings: PredictSettings) -> list[str]:
    error = store.origin.get("measured_error", 0.0)
    if error <= settings.relative_error:
        return []
    return [
        f"Against direct summation the structure factors of a frame are off by {error:.1e}, more than the "
        f"{settings.relative_error:.1e} asked for"
    ]
