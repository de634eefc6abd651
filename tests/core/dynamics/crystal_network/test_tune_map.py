"""`mdweights tune CRYSTAL --network --map MAP` from the command line to frames that `predict` takes."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

from mdweights_core.cli.main import main
from mdweights_core.dynamics.crystal_network.intensities import UnitWaves
from mdweights_core.dynamics.crystal_network.motions import Motions
from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.dynamics.crystal_network.springs import springs_of
from mdweights_core.dynamics.crystal_network.units import Crystal, crystal_of
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.scattering.reflections import half_lattice

GROUP = gemmi.SpaceGroup("P 41")


@pytest.fixture
def observed(crystal: Crystal, settings: CrystalNetworkSettings, tmp_path: Path) -> Path:
    """The map of known springs on an isotropic background."""
    usual = replace(settings, atoms_per_unit=CrystalNetworkSettings().atoms_per_unit)
    crystal = crystal_of(crystal.atoms, crystal.positions, crystal.cell, GROUP, usual.atoms_per_unit)
    springs = springs_of(crystal, usual)
    motions = Motions(crystal, springs, 298.0)
    constants = springs.start * np.exp(np.linspace(-0.6, 0.6, len(springs.start)))
    lattice = half_lattice(crystal.cell, GROUP, 2.6)
    intensity = UnitWaves(crystal, lattice, 1).intensities(motions.covariance(motions.rows(constants)))
    path = tmp_path / "map.mtz"
    intensity = 3 * intensity + 300 * np.exp(-10 * lattice.inverse_d**2)
    write_mtz(path, lattice, [MtzColumn("IDIFF", "J", intensity.astype(np.float32))], title="coil", history=[])
    return path


def test_springs_of_a_map_are_told_and_frames_go_to_predict(
    structure: Path, observed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(structure.parent)

    def command(*words: object) -> Any:
        assert main([*map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    found = command(
        "tune", "small.pdb", "--network", "--map", "map.mtz", "--d-min", 2.6, "--d-fit", 2.6, "--held-out", 0.2,
        "--classes", 0.5, "--springs", 0.9, "--out", "p.toml", "--frames-out", "tuned.xtc", "--iterations", 4,
    )  # fmt: skip
    assert found["files"] == ["p.toml", "tuned.xtc", "tuned.pdb"]
    assert found["network"]["held_out"] > 0.95
    is_above = found["network"]["held_out"] > found["liquid"]["held_out"]
    assert ("not above" in found["verdict"]) is not is_above
    values = tomllib.loads(Path("p.toml").read_text())["values"]
    assert values == {one["class"]: one["constant"] for one in found["springs"]}
    predicted = command("predict", "--frames", "tuned.xtc", "--topology", "tuned.pdb", "--d-min", 6, "--out", "f.zarr")
    assert predicted["n_frames"] == 200
