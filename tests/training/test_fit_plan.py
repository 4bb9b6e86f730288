"""The plan of a fit: seeds, and settings with "auto" resolved."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from skcnn._convnet.base import BaseConvNet
from skcnn._training.fit_plan import FitSeeds
from skcnn._utils.random_state import derive_seeds
from tests.helpers.small_fits import data, tiny


@pytest.fixture
def plans(monkeypatch):
    """The plans of all fits, none of which trains."""
    seen = []
    monkeypatch.setattr(BaseConvNet, "_run", lambda self, engine, plan, *others: seen.append(plan))
    return seen


def test_seeds_are_distinct_and_follow_from_the_seed():
    seeds = FitSeeds.derive(7, 0)
    assert len(set(seeds)) == 5
    assert seeds == FitSeeds.derive(7, 0) == FitSeeds(*derive_seeds(7, 0, 5))
    assert not set(seeds) & set(FitSeeds.derive(8, 0))


def test_later_epochs_have_other_seeds_except_for_the_validation_split():
    first, later = FitSeeds.derive(7, 0), FitSeeds.derive(7, 3)
    assert [a == b for a, b in zip(first, later, strict=True)] == [False] * 3 + [True, False]
    assert first.validation == later.validation


@pytest.mark.cpu
def test_plan_has_the_settings_of_a_fit(plans):
    X, y = data()
    tiny(max_epochs=5, batch_size="auto", lr_schedule="step", n_threads=1).fit(X, y)
    tiny(max_epochs="auto", batch_size=None, optimizer="adamw").fit(X, y)
    tiny(max_epochs="auto").fit(X, y)
    first, second, third = plans
    assert [plan.optimizer_name for plan in plans] == ["muon", "adamw", "muon"]
    assert (first.n_epochs, first.batch_size, first.lr_schedule) == (5, 8, "step")
    assert (second.n_epochs, second.batch_size) == (31, 40)
    assert (third.n_epochs, third.batch_size) == (37, 16)
    assert (len(first.train), first.valid, first.n_iter_no_change) == (40, None, None)
    assert (first.is_fresh, first.is_partial, first.n_epochs_before) == (True, False, 0)
    assert (first.device, first.seeds) == (torch.device("cpu"), FitSeeds.derive(0, 0))
    assert first.augmenter is None
    with pytest.raises(FrozenInstanceError):
        first.n_epochs = 6


def test_plan_of_early_stopping_has_a_validation_set(plans):
    X, y = data()
    tiny(early_stopping=True, n_iter_no_change=4, tol=0.1).fit(X, y)
    tiny(early_stopping=False).fit(X, y, X_val=X[:9], y_val=y[:9])
    split, given = plans
    assert (len(split.train), len(split.valid)) == (36, 4)
    assert (split.n_iter_no_change, split.tol) == (4, 0.1)
    assert (len(given.train), len(given.valid), given.n_iter_no_change) == (40, 9, None)


def test_plan_of_partial_fit_is_one_epoch_at_a_constant_rate(plans):
    X, y = data()
    tiny(early_stopping=True).partial_fit(X, y, classes=np.unique(y))
    (plan,) = plans
    assert (plan.is_partial, plan.n_epochs, plan.lr_schedule) == (True, 1, "constant")
    assert (plan.valid, plan.n_iter_no_change) == (None, None)


def test_plan_of_a_warm_start_counts_the_epochs_before(monkeypatch):
    X, y = data()
    model, seen = tiny(warm_start=True).fit(X, y), []
    monkeypatch.setattr(BaseConvNet, "_run", lambda self, engine, plan, *others: seen.append(plan))
    model.fit(X, y)
    assert (seen[0].is_fresh, seen[0].n_epochs_before) == (False, 3)
    assert seen[0].seeds == FitSeeds.derive(0, 3)


@pytest.mark.parametrize(("precision", "again"), [("float32", None), ("bfloat16", torch.bfloat16)])
def test_a_network_that_trains_on_takes_a_new_precision(precision, again):
    X, y = data()
    other = {"float32": "bfloat16", "bfloat16": "float32"}[precision]
    model = tiny(precision=other, warm_start=True, max_epochs=1).fit(X, y)
    assert model.net_.autocast is not again
    model = pickle.loads(pickle.dumps(model.set_params(precision=precision)))
    assert model.fit(X, y).net_.autocast is again
    assert model.partial_fit(X, y).net_.autocast is again


@pytest.mark.cpu
def test_an_automatic_precision_is_chosen_again_on_another_kind_of_device():
    X, y = data()
    model = tiny(warm_start=True, max_epochs=1).fit(X, y)
    model.net_.autocast = torch.bfloat16  # as where the processor multiplies it
    model.partial_fit(X, y)
    assert model.net_.autocast is torch.bfloat16  # on the same kind parts of any size keep it
    model.device_ = "cuda:0"  # a model that was trained on a GPU, read on a machine without
    model = pickle.loads(pickle.dumps(model)).partial_fit(X, y)
    assert model.net_.autocast is None
    assert model.device_ == "cpu"
