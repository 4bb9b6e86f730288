"""Fill values are in the units of the data, also where a network subtracts an offset from them."""

import numpy as np
import pytest

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    RandAugment,
    RandomChoice,
    RandomCrop,
    RandomElastic,
    RandomErasing,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter
from tests.helpers.augmentations import EVERY
from tests.helpers.geometry import moved_by_scipy, rolled

Y = np.arange(12) % 2
OFFSET = 1e8


def eighths(*shape):
    """Return doubles of eighths, whose middle is zero in every channel."""
    X = np.random.default_rng(0).integers(-40, 41, (12, *shape)) / 8
    X[0, 0], X[1, 0] = -5.0, 5.0
    return X


IMAGES = eighths(6, 7, 1)


def net(**more):
    settings = {"filters": (2,), "hidden_units": (), "max_epochs": 1, "random_state": 0, **more}
    return ConvNetClassifier(**settings)


def batches_of(monkeypatch, augmentation, X, **more):
    """Return what the network is trained on, in the units of `X` less its offset, in its order."""
    seen = {}
    run = BatchAugmenter.batch

    def spied(self, images, targets, weights, rows, epoch):
        out = run(self, images, targets, weights, rows, epoch)
        for row, before, after in zip(rows, images, out[0], strict=True):
            seen[before.numpy().tobytes()] = row, np.moveaxis(after.numpy(), 0, -1)
        return out

    monkeypatch.setattr(BatchAugmenter, "batch", spied)
    model = net(augmentation=augmentation, **more).fit(X, Y)
    order, images = [], []
    offset = 0 if model.offset_ is None else model.offset_
    for x in X:
        given = np.moveaxis((x - offset).astype(np.float32), -1, 0)
        row, image = seen[np.ascontiguousarray(given).tobytes()]
        order.append(row)
        images.append(image)
    return np.array(order), np.array(images), model


@pytest.mark.parametrize("offset", [0, 1e8, -1e10])
@pytest.mark.parametrize("fill", [0.0, 2.5, "middle", "above"])
def test_a_border_has_the_value_that_was_asked_for(monkeypatch, offset, fill):
    value = {"middle": offset, "above": offset + 7.25}.get(fill, fill)
    crop = RandomCrop(3, padding_mode="constant", fill_value=value, random_state=0)
    X = IMAGES + offset
    _, images, model = batches_of(monkeypatch, crop, X)
    subtracted = 0 if model.offset_ is None else model.offset_[0]
    assert subtracted == offset
    outside = np.float32(value - offset)
    changed = 0
    for x, image in zip(X, images, strict=True):
        shifts = [(i, j) for i in range(-3, 4) for j in range(-3, 4)]
        options = [
            (rolled(x[..., 0], shift, "constant", value) - offset).astype(np.float32)
            for shift in shifts
        ]
        assert any(np.array_equal(image[..., 0], option) for option in options)
        changed += (image == outside).any()
    assert changed > 6


@pytest.mark.parametrize("value", [0.0, OFFSET - 6])
@pytest.mark.parametrize(
    ("augmentation", "linear", "shift"),
    [
        (RandomTranslation((0.25, 0.25)), np.eye(2), np.array([0.25 * 6, 0.25 * 7])),
        (RandomZoom((0.6, 0.6)), 0.6 * np.eye(2), np.zeros(2)),
    ],
    ids=repr,
)
def test_interpolated_borders_against_scipy(monkeypatch, augmentation, linear, shift, value):
    augmentation.set_params(padding_mode="constant", fill_value=value)
    X = IMAGES + OFFSET
    _, images, _ = batches_of(monkeypatch, [augmentation], X)
    expected = moved_by_scipy(X, linear, shift, "constant", value) - OFFSET
    np.testing.assert_allclose(images, expected, rtol=1e-7, atol=1e-6)
    inside = np.abs(expected) <= 5
    assert inside.any()


@pytest.mark.parametrize("channels", ["last", "first"])
def test_every_channel_has_the_value(monkeypatch, channels):
    X = np.concatenate([eighths(6, 7, 1), eighths(6, 7, 1)[::-1] + 1e9], axis=-1)
    given = X if channels == "last" else np.moveaxis(X, -1, 1)
    turn = RandomRotation((45, 45), padding_mode="constant", fill_value=3.0)
    model = net(channels=channels, augmentation=turn)
    seen = []
    run = BatchAugmenter.batch
    monkeypatch.setattr(BatchAugmenter, "batch", lambda *a: seen.append(run(*a)) or seen[-1])
    model.fit(given, Y)
    assert model.offset_.tolist() == [0, 1e9]
    corner = seen[0][0][:, :, 0, 0].numpy()
    np.testing.assert_allclose(corner, np.tile([3.0, 3.0 - 1e9], (len(corner), 1)), rtol=1e-6)


@pytest.mark.parametrize(("fill", "expected"), [(0.0, -OFFSET), (OFFSET + 2, 2.0), (None, 0.0)])
def test_boxes_have_the_value(monkeypatch, fill, expected):
    erasing = RandomErasing((0.5, 0.5), aspect=1, fill_value=fill, p=1.0)
    X = IMAGES + OFFSET
    _, images, _ = batches_of(monkeypatch, erasing, X)
    for x, image in zip(X, images, strict=True):
        changed = image != (x - OFFSET).astype(np.float32)
        assert (image[changed] == np.float32(expected)).all()
    plain = RandomErasing((0.5, 0.5), p=1.0, random_state=0)
    zero = RandomErasing((0.5, 0.5), fill_value=0.0, p=1.0, random_state=0)
    for data in (X, X.astype(np.int64)):
        drawn = plain.fit_transform(data).to_numpy()
        np.testing.assert_array_equal(drawn, zero.fit_transform(data).to_numpy())


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: RandomChoice([RandomCrop((3), **k), RandomChoice([RandomCrop(2, **k)])]),
        lambda **k: RandomElastic((0.4, 0.4), **k),
        lambda **k: [RandomCrop(3, **k), RandomTranslation(0.3, **k)],
    ],
)
def test_nested_and_joined_motions_have_the_value(monkeypatch, make):
    steps = make(padding_mode="constant", fill_value=OFFSET + 9)
    plain = make(padding_mode="constant", fill_value=9.0)
    _, expected, _ = batches_of(monkeypatch, plain, IMAGES)
    _, got, _ = batches_of(monkeypatch, steps, IMAGES + OFFSET)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert expected.max() > 6


def test_policies_have_the_value():
    for magnitude in (0.3, 1.0):
        policy = RandAugment(3, magnitude=magnitude, padding_mode="constant")
        one = net(augmentation=policy.set_params(fill_value=9.0)).fit(IMAGES, Y)
        far = policy.set_params(fill_value=OFFSET + 9.0)
        other = net(augmentation=far).fit(IMAGES + OFFSET, Y)
        np.testing.assert_allclose(
            other.predict_proba(IMAGES + OFFSET), one.predict_proba(IMAGES), atol=1e-4
        )


@pytest.mark.parametrize("name", [name for name in EVERY if "filled" not in name])
def test_an_offset_changes_no_augmentation_without_a_constant(name):
    """Also zeros are those of the network's values: zero itself is far outside of the data."""
    plain = net(augmentation=EVERY[name](), max_epochs=2).fit(IMAGES, Y)
    model = net(augmentation=EVERY[name](), max_epochs=2).fit(IMAGES + OFFSET, Y)
    assert model.offset_.tolist() == [OFFSET]
    np.testing.assert_array_equal(model.predict_proba(IMAGES + OFFSET), plain.predict_proba(IMAGES))


def test_views_have_the_value():
    padding = {"padding_mode": "constant"}
    plain, model = net().fit(IMAGES, Y), net().fit(IMAGES + OFFSET, Y)
    for value in (0.0, 9.0):
        here = RandomTranslation((0.4, 0.4), fill_value=value, **padding)
        there = RandomTranslation((0.4, 0.4), fill_value=OFFSET + value, **padding)
        expected = plain.set_params(test_time_augmentation=[here]).predict_proba(IMAGES)
        got = model.set_params(test_time_augmentation=[there]).predict_proba(IMAGES + OFFSET)
        np.testing.assert_allclose(got, expected, atol=1e-5)
