"""SignalTransformer: base of the transformers that take signals of any length."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skcnn._data.layouts import CHANNELS
from skcnn._utils.compat import check_feature_names_in, wrap_data_with_container
from skcnn._utils.validation import check_parameters
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing._kernel_filter import FLOAT32_INPUTS
from skcnn.preprocessing._signals.series import Signals, read_signals

LAYOUT_CONSTRAINTS: dict[str, list[Any]] = {
    "input_shape": [tuple, list, None],
    "channels": CHANNELS,
}


def float_type(dtype: np.dtype[Any]) -> type:
    """Return the dtype of results that are computed: float32 for small types, else float64."""
    return np.float32 if dtype.name in FLOAT32_INPUTS else np.float64


class SignalTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of transformers of signals, each by itself."""

    # scikit-learn's HTML repr shows a parameter's documentation only beside a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    n_spatial_dims: ClassVar[int] = 1
    input_shape: tuple[int, ...] | None
    channels: str

    @abstractmethod
    def _results(self, signals: Signals) -> np.ndarray:
        """Return the results in the form of `X`."""

    def _check(self) -> None:
        """Check what the table of parameters cannot."""

    def _learn(self, signals: Signals) -> None:
        """Learn from the signals of a fit."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and the signals.

        Parameters
        ----------
        X : array-like of shape (n_samples, length[, n_channels]) or list of arrays
            Signals: an array, or a list or array of objects of arrays of shape (length_i,) or
            (length_i, n_channels). Or flat rows, also in a DataFrame. With
            ``channels="first"`` the channels come before the length.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : estimator
            The fitted transformer.

        Raises
        ------
        InputShapeError
            If `X` has no signals, or they differ in their number of channels.
        InvalidParameterError
            If a parameter has no legal value.
        """
        check_parameters(self)
        self._check()
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)  # unfitted if a check fails
        signals = read_signals(self, X, reset=True)
        self._learn(signals)
        self.n_channels_ = signals.n_channels
        return self

    def transform(self, X: Any) -> Any:
        """Transform signals.

        Parameters
        ----------
        X : array-like of shape (n_samples, length[, n_channels]) or list of arrays
            Signals in one of the forms that `fit` takes. Flat rows must be as long as at fit,
            if that had flat rows; other forms may have any length.

        Returns
        -------
        ndarray or DataFrame
            Results in the form of `X`: one array, or an array of objects if their lengths
            differ. `set_output` acts on flat rows only.

        Raises
        ------
        InputShapeError
            If `X` has no signals, or signals of another number of channels than at fit.
        """
        check_is_fitted(self, "n_channels_")
        signals = self._read(X)
        results = self._results(signals)
        if signals.form != "flat" or results.ndim > 2 or not hasattr(self, "n_features_in_"):
            return results
        return wrap_data_with_container("transform", results, X, self)

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, then transform the same `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, length[, n_channels]) or list of arrays
            As for `fit`.
        y : None, default=None
            Ignored.

        Returns
        -------
        ndarray or DataFrame
            The result of `transform`.
        """
        return self.fit(X, y).transform(X)

    def _read(self, X: Any) -> Signals:
        signals = read_signals(self, X, reset=False)
        if signals.n_channels != self.n_channels_:
            name = type(self).__name__
            raise InputShapeError(
                f"X has signals of {signals.n_channels} channels, but {name} was fitted on "
                f"signals of {self.n_channels_} (channels={self.channels!r})."
            )
        return signals

    def _names(self, length: int, input_features: Any) -> np.ndarray:
        """Return names such as "time_3", with the number of the channel if there are several.

        `length` is that of the results; `input_features` are only checked.
        """
        self._check_flat()
        check_feature_names_in(self, input_features)
        times = [f"time_{number}" for number in range(length)]
        several = self.n_channels_ > 1
        ends = [f"_{channel}" if several else "" for channel in range(self.n_channels_)]
        by_time = [[time + end for end in ends] for time in times]
        names = np.array(by_time, dtype=object)  # (length, n_channels)
        return (names if self.channels == "last" else names.T).reshape(-1)

    def _check_flat(self) -> None:
        check_is_fitted(self, "n_channels_")
        if not hasattr(self, "n_features_in_"):
            raise ValueError(
                f"{type(self).__name__} was fitted on signals that are no flat rows, so their "
                "values have no names."
            )

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class SeriesTransformer(SignalTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of transformers whose results are signals."""

    @abstractmethod
    def _changed(self, signals: Signals) -> list[np.ndarray]:
        """Return the results of each part, of shape (n_signals, length, n_channels)."""

    def _results(self, signals: Signals) -> np.ndarray:
        return signals.as_given(self._changed(signals), self.channels)
