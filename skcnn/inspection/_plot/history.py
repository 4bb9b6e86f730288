"""Displays in scikit-learn's convention: data in the constructor, drawing in ``plot``.

Trains and predicts nothing. The only room that imports matplotlib, and only to draw.
"""

from math import ceil
from typing import Any, Self

import pandas as pd
from sklearn.base import is_regressor

from skcnn._convnet.pipelines import fitted_convnet
from skcnn._plotting.axes import ALARM, LOG_SCALE_RATIO, legend_above, new_axes, set_log_ticks

# Shorter curves show their points; a single epoch would be invisible without.
FEW_EPOCHS = 15
# What is called overfitting: tried on 205 trainings (digits, tones, tables, shapes).
SMOOTHED_EPOCHS = 5  # a running median of them is free of single outliers
LATE = 3  # the last third of the epochs after the minimum is what "the end" means
FEWEST_AFTER = 3  # epochs after the minimum
RISE = 0.1  # of the first loss: far above the noise of small losses
FALL = 0.8  # of the training loss meanwhile, at most
TRAINING = {"color": "C0", "linestyle": "-"}
VALIDATION = {"color": "C1", "linestyle": "-"}
SCORE = {"color": "C2", "linestyle": "--"}
BEST = {"color": "0.4", "linestyle": ":"}


class TrainingHistoryDisplay:
    """Losses and validation score against the epoch.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    history : DataFrame
        Indexed by epoch, with the columns train_loss, valid_loss and valid_score, as
        the estimators' `history_`. NaN is left out.
    best_epoch : int
        The epoch to mark. It is marked only if there is a validation loss.
    score_name : str, default="score"
        What the validation score is, for the label of its axis.
    restored : bool, default=False
        Whether the network has the weights of the best epoch, as after early stopping.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the losses.
    score_ax_ : matplotlib Axes or None
        The axes of the validation score, on the right; None without one.
    overfitting_ : str or None
        What shows that the training overfits, as "overfitting: validation loss 1.39 at
        epoch 5, 2.26 at the end", and after early stopping "; weights of epoch 5 kept". It
        is written above the legend. None where nothing does.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ConvNetClassifier : Its `history_` is what is drawn.

    Notes
    -----
    The axis of the losses is logarithmic where the largest loss is more than ten times
    the smallest.

    A training is said to overfit where the validation loss rose above its minimum by more
    than a tenth of the first epoch's loss (the larger of both), while the training loss fell
    by more than a fifth. The minimum is that of a running median of five epochs, the end the
    median of the last third of the epochs after it, at least three. Of 140 trainings with
    default parameters, with augmentation or with a constant rate none was named. Of 65 for 80
    epochs without dropout and weight decay on 40 to 200 samples, most of them noisy, 50 were;
    the validation loss of the others did not rise so far. The score may rise meanwhile: then
    only the probabilities become worse. After early stopping the network itself is that of
    the best epoch, and need not overfit.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.inspection import TrainingHistoryDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier(input_shape=(8, 8), max_epochs=3, random_state=0)
    >>> _ = model.fit(X[:500], y[:500], X_val=X[500:600], y_val=y[500:600])
    >>> display = TrainingHistoryDisplay.from_estimator(model)
    >>> display.score_ax_.get_ylabel()
    'validation accuracy'
    """

    def __init__(
        self,
        *,
        history: pd.DataFrame,
        best_epoch: int,
        score_name: str = "score",
        restored: bool = False,
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch
        self.score_name = score_name
        self.restored = restored

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the training history of a fitted estimator.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        NotFittedError
            If the estimator is not fitted.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        net = fitted_convnet(estimator)
        display = cls(
            history=net.history_,
            best_epoch=net.best_epoch_,
            score_name="R²" if is_regressor(net) else "accuracy",
            restored=net.early_stopping,
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the history.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        self : TrainingHistoryDisplay
            The display, with `ax_`, `score_ax_` and `figure_` set.

        Raises
        ------
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        self.ax_ = new_axes() if ax is None else ax
        self.figure_ = self.ax_.figure
        self.overfitting_ = _overfitting_of(self.history)
        if self.overfitting_ is not None and self.restored:
            self.overfitting_ += f"; weights of epoch {self.best_epoch} kept"
        handles = self._plot_losses()
        self.score_ax_, score_handles = self._plot_score()
        handles += score_handles
        if self.history["valid_loss"].notna().any():
            label = f"best epoch ({self.best_epoch})"
            handles.append(self.ax_.axvline(self.best_epoch, label=label, **BEST))
        title = self.overfitting_ and self.overfitting_.replace("; ", ";\n")
        legend = legend_above(self.ax_, 2, handles=handles, title=title)
        legend.get_title().set(color=ALARM, multialignment="center")
        return self

    def _plot_losses(self) -> list[Any]:
        self.ax_.set_xlabel("epoch")
        self.ax_.locator_params(axis="x", integer=True)
        losses = self.history[["train_loss", "valid_loss"]]
        low, high = losses.min().min(), losses.max().max()
        if 0 < LOG_SCALE_RATIO * low < high:
            self.ax_.set_yscale("log")
        self.ax_.set_ylabel("loss")
        lines = _plot_line(self.ax_, losses["train_loss"], "training loss", TRAINING)
        lines += _plot_line(self.ax_, losses["valid_loss"], "validation loss", VALIDATION)
        if self.ax_.get_yscale() == "log":
            set_log_ticks(self.ax_, "y")
        return lines

    def _plot_score(self) -> tuple[Any, list[Any]]:
        score = self.history["valid_score"]
        if score.isna().all():
            return None, []
        label = f"validation {self.score_name}"
        score_ax = self.ax_.twinx()
        score_ax.set_ylabel(label, color=SCORE["color"])
        score_ax.tick_params(axis="y", labelcolor=SCORE["color"])
        return score_ax, _plot_line(score_ax, score, label, SCORE)


def _overfitting_of(history: pd.DataFrame) -> str | None:
    """Return what shows that a training overfits, None where nothing does."""
    losses = history[["train_loss", "valid_loss"]].dropna()
    if losses.empty:
        return None
    smooth = losses.rolling(SMOOTHED_EPOCHS, center=True, min_periods=1).median()
    best = smooth["valid_loss"].idxmin()
    after = losses["valid_loss"].loc[best:].iloc[1:]
    if len(after) < FEWEST_AFTER:
        return None
    least, end = smooth["valid_loss"][best], after.tail(ceil(len(after) / LATE)).median()
    rises = end - least > RISE * losses.iloc[0].max()
    falls = smooth["train_loss"].iloc[-1] < FALL * smooth["train_loss"][best]
    if not (rises and falls):
        return None
    return f"overfitting: validation loss {least:.3g} at epoch {best}, {end:.3g} at the end"


def _plot_line(ax: Any, values: pd.Series, label: str, style: dict[str, str]) -> list[Any]:
    """Draw `values` without its NaN; return the lines, none if nothing is left."""
    values = values.dropna()
    if values.empty:
        return []
    marker = "." if len(values) <= FEW_EPOCHS else None
    return ax.plot(values.index, values, label=label, marker=marker, **style)
