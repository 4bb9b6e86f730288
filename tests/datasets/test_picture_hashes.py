"""Perceptual hashes against scipy's cosine transform, thumbnails, plain images."""

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from skcnn.datasets import ImageFiles
from skcnn.datasets._near_pairs import bit_counts
from skcnn.datasets._picture_hashes import correlations, pictures_of
from tests.helpers.pictures import save, smooth


def bits_of(hashes):
    return np.unpackbits(hashes.view(np.uint8).reshape(len(hashes), 8), axis=1)


def test_the_hash_says_which_low_frequencies_are_above_their_median():
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32), dtype=np.uint8)
    frequencies = dctn(image[0].astype(float), norm="ortho")[:8, :8].ravel()
    above = frequencies > np.median(frequencies[1:])
    above[0] = False  # the mean brightness
    order = np.arange(64).reshape(16, 4).T.ravel()
    np.testing.assert_array_equal(bits_of(pictures_of(image, False).hashes)[0], above[order])


def test_grey_is_pillows():
    image = smooth(32, 32)
    grey = np.asarray(Image.fromarray(image).convert("L"))
    both = [pictures_of(each[None], False) for each in (image, grey)]
    assert bit_counts(both[0].hashes ^ both[1].hashes)[0] <= 2
    differences = both[0].thumbnails.astype(int) - both[1].thumbnails
    assert np.abs(differences).max() <= 2


def test_thumbnails_are_spread_over_all_bytes():
    image = np.tile(np.arange(100, 164), (64, 1))[None].astype(np.float32)
    thumbnail = pictures_of(image, False).thumbnails.reshape(16, 16)
    np.testing.assert_array_equal(thumbnail, np.tile(np.arange(16) * 17, (16, 1)))
    brighter = pictures_of(3 * image + 50, False).thumbnails.reshape(16, 16)
    np.testing.assert_array_equal(brighter, thumbnail)


@pytest.mark.parametrize(
    ("n_channels", "coloured", "n"), [(3, True, 3), (3, False, 1), (2, False, 1)]
)
def test_thumbnails_have_colours_where_asked_for(n_channels, coloured, n):
    images = np.random.default_rng(0).random((2, 20, 30, n_channels))
    assert pictures_of(images, coloured).thumbnails.shape == (2, 16 * 16 * n)


def test_plain_images():
    images = np.full((4, 20, 20), 200, np.uint8)
    images[1, :, 10:] = 205  # spans 2 % of 255 not quite
    images[2, :, 10:] = 212
    images[3, :, 10:] = 0
    assert pictures_of(images, False).is_plain.tolist() == [True, True, False, False]
    floats = images.astype(float) / 255
    assert pictures_of(floats, False).is_plain.tolist() == [True, False, False, False]


def test_files_are_read_in_parts(tmp_path, monkeypatch):
    paths = [save(tmp_path / f"{seed}.png", smooth(20, 30, seed)) for seed in range(5)]
    files = ImageFiles(paths)
    whole = pictures_of(files.to_numpy(), True)
    monkeypatch.setattr("skcnn.datasets._picture_hashes.MOST_VALUES", 2 * 20 * 30 * 3)
    for one, other in zip(whole, pictures_of(files, True), strict=True):
        np.testing.assert_array_equal(one, other)
    grey = ImageFiles(paths, mode="I;16")
    np.testing.assert_array_equal(
        pictures_of(grey, False).hashes, pictures_of(grey.to_numpy(), False).hashes
    )


def test_correlations_are_numpys():
    thumbnails = np.random.default_rng(0).integers(0, 256, (30, 256), dtype=np.uint8)
    first, second = np.triu_indices(30, 1)
    expected = np.corrcoef(thumbnails)[first, second]
    np.testing.assert_allclose(correlations(thumbnails, first, second), expected, atol=1e-5)
    assert len(correlations(thumbnails, first[:0], second[:0])) == 0
