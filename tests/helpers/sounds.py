"""Sound files that tests make."""

import numpy as np
from scipy.io import wavfile


def tone(n, rate=8000, hertz=440.0):
    return np.sin(2 * np.pi * hertz * np.arange(n) / rate)


def save_sound(path, values, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, values)
    return path


def save_sound_classes(folder, labels, lengths=(100, 100), rate=8000):
    """Save a tone of int16 for each class and length."""
    for number, label in enumerate(labels):
        for i, n in enumerate(lengths):
            values = np.int16(20_000 * tone(n, rate, 100 * (number + 1)))
            save_sound(folder / label / f"{i}.wav", values, rate)
    return folder
