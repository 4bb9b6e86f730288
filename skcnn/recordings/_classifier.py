"""WindowedClassifier: classes of recordings by the mean over their windows."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skcnn._data.signal_windows import SignalWindows
from skcnn._data.targets import check_labels
from skcnn.recordings._inner import means_by_recording
from skcnn.recordings._parameters import documented_windowed
from skcnn.recordings._windowed import BaseWindowed


def _has_probabilities(self: Any) -> bool:
    getattr(getattr(self, "estimator_", self.estimator), "predict_proba")  # noqa: B009  (raises)
    return True


@documented_windowed
class WindowedClassifier(ClassifierMixin, BaseWindowed):
    """Classify recordings of any length by their windows.

    <about>

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes of windows>

    See Also
    --------
    WindowedRegressor : The same for numbers.
    skcnn.preprocessing.CropSignals : One window of each recording only.

    Notes
    -----
    A ConvNet, alone or in a Pipeline behind augmentations, cuts windows when it needs them, so
    that overlapping ones take no memory. Others get one array of all windows.

    Probabilities of a recording are the means over its windows, computed in float64. An estimator
    without `predict_proba` votes: the class of most windows, of equally many the first.

    Long recordings have more windows than short ones and more influence on the fit;
    ``sample_weight=1 / lengths`` gives all the same.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.recordings import WindowedClassifier
    >>> rng = np.random.default_rng(0)
    >>> def hum(hertz):  # of two to four seconds, with 100 time steps in each
    ...     time = np.arange(rng.integers(200, 400)) / 100
    ...     return np.sin(2 * np.pi * hertz * (time + rng.random())) + rng.normal(size=len(time))
    >>> y = np.arange(24) % 2
    >>> X = [hum(4 if label else 7) for label in y]
    >>> net = ConvNetClassifier(filters=(8, 16), random_state=0)
    >>> model = WindowedClassifier(net, 100, 25, sampling_rate=100)
    >>> model.fit(X[:16], y[:16]).score(X[16:], y[16:])
    1.0
    >>> table = model.predict_windows(X[16:])
    >>> table.loc[:1, ["recording", "start", "stop", "start_seconds", "prediction"]]
       recording  start  stop  start_seconds  prediction
    0          0      0   100           0.00           0
    1          0     25   125           0.25           0
    """

    def _read_targets(self, y: Any, n_recordings: int) -> np.ndarray:
        labels, is_multilabel = check_labels(y, n_recordings)
        if is_multilabel:
            raise ValueError(
                "y of WindowedClassifier must have one label for each recording. Got a multilabel "
                f"indicator of shape {labels.shape}."
            )
        return labels

    @property
    def classes_(self) -> np.ndarray:
        """Class labels."""
        return self.estimator_.classes_

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each recording.

        Parameters
        ----------
        X : list or array of recordings
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_recordings,)
            Labels.
        """
        windows = self._windows_like_fitted(X)
        if hasattr(self, "predict_proba"):
            shares = self._probabilities(windows)
        else:
            labels = self._of_windows("predict", windows)
            shares = means_by_recording(labels[:, None] == self.classes_, windows)
        return self.classes_[np.argmax(shares, axis=1)]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the mean probabilities over the windows of each recording.

        Parameters
        ----------
        X : list or array of recordings
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_recordings, n_classes), dtype float64
            Each row has the sum one.
        """
        return self._probabilities(self._windows_like_fitted(X))

    def _probabilities(self, windows: SignalWindows) -> np.ndarray:
        return means_by_recording(self._of_windows("predict_proba", windows), windows)

    def _columns(self, windows: SignalWindows) -> dict[str, np.ndarray]:
        if not hasattr(self, "predict_proba"):
            return {"prediction": self._of_windows("predict", windows)}
        probabilities = self._of_windows("predict_proba", windows)
        columns = {"prediction": self.classes_[np.argmax(probabilities, axis=1)]}
        for label, column in zip(self.classes_, probabilities.T, strict=True):
            columns[f"probability_{label}"] = column
        return columns
