"""`--add-term` from the command line: a form typed in a file, minimised at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from support import amide

from mdweights_core.cli.main import main
from mdweights_core.dynamics.models.atom_types import atom_types
from mdweights_core.dynamics.models.term_file import read_terms, with_terms
from mdweights_core.energy.base import value
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import set_up
from mdweights_core.minimize.result import load
from mdweights_core.workflow.draws import molecule_task

TERMS = """
[[term]]
name = "Morse"
kind = "bond"
expression = "D*(1 - exp(-a*(r - rest)))^2"
between = ["CT", "HC"]
replaces = "bonds"
parameters = { D = 35, a = 20 }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    amide.write_structure(tmp_path)
    (tmp_path / "terms.toml").write_text(TERMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_typed_form_is_minimised(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["amide.pdb", "--add-term", "terms.toml", "--out", "low.pdb", "--result", "low.npz"]
    assert main(["minimize", *words, *amide.VACUUM, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["starts"][0]
    settings = EnergySettings(solvent="none")
    molecule = set_up("amide.pdb", settings)
    nowhere = replace(molecule, x=np.full_like(molecule.x, np.nan))  # where no derivatives are looked at again
    changed = with_terms(nowhere, read_terms("terms.toml"), atom_types(molecule, "amide.pdb", settings))
    task = molecule_task(replace(molecule, changes=changed.changes), settings, 300.0)
    assert task.origin.energy == "amber14 with Morse in vacuo, 300 K"
    low = jnp.asarray(load(Path("low.npz")).x[0])
    assert told["energy"] == pytest.approx(float(value(changed.energy, low)), abs=1e-6)
    assert told["end"] == "converged"
    assert told["energy"] != pytest.approx(float(value(molecule.energy, low)), abs=1e-3)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ("minimize", "amide.pdb", "--out", "c.csv", "--compare", "lbfgs,openmm"),
            "does not know the terms of --add-term",
        ),
        (("sample", "double-well", "--out", "s.npz"), "--add-term is for molecules"),
        (("minimize", "amide.pdb", "--out", "low.pdb"), "No atom is of the type 'XX'"),
    ],
)
def test_what_does_not_go_together_is_told(
    words: tuple[str, ...], why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "terms.toml").write_text(TERMS.replace("HC", "XX"))
    assert main([*words, "--add-term", "terms.toml"]) == 2
    assert why in " ".join(capsys.readouterr().err.split())
