"""Splits of later calls: nothing that was trained on is validated on."""

import warnings

import numpy as np
import pytest

from skcnn._data.seen_samples import SeenSamples
from skcnn._data.validation_split import split_validation
from skcnn.exceptions import LeakageWarning
from tests.helpers.samples import as_samples


def numbered(first, stop, dtype=np.float32):
    """Return samples that are numbers, of two classes."""
    rows = np.arange(first, stop, dtype=dtype)[:, None]
    return as_samples(np.arange(first, stop) % 2, rows=rows)


def values(samples):
    return set(samples.images.rows.numpy()[samples.index, 0].tolist())


def split(seen, samples, fraction=0.2, seed=1, stratify=True):
    train, valid = seen.split(samples, fraction, seed, stratify)
    assert not values(train) & values(valid)
    assert len(train) + len(valid) == len(samples)
    return values(train), values(valid)


@pytest.fixture
def first():
    """The two parts of a first call with the numbers from 0 to 99."""
    return split_validation(numbered(0, 100), 0.2, seed=0, stratify=True)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_same_samples_are_split_as_before(first, dtype):
    train, valid = split(SeenSamples.of(*first), numbered(0, 100, dtype))
    assert (train, valid) == (values(first[0]), values(first[1]))


@pytest.mark.parametrize("stratify", [True, False])
def test_new_samples_are_split_by_the_fraction(first, stratify):
    train, valid = split(SeenSamples.of(*first), numbered(50, 150), stratify=stratify)
    old = set(range(50, 100))
    assert train & old == values(first[0]) & old
    assert valid & old == values(first[1]) & old
    assert len(valid - old) == 10


@pytest.mark.parametrize("n_new", [1, 4])
def test_few_new_samples_are_trained_on(first, n_new):
    _, valid = split(SeenSamples.of(*first), numbered(0, 100 + n_new))
    assert valid == values(first[1])


def test_new_samples_alone_are_split_without_a_warning(first):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, valid = split(SeenSamples.of(*first), numbered(200, 210))
    assert len(valid) == 2


def test_trained_samples_alone_are_split_with_a_warning(first):
    with pytest.warns(LeakageWarning, match=r"trained on all of its samples.*Pass X_val"):
        _, valid = split(SeenSamples.of(*first), first[0])
    assert len(valid) == 16


def test_validated_samples_alone_are_split(first):
    _, valid = split(SeenSamples.of(*first), first[1])
    assert len(valid) == 4


def test_what_was_trained_on_later_is_not_validated_on(first):
    chosen = first[1].select(np.arange(12))
    seen = SeenSamples.of(*first).and_of(chosen, None)
    train, valid = split(seen, numbered(0, 100))
    assert valid == values(first[1]) - values(chosen)
    assert values(chosen) <= train
