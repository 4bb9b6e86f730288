"""Spectrogram: the power of signals by frequency and time, as images."""

from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.fft import rfft
from scipy.sparse import csr_array, eye_array

from skcnn._utils.compat import Interval, InvalidParameterError, StrOptions
from skcnn._utils.validation import check_finite
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing._signals.mel import mel_filters
from skcnn.preprocessing._signals.series import Signals
from skcnn.preprocessing._signals.transformer import (
    LAYOUT_CONSTRAINTS,
    SignalTransformer,
    float_type,
)

LEAST_POWER = 1e-10  # is -100 dB
MOST_VALUES = 2**20  # in the windows of a part of the frames
SECONDS: list[Any] = [Interval(Real, 0, None, closed="neither")]


class Bands(NamedTuple):
    """How frames of a signal become bands.

    Attributes
    ----------
    window : ndarray of shape (n_fft,)
        Factors of the values of a frame.
    step : int
        From one frame to the next, in samples.
    filters : sparse array of shape (n_bands, n_frequencies)
        Factors of the powers of a spectrum.
    """

    window: np.ndarray
    step: int
    filters: csr_array

    def n_frames(self, length: int) -> int:
        """Return the number of frames of a signal."""
        return 1 + (length - len(self.window) % 2) // self.step

    def powers(self, signal: np.ndarray) -> np.ndarray:
        """Return the power of each band and frame of a signal, (n_bands, n_frames) float64."""
        n_fft, n_frames = len(self.window), self.n_frames(len(signal))
        padded = np.pad(signal.astype(np.float64), n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[:: self.step]
        powers = np.empty((self.filters.shape[0], n_frames))
        at_once = max(MOST_VALUES // n_fft, 1)
        for start in range(0, n_frames, at_once):
            spectra = rfft(frames[start : start + at_once] * self.window, axis=1)
            squares = spectra.real**2 + spectra.imag**2
            powers[:, start : start + at_once] = self.filters @ squares.T
        return powers


def decibels(powers: np.ndarray, max_decibels: float | None) -> np.ndarray:
    """Return ``10 log10(powers)``, at most `max_decibels` below the largest of them."""
    levels = 10 * np.log10(np.maximum(powers, LEAST_POWER))
    return levels if max_decibels is None else np.maximum(levels, levels.max() - max_decibels)


class Spectrogram(SignalTransformer):
    """Turn signals into images of their power by frequency (rows) and time (columns).

    Parameters
    ----------
    sample_rate : float
        Number of samples of the signals in a second, in hertz.
    window_seconds : float, default=0.025
        Length of the Hann window of a frame. A longer one resolves frequencies better, and
        times worse.
    step_seconds : float, default=0.01
        Time from one frame to the next.
    scale : {"log_mel", "mel", "log", "power"}, default="log_mel"
        "power" are the powers of the frequencies of the Fourier transform, "mel" those of
        `n_bands` bands that are spaced as people hear pitches. "log" and "log_mel" are these
        in decibels.
    n_bands : int, default=64
        Number of bands of "mel" and "log_mel".
    low : float, default=0.0
        Lowest frequency, in hertz.
    high : float or None, default=None
        Highest frequency, in hertz. None takes half of the sample rate.
    mel_scale : {"slaney", "htk"}, default="slaney"
        Which mel scale: the one of Slaney's toolbox and librosa, or the one of HTK.
    max_decibels : float or None, default=80.0
        Range of "log" and "log_mel": lower values than the largest of the sample less this
        become this. None keeps all down to -100 decibels.
    n_fft : int or None, default=None
        Length of the Fourier transform in samples, at least the window's. None takes the next
        power of two.
    input_shape : (int,), (int, int) or None, default=None
        Shape of a flat row: ``(length,)`` or ``(length, n_channels)``. None reads flat rows as
        signals of one channel.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X`, `input_shape` and the results is.

    Attributes
    ----------
    frequencies_ : ndarray of shape (n_bands,)
        Frequencies of the rows in hertz; the middles of mel bands.
    times_ : ndarray of shape (n_frames,)
        Times of the middles of the columns in seconds, from the first value on.
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
    skcnn.augmentation.RandomFrequencyMask : Fills bands of spectrograms in training.
    PadSignals : Gives signals one length, which `Spectrogram` needs.

    Notes
    -----
    Signals of shape (n_samples, length) become images of shape (n_samples, n_bands, n_frames),
    signals with a channel axis or rows of several channels images with one. The lowest
    frequency is the first row.

    The definitions are those of librosa with its default settings: frame i is centred at
    sample ``i * step``, with zeros beyond the ends; the Hann window is periodic and lies in
    the middle of `n_fft` samples; powers are squared magnitudes; mel filters are triangles of
    equal area; decibels are ``10 log10(max(power, 1e-10))``, limited for each sample over all
    its channels. The window and the step are rounded to whole samples.

    Results are float32 for float32, float16, uint8 and bool, and float64 for other types; they
    are computed in float64.

    A network reads images of up to four bands as images too, but warns that they may be signals of
    as many channels, since it sees nothing but their shape. ``n_spatial_dims=2`` of the network
    says that they are images, and ends the warning.

    References
    ----------
    McFee et al., "librosa: Audio and music signal analysis in Python", SciPy 2015.

    Examples
    --------
    A tone that rises from 500 to 1,500 Hz:

    >>> import numpy as np
    >>> from skcnn.preprocessing import Spectrogram
    >>> time = np.arange(8000) / 8000
    >>> tone = np.sin(2 * np.pi * (500 * time + 500 * time**2))
    >>> spectrogram = Spectrogram(8000, n_bands=32)
    >>> image = spectrogram.fit_transform(tone[None])
    >>> image.shape
    (1, 32, 101)
    >>> loudest = spectrogram.frequencies_[image[0].argmax(axis=0)]
    >>> loudest[[10, 50, 90]].round()
    array([ 568.,  995., 1434.])
    >>> spectrogram.times_[:3]
    array([0.  , 0.01, 0.02])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "sample_rate": SECONDS,
        "window_seconds": SECONDS,
        "step_seconds": SECONDS,
        "scale": [StrOptions({"log_mel", "mel", "log", "power"})],
        "n_bands": [Interval(Integral, 1, None, closed="left")],
        "low": [Interval(Real, 0, None, closed="left")],
        "high": [Interval(Real, 0, None, closed="neither"), None],
        "mel_scale": [StrOptions({"slaney", "htk"})],
        "max_decibels": [Interval(Real, 0, None, closed="neither"), None],
        "n_fft": [Interval(Integral, 1, None, closed="left"), None],
        **LAYOUT_CONSTRAINTS,
    }

    def __init__(
        self,
        sample_rate: float,
        *,
        window_seconds: float = 0.025,
        step_seconds: float = 0.01,
        scale: str = "log_mel",
        n_bands: int = 64,
        low: float = 0.0,
        high: float | None = None,
        mel_scale: str = "slaney",
        max_decibels: float | None = 80.0,
        n_fft: int | None = None,
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
    ) -> None:
        self.sample_rate = sample_rate
        self.window_seconds = window_seconds
        self.step_seconds = step_seconds
        self.scale = scale
        self.n_bands = n_bands
        self.low = low
        self.high = high
        self.mel_scale = mel_scale
        self.max_decibels = max_decibels
        self.n_fft = n_fft
        self.input_shape = input_shape
        self.channels = channels

    def _samples(self, name: str) -> int:
        """Return a parameter of seconds in samples."""
        seconds = getattr(self, name)
        n = round(seconds * self.sample_rate)
        if n < 1:
            raise InvalidParameterError(
                f"The {name!r} parameter of Spectrogram must be at least one sample, "
                f"{1 / self.sample_rate:g} seconds at sample_rate={self.sample_rate!r}. Got "
                f"{seconds!r} instead."
            )
        return n

    def _window(self) -> np.ndarray:
        """Return the window, in the middle of zeros if the transform is longer."""
        n = self._samples("window_seconds")
        n_fft = 2 ** (n - 1).bit_length() if self.n_fft is None else int(self.n_fft)
        if n_fft < n:
            raise InvalidParameterError(
                f"The 'n_fft' parameter of Spectrogram must be at least the window's {n} samples "
                f"({self.window_seconds!r} seconds). Got {self.n_fft!r} instead."
            )
        before = (n_fft - n) // 2
        # of Hann, periodic; a single value would be zero
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n) if n > 1 else np.ones(1)
        return np.pad(window, (before, n_fft - n - before))

    def _limits(self) -> tuple[float, float]:
        most = self.sample_rate / 2
        high = most if self.high is None else self.high
        if not self.low < high <= most:
            raise InvalidParameterError(
                "The 'low' and 'high' parameters of Spectrogram must be frequencies with low < "
                f"high <= {most:g}, half of the sample rate. Got low={self.low!r} and "
                f"high={self.high!r}."
            )
        return float(self.low), float(high)

    def _check(self) -> None:
        self._plan()

    def _plan(self) -> tuple[Bands, np.ndarray]:
        """Return how signals become bands, and the frequencies of these."""
        window, step = self._window(), self._samples("step_seconds")
        low, high = self._limits()
        frequencies = np.fft.rfftfreq(len(window), 1 / self.sample_rate)
        if self.scale in ("log", "power"):
            inside = (frequencies >= low) & (frequencies <= high)
            filters = eye_array(len(frequencies)).tocsr()[inside]
            centres = frequencies[inside]
        else:
            triangles, centres = mel_filters(
                frequencies, int(self.n_bands), low, high, self.mel_scale
            )
            filters = csr_array(triangles)
        self._check_filters(filters, self.sample_rate / len(window))
        return Bands(window, step, filters), centres

    def _check_filters(self, filters: csr_array, distance: float) -> None:
        """Check that every band has a frequency of the transform."""
        n_bands = filters.shape[0]
        n_empty = int((np.diff(filters.indptr) == 0).sum())
        if n_empty or not n_bands:
            what = f"{n_empty} of the {n_bands} bands have" if n_empty else "The range has"
            raise InvalidParameterError(
                f"{what} no frequency of the Fourier transform, which are {distance:g} Hz apart. "
                f"Set a longer 'window_seconds' (now {self.window_seconds!r}) or 'n_fft', or "
                f"fewer 'n_bands' (now {self.n_bands!r}), or a wider range of 'low' and 'high'."
            )

    def _learn(self, signals: Signals) -> None:
        self._check_one_length(signals)
        self._set_bands(signals.lengths[0])

    def _set_bands(self, length: int) -> None:
        """Set the attributes for signals of a length."""
        self._length = length  # from which a model file makes the others
        self._bands, self.frequencies_ = self._plan()
        times = np.arange(self._bands.n_frames(length))
        self.times_ = times * (self._bands.step / self.sample_rate)

    def _check_one_length(self, signals: Signals) -> None:
        if len({*signals.lengths}) > 1:
            raise InputShapeError(
                f"The signals of X have several lengths, from {min(signals.lengths)} to "
                f"{max(signals.lengths)}, which give images of several widths. Put PadSignals, "
                "CropSignals or ResampleSignals in front of Spectrogram."
            )

    def transform(self, X: Any) -> Any:
        """Compute spectrograms.

        Parameters
        ----------
        X : array-like of shape (n_samples, length[, n_channels]) or list of arrays
            Signals in one of the forms that `fit` takes, with as many frames as at fit.

        Returns
        -------
        ndarray of shape (n_samples, n_bands, n_frames) or with a channel axis
            The images.

        Raises
        ------
        InputShapeError
            If signals have another number of frames or channels than at fit.
        ValueError
            If values are so large that powers are beyond the range of the results' dtype.
        """
        return super().transform(X)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: images are arrays.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self : Spectrogram
            The estimator itself.
        """
        return self

    def _results(self, signals: Signals) -> np.ndarray:
        self._check_one_length(signals)
        part = signals.parts[0]
        n_frames = self._bands.n_frames(part.shape[1])
        if n_frames != len(self.times_):
            raise InputShapeError(
                f"X has signals of length {part.shape[1]}, which give {n_frames} frames, but "
                f"Spectrogram was fitted on signals of {len(self.times_)} frames. Put PadSignals "
                "or CropSignals in front of it."
            )
        images = self._images(part)
        check_finite([images], "Spectrogram")
        if signals.form == "plain" or (signals.form == "flat" and signals.n_channels == 1):
            return images[..., 0]
        return np.moveaxis(images, -1, 1).copy() if self.channels == "first" else images

    def _images(self, part: np.ndarray) -> np.ndarray:
        """Return images (n_signals, n_bands, n_frames, n_channels); not finite for huge values."""
        shape = (len(part), len(self.frequencies_), len(self.times_), part.shape[2])
        images: np.ndarray = np.empty(shape, float_type(part.dtype))
        is_log = self.scale in ("log", "log_mel")
        with np.errstate(over="ignore", invalid="ignore"):
            for signal, image in zip(part, images, strict=True):
                values = np.stack([self._bands.powers(channel) for channel in signal.T], axis=-1)
                image[:] = decibels(values, self.max_decibels) if is_log else values
        return images
