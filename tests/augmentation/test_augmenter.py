"""Lists of augmentations over batches: joined motions, fresh draws, callables, mixed targets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skcnn.augmentation import (
    CutMix,
    MixUp,
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
    _augmenter,
)
from skcnn.augmentation._augmenter import Augmenter, Motion, Step, on_rows, take_params

ROWS = np.arange(6)


def smooth(*shape, seed=0):
    """Return samples without sharp edges, zero at the border: interpolation hardly matters."""
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
    return Augmenter(steps, spatial, settings.pop("span", 1.0), seed, **settings)


def together(augmentations, images, **settings):
    run = augmenter(augmentations, tuple(images.shape[2:]), **settings)
    return run.images(images, np.arange(len(images)))


def one_after_another(augmentations, images, seed=0):
    """Return the same draws, each applied by itself."""
    for number, augmentation in enumerate(augmentations):
        steps = [Step(_nothing, None)] * number + [Step(augmentation, None)]
        run = Augmenter(steps, tuple(images.shape[2:]), 1.0, seed)
        images = run.images(images, np.arange(len(images)))
    return images


def _nothing(batch):
    return batch


def count_interpolations(monkeypatch):
    counts = []
    warp = _augmenter.warp

    def counting(images, *args, **kwargs):
        counts.append(len(images))
        return warp(images, *args, **kwargs)

    monkeypatch.setattr(_augmenter, "warp", counting)
    return counts


# Joined motions


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
    centre = (..., slice(12, -12), slice(12, -12))  # what comes in from outside is not the same
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


@pytest.mark.parametrize("fill", ["constant", "edge", "mirror"])
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
def test_there_and_back_in_one_list_is_the_original(there, back, fill):
    images = rough(6, 3, 9, 12)
    pair = [a.set_params(fill=fill) for a in (there, back)]
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


@pytest.mark.parametrize(
    ("augmentations", "n_interpolations"),
    [
        ([RandomRotation(), RandomRotation(fill="edge")], 2),
        ([RandomRotation(), RandomRotation(fill_value=1.0)], 2),
        ([RandomElastic(), RandomRotation()], 2),
        ([RandomElastic(), RandomElastic()], 2),
        ([RandomRotation(), RandomElastic(), RandomZoom(), RandomShear()], 2),
        ([RandomRotation(), RandomBrightness(), RandomRotation()], 2),
        ([RandomRotation(), _nothing, RandomRotation()], 2),
        ([RandomRotation(fill="mirror"), RandomZoom(fill="mirror"), RandomNoise()], 1),
        ([RandomRotation(0), RandomZoom(0), RandomFlip(p=0)], 0),
        ([RandomRotation(p=0.0), RandomElastic(p=0.0)], 0),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_how_often_is_interpolated(augmentations, n_interpolations, monkeypatch):
    counts = count_interpolations(monkeypatch)
    together(augmentations, rough(6, 1, 8, 9))
    assert len(counts) == n_interpolations


@pytest.mark.parametrize("fill", ["constant", "edge", "mirror"])
def test_flips_join_motions_of_any_fill(fill, monkeypatch):
    images, known = rough(6, 1, 8, 9), {"fill": fill, "fill_value": 2.0}
    turn, zoom = RandomRotation((30, 30), **known), RandomZoom((0.5, 0.5), **known)
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
        [RandomRotation(40), RandomTranslation(0.3, fill="edge")],
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
    first = Motion(still, None, "constant", 0.0, False)
    assert first.then(Motion(still, None, "edge", 0.0, False)) is None
    assert first.then(Motion(still, None, "constant", 1.0, False)) is None
    assert Motion(still, points, "constant", 0.0, False).then(first) is None
    assert first.then(Motion(still, points, "constant", 0.0, False)).points is points
    flip = Motion(still, None, None, 0.0, True)
    edge = Motion(still, None, "edge", 3.0, False)
    for both in (flip.then(edge), edge.then(flip)):
        assert (both.fill, both.fill_value, both.whole) == ("edge", 3.0, False)
    assert flip.then(flip).fill is None


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
        keys.append(_augmenter.row_keys(0, np.arange(4), 0, number))
        motions.append(a._motion(a._draw_all(keys[-1], (7, 8), 1.0), (7, 8)))
    product = np.tile(np.eye(3), (4, 1, 1))
    for motion in motions:
        product = product @ motion.matrices
    images = rough(4, 1, 7, 8).double()
    whole = all(m.whole for m in motions)
    expected = Motion(product, None, "constant", 0.0, whole).move(images)
    np.testing.assert_allclose(together(augmentations, images), expected, atol=1e-9)


# Draws


LIST = [
    RandomAffine(40),
    RandomFlip(p=0.5),
    RandomElastic(0.05),
    RandomBrightness(),
    RandomNoise(0.3, p=0.6),
]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_a_sample_is_the_same_in_any_batch(dtype):
    images = (100 * rough(30, 2, 8, 9).abs()).to(dtype)
    run = augmenter(LIST, (8, 9), span=100.0)
    whole = run.images(images, np.arange(30), 4)
    for rows in ([3], [29, 0, 7], np.random.default_rng(0).permutation(30)):
        assert torch.equal(run.images(images[rows], np.array(rows), 4), whole[rows])


def test_bytes_become_floats_and_doubles_stay():
    for given_dtype, wanted in (
        (torch.uint8, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ):
        images = torch.ones(6, 1, 8, 9, dtype=given_dtype)
        assert together(LIST, images).dtype == wanted
        assert together([], images).dtype == wanted


def test_bytes_and_floats_of_the_same_values_are_augmented_alike():
    images = torch.randint(0, 256, (6, 1, 8, 9), dtype=torch.uint8)
    assert torch.equal(together(LIST, images), together(LIST, images.float()))


def test_channels_last_memory_is_augmented_alike():
    images = rough(6, 3, 8, 9)
    last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(together(LIST, last), together(LIST, images))


def test_every_epoch_and_seed_is_another_draw():
    images = rough(6, 1, 8, 9)
    outs = [
        augmenter(LIST, (8, 9), seed).images(images, ROWS, epoch)
        for seed in (0, 1)
        for epoch in (0, 1, 2)
    ]
    for i, one in enumerate(outs):
        for other in outs[:i]:
            assert not torch.equal(one, other)


def test_a_step_with_a_seed_of_its_own_does_not_follow_the_lists():
    images = rough(6, 1, 8, 9)
    steps = [Step(RandomRotation(40), 7)]
    first, second = (Augmenter(steps, (8, 9), 1.0, seed).images(images, ROWS) for seed in (0, 1))
    assert torch.equal(first, second)
    third = Augmenter(steps, (8, 9), 1.0, 0).images(images, ROWS, epoch=1)
    assert not torch.equal(first, third)


def test_equal_steps_draw_independently_also_with_equal_seeds():
    images = rough(6, 1, 8, 9)
    turn = RandomTranslation(0.3)
    twice = Augmenter([Step(turn, 5), Step(turn, 5)], (8, 9), 1.0, 0).images(images, ROWS)
    params = [turn._draw_all(_augmenter.row_keys(5, ROWS, 0, n), (8, 9), 1.0) for n in (0, 1)]
    assert (params[0]["fraction"] != params[1]["fraction"]).all()
    total = {"applied": np.ones(6, bool), "fraction": params[0]["fraction"] + params[1]["fraction"]}
    expected = turn._motion(total, (8, 9)).move(images)
    np.testing.assert_allclose(twice, expected, atol=1e-5)


def test_one_strength_scales_the_whole_list():
    images = smooth(6, 1, 30, 31)
    sizes = [
        float((together(LIST, images, strength=s, seed=3) - images).abs().mean())
        for s in (0.0, 0.1, 0.4, 1.0)
    ]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    assert torch.equal(together(LIST, images, strength=0.0), images)


# Callables


def test_callables_get_and_give_batches():
    seen = []

    def brighten(batch):
        seen.append((batch.shape, batch.dtype))
        return batch + 1

    images = rough(6, 2, 8, 9)
    assert torch.equal(together([brighten], images), images + 1)
    assert seen == [((6, 2, 8, 9), torch.float32)]
    out = together([RandomFlip(p=1.0), brighten, RandomFlip(p=1.0)], images)
    assert torch.equal(out, images + 1)


def test_callables_draw_from_a_state_of_their_own():
    def noisy(batch):
        return batch + torch.randn_like(batch)

    images = torch.zeros(6, 1, 8, 9)
    run = augmenter([noisy, noisy], (8, 9))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = run.images(images, ROWS, 0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(run.images(images, ROWS, 0), first)
    assert not torch.equal(run.images(images, ROWS, 1), first)
    assert not torch.equal(run.images(images, ROWS + 6, 0), first)
    assert not torch.equal(together([noisy], images) * 2, first)


def test_modules_as_callables_leak_no_gradient():
    module = torch.nn.Conv2d(1, 1, 3, padding=1)
    out = together([module], rough(6, 1, 8, 9))
    assert not out.requires_grad


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda batch: batch[:, :, :-1], r"\(6, 1, 7, 9\)"),
        (lambda batch: batch.numpy(), "ndarray"),
        (lambda batch: None, "NoneType"),
        (lambda batch: (batch, batch), "tuple"),
    ],
)
def test_callables_that_return_something_else_are_refused(function, got):
    message = (
        r"The callable <lambda> among the augmentations must return a tensor of the shape it was given, "
        rf"\(6, 1, 8, 9\)\. Got {got}\."
    )
    with pytest.raises(ValueError, match=message):
        together([function], rough(6, 1, 8, 9))


def test_a_callable_may_return_another_type_of_floats():
    out = together([lambda batch: batch.double() * 2], rough(6, 1, 8, 9))
    assert out.dtype == torch.float32


# Targets


def test_targets_are_left_alone_without_mixing():
    images, targets, weights = rough(6, 1, 8, 9), torch.arange(6), torch.rand(6)
    run = augmenter(LIST, (8, 9), n_classes=6)
    out, target = run.batch(images, targets, weights, ROWS, 2)
    assert torch.equal(out, run.images(images, ROWS, 2))
    assert target[0] is targets
    assert target[1] is weights


def test_without_targets_nothing_is_mixed():
    images = rough(6, 1, 8, 9)
    assert torch.equal(together([MixUp(), CutMix()], images), images)


def test_mixing_ends_a_row_of_motions(monkeypatch):
    counts = count_interpolations(monkeypatch)
    run = augmenter([RandomRotation(), MixUp(1.0), RandomZoom()], (8, 9), n_classes=2)
    run.batch(rough(6, 1, 8, 9), ROWS_TARGETS, None, ROWS, 0)
    assert len(counts) == 2


ROWS_TARGETS = torch.tensor([0, 1, 0, 1, 1, 0])


# Helpers


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
