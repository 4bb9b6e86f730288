"""Lists of augmentations applied to batches, for the tests of motions and of batches."""

import numpy as np
import torch
from scipy import ndimage

from skcnn.augmentation import _operations
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step


def smooth(*shape, seed=0):
    """Return samples without sharp edges, zero at the border; interpolation hardly changes them."""
    values = np.random.default_rng(seed).normal(size=shape)
    values = ndimage.gaussian_filter(values, (0, 0, *[2.5] * (len(shape) - 2)), mode="constant")
    for axis in range(2, len(shape)):
        window = np.sin(np.pi * (np.arange(shape[axis]) + 0.5) / shape[axis]) ** 2
        values = values * window.reshape(-1, *[1] * (len(shape) - axis - 1))
    return torch.from_numpy(values / np.abs(values).max()).float()


def rough(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def augmenter(augmentations, spatial, seed=0, **settings):
    steps = [Step(a, None) for a in augmentations]
    return BatchAugmenter(steps, spatial, settings.pop("span", 1.0), seed, **settings)


def together(augmentations, images, **settings):
    run = augmenter(augmentations, tuple(images.shape[2:]), **settings)
    return run.images(images, np.arange(len(images)))


def unchanged(batch):
    return batch


def one_after_another(augmentations, images, seed=0):
    """Return the same draws, each applied by itself."""
    for number, augmentation in enumerate(augmentations):
        steps = [Step(unchanged, None)] * number + [Step(augmentation, None)]
        run = BatchAugmenter(steps, tuple(images.shape[2:]), 1.0, seed)
        images = run.images(images, np.arange(len(images)))
    return images


def count_interpolations(monkeypatch):
    counts = []
    warp = _operations.warp

    def counting(images, *args, **kwargs):
        counts.append(len(images))
        return warp(images, *args, **kwargs)

    monkeypatch.setattr(_operations, "warp", counting)
    return counts
