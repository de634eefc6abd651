"""Records and arrays that are damaged, strange or of a newer program are told in a sentence."""

from __future__ import annotations

import json

import pytest

from mdweights_core.cli.main import main
from mdweights_core.errors import BadInput
from mdweights_core.project import Project


def _leaves(value, place=()):
    """Places of all values in a record; of lists the first item stands for all."""
    if isinstance(value, dict | list) and value:
        for key, part in list(value.items() if isinstance(value, dict) else enumerate(value[:1])):
            yield (*place, key)
            yield from _leaves(part, (*place, key))


@pytest.mark.parametrize("wrong", [None, "x", []])
def test_a_record_with_a_wrong_value_is_damaged_or_does_no_harm(copy, wrong, capsys):
    whole = (copy / "project.json").read_text()
    places = list(dict.fromkeys(_leaves(json.loads(whole))))
    assert len(places) > 150
    refused = 0
    for place in places:
        record = json.loads(whole)
        inner = record
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = wrong
        (copy / "project.json").write_text(json.dumps(record))
        code = main(["info", str(copy), "--json"])
        assert code in (0, 2), (place, capsys.readouterr().err)
        refused += code == 2
    assert refused > len(places) / 3


def test_a_newer_schema_is_refused(copy):
    file = copy / "project.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 99}))
    with pytest.raises(BadInput, match="newer version"):
        Project.open(copy)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"schema_version": "x"}'])
def test_a_broken_record_is_a_sentence(copy, damage):
    (copy / "project.json").write_text(damage)
    with pytest.raises(BadInput, match="project"):
        Project.open(copy)


@pytest.mark.parametrize("length", [0, 10, 1000, 100_000])
def test_truncated_arrays_are_a_sentence(copy, length):
    file = next(copy.glob("fit-*.npz"))
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(BadInput, match="damaged"):
        Project.open(copy)


def test_a_missing_key_is_a_sentence(copy):
    file = copy / "project.json"
    record = json.loads(file.read_text())
    del record["result"]["n_eff"]
    file.write_text(json.dumps(record))
    with pytest.raises(BadInput, match="damaged"):
        Project.open(copy)


def test_a_folder_that_is_no_project_is_told(tmp_path):
    with pytest.raises(BadInput, match="not an mdweights project"):
        Project.open(tmp_path)
