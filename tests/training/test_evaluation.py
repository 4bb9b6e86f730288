"""The validation loss and score in the history."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import OutOfMemoryWarning
from tests.helpers.little_memory import limit_predictions
from tests.helpers.small_fits import data, digit_net, digits, tiny


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_validation_data_fill_the_history(cls):
    X, y = data()
    model = tiny(cls).fit(X, y, X_val=X[:10], y_val=y[:10])
    assert np.isfinite(model.history_).all(axis=None)
    last = model.score(X[:10], y[:10])
    if cls is ConvNetClassifier:
        assert model.history_["valid_score"].iloc[-1] == last
    else:
        assert model.history_["valid_score"].iloc[-1] == pytest.approx(last, rel=1e-4, abs=1e-5)


def test_history_of_a_validation_set_agrees_with_score():
    X, y = digits()
    model = digit_net(calibration=None)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert model.history_.loc[4, "valid_score"] == model.score(X[200:], y[200:])
    proba = model.predict_proba(X[200:])[np.arange(100), y[200:]]
    assert_allclose(model.history_.loc[4, "valid_loss"], -np.log(proba).mean(), rtol=1e-5)


@pytest.mark.cpu
def test_validation_outputs_are_computed_in_halves_where_memory_is_too_small(monkeypatch):
    X, y = data()
    how = {"X_val": X[:10], "y_val": y[:10]}
    expected = tiny(ConvNetRegressor, normalization=None).fit(X, y, **how).history_
    limit_predictions(monkeypatch, 4)
    with pytest.warns(OutOfMemoryWarning, match="parts of down to 4"):
        history = tiny(ConvNetRegressor, normalization=None).fit(X, y, **how).history_
    columns = ["train_loss", "valid_loss", "valid_score"]
    assert_allclose(history[columns], expected[columns], rtol=1e-5)
