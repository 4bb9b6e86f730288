"""Spectrogram against librosa's numbers, scipy and a plain loop; shapes and errors."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from skcnn._utils.compat import InvalidParameterError
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing import Spectrogram
from skcnn.preprocessing._signals import spectrogram as module
from skcnn.preprocessing._signals.mel import hertz_to_mel, mel_filters, mel_to_hertz

RATE = 8000
TIME = np.arange(2000) / RATE
SIGNAL = np.sin(2 * np.pi * (300 * TIME + 4000 * TIME**2))
SIGNAL += 0.1 * np.random.default_rng(0).normal(size=2000)
HTK = {"n_bands": 20, "mel_scale": "htk", "low": 100, "high": 3000}
ODD = {"n_bands": 16, "n_fft": 301, "window_seconds": 201 / RATE, "step_seconds": 77 / RATE}
# Values of librosa 0.11.0 for SIGNAL (melspectrogram, power_to_db and stft with sr=8000,
# win_length=200, n_fft=256 and hop_length=80, or those of ODD): frames 0, 12 and 25 of three
# bands, and the sum of all.
LIBROSA = {
    "mel": (
        {"scale": "mel", "n_bands": 32},
        [[0.543596, 0.049952, 0.005591], [0.027925, 0.041473, 0.028508]],
        1287.4635378,
    ),
    "log_mel": (
        {"n_bands": 32},
        [[-2.647234, -13.014495, -22.525039], [-15.540093, -13.822376, -15.450396]],
        -11798.0702344,
    ),
    "mel, htk": (
        {"scale": "mel", **HTK},
        [[1.486334, 0.007574, 0.008958], [0.117719, 0.028577, 0.038638]],
        911.7477215,
    ),
    "log_mel, htk": (
        HTK,
        [[1.721165, -21.206863, -20.477871], [-9.291522, -15.439878, -14.129891]],
        -6857.8093921,
    ),
    "power": (
        {"scale": "power"},
        [[20.059635, 6.105117, 0.746001], [0.214896, 102.883497, 0.103383]],
        122161.1090561,
    ),
    "log": (
        {"scale": "log", "max_decibels": None},
        [[13.02323, 7.85694, -1.272605], [-6.677717, 20.123457, -9.855493]],
        -6126.0690927,
    ),
    "odd": (
        {"scale": "mel", **ODD},
        [[1.633244, 0.015676, 0.019715], [0.023739, 0.043125, 0.032673]],
        802.9382765,
    ),
}


@pytest.mark.parametrize(("settings", "rows", "total"), LIBROSA.values(), ids=LIBROSA)
def test_values_are_those_of_librosa(settings, rows, total):
    image = Spectrogram(RATE, **settings).fit_transform(SIGNAL[None])[0]
    places = np.ix_([0, len(image) // 3], [0, 12, 25])
    np.testing.assert_allclose(image[places], rows, atol=1e-4)
    np.testing.assert_allclose(image.sum(), total, rtol=1e-6)


def test_centres_of_bands_are_those_of_librosa():
    model = Spectrogram(RATE, n_bands=32).fit(SIGNAL[None])
    np.testing.assert_allclose(
        model.frequencies_[[0, 10, 31]], [71.03789963, 781.41689588, 3717.43767223]
    )


def test_powers_are_those_of_scipy():
    model = Spectrogram(RATE, scale="power", n_fft=200).fit(SIGNAL[None])
    transform = ShortTimeFFT(hann(200, sym=False), hop=80, fs=RATE, mfft=200)
    expected = transform.spectrogram(SIGNAL, p0=0, p1=26)
    np.testing.assert_allclose(model.transform(SIGNAL[None])[0], expected, atol=1e-9)
    np.testing.assert_allclose(model.frequencies_, transform.f)
    np.testing.assert_allclose(model.times_, transform.t(2000, p0=0, p1=26))


def test_powers_are_those_of_a_plain_loop():
    signal = SIGNAL[:50]
    model = Spectrogram(10, window_seconds=0.6, step_seconds=0.3, scale="power", n_fft=8)
    image = model.fit_transform(signal[None])[0]
    window = [0, *[0.5 - 0.5 * np.cos(2 * np.pi * k / 6) for k in range(6)], 0]
    padded = [0.0] * 4 + signal.tolist() + [0.0] * 4
    assert image.shape == (5, 17)
    for frame in range(17):
        for band in range(5):
            terms = [
                window[k] * padded[3 * frame + k] * np.exp(-2j * np.pi * band * k / 8)
                for k in range(8)
            ]
            assert image[band, frame] == pytest.approx(abs(sum(terms)) ** 2, abs=1e-12)


def test_a_window_of_one_value_is_the_signal_itself():
    model = Spectrogram(10, window_seconds=0.1, step_seconds=0.1, scale="power")
    np.testing.assert_allclose(model.fit_transform([[1.0, 2, 3]]), [[[1, 4, 9]]])


def test_low_and_high_choose_frequencies():
    model = Spectrogram(RATE, scale="power", low=1000, high=2000).fit(SIGNAL[None])
    assert (model.frequencies_.min(), model.frequencies_.max()) == (1000, 2000)
    every = Spectrogram(RATE, scale="power").fit(SIGNAL[None])
    kept = np.isin(every.frequencies_, model.frequencies_)
    expected = every.transform(SIGNAL[None])[:, kept]
    np.testing.assert_allclose(model.transform(SIGNAL[None]), expected)


def test_frames_are_computed_in_parts(monkeypatch):
    expected = Spectrogram(RATE).fit_transform(SIGNAL[None])
    monkeypatch.setattr(module, "MOST_VALUES", 1000)
    np.testing.assert_allclose(Spectrogram(RATE).fit_transform(SIGNAL[None]), expected, atol=1e-9)


@pytest.mark.parametrize("n_fft", [200, 201, 256])
@pytest.mark.parametrize("length", [1, 79, 80, 81, 160, 300])
def test_there_is_a_frame_for_every_step(n_fft, length):
    model = Spectrogram(RATE, scale="power", n_fft=n_fft).fit(np.ones((1, length)))
    n_frames = 1 + (length - n_fft % 2) // 80  # as in librosa
    assert model.transform(np.ones((1, length))).shape == (1, n_fft // 2 + 1, n_frames)
    np.testing.assert_allclose(model.times_, np.arange(n_frames) / 100)


@pytest.mark.parametrize(
    ("make", "settings", "axis"),
    [
        (lambda X: X, {}, -1),
        (lambda X: X.reshape(3, -1), {"input_shape": (800, 2)}, -1),
        (lambda X: np.moveaxis(X, -1, 1), {"channels": "first"}, 1),
        (
            lambda X: np.moveaxis(X, -1, 1).reshape(3, -1),
            {"channels": "first", "input_shape": (2, 800)},
            1,
        ),
        (list, {}, -1),
    ],
)
def test_channels_have_images_of_their_own(make, settings, axis):
    X = np.random.default_rng(0).normal(size=(3, 800, 2))
    images = Spectrogram(RATE, max_decibels=None, **settings).fit_transform(make(X))
    assert images.ndim == 4
    for channel in (0, 1):
        alone = Spectrogram(RATE, max_decibels=None).fit_transform(X[..., channel])
        np.testing.assert_array_equal(images.take(channel, axis), alone)


def test_forms_without_a_channel_axis():
    X = SIGNAL.reshape(2, 1000)
    expected = Spectrogram(RATE).fit_transform(X)
    assert expected.shape == (2, 64, 13)
    np.testing.assert_array_equal(Spectrogram(RATE).fit_transform(list(X)), expected)
    np.testing.assert_array_equal(Spectrogram(RATE).fit_transform(X[..., None])[..., 0], expected)
    frame = Spectrogram(RATE).set_output(transform="pandas").fit_transform(pd.DataFrame(X))
    np.testing.assert_array_equal(frame, expected)


def test_decibels_are_limited_for_each_sample():
    X = np.stack([SIGNAL, np.zeros(2000), 100 * SIGNAL])
    model = Spectrogram(RATE, max_decibels=20).fit(X)
    images = model.transform(X)
    assert np.ptp(images[0]) == pytest.approx(20)
    assert images[1].tolist() == np.full_like(images[1], -100).tolist()
    np.testing.assert_allclose(images[2], images[0] + 40)
    for signal, image in zip(X, images, strict=True):
        np.testing.assert_array_equal(model.transform(signal[None])[0], image)


def test_dtypes():
    for dtype, expected in (("float32", "float32"), ("float64", "float64"), ("int16", "float64")):
        assert Spectrogram(RATE).fit_transform(np.ones((1, 80), dtype)).dtype == expected


@pytest.mark.parametrize(
    ("dtype", "size", "scale"),
    [
        ("float64", 1e200, "log_mel"),
        ("float64", 1e307, "power"),
        ("float32", 1e25, "mel"),
        ("float32", 1e25, "power"),
    ],
)
def test_powers_beyond_the_dtype_raise(dtype, size, scale):
    X = np.stack([SIGNAL, size * SIGNAL, SIGNAL, -size * SIGNAL]).astype(dtype)
    model = Spectrogram(RATE, n_bands=8, scale=scale)
    message = f"results of Spectrogram for 2 of 4 samples, the first at index 1, are .* {dtype}"
    with pytest.raises(ValueError, match=message):
        model.fit_transform([*X])


def test_decibels_of_large_float32_are_finite():
    model = Spectrogram(RATE, n_bands=8)
    large = model.fit_transform(np.float32(1e25 * SIGNAL)[None])
    small = model.fit_transform(np.float32(SIGNAL)[None])
    np.testing.assert_allclose(large, small + 500, rtol=1e-6)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mels_lead_back_to_hertz(scale):
    hertz = np.linspace(0, 11_000, 200)
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(hertz, scale), scale), hertz, atol=1e-9)
    # the published anchors: 1,000 Hz are 15 and 1,000 mels
    anchor = {"slaney": 15.0, "htk": 1000.0}[scale]
    assert float(hertz_to_mel(np.array(1000.0), scale)) == pytest.approx(anchor, abs=0.02)


def test_mel_filters_have_equal_areas():
    frequencies = np.linspace(0, 4000, 40_001)
    filters, centres = mel_filters(frequencies, 10, 50.0, 4000.0, "slaney")
    np.testing.assert_allclose(filters.sum(axis=1) * 0.1, 1, rtol=1e-3)
    np.testing.assert_allclose(frequencies[filters.argmax(axis=1)], centres, atol=0.1)


def test_other_lengths_than_at_fit_raise():
    model = Spectrogram(RATE).fit(np.ones((1, 800, 1)))
    message = r"length 900, which give 12 frames, but Spectrogram was fitted on signals of 11"
    with pytest.raises(InputShapeError, match=message):
        model.transform(np.ones((1, 900, 1)))
    for fit_or_not in (model.transform, model.fit):
        with pytest.raises(InputShapeError, match=r"several lengths, from 80 to 90.*PadSignals"):
            fit_or_not([np.ones((80, 1)), np.ones((90, 1))])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 0}, "'sample_rate' parameter of Spectrogram"),
        ({"window_seconds": 1e-5}, "'window_seconds' .* at least one sample, 0.000125 seconds"),
        ({"step_seconds": 1e-5}, "'step_seconds' parameter of Spectrogram .* Got 1e-05"),
        ({"window_seconds": -1}, "'window_seconds' parameter"),
        ({"scale": "mels"}, "Did you mean 'mel'"),
        ({"n_bands": 0}, "'n_bands' parameter"),
        ({"n_fft": 100}, "'n_fft' .* at least the window's 200 samples .* Got 100"),
        ({"low": 4000}, "low < high <= 4000, half of the sample rate. Got low=4000 and high=None"),
        ({"high": 5000}, "low < high <= 4000.* high=5000"),
        ({"low": -1}, "'low' parameter"),
        ({"max_decibels": 0}, "'max_decibels' parameter"),
        ({"mel_scale": "mel"}, "'mel_scale' parameter"),
        ({"n_bands": 500}, r"bands have no frequency of the Fourier transform, which are 31.25 Hz"),
        ({"low": 10, "high": 20, "scale": "power"}, "The range has no frequency"),
    ],
)
def test_bad_parameters_raise(settings, message):
    model = Spectrogram(**{"sample_rate": RATE, **settings})
    with pytest.raises(InvalidParameterError, match=message):
        model.fit(SIGNAL[None])
