"""TopLossesDisplay: the samples whose predictions are farthest from the truth."""

from collections.abc import Hashable
from math import ceil, sqrt
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length

from skcnn._convnet.pipelines import network_input
from skcnn._data.images import Images
from skcnn._data.targets import check_labels, check_numbers
from skcnn._data.validation import check_images, read_samples
from skcnn._plotting.axes import alarm, grey
from skcnn._plotting.display import Display
from skcnn._plotting.palette import GREY
from skcnn._plotting.pictures import PictureGrid, channels_first, drawn_samples, value_limits
from skcnn._utils.compat import safe_indexing
from skcnn._utils.text import shorten
from skcnn.augmentation._augmented_array import originals
from skcnn.inspection._sample_losses import (
    check_not_labels,
    check_probabilities,
    class_losses,
    largest_losses,
    number_losses,
)

FEWEST_COLUMNS = 4  # if there are as many samples
GAPS = (0.18, 0.36)  # the second leaves space for two lines of text
FONT_POINTS = 8.5
CHARACTER_WIDTH = 0.58  # in the font size, a little more than the average
LONGEST_LABEL = 14  # characters
SMALLEST_CELL, TITLE_INCHES = 1.2, 3.4


def _text_of(row: dict[Hashable, Any]) -> str:
    """Return the truth and the prediction in two lines."""
    true, predicted = row["true"], row["predicted"]
    if "probability" not in row:
        return f"true {true:.4g}\npredicted {predicted:.4g}"
    return f"true {_label(true)}\nsaid {_label(predicted)} ({row['probability']:.2f})"


def _label(label: Any) -> str:
    """Return a label, or a tuple of labels, cut to the length of a line."""
    text = str(label)
    if isinstance(label, tuple):
        text = ", ".join(map(str, label)) or "none"
    return shorten(text, LONGEST_LABEL)


def _colour_of(row: dict[Hashable, Any]) -> Any:
    is_wrong = "probability" in row and row["true"] != row["predicted"]
    return alarm() if is_wrong else grey(GREY)


class TopLossesDisplay(Display):
    """The samples with the largest losses, as pictures with truth and prediction.

    Make one with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_channels, *spatial)
        The samples drawn, the largest loss first.
    losses : DataFrame
        Indexed by the number of the sample in `X`, with the columns true, predicted,
        probability (that of the predicted label; not for numbers) and loss. For
        multilabel targets true and predicted are tuples of labels.
    title : str, default=""
        Title of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the whole grid.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    SaliencyDisplay : The places that a prediction depends on.

    Notes
    -----
    The loss is minus the natural logarithm of the probability of the true label. For
    multilabel targets it is that of the probability that all labels of the sample are right;
    for numbers it is the absolute error. So wrong predictions are ordered by their confidence.
    A right prediction with a low probability may lie between them.

    Three channels are drawn as colours, a single one as grey; of any other number the first
    is drawn. Signals are curves, one colour for each channel; of volumes the middle slice is
    drawn. All pictures have a common scale of values.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import TopLossesDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), max_epochs=5, random_state=0)
    >>> model = model.fit(X[:800], y[:800])
    >>> display = TopLossesDisplay.from_estimator(model, X[800:], y[800:], n_samples=8)
    >>> display.samples.shape
    (8, 1, 8, 8)
    >>> list(display.losses)
    ['true', 'predicted', 'probability', 'loss']
    """

    def __init__(self, *, samples: np.ndarray, losses: pd.DataFrame, title: str = "") -> None:
        self.samples = samples
        self.losses = losses
        self.title = title

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, n_samples: int = 12, ax: Any = None
    ) -> Self:
        """Draw the largest losses of a fitted estimator.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
            For a Pipeline the samples of `X` are drawn if they have the shape that the
            network reads, and the transformed samples if not.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, as for the estimator's `predict`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels, or numbers.
        n_samples : int, default=12
            Largest number of samples to draw.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : TopLossesDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no ConvNet in `estimator`.
        NotFittedError
            If it is not fitted.
        ValueError
            If `y` has labels that are not among the classifier's classes, or several numbers
            for each sample.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        X = originals(X)
        net, transformed = network_input(estimator, X)
        images = check_images(net, transformed)
        targets = net._read_targets(y, None, len(images), None, fresh=False)
        model: Any = net
        if is_classifier(net):
            table = class_losses(targets, model.predict_proba(transformed), model._targets)
        else:
            table = number_losses(targets, model.predict(transformed))
        largest, title = largest_losses(table, n_samples)
        rows = largest.index.tolist()
        given = Images(images.rows_at(torch.from_numpy(np.array(rows))), images.layout)
        samples = drawn_samples(safe_indexing(X, rows), given)
        return cls(samples=samples, losses=largest, title=title).plot(ax=ax)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: Any,
        *,
        y_prob: Any = None,
        y_pred: Any = None,
        classes: Any = None,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        n_samples: int = 12,
        ax: Any = None,
    ) -> Self:
        """Draw the largest losses of any classifier's or regressor's predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples.
        y_true : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels, a 0/1 matrix of several labels, or numbers.
        y_prob : array-like of shape (n_samples, n_classes), (n_samples,) or None, default=None
            Probabilities of the classes. For two classes those of the second are enough.
        y_pred : array-like of shape (n_samples,) or None, default=None
            Numbers that a regressor predicted, as floats, instead of `y_prob`. Labels raise
            an error.
        classes : array-like of shape (n_classes,) or None, default=None
            The label of each column of `y_prob`, as the classifier's `classes_`. None takes
            the sorted labels of `y_true`.
        input_shape : tuple of int or None, default=None
            Shape of one sample, to read flat rows as images.
        n_spatial_dims : {1, 2, 3} or None, default=None
            How many axes are spatial: 1 for signals, also flat ones, 2 for images, 3 for
            volumes. None reads two sides as an image of one channel, three as an image with
            channels.
        channels : {"last", "first"}, default="last"
            Position of the channel axis.
        n_samples : int, default=12
            Largest number of samples to draw.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : TopLossesDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `y_prob` has other values than probabilities, or no column for a label of
            `y_true`; if `y_pred` or its `y_true` has strings, or both have integers or
            booleans; if not exactly one of `y_prob` and `y_pred` is given; or if the shape of
            flat rows is unknown.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        if (y_prob is None) == (y_pred is None):
            raise ValueError(
                "Pass y_prob for a classifier, or y_pred for a regressor, and not both."
            )
        array, layout = read_samples(
            X, input_shape, n_spatial_dims, channels, cls.__name__, flat=False
        )
        samples = channels_first(array, layout)
        if y_prob is None:
            check_not_labels(y_true, y_pred)
            check_consistent_length(samples, y_pred)
            table = number_losses(check_numbers(y_true, len(samples)), y_pred)
        else:
            labels, multilabel = check_labels(y_true, len(samples))
            known, prob = check_probabilities(y_prob, classes, labels, multilabel)
            table = class_losses(known.encode(labels), prob, known)
        largest, title = largest_losses(table, n_samples)
        return cls(samples=samples[largest.index], losses=largest, title=title).plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        rows = self.losses.to_dict("records")
        n_columns = min(len(rows), max(FEWEST_COLUMNS, ceil(sqrt(len(rows)))))
        texts = [_text_of(row) for row in rows]
        longest = max(len(line) for text in texts for line in text.split("\n"))
        text_inches = longest * CHARACTER_WIDTH * FONT_POINTS / 72
        grid = PictureGrid(
            ceil(len(rows) / n_columns),
            n_columns,
            self.samples.shape[1:],
            ax,
            gaps=GAPS,
            cell_inches=max(SMALLEST_CELL, text_inches, TITLE_INCHES / n_columns),
        )
        points = FONT_POINTS * min(1, grid.inches_per_cell() / text_inches)
        limits = value_limits(self.samples)
        for i, (sample, row, text) in enumerate(zip(self.samples, rows, texts, strict=True)):
            place = divmod(i, n_columns)
            grid.draw(*place, sample, limits)
            grid.title(*place, text, fontsize=points, color=_colour_of(row), linespacing=1.1)
        grid.ax.set_title(self.title, fontsize="medium")
        return grid.ax
