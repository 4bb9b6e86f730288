"""Searches and comparisons of networks for signals of unequal length."""

import pytest

from skcnn import ConvNetClassifier, ConvNetSearchCV
from skcnn.comparison import compare_models
from tests.helpers.series import tones

X, y = tones(24)
FEW = {"filters": (4,), "n_spatial_dims": 1, "max_epochs": 1, "random_state": 0}


def test_searches_take_them():
    search = ConvNetSearchCV(
        ConvNetClassifier(**FEW), "auto", n_trials=2, cv=2, random_state=0
    ).fit(X, y)
    assert search.best_estimator_.input_shape_ == (None, 3)
    assert search.predict(X).shape == y.shape


def test_the_size_is_that_of_the_pooled_network():
    search = ConvNetSearchCV(
        ConvNetClassifier(**FEW, hidden_units=(5,)),
        {"filters": [(2,), (30,)]},
        constraints={"n_parameters": 100},
        n_trials=2,
        cv=2,
        random_state=0,
    ).fit(X, y)
    best = search.best_estimator_
    assert best.filters == (2,)
    # a convolution, two normalisations, a hidden layer of two means and the output
    assert best.n_parameters_ == 3 * 3 * 2 + 4 + 2 * 5 + 10 + 5 * 2 + 2


@pytest.mark.filterwarnings("ignore:2 splits leave:skcnn.exceptions.ComparisonWarning")
def test_comparisons_take_them():
    models = {"small": ConvNetClassifier(**FEW), "fcn": ConvNetClassifier(**FEW, stride=2)}
    result = compare_models(models, X, y, cv=2)
    assert result.n_splits == 2
    assert result.models == ["small", "fcn"]
