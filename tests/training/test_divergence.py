"""Training that diverges."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import TrainingDivergedError
from tests.helpers.small_fits import data, digit_net, digits, tiny

HOPELESS = {
    "optimizer": "sgd", "momentum": 0.0, "learning_rate": 1e5, "lr_schedule": "constant",
    "normalization": None, "batch_size": None, "max_epochs": 20,
}  # fmt: skip


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_divergence_names_the_learning_rate(cls):
    match = r"loss became (nan|inf) in epoch \d+\. Try a learning_rate below 100000"
    with pytest.raises(TrainingDivergedError, match=match):
        tiny(cls, **HOPELESS).fit(*data())


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_diverged_estimator_does_not_predict(cls):
    model = tiny(cls, **HOPELESS)
    with pytest.raises(TrainingDivergedError, match="learning_rate"):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        model.predict(data()[0])


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_divergence_of_the_last_step_is_found_at_the_latest_by_predict(cls):
    X, y = data()
    model = tiny(cls, **HOPELESS | {"max_epochs": 1, "learning_rate": 1e20})
    with pytest.raises(ValueError, match="learning_rate"):
        model.fit(X, y).predict(X)


def test_divergence_with_early_stopping_keeps_finite_weights():
    X, y = data()
    model = tiny(**HOPELESS, early_stopping=True)
    with pytest.raises(TrainingDivergedError, match="learning_rate"):
        model.fit(X, y)
    if hasattr(model, "net_"):
        assert all(torch.isfinite(w).all() for w in model.net_.module_.state_dict().values())


def test_a_training_that_diverges_later_leaves_no_network():
    from skorch.callbacks import Callback

    class MakeInfinite(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                next(net.module_.parameters()).data.fill_(np.inf)

    X, y = digits()
    model = digit_net(callbacks=[MakeInfinite()])
    with pytest.raises(TrainingDivergedError, match="in epoch 3"):
        model.fit(X, y)
    assert not hasattr(model, "net_")
