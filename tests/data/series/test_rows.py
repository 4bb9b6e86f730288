"""Rows and batches of signals of unequal length, their hashes and their statistics."""

import numpy as np
import torch

from skcnn._data.channel_statistics import channel_statistics
from skcnn._data.images import Images
from skcnn._data.samples import SampleSet, canonical_order
from skcnn._data.series.layout import SeriesLayout, padded_batch
from skcnn._data.series.rows import SeriesRows
from skcnn._data.value_range import ValueRange

STEPS = np.arange(18, dtype=np.float32).reshape(9, 2)
LENGTHS = np.array([2, 4, 3])


def images(steps=STEPS, lengths=LENGTHS):
    rows = SeriesRows(np.ascontiguousarray(steps, np.float32), np.asarray(lengths))
    return Images(None, SeriesLayout((rows.longest, steps.shape[1]), "last"), rows)


def test_a_row_is_the_length_and_the_padded_values():
    rows = images().rows
    assert rows[0].tolist() == [2, 0, 1, 2, 3, 0, 0, 0, 0]
    assert rows[1].tolist() == [4, *range(4, 12)]
    assert rows[2].tolist() == [3, *range(12, 18), 0, 0]
    assert images().n_bytes == 3 * 9 * 4


def test_a_batch_is_as_long_as_its_longest_signal():
    batch = images().take(torch.tensor([2, 0]))
    assert batch.shape == (2, 3, 3)
    assert batch[0].tolist() == [[12, 14, 16], [13, 15, 17], [1, 1, 1]]
    assert batch[1].tolist() == [[0, 2, 0], [1, 3, 0], [1, 1, 0]]
    held = Images(images().rows, images().layout)
    assert torch.equal(held.take(torch.tensor([2, 0])), batch)


def test_a_batch_may_be_wider_than_the_rows():
    batch = padded_batch(images().rows, 6, 2)
    assert batch.shape == (3, 3, 6)
    assert not batch[:, :, 4:].any()


def test_layouts_know_their_shapes():
    last, first = SeriesLayout((40, 3), "last"), SeriesLayout((3, 40), "first")
    assert (last.open_shape, first.open_shape) == ((None, 3), (3, None))
    assert last.longest == first.longest == 40
    assert last.network_shape == first.network_shape == (3, 40)
    assert last.batch_of(torch.zeros(0, 121)).shape == (0, 4, 40)


def test_hashes_do_not_depend_on_the_padding():
    longer = images(np.vstack([STEPS, np.zeros((10, 2))]), [*LENGTHS, 10])
    facts, others = images().facts(), longer.facts()
    assert np.array_equal(facts.hashes, others.hashes[:3])
    assert np.array_equal(facts.value_hashes, others.value_hashes[:3])


def test_zeros_at_the_end_make_another_signal():
    steps = np.ones((8, 1), np.float32)
    steps[3:5] = 0  # 1 1 | 1 0 0 | 1 1 1
    facts = images(steps, [1, 2, 2, 3]).facts()
    assert len(set(facts.hashes.tolist())) == 4
    assert facts.low.tolist() == [1, 1, 0, 1]
    assert ValueRange.of(images(steps, [1, 2, 2, 3]), np.array([1, 1, 0, 1])).low == 1


def test_equal_signals_are_merged_in_any_order():
    steps = np.array([[1], [2], [3], [1], [2], [1], [2], [0]], np.float32)
    series = images(steps, [3, 2, 3])  # 1 2 3 | 1 2 | 1 2 0
    index, weights = canonical_order(series, np.zeros(3, int), None)
    assert len(index) == 3
    assert weights is None
    again = images(np.vstack([steps, steps[:3]]), [3, 2, 3, 3])
    index, weights = canonical_order(again, np.zeros(4, int), None)
    assert dict(zip(index.tolist(), weights.tolist(), strict=True)) in (
        {0: 2, 1: 1, 2: 1},
        {3: 2, 1: 1, 2: 1},
    )


def test_statistics_are_those_of_the_steps():
    train = SampleSet(images(), np.array([2, 0]), np.zeros(2), np.array([1.0, 3.0]))
    mean, std = channel_statistics(train, standardize=True)
    repeated = np.vstack([STEPS[6:9], *[STEPS[:2]] * 3])
    np.testing.assert_allclose(mean, repeated.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, repeated.std(0), rtol=1e-6)
