"""Motions and how they are joined; parameters and changes of some samples."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skcnn.augmentation import (
    RandomAffine,
    RandomBrightness,
    RandomCrop,
    RandomElastic,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from skcnn.augmentation._draws import row_keys
from skcnn.augmentation._operations import Motion, on_rows, take_params
from tests.helpers.batches import (
    count_interpolations,
    one_after_another,
    rough,
    smooth,
    together,
    unchanged,
)
from tests.helpers.geometry import EACH_PADDING

JOINED = {
    "turn and shift": [RandomRotation(40), RandomTranslation(0.15)],
    "shift and turn": [RandomTranslation(0.15), RandomRotation(40)],
    "four": [RandomZoom((0.8, 1.2)), RandomShear(15), RandomRotation(30), RandomTranslation(0.1)],
    "affine twice": [RandomAffine(20, shear=5), RandomAffine(20, shear=5)],
    "with flips": [RandomRotation(30), RandomFlip(p=0.7), RandomTranslation(0.1)],
    "with crops": [RandomCrop(2), RandomRotation(30), RandomCrop(2)],
    "flip and crop": [RandomFlip(("horizontal", "vertical")), RandomCrop(3)],
    "before a warp": [RandomRotation(30), RandomFlip(), RandomElastic(0.04)],
}


@pytest.mark.parametrize("augmentations", JOINED.values(), ids=JOINED)
def test_joined_motions_are_the_sequential_ones_interpolated_once(augmentations, monkeypatch):
    images = smooth(6, 2, 40, 44)
    expected = one_after_another(augmentations, images)
    counts = count_interpolations(monkeypatch)
    joined = together(augmentations, images)
    assert len(counts) == 1
    centre = (..., slice(12, -12), slice(12, -12))  # paddings differ
    difference = (joined - expected)[centre].abs()
    assert difference.max() < 0.08
    assert (images - expected)[centre].abs().max() > 0.2


@pytest.mark.parametrize("spatial", [(60,), (24, 26, 28)], ids=str)
def test_joined_motions_of_signals_and_volumes(spatial, monkeypatch):
    augmentations = [RandomZoom((0.9, 1.1)), RandomTranslation(0.05), RandomFlip()]
    if len(spatial) == 3:
        augmentations.append(RandomRotation(10))
    images = smooth(6, 1, *spatial)
    expected = one_after_another(augmentations, images)
    counts = count_interpolations(monkeypatch)
    joined = together(augmentations, images)
    assert len(counts) == 1
    assert (joined - expected).abs().max() < 0.12


@EACH_PADDING
@pytest.mark.parametrize(
    ("there", "back"),
    [
        (RandomRotation((37, 37)), RandomRotation((-37, -37))),
        (RandomTranslation((0.4, 0.4)), RandomTranslation((-0.4, -0.4))),
        (RandomZoom((2.5, 2.5)), RandomZoom((0.4, 0.4))),
        (RandomShear((30, 30)), RandomShear((-30, -30))),
        (RandomCrop(0), RandomCrop(0)),
    ],
    ids=str,
)
def test_there_and_back_in_one_list_is_the_original(there, back, padding):
    images = rough(6, 3, 9, 12)
    pair = [clone(a).set_params(**padding) for a in (there, back)]
    assert (together(pair, images) - images).abs().max() < 1e-4
    if not isinstance(there, RandomCrop):
        assert (one_after_another(pair, images) - images).abs().max() > 0.1


def test_in_a_list_the_first_is_done_first():
    images = smooth(1, 1, 40, 40)
    quarter, right = RandomRotation((90, 90)), RandomTranslation((0.2, 0.2), axis="horizontal")
    turned = torch.rot90(images, 1, (2, 3))
    expected = torch.nn.functional.pad(turned, (8, 0))[..., :40]
    np.testing.assert_allclose(together([quarter, right], images), expected, atol=1e-4)
    moved = torch.nn.functional.pad(images, (8, 0))[..., :40]
    np.testing.assert_allclose(
        together([right, quarter], images), torch.rot90(moved, 1, (2, 3)), atol=1e-4
    )


def test_an_affine_map_is_zoom_shear_rotation_and_translation_in_this_order():
    images = rough(6, 2, 11, 14)
    whole = RandomAffine((25, 25), translation=(0.1, 0.1), zoom=(1.2, 1.2), shear=(9, 9))
    parts = [
        RandomZoom((1.2, 1.2)),
        RandomShear((9, 9)),
        RandomRotation((25, 25)),
        RandomTranslation((0.1, 0.1)),
    ]
    np.testing.assert_allclose(together([whole], images), together(parts, images), atol=1e-5)


MIRRORED = [RandomRotation(padding_mode="mirror"), RandomZoom(padding_mode="mirror")]


@pytest.mark.parametrize(
    ("augmentations", "n_interpolations"),
    [
        ([RandomRotation(), RandomRotation(padding_mode="edge")], 2),
        ([RandomRotation(), RandomRotation(padding_mode="constant", fill_value=1.0)], 2),
        ([RandomElastic(), RandomRotation()], 2),
        ([RandomElastic(), RandomElastic()], 2),
        ([RandomRotation(), RandomElastic(), RandomZoom(), RandomShear()], 2),
        ([RandomRotation(), RandomBrightness(), RandomRotation()], 2),
        ([RandomRotation(), unchanged, RandomRotation()], 2),
        ([*MIRRORED, RandomNoise()], 1),
        ([RandomRotation(0), RandomZoom(0), RandomFlip(p=0)], 0),
        ([RandomRotation(p=0.0), RandomElastic(p=0.0)], 0),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_how_often_is_interpolated(augmentations, n_interpolations, monkeypatch):
    counts = count_interpolations(monkeypatch)
    together(augmentations, rough(6, 1, 8, 9))
    assert len(counts) == n_interpolations


@EACH_PADDING
def test_flips_join_motions_of_any_padding(padding, monkeypatch):
    images = rough(6, 1, 8, 9)
    turn, zoom = RandomRotation((30, 30), **padding), RandomZoom((0.5, 0.5), **padding)
    across, down = RandomFlip(p=1), RandomFlip("vertical", p=1)
    plain = together([turn, zoom], images)
    counts = count_interpolations(monkeypatch)
    np.testing.assert_allclose(together([turn, across, zoom], images), plain.flip(3), atol=1e-5)
    np.testing.assert_allclose(together([turn, zoom, down], images), plain.flip(2), atol=1e-5)
    np.testing.assert_allclose(
        together([across, down, turn, zoom], images),
        together([turn, zoom], images.flip(2, 3)),
        atol=1e-5,
    )
    assert len(counts) == 4


@pytest.mark.parametrize(
    "augmentations",
    [
        [RandomElastic((0.1, 0.1)), RandomRotation(40)],
        [RandomRotation(40), RandomTranslation(0.3, padding_mode="edge")],
        [RandomElastic(0.1, p=0.5), RandomRotation(40, p=0.5), RandomBrightness(), RandomFlip()],
        [RandomNoise(0.3), RandomRotation(40), RandomNoise(0.3)],
    ],
    ids=str,
)
def test_what_cannot_be_joined_is_done_in_order(augmentations):
    images = rough(6, 2, 9, 10)
    np.testing.assert_allclose(
        together(augmentations, images), one_after_another(augmentations, images), atol=1e-5
    )


def test_which_motions_are_joined():
    still, points = np.tile(np.eye(3), (2, 1, 1)), np.ones((2, 2, 6, 6))
    first = Motion(still, None, "zeros", 0.0, False)
    assert first.then(Motion(still, None, "edge", 0.0, False)) is None
    assert first.then(Motion(still, None, "constant", 1.0, False)) is None
    one, two = (Motion(still, None, "constant", value, False) for value in (1.0, 2.0))
    assert one.then(two) is None
    assert one.then(one).fill_value == 1.0
    assert Motion(still, points, "zeros", 0.0, False).then(first) is None
    assert first.then(Motion(still, points, "zeros", 0.0, False)).points is points
    flip = Motion(still, None, None, 0.0, True)
    edge = Motion(still, None, "edge", 0.0, False)
    for both in (flip.then(edge), edge.then(flip)):
        assert (both.padding_mode, both.whole) == ("edge", False)
    assert flip.then(flip).padding_mode is None


@pytest.mark.parametrize("whole", [(True, True), (True, False), (False, True)])
def test_whole_motions_stay_whole_among_themselves(whole):
    still = np.tile(np.eye(3), (2, 1, 1))
    one, other = (Motion(still, None, "edge", 0.0, w) for w in whole)
    assert one.then(other).whole == all(whole)


def test_whole_motions_in_a_list_are_exact():
    images = rough(40, 3, 9, 12)
    flip_and_crop = [
        RandomFlip(("horizontal", "vertical")),
        RandomCrop(3),
        RandomFlip(),
        RandomCrop(2),
    ]
    out = together(flip_and_crop, images)
    for image, result in zip(images.numpy(), out.numpy(), strict=True):
        for channel, moved in zip(image, result, strict=True):
            assert set(moved.ravel()) <= set(channel.ravel()) | {0.0}


def test_samples_that_do_not_move_are_not_touched(monkeypatch):
    counts = count_interpolations(monkeypatch)
    images = rough(200, 1, 8, 9)
    out = together([RandomRotation(40, p=0.3)], images)
    same = (out == images).flatten(1).all(1)
    assert counts == [int((~same).sum())]
    assert 30 < counts[0] < 90


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_joined_list_equals_the_product_of_its_maps(data):
    makers = [
        lambda: RandomRotation(data.draw(st.floats(0, 180))),
        lambda: RandomTranslation(data.draw(st.floats(0, 0.5))),
        lambda: RandomZoom((data.draw(st.floats(0.5, 1)), 1.5)),
        lambda: RandomShear(data.draw(st.floats(0, 40))),
        lambda: RandomFlip(),
        lambda: RandomCrop(2),
    ]
    augmentations = [
        data.draw(st.sampled_from(makers))() for _ in range(data.draw(st.integers(1, 4)))
    ]
    motions, keys = [], []
    for number, a in enumerate(augmentations):
        keys.append(row_keys(0, np.arange(4), 0, number))
        motions.append(a._motion(a._draw_all(keys[-1], (7, 8), 1.0), (7, 8)))
    product = np.tile(np.eye(3), (4, 1, 1))
    for motion in motions:
        product = product @ motion.matrices
    images = rough(4, 1, 7, 8).double()
    whole = all(m.whole for m in motions)
    expected = Motion(product, None, "zeros", 0.0, whole).move(images)
    np.testing.assert_allclose(together(augmentations, images), expected, atol=1e-9)


def test_parameters_of_some_samples():
    params = {"a": np.arange(4), "b": [{"c": np.arange(8).reshape(4, 2)}], "d": {"e": np.ones(4)}}
    taken = take_params(params, np.array([2, 0]))
    np.testing.assert_array_equal(taken["a"], [2, 0])
    np.testing.assert_array_equal(taken["b"][0]["c"], [[4, 5], [0, 1]])
    np.testing.assert_array_equal(taken["d"]["e"], [1, 1])


@pytest.mark.parametrize("which", [[0, 0, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0]])
def test_changes_of_some_rows(which):
    images = rough(3, 1, 4, 5)
    before = images.clone()
    rows_seen = []

    def change(part, rows):
        rows_seen.extend(rows)
        return part + 1

    out = on_rows(np.array(which, bool), images, change)
    expected = before + torch.tensor(which).view(-1, 1, 1, 1)
    assert torch.equal(out, expected)
    assert torch.equal(images, before)
    assert rows_seen == np.flatnonzero(which).tolist()
