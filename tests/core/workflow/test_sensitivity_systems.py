"""Systems, observables by name and tuned values as files, without a simulation."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from support.amide import write_structure
from support.straight_lines import StraightLines

from mdweights_core import jobs
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.models.step import suggested_step
from mdweights_core.dynamics.models.term_file import TermFile, read_terms
from mdweights_core.dynamics.tuning.job import tune
from mdweights_core.dynamics.tuning.result import Tuning
from mdweights_core.dynamics.tuning.settings import Prior
from mdweights_core.dynamics.tuning.targets import Targets
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput
from mdweights_core.workflow.sensitivity_molecules import molecule
from mdweights_core.workflow.sensitivity_observables import observables_of, targets_of
from mdweights_core.workflow.sensitivity_systems import Studied, network, small
from mdweights_core.workflow.sensitivity_values import (
    read_values,
    typed_bounds,
    typed_priors,
    typed_values,
    write_tuned,
)

TERM = """
[[term]]
name = "pull"
kind = "bond"
expression = "K*(r - rest)^2"
between = ["(name O)", "(name C)"]
parameters = { K = { value = 1000, low = 0, unit = "kJ/mol/nm^2" }, rest = 0.12 }
"""


@pytest.fixture
def crystal(tmp_path: Path) -> Studied:
    return network(write_structure(tmp_path), NetworkSettings(cutoff=0.5, site=200.0), crystal=True)


def test_a_network_knows_its_atoms_its_cell_and_its_classes(crystal: Studied) -> None:
    assert crystal.atoms is not None
    assert crystal.topology.getNumAtoms() == 12
    np.testing.assert_allclose(crystal.box, np.diag([1.0, 1.1, 1.2]))
    assert [it.name for it in crystal.simulated.parameters] == ["k bonded", "k 0-0.5 nm", "k on site"]
    np.testing.assert_allclose(np.asarray(crystal.simulated.masses)[[0, 3]], [12.011, 1.008], rtol=1e-3)


def test_observables_are_called_as_people_type_them(crystal: Studied) -> None:
    texts = ("B C", "U name O", "distance 4 5", "r^-6 4 5", "Rg", "diffuse 1 0 2", "F 1 0 2", "energy", "x 0")
    found = observables_of(texts, crystal)
    assert found.names[:2] == ("B factor of C 1 (A^2)", "B factor of C 2 (A^2)")
    assert found.names[-7:] == (
        "distance 4 5 (nm)",
        "r^-6 4 5 (nm^-6)",
        "Rg (nm)",
        "diffuse 1 0 2 (e^2)",
        "F 1 0 2 (e)",
        "energy (kJ/mol)",
        "x 0",
    )
    x = crystal.simulated.start
    features = np.asarray(found.features(x, crystal.simulated.theta))
    values = dict(zip(found.names, np.asarray(found.combine(features, crystal.simulated.theta)), strict=True))
    apart = np.linalg.norm(crystal.reference[4] - crystal.reference[5])
    assert values["distance 4 5 (nm)"] == pytest.approx(apart)
    assert values["r^-6 4 5 (nm^-6)"] == pytest.approx(apart**-6)
    assert values["diffuse 1 0 2 (e^2)"] == pytest.approx(0, abs=1e-9)
    index = np.array([1, 0, 2]) / np.diag(np.asarray(crystal.box))
    phase = np.exp(2j * np.pi * crystal.reference @ index)
    assert values["F 1 0 2 (e)"] == pytest.approx(abs(_factors(crystal, np.linalg.norm(index)) @ phase))


def _factors(crystal: Studied, inverse_d: float) -> np.ndarray:
    """Form factors [12] at 1/d in 1/nm."""
    import gemmi

    assert crystal.atoms is not None
    s2 = (inverse_d / 20) ** 2  # (sin theta / lambda)^2, 1/A^2
    return np.array([gemmi.Element(str(it)).it92.calculate_sf(s2) for it in crystal.atoms.element])


def test_targets_may_leave_units_out(crystal: Studied) -> None:
    found = observables_of(("distance 4 5", "Rg"), crystal)
    named = targets_of(Targets.of(["Rg", "distance 4 5 (nm)"], np.ones(2), np.ones(2)), found)
    assert named.names == ("Rg (nm)", "distance 4 5 (nm)")
    with pytest.raises(BadInput, match="no observable called 'B C'"):
        targets_of(Targets.of(["B C"], np.ones(1), np.ones(1)), found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no name"),
        ("distance 1", "1 atom are named|of two atoms"),
        ("distance 1 x", "'x' is not a whole number"),
        ("diffuse 1 0", "A map and a resolution"),
        ("F 1 0", "three indices"),
        ("histogram 0 1 0.1 0.2", "its limits and its number of bins"),
        ("histogram 0 1 0.1 0.2 0", "0 bins tells nothing"),
        ("B name XX", "XX"),
        ("energy 3", "'energy 3' names no observable"),
        ("CC absent.mtz 4", r"absent\.mtz"),
    ],
)
def test_names_that_mean_nothing_are_refused(crystal: Studied, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        observables_of((text,), crystal)


def test_a_ring_scatters_by_its_masses() -> None:
    ring = small("ring")
    found = observables_of(("diffuse 0 3",), ring)
    assert found.names == ("diffuse 0", "diffuse 3")
    features = np.asarray(found.features(ring.simulated.start, ring.simulated.theta))
    phase = np.exp(2j * np.pi * 3 * np.arange(16) / 16)
    np.testing.assert_allclose(features[:2], [24, (np.tile([1, 2], 8) @ phase).real], atol=1e-9)


def test_steps_are_short_enough_for_where_heat_takes_a_system() -> None:
    """The wall between two particles at the energy of 6.5 kT is far stiffer than the well they begin in."""
    dimer = small("lj-dimer").simulated
    r = dimer.start[:3] - dimer.start[3:]
    in_its_well = jax.hessian(dimer.model.energy)(dimer.start, dimer.theta)
    slow = 0.2 / np.sqrt(np.linalg.eigvalsh(in_its_well / np.sqrt(np.outer(dimer.masses, dimer.masses)))[-1])
    assert np.linalg.norm(r) == pytest.approx(1.3)
    assert 0.1 * slow < suggested_step(dimer) < 0.5 * slow


def test_steps_are_a_fifth_of_the_fastest_motion() -> None:
    assert suggested_step(small("oscillator").at({"k": 4.0}, {}).simulated) == pytest.approx(0.1)
    masses = np.tile([1.0, 2.0], 8)
    ring = small("ring").simulated
    hessian = np.zeros((16, 16))
    for i, k in enumerate(np.tile([2.0, 6.0], 8)):
        pair = np.ix_([i, (i + 1) % 16], [i, (i + 1) % 16])
        hessian[pair] += k * np.array([[1, -1], [-1, 1]])
    hessian += 1.5 * np.eye(16)
    fastest = np.linalg.eigvalsh(hessian / np.sqrt(np.outer(masses, masses)))[-1]
    assert suggested_step(ring) == pytest.approx(0.2 / np.sqrt(fastest), rel=0.05)


def test_parameters_take_values_and_bounds_and_some_are_held() -> None:
    ring = small("ring").at({"k2": 5.0}, {"k3": (1.0, 2.0)}).only(["k3", "k1"])
    assert [(it.name, it.value, it.low, it.high) for it in ring.simulated.parameters] == [
        ("k3", 1.5, 1.0, 2.0),
        ("k1", 2.0, 0.0, np.inf),
    ]
    assert ring.held == {"k2": 5.0}
    x = ring.simulated.start + np.random.default_rng(0).normal(size=16)
    whole = small("ring").simulated.model
    theta = np.array([2.5, 1.1])
    assert ring.simulated.model.energy(x, theta) == pytest.approx(whole.energy(x, np.array([1.1, 5.0, 2.5])))
    with pytest.raises(BadInput, match="not between 1 and 2"):
        small("ring").at({"k3": 3.0}, {"k3": (1.0, 2.0)})
    with pytest.raises(BadInput, match="named twice"):
        small("ring").only(["k1", "k1"])


def test_a_network_with_some_parameters_keeps_its_curvature(crystal: Studied) -> None:
    some = crystal.only(["k on site"]).simulated
    x = some.start + 0.01 * np.random.default_rng(0).normal(size=some.n)
    gradient, hessian, mixed = crystal.simulated.model.curvature(x, crystal.simulated.theta)
    found = some.model.curvature(x, some.theta)
    np.testing.assert_allclose(found[0], gradient)
    np.testing.assert_allclose(found[1], hessian)
    np.testing.assert_allclose(found[2][:, 0], mixed[:, 2])


def test_a_molecule_has_parameters_of_its_field_and_of_added_terms(tmp_path: Path) -> None:
    path = tmp_path / "term.toml"
    path.write_text(TERM)
    found = molecule(
        write_structure(tmp_path),
        EnergySettings(solvent="none"),
        None,
        ("scale of bonds", "rest"),
        300.0,
        read_terms(path),
    )
    assert {it.name for it in found.simulated.parameters} == {"scale of bonds", "K", "rest"}
    assert found.told == "amide.pdb with amber14 in vacuo, 300 K"
    plain = molecule(path.with_name("amide.pdb"), EnergySettings(solvent="none"), None, (), 300.0, TermFile())
    energies = [it.simulated.model.energy(it.simulated.start, it.simulated.theta) for it in (found, plain)]
    apart = np.linalg.norm(found.reference[4] - found.reference[5])
    assert energies[0] - energies[1] == pytest.approx(1000 * (apart - 0.12) ** 2, rel=1e-6)


def _tuned(name: str = 'k "odd"') -> Tuning:
    lines = StraightLines(np.array([[2.0], [1.0]]), (Parameter(name, 1.0, "kJ/mol", low=0.0),))
    return jobs.run(tune(lines, Targets.of(["y1", "y2"], np.array([3.0, 1.5]), np.ones(2))))


def test_tuned_values_are_read_back(tmp_path: Path) -> None:
    path, found = tmp_path / "p.toml", _tuned()
    write_tuned(path, found, "lines", {"held": 4.0})
    assert read_values(path) == {"held": 4.0, 'k "odd"': found.values[0]}
    content = tomllib.loads(path.read_text())
    assert content["units"] == {'k "odd"': "kJ/mol"}
    assert content["errors"] == {'k "odd"': found.errors[0]}


def test_terms_come_along_with_tuned_values(tmp_path: Path) -> None:
    term, path, found = tmp_path / "term.toml", tmp_path / "p.toml", _tuned("rest")
    term.write_text(TERM)
    forms = read_terms(term).forms
    write_tuned(path, found, "lines", {"scale of bonds": 1.0}, forms)
    again = read_terms(path)
    tuned = replace(forms[0].parameters[1], value=found.values[0])
    assert again.forms == (replace(forms[0], parameters=(forms[0].parameters[0], tuned)),)
    assert again.values == {"scale of bonds": 1.0}


def test_typed_numbers_are_read() -> None:
    assert typed_values(["epsilon of CT = 0.4", "k1=-2e3"]) == {"epsilon of CT": 0.4, "k1": -2000.0}
    assert typed_bounds(["k=0:inf"]) == {"k": (0.0, np.inf)}
    assert typed_priors(["k=2:0.5"]) == (Prior("k", 2.0, 0.5),)


@pytest.mark.parametrize(
    ("words", "told"),
    [(["k=x"], "'x' in 'k=x' is not a number"), (["=2"], "no name and number"), (["k=1", "k=2"], "given twice")],
)
def test_typed_numbers_that_are_none_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        typed_values(words)


@pytest.mark.parametrize("text", ["[values]\nk = 'a'\n", "x = 1\n", "[values\n"])
def test_files_without_values_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"p\.toml"):
        read_values(path)
