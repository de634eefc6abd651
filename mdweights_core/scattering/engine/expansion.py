"""From the structure factors of one asymmetric unit to those of the whole cell."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import friedel_half, hkl_key
from mdweights_core.errors import BadInput


class Expansion:
    """F(h) = sum_op exp(2 pi i h.t) F_asu(h R), over all operations (R, t) of a space group, h the true index.

    Parameters
    ----------
    lattice : MillerLattice
        Reflections of the whole cell, ``n_hkl`` of them.
    space_group : gemmi.SpaceGroup

    Attributes
    ----------
    lattice : MillerLattice
        All images h R, one of each Friedel pair: where F of the asymmetric unit is needed.

    Raises
    ------
    BadInput
        When reciprocal axes are divided in a way that the operations do not respect.
    """

    def __init__(self, lattice: MillerLattice, space_group: gemmi.SpaceGroup) -> None:
        images, phases = images_and_phases(lattice, space_group)
        half = friedel_half(images)
        _, first, rows = np.unique(hkl_key(half), return_index=True, return_inverse=True)
        self.lattice = replace(lattice, hkl=half.reshape(-1, 3)[first])
        turned = (half != images).any(axis=2)
        # rows of F, then of its conjugate
        self._rows = rows.reshape(turned.shape) + len(first) * turned
        self._phases = phases.astype(np.complex64)

    def __call__(self, factors: np.ndarray) -> np.ndarray:
        """Structure factors of the cell, complex64 [n_hkl], from those of its asymmetric unit on `lattice`."""
        both = np.concatenate([factors, factors.conj()])
        total = np.zeros(self._rows.shape[1], dtype=np.complex64)
        for rows, phases in zip(self._rows, self._phases, strict=True):
            total += both[rows] * phases
        return total


def images_and_phases(lattice: MillerLattice, space_group: gemmi.SpaceGroup | None) -> tuple[np.ndarray, np.ndarray]:
    """Images h R of each reflection and what their structure factors are multiplied by.

    Translations of the lattice (centring) only multiply: they are part of the phases.

    Returns
    -------
    images : int64 [n_op, n_hkl, 3]
    phases : complex128 [n_op, n_hkl]
        exp(2 pi i h.t) sum_c exp(2 pi i h.c).

    Raises
    ------
    BadInput
        As `Expansion`.
    """
    operations = gemmi.GroupOps([gemmi.Op()]) if space_group is None else space_group.operations()
    ndiv = np.array(lattice.ndiv, dtype=np.int64)
    rotations = np.array([op.rot for op in operations.sym_ops]) // gemmi.Op.DEN
    shifts = np.array([op.tran for op in operations.sym_ops]) / gemmi.Op.DEN
    centring = np.array(operations.cen_ops) / gemmi.Op.DEN
    scaled = rotations * ndiv
    if (scaled % ndiv[:, None]).any():
        raise BadInput(
            f"Reciprocal axes divided by {' x '.join(map(str, lattice.ndiv))} are not mapped onto one another by the "
            f"operations of {space_group.xhm() if space_group else 'P 1'}",
            advice="Divide equivalent axes alike, or do not expand the symmetry",
        )
    images = np.einsum("ni,oij->onj", lattice.hkl.astype(np.int64), scaled // ndiv[:, None])
    every = np.exp(2j * np.pi * (lattice.index @ centring.T)).sum(axis=1)
    return images, np.exp(2j * np.pi * (shifts @ lattice.index.T)) * every
