"""Atomic form factors and the few shapes that stand for all atoms of a simulation.

Form factors are those tabulated in gemmi, for neutral atoms: topologies carry elements, not oxidation states, and the
difference is confined to the lowest angles. Deuterium scatters X-rays and electrons like hydrogen; for neutrons it has
a length of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gemmi
import numpy as np

from mdweights_core.errors import BadInput

_NAMES = {"xray": "X-ray form factor", "electron": "electron form factor", "neutron": "neutron scattering length"}
_TABLES: dict[str, Callable[[gemmi.Element], gemmi.IT92Coef | gemmi.C4322Coef | gemmi.Neutron92 | None]] = {
    "xray": lambda element: element.it92,
    "electron": lambda element: element.c4322,
    "neutron": lambda element: element.neutron92,
}


def form_factors(
    elements: Sequence[str], inverse_d: np.ndarray, b_iso: float = 0.0, *, radiation: str = "xray"
) -> np.ndarray:
    """Form factors of `elements` at each 1/d, with one B factor for all.

    Parameters
    ----------
    elements : sequence of str
        Element symbols, ``n_element`` of them.
    inverse_d : float [n_hkl]
        s = 1/d, 1/angstrom.
    b_iso : float
        Isotropic B factor, angstrom squared; each form factor is multiplied by exp(-B s^2 / 4).
    radiation : str
        ``"xray"``: International Tables C (1992), table 6.1.1.4, in electrons; ``"electron"``: Peng et al., Acta Cryst.
        A52, 257 (1996), in angstrom; ``"neutron"``: coherent scattering lengths, Neutron News 3, 29 (1992), in fm.

    Returns
    -------
    float64 [n_element, n_hkl]
        ``sum_i a_i exp(-b_i s^2 / 4)``, times exp(-B s^2 / 4).

    Raises
    ------
    BadInput
        When an element is unknown or not tabulated.
    """
    stol2 = np.square(np.asarray(inverse_d, dtype=np.float64)) / 4.0
    table = np.empty((len(elements), len(stol2)))
    for row, symbol in zip(table, elements, strict=True):
        a, b = _gaussians(str(symbol), radiation)
        row[:] = a @ np.exp(-(b + b_iso)[:, None] * stol2)
    return table


def _gaussians(symbol: str, radiation: str) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes and widths of the Gaussians that make up a form factor, a constant as one of no width."""
    element = gemmi.Element(symbol)
    fit = _TABLES[radiation](element)
    numbers = np.zeros(1) if fit is None or not element.atomic_number else np.array(fit.get_coefs(), dtype=np.float64)
    n = len(numbers) // 2
    a, b = np.append(numbers[:n], numbers[2 * n :]), np.append(numbers[n : 2 * n], np.zeros(len(numbers) % 2))
    if not a.any():  # no length of an element is tabulated as zero
        raise BadInput(
            f"There is no {_NAMES[radiation]} for the element '{symbol}'",
            advice="Correct the element column of the topology, or leave these atoms out of it",
        )
    return a, b


def form_factor_basis(table: np.ndarray, counts: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Fewest shapes that reproduce all form factors: ``table ~ mixing @ shapes``.

    Form factors of light elements resemble each other, so one transform per shape costs less than one per element.

    Parameters
    ----------
    table : float64 [n_element, n_hkl]
    counts : int [n_element]
        Atoms of each element: what a frequent element loses weighs more, by the square root of its count.
    tolerance : float
        Allowed error relative to the whole, ``||sqrt(n) (table - mixing @ shapes)|| / ||sqrt(n) table||``.

    Returns
    -------
    mixing : float64 [n_element, n_shape]
    shapes : float64 [n_shape, n_hkl]
    """
    root = np.sqrt(np.asarray(counts, dtype=np.float64))[:, None]
    weighted = root * table
    # the small Gram matrix has the left singular vectors, without a decomposition of n_hkl columns
    _, vectors = np.linalg.eigh(weighted @ weighted.T)
    vectors = vectors[:, ::-1]
    shapes = vectors.T @ weighted
    power = np.square(shapes).sum(axis=1)
    lost = np.append(np.cumsum(power[::-1])[::-1][1:], 0.0)
    n_shape = int(np.argmax(lost <= tolerance**2 * power.sum())) + 1
    return vectors[:, :n_shape] / root, shapes[:n_shape]
