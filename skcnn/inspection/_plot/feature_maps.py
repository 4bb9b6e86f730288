"""FiltersDisplay and FeatureMapsDisplay: kernels, and what layers give, as pictures.

matplotlib itself is imported in ``_displays``; the numbers come from ``_inspection``.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import _safe_indexing, check_scalar
from sklearn.utils.validation import _num_samples

from skcnn._convnet.pipelines import fitted_convnet, network_samples
from skcnn._plotting.pictures import GAP, PictureGrid, value_limits
from skcnn.augmentation._augmented_array import originals
from skcnn.inspection._probe import NetworkProbe, computing, filters_of

MOST_COLUMNS = 8
MOST_LAYERS = 6  # that are chosen; more make a picture that nobody reads
KERNEL_GAP = 0.14  # more than between pictures, whose edges are seldom white
KERNEL_INCHES = 0.6  # and more for few, so that the title has room
TITLE_INCHES = 3.5
DIVERGING = "RdBu_r"
ZERO_LINE = {"color": "0.6", "linewidth": 0.8, "linestyle": ":"}
ROOM_FOR_NUMBERS = 0.24  # above a map, in its width


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
    filters : The same as an array.
    FeatureMapsDisplay : What the kernels find in a sample.

    Notes
    -----
    All pictures have one scale, with zero in the middle: red is positive, blue negative,
    white zero. Kernels on colour images are coloured, with mid grey for zero. Where a
    kernel has several channels otherwise, a column is a filter and a row a channel. Kernels
    on signals are curves, one a channel, around a dotted line at zero; of kernels on volumes
    the middle slice is drawn.

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
            How many filters are drawn, the first ones.
        n_channels : int, default=4
            How many channels of each are drawn, the first ones; of colours always all.
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
        net = fitted_convnet(estimator)
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
            How many filters are drawn, the first ones.
        n_channels : int, default=4
            How many channels of each are drawn, the first ones; of colours always all.

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
        # what goes in one cell: a kernel with its channels, or a channel of a kernel
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
        return f"{self.layer}: {n_filters} of {total} filters of {_size(sides)}\n{scale}"


class FeatureMapsDisplay:
    """A sample, and below it the feature maps of several layers, one layer a row.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    sample : ndarray of shape (n_channels, *spatial)
        The sample.
    maps : mapping of str to ndarray of shape (n_maps, *spatial)
        For the names of layers, all their feature maps.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with all pictures.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    feature_maps : The same as an array.
    SaliencyDisplay : What of it matters.

    Notes
    -----
    Of each layer the maps that vary most over the places of the sample are drawn, with
    their numbers above. The maps of a layer have one scale, from the smallest value, black,
    to the largest, white; layers are not comparable. Maps of signals are curves; of volumes
    the middle slice is drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import FeatureMapsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), max_epochs=1, random_state=0)
    >>> display = FeatureMapsDisplay.from_estimator(model.fit(X[:200], y[:200]), X)
    >>> {name: maps.shape for name, maps in display.maps.items()}
    {'activation_1': (32, 8, 8), 'activation_2': (64, 4, 4)}
    """

    def __init__(self, *, sample: np.ndarray, maps: Mapping[str, np.ndarray]) -> None:
        self.sample = sample
        self.maps = maps

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        sample: int = 0,
        layers: Sequence[str | int] | str | int | None = None,
        n_maps: int = 8,
        ax: Any = None,
    ) -> Self:
        """Draw what a fitted network makes of a sample.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, as for the estimator's `predict`.
        sample : int, default=0
            Which of them, from the end if negative.
        layers : sequence of (str or int), str, int or None, default=None
            Layers with feature maps, as for :func:`feature_maps`. None takes the
            convolutions, each after the activation that follows it; of more than six, six
            from the first to the last.
        n_maps : int, default=8
            How many maps of each layer are drawn.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : FeatureMapsDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no ConvNet in `estimator`.
        NotFittedError
            If it is not fitted.
        ValueError
            If there is no such sample or no layer, or a layer is unknown or has no feature
            maps.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        X = originals(X)
        n = _num_samples(X)
        check_scalar(sample, "sample", Integral, min_val=-n, max_val=n - 1)
        net, images = network_samples(estimator, _safe_indexing(X, [sample % n]))
        with computing(net):
            probe = NetworkProbe(net)
            values = probe.values(images.rows, _chosen_layers(probe, layers))
        picture = images.as_batch(images.rows)[0].numpy()
        for name, maps in values.items():
            if maps.ndim != picture.ndim + 1:
                raise ValueError(
                    "The 'layers' parameter must be layers with feature maps of "
                    f"{picture.ndim - 1} spatial axes. Got {name!r}, whose values have the shape "
                    f"{maps.shape[1:]}."
                )
        display = cls(sample=picture, maps={name: maps[0] for name, maps in values.items()})
        return display.plot(ax=ax, n_maps=n_maps)

    def plot(self, ax: Any = None, *, n_maps: int = 8) -> Self:
        """Draw the sample and the maps.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        n_maps : int, default=8
            How many maps of each layer are drawn.

        Returns
        -------
        self : FeatureMapsDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        check_scalar(n_maps, "n_maps", Integral, min_val=1)
        n_columns = min(n_maps, max((len(maps) for maps in self.maps.values()), default=1))
        grid = PictureGrid(
            1 + len(self.maps),
            n_columns,
            self.sample.shape,
            ax,
            gaps=(GAP, ROOM_FOR_NUMBERS),
            label_inches=1.3,
        )
        self.ax_, self.figure_ = grid.ax, grid.ax.figure
        grid.draw(0, 0, self.sample, value_limits(self.sample))
        labels = [f"sample\n{_size(self.sample.shape[1:])}"]
        for row, (name, maps) in enumerate(self.maps.items(), start=1):
            spread = maps.reshape(len(maps), -1).std(1)
            order = np.argsort(-spread, kind="stable")[:n_maps]
            limits = value_limits(maps[order])
            for column, number in enumerate(order):
                grid.draw(row, column, maps[[number]], limits)
                grid.title(row, column, str(number), fontsize="x-small", color="0.4")
            labels.append(f"{name}\n{_size(maps.shape[1:])}, {len(order)} of {len(maps)}")
        grid.set_labels(labels)
        return self


def _size(sides: Sequence[int]) -> str:
    return f"length {sides[0]}" if len(sides) == 1 else "x".join(map(str, sides))


def _draw_kernel(grid: PictureGrid, row: int, column: int, kernel: np.ndarray, most: float) -> None:
    """Draw a kernel (n_channels, *kernel) with zero in the middle of its scale."""
    if kernel.ndim == 2:
        left, top = grid.corner(row, column)
        middle = top + grid.height / 2
        grid.ax.plot([left, left + 1], [middle, middle], **ZERO_LINE)
        grid.draw(row, column, kernel, (-most, most))
    else:
        grid.draw(row, column, kernel, (-most, most), cmap=DIVERGING)


def _chosen_layers(probe: NetworkProbe, layers: Any) -> list[str]:
    """Return the names of the layers that are drawn."""
    if layers is not None:
        several = isinstance(layers, Iterable) and not isinstance(layers, str)
        wanted = list(layers) if several else [layers]
        if not wanted:
            raise ValueError(
                "The 'layers' parameter must have one or more layers, or be None for those of "
                f"the convolutions. Got {layers!r} instead."
            )
        return [probe.name_of(layer) for layer in wanted]
    blocks = probe.blocks()
    few = np.linspace(0, len(blocks) - 1, min(len(blocks), MOST_LAYERS)).round().astype(int)
    return [blocks[i] for i in few]
