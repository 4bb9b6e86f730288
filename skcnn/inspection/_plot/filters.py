"""FiltersDisplay: the kernels of a convolution as pictures or curves."""

from math import ceil
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar

from skcnn._convnet.pipelines import check_convnet
from skcnn._plotting.axes import grey
from skcnn._plotting.pictures import PictureGrid, size_text
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.inspection._filters import filters_of

MOST_COLUMNS = 8
KERNEL_GAP = 0.14  # larger than between samples, since the edges of kernels are seldom white
KERNEL_INCHES = 0.6  # at least; a few kernels are wider, to leave space for the title
TITLE_INCHES = 3.5
DIVERGING = "RdBu_r"
ZERO_LINE = {"linewidth": 0.8, "linestyle": ":"}
ZERO_GREY = 0.6


def _draw_kernel(grid: PictureGrid, row: int, column: int, kernel: np.ndarray, most: float) -> None:
    """Draw a kernel (n_channels, *kernel) with zero in the middle of its scale."""
    if kernel.ndim == 2:
        left, top = grid.corner(row, column)
        middle = top + grid.height / 2
        grid.ax.plot([left, left + 1], [middle, middle], color=grey(ZERO_GREY), **ZERO_LINE)
        grid.draw(row, column, kernel, (-most, most))
    else:
        grid.draw(row, column, kernel, (-most, most), cmap=DIVERGING)


class FiltersDisplay:
    """The kernels of a convolution as pictures or curves.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    kernels : ndarray of shape (n_filters, n_channels, *kernel)
        All kernels of the layer.
    layer : str, default="convolution"
        The layer's name.
    colors : bool, default=False
        Whether three channels are red, green and blue, and drawn as colours.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with all pictures.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    filters : The kernels as an array.
    FeatureMapsDisplay : The feature maps that the kernels make of a sample.

    Notes
    -----
    All pictures have one scale with zero in the middle: red is positive, blue negative,
    white zero. Kernels on colour images are coloured, with mid grey for zero. If a kernel has
    several channels that are not colours, each column is a filter and each row a channel.
    Kernels on signals are curves, one for each channel, around a dotted line at zero. Of
    kernels on volumes the middle slice is drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import FiltersDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), max_epochs=1, random_state=0)
    >>> display = FiltersDisplay.from_estimator(model.fit(X[:200], y[:200]))
    >>> display.ax_.get_title().splitlines()[0]
    'conv_1: 16 of 32 filters of 3x3'
    """

    def __init__(
        self, *, kernels: np.ndarray, layer: str = "convolution", colors: bool = False
    ) -> None:
        self.kernels = kernels
        self.layer = layer
        self.colors = colors

    @classmethod
    @in_standard_torch_state
    def from_estimator(
        cls,
        estimator: Any,
        *,
        layer: str | int | None = None,
        n_filters: int = 16,
        n_channels: int = 4,
        ax: Any = None,
    ) -> Self:
        """Draw the kernels of a fitted network.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
        layer : str, int or None, default=None
            The convolution, as for :func:`filters`. None means the first.
        n_filters : int, default=16
            Number of filters to draw, the first ones.
        n_channels : int, default=4
            Number of channels of each filter to draw, the first ones. Colours are always
            drawn with all channels.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : FiltersDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no ConvNet in `estimator`.
        NotFittedError
            If it is not fitted.
        ValueError
            If the network has no such convolution.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        net = check_convnet(estimator)
        name, kernels = filters_of(net, layer)
        is_first = name == filters_of(net, 0)[0]
        colors = is_first and kernels.shape[1] == 3 == net._layout.n_channels
        display = cls(kernels=kernels, layer=name, colors=colors and kernels.ndim > 3)
        return display.plot(ax=ax, n_filters=n_filters, n_channels=n_channels)

    def plot(self, ax: Any = None, *, n_filters: int = 16, n_channels: int = 4) -> Self:
        """Draw the kernels.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        n_filters : int, default=16
            Number of filters to draw, the first ones.
        n_channels : int, default=4
            Number of channels of each filter to draw, the first ones. Colours are always
            drawn with all channels.

        Returns
        -------
        self : FiltersDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        check_scalar(n_filters, "n_filters", Integral, min_val=1)
        check_scalar(n_channels, "n_channels", Integral, min_val=1)
        kernels = self.kernels[:n_filters, : 3 if self.colors else n_channels]
        whole = self.colors or kernels.ndim == 3 or kernels.shape[1] == 1
        # a cell holds a kernel with all its channels, or one channel of a kernel
        cells = kernels[:, None] if whole else kernels[:, :, None]
        if whole:
            n_columns = min(MOST_COLUMNS, len(cells))
            n_rows = ceil(len(cells) / n_columns)
        else:
            n_columns, n_rows = cells.shape[:2]
        grid = PictureGrid(
            n_rows,
            n_columns,
            cells.shape[2:],
            ax,
            gaps=(KERNEL_GAP, KERNEL_GAP),
            cell_inches=max(KERNEL_INCHES, TITLE_INCHES / max(n_columns, n_rows / 2)),
            label_inches=0.0 if whole else 0.8,
        )
        self.ax_, self.figure_ = grid.ax, grid.ax.figure
        most = float(np.abs(kernels).max()) or 1.0
        for i, filter_cells in enumerate(cells):
            for j, cell in enumerate(filter_cells):
                row, column = divmod(i, n_columns) if whole else (j, i)
                _draw_kernel(grid, row, column, cell, most)
        if not whole:
            grid.set_labels([f"channel {i}" for i in range(n_rows)])
        title = self._title(len(kernels), kernels.shape[1], most)
        self.ax_.set_title(title, fontsize="medium", wrap=True)
        return self

    def _title(self, n_filters: int, n_channels: int, most: float) -> str:
        total, total_channels, *sides = self.kernels.shape
        low, high = f"{-most:.2g}", f"{most:.2g}"
        if self.kernels.ndim > 3 and not self.colors:
            low, high = f"{low} (blue)", f"{high} (red)"
        scale = f"from {low} to {high}"
        if total_channels > 1 and not self.colors:
            scale = f"{n_channels} of {total_channels} channels, {scale}"
        return f"{self.layer}: {n_filters} of {total} filters of {size_text(sides)}\n{scale}"
