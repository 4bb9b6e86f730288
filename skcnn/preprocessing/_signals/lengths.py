"""PadSignals and CropSignals: series of several lengths become series of one length."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from skcnn._utils.compat import Interval, InvalidParameterError, StrOptions
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing._signals.series import Signals
from skcnn.preprocessing._signals.transformer import LAYOUT_CONSTRAINTS, SeriesTransformer

LENGTH: list[Any] = [Interval(Integral, 1, None, closed="left"), None]
# The package's words for paddings, and NumPy's.
MODES = {
    "zeros": "constant",
    "constant": "constant",
    "mirror": "reflect",
    "edge": "edge",
    "wrap": "wrap",
}


def cropped(signals: np.ndarray, length: int, where: str) -> np.ndarray:
    """Return the part of signals that is kept of those of shape (n, length, n_channels)."""
    left_over = max(signals.shape[1] - length, 0)
    first = {"start": 0, "middle": left_over // 2, "end": left_over}[where]
    return signals[:, first : first + length]


class LengthTransformer(SeriesTransformer):
    """Base of the transformers that bring signals to a length given or seen at fit."""

    length: int | None

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each value of a flat row: "time_3", with the channel if several.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked: the names seen at fit.

        Returns
        -------
        ndarray of shape (n_values,) of str objects
            The names.
        """
        self._check_flat()
        return self._names(self._length_of(self._layout.spatial[0]), input_features)

    def _length_of(self, length: int) -> int:
        """Return the length of the results for signals of a length."""
        return self.length_


class PadSignals(LengthTransformer):
    """Add values to signals, so that all have one length.

    Parameters
    ----------
    length : int or None, default=None
        Number of time steps of the results. None takes the longest signal seen at fit.
    where : {"end", "start", "both"}, default="end"
        Where values are added. "both" adds the smaller half before the signal.
    padding_mode : {"zeros", "constant", "mirror", "edge", "wrap"}, default="zeros"
        What is added: zeros, `fill_value`, the reflection about the border value, the border
        value itself, or the signal again.
    fill_value : float, default=0.0
        The constant of ``padding_mode="constant"``, in the units of the data.
    longer : {"raise", "start", "middle", "end"}, default="raise"
        What is done about signals longer than `length`: raise an error, or keep their start,
        middle or end.
    input_shape : (int,), (int, int) or None, default=None
        Shape of a flat row: ``(length,)`` or ``(length, n_channels)``. None reads flat rows as
        signals of one channel.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X`, `input_shape` and the results is.

    Attributes
    ----------
    length_ : int
        Number of time steps of the results.
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
    CropSignals : Cuts signals to one length.
    ResampleSignals : Stretches signals to one length.

    Notes
    -----
    Results keep the dtype. Lists of several dtypes get the one that holds them all.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.preprocessing import PadSignals
    >>> series = [np.array([1.0, 2.0, 3.0]), np.array([4.0])]
    >>> PadSignals().fit_transform(series)
    array([[1., 2., 3.],
           [4., 0., 0.]])
    >>> PadSignals(5, where="both", padding_mode="edge").fit_transform(series)
    array([[1., 1., 2., 3., 3.],
           [4., 4., 4., 4., 4.]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "length": LENGTH,
        "where": [StrOptions({"end", "start", "both"})],
        "padding_mode": [StrOptions({*MODES})],
        "fill_value": [Interval(Real, None, None, closed="neither")],
        "longer": [StrOptions({"raise", "start", "middle", "end"})],
        **LAYOUT_CONSTRAINTS,
    }

    def __init__(
        self,
        length: int | None = None,
        *,
        where: str = "end",
        padding_mode: str = "zeros",
        fill_value: float = 0.0,
        longer: str = "raise",
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
    ) -> None:
        self.length = length
        self.where = where
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.longer = longer
        self.input_shape = input_shape
        self.channels = channels

    def _check(self) -> None:
        if self.padding_mode != "constant" and self.fill_value != 0:
            raise InvalidParameterError(
                "The 'fill_value' parameter of PadSignals needs padding_mode='constant'. Got "
                f"fill_value={self.fill_value!r} with padding_mode={self.padding_mode!r} instead."
            )

    def _learn(self, signals: Signals) -> None:
        self.length_ = max(signals.lengths) if self.length is None else int(self.length)
        self._check_longest(signals)

    def _changed(self, signals: Signals) -> list[np.ndarray]:
        self._check_longest(signals)
        return [self._padded(part) for part in signals.parts]

    def _check_longest(self, signals: Signals) -> None:
        too_long = [length > self.length_ for length in signals.lengths]
        if self.longer == "raise" and any(too_long):
            row = signals.row_where(too_long)
            where = (
                f"length={self.length_}"
                if self.length is not None
                else f"the longest signal at fit, of length {self.length_}"
            )
            raise InputShapeError(
                f"Row {row} of X has a length of {signals.lengths[too_long.index(True)]}, more "
                f"than {where}. Set a larger 'length', or longer='start' to keep the beginning "
                "of such signals."
            )

    def _padded(self, part: np.ndarray) -> np.ndarray:
        if self.longer != "raise":
            part = cropped(part, self.length_, self.longer)
        missing = self.length_ - part.shape[1]
        before = {"end": 0, "start": missing, "both": missing // 2}[self.where]
        widths = ((0, 0), (before, missing - before), (0, 0))
        mode = MODES[self.padding_mode]
        if mode != "constant":
            return np.pad(part, widths, mode=mode)  # type: ignore[call-overload]
        return np.pad(part, widths, constant_values=self._value(part.dtype))

    def _value(self, dtype: np.dtype[Any]) -> Any:
        """Return the constant in the dtype of the signals."""
        value = self.fill_value
        if value == 0:
            return value
        if dtype.kind == "f":
            if not -float(np.finfo(dtype).max) <= value <= float(np.finfo(dtype).max):
                raise InvalidParameterError(
                    f"The 'fill_value' parameter of PadSignals must be within the range of the "
                    f"dtype of X, {dtype}. Got {value!r} instead. Convert X to a wider dtype."
                )
            return float(value)
        kept = dtype.kind in "iu" and int(value) == value
        limits = np.iinfo(dtype) if kept else None
        if limits is None or not limits.min <= value <= limits.max:
            raise InvalidParameterError(
                f"The 'fill_value' parameter of PadSignals must be a value of the dtype of X, "
                f"{dtype}. Got {value!r} instead. Convert X to floats for other values."
            )
        return int(value)


class CropSignals(LengthTransformer):
    """Cut signals, so that all have one length.

    Parameters
    ----------
    length : int or None, default=None
        Number of time steps of the results. None takes the shortest signal seen at fit.
    where : {"start", "middle", "end"}, default="start"
        Which part is kept.
    shorter : {"raise", "keep"}, default="raise"
        What is done about signals shorter than `length`: raise an error, or leave them as they
        are. The results then have several lengths.
    input_shape : (int,), (int, int) or None, default=None
        Shape of a flat row: ``(length,)`` or ``(length, n_channels)``. None reads flat rows as
        signals of one channel.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X`, `input_shape` and the results is.

    Attributes
    ----------
    length_ : int
        Number of time steps that are kept.
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
    PadSignals : Adds values to shorter signals, and may cut longer ones.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.preprocessing import CropSignals
    >>> series = [np.arange(5), np.arange(10, 13)]
    >>> CropSignals(3, where="middle").fit_transform(series)
    array([[ 1,  2,  3],
           [10, 11, 12]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "length": LENGTH,
        "where": [StrOptions({"start", "middle", "end"})],
        "shorter": [StrOptions({"raise", "keep"})],
        **LAYOUT_CONSTRAINTS,
    }

    def __init__(
        self,
        length: int | None = None,
        *,
        where: str = "start",
        shorter: str = "raise",
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
    ) -> None:
        self.length = length
        self.where = where
        self.shorter = shorter
        self.input_shape = input_shape
        self.channels = channels

    def _learn(self, signals: Signals) -> None:
        self.length_ = min(signals.lengths) if self.length is None else int(self.length)
        self._check_shortest(signals)

    def _length_of(self, length: int) -> int:
        return min(length, self.length_)

    def _changed(self, signals: Signals) -> list[np.ndarray]:
        self._check_shortest(signals)
        return [cropped(part, self.length_, self.where) for part in signals.parts]

    def _check_shortest(self, signals: Signals) -> None:
        too_short = [length < self.length_ for length in signals.lengths]
        if self.shorter == "raise" and any(too_short):
            row = signals.row_where(too_short)
            where = (
                f"length={self.length_}"
                if self.length is not None
                else f"the shortest signal at fit, of length {self.length_}"
            )
            raise InputShapeError(
                f"Row {row} of X has a length of {signals.lengths[too_short.index(True)]}, less "
                f"than {where}. Set a smaller 'length', or use PadSignals, which can also cut "
                "longer signals."
            )
