"""TopLossesDisplay: the samples whose predictions are farthest from the truth.

matplotlib itself is imported in ``_displays``.
"""

from collections.abc import Hashable
from math import ceil, sqrt
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, check_array, check_consistent_length, check_scalar

from skcnn._convnet.pipelines import best_of_search, network_samples
from skcnn._data.images import Images
from skcnn._data.targets import ClassTargets, check_labels, check_numbers
from skcnn._data.validation import read_samples
from skcnn._plotting.axes import ALARM, GREY
from skcnn._plotting.pictures import PictureGrid, channels_first, drawn_samples, value_limits
from skcnn.augmentation._augmented_array import originals

FEWEST_COLUMNS = 4  # where there are as many samples
GAPS = (0.18, 0.36)  # the lower one has room for two lines of text
FONT_POINTS = 8.5
CHARACTER_WIDTH = 0.58  # in its size: a little more than the average
LONGEST_LABEL = 14  # characters
SMALLEST_CELL, TITLE_INCHES = 1.2, 3.4
WORDS, WHOLE = {"string", "bytes"}, {"integer", "boolean"}  # in pandas' words
SUM_TOLERANCE = 1e-3  # of probabilities, which may be float16


class TopLossesDisplay:
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
        What is drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the whole grid.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    SaliencyDisplay : What a prediction comes from.

    Notes
    -----
    The loss is minus the natural logarithm of the probability of the true label, for
    multilabel targets of all labels of the sample being right, and for numbers the
    absolute error. So wrong predictions come in the order of their confidence; a right one
    that is hardly more probable than others may stand between them.

    Three channels are drawn as colours, one as grey, and of another number the first.
    Signals are curves, one colour a channel; of a volume the middle slice is drawn. All
    pictures have a common scale of values.

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
            A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search. Of a
            Pipeline the samples of `X` themselves are drawn where they have the shape that
            the network reads, otherwise what the steps before it make of them.
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
            If the estimator is of another kind.
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `y` has labels that the classifier does not know, or several numbers a
            sample.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        net, images = network_samples(estimator, X)
        targets = net._read_targets(y, None, len(images), None, fresh=False)
        model, X = best_of_search(estimator), originals(X)
        if is_classifier(net):
            table = _class_losses(targets, model.predict_proba(X), net._targets)
        else:
            table = _number_losses(targets, model.predict(X))
        largest, title = _largest(table, n_samples)
        rows = largest.index.tolist()
        given = Images(images.rows[rows], images.layout)
        samples = drawn_samples(_safe_indexing(X, rows), given)
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
            Probabilities of the classes, of two classes also those of the second alone.
        y_pred : array-like of shape (n_samples,) or None, default=None
            Numbers that a regressor predicted, as floats, instead of `y_prob`. Labels are
            refused.
        classes : array-like of shape (n_classes,) or None, default=None
            The label of each column of `y_prob`, as the classifier's `classes_`. None takes
            the sorted labels of `y_true`.
        input_shape : tuple of int or None, default=None
            Shape of one sample, to read flat rows as images; of flat signals (length,).
        channels : {"last", "first"}, default="last"
            Where the channel axis is.
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
            If `y_prob` has no probabilities, or none for a label of `y_true`; if `y_pred` or
            its `y_true` has strings, or both have integers or booleans; if not exactly one of
            `y_prob` and `y_pred` is given; or if nothing tells the shape of flat rows.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        if (y_prob is None) == (y_pred is None):
            raise ValueError(
                "Pass y_prob for a classifier, or y_pred for a regressor: one of both."
            )
        array, layout = read_samples(X, input_shape, channels, cls.__name__, flat=False)
        samples = channels_first(array, layout)
        if y_prob is None:
            _refuse_labels(y_true, y_pred)
            check_consistent_length(samples, y_pred)
            table = _number_losses(check_numbers(y_true, len(samples)), y_pred)
        else:
            labels, multilabel = check_labels(y_true, len(samples))
            known, prob = _check_probabilities(y_prob, classes, labels, multilabel)
            table = _class_losses(known.encode(labels), prob, known)
        largest, title = _largest(table, n_samples)
        return cls(samples=samples[largest.index], losses=largest, title=title).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        self : TopLossesDisplay
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
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
        self.ax_, self.figure_ = grid.ax, grid.ax.figure
        points = FONT_POINTS * min(1, _cell_inches(grid) / text_inches)
        limits = value_limits(self.samples)
        for i, (sample, row, text) in enumerate(zip(self.samples, rows, texts, strict=True)):
            place = divmod(i, n_columns)
            grid.draw(*place, sample, limits)
            grid.title(*place, text, fontsize=points, color=_colour_of(row), linespacing=1.1)
        self.ax_.set_title(self.title, fontsize="medium")
        return self


def _cell_inches(grid: PictureGrid) -> float:
    """Return the width that a cell and the gap beside it have in the grid's axes."""
    box = grid.ax.get_window_extent()
    across = box.width / grid.n_columns
    down = box.height / grid.n_rows * (1 + grid.gaps[0]) / (grid.height + grid.gaps[1])
    return float(min(across, down) / grid.ax.figure.dpi)


def _text_of(row: dict[Hashable, Any]) -> str:
    """Return truth and prediction in two lines."""
    true, predicted = row["true"], row["predicted"]
    if "probability" not in row:
        return f"true {true:.4g}\npredicted {predicted:.4g}"
    return f"true {_label(true)}\nsaid {_label(predicted)} ({row['probability']:.2f})"


def _label(label: Any) -> str:
    """Return a label, or several, short enough for a line."""
    text = str(label)
    if isinstance(label, tuple):
        text = ", ".join(map(str, label)) or "none"
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _colour_of(row: dict[Hashable, Any]) -> str:
    is_wrong = "probability" in row and row["true"] != row["predicted"]
    return ALARM if is_wrong else GREY  # the text tells the same


def _class_losses(targets: np.ndarray, prob: np.ndarray, known: ClassTargets) -> pd.DataFrame:
    """Return truth, prediction and loss of each sample, for codes or indicators."""
    if known.multilabel:
        of_each = np.where(targets == 1, prob, 1 - prob)
        of_said = np.maximum(prob, 1 - prob).prod(1)
        true, said = _label_sets(targets == 1, known), _label_sets(prob > 0.5, known)
    else:
        of_each, of_said = prob[np.arange(len(prob)), targets][:, np.newaxis], prob.max(1)
        true, said = known.classes[targets], known.classes[prob.argmax(1)]
    with np.errstate(divide="ignore"):  # infinite for what was said to be impossible
        loss = -np.log(of_each).sum(1)  # a product of many probabilities would be zero
    return _table(true=true, predicted=said, probability=of_said, loss=loss)


def _label_sets(chosen: np.ndarray, known: ClassTargets) -> list[tuple[Any, ...]]:
    return [tuple(known.classes[row].tolist()) for row in chosen]


def _refuse_labels(y_true: Any, y_pred: Any) -> None:
    """Refuse classes, whose differences are no errors."""
    kinds = {_kind_of(y_true), _kind_of(y_pred)}
    if kinds & WORDS:
        got = "strings."
    elif kinds <= WHOLE:
        got = (
            "whole numbers in y_true and y_pred, as labels are; a regressor's predictions are "
            "floats. If they are no labels, pass y_pred.astype(float)."
        )
    else:
        return
    raise ValueError(
        f"y_pred is for numbers, pass y_prob for classes, as predict_proba returns it. Got {got}"
    )


def _kind_of(values: Any) -> str:
    """Return what values are, in pandas' words; also of objects."""
    values = values.tolist() if hasattr(values, "tolist") else values
    return str(pd.api.types.infer_dtype(np.ravel(values)))


def _number_losses(y_true: np.ndarray, y_pred: Any) -> pd.DataFrame:
    """Return truth, prediction and absolute error of each sample."""
    y_pred = check_numbers(y_pred, len(y_true))
    if y_true.ndim > 1 or y_pred.ndim > 1:
        raise ValueError(
            "TopLossesDisplay draws the errors of one number a sample. Got "
            f"{y_true.shape[1:] or 1} true and {y_pred.shape[1:] or 1} predicted. Pass one column "
            "to TopLossesDisplay.from_predictions(X, y[:, 0], y_pred=prediction[:, 0])."
        )
    return _table(true=y_true, predicted=y_pred, loss=np.abs(y_true - y_pred))


def _largest(table: pd.DataFrame, n_samples: int) -> tuple[pd.DataFrame, str]:
    """Return the largest losses, the first of all first, and what they are in words."""
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    largest = table.sort_values("loss", ascending=False, kind="stable").head(n_samples)
    if "probability" not in table:
        return largest, f"largest errors of {len(table)} samples"
    n_wrong = int((table["true"] != table["predicted"]).sum())
    if n_wrong == 0:
        return largest, f"none of {len(table)} wrong: the least confident"
    return largest, f"largest losses ({n_wrong} of {len(table)} wrong)"


def _table(**columns: Any) -> pd.DataFrame:
    table = pd.DataFrame({name: pd.Series(list(values)) for name, values in columns.items()})
    return table.rename_axis("sample")


def _check_probabilities(
    y_prob: Any, classes: Any, labels: np.ndarray, multilabel: bool
) -> tuple[ClassTargets, np.ndarray]:
    """Return the classes, sorted, and a column of probabilities for each of them."""
    prob = check_array(y_prob, dtype=np.float64, ensure_2d=False, input_name="y_prob")
    check_consistent_length(labels, prob)
    if prob.ndim == 1 and not multilabel:
        prob = np.column_stack([1 - prob, prob])
    if classes is None:
        classes = np.arange(labels.shape[1]) if multilabel else np.unique(labels)
    classes = np.asarray(classes)
    if prob.shape[1:] != (len(classes),) or (multilabel and prob.shape != labels.shape):
        raise ValueError(
            f"y_prob must have a column for each of the {len(classes)} classes {classes}. Got an "
            f"array of shape {prob.shape}. Pass the classifier's classes_ as classes."
        )
    if prob.min() < 0 or prob.max() > 1:
        raise ValueError(
            "y_prob must have probabilities, between 0 and 1, as predict_proba returns them. Got "
            f"values from {prob.min():g} to {prob.max():g}."
        )
    sums = prob.sum(1)
    if not multilabel and np.abs(sums - 1).max() > SUM_TOLERANCE:
        raise ValueError(
            "The rows of y_prob must sum to one, as those of predict_proba do. Got sums from "
            f"{sums.min():g} to {sums.max():g}."
        )
    if multilabel:  # the columns of both are in the same order
        return ClassTargets(classes, True), prob
    order = np.argsort(classes)
    return ClassTargets(classes[order], False), prob[:, order]
