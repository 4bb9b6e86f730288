"""ResampleSignals: another length or another sampling rate, without aliases."""

from fractions import Fraction
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from skcnn._utils.compat import Interval, InvalidParameterError
from skcnn._utils.validation import check_finite
from skcnn.preprocessing._signals.lengths import LengthTransformer
from skcnn.preprocessing._signals.series import Signals
from skcnn.preprocessing._signals.transformer import (
    LAYOUT_CONSTRAINTS,
    float_type,
)

MOST_TERM = 10**5  # of the ratio of two rates: the filter has 20 times as many values
RATE: list[Any] = [Interval(Real, 0, None, closed="neither"), None]


def ratio_of(rate: float, original_rate: float) -> Fraction:
    """Return the ratio of two sampling rates, as a fraction of moderate terms.

    Raises
    ------
    InvalidParameterError
        If one rate is more than 100,000 times the other.
    """
    ratio = Fraction(rate) / Fraction(original_rate)
    if not Fraction(1, MOST_TERM) <= ratio <= MOST_TERM:
        raise InvalidParameterError(
            f"The 'rate' parameter must be within {MOST_TERM:,} times of 'original_rate'. Got "
            f"rate={rate!r} with original_rate={original_rate!r}."
        )
    if ratio > 1:
        return 1 / (1 / ratio).limit_denominator(MOST_TERM)
    return ratio.limit_denominator(MOST_TERM)


def resampled(signals: np.ndarray, ratio: Fraction) -> np.ndarray:
    """Return signals with `ratio` times as many time steps, rounded up.

    Parameters
    ----------
    signals : ndarray of shape (n_signals, length, n_channels)
        Of any real dtype.
    ratio : Fraction
        The new rate over the old.

    Returns
    -------
    ndarray of shape (n_signals, ceil(length * ratio), n_channels), dtype float64
    """
    from scipy.signal import resample_poly  # importing it takes long

    values = signals.astype(np.float64)
    if ratio == 1:
        return values
    # powers of two are exact; without them differences of huge values are infinite
    _, exponent = np.frexp(np.abs(values).max(axis=(1, 2), keepdims=True))
    values = np.ldexp(values, -exponent)
    length = values.shape[1]
    first, last = values[:, :1], values[:, -1:]
    slope = (last - first) / max(length - 1, 1)

    def line(times: np.ndarray) -> np.ndarray:
        return first + slope * times[:, None]

    up, down = ratio.numerator, ratio.denominator
    # without the line the signal begins and ends at zero, which is what the filter pads with
    changed = resample_poly(values - line(np.arange(length)), up, down, axis=1)
    times = np.arange(changed.shape[1]) * (down / up)
    result: np.ndarray = np.ldexp(changed + line(times), exponent)
    return result


class ResampleSignals(LengthTransformer):
    """Bring signals to another sampling rate, or all to one length, band-limited.

    Either `length` or `rate` with `original_rate` is set.

    Parameters
    ----------
    length : int or None, default=None
        Number of time steps of the results: every signal is stretched or squeezed to it.
    rate : float or None, default=None
        Sampling rate of the results, in the unit of `original_rate`, such as hertz. Signals
        keep their duration.
    original_rate : float or None, default=None
        Sampling rate of `X`.
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
    PadSignals, CropSignals : One length without stretching.

    Notes
    -----
    The line from the first to the last value is subtracted, the rest is filtered by
    `scipy.signal.resample_poly`, and the line is added again. So constants and lines are kept
    exactly, and the ends do not ring. The filter takes away what is above half of the lower
    rate (antialiasing).

    A signal of length n gets ``ceil(n * rate / original_rate)`` time steps, the first at the
    time of the first before. Rates whose ratio has more than five digits are approximated, by
    less than 1e-5 of the ratio. A `length` is always exact: for very long signals whose length has
    no divisor in common with it, the filter is long and takes seconds.

    Results are float32 for float32, float16, uint8 and bool, and float64 for other types. Filtered
    values may lie a little beyond those of `X`: an error is raised if they are beyond the dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.preprocessing import ResampleSignals
    >>> X = np.array([[0.0, 2.0, 4.0, 6.0]])
    >>> ResampleSignals(8).fit_transform(X)
    array([[0., 1., 2., 3., 4., 5., 6., 7.]])

    Half the rate. The fast oscillation is not an alias in the results, but gone:

    >>> time = np.arange(1000) / 1000
    >>> slow, fast = np.sin(2 * np.pi * 10 * time), np.sin(2 * np.pi * 400 * time)
    >>> half = ResampleSignals(rate=500, original_rate=1000).fit_transform([slow + fast])
    >>> bool(np.abs(half - slow[::2])[0, 50:-50].max() < 0.01)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "length": [Interval(Integral, 1, None, closed="left"), None],
        "rate": RATE,
        "original_rate": RATE,
        **LAYOUT_CONSTRAINTS,
    }

    def __init__(
        self,
        length: int | None = None,
        *,
        rate: float | None = None,
        original_rate: float | None = None,
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
    ) -> None:
        self.length = length
        self.rate = rate
        self.original_rate = original_rate
        self.input_shape = input_shape
        self.channels = channels

    def _length_of(self, length: int) -> int:
        return int(-(-length * self._ratio(length) // 1))

    def _check(self) -> None:
        by_rate = (self.rate is not None, self.original_rate is not None)
        if (self.length is not None) == any(by_rate) or any(by_rate) != all(by_rate):
            raise InvalidParameterError(
                "ResampleSignals needs either 'length', or both 'rate' and 'original_rate'. Got "
                f"length={self.length!r}, rate={self.rate!r}, "
                f"original_rate={self.original_rate!r}."
            )
        self._ratio(1)

    def _ratio(self, length: int) -> Fraction:
        if self.length is not None:
            return Fraction(int(self.length), length)
        return ratio_of(self.rate, self.original_rate)  # type: ignore[arg-type]

    def _changed(self, signals: Signals) -> list[np.ndarray]:
        with np.errstate(over="ignore"):
            changed: list[np.ndarray] = [
                resampled(part, self._ratio(part.shape[1])).astype(
                    float_type(part.dtype), copy=False
                )
                for part in signals.parts
            ]
        check_finite(changed, "ResampleSignals")
        return changed
