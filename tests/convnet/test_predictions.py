"""Labels from outputs: ties, values that are not finite, and what is kept."""

import numpy as np
import pytest
import torch
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._training.engine import ConvNetEngine
from tests.helpers.small_nets import tiny


class _Fixed(nn.Module):
    """Returns the values of its input as outputs."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return x.flatten(1) * 0 + self.scale * self.table[: len(x)]


def _with_outputs(table, y):
    """Return a fitted classifier whose outputs for the first samples are `table`."""
    table = torch.tensor(table, dtype=torch.float32)
    fixed = _Fixed()
    fixed.table = torch.zeros(64, table.shape[1])
    X = np.zeros((len(y), 1, table.shape[1]), np.float32)
    model = ConvNetClassifier(architecture=lambda shape, n: fixed, max_epochs=1, device="cpu")
    model.fit(X + np.arange(len(y))[:, None, None], y)
    module = model.net_.module_
    part = next(p for p in module.modules() if isinstance(p, _Fixed))
    part.scale.data.fill_(1.0)
    part.table = torch.zeros(64, table.shape[1])
    part.table[: len(table)] = table
    return model, X[: len(table)]


def test_predict_takes_the_first_of_equal_largest_outputs():
    table = [[1, 2, 2], [0, 0, 0], [3, 1, 3], [-1, -2, -0.5], [1e30, -1e30, 1e30]]
    model, X = _with_outputs(table, np.repeat(["a", "b", "c"], 3))
    expected = model.classes_[model._outputs(X).argmax(1)]
    np.testing.assert_array_equal(model.predict(X), expected)
    assert expected.tolist() == ["b", "a", "a", "c", "a"]


def test_multilabel_predict_is_one_above_a_half():
    model, X = _with_outputs([[1, -1, 0], [0.1, 5, -3]], np.tile(np.eye(3, dtype=int), (3, 1)))
    predicted = model.predict(X)
    assert predicted.dtype == int
    np.testing.assert_array_equal(predicted, [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(predicted, model.predict_proba(X) > 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("y", [np.arange(9) % 3, np.tile(np.eye(3, dtype=int), (3, 1))])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_outputs_that_are_not_finite_are_an_error(value, y, method):
    model, X = _with_outputs([[1, 2, 3], [0, value, 5], [0, 1, 0], [value, 1, 1]], y)
    with pytest.raises(ValueError, match="for 2 of 4 samples, the first at index 1, are infinite"):
        getattr(model, method)(X)


def test_predict_keeps_the_outputs_of_a_pass_only(monkeypatch):
    X, y = np.random.default_rng(0).random((300, 4, 4)), np.arange(300) % 30
    model = tiny().fit(X, y)
    kept, outputs = [], ConvNetEngine.outputs

    def watched(self, *given):
        kept.append(outputs(self, *given))
        return kept[-1]

    monkeypatch.setattr(ConvNetEngine, "outputs", watched)
    model.predict(X)
    assert [each.shape for each in kept] == [(300,)]
