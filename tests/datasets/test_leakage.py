"""LeakageWarning: copies on both sides of a split of a comparison or a search."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GroupKFold, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import ConvNetClassifier, ConvNetSearchCV, compare_models
from skcnn.augmentation import RandomFlip
from skcnn.datasets import ImageFiles, _leakage, find_duplicates, make_noughts_and_crosses
from skcnn.datasets._leakage import warn_of_copies
from skcnn.exceptions import LeakageWarning
from tests.helpers.pictures import save, smooth

SPLITS = [(np.arange(10), np.arange(10, 20)), (np.arange(10, 20), np.arange(10))]


def photos(n=20):
    return np.stack([smooth(24, 24, seed) for seed in range(n)])


def with_copies():
    """Return 20 pictures; number 13 is a darker copy of number 3, and 15 one of 14."""
    X = photos()
    X[13], X[15] = X[3] // 2 + 20, X[14]
    return X


def quiet(X, splits=SPLITS):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_copies(X, splits)


def test_copies_on_both_sides_are_named():
    message = r"In split 0, 1 of 10 test images are copies .* X\[13\] of X\[3\].*find_duplicates"
    with pytest.warns(LeakageWarning, match=message):
        warn_of_copies(with_copies(), SPLITS)


def test_the_worst_split_is_named():
    X = with_copies()
    X[11] = X[2]
    splits = [(np.arange(3), np.arange(10, 20)), *SPLITS]
    with pytest.warns(LeakageWarning, match="In split 1, 2 of 10"):
        warn_of_copies(X, splits)


def test_masks_lists_and_negative_indices():
    train, test = SPLITS[0]
    mask = np.isin(np.arange(20), train)
    for split in [(mask, ~mask), (train.tolist(), test.tolist()), (train - 20, test - 20)]:
        with pytest.warns(LeakageWarning, match=r"X\[13\] of X\[3\]"):
            warn_of_copies(with_copies(), [split])


def test_what_does_not_leak_is_quiet():
    quiet(photos())
    quiet(with_copies(), [(np.r_[:10, 13], np.r_[10:13, 16:20])])  # copies are on one side
    quiet(with_copies(), [(np.arange(20), np.r_[3, 13, 15])])  # on both sides themselves
    quiet(np.full((20, 8, 8), 255, np.uint8))  # plain


def test_only_what_is_surely_images_is_looked_at(monkeypatch):
    X = with_copies()
    for other in (X.reshape(20, -1), X.astype(np.float32), list(X), [str(n) for n in range(20)]):
        quiet(other)
    monkeypatch.setattr(_leakage, "MOST_SAMPLES", 19)
    quiet(X)


def test_files_and_augmented_samples_are_looked_at(tmp_path):
    X = with_copies()
    files = ImageFiles([save(tmp_path / f"{n}.png", image) for n, image in enumerate(X)])
    for given in (files, RandomFlip().fit_transform(X)):
        with pytest.warns(LeakageWarning, match=r"X\[13\] of X\[3\]"):
            warn_of_copies(given, SPLITS)


def test_files_that_cannot_be_read_are_left_to_the_fits(tmp_path):
    paths = [save(tmp_path / f"{n}.png", image) for n, image in enumerate(with_copies())]
    files = ImageFiles(paths, 24)
    paths[5].unlink()
    quiet(files)


def test_usual_sets_do_not_warn():
    X, _ = load_digits(return_X_y=True)
    halves = [(np.arange(0, 1797, 2), np.arange(1, 1797, 2))]
    quiet((15 * X).astype(np.uint8).reshape(-1, 8, 8), halves)
    letters, _ = make_noughts_and_crosses(400, noise=0.05, random_state=0)
    quiet((255 * letters.clip(0, 1)).astype(np.uint8), [(np.arange(200), np.arange(200, 400))])
    quiet(make_noughts_and_crosses(40, random_state=0)[0], [(np.arange(20), np.arange(20, 40))])


def test_coloured_images_of_equal_grey_are_no_copies():
    X = np.zeros((2, 20, 20, 3), np.uint8)
    X[0, 5:15, 5:15, 0] = X[1, 5:15, 5:15, 2] = 200
    quiet(X, [([0], [1])])


def test_comparison_warns_and_groups_or_dropping_silence_it():
    X, y = with_copies(), np.arange(20) % 2
    flat = FunctionTransformer(lambda images: images.reshape(len(images), -1))
    models = {"a": DummyClassifier(), "b": make_pipeline(flat, GaussianNB())}
    with pytest.warns(LeakageWarning, match="find_duplicates"):
        compare_models(models, X, y, cv=KFold(5))
    found = find_duplicates(X)
    groups = np.arange(20)
    groups[found["second"]] = found["group"]
    compare_models(models, X, y, cv=GroupKFold(5), groups=groups)
    once = np.setdiff1d(np.arange(20), found["second"])
    compare_models(models, X[once], y[once], cv=KFold(5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakageWarning)
        compare_models(models, X, y, cv=KFold(5))


def test_search_warns():
    X, y = with_copies(), np.arange(20) % 2
    net = ConvNetClassifier(filters=2, hidden_units=(), max_epochs=1, random_state=0)
    search = ConvNetSearchCV(net, {"learning_rate": [0.01]}, n_trials=1, cv=KFold(2))
    with pytest.warns(LeakageWarning, match=r"X\[3\] of X\[13\]"):
        search.fit(X, y)
    fewer = np.delete(np.arange(20), [13])
    search.fit(X[fewer], y[fewer])
