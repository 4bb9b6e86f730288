"""The callbacks of scikit-learn and skorch: how a fit calls them, and which ones it accepts."""

from collections.abc import Callable, Iterable
from typing import Any

from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
)

NEEDED = ("initialize", "set_params", "on_epoch_end")  # methods that skorch calls
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class CallbackHooks:
    """scikit-learn's callback protocol, with one subtask per epoch.

    Parameters
    ----------
    estimator : estimator
        The estimator being fitted.
    context : sklearn.callback.CallbackContext
        The context of the fit.
    data : dict
        ``X``, ``y`` and ``metadata`` of the fit.
    fitted_attributes : callable
        Returns the fitted attributes that a copy needs to predict with the current weights.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        data: dict[str, Any],
        fitted_attributes: Callable[[], dict[str, Any]],
    ) -> None:
        self.estimator = estimator
        self.context = context
        self.data = data
        self.fitted_attributes = fitted_attributes
        self._epoch: Any = None

    def fit_begin(self) -> None:
        """Call the callbacks at the beginning of the fit."""
        self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def fit_end(self) -> None:
        """Call the callbacks at the end of the fit."""
        self._task_end(self.context)

    def epoch_begin(self) -> None:
        """Open the subtask of an epoch."""
        self._epoch = self.context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def skip(self, n_epochs: int) -> None:
        """Count epochs that an earlier process has trained, without calling the callbacks."""
        for _ in range(n_epochs):
            self.context.subcontext(task_name="epoch")

    def shorten(self, n_epochs: int) -> None:
        """Tell callbacks that look at the number of subtasks that it is smaller now."""
        self.context.max_subtasks = n_epochs

    def epoch_end(self) -> bool:
        """Close the subtask of an epoch, and return whether a callback asks to stop."""
        return self._task_end(self._epoch)

    def _task_end(self, context: Any) -> bool:
        return context.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=self.fitted_attributes,
            **self.data,
        )


def check_skorch_callbacks(callbacks: Iterable[Any]) -> None:
    """Raise for what is no callback of skorch, and for those that would silently do nothing.

    Raises
    ------
    TypeError
        If an entry is neither a callback of skorch, nor a class of them, nor a named one.
    ValueError
        If there is a learning-rate scheduler or a scoring callback among them.
    """
    for entry in callbacks:
        callback = entry[1] if isinstance(entry, tuple) else entry
        name = type(callback).__name__
        if callback is not None and not all(hasattr(callback, each) for each in NEEDED):
            raise TypeError(
                f"The 'callbacks' parameter must contain skorch callbacks. Got {callback!r}. "
                "scikit-learn's callbacks are set with set_callbacks."
            )
        if isinstance(callback, LRScheduler):
            raise ValueError(
                f"The 'callbacks' parameter must not contain skorch's {name}: the learning "
                "rate follows the parameter lr_schedule."
            )
        if isinstance(callback, EpochScoring | BatchScoring):
            raise ValueError(
                f"The 'callbacks' parameter must not contain skorch's {name}, which cannot "
                "read these batches: pass X_val and y_val to fit, or set scikit-learn's "
                "ScoringMonitor with set_callbacks."
            )


def check_monitors(callbacks: Iterable[Callback]) -> None:
    """Raise for skorch callbacks that monitor validation samples, in a fit without any.

    Raises
    ------
    ValueError
        If skorch's EarlyStopping or Checkpoint is among them.
    """
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        is_known = isinstance(callback, EarlyStopping | Checkpoint)
        if is_known and isinstance(monitor, str) and monitor.startswith("valid_"):
            instead = monitor.replace("valid_", "train_") if "loss" in monitor else "train_loss"
            raise ValueError(
                f"The 'callbacks' parameter has {type(callback).__name__} with "
                f"monitor={monitor!r}, but there are no validation samples. Pass X_val and y_val "
                f"to fit, set early_stopping=True, or monitor {instead!r}."
            )


def has_batch_hook(callback: Callback) -> bool:
    """Return whether a skorch callback has a hook for batches."""
    return any(getattr(type(callback), hook) is not getattr(Callback, hook) for hook in BATCH_HOOKS)
