"""The plots of a validation: the scan of theta, folds, starts, samples, errors and influence of the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot
from support.window_fakes import a_validation

from app.plots.theta_plot import DecadeAxis, ThetaPlot
from app.plots.validation_plot import ValidationPlot
from app.plots.weights_plot import WeightsPlot
from app.theme import DARK, LIGHT

WEIGHTS = np.array([0.05, 0.2, 0.1, 0.3, 0.05, 0.3])


@pytest.fixture
def theta(qtbot: QtBot) -> ThetaPlot:
    made = ThetaPlot()
    qtbot.addWidget(made)
    made.resize(700, 300)
    return made


@pytest.fixture
def plot(qtbot: QtBot) -> ValidationPlot:
    made = ValidationPlot()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def weights(qtbot: QtBot) -> WeightsPlot:
    made = WeightsPlot()
    qtbot.addWidget(made)
    return made


def scan():  # type: ignore[no-untyped-def]
    found = a_validation().theta_scan
    assert found is not None
    return found


def test_the_scan_shows_both_curves_the_proposed_theta_and_this_fits(theta: ThetaPlot) -> None:
    assert theta.is_empty
    theta.set_scan(scan(), "cc_aniso", np.float64(0.25))
    assert not theta.is_empty
    x, y = theta._held_curve.getData()
    np.testing.assert_allclose(10**x, scan().theta)
    np.testing.assert_allclose(y, scan().held_out)
    np.testing.assert_allclose(theta._l_curve.getData(), (scan().entropy, scan().score))
    assert 10 ** theta._proposed[1].getData()[0][0] == pytest.approx(scan().theta[3])
    assert 10 ** theta._now.value() == pytest.approx(0.25)
    assert theta._even.value() == pytest.approx(0.45)
    assert theta.held.getAxis("left").labelText == "anisotropic CC, held out"
    assert "4.5 effective frames" in theta.summary.text()


def test_theta_zero_is_told_in_words(theta: ThetaPlot) -> None:
    theta.set_scan(scan(), "cc", 0.0)
    assert not theta._now.isVisible()
    assert theta.summary.text().endswith("this fit θ 0")
    assert theta.curve.getAxis("left").labelText == "total CC"


def test_nothing_proposed_is_nothing_marked(theta: ThetaPlot) -> None:
    theta.set_scan(replace(scan(), proposed=None, uniform=float("nan")), "cc", 1.0)
    assert len(theta._proposed[0].getData()[0]) == 0
    assert not theta._even.isVisible()
    assert [label.text for _, label in theta.legend.items] == ["fits of the scan", "this fit"]


def test_a_click_on_either_curve_offers_its_theta(qtbot: QtBot, theta: ThetaPlot) -> None:
    theta.set_scan(scan(), "cc_aniso", 0.25)
    with qtbot.waitSignal(theta.theta_chosen) as chosen:
        theta.held_box.clicked.emit(QPointF(np.log10(scan().theta[1]) + 0.1, scan().held_out[1]))
    assert chosen.args[0] == pytest.approx(scan().theta[1])
    with qtbot.waitSignal(theta.theta_chosen) as chosen:
        theta.curve_box.clicked.emit(QPointF(scan().entropy[4], scan().score[4]))
    assert chosen.args[0] == pytest.approx(scan().theta[4])
    assert theta.chosen == 4
    theta.clear()
    with qtbot.assertNotEmitted(theta.theta_chosen):
        theta.held_box.clicked.emit(QPointF(0.0, 0.5))


def test_decades_are_written_as_their_values(qapp: object) -> None:
    axis = DecadeAxis(orientation="bottom")
    (step, places), *_ = axis.tickValues(-3.2, 2.1, 600)
    assert (step, axis.tickStrings(places, 1.0, step)) == (1.0, ["0.001", "0.01", "0.1", "1", "10", "100"])
    (step, places), *_ = axis.tickValues(-3.2, 2.1, 120)
    assert len(places) <= 3


def test_folds_starts_and_samples_are_shown(plot: ValidationPlot) -> None:
    assert plot.is_empty
    validation = a_validation()
    plot.set_validation(validation)
    assert validation.folds is not None
    assert validation.restarts is not None
    np.testing.assert_allclose(plot._fitted.getData()[1], validation.folds.score)
    np.testing.assert_allclose(plot._plain.getData()[1], validation.folds.uniform)
    np.testing.assert_allclose(plot._starts.getData(), (validation.restarts.score, validation.restarts.agreement))
    assert plot._drawn.opts["height"].sum() == plot._drawn_plain.opts["height"].sum() == 4
    assert plot.folds.titleLabel.text == "held-out folds"


def test_what_was_left_out_says_so(plot: ValidationPlot) -> None:
    plot.set_validation(a_validation())
    plot.set_validation(replace(a_validation(), folds=None, restarts=None, bootstrap=None))
    titles = [panel.titleLabel.text for panel in plot.plots]
    assert titles == ["no folds were held out", "no fits from other starts", "no bootstrap samples"]
    assert len(plot._fitted.getData()[0]) == plot._drawn.opts["height"].sum() == 0


def test_samples_without_a_comparison_are_shown_alone(plot: ValidationPlot) -> None:
    bootstrap = a_validation().bootstrap
    assert bootstrap is not None
    plot.set_validation(replace(a_validation(), bootstrap=replace(bootstrap, uniform=None)))
    assert (plot._drawn.opts["height"].sum(), plot._drawn_plain.opts["height"].sum()) == (4, 0)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_names_in_legends_follow_the_theme(plot: ValidationPlot, theta: ThetaPlot, theme) -> None:  # type: ignore[no-untyped-def]
    plot.set_validation(a_validation())
    theta.set_scan(scan(), "cc", 1.0)
    for view in (plot, theta):
        view.apply_theme(DARK if theme is LIGHT else LIGHT)
        view.apply_theme(theme)
    for legend in (*plot.legends, theta.legend):
        for _, label in legend.items:
            assert theme.plot_foreground in label.item.toHtml()


def test_errors_of_weights_come_and_go(weights: WeightsPlot) -> None:
    weights.set_weights(WEIGHTS)
    assert weights.error_bars.isHidden()
    weights.set_errors(np.full(6, 0.02))
    assert not weights.error_bars.isHidden()
    assert weights._error_bars.isVisible()
    np.testing.assert_allclose(weights._error_bars.opts["height"], 0.04)  # up and down
    weights.error_bars.click()
    assert not weights._error_bars.isVisible()
    weights.set_weights(WEIGHTS)  # weights of a running fit have none
    assert weights.error_bars.isHidden()


def test_influence_stands_under_the_weights_in_their_order(weights: WeightsPlot) -> None:
    weights.set_weights(WEIGHTS)
    weights.show_influence()
    assert not weights.influence_lane.isVisible()  # not known yet
    weights.set_influence(np.array([-2.0, 1.0, 0.0, np.nan, 3.0, -1.0]))
    weights.show_influence()
    lane = weights.influence_lane
    assert lane.isVisible()
    assert lane._helps.opts["height"].tolist() == [1.0, 3.0]
    assert lane._harms.opts["x"].tolist() == [0.0, 5.0]
    weights.order.setCurrentIndex(2)
    assert lane._harms.opts["x"].tolist() == [4.0, 1.0]
    low, high = lane.viewRange()[1]
    assert (low, high) == (-high, pytest.approx(3.3))
    weights.clear()
    assert not lane.isVisible()
