"""Content order, merged repetitions and sample sets."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skcnn._data import hashing
from skcnn._data.images import MOST_CHUNK_ROWS
from skcnn._data.samples import canonical_order
from tests.helpers.samples import as_images, as_samples


def rng():
    return np.random.default_rng(0)


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
    monkeypatch.setattr(hashing, "row_hashes", constant)
    got = totals(rows, targets, *canonical_order(as_images(rows), targets, weights))
    assert got == expected


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


def test_zeros_of_both_signs_are_equal():
    rows = np.array([[0.0, 1.5], [-0.0, 1.5], [0.0, -0.0], [-0.0, 0.0]], np.float32)
    index, weights = canonical_order(as_images(rows), np.array([0.0, -0.0, 1.0, 1.0]), None)
    assert weights.tolist() == [2, 2]
    again, _ = canonical_order(as_images(rows + 0), np.array([0.0, 0.0, 1.0, 1.0]), None)
    np.testing.assert_array_equal(rows[index], rows[again])


def test_bytes_of_targets_are_not_copied_to_doubles():
    rows = np.arange(20_000, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    targets = rng().integers(0, 2, (len(rows), 400)).astype(np.uint8)
    images = as_images(rows)
    tracemalloc.start()
    try:
        canonical_order(images, targets, None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < targets.nbytes / 2
