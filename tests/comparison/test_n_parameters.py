"""The number of parameters that fitted models of all kinds learned."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetRegressor
from skcnn.augmentation import Augmented, RandomNoise
from skcnn.comparison._n_parameters import n_parameters_of
from tests.helpers.small_nets import small


def n_trainable(net):
    return sum(p.numel() for p in net.net_.module_.parameters() if p.requires_grad)


def test_parameters_of_networks(digits):
    X, y = digits
    net = make_pipeline(StandardScaler(), small()).fit(X, y)
    assert n_parameters_of(net) == n_trainable(net[-1]) > 0
    assert n_parameters_of(small(ConvNetRegressor).fit(X, y)) > 0


def test_parameters_of_the_best_of_a_search(digits):
    search = GridSearchCV(small(), {"filters": [(2,), (3,)]}, cv=2).fit(*digits)
    assert n_parameters_of(search) == search.best_estimator_.n_parameters_
    assert n_parameters_of(GridSearchCV(small(), {}, cv=2, refit=False).fit(*digits)) is None


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


def test_parameters_inside_other_estimators(digits):
    X, y = digits
    inner = small(ConvNetRegressor)
    model = TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1).fit(X, y)
    assert n_parameters_of(model) == model.regressor_.n_parameters_
    augmented = Augmented(small(), [RandomNoise(0.1)], input_shape=(8, 8)).fit(X, y)
    assert n_parameters_of(augmented) == augmented.estimator_.n_parameters_
