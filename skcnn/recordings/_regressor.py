"""WindowedRegressor: numbers of recordings by the mean over their windows."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from skcnn._data.signal_windows import SignalWindows
from skcnn._data.targets import check_numbers
from skcnn.recordings._inner import means_by_recording
from skcnn.recordings._parameters import documented_windowed
from skcnn.recordings._windowed import BaseWindowed


@documented_windowed
class WindowedRegressor(RegressorMixin, BaseWindowed):
    """Predict numbers for recordings of any length by their windows.

    <about>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes of windows>

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
