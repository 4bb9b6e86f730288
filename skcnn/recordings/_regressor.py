"""WindowedRegressor: numbers of recordings by the mean over their windows."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from skcnn._data.signal_windows import SignalWindows
from skcnn._data.targets import check_numbers
from skcnn.recordings._inner import means_by_recording
from skcnn.recordings._windowed import BaseWindowed


class WindowedRegressor(RegressorMixin, BaseWindowed):
    """Predict numbers for recordings of any length by their windows.

    A sample is a whole recording, so that cross-validation and searches split recordings: windows
    of one recording are never in training and in test. Early stopping of a ConvNet splits off
    whole recordings, too.

    Parameters
    ----------
    estimator : regressor
        What is fitted on the windows, which are arrays of shape (n_windows, length) or
        (n_windows, length, n_channels). A ConvNet with ``n_spatial_dims=None`` reads them as
        signals. It must not split its samples: see `fit`.
    length : int
        Number of time steps of a window.
    step : int or None, default=None
        Number of time steps from one window to the next. None is `length`: windows do not
        overlap. Time steps at the end of a recording that fill no window are left out.
    channels : {"last", "first"}, default="last"
        Where the channel axis of a recording is.
    sampling_rate : float or None, default=None
        Time steps a second, for the times in `predict_windows`.

    Attributes
    ----------
    estimator_ : regressor
        The fitted estimator.
    n_windows_ : int
        Number of windows that it was fitted on.
    n_channels_in_ : int
        Number of channels.
    n_features_in_ : int
        Number of time steps of a recording, for arrays of flat rows only.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, if it is a table and all of them are strings.

    See Also
    --------
    WindowedClassifier : The same for classes; its notes hold here, too.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from skcnn.recordings import WindowedRegressor
    >>> X = [np.full(length, level) for length, level in [(50, 1.0), (70, 2.0), (95, 4.0)]]
    >>> model = WindowedRegressor(Ridge(alpha=1e-9), length=20).fit(X, [10.0, 20.0, 40.0])
    >>> model.predict([np.full(45, 3.0)]).round(3)
    array([30.])
    >>> model.n_windows_
    9
    """

    def _read_targets(self, y: Any, n_recordings: int) -> np.ndarray:
        return check_numbers(y, n_recordings)

    def predict(self, X: Any) -> np.ndarray:
        """Return the mean prediction over the windows of each recording.

        Parameters
        ----------
        X : list or array of recordings
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_recordings,) or (n_recordings, n_outputs), dtype float64
            Predictions.
        """
        windows = self._windows_like_fitted(X)
        return means_by_recording(self._of_windows("predict", windows), windows)

    def _columns(self, windows: SignalWindows) -> dict[str, np.ndarray]:
        predictions = self._of_windows("predict", windows)
        if predictions.ndim == 1:
            return {"prediction": predictions}
        return {f"prediction_{i}": column for i, column in enumerate(predictions.T)}
