"""What comes out of springs fitted to a diffuse map; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_KNOWN = 1.0  # standard error of ln k below which a force constant is told apart from none


@dataclass(frozen=True)
class Agreement:
    """How a model agrees with the observed map.

    Attributes
    ----------
    fitted, held_out : float
        Anisotropic correlation on the reflections that are not held out, and on those that are.
    total : float
        Correlation on the held-out reflections, fall-off with resolution included.
    by_resolution : float64 [n_shell]
        Anisotropic correlation in shells of equal count.
    """

    fitted: float
    held_out: float
    total: float
    by_resolution: np.ndarray


@dataclass(frozen=True, eq=False)
class NetworkFit:
    """A network of a crystal tuned to its diffuse map.

    Attributes
    ----------
    springs : tuple of str
        Classes of springs.
    counts : int64 [n_class]
        Springs of each class in the asymmetric unit.
    constants : float64 [n_class]
        Force constants, kJ/mol/nm^2.
    errors : float64 [n_class]
        Standard errors of their logarithms, by the curvature of the fit; residuals are taken as independent.
    network : Agreement
    liquid : Agreement or None
        Of liquid-like motions fitted to the same reflections.
    gamma, sigma : float
        Correlation length and displacement of these, angstrom; NaN without them.
    edges : float64 [n_shell + 1]
        Limits of the shells of both, angstrom.
    n_fitted, n_work, n_held_out : int
        Groups of equivalent reflections that springs were fitted to, that are not held out, that are.
    history : float64 [n]
        Anisotropic correlation on the fitted reflections after each step.
    b_factors : float64 [n_atoms]
        Of the atoms of the asymmetric unit, by the motion of their units, angstrom squared.
    b_correlation : float
        With the B factors of the structure, unit by unit; NaN where it has none.
    frames : float32 [n_frames, n_copy * n_atoms, 3]
        Configurations of the cell that were drawn, angstrom.
    seconds : float
    is_stopped : bool
    """

    springs: tuple[str, ...]
    counts: np.ndarray
    constants: np.ndarray
    errors: np.ndarray
    network: Agreement
    liquid: Agreement | None
    gamma: float
    sigma: float
    edges: np.ndarray
    n_fitted: int
    n_work: int
    n_held_out: int
    history: np.ndarray
    b_factors: np.ndarray
    b_correlation: float
    frames: np.ndarray
    seconds: float
    is_stopped: bool = False

    @property
    def determined(self) -> str:
        """Which springs the map tells of, in a sentence."""
        known = [name for name, error in zip(self.springs, self.errors.tolist(), strict=True) if error < _KNOWN]
        if len(known) == len(self.springs):
            return "The map determines all classes of springs."
        if not known:
            return "The map determines no class of springs: their force constants mean nothing."
        return (
            f"The map determines springs {' and '.join(known)}, and not the {len(self.springs) - len(known)} other "
            "classes: their force constants mean nothing."
        )

    @property
    def verdict(self) -> str:
        """What the comparison says, in a sentence."""
        own = f"Held-out anisotropic CC of the tuned network is {self.network.held_out:.3f}"
        if self.liquid is None:
            return f"{own}; no liquid-like motions were fitted to compare with."
        above = self.network.held_out > self.liquid.held_out
        return (
            f"{own}, {'above' if above else 'not above'} the {self.liquid.held_out:.3f} of liquid-like motions "
            f"(gamma {self.gamma:.1f} Å, sigma {self.sigma:.2f} Å)."
        )
