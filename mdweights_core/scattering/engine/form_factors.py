"""Atomic form factors and the few shapes that stand for all atoms of a simulation.

Form factors are those tabulated in gemmi, for neutral atoms: topologies carry elements, not oxidation states, and the
difference is confined to the lowest angles. Deuterium scatters X-rays and electrons like hydrogen; for neutrons it has
a length of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gemmi
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.scatterers import Scatterers

_SAMPLE_SIZE = 2048  # resolutions that stand for all where shapes are found
_BLOCK = 65536  # reflections at a time, so that a table of many kinds of atoms fits in memory

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


class AtomBasis:
    """Few functions of resolution, the shapes, that make up what all atoms scatter, with B factors and occupancies.

    Form factors of light elements resemble each other, and so do exponentials of different B factors: one transform per
    shape costs less than one per kind of atom. The shapes are the best there are for the given number of them (singular
    vectors), and that number is even where it can be: two share a transform. Where many B factors occur,
    exp(-B s^2 / 4) is interpolated between a few of them (Chebyshev nodes).

    Parameters
    ----------
    scatterers : Scatterers
    inverse_d : float [n_hkl]
        The resolutions that count, 1/angstrom; at least one.
    radiation : str
    tolerance : float
        Allowed error relative to the whole, for atoms of random phase.

    Attributes
    ----------
    strengths : float64 [n_shape, n_atoms]
        What each atom has of each shape. None, when no atom scatters, are no shapes.
    shares : float64 [n_shape]
        Part of each shape in the whole, falling, its squares about 1 in sum.

    Raises
    ------
    BadInput
        When an element is unknown or not tabulated.
    """

    def __init__(self, scatterers: Scatterers, inverse_d: np.ndarray, radiation: str, tolerance: float) -> None:
        sample = _representative(np.sort(np.asarray(inverse_d, dtype=np.float64)))
        self._radiation = radiation
        self._families = _families(scatterers, float(sample.max()), tolerance / 10)
        whitened = [family.whitened(scatterers.occupancy) for family in self._families]
        roots = [
            root @ family.table(sample, radiation) for family, (root, _) in zip(self._families, whitened, strict=True)
        ]
        vectors, values, _ = np.linalg.svd(np.concatenate(roots), full_matrices=False)
        n_shape = _count_shapes(values, tolerance)
        self.shares = values[:n_shape] / max(float(np.linalg.norm(values)), np.finfo(float).tiny)
        self.strengths = np.zeros((n_shape, len(scatterers)))
        self._mixing: list[np.ndarray] = []
        parts = np.split(vectors[:, :n_shape], np.cumsum([len(root) for root in roots])[:-1])
        for family, (root, inverse), part in zip(self._families, whitened, parts, strict=True):
            self._mixing.append(part.T @ root)
            mixed = family.weights @ (inverse @ part) * scatterers.occupancy[family.atoms, None]
            self.strengths[:, family.atoms] = mixed.T

    def shapes(self, inverse_d: np.ndarray) -> np.ndarray:
        """The shapes at each 1/d, float64 [n_shape, n_hkl]."""
        found = np.zeros((len(self.shares), len(inverse_d)))
        for start in range(0, len(inverse_d), _BLOCK):
            part = slice(start, start + _BLOCK)
            for family, mixing in zip(self._families, self._mixing, strict=True):
                found[:, part] += mixing @ family.table(inverse_d[part], self._radiation)
        return found


def _count_shapes(values: np.ndarray, tolerance: float) -> int:
    """Singular values to keep, so that the others make up at most `tolerance` of all; an even number if there are."""
    lost = np.append(np.cumsum(np.square(values[::-1]))[::-1], 0.0)
    needed = int(np.argmax(lost <= tolerance**2 * lost[0]))
    there_are = int(np.count_nonzero(values > 1e-12 * values.max(initial=0.0)))
    return min(needed + needed % 2, there_are)


def _representative(ordered: np.ndarray) -> np.ndarray:
    """Resolutions that are frequent, and as many evenly spread: few reflections are at low angles, but strong ones."""
    half = _SAMPLE_SIZE // 2
    frequent = ordered[np.linspace(0, len(ordered) - 1, min(len(ordered), half)).astype(np.int64)]
    return np.concatenate([frequent, np.linspace(ordered[0], ordered[-1], len(frequent))])


@dataclass(frozen=True, eq=False)
class _Family:
    """Atoms of one element, int [n]; some B factors [n_node]; and what each atom has of them, [n, n_node]."""

    element: str
    atoms: np.ndarray
    b_nodes: np.ndarray
    weights: np.ndarray

    def table(self, inverse_d: np.ndarray, radiation: str) -> np.ndarray:
        """Form factors with the B factors of the nodes, float64 [n_node, n_hkl]."""
        bare = form_factors([self.element], inverse_d, radiation=radiation)
        return bare * np.exp(-np.multiply.outer(self.b_nodes, np.square(inverse_d) / 4))

    def whitened(self, occupancy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Matrices L [n, n_node] and R [n_node, n] with weights = Q L, Q = weights R of orthonormal columns."""
        occupied = self.weights * occupancy[self.atoms, None]
        values, vectors = np.linalg.eigh(occupied.T @ occupied)
        kept = values > len(values) * np.finfo(float).eps * max(values[-1], np.finfo(float).tiny)
        root = np.sqrt(values[kept])
        return root[:, None] * vectors[:, kept].T, vectors[:, kept] / root


def _families(scatterers: Scatterers, largest: float, tolerance: float) -> list[_Family]:
    symbols, kind = np.unique(scatterers.element, return_inverse=True)
    families = []
    for i, symbol in enumerate(symbols):
        atoms = np.flatnonzero(kind == i)
        families.append(_Family(str(symbol), atoms, *_interpolated(scatterers.b_iso[atoms], largest, tolerance)))
    return families


def _interpolated(b_iso: np.ndarray, largest: float, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """B factors of nodes [n_node], and weights [n, n_node] that make exp(-B s^2 / 4) of theirs, s up to `largest`."""
    distinct, which = np.unique(b_iso, return_inverse=True)
    middle, half = (distinct[-1] + distinct[0]) / 2, (distinct[-1] - distinct[0]) / 2
    n_node = _count_nodes(half * largest**2 / 4, len(distinct), tolerance)
    if n_node >= len(distinct):
        return distinct, np.eye(len(distinct))[which]
    nodes = _chebyshev_nodes(n_node)
    return middle + half * nodes, _weights((b_iso - middle) / half, nodes)


def _count_nodes(exponent: float, most: int, tolerance: float) -> int:
    """Nodes in [-1, 1] that exp(-exponent (1 + x)), and any slower decay, is interpolated from; `most` at most."""
    x = np.linspace(-1, 1, 201)
    exact = np.exp(-np.multiply.outer(1 + x, exponent * np.linspace(0.1, 1, 10)))
    for n_node in range(1, most):
        nodes = _chebyshev_nodes(n_node)
        found = _weights(x, nodes) @ np.exp(-np.multiply.outer(1 + nodes, exponent * np.linspace(0.1, 1, 10)))
        if np.abs(found - exact).max() <= tolerance:
            return n_node
    return most


def _chebyshev_nodes(n: int) -> np.ndarray:
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


def _weights(x: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Weights [n, n_node] of the polynomial through the nodes."""
    degree = len(nodes) - 1
    at_nodes = np.polynomial.chebyshev.chebvander(nodes, degree)
    return np.linalg.solve(at_nodes.T, np.polynomial.chebyshev.chebvander(x, degree).T).T
