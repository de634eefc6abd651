import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.plots.convergence_plot import ConvergencePlot
from app.plots.shell_plot import ShellPlot, middles
from app.theme import DARK
from mdweights_core.weights.scores import ShellTable

EDGES = np.array([0.0, 0.2, 0.3, 0.4, 0.5])


def table(offset: float, free: bool = True) -> ShellTable:
    with np.errstate(divide="ignore"):
        d = 1.0 / EDGES
    cc = np.array([0.8, 0.7, 0.6, 0.5]) + offset
    count = np.array([40, 300, 800, 1500])
    return ShellTable(
        d_max=d[:-1],
        d_min=d[1:],
        n=count,
        n_free=count // 10,
        cc_aniso=cc,
        cc_aniso_free=cc - 0.1 if free else cc * np.nan,
    )


@pytest.fixture
def convergence(qtbot: QtBot) -> ConvergencePlot:
    widget = ConvergencePlot()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def shells(qtbot: QtBot) -> ShellPlot:
    widget = ShellPlot()
    qtbot.addWidget(widget)
    widget.resize(500, 300)
    return widget


def legend(plot: ConvergencePlot | ShellPlot) -> list[str]:
    return [label.text for _, label in plot.legend.items]


# ---- convergence


def test_live_values_become_curves(convergence: ConvergencePlot, qtbot: QtBot) -> None:
    for step in range(3):
        convergence.append(10 * step, 0.5 * step, {"cc_aniso": 0.4 + 0.1 * step, "n_eff": 100.0 - step})
    qtbot.waitUntil(lambda: not convergence._redraw.isActive())
    x, y = convergence._curves["cc_aniso"].getData()
    assert x.tolist() == [0, 10, 20]
    assert y == pytest.approx([0.4, 0.5, 0.6])
    assert convergence._n_eff.getData()[1].tolist() == [100.0, 99.0, 98.0]
    assert legend(convergence) == ["anisotropic CC, work"]
    assert convergence.summary.text() == "iteration 20, anisotropic CC 0.600, n_eff 98.0"


def test_time_can_be_the_axis(convergence: ConvergencePlot) -> None:
    convergence.set_history(
        {"step": np.arange(3), "seconds": np.array([0.0, 0.4, 0.9]), "cc": np.array([0.1, 0.2, 0.3])}
    )
    convergence.abscissa.setCurrentIndex(1)
    assert convergence._curves["cc"].getData()[0].tolist() == [0.0, 0.4, 0.9]
    assert convergence.frames.getAxis("bottom").labelText == "time (s)"
    assert convergence.summary.text() == "0.9 s"


@pytest.mark.parametrize("n_steps", [2, 5, 300])
def test_iterations_are_counted_in_whole_numbers_but_seconds_are_not(
    convergence: ConvergencePlot, n_steps: int
) -> None:
    axis = convergence.frames.getAxis("bottom")
    values = np.linspace(0.2, 0.9, n_steps)
    convergence.set_history({"step": np.arange(n_steps), "seconds": 0.1 * np.arange(n_steps), "cc": values})
    positions = [at for _, level in axis.tickValues(0.0, n_steps - 1.0, 600.0) for at in level]
    assert positions
    assert all(float(at).is_integer() for at in positions)
    convergence.abscissa.setCurrentIndex(1)
    seconds = [at for _, level in axis.tickValues(0.0, 0.7, 600.0) for at in level]
    assert any(not float(at).is_integer() for at in seconds)


def test_uniform_weights_are_dashed_lines_of_their_curve(convergence: ConvergencePlot) -> None:
    convergence.set_history({"step": np.arange(2), "seconds": np.arange(2.0), "cc_aniso": np.array([0.5, 0.6])})
    convergence.set_uniform({"cc_aniso": 0.49, "cc_free": float("nan")})
    line = convergence._levels["cc_aniso"]
    assert line.isVisible()
    assert line.value() == 0.49
    assert line.pen.style() == Qt.PenStyle.DashLine
    assert not convergence._levels["cc_free"].isVisible()
    assert legend(convergence) == ["anisotropic CC, work", "uniform weights"]


def test_a_fit_without_free_set_shows_no_free_curve(convergence: ConvergencePlot) -> None:
    nan = np.full(2, np.nan)
    convergence.set_history({"step": np.arange(2), "seconds": nan, "cc": np.ones(2), "cc_free": nan})
    assert legend(convergence) == ["CC, work"]


def test_history_is_handed_out_as_a_copy_and_forgotten(convergence: ConvergencePlot) -> None:
    convergence.append(0, 0.0, {"cc": 0.5})
    convergence.series("cc")[:] = 7.0
    assert convergence.series("cc").tolist() == [0.5]
    convergence.clear()
    assert convergence.is_empty
    assert convergence.series("cc").size == 0
    convergence.set_history({})
    assert convergence.is_empty


# ---- shells


def test_shells_stand_at_the_middle_of_their_range_in_inverse_d_squared() -> None:
    assert middles(table(0.0)).tolist() == pytest.approx([0.02, 0.065, 0.125, 0.205])


def test_the_three_series_are_drawn(shells: ShellPlot) -> None:
    shells.apply_theme(DARK)
    shells.set_shells(table(0.0), table(-0.2))
    assert shells._work.yData == pytest.approx([0.8, 0.7, 0.6, 0.5])
    assert shells._free.yData == pytest.approx([0.7, 0.6, 0.5, 0.4])
    assert shells._even.yData == pytest.approx([0.6, 0.5, 0.4, 0.3])
    assert legend(shells) == ["weighted, work", "weighted, free", "uniform weights"]
    low, high = shells.plot.viewRange()[1]
    assert low < 0.3
    assert high > 0.8


def test_without_free_set_nothing_free_is_named(shells: ShellPlot) -> None:
    shells.set_shells(table(0.0, free=False))
    assert legend(shells) == ["weighted, work"]
    assert "free" not in shells.tip(0.0, 0.0, 1)


def test_the_axis_counts_in_angstrom(shells: ShellPlot) -> None:
    axis = shells.plot.getAxis("bottom")
    (_, positions), *_ = axis.tickValues(0.0, 0.25, 500.0)
    labels = axis.tickStrings(positions, 1.0, 1.0)
    assert [float(text) ** -2 for text in labels] == pytest.approx(positions, rel=1e-3)
    assert np.diff(positions).min() >= 45.0 * 0.25 / 500.0
    assert len(positions) >= 4


def test_the_tip_tells_limits_counts_and_scores(shells: ShellPlot) -> None:
    shells.set_shells(table(0.0), table(-0.2))
    lines = shells.tip(0.0, 0.0, 2).splitlines()
    assert lines == [
        "3.33 to 2.50 \N{ANGSTROM SIGN}",
        "800 reflections",
        "anisotropic CC 0.600",
        "free 0.500",
        "uniform weights 0.400",
    ]
    assert [point.data() for point in shells._work.scatter.points()] == [0, 1, 2, 3]


def test_shells_come_and_go(shells: ShellPlot) -> None:
    assert shells.is_empty
    shells.set_shells(table(0.0))
    assert not shells.is_empty
    shells.clear()
    assert shells.is_empty
