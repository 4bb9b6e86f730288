"""Content order, merged repetitions, the validation split, batches, channel statistics."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skcnn import ConvNetClassifier
from skcnn._data import samples as batches_module
from skcnn._data.images import MOST_CHUNK_ROWS, Images, InputLayout
from skcnn._data.samples import (
    SampleSet,
    canonical_order,
    channel_statistics,
    row_hashes,
    split_validation,
)
from skcnn._training.batches import BatchIterator
from skcnn.exceptions import RareClassWarning

CPU = torch.device("cpu")


def as_images(rows, shape=None, channels="last"):
    rows = np.ascontiguousarray(rows)
    return Images(torch.from_numpy(rows), InputLayout(shape or (rows.shape[1], 1), channels))


def as_samples(targets, weights=None, rows=None):
    n = len(targets)
    rows = np.arange(n, dtype=np.float32)[:, None] if rows is None else rows
    return SampleSet(as_images(rows), np.arange(n), np.asarray(targets), weights)


# Hashes


def rng():
    return np.random.default_rng(0)


DISTINCT = {
    "random bytes": lambda n: rng().integers(0, 256, (n, 64), np.uint8),
    "odd width": lambda n: rng().integers(0, 256, (n, 13), np.uint8),
    "counted": lambda n: np.arange(n, dtype=np.int64)[:, None],
    "counted, float32": lambda n: np.arange(n, dtype=np.float32)[:, None],
    "counted in the last of many": lambda n: np.pad(np.arange(n)[:, None], ((0, 0), (9, 0))),
    "random floats": lambda n: rng().random((n, 7)).astype(np.float32),
    "digits": lambda n: rng().integers(0, 17, (n, 64)).astype(np.float32),
    "one bright pixel": lambda n: np.eye(256, dtype=np.uint8) * 255,
    "two bright pixels": lambda n: np.eye(142, dtype=np.uint8)[
        np.array(np.triu_indices(142, 1)).T[: min(n, 10_011)]
    ].sum(1, dtype=np.uint8),
    "opposite signs": lambda n: np.stack([np.arange(n), -np.arange(n)], 1).astype(np.float64),
}


@pytest.mark.parametrize("make", list(DISTINCT.values()), ids=list(DISTINCT))
def test_distinct_rows_have_distinct_hashes(make):
    rows = make(20_000)
    hashes = row_hashes(rows)
    assert hashes.shape == (len(rows),)
    assert hashes.dtype == np.uint64
    assert len(np.unique(hashes)) == len(np.unique(rows, axis=0))


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 784])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_equal_rows_have_equal_hashes_wherever_they_are(width, dtype):
    rows = rng().integers(0, 256, (50, width)).astype(dtype)
    order = rng().permutation(np.repeat(np.arange(50), 3))
    np.testing.assert_array_equal(row_hashes(rows[order]), row_hashes(rows)[order])


def test_hashes_do_not_depend_on_the_chunk():
    rows = rng().integers(0, 256, (2 * MOST_CHUNK_ROWS + 5, 3), np.uint8)
    hashes = row_hashes(rows)
    for start in (0, 1, MOST_CHUNK_ROWS - 1, MOST_CHUNK_ROWS, 2 * MOST_CHUNK_ROWS + 4):
        np.testing.assert_array_equal(row_hashes(rows[start:]), hashes[start:])


@pytest.mark.parametrize("width", [2, 8, 17])
def test_hashes_tell_the_order_of_values(width):
    rows = np.zeros((1, width), np.uint64)
    rows[0, :2] = 1, 2
    assert row_hashes(rows) != row_hashes(np.ascontiguousarray(rows[:, ::-1]))
    swapped = rows.copy()
    swapped[0, :2] = 2, 1
    assert row_hashes(rows) != row_hashes(swapped)


# Content order


def totals(rows, targets, index, weights):
    """Return {(row, target): weight} for what canonical_order selected."""
    weights = np.ones(len(index)) if weights is None else weights
    total = Counter()
    for i, weight in zip(index, weights, strict=True):
        total[(*rows[i].tolist(), *np.atleast_1d(targets[i]).tolist())] += weight
    return total


def selected(rows, targets, weights=None):
    """Return rows, targets and weights in content order."""
    index, weights = canonical_order(as_images(rows), targets, weights)
    weights = np.ones(len(index)) if weights is None else weights
    return rows[index].tolist(), targets[index].tolist(), weights.tolist()


few_values = st.integers(0, 2)
data_sets = st.lists(st.tuples(few_values, few_values, few_values), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60)
@given(data=data_sets, draw=st.data())
def test_order_does_not_depend_on_the_order_given(data, draw):
    table = np.array(data)
    order = np.array(draw.draw(st.permutations(range(len(table)))))
    rows, targets = table[:, :2].astype(np.uint8), table[:, 2]
    assert selected(rows[order], targets[order]) == selected(rows, targets)


@settings(deadline=None, max_examples=60)
@given(data=data_sets, draw=st.data())
def test_weights_move_with_their_rows(data, draw):
    table = np.array(data)
    weights = draw.draw(st.lists(st.integers(0, 4), min_size=len(data), max_size=len(data)))
    weights = np.array(weights, float)
    order = np.array(draw.draw(st.permutations(range(len(table)))))
    rows, targets = table[:, :2].astype(np.float32), table[:, 2]
    if weights.any():
        expected = selected(rows, targets, weights)
        assert selected(rows[order], targets[order], weights[order]) == expected


@settings(deadline=None, max_examples=60)
@given(data=data_sets, draw=st.data())
def test_weighting_equals_repetition(data, draw):
    table = np.array(data)
    counts = draw.draw(st.lists(st.integers(0, 4), min_size=len(data), max_size=len(data)))
    counts = np.array(counts)
    rows, targets = table[:, :2].astype(np.uint8), table[:, 2]
    if counts.any():
        repeated = selected(np.repeat(rows, counts, axis=0), np.repeat(targets, counts))
        assert selected(rows, targets, counts.astype(float)) == repeated


def test_rows_without_weight_are_left_out():
    rows = np.arange(10, dtype=np.uint8).reshape(5, 2)
    index, weights = canonical_order(as_images(rows), np.zeros(5), np.array([0, 1, 0, 2, 0.5]))
    assert dict(zip(index.tolist(), weights.tolist(), strict=True)) == {1: 1, 3: 2, 4: 0.5}


def test_rows_with_different_targets_stay_apart():
    rows = np.zeros((4, 3), np.uint8)
    index, weights = canonical_order(as_images(rows), np.array([0, 1, 0, 2]), None)
    assert dict(zip(index.tolist(), weights.tolist(), strict=True)) == {0: 2, 1: 1, 3: 1}


@pytest.mark.parametrize(
    "targets",
    [
        np.array([[0, 1], [0, 1], [1, 1]], np.float32),
        np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.3]]),
        np.array([1e-9, 1e-9, 2e-9]),
    ],
)
def test_targets_of_several_outputs_are_compared_whole(targets):
    _, weights = canonical_order(as_images(np.zeros((3, 2), np.uint8)), targets, None)
    assert sorted(weights) == [1, 2]


def test_distinct_rows_without_weights_have_none():
    rows = rng().random((9, 4)).astype(np.float32)
    index, weights = canonical_order(as_images(rows), np.zeros(9), None)
    assert weights is None
    assert sorted(index) == list(range(9))


@pytest.mark.parametrize("scale", [0.1, -3.0, 1e6])
def test_units_of_the_targets_do_not_change_the_order(scale):
    rows, targets = rng().random((50, 4)).astype(np.float32), rng().random(50)
    index, _ = canonical_order(as_images(rows), targets, None)
    np.testing.assert_array_equal(canonical_order(as_images(rows), scale * targets, None)[0], index)


def test_more_repetitions_than_a_chunk_are_merged():
    rows = np.repeat(
        np.array([[1], [2]], np.uint8), [MOST_CHUNK_ROWS + 7, 2 * MOST_CHUNK_ROWS], axis=0
    )
    index, weights = canonical_order(as_images(rows), np.zeros(len(rows)), None)
    merged = dict(zip(rows[index, 0].tolist(), weights.tolist(), strict=True))
    assert merged == {1: MOST_CHUNK_ROWS + 7, 2: 2 * MOST_CHUNK_ROWS}


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2, 3, 0, 5, 6, 7, 8])])
def test_colliding_hashes_merge_nothing_that_differs(monkeypatch, weights):
    def constant(rows):
        return np.zeros(len(rows), np.uint64)

    rows = np.array([[1, 2], [1, 2], [2, 1], [2, 1], [1, 2], [1, 2], [3, 3], [1, 2]], np.uint8)
    targets = np.array([0, 0, 0, 0, 1, 0, 0, 0])
    expected = totals(rows, targets, *canonical_order(as_images(rows), targets, weights))
    monkeypatch.setattr(batches_module, "row_hashes", constant)
    got = totals(rows, targets, *canonical_order(as_images(rows), targets, weights))
    assert got == expected


# Sample sets


def test_selection_keeps_targets_and_weights_beside_their_rows():
    samples = as_samples(np.arange(5), np.arange(5.0))
    chosen = samples.select(np.array([3, 1])).select(np.array([1]))
    assert len(chosen) == 1
    assert (chosen.index[0], chosen.targets[0], chosen.weights[0]) == (1, 1, 1.0)
    assert as_samples(np.arange(5)).select(np.array([2])).weights is None


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, None),
        (np.ones(3), None),
        (np.full(3, 7.0), None),
        (np.array([1.0, 2, 3]), [0.5, 1.0, 1.5]),
        (np.array([0.0, 0, 3]), [0.0, 0.0, 3.0]),
    ],
)
def test_weights_are_scaled_to_a_mean_of_one(weights, expected):
    got = as_samples(np.zeros(3)).with_weights(weights).weights
    assert (None if got is None else got.tolist()) == expected


# The validation split


@pytest.mark.parametrize(
    ("counts", "fraction", "taken"),
    [
        ([50, 30, 20], 0.1, [5, 3, 2]),
        ([50, 30, 20], 0.5, [25, 15, 10]),
        ([10, 10], 0.25, [3, 2]),  # 5 of 20: the first of equal remainders
        ([97, 3], 0.1, [10, 0]),
        ([94, 6], 0.1, [9, 1]),
        ([4, 4, 4], 0.01, [1, 0, 0]),  # one at least
        ([2, 2, 2], 0.9, [1, 1, 1]),  # one of each class stays
        ([50, 0, 50], 0.1, [5, 0, 5]),  # a code that no sample has
    ],
)
def test_stratified_split_takes_exact_shares(counts, fraction, taken):
    targets = rng().permutation(np.repeat(np.arange(len(counts)), counts))
    train, valid = split_validation(as_samples(targets), fraction, seed=0, stratify=True)
    np.testing.assert_array_equal(np.bincount(valid.targets, minlength=len(counts)), taken)
    left = np.array(counts) - taken
    np.testing.assert_array_equal(np.bincount(train.targets, minlength=len(counts)), left)


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize(("n", "fraction", "n_valid"), [(40, 0.1, 4), (41, 0.3, 12), (5, 0.1, 1)])
def test_split_parts_have_the_asked_sizes_and_nothing_in_common(n, fraction, n_valid, stratify):
    samples = as_samples(np.arange(n) % 2, np.arange(n) + 1.0)
    train, valid = split_validation(samples, fraction, seed=3, stratify=stratify)
    assert len(valid) == n_valid
    assert sorted([*train.index, *valid.index]) == list(range(n))
    for part in (train, valid):
        np.testing.assert_array_equal(part.targets, part.index % 2)
        np.testing.assert_array_equal(part.weights, part.index + 1)


@pytest.mark.parametrize("stratify", [True, False])
def test_split_depends_on_the_seed_alone(stratify):
    samples = as_samples(np.arange(60) % 3)
    first, again, other = (
        split_validation(samples, 0.2, seed=seed, stratify=stratify)[1].index.tolist()
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_class_of_one_sample_stays_in_training_with_a_warning():
    samples = as_samples(np.array([0] * 10 + [1] * 10 + [2, 3]))
    with pytest.warns(RareClassWarning, match="2 of 4 classes have a single distinct sample"):
        train, valid = split_validation(samples, 0.5, seed=0, stratify=True)
    assert set(valid.targets) == {0, 1}
    assert set(train.targets) == {0, 1, 2, 3}
    assert len(valid) == 11


def test_estimator_warns_of_rare_classes_at_the_callers_line():
    X, y = rng().random((9, 4, 4)), np.array([0, 1] * 4 + [2])
    with pytest.warns(RareClassWarning, match="1 of 3 classes") as caught:
        model = ConvNetClassifier(filters=(2,), max_epochs=1, early_stopping=True).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2]
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (2, 0.9), (3, 0.95)])
def test_split_that_leaves_nothing_is_an_error(n, fraction):
    match = rf"validation_fraction={fraction} of {n} distinct samples leaves 0 for training"
    with pytest.raises(ValueError, match=match):
        split_validation(as_samples(np.zeros(n)), fraction, seed=0, stratify=False)


def test_split_of_single_samples_is_an_error():
    samples = as_samples(np.arange(4))
    with (
        pytest.warns(RareClassWarning),
        pytest.raises(ValueError, match=r"leaves 4 for training and 0 .* X_val and y_val"),
    ):
        split_validation(samples, 0.5, seed=0, stratify=True)


# Batches


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


def test_samples_without_weights_have_none_in_batches():
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


# Channel statistics


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    ("shape", "channels"),
    [((5, 4, 3), "last"), ((3, 5, 4), "first"), ((20, 1), "last"), ((2, 3, 2, 2), "last")],
)
def test_channel_statistics_equal_numpys(shape, channels, dtype, weighted):
    X = (rng().random((40, *shape)) ** 2 * 255).astype(dtype)
    X[..., 0] //= 2
    index = rng().permutation(40)[:30]
    weights = rng().random(30) * 2 if weighted else None
    samples = SampleSet(as_images(X.reshape(40, -1), shape, channels), index, np.zeros(30), weights)
    mean, std = channel_statistics(samples, standardize=True)
    by_channel = np.moveaxis(X[index], -1 if channels == "last" else 1, 0).astype(np.float64)
    by_channel = by_channel.reshape(len(by_channel), 30, -1)
    each = np.ones(30) if weights is None else weights
    each = np.broadcast_to(each[:, None], by_channel.shape[1:])
    for c, values in enumerate(by_channel):
        expected = np.average(values, weights=each)
        spread = np.sqrt(np.average((values - expected) ** 2, weights=each))
        np.testing.assert_allclose([mean[c], std[c]], [expected, spread], rtol=1e-6)
    assert mean.dtype == std.dtype == torch.float32


@pytest.mark.parametrize("value", [0, 1, 255, 0.1, 1e-6, 1e6, -3.3, 1e30])
@pytest.mark.parametrize("n", [1, 7, 5000])
def test_constant_channel_keeps_its_scale(value, n):
    rows = np.full((n, 12), value, np.float32)
    rows[:, 1::2] = np.arange(n * 6).reshape(n, 6)
    samples = SampleSet(as_images(rows, (6, 2)), np.arange(n), np.zeros(n), None)
    mean, std = channel_statistics(samples, standardize=True)
    assert std[0] == 1
    assert std[1] > 1
    np.testing.assert_allclose(mean[0], np.float32(value), rtol=1e-6)


def test_small_but_real_variation_is_a_scale():
    rows = np.array([[1000.0, 1000.5], [1001.0, 1000.5]], np.float32)
    samples = SampleSet(as_images(rows), np.arange(2), np.zeros(2), None)
    _, std = channel_statistics(samples, standardize=True)
    np.testing.assert_allclose(std, [rows.std()], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e25, 1e37])
def test_statistics_of_any_magnitude_are_finite(scale):
    rows = (rng().random((20, 4)) * scale).astype(np.float32)
    samples = SampleSet(as_images(rows), np.arange(20), np.zeros(20), None)
    mean, std = channel_statistics(samples, standardize=True)
    rows = rows.astype(np.float64)
    np.testing.assert_allclose([mean[0], std[0]], [rows.mean(), rows.std()], rtol=1e-5)


def test_large_mean_does_not_swamp_a_small_variance():
    rows = (1e5 + rng().random((500, 8))).astype(np.float32)
    samples = SampleSet(as_images(rows), np.arange(500), np.zeros(500), None)
    _, std = channel_statistics(samples, standardize=True)
    np.testing.assert_allclose(std, [rows.astype(np.float64).std()], rtol=1e-3)


def test_statistics_count_weights_like_repetitions():
    rows = rng().random((6, 4)).astype(np.float32)
    counts = np.array([1, 0, 3, 2, 1, 1])
    weighted = SampleSet(as_images(rows), np.arange(6), np.zeros(6), counts.astype(float))
    repeated = SampleSet(as_images(rows), np.repeat(np.arange(6), counts), np.zeros(8), None)
    for a, b in zip(
        channel_statistics(weighted, True), channel_statistics(repeated, True), strict=True
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_more_than_a_chunk(dtype, weighted):
    rows = (rng().random((MOST_CHUNK_ROWS + 100, 60)) * 255).astype(dtype)
    weights = np.arange(len(rows)) % 5.0 if weighted else None
    images = as_images(rows, (20, 3))
    order = rng().permutation(len(rows))[:4000]
    samples = SampleSet(images, order, order % 2, None if weights is None else weights[order])
    mean, std = channel_statistics(samples, True)
    values = rows[order].reshape(-1, 3).astype(np.float64)
    each = None if weights is None else np.repeat(weights[order], 20)
    expected = np.average(values, axis=0, weights=each)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    spread = np.average((values - expected) ** 2, axis=0, weights=each) ** 0.5
    np.testing.assert_allclose(std, spread, rtol=1e-6)


def test_statistics_of_bytes_are_exact_in_any_order():
    rows = rng().integers(0, 256, (3000, 48), np.uint8)
    rows[:, :16] = 255  # the largest sums of squares
    samples = as_samples(np.zeros(3000), rows=rows)
    expected = rows.astype(object).sum() / rows.size  # whole numbers of any size
    mean, _ = channel_statistics(samples, True)
    assert mean.item() == np.float32(expected)
    shuffled = samples.select(rng().permutation(3000))
    for got, same in zip(
        channel_statistics(shuffled, True), channel_statistics(samples, True), strict=True
    ):
        assert got.equal(same)


def test_without_standardize_statistics_are_neutral():
    samples = as_samples(np.zeros(3))
    mean, std = channel_statistics(samples, standardize=False)
    assert (mean.tolist(), std.tolist()) == ([0.0], [1.0])


# Augmentation


def test_without_merging_repeated_rows_stay_and_the_order_is_the_contents():
    rows = np.array([[2.0], [1.0], [2.0], [3.0]], np.float32)
    targets = np.zeros(4, np.int64)
    index, weights = canonical_order(as_images(rows), targets, None, merge=False)
    assert weights is None
    assert sorted(index) == [0, 1, 2, 3]
    merged, _ = canonical_order(as_images(rows), targets, None)
    assert list(dict.fromkeys(rows[index, 0])) == rows[merged, 0].tolist()
    given = np.array([1.0, 0.0, 3.0, 4.0])
    index, weights = canonical_order(as_images(rows), targets, given, merge=False)
    assert sorted(index) == [0, 2, 3]
    np.testing.assert_array_equal(weights, given[index])


class Recorder:
    """An augmenter that keeps what it is asked."""

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
