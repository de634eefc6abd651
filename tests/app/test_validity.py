"""The verdicts on a fit, in words that need no colour."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from support.window_fakes import a_fit

from app.models.validity import Verdict, judge

NAN = float("nan")


def scores(free: float) -> SimpleNamespace:
    shells = SimpleNamespace(n_free=np.array([64, 36]))
    return SimpleNamespace(cc=0.9, cc_aniso=0.7, cc_free=0.9, cc_aniso_free=free, shells=shells)


def test_a_good_fit() -> None:
    lights = judge(a_fit(scores=scores(0.6)))
    assert [light.verdict for light in lights] == [Verdict.GOOD] * 4
    assert lights[0].text == "held-out 0.600 (0.400 unweighted)"


@pytest.mark.parametrize(
    ("changes", "which", "verdict", "words"),
    [
        ({"scores": scores(0.3)}, 0, Verdict.BAD, "held-out 0.300 (0.400 unweighted)"),
        ({"scores": scores(0.15), "uniform": scores(0.1)}, 0, Verdict.BAD, "held-out 0.150 (0.100 unweighted)"),
        ({"scores": scores(NAN)}, 0, Verdict.UNKNOWN, "held-out none"),
        ({"scores": scores(0.4015)}, 0, Verdict.CAUTION, "held-out 0.402 (0.400 unweighted)"),
        ({"n_eff": 4.25}, 1, Verdict.CAUTION, "concentration 4.2 effective frames"),
        (
            {"weights": np.array([0.98, 0.02, 0, 0, 0, 0]), "n_eff": 1.04},
            1,
            Verdict.BAD,
            "concentration 1.0 effective frames",
        ),
        ({"kkt_residual": 66.0}, 2, Verdict.CAUTION, "fit converged, not optimal"),
        ({"converged": False}, 2, Verdict.CAUTION, "fit not converged"),
        ({"converged": False, "stopped": True}, 2, Verdict.CAUTION, "fit stopped early"),
        ({"warnings": ("a", "b")}, 3, Verdict.CAUTION, "data 2 warnings"),
        ({"warnings": ("a",)}, 3, Verdict.CAUTION, "data 1 warning"),
    ],
)
def test_each_weakness_has_its_light(changes: dict, which: int, verdict: Verdict, words: str) -> None:
    light = judge(a_fit(**changes))[which]
    assert (light.verdict, light.text) == (verdict, words)


def test_the_held_out_cc_says_how_uncertain_it_is() -> None:
    tip = judge(a_fit(scores=scores(0.6)))[0].tip
    assert "100 reflections" in tip
    assert "uncertain by 0.064" in tip  # (1 - 0.36) / sqrt(100)


def test_every_verdict_has_its_own_shape() -> None:
    assert len({verdict.value for verdict in Verdict}) == len(Verdict)
