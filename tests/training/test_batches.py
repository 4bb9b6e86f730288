"""Batches: sizes, order, layout, and what an augmenter is given."""

import numpy as np
import pytest
import torch

from skcnn._data.samples import SampleSet
from skcnn._training import batches
from skcnn._training.batches import BatchIterator
from tests.helpers.samples import as_images, as_samples

CPU = torch.device("cpu")


def rng():
    return np.random.default_rng(0)


def epoch(iterator):
    """Return one epoch's images, targets and weights, a list each."""
    images, others = zip(*iterator, strict=True)
    targets, weights = zip(*others, strict=True)
    return list(images), list(targets), list(weights)


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [
        (10, 4, [3, 3, 4]),
        (12, 4, [4, 4, 4]),
        (3, 8, [3]),
        (9, 8, [4, 5]),
        (5, 1, [1, 1, 1, 1, 1]),
        (100, 32, [25, 25, 25, 25]),
        (1, 1, [1]),
    ],
)
def test_epoch_has_every_sample_once_in_even_batches(n, batch_size, sizes, shuffled):
    generator = torch.Generator().manual_seed(0) if shuffled else None
    iterator = BatchIterator(as_samples(np.arange(n)), batch_size, CPU, generator)
    images, targets, _ = epoch(iterator)
    assert sorted(map(len, images)) == sizes
    assert iterator.largest_batch == max(sizes) <= batch_size
    assert len(iterator) == len(sizes)
    assert iterator.n_samples == n
    assert sorted(torch.cat(targets).tolist()) == list(range(n))


def test_targets_and_weights_follow_their_images():
    rows = rng().permutation(30).astype(np.float32)[:, None]
    samples = as_samples(rows[:, 0].astype(np.int64), rows[:, 0] / 10.0, rows)
    samples = samples.select(rng().permutation(30)[:20])
    iterator = BatchIterator(samples, 6, CPU, torch.Generator().manual_seed(1))
    for images, (targets, weights) in iterator:
        assert images.shape[1:] == (1, 1)
        assert torch.equal(images.flatten(), targets.float())
        assert weights.dtype == torch.float32
        torch.testing.assert_close(weights, targets / 10)


def test_batches_of_unweighted_samples_have_no_weights():
    _, _, weights = epoch(BatchIterator(as_samples(np.arange(6)), 4, CPU))
    assert weights == [None, None]


def test_without_generator_the_order_is_kept():
    iterator = BatchIterator(as_samples(np.arange(10)), 4, CPU)
    for _ in range(2):
        assert torch.cat(epoch(iterator)[1]).tolist() == list(range(10))


def test_order_is_the_generators_and_new_each_epoch():
    def two_epochs(seed):
        generator = torch.Generator().manual_seed(seed)
        iterator = BatchIterator(as_samples(np.arange(40)), 8, CPU, generator)
        return [torch.cat(epoch(iterator)[1]).tolist() for _ in range(2)]

    first, second = two_epochs(0)
    assert first != second
    assert two_epochs(0) == [first, second]
    assert two_epochs(1)[0] != first


def test_batches_take_no_random_numbers_from_the_global_state():
    before = torch.get_rng_state()
    epoch(BatchIterator(as_samples(np.arange(9)), 2, CPU, torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("shape", "channels", "network"),
    [((4, 3, 2), "last", (2, 4, 3)), ((2, 4, 3), "first", (2, 4, 3)), ((12, 2), "last", (2, 12))],
)
def test_batches_have_the_networks_layout(shape, channels, network):
    rows = rng().integers(0, 256, (7, 24), np.uint8)
    samples = SampleSet(as_images(rows, shape, channels), np.array([5, 2]), np.zeros(2), None)
    ((images, _),) = BatchIterator(samples, 8, CPU)
    expected = rows[[5, 2]].reshape(2, *shape)
    expected = np.moveaxis(expected, -1, 1) if channels == "last" else expected
    assert images.dtype == torch.uint8
    assert images.shape == (2, *network)
    np.testing.assert_array_equal(images.numpy(), expected)


class Recorder:
    """An augmenter that records its arguments."""

    def __init__(self):
        self.calls = []

    def batch(self, images, targets, weights, rows, epoch):
        self.calls.append((rows.tolist(), epoch))
        return images.float() + 100, (targets, weights)


def test_an_augmenter_is_given_places_and_epochs():
    samples = as_samples(np.arange(10))
    recorder = Recorder()
    generator = torch.Generator().manual_seed(0)
    batches = BatchIterator(samples, 4, CPU, generator, augmenter=recorder)
    for epoch in range(2):
        rows = []
        for images, (targets, _) in batches:
            np.testing.assert_array_equal(images.flatten() - 100, targets)
            rows += targets.tolist()
        calls = [c for c in recorder.calls if c[1] == epoch]
        assert [place for places, _ in calls for place in places] == rows
        assert sorted(rows) == list(range(10))


def test_bytes_are_indicators_that_become_floats_in_a_batch():
    indicators = rng().integers(0, 2, (10, 3)).astype(np.uint8)
    iterator = BatchIterator(as_samples(indicators), 4, CPU)
    assert iterator.targets.dtype == torch.uint8
    _, targets, _ = epoch(iterator)
    assert {each.dtype for each in targets} == {torch.float32}
    np.testing.assert_array_equal(torch.cat(targets).numpy(), indicators)


@pytest.mark.parametrize("shuffled", [True, False])
def test_samples_that_stay_in_memory_are_selected_without_reading_from_the_device(shuffled):
    # torch raises where a value of the device "meta" is read
    rows = np.arange(30, dtype=np.float32)[:, None]
    samples = as_samples(np.arange(30), np.ones(30), rows).select(np.arange(5, 25))
    generator = torch.Generator().manual_seed(0) if shuffled else None
    iterator = BatchIterator(samples, 8, torch.device("meta"), generator)
    assert iterator.images.device == CPU
    for images, (targets, weights) in iterator:
        assert images.shape == (len(targets), 1, 1)
        assert {images.device.type, targets.device.type, weights.device.type} == {"meta"}


@pytest.mark.parametrize(("n_bytes", "stays"), [(242, False), (240, True)])
def test_samples_are_kept_on_cuda_in_half_of_the_memory_that_tensors_can_have(
    n_bytes, stays, monkeypatch
):
    monkeypatch.setattr(batches, "free_bytes", lambda device: n_bytes)
    samples = as_samples(np.arange(30))  # 120 bytes
    assert batches._fits(samples, torch.device("cuda:0")) == (not stays)
