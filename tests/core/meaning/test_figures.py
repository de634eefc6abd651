"""Figures name what they show where it hides nothing."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdweights_core.meaning.figures import HALF, finish


@pytest.mark.parametrize("names", [["weights"], ["prior", "fitted to the other folds", "this fit, 0.1"]])
def test_the_legend_stands_above_all_points_and_inside_the_figure(names):
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    for row, name in enumerate(names):
        axes.plot(np.arange(100), np.arange(100) * (-1) ** row, label=name)
    finish(axes, "frame", "weight")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    legend, inside = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert legend.y0 >= inside.y1
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= inside.x1 + 1


def test_without_names_there_is_no_legend():
    axes = Figure().subplots()
    axes.plot([0, 1], [0, 1])
    finish(axes, "x", "y")
    assert axes.get_legend() is None
