"""Trials and searches that run out of time."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline

from tests.helpers.clock import CLOCK
from tests.helpers.searches import Clumsy, search_of
from tests.helpers.small_nets import small


class Slow(TransformerMixin, BaseEstimator):
    """A step whose fit takes some of CLOCK's seconds."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def fit(self, X, y=None):
        CLOCK.now += self.seconds
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("model", [small(), Clumsy()], ids=["net", "other"])
@pytest.mark.parametrize("together", [False, True])
def test_trial_over_its_seconds_fails_and_the_search_goes_on(digits, model, together):
    pipeline = make_pipeline(Slow(), model)
    search = search_of(
        pipeline,
        {"slow__seconds": [0.0, 1.0, 100.0]},
        n_trials=3,
        constraints={"seconds": 50},
        pruner="asha" if together else None,
    )
    with pytest.warns(
        FitFailedWarning, match=r"1 of 3 .*(?s:.*)more than constraints\['seconds'\]=50"
    ):
        search.fit(*digits)
    results = search.cv_results_
    states = dict(zip(results["param_slow__seconds"].tolist(), results["state"], strict=True))
    assert states[100.0] == "FAIL"
    assert "FAIL" not in (states[0.0], states[1.0])
    failed = results["state"] == "FAIL"
    assert np.isnan(results["mean_test_score"][failed]).all()


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("n_trials", [None, 50])
def test_timeout_ends_the_search(digits, n_trials):
    pipeline = make_pipeline(Slow(10.0), small())
    space = {"slow__seconds": (10.0, 10.9), "convnetclassifier__dropout": (0.0, 0.5)}
    # two folds a trial: the third trial begins at 40-44 s and is over time in its first fold
    search = search_of(pipeline, space, n_trials=n_trials, timeout=45).fit(*digits)
    results = search.cv_results_
    assert results["state"].tolist() == ["COMPLETE", "COMPLETE"]
    assert len(search.trials_dataframe()) == 2


@pytest.mark.usefixtures("clock")
def test_timeout_before_the_first_trial_is_complete(digits):
    pipeline = make_pipeline(Slow(), small())
    search = search_of(pipeline, {"slow__seconds": (10.0, 20.0)}, timeout=5)
    with pytest.raises(ValueError, match="timeout=5 seconds passed before a trial was complete"):
        search.fit(*digits)
