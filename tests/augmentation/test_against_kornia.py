"""The same geometry as kornia's, an independent implementation, where signs agree."""

import kornia
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skcnn.augmentation import (
    RandomBlur,
    RandomFlip,
    RandomRotation,
    RandomStroke,
    RandomTranslation,
    RandomZoom,
)

X = np.random.default_rng(0).random((3, 2, 11, 14), dtype=np.float32)
IMAGES = torch.from_numpy(X)
transform = kornia.geometry.transform


def stroke(images):
    cross = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]])
    return kornia.morphology.dilation(images, cross)


CASES = {
    "rotate": (RandomRotation((25, 25)), lambda x: transform.rotate(x, torch.tensor(25.0))),
    "rotate back": (RandomRotation((-70, -70)), lambda x: transform.rotate(x, torch.tensor(-70.0))),
    "rotate, edge": (
        RandomRotation((25, 25), padding_mode="edge"),
        lambda x: transform.rotate(x, torch.tensor(25.0), padding_mode="border"),
    ),
    "rotate, mirror": (
        RandomRotation((25, 25), padding_mode="mirror"),
        lambda x: transform.rotate(x, torch.tensor(25.0), padding_mode="reflection"),
    ),
    "translate": (
        RandomTranslation((0.15, 0.15)),
        lambda x: transform.translate(x, torch.tensor([[0.15 * 14, 0.15 * 11]])),
    ),
    "zoom": (RandomZoom((1.3, 1.3)), lambda x: transform.scale(x, torch.tensor(1.3))),
    "shrink": (RandomZoom((0.6, 0.6)), lambda x: transform.scale(x, torch.tensor(0.6))),
    "flip": (RandomFlip(p=1.0), transform.hflip),
    "vertical flip": (RandomFlip("vertical", p=1.0), transform.vflip),
    "blur": (
        RandomBlur((1.2, 1.2)),
        lambda x: kornia.filters.gaussian_blur2d(x, (9, 9), (1.2, 1.2), border_type="replicate"),
    ),
    "dilate": (RandomStroke((1, 1)), stroke),
    "erode": (RandomStroke((-1, -1)), lambda x: -stroke(-x)),
}


@pytest.mark.parametrize("name", CASES)
def test_same_values(name):
    ours, theirs = CASES[name]
    result = ours.set_params(channels="first").fit_transform(X).to_numpy()
    assert_allclose(result, theirs(IMAGES).numpy(), atol=2e-5)
