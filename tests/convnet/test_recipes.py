"""Recipes: their parameters suit ConvNetClassifier, the data and each other."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from skcnn import ConvNetClassifier, ConvNetRegressor, recipe
from skcnn._convnet.recipes import OF_IMAGES, RECIPES

SIZES = {
    "cifar-fast": [(32, 32, 3), (28, 28, 1), (24, 40, 3)],
    "photos": [(16, 16, 3), (32, 32, 1), (64, 48, 3)],
    "handwriting": [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 48, 1)],
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_a_new_dict_of_parameters(name):
    known = inspect.signature(ConvNetClassifier).parameters
    first, second = recipe(name), recipe(name)
    assert first.keys() <= known.keys()
    first["max_epochs"] = -1
    for value in first.values():
        if isinstance(value, list):
            value.clear()
    assert recipe(name).keys() == second.keys()
    assert recipe(name).get("augmentation") != []
    assert "random_state" not in second  # left to the user


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_cloned_and_pickled(name):
    model = ConvNetClassifier(**recipe(name))
    assert repr(clone(model)) == repr(pickle.loads(pickle.dumps(model))) == repr(model)


@pytest.mark.parametrize(("name", "shape"), [(n, s) for n, shapes in SIZES.items() for s in shapes])
def test_recipe_trains_on_the_sizes_it_names(name, shape):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    X = (rng.integers(0, 100, (24, *shape)) + 60 * y[:, None, None, None]).astype(np.uint8)
    model = ConvNetClassifier(**recipe(name), random_state=0).set_params(max_epochs=1)
    probabilities = model.fit(X, y).predict_proba(X)
    assert probabilities.shape == (24, 3)
    assert np.isfinite(model.history_["train_loss"]).all()


@pytest.mark.parametrize(
    "name",
    [pytest.param(r, marks=pytest.mark.slow if r == "cifar-fast" else ()) for r in OF_IMAGES],
)
def test_recipe_learns(name):
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 3], y[y < 3]  # distinct also when mirrored
    X = np.kron(X.reshape(-1, 8, 8), np.ones((2, 2)))  # 16x16
    model = ConvNetClassifier(**recipe(name), random_state=0)
    # a smaller learning rate for smaller batches than the 2,000 of the recipe
    model.set_params(max_epochs=6, batch_size=60, learning_rate=0.05)
    assert model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.9


@pytest.mark.parametrize("name", ["cifar_fast", "CIFAR-fast", None, 3])
def test_unknown_recipe_raises(name):
    with pytest.raises(ValueError, match=r"'name' parameter must be one of .*cifar-fast"):
        recipe(name)


@pytest.mark.parametrize("net", [ConvNetClassifier, ConvNetRegressor])
@pytest.mark.parametrize("shape", [(40,), (5,), (60, 3)])
def test_signals_of_any_length_and_number_of_channels(net, shape):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    X = rng.normal(size=(24, *shape)) + y.reshape(-1, *[1] * len(shape))
    model = net(**recipe("signals"), random_state=0).set_params(max_epochs=1)
    expected = model.fit(X, y).predict(X)
    assert np.isfinite(model.history_["train_loss"]).all()
    unequal = [each[: 5 + number] for number, each in enumerate(X)]
    again = clone(model).fit(unequal, y).predict(unequal[3:4])
    assert again.shape == expected[3:4].shape


def test_signals_with_a_long_pattern_are_learned():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 80))
    for row, label in zip(X, y, strict=True):  # a slow or a fast swing anywhere
        start = rng.integers(40)
        row[start : start + 40] += 2 * np.sin((0.3 + 0.3 * label) * np.arange(40))
    model = ConvNetClassifier(**recipe("signals"), random_state=0).set_params(max_epochs=30)
    assert model.fit(X[:40], y[:40]).score(X[40:], y[40:]) > 0.9
