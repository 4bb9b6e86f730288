"""Picture files that tests make."""

import numpy as np
from PIL import Image


def noise(height, width, channels=3, seed=0):
    """Return random bytes, (height, width, channels), or without channels for none."""
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height, width, seed=0):
    """Return a coloured picture that JPEG holds well."""
    small = Image.fromarray(noise(4, 4, seed=seed))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def save_all(folder, n, height=8, width=8, suffix=".png"):
    """Save `n` random pictures, and return their paths and the pictures."""
    arrays = [noise(height, width, seed=seed) for seed in range(n)]
    paths = [save(folder / f"{i:04d}{suffix}", array) for i, array in enumerate(arrays)]
    return paths, np.stack(arrays)


def save_classes(folder, labels, n=3, **options):
    """Save `n` pictures in a folder for each class."""
    for number, label in enumerate(labels):
        for i in range(n):
            save(folder / label / f"{i}.png", noise(8, 8, seed=100 * number + i), **options)
    return folder
