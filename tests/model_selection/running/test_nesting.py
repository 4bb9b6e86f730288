"""Ctrl-C in a search inside other code that fits many times."""

import itertools
import signal

import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import ConvNetSearchCV, compare_models
from tests.helpers.recorded_searches import X, recorded_net, search_of, trainings, y

TRIALS = {"n_trials": [3, 2]}
MANY_FITS = {
    "cross_val_score": lambda search: cross_val_score(search, X, y, cv=2),
    "cross_val_predict": lambda search: cross_val_predict(search, X, y, cv=2),
    "a Pipeline in it": lambda search: cross_val_score(
        make_pipeline(FunctionTransformer(), search), X, y, cv=2
    ),
    "grid search": lambda search: GridSearchCV(search, TRIALS, cv=2).fit(X, y),
    "search": lambda search: ConvNetSearchCV(search, TRIALS, n_trials=2, cv=2, pruner=None).fit(
        X, y
    ),
    "ensemble": lambda search: BaggingClassifier(search, random_state=0).fit(
        X.reshape(len(X), -1), y
    ),
    "one against the rest": lambda search: OneVsRestClassifier(search).fit(X, y),
    "comparison": lambda search: compare_models({"a": search, "b": search}, X, y, cv=2),
}


@pytest.fixture
def interrupted_search(path, acts):
    """A search with refit that Ctrl-C ends in its second trial."""
    count = itertools.count()

    def act(estimator):
        if next(count) == 3:
            signal.raise_signal(signal.SIGINT)

    acts(act)
    return search_of(recorded_net(path, max_epochs=1), n_trials=3, refit=True)


@pytest.mark.parametrize("fit", list(MANY_FITS.values()), ids=list(MANY_FITS))
def test_ctrl_c_ends_all_fits(fit, interrupted_search, path):
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted_search)
    assert len(trainings(path)[1]) == 4


@pytest.mark.parametrize(
    "around",
    [lambda search: search, lambda search: make_pipeline(FunctionTransformer(), search)],
    ids=["alone", "last step of a Pipeline"],
)
def test_ctrl_c_keeps_the_trials_of_a_single_fit(around, interrupted_search):
    with pytest.warns(UserWarning, match="interrupted after 1 trials of 3"):
        model = around(interrupted_search).fit(X, y)
    assert model.predict(X).shape == y.shape
