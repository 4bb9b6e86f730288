"""SaliencyDisplay: samples beside the places that their predictions depend on."""

from collections.abc import Sequence
from numbers import Integral
from textwrap import wrap
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils import check_scalar

from skcnn._convnet.pipelines import check_convnet, network_input, of_one_length
from skcnn._data.images import Images
from skcnn._data.validation import check_images
from skcnn._plotting.axes import grey
from skcnn._plotting.display import Display, one_or_several
from skcnn._plotting.palette import ORANGE
from skcnn._plotting.pictures import CELL_INCHES, PictureGrid, drawn_samples, value_limits
from skcnn._utils.compat import num_samples, safe_indexing
from skcnn._utils.text import shorten
from skcnn._utils.validation import check_option
from skcnn.augmentation._augmented_array import originals
from skcnn.inspection._saliency import (
    METHODS,
    OWN_PARAMETERS,
    check_own_parameters,
    saliency_of,
)
from skcnn.inspection._target_outputs import target_codes

CURVE_INCHES = 1.6
LINE, LONGEST_LABEL = 26, 60  # characters of a line, and of a label's text on several lines
MOST_LINES = 2  # that any row has the height for
LINE_HEIGHT = 1.3  # in the font size
CHARACTER_INCHES = 0.08
DIM = 2.2  # factor by which a sample is darkened under its map
HEAT = "inferno"
AREA = {"color": ORANGE, "alpha": 0.8, "linewidth": 0}
CURVE_GREY, CURVE_WIDTH = 0.3, 0.7
TITLES = {
    "gradient": "|gradient|",
    "integrated_gradients": "|integrated\ngradients|",
    "grad_cam": "Grad-CAM",  # has no sign
    "occlusion": "|occlusion|",
}


def _chosen_methods(methods: Any) -> list[str]:
    """Return the names of the methods to draw."""
    chosen = one_or_several("methods", methods, f"of {list(METHODS)}")
    for method in chosen:
        check_option("methods", method, METHODS)
    return chosen


def _as_at_fit(net: Any, images: Images) -> Any:
    """Return samples with the feature names seen at fit, to avoid a second warning about them."""
    names = getattr(net, "feature_names_in_", None)
    rows = images.rows.numpy()
    return rows if names is None else pd.DataFrame(rows, columns=names)


def _labels_and_targets(net: Any, X: Any, codes: Any) -> tuple[list[str], Any]:
    """Return the labels of samples, and the targets to explain.

    Parameters
    ----------
    net : ConvNet
        A fitted estimator.
    X : array-like
        The samples as the network is given them.
    codes : Tensor of shape (n_samples,) or None
        The numbers of the outputs to explain, None for those of the predicted classes.
    """
    if is_classifier(net) and not net._targets.multilabel:
        prob = net.predict_proba(X)
        predicted = prob.argmax(1)
        labels = _with_percentages("predicted", net.classes_, prob, predicted)
        if codes is None:
            return labels, net.classes_[predicted]
        explained = _with_percentages("explained", net.classes_, prob, codes.numpy())
        labels = [f"{a}\n{b}" for a, b in zip(labels, explained, strict=True)]
        return labels, net.classes_[codes.numpy()]
    values = net.predict_proba(X) if is_classifier(net) else net.predict(X)
    values = values.reshape(len(codes), -1)
    several = values.shape[1] > 1
    labels = [
        (f"output {code}\n" if several else "") + f"predicted {values[i, code]:.3g}"
        for i, code in enumerate(codes.tolist())
    ]
    return labels, codes.numpy()


def _with_percentages(
    verb: str, classes: np.ndarray, prob: np.ndarray, codes: np.ndarray
) -> list[str]:
    return [f"{verb} {classes[c]} ({prob[i, c]:.0%})" for i, c in enumerate(codes)]


def _wrapped(label: str) -> str:
    """Return a label whose long lines are shortened in the middle and broken."""
    lines: list[str] = []
    for line in label.split("\n"):
        is_long = len(line) > LINE
        lines += wrap(shorten(line, LONGEST_LABEL, keep_end=True), LINE) if is_long else [line]
    return "\n".join(lines)


def _fit_labels(grid: PictureGrid, labels: Sequence[str]) -> None:
    """Make the labels of the rows smaller if their lines need more than the height of a row."""
    n_lines = max((label.count("\n") + 1 for label in labels), default=1)
    if n_lines <= MOST_LINES:
        return
    grid.ax.figure.draw_without_rendering()  # the layout makes the axes narrower for the labels
    points = 72 * grid.inches_per_row() / (n_lines * LINE_HEIGHT)
    for text in grid.ax.get_yticklabels():
        text.set_fontsize(min(text.get_fontsize(), points))


def _draw_heat(
    grid: PictureGrid,
    row: int,
    column: int,
    sample: np.ndarray,
    share: np.ndarray,
    limits: tuple[float, float],
) -> None:
    """Draw a map (*spatial) over its sample."""
    low, high = limits
    grid.draw(row, column, sample.mean(0, keepdims=True), (low, low + DIM * (high - low)))
    heat = share[len(share) // 2] if share.ndim == 3 else share
    grid.draw(row, column, share[np.newaxis], (0.0, 1.0), cmap=HEAT, alpha=heat)


def _draw_area(
    grid: PictureGrid,
    row: int,
    column: int,
    sample: np.ndarray,
    share: np.ndarray,
    limits: tuple[float, float],
) -> None:
    """Draw a map (length,) as an area below the curves of its signal."""
    left, top = grid.corner(row, column)
    places = left + (np.arange(len(share)) + 0.5) / len(share)
    bottom = top + 0.95 * grid.height
    heights = bottom - 0.9 * grid.height * share
    grid.ax.fill_between(places, bottom, heights, step="mid", **AREA)
    grid.draw(row, column, sample, limits, color=grey(CURVE_GREY), lw=CURVE_WIDTH)


class SaliencyDisplay(Display):
    """Samples, one a row, each followed by the places that the network's answer depends on.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_channels, *spatial)
        The samples.
    maps : ndarray of shape (n_methods, n_samples, *spatial)
        Absolute saliency of each place.
    methods : sequence of str
        Names of the methods.
    labels : sequence of str, default=()
        Labels of the rows; empty for none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with all pictures.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    saliency : Saliency as an array, with signs, and its limits.
    FeatureMapsDisplay : The outputs of the layers.

    Notes
    -----
    A map is drawn over its darkened sample, from black for zero to yellow for the largest
    value of this map. Maps are not comparable with each other. Of several channels the
    largest absolute value is drawn. For signals the map is an area below the curve; of
    volumes the middle slice is drawn.

    For a Pipeline the samples of `X` are drawn if they have the shape that the network reads,
    and the transformed samples if not. The maps are always those of the transformed samples.
    They fit the picture if the steps keep values at their places, as a scaler does and a PCA
    does not.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import SaliencyDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), max_epochs=2, random_state=0)
    >>> display = SaliencyDisplay.from_estimator(model.fit(X[:300], y[:300]), X[300:])
    >>> display.maps.shape
    (3, 4, 8, 8)
    """

    def __init__(
        self,
        *,
        samples: np.ndarray,
        maps: np.ndarray,
        methods: Sequence[str],
        labels: Sequence[str] = (),
    ) -> None:
        self.samples = samples
        self.maps = maps
        self.methods = methods
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        methods: Sequence[str] | str = ("gradient", "integrated_gradients", "grad_cam"),
        target: Any = None,
        layer: str | int | None = None,
        baseline: Any = 0.0,
        n_steps: int = 64,
        window: int | Sequence[int] | None = None,
        n_samples: int = 4,
        ax: Any = None,
    ) -> Self:
        """Draw the saliency of a fitted network's answers for the first samples.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, as for the estimator's `predict`.
        methods : sequence of str or str, \
default=("gradient", "integrated_gradients", "grad_cam")
            Methods of :func:`saliency`, a column for each.
        target : label, int, array-like of shape (n_samples,) or None, default=None
            The output to explain, as for :func:`saliency`. None takes the predicted
            class of each sample, and a regressor's only output.
        layer : str, int or None, default=None
            For "grad_cam": a layer with feature maps, as for :func:`saliency`. None means the
            last convolution.
        baseline : float or array-like, default=0.0
            For "integrated_gradients" and "occlusion": the value that stands for no
            information, in the units of the network's input. Behind a scaler 0 is the mean.
        n_steps : int, default=64
            For "integrated_gradients": the number of points on the path.
        window : int, tuple of int or None, default=None
            For "occlusion": the sides of the covered window, in pixels or time steps. None
            means a quarter of each side of the sample.
        n_samples : int, default=4
            Rows of the grid.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : SaliencyDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no ConvNet in `estimator`.
        NotFittedError
            If it is not fitted.
        ValueError
            If there is no method or an unknown one, if the network has no such class, output
            or layer, if a parameter has no legal value, or if `layer` or `window` is given and
            no method uses it (`baseline` and `n_steps` are ignored then).
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        methods = _chosen_methods(methods)
        own: dict[str, Any] = {"layer": layer, "window": window}
        check_own_parameters(methods, **own)
        net, X = check_convnet(estimator), originals(X)
        few = np.arange(min(n_samples, num_samples(X)))
        if np.ndim(target) == 1 and len(target) == num_samples(X):
            target = np.asarray(target, dtype=object)[few]
        X = safe_indexing(X, few)
        net, images = of_one_length(net, check_images(*network_input(estimator, X)))
        codes = target_codes(net, target, len(few))
        labels, target = _labels_and_targets(net, _as_at_fit(net, images), codes)
        axis = -1 if net._layout.channels == "last" else 1
        maps = []
        for method in methods:
            params = {name: own[name] for name in own if OWN_PARAMETERS[name] == method}
            signed = saliency_of(
                net, images, method, target, baseline=baseline, n_steps=n_steps, **params
            )
            maps.append(np.abs(signed).max(axis))
        display = cls(
            samples=drawn_samples(X, images),
            maps=np.array(maps),
            methods=methods,
            labels=labels,
        )
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        shape = self.samples.shape
        labels = [_wrapped(label) for label in self.labels]
        longest = max((len(line) for text in labels for line in text.split("\n")), default=0)
        grid = PictureGrid(
            shape[0],
            1 + len(self.maps),
            shape[1:],
            ax,
            cell_inches=CURVE_INCHES if len(shape) == 3 else CELL_INCHES,
            label_inches=max(1.5, longest * CHARACTER_INCHES) if labels else 0.0,
        )
        limits = value_limits(self.samples)
        draw = _draw_area if self.samples.ndim == 3 else _draw_heat
        for row, sample in enumerate(self.samples):
            grid.draw(row, 0, sample, limits)
            for column, maps in enumerate(self.maps, start=1):
                share = maps[row] / (maps[row].max() or 1.0)
                draw(grid, row, column, sample, share, limits)
        columns = ["sample", *(TITLES.get(method, method) for method in self.methods)]
        grid.set_labels(labels, columns)
        _fit_labels(grid, labels)
        return grid.ax
