"""StandardizeSignals: each series gets the mean 0 and the variance 1."""

from typing import Any, ClassVar

import numpy as np

from skcnn._utils.compat import check_feature_names_in
from skcnn.preprocessing._signals.series import Signals
from skcnn.preprocessing._signals.transformer import (
    LAYOUT_CONSTRAINTS,
    SeriesTransformer,
    float_type,
)


def standardized(signals: np.ndarray, per_channel: bool) -> np.ndarray:
    """Return signals with the mean 0 and the variance 1, and zeros for constant ones.

    Parameters
    ----------
    signals : ndarray of shape (n_signals, length, n_channels)
        Of any real dtype.
    per_channel : bool
        Whether each channel is standardised by itself.

    Returns
    -------
    ndarray of shape (n_signals, length, n_channels), dtype float64
    """
    axes = (1,) if per_channel else (1, 2)
    values = signals.astype(np.float64)
    # powers of two are exact, and keep squares within the range of float64
    _, exponents = np.frexp(np.abs(values).max(axis=axes, keepdims=True))
    values = np.ldexp(values, -exponents)
    # a large offset is subtracted exactly, so that the sums are those of small numbers
    values -= values[:, :1] if per_channel else values[:, :1, :1]
    _, exponents = np.frexp(np.abs(values).max(axis=axes, keepdims=True))
    values = np.ldexp(values, -exponents)
    values -= values.mean(axis=axes, keepdims=True)
    deviations = np.sqrt(np.square(values).mean(axis=axes, keepdims=True))
    return np.divide(values, deviations, out=np.zeros_like(values), where=deviations > 0)


class StandardizeSignals(SeriesTransformer):
    """Standardise each series by itself: mean 0 and variance 1 over time.

    Other than `sklearn.preprocessing.StandardScaler`, which learns a mean and a scale of each
    column from the training samples, it learns nothing: the level and the size of a series
    disappear, and its shape is left.

    Parameters
    ----------
    per_channel : bool, default=True
        Whether each channel has a mean and a variance of its own. False takes one of all
        channels, which keeps their proportions.
    input_shape : (int,), (int, int) or None, default=None
        Shape of a flat row: ``(length,)`` or ``(length, n_channels)``. None reads flat rows as
        signals of one channel.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X`, `input_shape` and the results is.

    Attributes
    ----------
    n_channels_ : int
        Number of channels.
    n_features_in_ : int
        Number of values of a flat row, for flat rows only.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, if all of them are strings.
    input_shape_ : tuple of int
        Shape of a flat row as a sample, for flat rows only.

    See Also
    --------
    ConvNetClassifier : Standardises channels by all training samples, with `standardize`.

    Notes
    -----
    The variance is the mean of the squared distances from the mean. Constant series become
    zeros. Computed in float64, with the first value subtracted before the sums: an offset of
    1e8 costs no more digits than the values themselves have lost.

    Results are float32 for float32, float16, uint8 and bool, and float64 for other types.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.preprocessing import StandardizeSignals
    >>> X = np.array([[1.0, 3.0, 1.0, 3.0], [1e8, 1e8 + 6, 1e8, 1e8 + 6], [5.0, 5.0, 5.0, 5.0]])
    >>> StandardizeSignals().fit_transform(X)
    array([[-1.,  1., -1.,  1.],
           [-1.,  1., -1.,  1.],
           [ 0.,  0.,  0.,  0.]])

    Series of unequal length:

    >>> series = StandardizeSignals().fit_transform([np.array([0.0, 4.0]), np.arange(3)])
    >>> [row.round(2).tolist() for row in series]
    [[-1.0, 1.0], [-1.22, 0.0, 1.22]]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "per_channel": ["boolean"],
        **LAYOUT_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        per_channel: bool = True,
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
    ) -> None:
        self.per_channel = per_channel
        self.input_shape = input_shape
        self.channels = channels

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the values of a flat row, which are those of the input.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input's values. None takes `feature_names_in_`, or else "x0", "x1" and
            so on.

        Returns
        -------
        ndarray of shape (n_features_in_,) of str objects
            The names.
        """
        self._check_flat()
        return check_feature_names_in(self, input_features)

    def _changed(self, signals: Signals) -> list[np.ndarray]:
        return [
            standardized(part, self.per_channel).astype(float_type(part.dtype), copy=False)
            for part in signals.parts
        ]
