"""Bragg amplitudes: which column they are in, and what else a file may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.solvent_cells import CELL, P1

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.io.maps.bragg import read_amplitudes
from mdweights_core.io.maps.mtz_write import MtzColumn, write_mtz


def test_amplitudes_are_told_from_calculated_ones_and_from_diffuse_maps(shared_data: Path, tmp_path: Path) -> None:
    assert read_amplitudes(shared_data / "lysozyme/lys_nitr_ubatch4_refmac.mtz").label == "FP"
    assert read_amplitudes(shared_data / "mtz/1dur_ksol1.mtz").label == "FMODEL"
    assert read_amplitudes(shared_data / "mtz/7n2l.mtz").label == "FOBS"
    with pytest.raises(BadInput, match="no Bragg amplitudes"):
        read_amplitudes(shared_data / "snase/snc_reference_P1.mtz")
    with pytest.raises(BadInput, match="of type P: neither"):
        read_amplitudes(shared_data / "mtz/1dur_ksol1.mtz", "PHIFMODEL")
    with pytest.raises(BadInput, match="There is no column FX"):
        read_amplitudes(shared_data / "mtz/1dur_ksol1.mtz", "FX")


def test_intensities_become_amplitudes_and_those_not_positive_go(tmp_path: Path) -> None:
    lattice = MillerLattice([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 1]], CELL, P1)
    intensity = np.array([100, 4, -1, np.nan, 9], dtype=np.float32)
    columns = [MtzColumn("IX", "J", intensity + 1), MtzColumn("IMEAN", "J", intensity)]
    write_mtz(tmp_path / "i.mtz", lattice, columns, title="", history=[])
    bragg = read_amplitudes(tmp_path / "i.mtz")
    assert bragg.label == "IMEAN"
    found = dict(zip(map(tuple, bragg.lattice.hkl.tolist()), bragg.amplitude.tolist(), strict=True))
    assert found == {(1, 0, 0): 2.0, (0, 0, 1): 3.0}
    write_mtz(tmp_path / "none.mtz", lattice, [MtzColumn("IMEAN", "J", -np.abs(intensity))], title="", history=[])
    with pytest.raises(BadInput, match="no positive number"):
        read_amplitudes(tmp_path / "none.mtz")
