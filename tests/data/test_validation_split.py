"""The validation split: shares of classes, sizes, and its errors."""

import numpy as np
import pytest

from skcnn import ConvNetClassifier
from skcnn._data.samples import canonical_order
from skcnn._data.validation_split import _choose_validation, _share_out, split_validation
from skcnn.exceptions import RareClassWarning
from tests.helpers.samples import as_samples


def rng():
    return np.random.default_rng(0)


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


def conflicting(targets, rows):
    """Return samples in content order."""
    samples = as_samples(np.asarray(targets), rows=np.asarray(rows, np.float32)[:, None])
    return samples.select(canonical_order(samples.images, samples.targets, None)[0])


@pytest.mark.parametrize("stratify", [True, False])
def test_a_sample_with_two_labels_is_on_one_side(stratify):
    rows = np.repeat(np.arange(30), 2)
    samples = conflicting(np.tile([0, 1], 30), rows)
    for seed in range(5):
        train, valid = split_validation(samples, 0.3, seed=seed, stratify=stratify)
        assert len(train) + len(valid) == 60
        assert len(valid) == 18
        assert not set(rows[train.index]) & set(rows[valid.index])


def test_a_class_that_only_occurs_as_a_second_label_stays_in_training():
    samples = conflicting([*[0] * 10, *[1] * 10, 2], [*range(20), 0])
    for seed in range(20):
        train, valid = split_validation(samples, 0.5, seed=seed, stratify=True)
        assert 2 in train.targets
        assert set(valid.targets) <= {0, 1}


def test_a_split_that_would_lose_a_class_is_an_error():
    samples = conflicting([1, 0, 0], [0, 0, 1])  # the only sample of class 1 is also one of 0
    with pytest.raises(ValueError, match=r"also occur with another label.*X_val and y_val"):
        split_validation(samples, 0.5, seed=0, stratify=True)


# Against a loop over classes and single samples


def naive_shares(n_valid, counts):
    most = np.maximum(counts - 1, 0)
    exact = np.minimum(n_valid * counts / counts.sum(), most)
    taken = np.floor(exact).astype(int)
    while taken.sum() < n_valid and (taken < most).any():
        taken[np.argmax(np.where(taken < most, exact - taken, -np.inf))] += 1
    return taken


@pytest.mark.parametrize("seed", range(30))
def test_shares_are_those_of_one_sample_after_the_other(seed):
    rng = np.random.default_rng(seed)
    kinds = [
        rng.integers(0, 6, 40),
        np.append(rng.integers(0, 3, 30), 500),  # a class that takes what others cannot
        np.full(rng.integers(2, 20), rng.integers(2, 9)),
        rng.geometric(0.1, 50),
    ]
    for counts in kinds:
        counts[0] += 2
        for fraction in (0.01, 0.1, 0.37, 0.5, 0.9, 0.99):
            n_valid = max(1, round(fraction * counts.sum()))
            np.testing.assert_array_equal(
                _share_out(n_valid, counts), naive_shares(n_valid, counts)
            )


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.RareClassWarning")
@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.6])
def test_chosen_samples_are_those_of_a_loop_over_classes(fraction):
    targets = rng().integers(0, 40, 500) ** 2 // 30  # some codes have no sample
    generator = np.random.default_rng(7)
    taken = naive_shares(round(fraction * len(targets)), np.bincount(targets))
    expected = [
        generator.permutation(np.flatnonzero(targets == code))[:n] for code, n in enumerate(taken)
    ]
    got = _choose_validation(targets, fraction, 7, stratify=True)
    np.testing.assert_array_equal(got, np.sort(np.concatenate(expected)))


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.RareClassWarning")
def test_targets_are_compared_once_for_all_classes():
    """The passes over the samples do not grow with the classes."""

    class Watched(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            passes.append(ufunc.__name__)
            plain = [np.asarray(each) for each in inputs]
            return getattr(ufunc, method)(*plain, **kwargs)

    counts = []
    for n_classes in (5, 300):
        passes = []
        targets = (np.arange(1200) % n_classes).view(Watched)
        _choose_validation(targets, 0.2, 0, stratify=True)
        counts.append(len(passes))
    assert counts[0] == counts[1]
