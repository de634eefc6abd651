"""Validation and meaning as people read them, and as one JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.cli.console import Terminal

if TYPE_CHECKING:
    from mdweights_core.meaning.result import Meaning
    from mdweights_core.weights.validation.result import ThetaScan, Validation

_MARKS = {"good": "good", "weak": "weak", "bad": "BAD", "none": "-"}
_LISTED = 8


def print_validation(validation: Validation, terminal: Terminal) -> None:
    """The six lights and the verdict."""
    rows = [(light.name, _MARKS[light.state], light.value) for light in validation.lights]
    terminal.table("Why to believe it", ("light", "state", ""), rows)
    for light in validation.lights:
        if light.state in ("weak", "bad"):
            terminal.say(f"  {light.name}: {light.sentence}")
    terminal.say(f"{validation.conclusion.upper()}: {validation.verdict}")
    if not validation.complete:
        terminal.warn("The validation was stopped before its end.")


def validation_result(validation: Validation) -> dict[str, Any]:
    """The validation for `--json`."""
    scan = validation.theta_scan
    return {
        "conclusion": validation.conclusion,
        "verdict": validation.verdict,
        "validation_complete": validation.complete,
        "lights": [vars(light) for light in validation.lights],
        "proposed_theta": None if scan is None or scan.proposed is None else float(scan.theta[scan.proposed]),
    }


def print_scan(scan: ThetaScan, theta: float, terminal: Terminal) -> None:
    """A row per theta, the proposed one marked."""
    rows = [
        (
            f"{scan.theta[i]:.3g}",
            f"{scan.score[i]:.4f}",
            f"{scan.held_out[i]:.4f}",
            f"{scan.held_out_error[i]:.4f}",
            f"{scan.entropy[i]:.3f}",
            f"{scan.n_eff[i]:.1f}",
            "proposed" if i == scan.proposed else "",
        )
        for i in range(len(scan.theta))
    ]
    terminal.table("", ("theta", "work CC", "held out", "error", "KL", "effective frames", ""), rows)
    terminal.say(
        f"The weights before the fit reach {scan.uniform:.4f} on held-out reflections; the fit has theta {theta:g}."
    )
    if scan.proposed is not None and scan.held_out[scan.proposed] <= scan.uniform:
        terminal.say("None does better on held-out reflections than the weights before the fit.")


def scan_result(scan: ThetaScan) -> dict[str, Any]:
    """The scan for `--json`."""
    names = ("theta", "score", "held_out", "held_out_error", "entropy", "n_eff")
    return {
        **{name: [_finite(value) for value in getattr(scan, name)] for name in names},
        "unweighted_held_out": _finite(scan.uniform),
        "proposed_theta": None if scan.proposed is None else float(scan.theta[scan.proposed]),
    }


def print_meaning(meaning: Meaning, terminal: Terminal) -> None:
    """Main findings, the strongest features and the clusters."""
    for sentence in meaning.sentences:
        terminal.say(sentence)
    rows = [
        (f.label, f"{f.spearman:+.2f}", f"{f.z:+.1f}", f"{f.n_independent:.0f}", f"{f.p_corrected:.2g}")
        for f in meaning.features[:_LISTED]
    ]
    if rows:
        terminal.table("", ("feature", "rank correlation", "z", "independent frames", "corrected p"), rows)
    if meaning.clusters is not None:
        c = meaning.clusters
        rows = [
            (str(i), str(n), f"{w:.3f} ± {e:.3f}" if np.isfinite(e) else f"{w:.3f}", f"{p:.3f}", str(centre))
            for i, (n, w, e, p, centre) in enumerate(
                zip(c.n_frames, c.weight, c.error, c.prior, c.centre, strict=True), start=1
            )
        ]
        terminal.table("", ("cluster", "frames", "summed weight", "before", "central frame"), rows)
    for note in meaning.notes:
        terminal.say(f"  {note}")


def meaning_result(meaning: Meaning) -> dict[str, Any]:
    """The meaning for `--json`."""
    numbers = ("spearman", "pearson", "n_independent", "z", "p", "p_corrected")
    return {
        "sentences": list(meaning.sentences),
        "features": [
            {"name": f.name, "unit": f.unit, **{name: _finite(getattr(f, name)) for name in numbers}}
            for f in meaning.features
        ],
        "pseudo_energy": [_finite(value) for value in meaning.pseudo_energy],
        "pseudo_energy_error": [_finite(value) for value in meaning.pseudo_energy_error],
        "clusters": _clusters(meaning),
        "notes": list(meaning.notes),
    }


def _clusters(meaning: Meaning) -> list[dict[str, Any]]:
    if meaning.clusters is None:
        return []
    c = meaning.clusters
    return [
        {
            "frames": np.flatnonzero(c.label == i).tolist(),
            "weight": float(c.weight[i]),
            "error": _finite(c.error[i]),
            "prior": float(c.prior[i]),
            "centre": int(c.centre[i]),
        }
        for i in range(len(c.weight))
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
