"""FeatureMapsDisplay: the feature maps of several layers for one sample."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar

from skcnn._convnet.pipelines import network_samples
from skcnn._network.named_layers import check_spatial_axes, feature_map_layers
from skcnn._plotting.axes import grey
from skcnn._plotting.display import one_or_several
from skcnn._plotting.pictures import GAP, PictureGrid, size_text, value_limits
from skcnn._utils.compat import num_samples, safe_indexing
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.augmentation._augmented_array import originals
from skcnn.inspection._hooked_network import HookedNetwork, prediction_settings

MOST_LAYERS = 6  # chosen by default, to keep the picture readable
NUMBER_GAP = 0.24  # above a map, in its width


def _chosen_layers(network: HookedNetwork, layers: Any) -> list[str]:
    """Return the names of the layers to draw."""
    if layers is not None:
        wanted = "layers, or be None for those of the convolutions"
        return [network.name_of(each) for each in one_or_several("layers", layers, wanted)]
    names = feature_map_layers(network.layers)
    few = np.linspace(0, len(names) - 1, min(len(names), MOST_LAYERS)).round().astype(int)
    return [names[i] for i in few]


class FeatureMapsDisplay:
    """A sample, and below it the feature maps of several layers, a row for each layer.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    sample : ndarray of shape (n_channels, *spatial)
        The sample.
    maps : mapping of str to ndarray of shape (n_maps, *spatial)
        All feature maps of each layer, by its name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with all pictures.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    feature_maps : Feature maps as an array.
    SaliencyDisplay : The places that matter for the prediction.

    Notes
    -----
    For each layer the maps that vary most over the places of the sample are drawn, with
    their numbers above. The maps of a layer have one scale, from black for the smallest value
    to white for the largest. Brightness is not comparable between layers. Maps of signals are
    curves; of volumes the middle slice is drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import FeatureMapsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), max_epochs=1, random_state=0)
    >>> display = FeatureMapsDisplay.from_estimator(model.fit(X[:200], y[:200]), X)
    >>> {name: maps.shape for name, maps in display.maps.items()}
    {'activation_1': (32, 8, 8), 'activation_2': (64, 4, 4), 'activation_3': (128, 4, 4)}
    """

    def __init__(self, *, sample: np.ndarray, maps: Mapping[str, np.ndarray]) -> None:
        self.sample = sample
        self.maps = maps

    @classmethod
    @in_standard_torch_state
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
        """Draw the feature maps of a fitted network for a sample.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, as for the estimator's `predict`.
        sample : int, default=0
            Number of the sample in `X`, from the end if negative.
        layers : sequence of (str or int), str, int or None, default=None
            Layers with feature maps, as for :func:`feature_maps`. None takes the
            convolutions, each after the activation that follows it. If there are more than
            six, six evenly spaced ones are drawn.
        n_maps : int, default=8
            Number of maps to draw of each layer.
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
            If there is no such sample, if `layers` is empty, or if a layer is unknown or has
            no feature maps.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        X = originals(X)
        n = num_samples(X)
        check_scalar(sample, "sample", Integral, min_val=-n, max_val=n - 1)
        net, images = network_samples(estimator, safe_indexing(X, [sample % n]))
        with prediction_settings(net):
            network = HookedNetwork(net)
            values = network.values(images.rows, _chosen_layers(network, layers))
        picture = images.as_batch(images.rows)[0].numpy()
        for name, maps in values.items():
            check_spatial_axes("layers", name, maps.shape[1:], picture.ndim - 1)
        display = cls(sample=picture, maps={name: maps[0] for name, maps in values.items()})
        return display.plot(ax=ax, n_maps=n_maps)

    def plot(self, ax: Any = None, *, n_maps: int = 8) -> Self:
        """Draw the sample and the maps.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        n_maps : int, default=8
            Number of maps to draw of each layer.

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
            gaps=(GAP, NUMBER_GAP),
            label_inches=1.3,
        )
        self.ax_, self.figure_ = grid.ax, grid.ax.figure
        grid.draw(0, 0, self.sample, value_limits(self.sample))
        labels = [f"sample\n{size_text(self.sample.shape[1:])}"]
        for row, (name, maps) in enumerate(self.maps.items(), start=1):
            spread = maps.reshape(len(maps), -1).std(1)
            order = np.argsort(-spread, kind="stable")[:n_maps]
            limits = value_limits(maps[order])
            for column, number in enumerate(order):
                grid.draw(row, column, maps[[number]], limits)
                grid.title(row, column, str(number), fontsize="x-small", color=grey(0.4))
            labels.append(f"{name}\n{size_text(maps.shape[1:])}, {len(order)} of {len(maps)}")
        grid.set_labels(labels)
        return self
