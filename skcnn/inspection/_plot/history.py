"""TrainingHistoryDisplay: losses and validation score, and whether the training overfits."""

from math import ceil
from typing import Any, Self

import pandas as pd
from sklearn.base import is_regressor

from skcnn._convnet.pipelines import check_convnet
from skcnn._plotting.axes import alarm, grey, legend_above, needs_log_scale, new_axes, set_log_ticks
from skcnn._plotting.display import Display

# Shorter curves show their points, without which a single epoch would be invisible.
FEW_EPOCHS = 15
# Overfitting
SMOOTHED_EPOCHS = 5  # in a running median, which removes single outliers
LATE = 3  # the end is the last third of the epochs after the minimum
FEWEST_AFTER = 3  # epochs after the minimum
RISE = 0.1  # of the validation loss, as a share of the first loss; small losses are noisy
FALL = 0.8  # the training loss at the end is below this share of that at the minimum
TRAINING = {"color": "C0", "linestyle": "-"}
VALIDATION = {"color": "C1", "linestyle": "-"}
SCORE = {"color": "C2", "linestyle": "--"}
BEST = 0.4  # level of grey


def _overfitting_of(history: pd.DataFrame) -> str | None:
    """Return the description of a training's overfitting, None without overfitting."""
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


def _draw_line(ax: Any, values: pd.Series, label: str, style: dict[str, str]) -> list[Any]:
    """Draw values that are not NaN; return a list of the line, empty without values."""
    values = values.dropna()
    if values.empty:
        return []
    marker = "." if len(values) <= FEW_EPOCHS else None
    return ax.plot(values.index, values, label=label, marker=marker, **style)


class TrainingHistoryDisplay(Display):
    """Losses and validation score against the epoch.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    history : DataFrame
        Indexed by epoch, with the columns train_loss, valid_loss and valid_score, as
        the estimators' `history_`. NaN is not drawn.
    best_epoch : int
        The epoch to mark. It is marked only if there is a validation loss.
    score_name : str, default="score"
        Name of the validation score, for the label of its axis.
    restored : bool, default=False
        Whether the network has the weights of the best epoch, as after early stopping.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the losses.
    score_ax_ : matplotlib Axes or None
        The axes of the validation score, on the right; None without one.
    overfitting_ : str or None
        Description of the overfitting, such as "overfitting: validation loss 1.39 at
        epoch 5, 2.26 at the end", and after early stopping "; weights of epoch 5 kept". It
        is written above the legend. None without overfitting.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ConvNetClassifier : Its `history_` is drawn.

    Notes
    -----
    The axis of the losses is logarithmic if the largest loss is more than ten times
    the smallest.

    A training is said to overfit if the validation loss rose above its minimum by more
    than a tenth of the first epoch's loss (the larger of both), while the training loss fell
    by more than a fifth. The minimum is that of a running median of five epochs. The end is
    the median of the last third of the epochs after it, which must be at least three. If the
    score rises meanwhile, only the probabilities become worse. After early stopping the
    network has the weights of the best epoch and need not overfit.

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
            If there is no ConvNet in `estimator`.
        NotFittedError
            If the estimator is not fitted.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        net = check_convnet(estimator)
        display = cls(
            history=net.history_,
            best_epoch=net.best_epoch_,
            score_name="R²" if is_regressor(net) else "accuracy",
            restored=net.early_stopping,
        )
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        ax = new_axes() if ax is None else ax
        self.overfitting_ = _overfitting_of(self.history)
        if self.overfitting_ is not None and self.restored:
            self.overfitting_ += f"; weights of epoch {self.best_epoch} kept"
        handles = self._draw_losses(ax)
        self.score_ax_, score_handles = self._draw_score(ax)
        handles += score_handles
        if self.history["valid_loss"].notna().any():
            label = f"best epoch ({self.best_epoch})"
            handles.append(
                ax.axvline(self.best_epoch, label=label, color=grey(BEST), linestyle=":")
            )
        title = self.overfitting_ and self.overfitting_.replace("; ", ";\n")
        legend = legend_above(ax, 2, handles=handles, title=title)
        legend.get_title().set(color=alarm(), multialignment="center")
        return ax

    def _draw_losses(self, ax: Any) -> list[Any]:
        ax.set_xlabel("epoch")
        ax.locator_params(axis="x", integer=True)
        losses = self.history[["train_loss", "valid_loss"]]
        if needs_log_scale(losses.min().min(), losses.max().max()):
            ax.set_yscale("log")
        ax.set_ylabel("loss")
        lines = _draw_line(ax, losses["train_loss"], "training loss", TRAINING)
        lines += _draw_line(ax, losses["valid_loss"], "validation loss", VALIDATION)
        if ax.get_yscale() == "log":
            set_log_ticks(ax, "y")
        return lines

    def _draw_score(self, ax: Any) -> tuple[Any, list[Any]]:
        score = self.history["valid_score"]
        if score.isna().all():
            return None, []
        label = f"validation {self.score_name}"
        score_ax = ax.twinx()
        score_ax.set_ylabel(label, color=SCORE["color"])
        score_ax.tick_params(axis="y", labelcolor=SCORE["color"])
        return score_ax, _draw_line(score_ax, score, label, SCORE)
