"""Grids of images, signals and volumes inside one matplotlib Axes.

A grid's cells are one unit wide; the y axis points down.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.validation import read_samples
from skcnn._plotting.axes import grey, new_axes

GAP = 0.06  # between cells, in their width
CELL_INCHES = 1.0
CURVE_HEIGHT = 0.6  # of a signal's cell, in its width
LARGEST_ASPECT = 4.0  # of a cell, height to width or width to height


def draw_sample(
    ax: Any,
    sample: np.ndarray,
    corner: tuple[float, float],
    height: float,
    limits: tuple[float, float],
    *,
    cmap: str = "gray",
    **style: Any,
) -> None:
    """Draw one sample one unit wide.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes whose y axis points down.
    sample : ndarray of shape (n_channels, *spatial)
        An image with three channels is drawn in colours, one with another number by its first
        channel. A signal is drawn as curves, one colour a channel, a volume by its middle
        slice.
    corner : (float, float)
        The upper left corner.
    height : float
        Height of the cell.
    limits : (float, float)
        The values drawn black and white, or at the lower and upper end of a curve.
    cmap : str, default="gray"
        Colours of a single channel.
    **style
        Keywords of the image or of the curves.
    """
    left, top = corner
    low, high = limits
    share = (sample - low) / ((high - low) or 1)
    if sample.ndim == 2:
        box = [top, top, top + height, top + height, top]
        ax.plot([left, left + 1, left + 1, left, left], box, color=grey(0.8), lw=0.5)
        places = left + (np.arange(sample.shape[1]) + 0.5) / sample.shape[1]
        for i, curve in enumerate(share):
            line = {"color": f"C{i}", "lw": 1, **style}
            ax.plot(places, top + height * (0.95 - 0.9 * curve), **line)
        return
    if sample.ndim == 4:
        share = share[:, share.shape[1] // 2]
    share = np.clip(share, 0, 1)
    shown = np.moveaxis(share, 0, -1) if len(share) == 3 else share[0]
    extent = (left, left + 1, top + height, top)
    ax.imshow(shown, cmap=cmap, vmin=0, vmax=1, extent=extent, **style)


def value_limits(samples: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest value of all samples, as their common scale."""
    return float(np.nanmin(samples)), float(np.nanmax(samples))


def size_text(spatial: Sequence[int]) -> str:
    """Return spatial sides for a label, such as "28x28" or "length 100"."""
    return f"length {spatial[0]}" if len(spatial) == 1 else "x".join(map(str, spatial))


def drawn_samples(X: Any, images: Images) -> np.ndarray:
    """Return the samples to draw, (n_samples, n_channels, *spatial).

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Samples as the estimator was given them. They are drawn if they have the shape that
        the network reads.
    images : Images
        The same samples as the network is given them, drawn if those of `X` cannot be.
    """
    layout = images.layout
    if isinstance(layout, SeriesLayout):  # drawn to the end of each
        batch = images.as_batch(images.rows).numpy()
        return np.where(batch[:, -1:] > 0, batch[:, :-1], np.nan)
    try:
        values, _ = read_samples(X, None, None, layout.channels, "drawn_samples", doubt=False)
    except (TypeError, ValueError):  # strings, missing or sparse values, for earlier steps
        values = None
    if values is None or not layout.accepts(values.shape[1:]):
        return images.as_batch(images.rows).numpy()
    return channels_first(values, layout)


def channels_first(values: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Return samples of any accepted shape as (n_samples, n_channels, *spatial)."""
    images = values.reshape(len(values), *layout.shape)
    return np.moveaxis(images, -1, 1) if layout.channels == "last" else images


class PictureGrid:
    """Rows and columns of equal cells in one Axes.

    Parameters
    ----------
    n_rows, n_columns : int
        Number of cells.
    sample_shape : tuple of int
        ``(n_channels, *spatial)`` of what is drawn; the cells have its aspect.
    ax : matplotlib Axes or None
        Where to draw. None makes a figure of the grid's size.
    gaps : (float, float), default=(0.06, 0.06)
        Space between columns and between rows, in the width of a cell. Titles need more.
    cell_inches : float, default=1.0
        Width of a cell in a new figure.
    label_inches : float, default=0.0
        Space for labels beside the rows in a new figure.

    Attributes
    ----------
    ax : matplotlib Axes
        The axes.
    height : float
        Height of a cell, in its width.

    Raises
    ------
    MissingDependencyError
        If `ax` is None and matplotlib is not installed.
    """

    def __init__(
        self,
        n_rows: int,
        n_columns: int,
        sample_shape: Sequence[int],
        ax: Any = None,
        *,
        gaps: tuple[float, float] = (GAP, GAP),
        cell_inches: float = CELL_INCHES,
        label_inches: float = 0.0,
    ) -> None:
        is_signal = len(sample_shape) == 2
        aspect = CURVE_HEIGHT if is_signal else sample_shape[-2] / sample_shape[-1]
        self.height = float(np.clip(aspect, 1 / LARGEST_ASPECT, LARGEST_ASPECT))
        self.n_rows, self.n_columns, self.gaps = n_rows, n_columns, gaps
        width, depth = n_columns * (1 + gaps[0]), n_rows * (self.height + gaps[1])
        if ax is None:
            ax = new_axes(figsize=(cell_inches * width + label_inches, cell_inches * depth + 0.4))
            if label_inches:  # at the edge, since the layout reserves space for the labels
                ax.set_anchor("NW")
        self.ax = ax
        ax.set(xlim=(-gaps[0], width), ylim=(depth, -gaps[1]), aspect="equal")
        ax.xaxis.tick_top()
        ax.set(xticks=[], yticks=[])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Return x and y of a cell's upper left corner."""
        return column * (1 + self.gaps[0]), row * (self.height + self.gaps[1])

    def inches_per_cell(self) -> float:
        """Return the width of a cell and the gap beside it in the axes as they are."""
        box = self.ax.get_window_extent()
        across = box.width / self.n_columns
        down = box.height / self.n_rows * (1 + self.gaps[0]) / (self.height + self.gaps[1])
        return float(min(across, down) / self.ax.figure.dpi)

    def inches_per_row(self) -> float:
        """Return the height of a cell and the gap below it in the axes as they are."""
        return self.inches_per_cell() * (self.height + self.gaps[1]) / (1 + self.gaps[0])

    def draw(
        self, row: int, column: int, sample: np.ndarray, limits: tuple[float, float], **style: Any
    ) -> None:
        """Draw a sample in a cell, as `draw_sample` does."""
        draw_sample(self.ax, sample, self.corner(row, column), self.height, limits, **style)

    def title(self, row: int, column: int, text: str, **style: Any) -> None:
        """Write centred above a cell; the gap between rows must be large enough."""
        left, top = self.corner(row, column)
        style = {"ha": "center", "va": "bottom", "fontsize": "small", **style}
        self.ax.text(left + 0.5, top - 0.03, text, **style)

    def set_labels(self, rows: Sequence[str] = (), columns: Sequence[str] = ()) -> None:
        """Label the rows on the left and the columns above."""
        x = [self.corner(0, i)[0] + 0.5 for i in range(len(columns))]
        y = [self.corner(i, 0)[1] + self.height / 2 for i in range(len(rows))]
        self.ax.set_xticks(x, columns)
        self.ax.set_yticks(y, rows)
