"""Training that diverges."""

import re

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._training.divergence import BatchLosses
from skcnn._training.schedules import Schedule
from skcnn.exceptions import TrainingDivergedError
from tests.helpers.small_fits import WatchBatches, data, digit_net, digits, matrices, tiny

HOPELESS = {
    "optimizer": "sgd", "momentum": 0.0, "learning_rate": 1e5, "lr_schedule": "constant",
    "normalization": None, "batch_size": None, "max_epochs": 20,
}  # fmt: skip


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_divergence_names_the_learning_rate(cls):
    match = (
        r"loss became (nan|inf) in epoch \d+, batch 1 of 1, at a learning rate of 100000\. Likely "
        r"causes: .*try a learning_rate below 100000 or gradient_clip=1\.0; .*standardize=True"
    )
    with pytest.raises(TrainingDivergedError, match=match):
        tiny(cls, **HOPELESS).fit(*data())


def test_divergence_of_muon_does_not_advise_its_rates_for_another_optimizer():
    X, y = data()
    match = r"try optimizer='adamw', or 'muon' with a learning_rate below 0\.2; values"
    with pytest.raises(TrainingDivergedError, match=match):
        tiny(augmentation=BreakBatch(2), optimizer="muon").fit(X, y)


class BreakBatch:
    """An augmentation after which the standardised samples of one batch are infinite."""

    def __init__(self, batch):
        self.left = batch

    def __call__(self, images):
        self.left -= 1
        return images.sign() * 3e38 if self.left == 0 else images


LOOPS = {"fast": None, "stock": [WatchBatches()]}
loops = pytest.mark.parametrize("callbacks", LOOPS.values(), ids=LOOPS)


@loops
@pytest.mark.parametrize(("batch", "epoch", "of_epoch"), [(5, 2, 2), (7, 3, 1), (9, 3, 3)])
def test_divergence_names_epoch_batch_and_its_rate(batch, epoch, of_epoch, callbacks):
    schedule = Schedule("linear", 0.01, 3, 4)
    rate = [schedule.next_rate() for _ in range(batch)][-1]
    model = tiny(
        augmentation=BreakBatch(batch), max_epochs=4, lr_schedule="linear", learning_rate=0.01,
        normalization=None, callbacks=callbacks,
    )  # fmt: skip
    where = f"became nan in epoch {epoch}, batch {of_epoch} of 3, at a learning rate of {rate:g}"
    with pytest.raises(TrainingDivergedError, match=re.escape(where)):
        model.fit(*data())


@loops
def test_the_weights_after_the_last_finished_epoch_are_kept(callbacks):
    X, y = data()
    how = {"lr_schedule": "constant", "normalization": None, "callbacks": callbacks}
    model = tiny(augmentation=BreakBatch(8), max_epochs=4, **how)
    with pytest.raises(TrainingDivergedError, match="epoch 3, batch 2 of 3"):
        model.fit(X, y)
    expected = tiny(augmentation=lambda images: images, max_epochs=2, **how).fit(X, y)
    assert model.n_iter_ == len(model.history_) == len(model.net_.history) == 2
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert not model.net_.module_.training
    for each in (model, expected):
        each.set_params(augmentation=None).partial_fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_with_early_stopping_the_best_finite_weights_are_kept():
    X, y = data()
    model = tiny(augmentation=BreakBatch(11), max_epochs=9, early_stopping=True, n_iter_no_change=9)
    with pytest.raises(TrainingDivergedError, match="epoch 4"):
        model.fit(X, y, X_val=X, y_val=y)
    assert model.score(X, y) == model.history_["valid_score"].max()


@loops
def test_divergence_in_the_first_epoch_leaves_nothing(callbacks):
    model = tiny(augmentation=BreakBatch(2), normalization=None, callbacks=callbacks)
    with pytest.raises(TrainingDivergedError, match="epoch 1, batch 2 of 3"):
        model.fit(*data())
    with pytest.raises(NotFittedError):
        model.predict(data()[0])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_causes_are_those_that_are_possible(precision):
    def first_batch(**params):
        model = tiny(augmentation=BreakBatch(params.pop("batch")), precision=precision, **params)
        with pytest.raises(TrainingDivergedError) as error:
            model.fit(*data())
        return str(error.value)

    before_a_step = first_batch(batch=1)
    assert "learning_rate below" not in before_a_step
    assert "initial weights, or a module of your own" in before_a_step
    assert ("precision='float32'" in before_a_step) == (precision == "bfloat16")
    after = first_batch(batch=2, gradient_clip=0.5)
    assert "learning_rate below" in after
    assert "gradient_clip" not in after


def test_validation_outputs_that_are_infinite_before_training_goes_on_are_named():
    X, y = data()
    model = tiny(warm_start=True, early_stopping=True, normalization=None, standardize=False)
    model.fit(X, y, X_val=X, y_val=y)
    with torch.no_grad():
        matrices(model)[-1].fill_(3e38)
    with pytest.raises(TrainingDivergedError, match=r"output became (inf|nan) after epoch 3\. Lik"):
        model.fit(X, y, X_val=X, y_val=y)


def test_losses_are_summed_as_one_number_would_be():
    losses = torch.rand(50, generator=torch.Generator().manual_seed(0))
    total, kept = torch.zeros(()), BatchLosses(50, "cpu")
    for i, loss in enumerate(losses):
        kept.add(loss, 7 + i)
        total.add_(loss, alpha=7 + i)
    assert kept.mean(3, None) == total.item() / 3


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
    if hasattr(model, "net_"):  # an epoch was finished
        assert all(torch.isfinite(w).all() for w in model.net_.module_.state_dict().values())


def test_a_network_that_a_callback_made_infinite_is_not_kept():
    class MakeInfinite(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                next(net.module_.parameters()).data.fill_(np.inf)

    X, y = digits()
    model = digit_net(callbacks=[MakeInfinite()])
    with pytest.raises(TrainingDivergedError, match="in epoch 3"):
        model.fit(X, y)
    assert not hasattr(model, "net_")


def test_infinite_statistics_of_batch_normalization_are_named():
    X, y = digits()
    X = X.astype(np.float32)
    X[0, 0, 0] = 1e25  # whose square is infinite; in training each batch has its own statistics
    model = digit_net(standardize=False, normalization="batch")
    match = (
        r"statistics '[\w.]*running_var' of the samples became inf after epoch 1, .*outliers in X"
    )
    with pytest.raises(TrainingDivergedError, match=match):
        model.fit(X, y)
    assert not hasattr(model, "net_")


class Masked(nn.Module):
    """A module with a buffer that is infinite on purpose, one filled later, and a huge one."""

    def __init__(self, n_outputs):
        super().__init__()
        self.linear = nn.Linear(36, n_outputs)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]), persistent=False)
        self.register_buffer("late", None, persistent=False)
        self.register_buffer("huge", torch.full((4,), 3e38))

    def forward(self, x):
        if self.late is None and self.training:
            self.late = self.mask.clone()
        return self.linear(x.flatten(1)) + self.mask.exp()[0] - 1


def test_buffers_that_are_infinite_on_purpose_are_no_divergence():
    model = tiny(architecture=lambda shape, n_outputs: Masked(n_outputs)).fit(*data())
    assert model.n_iter_ == 3
    assert torch.isinf(model.net_.module_.module.late[1])
