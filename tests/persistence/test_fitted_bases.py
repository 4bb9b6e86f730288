"""Model files of networks whose architecture is a fitted network."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skcnn import ConvNetFeatures, load, save
from skcnn.exceptions import UnsupportedModelError
from tests.helpers.bases import any_size, assert_same, base, digits, module_base, net, state

X, Y = digits()[1]


@pytest.mark.parametrize("make", [base, any_size])
@pytest.mark.parametrize("wrap", [lambda x: x, FrozenEstimator])
def test_a_network_is_saved_with_its_base(make, wrap, tmp_path):
    model = net(architecture=wrap(make())).fit(X, Y)
    save(model, tmp_path / "model.skcnn")
    loaded = load(tmp_path / "model.skcnn")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    parent = getattr(loaded.architecture, "estimator", loaded.architecture)
    np.testing.assert_array_equal(parent.predict_proba(X), make().predict_proba(X))
    assert_same(state(loaded.fit(X, Y)), state(model))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (net(architecture=module_base()), "is a fitted network whose module a callable"),
        (ConvNetFeatures(module_base()), "is a module of a callable"),
    ],
)
def test_what_is_not_saved_is_named(model, message, tmp_path):
    with pytest.raises(UnsupportedModelError, match=message):
        save(model.fit(X, Y), tmp_path / "model.skcnn")
    assert not list(tmp_path.iterdir())
