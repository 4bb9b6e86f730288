"""load_wav_folder: values, rates, lengths, channels, formats and messages."""

import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import resample_poly

from skcnn.datasets import load_wav_folder
from skcnn.datasets._sound_files import read_sound
from skcnn.exceptions import MissingDependencyError, SoundFileError
from tests.helpers.sounds import save_sound, save_sound_classes, tone


def test_classes_are_folders_sorted_by_name(tmp_path):
    save_sound_classes(tmp_path, ["dog", "cat", "a b", ".hidden"])
    save_sound(tmp_path / "cat" / ".0.wav", np.zeros(5, np.int16))
    (tmp_path / "cat" / "notes.txt").write_text("no sound")
    sounds = load_wav_folder(tmp_path)
    assert sounds.target_names == ["a b", "cat", "dog"]
    assert sounds.target.tolist() == ["a b", "a b", "cat", "cat", "dog", "dog"]
    assert sounds.filenames[2] == str(tmp_path / "cat" / "0.wav")
    assert sounds.rate == 8000
    assert sounds.data.shape == (6, 100)
    assert sounds.data.dtype == np.float32
    expected = np.int16(20_000 * tone(100, 8000, 200)) / 32768
    np.testing.assert_array_equal(sounds.data[2], expected.astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint8, 0, 255),
        (np.int16, -(2**15), 2**15 - 1),
        (np.int32, -(2**31), 2**31 - 1),
        (np.float32, -1, 1),
        (np.float64, -1, 1),
    ],
)
def test_values_of_all_formats_are_from_minus_1_to_1(tmp_path, dtype, low, high):
    middle = 128 if dtype == np.uint8 else 0
    path = save_sound(tmp_path / "0.wav", np.array([low, middle, high], dtype))
    values, rate = read_sound(str(path))
    assert (values.dtype, values.shape, rate) == (np.float32, (3, 1), 8000)
    np.testing.assert_allclose(values[:, 0], [-1, 0, 1], atol=1 / 127)
    assert values.min() == -1
    assert values[1, 0] == 0


def test_several_lengths_are_an_array_of_objects(tmp_path):
    save_sound_classes(tmp_path, ["cat"], (50, 70))
    X, y = load_wav_folder(tmp_path, return_X_y=True)
    assert X.dtype == object
    assert [sound.shape for sound in X] == [(50,), (70,)]
    assert y.tolist() == ["cat", "cat"]
    equal, _ = load_wav_folder(tmp_path, length=60, return_X_y=True)
    np.testing.assert_array_equal(equal[0], np.r_[X[0], np.zeros(10)])
    np.testing.assert_array_equal(equal[1], X[1][:60])


def test_channels_are_kept(tmp_path):
    stereo = np.stack([tone(50), tone(50, hertz=200)], axis=1).astype(np.float32)
    save_sound(tmp_path / "a" / "0.wav", stereo)
    save_sound(tmp_path / "a" / "1.wav", stereo[:30])
    X = load_wav_folder(tmp_path).data
    assert [sound.shape for sound in X] == [(50, 2), (30, 2)]
    np.testing.assert_array_equal(X[0], stereo)
    assert load_wav_folder(tmp_path, length=40).data.shape == (2, 40, 2)
    save_sound(tmp_path / "a" / "2.wav", stereo[:, 0])
    message = r"2 channels \(2 files, such as '.*0.wav'\), 1 channels \(1 files, .*2.wav"
    with pytest.raises(SoundFileError, match=message):
        load_wav_folder(tmp_path)


def test_rates_are_made_equal(tmp_path):
    save_sound(tmp_path / "a" / "0.wav", np.float32(tone(400, 8000)), 8000)
    save_sound(tmp_path / "a" / "1.wav", np.float32(tone(800, 16_000)), 16_000)
    with pytest.raises(SoundFileError, match=r"8000 hertz \(1 files.*16000 hertz.*'rate' param"):
        load_wav_folder(tmp_path)
    sounds = load_wav_folder(tmp_path, rate=4000)
    assert sounds.data.shape == (2, 200)
    assert sounds.data.dtype == np.float32
    assert sounds.rate == 4000
    line = np.linspace(0, np.float32(tone(400)[-1]), 400)
    expected = resample_poly(np.float32(tone(400)) - line, 1, 2) + line[::2]
    np.testing.assert_allclose(sounds.data[0], expected, atol=1e-6)
    np.testing.assert_allclose(sounds.data[1, 20:180], sounds.data[0, 20:180], atol=2e-3)
    np.testing.assert_allclose(load_wav_folder(tmp_path, rate=8000).data[0], np.float32(tone(400)))


def test_subsets(tmp_path):
    save_sound_classes(tmp_path / "train", ["cat", "dog"])
    save_sound_classes(tmp_path / "test", ["cat", "emu"])
    assert load_wav_folder(tmp_path, subset="all").data.shape == (8, 100)
    train = load_wav_folder(tmp_path, subset="train")
    assert train.target_names == ["cat", "dog", "emu"]
    with pytest.raises(ValueError, match="the 'subset' parameter must be one of"):
        load_wav_folder(tmp_path)
    save_sound_classes(tmp_path, ["unlabelled"])
    with pytest.raises(SoundFileError, match="and 'unlabelled' beside them"):
        load_wav_folder(tmp_path, subset="train")


def test_no_sounds_or_loose_ones_raise(tmp_path):
    with pytest.raises(SoundFileError, match=r"'path' parameter must be a folder.*does not exist"):
        load_wav_folder(tmp_path / "none")
    with pytest.raises(SoundFileError, match=r"no sound files in folders of .*cat.1\.wav"):
        load_wav_folder(tmp_path)
    save_sound(tmp_path / "0.wav", np.zeros(5, np.int16))
    message = r"1 sound file in .*'0.wav', lie in no class folder.* with its name\.$"
    with pytest.raises(SoundFileError, match=message):
        load_wav_folder(tmp_path)


@pytest.mark.parametrize(
    "settings", [{"rate": 0}, {"rate": 8000.5}, {"length": -1}, {"length": "1"}]
)
def test_bad_parameters_raise(tmp_path, settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"The '{name}' parameter must be a whole number"):
        load_wav_folder(tmp_path, **settings)


def test_broken_files_are_named(tmp_path):
    path = save_sound(tmp_path / "a" / "0.wav", np.int16(1000 * tone(100)))
    whole = path.read_bytes()
    path.write_bytes(b"no sound at all, but some text")
    with pytest.raises(SoundFileError, match=r"0.wav' cannot be read"):
        load_wav_folder(tmp_path)
    path.write_bytes(whole[:100])
    with pytest.raises(SoundFileError, match=r"0.wav' (cannot be read|is damaged)"):
        load_wav_folder(tmp_path)
    save_sound(path, np.zeros(0, np.int16))
    with pytest.raises(SoundFileError, match=r"0.wav' (is empty|cannot be read)"):
        load_wav_folder(tmp_path)
    save_sound(path, np.float32([0, np.nan]))
    with pytest.raises(SoundFileError, match=r"0.wav' has values that are NaN or infinite"):
        load_wav_folder(tmp_path)


@pytest.mark.parametrize("length", [*range(45)])
def test_cut_headers_are_named(tmp_path, length):
    path = save_sound(tmp_path / "0.wav", np.zeros(20, np.int16))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(SoundFileError, match=r"0.wav' (cannot be read|is damaged)"):
        read_sound(str(path))


# format, channels, rate, bytes a second, bytes a value, bits
FIVE_BYTE_FLOATS = struct.pack("<HHIIHH", 3, 1, 8000, 40_000, 5, 32)


@pytest.mark.parametrize(
    ("place", "new", "message"),
    [
        (22, bytes(2), "is damaged: its header is cut or makes no sense"),  # no channels
        (24, bytes(8), "is damaged: its sampling rate is 0"),
        (12, b"else", "(cannot be read|is damaged)"),  # no format
        (36, b"else", "is damaged: its header is cut or makes no sense"),  # no data
        (20, FIVE_BYTE_FLOATS, "is damaged: its header is cut or makes no sense"),
    ],
)
def test_senseless_headers_are_named(tmp_path, place, new, message):
    path = save_sound(tmp_path / "a" / "0.wav", np.zeros(20, np.int16))
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + new + whole[place + len(new) :])
    with pytest.raises(SoundFileError, match=f"0.wav' {message}"):
        load_wav_folder(tmp_path)


def test_values_beyond_float32_are_named(tmp_path):
    path = save_sound(tmp_path / "a" / "0.wav", np.array([0.5, 1e300]))
    with pytest.raises(SoundFileError, match=r"0.wav' has values that are NaN or infinite"):
        load_wav_folder(tmp_path)
    save_sound(path, np.float32([0, 1, 1, 0, 1, 1, 0, 0]) * np.finfo(np.float32).max)
    with pytest.raises(SoundFileError, match=r"0.wav' has values too large to be resampled"):
        load_wav_folder(tmp_path, rate=16_000)


def test_notes_in_a_file_are_harmless(tmp_path):
    path = save_sound(tmp_path / "a" / "0.wav", np.int16(1000 * tone(100)))
    expected = load_wav_folder(tmp_path).data
    content = path.read_bytes() + b"note" + (4).to_bytes(4, "little") + b"text"
    size = (len(content) - 8).to_bytes(4, "little")
    path.write_bytes(content[:4] + size + content[8:])
    np.testing.assert_array_equal(load_wav_folder(tmp_path).data, expected)


def test_other_formats_are_read_by_soundfile(tmp_path, monkeypatch):
    """With a stand-in for soundfile, which need not be installed."""
    stereo = np.stack([tone(50), tone(50, hertz=200)], axis=1).astype(np.float32)
    for name in ("0.flac", "1.FLAC"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_bytes(b"sound")
    calls = []

    def read(path, dtype, always_2d):
        calls.append((path, dtype, always_2d))
        return stereo, 8000

    monkeypatch.setitem(sys.modules, "soundfile", SimpleNamespace(read=read))
    sounds = load_wav_folder(tmp_path, extensions=[".flac", ".wav"])
    np.testing.assert_array_equal(sounds.data, [stereo, stereo])
    assert calls[0] == (str(tmp_path / "a" / "0.flac"), "float32", True)

    def broken(path, dtype, always_2d):
        raise RuntimeError("Format not recognised.")

    monkeypatch.setitem(sys.modules, "soundfile", SimpleNamespace(read=broken))
    with pytest.raises(SoundFileError, match=r"0.flac' cannot be read: Format not recognised"):
        load_wav_folder(tmp_path, extensions=[".flac"])
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingDependencyError, match=r"0.flac' needs soundfile.*skcnn\[sound\]"):
        load_wav_folder(tmp_path, extensions=[".flac"])
