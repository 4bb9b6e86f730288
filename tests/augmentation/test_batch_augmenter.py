"""Lists of augmentations over batches: fresh draws, callables, targets."""

import numpy as np
import pytest
import torch

from skcnn.augmentation import (
    CutMix,
    MixUp,
    RandomAffine,
    RandomBrightness,
    RandomElastic,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._draws import row_keys
from tests.helpers.batches import augmenter, count_interpolations, rough, smooth, together

ROWS = np.arange(6)
TARGETS = torch.tensor([0, 1, 0, 1, 1, 0])
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
    first, second = (
        BatchAugmenter(steps, (8, 9), 1.0, seed).images(images, ROWS) for seed in (0, 1)
    )
    assert torch.equal(first, second)
    third = BatchAugmenter(steps, (8, 9), 1.0, 0).images(images, ROWS, epoch=1)
    assert not torch.equal(first, third)


def test_equal_steps_draw_independently_also_with_equal_seeds():
    images = rough(6, 1, 8, 9)
    turn = RandomTranslation(0.3)
    twice = BatchAugmenter([Step(turn, 5), Step(turn, 5)], (8, 9), 1.0, 0).images(images, ROWS)
    params = [turn._draw_all(row_keys(5, ROWS, 0, n), (8, 9), 1.0) for n in (0, 1)]
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
def test_callables_that_return_something_else_raise(function, got):
    message = (
        r"The callable <lambda> among the augmentations must return a tensor of the shape it was given, "
        rf"\(6, 1, 8, 9\)\. Got {got}\."
    )
    with pytest.raises(ValueError, match=message):
        together([function], rough(6, 1, 8, 9))


def test_a_callable_may_return_another_type_of_floats():
    out = together([lambda batch: batch.double() * 2], rough(6, 1, 8, 9))
    assert out.dtype == torch.float32


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
    run.batch(rough(6, 1, 8, 9), TARGETS, None, ROWS, 0)
    assert len(counts) == 2
