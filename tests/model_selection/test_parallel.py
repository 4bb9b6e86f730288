"""Which fits are trained together, and in how many processes others run."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from skcnn import ConvNetRegressor
from skcnn.model_selection import _parallel as parallel
from skcnn.model_selection._parallel import processes_for, trains_together
from tests.helpers.small_nets import small


def own_module(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), n_outputs))


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (small(), True),
        (small(ConvNetRegressor), True),
        (make_pipeline(StandardScaler(), small()), True),
        (small(architecture=own_module), False),
        (small(verbose=1), False),
        (small(max_seconds=60), False),
        (DecisionTreeClassifier(), False),
        (make_pipeline(StandardScaler(), LogisticRegression()), False),
    ],
    ids=[
        "net",
        "regressor",
        "pipeline",
        "callable",
        "verbose",
        "limit",
        "tree",
        "other pipeline",
    ],
)
def test_which_fits_are_trained_together(estimator, expected, monkeypatch):
    monkeypatch.setattr(parallel, "joint_training_pays", lambda device: True)
    assert trains_together(estimator, 297) == expected


def test_no_fits_are_trained_together_on_the_cpu():
    assert not trains_together(small(device="cpu"), 100)


def test_networks_inside_searches_share_a_device(monkeypatch):
    monkeypatch.setattr(parallel, "resolve_device", lambda device: torch.device("cuda:0"))
    for model in (small(), GridSearchCV(make_pipeline(StandardScaler(), small()), {})):
        with pytest.warns(UserWarning, match="n_jobs=2: all fits share the device cuda:0"):
            assert processes_for([SVC(), model], 2, "fits", None) == 1
        assert processes_for([model], 1, "fits", None) == 1
    assert processes_for([SVC()], 2, "fits", None) == 2


@pytest.mark.parametrize("n_runs", [1, 5])
def test_networks_inside_other_estimators_share_an_accelerator(monkeypatch, n_runs):
    monkeypatch.setattr(parallel, "resolve_device", lambda device: torch.device("cuda:0"))
    model = VotingClassifier([("net", small()), ("svc", SVC())])
    if n_runs == 1:  # which needs one process anyway
        assert processes_for([model], 2, "fits", n_runs) == 1
        return
    with pytest.warns(UserWarning, match="all fits share the device cuda:0"):
        assert processes_for([model], 2, "fits", n_runs) == 1
