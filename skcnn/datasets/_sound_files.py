"""Reading one sound file: by scipy for .wav, by soundfile for other formats.

The only module that imports soundfile, inside the function that needs it.
"""

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skcnn.exceptions import MissingDependencyError, SoundFileError

# Names of chunks of text and the like, which are no values.
HARMLESS = "Chunk (non-data) not understood"
# What scipy raises for files it does not take, and for headers that are cut or make no sense.
REFUSED = (ValueError, OSError, EOFError)
DAMAGED = (struct.error, ArithmeticError, NameError, TypeError, LookupError)


def read_sound(path: str) -> tuple[np.ndarray, int]:
    """Return the values of a sound file, and its sampling rate in hertz.

    Parameters
    ----------
    path : str
        A file, whose extension says which format it has.

    Returns
    -------
    values : ndarray of shape (length, n_channels), dtype float32
        In [-1, 1] for files of integers.
    rate : int
        Values a second.

    Raises
    ------
    MissingDependencyError
        If soundfile is needed and not installed.
    SoundFileError
        If the file is broken or empty, or holds NaN, infinity or numbers beyond float32.
    """
    is_wave = Path(path).suffix.lower() == ".wav"
    values, rate = _read_wave(path) if is_wave else _read_other(path)
    if not len(values):
        raise SoundFileError(f"The sound file {path!r} is empty.")
    if rate < 1:
        raise SoundFileError(f"The sound file {path!r} is damaged: its sampling rate is {rate}.")
    if not np.isfinite(values).all():
        raise SoundFileError(f"The sound file {path!r} has values that are NaN or infinite.")
    return values.reshape(len(values), -1), rate


def _read_wave(path: str) -> tuple[np.ndarray, int]:
    from scipy.io import wavfile  # importing it takes long

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rate, values = wavfile.read(path)
    except REFUSED as error:
        raise SoundFileError(f"The sound file {path!r} cannot be read: {error}") from error
    except DAMAGED as error:
        raise SoundFileError(
            f"The sound file {path!r} is damaged: its header is cut or makes no sense."
        ) from error
    problems = [str(each.message) for each in caught if HARMLESS not in str(each.message)]
    if problems:
        raise SoundFileError(f"The sound file {path!r} is damaged: {problems[0]}")
    return _as_floats(values), int(rate)


def _as_floats(values: np.ndarray) -> np.ndarray:
    """Return integers of any width in [-1, 1), and floats as they are."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):  # the caller refuses infinity
            return values.astype(np.float32)
    limit = 2.0 ** (8 * values.dtype.itemsize - 1)
    middle = limit if values.dtype.kind == "u" else 0  # bytes are stored from 0 to 255
    return ((values.astype(np.float64) - middle) / limit).astype(np.float32)


def _read_other(path: str) -> tuple[np.ndarray, int]:
    soundfile = _soundfile(path)
    try:
        values, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (RuntimeError, OSError) as error:  # LibsndfileError is a RuntimeError
        raise SoundFileError(f"The sound file {path!r} cannot be read: {error}") from error
    return values, int(rate)


def _soundfile(path: str) -> Any:
    try:
        import soundfile
    except ImportError:
        raise MissingDependencyError(
            f"Reading {path!r} needs soundfile, which is not installed. Install it with "
            'pip install "skcnn[sound]", or convert the files to .wav.'
        ) from None
    return soundfile
