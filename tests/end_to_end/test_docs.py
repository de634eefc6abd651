"""The documents say what the program does: command lines parse, links lead somewhere, the snippet runs."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mdweights_core.cli.main import _parser
from mdweights_core.cli.rerun import run as rerun
from mdweights_core.cli.verdict import meaning_result, scan_result, validation_result
from mdweights_core.example import example_inputs, hidden_weights
from mdweights_core.jobs import run
from mdweights_core.lights import Light
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.result import describe_fit, fit_summary
from mdweights_core.weights.selection.result import selection_summary
from mdweights_core.weights.selection.settings import METHODS
from mdweights_core.weights.settings import DEFAULT_STEPS, OBJECTIVES, WEIGHTINGS, FitSettings
from mdweights_core.workflow import fit_project

REPOSITORY = Path(__file__).resolve().parents[2]
README, GUIDE = REPOSITORY / "README.md", REPOSITORY / "docs" / "guide.md"
PAGES = [
    *(README, GUIDE, REPOSITORY / "CHANGELOG.md", REPOSITORY / "CONTRIBUTING.md"),
    *(REPOSITORY / "docs" / "architecture.md", REPOSITORY / "resources" / "example" / "README.md"),
]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def commands_of(text: str) -> Iterator[str]:
    """Indented command lines, without the remark that stands apart at their end, and those quoted in sentences."""
    for line in text.splitlines():
        if line.startswith("    mdweights"):
            yield re.split(r"\s{3,}", line.strip())[0]
    for quoted in re.findall(r"`(mdweights \w+ [^`]+)`", text):  # a name alone, `mdweights fit`, is no command
        if "..." not in quoted:
            yield quoted


def quoted_commands() -> list[tuple[str, str]]:
    return [(page.name, command) for page in PAGES for command in commands_of(text_of(page))]


def headings(page: Path) -> set[str]:
    """What the headings of a page are linked by, as GitHub makes it."""
    return {
        re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in _HEADING.findall(text_of(page))
    }


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize(("page", "command"), quoted_commands())
def test_a_quoted_command_line_is_understood(page: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)[1:]
    if words and all(re.fullmatch(r"\w+\.(mdw|mtz|xtc|pdb)", word) for word in words):
        return  # files alone open the window on them
    try:
        _parser().parse_args(words)
    except SystemExit as ended:
        if not ended.code:
            return  # of --help
        pytest.fail(f"{page}: {command}\n{capsys.readouterr().err}")


def test_commands_are_found_and_a_wrong_one_is_refused() -> None:
    text = "    mdweights demo --now   a remark\n`mdweights info x.mtz`, `mdweights info FILE...`, `mdweights fit`"
    assert list(commands_of(text)) == ["mdweights demo --now", "mdweights info x.mtz"]
    assert {README.name, GUIDE.name} <= {page for page, _ in quoted_commands()}
    with pytest.raises(SystemExit):
        _parser().parse_args(["demo", "--now"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_or_a_heading(page: Path) -> None:
    broken = []
    for target in _LINK.findall(text_of(page)):
        if target.startswith("https://"):
            continue
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        if not file.is_file() or (heading and heading not in headings(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_text_would_be_taken_for_a_tag_and_vanish(page: Path) -> None:
    prose = re.sub(r"```.*?```|^    .*?$|`[^`]*`", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"<[A-Za-z/][^>]*>", prose)


def test_every_subcommand_and_option_is_explained() -> None:
    text = text_of(GUIDE) + text_of(README)
    missing = []
    for name, parser in subcommands().items():
        options = [action.option_strings[-1] for action in parser._actions if action.option_strings]
        missing += [word for word in (f"mdweights {name}", *options) if word != "--help" and word not in text]
    assert not missing


@pytest.mark.parametrize(
    ("function", "known"),
    [
        (fit_summary, {"n_eff", "warnings", "scale", "gain"}),
        (validation_result, {"conclusion", "lights", "proposed_theta"}),
        (scan_result, {"unweighted_held_out"}),
        (meaning_result, {"sentences", "pseudo_energy_error"}),
        (rerun, {"same", "differences"}),
        (selection_summary, {"kept", "overfit"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_every_field_of_the_json_is_explained(function: Callable[..., object], known: set[str]) -> None:
    fields = set(re.findall(r'^ +"(\w+)":', inspect.getsource(function), re.MULTILINE))
    assert known <= fields
    assert not {field for field in fields if f"`{field}`" not in text_of(GUIDE)}


def test_every_number_of_lights_features_and_scans_is_explained() -> None:
    """Those whose names are no literals of the functions that write them."""
    names = {field.name for field in dataclasses.fields(Light)}
    names |= set(re.findall(r'"(\w+)"', inspect.getsource(meaning_result) + inspect.getsource(scan_result)))
    assert {"sentence", "spearman", "held_out_error"} <= names
    assert not {name for name in names if f"`{name}`" not in text_of(GUIDE)}


def test_every_choice_of_a_fit_is_explained() -> None:
    missing = [name for name in (*OBJECTIVES, *WEIGHTINGS, *DEFAULT_STEPS, *METHODS) if name not in text_of(GUIDE)]
    assert not missing


def test_the_snippet_of_the_guide_runs(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", text_of(GUIDE), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "held out" in done.stdout
    assert len((tmp_path / "weights.csv").read_text().splitlines()) == 109


def test_the_guide_prints_what_a_fit_of_the_example_prints(tmp_path: Path) -> None:
    fit = run(fit_project(example_inputs(), PredictSettings(), FitSettings(), tmp_path / "peptide.mdw")).fit
    guide = text_of(GUIDE)
    assert unicodedata.normalize("NFC", describe_fit(fit)) in guide  # one sign for the angstrom, whatever its code
    for title, name in (("anisotropic CC", "cc_aniso"), ("total CC", "cc")):
        (row,) = re.findall(rf"^    {title} +([\d. ]+)$", guide, re.MULTILINE)
        expected = [getattr(s, name + part) for part in ("", "_free") for s in (fit.scores, fit.uniform)]
        assert [float(number) for number in row.split()] == pytest.approx(expected, abs=0.002)
    correlation = np.corrcoef(hidden_weights()[0], fit.weights)[0, 1]
    for page in (README, GUIDE):
        (quoted,) = re.findall(r"correlation\s+of\s+(0\.\d+)", text_of(page))
        assert float(quoted) == pytest.approx(correlation, abs=0.01)


def test_pictures_are_small() -> None:
    sizes = {picture.name: picture.stat().st_size for picture in (REPOSITORY / "docs" / "pictures").iterdir()}
    assert sizes
    assert not {name for name, size in sizes.items() if size > 300_000}
