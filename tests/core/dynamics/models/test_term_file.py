"""Small files of terms and values, and molecules that they change."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.dynamics.models.groups import Described
from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.models.term_file import read_terms, with_terms
from mdweights_core.errors import BadInput

MORSE = """
[[term]]
name = "Morse"
kind = "bond"
expression = "D*(1 - exp(-a*(r - rest)))^2"
between = ["CT", "HC"]
replaces = "bonds"
parameters = { D = 400, a = { value = 20, low = 5, high = 50, unit = "1/nm" } }
"""
VALUES = """
[values]
D = 350.0
"epsilon of CT" = 0.6
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "terms.toml"


def test_terms_and_values_are_read(path: Path) -> None:
    path.write_text(MORSE + VALUES)
    found = read_terms(path)
    assert found.forms[0].parameters == (Parameter("D", 350.0), Parameter("a", 20.0, "1/nm", 5.0, 50.0))
    assert (found.forms[0].between, found.forms[0].replaces) == (("CT", "HC"), "bonds")
    assert dict(found.values) == {"epsilon of CT": 0.6}


def test_a_molecule_is_changed_by_them(path: Path, described: Described) -> None:
    path.write_text(MORSE + VALUES)
    changed = with_terms(described.molecule, read_terms(path), described.types)
    before, after = described.energy.by_term(described.molecule.x), changed.energy.by_term(jnp.asarray(changed.x))
    is_ct = described.types == "CT"
    kept = np.asarray(described.energy.terms["nonbonded"].atoms["well"]) ** 2
    np.testing.assert_allclose(
        np.asarray(changed.energy.terms["nonbonded"].atoms["well"]) ** 2, np.where(is_ct, 0.6, kept)
    )
    assert after["angles"] == pytest.approx(float(before["angles"]))
    hydrogens = [b for a, b in described.bonds.tolist() if described.types[b] == "HC"]
    stretch = np.linalg.norm(described.molecule.x[hydrogens] - described.molecule.x[0], axis=1) - 0.109
    assert float(after["Morse"]) == pytest.approx(np.sum(350 * (1 - np.exp(-20 * stretch)) ** 2))


def test_a_form_that_has_a_kink_is_refused(path: Path, described: Described) -> None:
    path.write_text(MORSE.replace("(1 - exp(-a*(r - rest)))^2", "abs(a*(y - y0)) + 0*a").replace("bond", "atom", 1)
                    .replace('between = ["CT", "HC"]\nreplaces = "bonds"', ""))  # fmt: skip
    with pytest.raises(BadInput, match=r"does not agree with differences.*term 'Morse'"):
        with_terms(described.molecule, read_terms(path), described.types)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("[[term", "cannot be read"),
        ("x = 1", "tells of no terms and no values"),
        ("[values]\nk = 'two'", "The value of 'k' is no number"),
        ("[[term]]\nname = 'a'", "needs a name, a kind and an expression"),
        (MORSE.replace("replaces", "instead"), "A term has no 'instead'"),
        (MORSE.replace("400", '"many"'), "The parameter D cannot be read"),
        (MORSE.replace("value = 20, ", ""), "The parameter a has no value"),
        (MORSE.replace("value = 20", "value = 60"), "not between 5 and 50"),
        (MORSE.replace('"bond"', '"bonding"'), "is of 'bonding'"),
        (MORSE + "cutoff = '1 nm'", "'cutoff' or 'apart' of Morse is no number"),
        (MORSE.replace('["CT", "HC"]', '"CT"'), "'between' of Morse is no list"),
    ],
)
def test_files_that_tell_nothing_are_refused_by_name(text: str, why: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_terms(path)
    assert why in refused.value.sentence
    assert refused.value.sentence.startswith(str(path))
