"""Samples that miss a part of the target, and samples that do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.importance import importance, kish_fraction
from mdweights_core.flow.estimates.judgement import Evidence, judge
from mdweights_core.flow.estimates.modes import cluster_labels, hole, minima, populations
from mdweights_core.flow.estimates.reference import reference_frames

LEFT, RIGHT = -1.7723, 1.6888  # minima of the double well


def energy(x: np.ndarray) -> np.ndarray:
    """The double well x^4 - 6 x^2 + x, along its first coordinate: P(right) = 0.0329."""
    return x**4 - 6 * x**2 + x


def _width(x: float) -> float:
    return float(1 / np.sqrt(12 * x**2 - 12))


def log_mass(x: float) -> float:
    return float(-energy(np.array(x)) + 0.5 * np.log(2 * np.pi) + np.log(_width(x)))


class Wells:
    """Samples of Gaussians in the wells with given probabilities, wider than the wells by a tenth."""

    def __init__(self, right: float, n: int = 20_000, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.right = right
        self.x = np.where(rng.random(n) < right, 1, 0)
        self.x = np.where(
            self.x == 1,
            RIGHT + 1.1 * _width(RIGHT) * rng.normal(size=n),
            LEFT + 1.1 * _width(LEFT) * rng.normal(size=n),
        )
        self.log_w = self.weight(self.x)

    def weight(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            left = np.log1p(-self.right) + norm.logpdf(x, LEFT, 1.1 * _width(LEFT))
            right = np.log(self.right) + norm.logpdf(x, RIGHT, 1.1 * _width(RIGHT))
        return -energy(x) - np.logaddexp(left, right)


def reference_wells(n: int, seed: int = 0) -> np.ndarray:
    """Frames of the double well, by inverse CDF."""
    grid = np.linspace(-3, 3, 20_001)
    cdf = np.cumsum(np.exp(-energy(grid) - 10.75))
    return np.interp(np.random.default_rng(seed).random(n), cdf / cdf[-1], grid)


ONE, BOTH = Wells(0.0), Wells(0.1)
FRAMES = reference_wells(5000)


def _compared(wells: Wells, frames: np.ndarray, runs: np.ndarray | None = None):
    reference = reference_frames(wells.weight(frames), runs=runs, independent=runs is None)
    return populations(wells.log_w, (wells.x > 0) * 1, reference, (frames > 0) * 1, ("left", "right"))


def test_one_well_alone_has_a_high_effective_size_and_misses_the_other():
    assert kish_fraction(ONE.log_w) > 0.85
    found = _compared(ONE, FRAMES)
    np.testing.assert_array_equal(found.missing, [False, True])
    assert found.reference[1] == pytest.approx(0.0329, abs=0.008)
    assert (found.samples[1], found.raw[1]) == (0, 0)
    assert found.samples_error[1] > 0


def test_both_wells_have_the_populations_of_the_reference():
    found = _compared(BOTH, FRAMES)
    assert not (found.missing | found.new | found.differing).any()
    assert found.samples == pytest.approx([0.9671, 0.0329], abs=0.003)
    assert found.raw[1] == pytest.approx(0.1, abs=0.01)


def test_chance_alone_makes_no_difference():
    """z-scores of populations are of order one, with frames that remember their past."""
    z = []
    for seed in range(100):
        wells = Wells(0.1, 1000, seed)
        rng = np.random.default_rng(10_000 + seed)
        stay = np.maximum.accumulate(np.where(rng.random(3000) < 0.2, np.arange(3000), 0))
        frames = reference_wells(3000, seed)[stay]
        z.append(_compared(wells, frames, np.zeros(3000, dtype=int)).z[1])
    assert abs(np.mean(z)) < 0.3
    assert 0.75 < np.std(z) < 1.25


def test_a_reference_of_one_well_makes_the_other_new():
    found = _compared(BOTH, FRAMES[FRAMES < 0])
    np.testing.assert_array_equal(found.new, [False, True])
    assert not found.missing.any()


def test_populations_may_differ_by_less_than_a_factor():
    wells = Wells(0.1)
    wells.log_w = wells.log_w + np.where(wells.x > 0, np.log(3.0), 0.0)
    np.testing.assert_array_equal(_compared(wells, FRAMES).differing, [True, True])


def test_visits_are_counted_within_runs():
    frames = np.array([-1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0])
    found = _compared(BOTH, frames, np.array([0, 0, 0, 0, 0, 1, 1, 2]))
    np.testing.assert_array_equal(found.visits, [2, 3])


def test_memory_widens_the_error_of_the_reference():
    frames = np.repeat(FRAMES[:500], 10)
    slow = _compared(BOTH, frames, np.zeros(5000, dtype=int))
    assert slow.reference_error[1] > 2 * _compared(BOTH, frames).reference_error[1]


def test_labels_must_fit():
    with pytest.raises(BadInput, match="do not fit"):
        populations(np.zeros(3), np.array([0, 1]), reference_frames(np.zeros(2)), np.zeros(2, dtype=int), ("a", "b"))
    with pytest.raises(BadInput, match="do not fit"):
        populations(np.zeros(2), np.array([0, 2]), reference_frames(np.zeros(2)), np.zeros(2, dtype=int), ("a", "b"))


def test_frames_of_a_missed_well_lie_beyond_all_samples():
    found = hole(ONE.log_w, reference_frames(ONE.weight(FRAMES), independent=True))
    assert found.is_there
    assert found.beyond == pytest.approx(np.mean(FRAMES > 0), abs=0.01)
    assert found.forward_ess < 1e-6
    assert found.gap > 1


def test_samples_of_both_wells_leave_no_hole():
    found = hole(BOTH.log_w, reference_frames(BOTH.weight(FRAMES), independent=True))
    assert not found.is_there
    assert found.forward_ess > 0.5
    assert 0 < found.gap < 0.3


def test_what_lies_beyond_by_chance_is_what_is_expected():
    """The target's share above the largest weight of all samples is about the largest share of one."""
    beyond, expected = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        frames, samples = 1.3 * rng.normal(size=2000), rng.normal(size=200)
        found = hole(
            -0.5 * (samples / 1.3) ** 2 + 0.5 * samples**2,
            reference_frames(-0.5 * (frames / 1.3) ** 2 + 0.5 * frames**2),
        )
        beyond.append(found.beyond)
        expected.append(found.by_chance)
    assert np.mean(beyond) == pytest.approx(np.mean(expected), rel=0.35)


def _at_minima(wells: Wells):
    return minima(wells.log_w, wells.weight(np.array([LEFT, RIGHT])), np.array([log_mass(LEFT), log_mass(RIGHT)]))


def test_the_minimum_of_a_missed_well_is_seen_without_a_reference():
    found = _at_minima(ONE)
    np.testing.assert_array_equal(found.missed, [False, True])
    assert found.missed_population == pytest.approx(0.0329, abs=0.003)
    assert found.population == pytest.approx([0.967, 0.033], abs=0.05)


def test_minima_of_both_wells_are_covered():
    found = _at_minima(BOTH)
    assert not found.missed.any()
    assert found.missed_population == 0
    assert found.above.max() < 0


def test_a_minimum_far_up_is_not_missed():
    """A third well of a population of one in a million."""
    mass = np.array([log_mass(LEFT), log_mass(LEFT) - np.log(1e6)])
    assert not minima(ONE.log_w, np.array([np.median(ONE.log_w), 300.0]), mass).missed.any()


def test_a_minimum_that_outweighs_all_samples_is_missed():
    found = minima(ONE.log_w, np.array([800.0]), np.array([700.0]))
    assert found.missed.all()
    assert found.missed_population == pytest.approx(1.0)


def test_a_broad_density_in_many_variables_misses_no_minimum():
    """Samples of a normal density a fifth too wide in 60 variables never come near the bottom of the only basin."""
    square = 1.44 * np.random.default_rng(0).chisquare(60, 5000)
    log_w = 60 * np.log(1.2) - 0.5 * square * (1 - 1 / 1.44)
    found = minima(log_w, np.array([60 * np.log(1.2)]), np.zeros(1))
    assert found.above[0] > 3
    assert not found.missed.any()
    second = minima(log_w, np.array([60 * np.log(1.2), 80.0]), np.zeros(2))
    np.testing.assert_array_equal(second.missed, [False, True])


def test_no_minima_miss_nothing():
    assert not minima(ONE.log_w, np.zeros(0), np.zeros(0)).missed.any()


def test_clusters_of_frames_take_samples_in():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    truth, other = rng.integers(0, 3, 3000), rng.integers(0, 3, 500)
    label, sample = cluster_labels(
        centres[truth] + 0.4 * rng.normal(size=(3000, 2)), centres[other] + 0.4 * rng.normal(size=(500, 2)), 3
    )
    pairs = set(zip(truth.tolist(), label.tolist(), strict=True))
    assert len(pairs) == 3
    assert set(zip(other.tolist(), sample.tolist(), strict=True)) == pairs


def test_a_single_cluster_holds_everything():
    label, sample = cluster_labels(np.zeros((5, 2)), np.zeros((3, 2)), 1)
    assert (label.tolist(), sample.tolist()) == ([0] * 5, [0] * 3)


def test_one_well_alone_is_judged_to_miss_the_other_without_a_reference():
    found = judge(Evidence(importance(ONE.log_w), minima=_at_minima(ONE)))
    assert found.lights[0].state == "good"
    assert found.conclusion == "mode-dropped"
    assert "3.2 % of the ensemble lies there" in found.lights[1].sentence
    assert judge(Evidence(importance(BOTH.log_w), minima=_at_minima(BOTH))).conclusion == "supported"
