"""Atomic form factors and the few shapes that stand for all elements of a simulation.

Form factors are the four-Gaussian fits of International Tables C (1992), table 6.1.1.4, as tabulated in gemmi, for
neutral atoms: topologies carry elements, not oxidation states, and the difference is confined to the lowest angles.
Deuterium scatters X-rays like hydrogen.
"""

from __future__ import annotations

from collections.abc import Sequence

import gemmi
import numpy as np

from mdweights_core.errors import BadInput


def form_factors(elements: Sequence[str], inverse_d: np.ndarray, b_iso: float = 0.0) -> np.ndarray:
    """Form factors of `elements` at each 1/d, with one B factor for all.

    Parameters
    ----------
    elements : sequence of str
        Element symbols, ``n_element`` of them.
    inverse_d : float [n_hkl]
        s = 1/d, 1/angstrom.
    b_iso : float
        Isotropic B factor, angstrom squared; each form factor is multiplied by exp(-B s^2 / 4).

    Returns
    -------
    float64 [n_element, n_hkl]
        In electrons: ``sum_i a_i exp(-b_i s^2 / 4) + c``.

    Raises
    ------
    BadInput
        When an element is unknown or not tabulated.
    """
    stol2 = np.square(np.asarray(inverse_d, dtype=np.float64)) / 4.0
    table = np.array([_gaussians(symbol) @ _exponentials(symbol, stol2) for symbol in elements])
    return table.reshape(len(elements), len(stol2)) * np.exp(-b_iso * stol2)


def _coefficients(symbol: str) -> gemmi.IT92Coef:
    element = gemmi.Element(symbol)
    if element.atomic_number == 0 or element.it92 is None:
        raise BadInput(
            f"There is no X-ray form factor for the element '{symbol}'",
            advice="Correct the element column of the topology, or leave these atoms out of it",
        )
    return element.it92


def _gaussians(symbol: str) -> np.ndarray:
    fit = _coefficients(symbol)
    return np.array([*fit.a, fit.c], dtype=np.float64)


def _exponentials(symbol: str, stol2: np.ndarray) -> np.ndarray:
    widths = np.array([*_coefficients(symbol).b, 0.0], dtype=np.float64)
    return np.exp(-widths[:, None] * stol2)


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
