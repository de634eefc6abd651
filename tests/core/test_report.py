"""The report's page against the project it tells of, read as a browser would read it."""

from __future__ import annotations

import dataclasses
import re
from html import unescape

import numpy as np
import pytest

from mdweights_core.report import write_report
from mdweights_core.report.settings_table import setting_rows
from mdweights_core.weights.scores import BraggScores
from mdweights_core.weights.selection.result import PATH_KEYS, Selection, comparison, verdict
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.settings import FitSettings

_VOID = {"meta", "br", "link"}


def text_of(project, tmp_path) -> str:
    write_report(project, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def words_of(page: str) -> str:
    """What is read: no styles, no figures, no tags."""
    bare = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())


@pytest.fixture(scope="module")
def page(example_project, tmp_path_factory) -> str:
    return text_of(example_project, tmp_path_factory.mktemp("report"))


def test_the_conclusion_comes_first_and_all_lights_follow_by_word(page, example_project):
    words, validation = words_of(page), example_project.validation
    assert words.index(validation.verdict) < words.index("Why to believe it") < words.index("Agreement with")
    for light in validation.lights:
        word = {"none": "not known"}.get(light.state, light.state)
        assert re.search(rf"{light.name} \S {word} {re.escape(light.value)}", words), light.name
        assert light.sentence in words


def test_tables_hold_the_numbers_of_the_project(page, example_project):
    words, fit, meaning = words_of(page), example_project.fit, example_project.meaning
    assert f"Anisotropic CC {fit.scores.cc_aniso:.4f} {fit.uniform.cc_aniso:.4f}" in words
    for sentence in (*meaning.sentences, *meaning.notes):
        assert sentence in words
    first = meaning.features[0]
    assert f"{first.label} {first.spearman:+.2f} {first.z:+.1f}" in words
    for weight, error, prior in zip(*(getattr(meaning.clusters, n) for n in ("weight", "error", "prior")), strict=True):
        assert f"{weight:.3f} ± {error:.3f} {prior:.3f}" in words
    heaviest = int(np.argmax(fit.weights))
    assert f"{fit.weights[heaviest]:.5f}" in words


def test_figures_of_validation_and_meaning_are_inside(page):
    """Labels of axes are drawn as shapes; captions say which figure it is."""
    assert page.count("<svg") == 14
    for caption in ("numbers are theta", "held out in its turn", "Fits from random weights", "Pseudo-energy"):
        assert caption in page
    outside = re.findall(r'(?:src|href)="(?!#|data:)([^"]+)"', page)
    assert not outside  # nothing but the page is needed


def test_tags_are_closed(page):
    bare = re.sub(r"<svg.*?</svg>|<style>.*?</style>", "", page, flags=re.DOTALL)
    opened = [tag for tag in re.findall(r"<([a-z][a-z0-9]*)[ >]", bare) if tag not in _VOID]
    assert sorted(opened) == sorted(re.findall(r"</([a-z][a-z0-9]*)>", bare))


def test_it_says_how_to_make_it_again(page, example_project):
    assert f"mdweights rerun {example_project.path.name}" in words_of(page)
    assert example_project.provenance["program"] in page
    assert all(mark in page for mark in example_project.provenance["files"].values())


def test_a_project_that_was_neither_validated_nor_explained_says_so(example_project, tmp_path):
    page = text_of(dataclasses.replace(example_project, validation=None, meaning=None), tmp_path)
    words = words_of(page)
    assert "not validated" in words[:200]
    assert "mdweights validate" in words
    assert "Why to believe it" not in words
    assert "What the weights mean" not in words
    assert "Bars of error" not in words
    assert page.count("<svg") == 5


def test_parts_that_a_validation_left_out_are_no_empty_figures(example_project, tmp_path):
    lean = dataclasses.replace(
        example_project.validation, folds=None, restarts=None, theta_scan=None, bootstrap=None, complete=False
    )
    lone = dataclasses.replace(example_project.meaning, clusters=None, sets=None, features=())
    page = text_of(dataclasses.replace(example_project, validation=lean, meaning=lone), tmp_path)
    assert "The validation was stopped before its end." in words_of(page)
    assert page.count("<svg") == 6  # those of every fit, and pseudo-energies
    assert "Clusters of frames" not in page


def test_a_conclusion_against_the_weights_is_painted_as_bad(example_project, tmp_path):
    against = dataclasses.replace(example_project.validation, conclusion="overfit", verdict="Overfitted <really>.")
    page = text_of(dataclasses.replace(example_project, validation=against), tmp_path)
    assert '<div class="verdict bad"><strong>overfit</strong>' in page
    assert "Overfitted &lt;really&gt;." in page


def test_bragg_scores_stand_beside_those_of_the_map(example_project, tmp_path):
    bragg = BraggScores(cc=0.9, cc_uniform=0.8, cc_free=0.7, cc_free_uniform=0.6)
    fit = dataclasses.replace(example_project.fit, bragg=bragg)
    words = words_of(text_of(dataclasses.replace(example_project, fit=fit), tmp_path))
    assert "Bragg CC 0.9000 0.8000 0.7000 0.6000" in words


def test_a_theta_above_zero_is_drawn_where_it_is(example_project, tmp_path):
    fit = dataclasses.replace(example_project.fit, theta=0.05)
    words = words_of(text_of(dataclasses.replace(example_project, fit=fit), tmp_path))
    assert "Theta 0.05 (0 was asked for; the floor raised it)" in words
    assert "is drawn at the left edge" not in words


def test_every_setting_of_a_fit_changes_a_row(example_project):
    """A setting that no row tells of could not be read from the report."""
    inputs = dataclasses.replace(example_project.inputs, bragg=example_project.inputs.map, prior=example_project.path)
    usual = dataclasses.replace(example_project, inputs=inputs, fit_settings=FitSettings(bragg_weight=0.1))
    other = {
        "objective": "cc", "weighting": "shells", "solver": "lbfgs", "theta": 0.5, "free_fraction": 0.2, "seed": 3,
        "max_steps": 7, "n_eff_floor": 4.0, "tied_frames": 3, "max_frames": 5, "bragg_weight": 0.4, "mask_bragg": 0.2,
        "mask_negative": True, "mask_outliers": 9.0, "mask_ice": True,
    }  # fmt: skip
    assert other.keys() == {field.name for field in dataclasses.fields(FitSettings)}
    for name, value in other.items():
        settings = dataclasses.replace(usual.fit_settings, **{name: value})
        changed = dataclasses.replace(usual, fit_settings=settings)
        assert setting_rows(changed) != setting_rows(usual), name


def test_what_was_said_of_the_map_and_of_scattering_is_told(example_project):
    inputs = dataclasses.replace(example_project.inputs, reindex="k,h,-l", d_min=1.5)
    scattering = dataclasses.replace(example_project.predict_settings, b_iso=12.0, remove_drift=False)
    rows = dict(setting_rows(dataclasses.replace(example_project, inputs=inputs, predict_settings=scattering)))
    assert rows["Reindexed by"] == "k,h,-l"
    assert rows["d min"] == "1.5 Å"
    assert rows["Structure factors"] == "remove drift no; b iso 12.0"


def a_selection(method: str, n_frames: int, n_removed: int) -> Selection:
    """Every second frame goes; held-out agreement rises with the work set's."""
    order = np.zeros(n_frames, dtype=np.int64)
    order[1 : 2 * n_removed : 2] = np.arange(n_removed, 0, -1)
    steps = np.arange(n_removed + 1.0)
    path = dict.fromkeys(PATH_KEYS, 0.5 + 0.01 * steps) | {"step": steps, "n_kept": n_frames - steps}
    kept = order == 0
    weights = kept / kept.sum()
    order = order if method == "greedy" else np.zeros_like(order)
    settings = SelectionSettings(method, min_frames=5, max_frames=90)
    return Selection(settings, "cc_aniso", kept, order, weights, path, 900, 100, "No deletion helps.", False, 1.0)


def test_frames_kept_stand_beside_the_weights(example_project, tmp_path):
    selection = a_selection("greedy", len(example_project.fit.weights), 3)
    page = text_of(dataclasses.replace(example_project, selection=selection), tmp_path)
    words = words_of(page)
    for sentence in (verdict(selection), comparison(selection, example_project.fit), selection.outcome):
        assert sentence in words
    assert "● good 105 frames of 108 kept" in words
    assert "Left out, in the order of their deletion (greedy): 5, 3, 1." in words
    assert "Selection of frames greedy, at least 5 frames kept, at most 90" in words
    assert page.count("<svg") == 15


def test_frames_without_an_order_are_listed_as_far_as_one_reads(example_project, tmp_path):
    some = a_selection("genetic", 200, 62)
    words = words_of(text_of(dataclasses.replace(example_project, selection=some), tmp_path))
    listed = ", ".join(str(frame) for frame in range(1, 120, 2))
    assert f"Left out (genetic): {listed} and 2 more." in words
    assert "at most 300 generations, seed 0" in words


def test_a_project_without_a_selection_says_nothing_of_one(page):
    assert "Whole frames" not in words_of(page)
