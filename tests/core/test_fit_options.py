"""Options of the command line: each becomes the setting it names, and defaults are those of the settings."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import pytest

from mdweights_core.cli.fit_options import add_fit_options, add_validation_options, fit_settings, validation_settings
from mdweights_core.errors import BadInput
from mdweights_core.weights.settings import FitSettings, ValidationSettings

EVERYTHING = {
    "objective": "student-t",
    "theta": 0.25,
    "free_fraction": 0.2,
    "seed": 7,
    "max_steps": 12,
    "weighting": "sigma+shells",
    "n_eff_floor": 30.5,
    "tied_frames": 4,
    "max_frames": 9,
    "bragg_weight": 0.5,
    "mask_bragg": 0.3,
    "mask_negative": True,
    "mask_outliers": 8.0,
    "mask_ice": True,
}
WORDS = {"tied_frames": "tie"}


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_fit_options(parser)
    add_validation_options(parser)
    return parser.parse_args(words)


def typed(values: dict[str, object]) -> list[str]:
    words = []
    for name, value in values.items():
        words.append("--" + WORDS.get(name, name).replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


def test_without_options_all_settings_are_their_defaults():
    args = parse()
    assert fit_settings(args) == FitSettings()
    assert validation_settings(args) == ValidationSettings()
    assert args.bragg is None
    assert args.prior is None


def test_every_setting_of_a_fit_has_an_option():
    args = parse(*typed(EVERYTHING), "--bragg", "b.mtz", "--prior", "w.csv")
    assert asdict(fit_settings(args)) == EVERYTHING | {"solver": "gauss-newton"}
    assert fit_settings(parse("--solver", "lbfgs")).solver == "lbfgs"  # which knows no floor
    assert (args.bragg, args.prior) == (Path("b.mtz"), Path("w.csv"))


def test_every_setting_of_a_validation_has_an_option():
    values = {"folds": 3, "starts": 0, "thetas": 4, "samples": 9, "block": 6}
    assert asdict(validation_settings(parse(*typed(values)))) == values


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--bragg-weight", "0.5"), "Give --bragg FILE.mtz too"),
        (("--bragg", "b.mtz"), "Give --bragg-weight too"),
        (("--theta", "-1"), "theta is -1"),
        (("--mask-outliers", "nan"), "mask outliers is nan"),
        (("--n-eff-floor", "21", "--max-frames", "4", "--tie", "5"), "no more than 20 frames may have a weight"),
    ],
)
def test_settings_that_make_no_sense_are_refused(words, told):
    with pytest.raises(BadInput, match=told):
        fit_settings(parse(*words))


def test_one_fold_is_refused():
    with pytest.raises(BadInput, match="one fold"):
        validation_settings(parse("--folds", "1"))


def test_help_can_be_printed(capsys):
    """A percent sign that is not doubled would only show here."""
    with pytest.raises(SystemExit) as ended:
        parse("--help")
    assert ended.value.code == 0
    assert "--mask-outliers N" in capsys.readouterr().out


def test_frames_to_fit_are_a_list_or_a_table_of_a_selection(tmp_path, capsys):
    assert parse().only is None
    assert parse("--only", "0-2,9").only == (0, 1, 2, 9)
    table = tmp_path / "kept.csv"
    table.write_text("frame,kept,deletion\n0,1,\n1,0,1\n2,1,\n")
    assert parse("--only", str(table)).only == (0, 2)
    for wrong, why in (("9-2", "is not a list of frames"), (str(tmp_path / "none.csv"), "none.csv")):
        with pytest.raises(SystemExit):
            parse("--only", wrong)
        assert why in capsys.readouterr().err
