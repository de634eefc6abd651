"""Options of a fit and of its validation, and the settings that they make."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from mdweights_core.cli.arguments import frames_only, positive
from mdweights_core.errors import BadInput
from mdweights_core.weights.settings import DEFAULT_STEPS, OBJECTIVES, WEIGHTINGS, FitSettings, ValidationSettings


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of `FitSettings`, and the files of Bragg amplitudes and of prior weights."""
    fit, weights = parser.add_argument_group("fit"), parser.add_argument_group("weights of frames")
    _add_objective(fit)
    _add_solver(fit)
    _add_free_set(fit)
    _add_strength(weights)
    _add_frames(weights)
    _add_bragg(parser.add_argument_group("Bragg amplitudes"))
    _add_masks(parser.add_argument_group("reflections left out"))


def add_problem_options(parser: argparse.ArgumentParser) -> None:
    """Those of a fit that also mean something to a selection of whole frames."""
    group = parser.add_argument_group("what is compared")
    _add_objective(group)
    _add_free_set(group)
    _add_frames(group)
    _add_masks(parser.add_argument_group("reflections left out"))


def _add_objective(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--objective",
        choices=tuple(OBJECTIVES),
        default=FitSettings.objective,
        help=f"agreement with the map that is maximised ({FitSettings.objective})",
    )


def _add_solver(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--solver", choices=tuple(DEFAULT_STEPS), default=FitSettings.solver)
    group.add_argument("--max-steps", type=int, metavar="N", help="iterations at most")
    group.add_argument(
        "--weighting",
        choices=tuple(WEIGHTINGS),
        default=FitSettings.weighting,
        help=f"how reflections count beside each other ({FitSettings.weighting})",
    )


def _add_free_set(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--free-fraction",
        type=float,
        default=FitSettings.free_fraction,
        metavar="X",
        help=f"held out when the map has no free set ({FitSettings.free_fraction:g})",
    )
    group.add_argument(
        "--seed", type=int, default=FitSettings.seed, metavar="N", help=f"of all that is random ({FitSettings.seed})"
    )


def _add_strength(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--theta",
        type=float,
        default=FitSettings.theta,
        metavar="X",
        help=f"strength of the relative entropy to equal weights or to --prior ({FitSettings.theta:g})",
    )
    group.add_argument(
        "--n-eff-floor",
        type=float,
        default=FitSettings.n_eff_floor,
        metavar="N",
        help="raise theta until this many frames are effective (no floor)",
    )
    group.add_argument("--max-frames", type=positive, metavar="K", help="frames that may have a weight at most (all)")


def _add_frames(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tie",
        type=positive,
        default=FitSettings.tied_frames,
        dest="tied_frames",
        metavar="N",
        help=f"neighbouring frames that share one weight ({FitSettings.tied_frames})",
    )
    group.add_argument(
        "--only", type=frames_only, metavar="0-9,20|KEPT.csv", help="frames that are fitted, or a table of select (all)"
    )
    group.add_argument(
        "--prior", type=Path, metavar="FILE", help="weights of a biased simulation: text, CSV or .npy (all alike)"
    )


def _add_bragg(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--bragg", type=Path, metavar="FILE.mtz", help="Bragg amplitudes that are fitted too")
    group.add_argument(
        "--bragg-weight",
        type=float,
        default=FitSettings.bragg_weight,
        metavar="X",
        help="dial between the diffuse map (0) and Bragg amplitudes (1)",
    )


def _add_masks(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--mask-bragg",
        type=float,
        default=FitSettings.mask_bragg,
        metavar="R",
        help="nearer than this to a Bragg position, in reciprocal-lattice vectors, such as 0.25 (none)",
    )
    group.add_argument("--mask-negative", action="store_true", help="negative intensities")
    group.add_argument(
        "--mask-outliers",
        type=float,
        default=FitSettings.mask_outliers,
        metavar="N",
        help="further than N robust sigmas from the median of their resolution, such as 10 (none)",
    )
    group.add_argument("--mask-ice", action="store_true", help="the rings of hexagonal ice")


def fit_settings(args: argparse.Namespace) -> FitSettings:
    """The settings of a fit from parsed arguments.

    Raises
    ------
    BadInput
        A number out of its range, or one of ``--bragg`` and ``--bragg-weight`` without the other.
    """
    settings = FitSettings(**{field.name: getattr(args, field.name) for field in fields(FitSettings)})
    if settings.bragg_weight > 0 and args.bragg is None:
        raise BadInput("--bragg-weight is for Bragg amplitudes, and there are none", advice="Give --bragg FILE.mtz too")
    if args.bragg is not None and not settings.bragg_weight:
        raise BadInput(
            "the Bragg amplitudes would have no weight", where=args.bragg, advice="Give --bragg-weight too, such as 0.5"
        )
    return settings


def problem_settings(args: argparse.Namespace) -> FitSettings:
    """The settings of what a selection is made from, of the options that `add_problem_options` adds.

    Raises
    ------
    BadInput
        A number out of its range.
    """
    names = ["objective", "free_fraction", "seed", "tied_frames"]
    names += [field.name for field in fields(FitSettings) if field.name.startswith("mask_")]
    return FitSettings(**{name: getattr(args, name) for name in names})


def add_validation_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of `ValidationSettings`."""
    group = parser.add_argument_group("validation")
    meanings = {
        "folds": "parts of the reflections that are held out in turns",
        "starts": "fits from random weights",
        "thetas": "strengths of the relative entropy that are tried",
        "samples": "bootstrap samples of frames and of reflections",
    }
    for name, meaning in meanings.items():
        default = getattr(ValidationSettings, name)
        group.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{meaning}; 0: none ({default})")
    group.add_argument("--block", type=positive, metavar="N", help="frames in a block of the bootstrap (found)")


def validation_settings(args: argparse.Namespace) -> ValidationSettings:
    """The settings of a validation from parsed arguments; BadInput for numbers out of their range."""
    return ValidationSettings(**{field.name: getattr(args, field.name) for field in fields(ValidationSettings)})
