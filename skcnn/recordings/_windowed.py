"""What the estimators of recordings have in common."""

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils.validation import check_is_fitted

from skcnn._convnet.declaration import legal_values
from skcnn._data.signal_windows import SignalWindows
from skcnn._data.weights import check_weights
from skcnn._utils.validation import check_parameters
from skcnn.exceptions import InputShapeError
from skcnn.recordings._inner import as_input, make_inner, weight_argument
from skcnn.recordings._parameters import WindowedParameters
from skcnn.recordings._reading import cut_windows, read_recordings


class BaseWindowed(WindowedParameters, MetaEstimatorMixin, BaseEstimator):
    """Base of the estimators that are fitted on windows of recordings."""

    _parameter_constraints: ClassVar[dict[str, Any]] = legal_values(WindowedParameters)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the estimator on all windows of the recordings.

        Parameters
        ----------
        X : list or array of recordings
            Each of shape (length_i,) or (length_i, n_channels), or (n_channels, length_i) with
            ``channels="first"``; or one array of recordings of one length, (n_recordings, length)
            or with three axes. None may be shorter than `length`.
        y : array-like of shape (n_recordings,) or (n_recordings, n_outputs)
            Target of each recording, which is that of all its windows.
        sample_weight : array-like of shape (n_recordings,) or None, default=None
            Weight of each recording, which all its windows have.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        InvalidParameterError
            If a parameter has no legal value, or the estimator would split windows of one
            recording into training and validation.
        InputShapeError
            If a recording is shorter than a window, or recordings differ in their channels.
        """
        check_parameters(self)
        inner = make_inner(self.estimator, type(self).__name__)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # of an earlier fit on flat rows
        windows = self._windows(X)
        targets = self._read_targets(y, len(windows.recordings))
        how = {}
        if sample_weight is not None:
            weights = check_weights(sample_weight, len(windows.recordings))
            if weights is not None:
                how[weight_argument(inner)] = weights[windows.recording]
        self.estimator_ = inner.fit(as_input(windows, inner), targets[windows.recording], **how)
        self.n_windows_ = len(windows)
        self.n_channels_in_ = windows.shape[2] if windows.ndim == 3 else 1
        self._window_shape = windows.shape[1:]
        self._step = self._step_of_parameters()
        return self

    def _read_targets(self, y: Any, n_recordings: int) -> np.ndarray:
        """Return the targets of the recordings as an array."""
        raise NotImplementedError

    def _step_of_parameters(self) -> int:
        return self.length if self.step is None else self.step

    def _windows(self, X: Any) -> SignalWindows:
        recordings = read_recordings(self, X, reset=True)
        return cut_windows(recordings, self.length, self._step_of_parameters())

    def _windows_like_fitted(self, X: Any) -> SignalWindows:
        """Return windows of the length, step and channels that were used in `fit`."""
        check_is_fitted(self)
        recordings = read_recordings(self, X, reset=False)
        if recordings[0].shape[1:] != self._window_shape[1:]:
            got, fitted = (
                f"{shape[1]} channels" if len(shape) > 1 else "no axis of channels"
                for shape in (recordings[0].shape, self._window_shape)
            )
            raise InputShapeError(
                f"X has recordings with {got}, but {type(self).__name__} was fitted on "
                f"recordings with {fitted}."
            )
        return cut_windows(recordings, self._window_shape[0], self._step)

    def _of_windows(self, method: str, windows: SignalWindows) -> Any:
        return getattr(self.estimator_, method)(as_input(windows, self.estimator_))

    def _times(self, windows: SignalWindows) -> dict[str, np.ndarray]:
        """Return the columns of a table that say which windows there are."""
        stop = windows.start + windows.length
        columns = {"recording": windows.recording, "start": windows.start, "stop": stop}
        if self.sampling_rate is not None:
            columns["start_seconds"] = windows.start / self.sampling_rate
            columns["stop_seconds"] = stop / self.sampling_rate
        return columns

    def predict_windows(self, X: Any) -> pd.DataFrame:
        """Return the prediction of every window, with its time.

        Parameters
        ----------
        X : list or array of recordings
            As in `fit`.

        Returns
        -------
        DataFrame of n_windows rows
            "recording", the row of `X`; "start" and "stop", the first time step of the window and
            that after its last; "start_seconds" and "stop_seconds" where `sampling_rate` is
            given; "prediction", of several outputs one column each, "prediction_0" and so on;
            and of classifiers "probability_LABEL" for each class, if the estimator has
            probabilities.
        """
        windows = self._windows_like_fitted(X)
        return pd.DataFrame({**self._times(windows), **self._columns(windows)})

    def _columns(self, windows: SignalWindows) -> dict[str, np.ndarray]:
        """Return the columns of predictions."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags
