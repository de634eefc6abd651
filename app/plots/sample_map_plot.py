"""Two coordinates at once, such as phi and psi: of frames, of samples as drawn and as weighted."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, plain_axis, style_plot
from app.theme import Theme, intensity_colours

NAMES = ("frames", "as drawn", "as weighted")
_DEEPEST = 8.0  # kT above the lowest bin, beyond which all is one colour


class SampleMapPlot(PlotPanel):
    """Three images of free energies on one scale: bright where it is low, empty where there is nothing."""

    title = "Two coordinates of samples"
    empty_text = "Two coordinates stand here when samples are drawn."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shares: dict[str, np.ndarray] = {}
        self.plots = [self.canvas.addPlot(row=0, col=column) for column in range(len(NAMES))]
        self._images = [pg.ImageItem(axisOrder="row-major") for _ in NAMES]
        for plot, image, name in zip(self.plots, self._images, NAMES, strict=True):
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.addItem(image)
            plot.setTitle(name, size="9pt")
            image.setLookupTable(intensity_colours()[::-1])
            image.setLevels((0.0, _DEEPEST))
        for plot in self.plots[1:]:
            plot.setXLink(self.plots[0])
            plot.setYLink(self.plots[0])
        self.canvas.setToolTip(f"Free energy up to {_DEEPEST:g} kT above the lowest bin: bright is low")
        self.apply_theme(self.theme)

    def set_maps(
        self, shares: dict[str, np.ndarray], first: np.ndarray, second: np.ndarray, titles: tuple[str, str]
    ) -> None:
        """Show shares of the weight in bins, float64 [n, m] by the name of each image; those missing are empty.

        Parameters
        ----------
        shares : dict of str to float64 [n, m]
        first, second : float64 [n + 1], float64 [m + 1]
            Edges of the bins, along the axes right and up.
        titles : (str, str)
            Of the axes, units included.
        """
        self._shares = dict(shares)
        rect = QRectF(first[0], second[0], first[-1] - first[0], second[-1] - second[0])
        for name, plot, image in zip(NAMES, self.plots, self._images, strict=True):
            plot.setVisible(name in shares)
            if name in shares:
                image.setImage(depths(shares[name]).T, autoLevels=False)
                image.setRect(rect)
            plain_axis(plot.getAxis("bottom"), titles[0])
            plain_axis(plot.getAxis("left"), titles[1])
            style_plot(plot, self.theme)
        self.plots[0].vb.setRange(rect, padding=0.0)
        self.show_content()

    def share(self, name: str) -> np.ndarray | None:
        """What an image is made from; None when there is none."""
        return self._shares.get(name)

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for plot, name in zip(self.plots, NAMES, strict=True):
            style_plot(plot, theme)
            plot.setTitle(name, size="9pt", color=theme.plot_foreground)


def depths(share: np.ndarray) -> np.ndarray:
    """Free energies above the lowest bin, kT, at most `_DEEPEST`; NaN in empty bins."""
    found = np.full(share.shape, np.nan)
    held = share > 0
    found[held] = np.minimum(-np.log(share[held] / share.max()), _DEEPEST)
    return found
