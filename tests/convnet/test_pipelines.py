"""What a Pipeline or a search ends in, what reaches it, and how much it learned."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet.pipelines import (
    before_final,
    best_of_search,
    convnet_of,
    end_of,
    final_step,
    fitted_convnet,
    n_parameters_of,
    network_samples,
)
from skcnn.augmentation import Augmented, RandomNoise
from skcnn.model_selection import _folds as folds
from tests.helpers.small_nets import small


def nested():
    return make_pipeline(
        MinMaxScaler(), Pipeline([("half", FunctionTransformer(_half)), ("net", small())])
    )


def _half(X):
    return X / 2


def test_the_end_of_pipelines_and_searches():
    net = small()
    inner = make_pipeline(StandardScaler(), net)
    search = GridSearchCV(make_pipeline(MinMaxScaler(), inner), {})
    for estimator in (net, inner, make_pipeline(inner), search, make_pipeline(search)):
        assert end_of(estimator) is net
    assert final_step(make_pipeline(MinMaxScaler(), inner)) is net
    assert final_step(make_pipeline(search)) is search
    assert convnet_of(make_pipeline(inner)) is net
    assert convnet_of(search) is convnet_of(SVC()) is convnet_of(make_pipeline(SVC())) is None
    assert end_of(Pipeline([("later", "passthrough")])) == "passthrough"


def test_samples_pass_all_steps_but_the_last(digits):
    X, y = digits
    model = nested().fit(X, y)
    scaled = MinMaxScaler().fit_transform(X) / 2
    assert_array_equal(before_final(model, X), scaled)
    assert before_final(small(), X) is X
    assert before_final(make_pipeline(small()), X) is X
    net, images = network_samples(model, X)
    assert net is model[-1][-1]
    assert_array_equal(images.rows.numpy(), scaled.astype(np.float32))
    assert_array_equal(net.predict(scaled), model.predict(X))


def test_samples_of_a_search_pass_the_steps_of_the_best(digits):
    X, y = digits
    search = GridSearchCV(nested(), {"pipeline__net__filters": [(2,), (3,)]}, cv=2).fit(X, y)
    net, images = network_samples(search, X)
    assert net is fitted_convnet(search) is search.best_estimator_[-1][-1]
    assert_array_equal(
        images.rows.numpy(), (MinMaxScaler().fit_transform(X) / 2).astype(np.float32)
    )
    assert best_of_search(search) is search.best_estimator_
    assert n_parameters_of(search) == net.n_parameters_


def test_augmented_samples_are_the_original_ones(digits):
    X, y = digits
    model = make_pipeline(RandomNoise(0.5), small()).fit(X, y)
    _, images = network_samples(model, RandomNoise(0.5).fit_transform(X))
    assert_array_equal(images.rows.numpy(), X.astype(np.float32))


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (SVC(), TypeError, r"Got SVC\."),
        (make_pipeline(StandardScaler(), SVC()), TypeError, r"Got SVC\."),
        (GridSearchCV(small(), {}), NotFittedError, "GridSearchCV instance is not fitted yet"),
        (GridSearchCV(SVC(), {}), TypeError, r"that was refitted\. Got GridSearchCV\."),
        (Pipeline([("later", "passthrough")]), TypeError, r"Got str\."),
        (None, TypeError, r"Got NoneType\."),
        (ConvNetClassifier, TypeError, r"Got ABCMeta\."),
        (small(), NotFittedError, "not fitted yet"),
        (make_pipeline(StandardScaler(), small()), NotFittedError, "not fitted yet"),
    ],
    ids=["SVC", "pipeline", "search", "other search", "passthrough", "None", "class", "unfitted", "unfitted pipeline"],
)  # fmt: skip
def test_what_is_no_fitted_network_is_refused(model, error, message):
    with pytest.raises(error, match=message):
        fitted_convnet(model)


def test_a_search_that_was_not_refitted_is_refused(digits):
    search = GridSearchCV(small(), {}, cv=2, refit=False).fit(*digits)
    with pytest.raises(TypeError, match="that was refitted"):
        fitted_convnet(search)
    assert n_parameters_of(search) is None


# Numbers learned


def trainable(net):
    return sum(p.numel() for p in net.net_.module_.parameters() if p.requires_grad)


def test_parameters_of_networks(digits):
    X, y = digits
    net = make_pipeline(StandardScaler(), small()).fit(X, y)
    assert n_parameters_of(net) == trainable(net[-1]) > 0
    assert n_parameters_of(small(ConvNetRegressor).fit(X, y)) > 0


# 64 features and 3 classes
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (SGDClassifier(), 3 * 64 + 3),
        (LogisticRegression(C=1e-4, fit_intercept=False), 3 * 64),
        (Ridge(), 65),
        (Ridge(fit_intercept=False), 64),
        (Lasso(alpha=10), 65),
        (SVC(kernel="linear"), 3 * 64 + 3),
        (MLPClassifier((5,), solver="lbfgs", max_iter=1, alpha=1e3, tol=1e9), 64 * 5 + 5 + 5 * 3 + 3),
        (SVC(), None),
        (GaussianNB(), None),
        (DummyClassifier(), None),
    ],
    ids=lambda value: "" if isinstance(value, int) else str(value),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_parameters_of_other_models(model, expected, digits):
    X, y = digits
    assert n_parameters_of(model.fit(X, y)) == expected
    for outer in (make_pipeline(model), GridSearchCV(model, {}, cv=2)):
        assert n_parameters_of(outer.fit(X, y)) == expected
    inner = make_pipeline(FunctionTransformer(), GridSearchCV(make_pipeline(model), {}, cv=2))
    assert n_parameters_of(inner.fit(X, y)) == expected


def test_parameters_of_sparse_coefficients(digits):
    X, y = digits
    assert n_parameters_of(SVC(kernel="linear").fit(sparse.csr_array(X), y)) == 3 * 64 + 3
    model = SGDClassifier(penalty="l1", random_state=0).fit(X, y).sparsify()
    assert n_parameters_of(model) == 3 * 64 + 3


def test_networks_inside_searches_share_a_device(monkeypatch):
    monkeypatch.setattr(folds, "resolve_device", lambda device: torch.device("cuda:0"))
    for model in (small(), GridSearchCV(make_pipeline(StandardScaler(), small()), {})):
        with pytest.warns(UserWarning, match="n_jobs=2: all fits share the device cuda:0"):
            assert folds.processes_for([SVC(), model], 2, "fits") == 1
        assert folds.processes_for([model], 1, "fits") == 1
    assert folds.processes_for([SVC()], 2, "fits") == 2


def test_numbers_learned_inside_a_regressor_of_transformed_targets(digits):
    X, y = digits
    inner = small(ConvNetRegressor)
    model = TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1).fit(X, y)
    assert n_parameters_of(model) == model.regressor_.n_parameters_
    augmented = Augmented(small(), [RandomNoise(0.1)]).fit(X, y)
    assert n_parameters_of(augmented) == augmented.estimator_.n_parameters_


@pytest.mark.parametrize("n_runs", [1, 5])
def test_networks_inside_other_estimators_share_an_accelerator(monkeypatch, n_runs):
    monkeypatch.setattr(folds, "resolve_device", lambda device: torch.device("cuda:0"))
    model = VotingClassifier([("net", small()), ("svc", SVC())])
    if n_runs == 1:  # which needs one process anyway
        assert folds.processes_for([model], 2, "fits", n_runs) == 1
        return
    with pytest.warns(UserWarning, match="all fits share the device cuda:0"):
        assert folds.processes_for([model], 2, "fits", n_runs) == 1


def test_a_pipeline_that_ends_in_a_search_is_read_through(digits):
    X, y = digits
    search = GridSearchCV(make_pipeline(StandardScaler(), small()), {}, cv=2)
    outer = make_pipeline(MinMaxScaler(), search).fit(X, y)
    net, images = network_samples(outer, X[:3])
    best = outer[-1].best_estimator_
    assert net is best[-1]
    scaled = best[0].transform(outer[0].transform(X[:3]))
    np.testing.assert_allclose(images.rows, scaled, rtol=1e-6)
