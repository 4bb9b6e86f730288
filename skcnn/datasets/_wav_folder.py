"""load_wav_folder: sounds and labels from a folder with one folder for each class."""

from collections import Counter
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skcnn._utils.validation import is_integer
from skcnn.datasets._class_folders import (
    SOUNDS,
    check_extensions,
    check_folder,
    check_subset,
    class_files,
    split_folders,
)
from skcnn.datasets._sound_files import read_sound
from skcnn.exceptions import SoundFileError
from skcnn.preprocessing._signals.lengths import cropped
from skcnn.preprocessing._signals.resample import ratio_of, resampled


def load_wav_folder(
    path: Any,
    *,
    rate: int | None = None,
    length: int | None = None,
    subset: str | None = None,
    return_X_y: bool = False,
    extensions: Any = (".wav",),
    follow_links: bool = False,
) -> Any:
    """Return the sounds in a folder that has one folder for each class.

    Parameters
    ----------
    path : str or path-like
        The folder. ``dog/1.wav`` inside it is a sound of the class "dog", and
        ``animals/dog/1.wav`` one of the class "animals/dog". Files with other extensions, and
        files and folders whose name begins with a dot, do not count.
    rate : int or None, default=None
        Sampling rate of the results in hertz. Files with another one are resampled, as by
        :class:`skcnn.preprocessing.ResampleSignals`. None takes the rate of the files if they
        have one.
    length : int or None, default=None
        Number of values of each result at `rate`: longer sounds keep their beginning, shorter
        ones get zeros at the end. None keeps all lengths.
    subset : str or None, default=None
        If the folder contains "train" and one or more of "test", "val", "valid" and
        "validation", with the class folders inside: the name of one of them, or "all".
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    extensions : sequence of str, default=(".wav",)
        Extensions of sound files, in any case. Other formats than .wav, such as ".flac",
        ".ogg" and ".mp3", need the package soundfile, ``skcnn[sound]``.
    follow_links : bool, default=False
        Whether links may lead out of the folder. False raises an error for such a link.

    Returns
    -------
    data : Bunch
        A dictionary with these attributes.

        data : ndarray of shape (n_samples, length) or (n_samples, length, n_channels)
            The sounds, sorted by class and then by name, dtype float32; integers in files
            become numbers in [-1, 1). Files of several channels have a channel axis. Sounds of
            several lengths are an array of objects of shape (n_samples,), each of shape
            (length_i,) or (length_i, n_channels).
        target : ndarray of shape (n_samples,), dtype str
            The class of each sound.
        target_names : list of str
            The classes, sorted. With `subset` they are those of all subsets.
        filenames : list of str
            The path of each sound.
        rate : int
            The sampling rate of `data` in hertz.

    (data, target) : tuple if ``return_X_y=True``
        The sounds and their classes.

    Raises
    ------
    SoundFileError
        If there are no sounds in class folders or files cannot be read, if files differ in
        their rates and ``rate=None``, or in their numbers of channels.
    MissingDependencyError
        If a file needs soundfile and it is not installed.
    ValueError
        If a parameter has no legal value.

    See Also
    --------
    skcnn.preprocessing.Spectrogram : Sounds as images of frequency and time.
    load_image_folder : The same for images.

    Notes
    -----
    All sounds are read into memory: an hour at 16,000 Hz takes 230 megabytes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from scipy.io import wavfile
    >>> from skcnn.datasets import load_wav_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for label, hertz in [("high", 880), ("low", 220)]:
    ...     (folder / label).mkdir()
    ...     for n in (3000, 4000):
    ...         tone = np.sin(2 * np.pi * hertz * np.arange(n) / 8000)
    ...         wavfile.write(folder / label / f"{n}.wav", 8000, np.int16(20_000 * tone))
    >>> sounds = load_wav_folder(folder)
    >>> sounds.rate, [len(sound) for sound in sounds.data]
    (8000, [3000, 4000, 3000, 4000])
    >>> X, y = load_wav_folder(folder, rate=4000, length=1800, return_X_y=True)
    >>> X.shape, y.tolist()
    ((4, 1800), ['high', 'high', 'low', 'low'])
    """
    folder, endings = check_folder(path, SOUNDS), check_extensions(extensions)
    _check_positive("rate", rate)
    _check_positive("length", length)
    splits = split_folders(folder, SOUNDS)
    chosen = check_subset(subset, splits, folder)
    files = {part: class_files(part, endings, follow_links, SOUNDS) for part in splits.values()}
    found = [each for part in chosen for each in files[part]]
    paths = [file for file, _ in found]
    sounds, rates = zip(*(read_sound(file) for file in paths), strict=True)
    _check_equal(paths, [sound.shape[1] for sound in sounds], "channels", "Convert them to one")
    if rate is None:
        _check_equal(paths, rates, "hertz", "Set the 'rate' parameter to resample them")
        rate = rates[0]
    read = zip(paths, sounds, rates, strict=True)
    data = _as_data([_prepared(*each, rate, length) for each in read])
    target = np.array([label for _, label in found])
    if return_X_y:
        return data, target
    names = sorted({label for part in files.values() for _, label in part})
    return Bunch(data=data, target=target, target_names=names, filenames=paths, rate=rate)


def _check_positive(name: str, value: Any) -> None:
    if value is not None and (not is_integer(value) or value < 1):
        raise ValueError(
            f"The {name!r} parameter must be a whole number of at least 1, or None. Got {value!r} "
            "instead."
        )


def _check_equal(paths: list[str], values: Any, what: str, remedy: str) -> None:
    """Check that files have one number of channels, or one rate."""
    counts = Counter(values)
    if len(counts) > 1:
        told = ", ".join(
            f"{value} {what} ({count} files, such as {paths[[*values].index(value)]!r})"
            for value, count in counts.most_common(3)
        )
        raise SoundFileError(f"The sound files have {told}. {remedy}.")


def _prepared(
    path: str, sound: np.ndarray, rate: int, new_rate: int, length: int | None
) -> np.ndarray:
    """Return the sound of a file at another rate and length, of shape (length, n_channels)."""
    if rate != new_rate:
        with np.errstate(over="ignore"):
            sound = resampled(sound[None], ratio_of(new_rate, rate))[0].astype(np.float32)
        if not np.isfinite(sound).all():
            raise SoundFileError(f"The sound file {path!r} has values too large to be resampled.")
    if length is None:
        return sound
    sound = cropped(sound[None], length, "start")[0]
    return np.pad(sound, ((0, length - len(sound)), (0, 0)))


def _as_data(sounds: list[np.ndarray]) -> np.ndarray:
    """Return one array, or an array of objects; without a channel axis for one channel."""
    if sounds[0].shape[1] == 1:
        sounds = [sound[:, 0] for sound in sounds]
    if len({len(sound) for sound in sounds}) == 1:
        return np.stack(sounds)
    column = np.empty(len(sounds), dtype=object)
    column[:] = sounds
    return column
