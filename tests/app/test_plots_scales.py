import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.plots.frame_bars import is_rising, order_frames
from app.plots.intensity_scale import CONTRASTS, SCALES, IntensityScale, format_number, limits, nice_step
from app.plots.resolution_rings import circle, ring_radius, ring_spacings

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(kind=st.sampled_from(SCALES), values=st.lists(finite, min_size=2, max_size=20), limit=st.floats(1e-3, 1e6))
def test_scales_are_odd_and_keep_the_order(kind: str, values: list[float], limit: float) -> None:
    scale = IntensityScale(kind, -limit, limit)
    x = np.sort(np.array(values))
    y = scale.forward(x)
    assert np.isfinite(y).all()
    assert (np.diff(y) >= 0).all()
    np.testing.assert_allclose(scale.forward(-x), -y, atol=1e-12)
    assert scale.forward(0.0) == 0.0
    assert scale.levels[0] == -scale.levels[1]


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize(("low", "high"), [(0.0, 2500.0), (-120.0, 120.0), (-30.0, 4000.0), (1e-4, 3e-4)])
def test_colour_bar_numbers_stand_at_their_values(kind: str, low: float, high: float) -> None:
    scale = IntensityScale(kind, low, high)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 9
    for position, value in ticks:
        assert low - 1e-12 <= value <= high + 1e-12
        assert position == pytest.approx(float(scale.forward(value)))
    gaps = np.diff([position for position, _ in ticks])
    assert gaps.min() > 0.1 * (scale.levels[1] - scale.levels[0])


def test_a_symmetric_bar_shows_zero() -> None:
    for kind in SCALES:
        assert 0.0 in [value for _, value in IntensityScale(kind, -7.3, 7.3).ticks()]


def test_limits_are_shared_symmetric_and_blind_to_missing_cells() -> None:
    one = np.array([[np.nan, 1.0], [2.0, 3.0]])
    other = np.array([[-8.0, 0.0], [np.nan, 5.0]])
    assert limits([one, other], "min-max", symmetric=False) == (-8.0, 5.0)
    assert limits([one, other], "min-max", symmetric=True) == (-8.0, 8.0)
    thousand = np.arange(1001.0)[None]
    assert limits([thousand], "95 %", symmetric=False) == pytest.approx((50.0, 950.0))
    assert limits([thousand], "99 %", symmetric=True) == pytest.approx((-990.0, 990.0))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("images", [[], [np.full((3, 3), np.nan)], [np.zeros((3, 3))], [np.full((2, 2), 5.0)]])
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_limits_always_span_something(images: list[np.ndarray], contrast: str, symmetric: bool) -> None:
    low, high = limits(images, contrast, symmetric)
    assert low < high


def test_numbers_are_short_and_missing_ones_a_dash() -> None:
    assert format_number(float("nan")) == "-"
    assert format_number(1234.567) == "1235"
    assert format_number(-0.00123456) == "-0.001235"
    assert format_number(2.5e7) == "2.5e7"
    assert format_number(1.2e-5) == "1.2e-5"
    assert format_number(-98765.4) == "-98765"
    assert format_number(0.0) == "0"


def test_nice_step_is_one_two_or_five() -> None:
    assert [nice_step(10.0, 5), nice_step(2600.0, 5), nice_step(0.045, 5)] == pytest.approx([2.0, 500.0, 0.01])


# ---- rings


def test_a_ring_runs_through_reflections_of_its_spacing() -> None:
    cell = gemmi.UnitCell(40, 40, 60, 90, 90, 90)
    h, l = 7, 5
    d = cell.calculate_d([h, 0, l])
    x, y = circle(ring_radius(d, height=l / 60) or 0.0)
    assert np.hypot(x - h / 40, y).min() < 1e-9


def test_rings_of_a_plane_off_the_origin_leave_out_those_that_miss_it() -> None:
    assert ring_radius(10.0, height=0.2) is None
    for d in ring_spacings(0.6, height=0.2):
        assert d < 5.0


@pytest.mark.parametrize("inverse_d_max", [0.1, 0.35, 0.625, 1.0])
def test_rings_are_few_coarse_to_fine_and_apart(inverse_d_max: float) -> None:
    spacings = ring_spacings(inverse_d_max)
    radii = [ring_radius(d) or 0.0 for d in spacings]
    assert 2 <= len(spacings) <= 4
    assert max(radii) <= 1.01 * inverse_d_max
    assert np.diff(radii).min() > 0.1 * inverse_d_max


def test_no_ring_without_room() -> None:
    assert ring_spacings(0.2, height=0.3) == []


# ---- order of frames


def test_sorted_order_puts_the_heaviest_first() -> None:
    weights = np.array([0.1, 0.5, 0.1, 0.3])
    order = order_frames("sorted", weights, None)
    assert order.between(-0.5, 1.5).tolist() == [1, 3]
    assert order.nearest(0.2) == 1
    assert order.neighbour(1, 1) == 3
    assert order.neighbour(1, -1) == 1


def test_time_is_in_nanoseconds_for_long_runs() -> None:
    weights = np.full(3, 1 / 3)
    short = order_frames("time", weights, np.array([0.0, 2.0, 4.0]))
    assert short.label == "time (ps)"
    assert short.x.tolist() == [0.0, 2.0, 4.0]
    long = order_frames("time", weights, np.array([0.0, 15_000.0, 30_000.0]))
    assert long.label == "time (ns)"
    assert long.x.tolist() == [0.0, 15.0, 30.0]


@pytest.mark.parametrize("time", [None, np.array([0.0, 1.0, 0.0]), np.array([0.0, np.nan, 2.0]), np.array([1.0])])
def test_times_that_do_not_rise_are_no_axis(time: np.ndarray | None) -> None:
    assert not is_rising(time)
    assert order_frames("time", np.full(3, 1 / 3), time).label == "frame"
