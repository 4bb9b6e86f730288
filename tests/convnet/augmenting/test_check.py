"""The check of augmentation="auto" on made sets with known answers, and what it trains on."""

import numpy as np
import pytest

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet.augmenting import check
from skcnn._convnet.augmenting.candidates import MOTION, make_candidates
from skcnn._convnet.augmenting.check import decide, default_network
from skcnn.exceptions import TrainingDivergedError
from tests.helpers.arrows import shapes
from tests.helpers.device import DEVICE

RNG = np.random.default_rng(0)


@pytest.fixture
def one_fold(monkeypatch):
    """Hold samples back once."""
    monkeypatch.setattr(check, "MOST_WITH_FOLDS", 0)


def read(X, y, cls=ConvNetClassifier, sample_weight=None, **params):
    """Return the default network that has read the samples, and these."""
    net = default_network(cls(device=DEVICE, n_threads=1, **params))
    _, samples = net._read(X, y, sample_weight, None, True)
    return net, samples


def decided(X, y, cls=ConvNetClassifier, **params):
    """Return the candidates by name."""
    net, samples = read(X, y, cls, **params)
    candidates = make_candidates(net._layout.spatial, net._of_classes, X)
    decide(net, samples, candidates)
    return {each.name: each for each in candidates}


def chosen(*args, **params):
    return {name for name, each in decided(*args, **params).items() if each.chosen}


@pytest.mark.parametrize(
    ("names", "flips"),
    [
        (["left", "right"], {"flip vertical"}),
        (["up", "down"], {"flip horizontal"}),
        (["ring", "cross"], {"flip horizontal", "flip vertical"}),
        (["left", "right", "up", "down"], set()),
    ],
)
def test_flips_that_swap_classes_are_refused(names, flips, one_fold):
    assert chosen(*shapes(names, n=66)) == {MOTION, *flips}


def test_scores_are_those_of_samples_held_back():
    found = decided(*shapes(["left", "right"]))
    assert np.isnan(found[MOTION].score)
    across, along = found["flip horizontal"], found["flip vertical"]
    assert across.score == along.score > 0.9
    assert across.changed_score < 0.1
    assert along.changed_score > 0.9


def test_labels_of_places_are_refused(one_fold):
    right, low = RNG.integers(0, 2, (2, 60))
    X = RNG.normal(scale=0.2, size=(60, 8, 8))
    X[np.arange(60), 4 * low + 1, 4 * right + 1] += 4
    assert chosen(X, np.column_stack([right, X.mean(axis=(1, 2)) > 9])) == {MOTION}  # too few
    assert chosen(X, np.column_stack([right, right])) == {MOTION, "flip vertical"}


def test_each_axis_of_a_volume_is_checked(one_fold):
    y = np.arange(36) % 2
    X = RNG.normal(scale=0.2, size=(36, 4, 4, 4))
    X[np.arange(36), 3 * y] += 1
    expected = {MOTION, "flip horizontal", "flip vertical"}
    assert chosen(X, y, n_spatial_dims=3) == expected


def test_numbers_that_are_places_keep_no_change_along_them(one_fold):
    places = RNG.integers(1, 11, 150)
    X = RNG.normal(scale=0.05, size=(150, 12, 12))
    for image, place in zip(X, places, strict=True):
        image[3:9, place - 1 : place + 2] += 1
    found = decided(X, places.astype(float), ConvNetRegressor)
    assert not found["flip horizontal"].chosen
    assert not found[MOTION].chosen
    assert found["flip vertical"].chosen
    both = np.column_stack([places, X.std(axis=(1, 2))])
    assert "flip horizontal" not in chosen(X, both, ConvNetRegressor)


def test_numbers_without_a_place_keep_flips(one_fold):
    level = RNG.uniform(0, 3, 90)
    X = RNG.normal(scale=0.3, size=(90, 8, 8)) + level[:, None, None]
    assert chosen(X, level, ConvNetRegressor) >= {"flip horizontal", "flip vertical"}


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_few_samples_are_not_checked(cls, monkeypatch):
    monkeypatch.setattr(check, "_held_back_outputs", None)
    X, _ = shapes(["ring"], n=12)
    found = decided(X, np.arange(12) % 3, cls)
    assert {each.reason.split(":")[0] for each in found.values()} == {"not checked"}
    assert found["flip vertical"].chosen is False
    assert found[MOTION].chosen is (cls is ConvNetClassifier)


def test_large_samples_are_not_checked(monkeypatch):
    monkeypatch.setattr(check, "MOST_MACS", 10**6)
    found = decided(*shapes(["ring", "cross"]))
    assert found["flip vertical"].reason == (
        "not checked: samples of this size need too many multiply-accumulates"
    )


def test_a_training_that_diverges_decides_nothing(monkeypatch):
    def diverge(*args):
        raise TrainingDivergedError("The loss is infinite.")

    monkeypatch.setattr(check, "_held_back_outputs", diverge)
    found = decided(*shapes(["ring", "cross"]))
    assert found["flip vertical"].reason.endswith("diverged")
    assert not found["flip vertical"].chosen


def parts_of(X, y, **limits):
    net, samples = read(X, y)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(check, name, value)
        reason, parts = check._parts(net, samples, np.random.default_rng(0))
    return reason, parts, samples.targets


def test_each_sample_is_held_back_once():
    reason, parts, codes = parts_of(*shapes(["ring", "cross"], n=30))
    assert reason == ""
    assert len(parts) == 3
    np.testing.assert_array_equal(np.sort(np.concatenate([h for _, h in parts])), np.arange(30))
    for train, held in parts:
        assert not np.intersect1d(train, held).size
        assert np.bincount(codes[held]).tolist() == [5, 5]


def test_many_samples_are_held_back_once_and_not_all_are_used():
    X, y = shapes(["ring", "cross", "cross"], n=90)
    limits = {"MOST_WITH_FOLDS": 50, "MOST_TRAINED": 20, "MOST_HELD_BACK": 12}
    reason, [(train, held)], codes = parts_of(X, y, **limits)
    assert reason == ""
    assert np.bincount(codes[train]).tolist() == [10, 10]  # as evenly as they allow
    assert np.bincount(codes[held]).tolist() == [6, 6]
    assert not np.intersect1d(train, held).size


def test_the_budget_lowers_the_number_of_samples():
    X, y = shapes(["ring", "cross"], n=120)
    net, _ = read(X, y)
    macs = 3 * net.summary((8, 8, 1), 2)["multiply_accumulates"].sum()
    budget = 70 * net._n_epochs(70) * macs
    _, [(train, _)], _ = parts_of(X, y, MOST_MACS=int(budget))
    assert 50 <= len(train) <= 70


def test_the_network_of_the_check_is_the_default():
    given = ConvNetClassifier(
        input_shape=(8, 8), architecture="lenet5", optimizer="sgd", max_epochs=1, n_threads=2,
        augmentation="auto", callbacks=[], checkpoint="x", random_state=3, verbose=1,
    )  # fmt: skip
    plain = default_network(given)
    kept = {"input_shape": (8, 8), "n_threads": 2}
    assert plain.get_params() == ConvNetClassifier(**kept).get_params()


def test_samples_change_as_numpy_flips_them():
    X, y = shapes(["left", "up", "ring"], n=24)
    colours = np.stack([X, 2 * X], axis=-1)
    for images in (colours, np.moveaxis(colours, -1, 1)):
        channels = "last" if images is colours else "first"
        net, samples = read(images, y, channels=channels)
        seen = []
        net._computed = lambda part, seen=seen: seen.append(part.rows.numpy()) or part.rows
        candidates = make_candidates((8, 8), True, images)
        for change, axis in zip(candidates[1:], (-1, -2), strict=True):
            seen.clear()
            check._outputs(net, samples, change)
            place = axis - 1 if channels == "last" else axis
            expected = np.flip(images, place)[samples.index].reshape(24, -1)
            np.testing.assert_array_equal(seen[0], expected.astype(np.float32))
