"""The final estimator of Pipelines and searches, and the samples that reach it."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn._convnet.pipelines import (
    check_convnet,
    copy_samples,
    final_estimator,
    find_convnet,
    fit_before_final,
    network_input,
    network_samples,
    replace_final,
    trains_augmented,
    transform_before_final,
    with_copied_samples,
)
from skcnn._data.layouts import InputLayout
from skcnn.augmentation import RandomNoise, RandomRotation
from tests.helpers.small_nets import small
from tests.helpers.steps import Double, RepeatFirstClass, sampling_pipeline


def nested():
    return make_pipeline(
        MinMaxScaler(), Pipeline([("half", FunctionTransformer(_half)), ("net", small())])
    )


def _half(X):
    return X / 2


def test_final_estimators_of_pipelines():
    net = small()
    inner = make_pipeline(StandardScaler(), net)
    search = GridSearchCV(make_pipeline(MinMaxScaler(), inner), {})
    assert final_estimator(make_pipeline(MinMaxScaler(), inner)) is net
    assert final_estimator(net) is net
    assert final_estimator(make_pipeline(search)) is search
    assert final_estimator(Pipeline([("later", "passthrough")])) == "passthrough"


def test_convnets_in_pipelines_and_unfitted_searches():
    net = small()
    inner = make_pipeline(StandardScaler(), net)
    search = GridSearchCV(make_pipeline(MinMaxScaler(), inner), {})
    for estimator in (net, inner, make_pipeline(inner), search, make_pipeline(search)):
        assert find_convnet(estimator, in_searches=True) is net
    assert find_convnet(make_pipeline(inner)) is net
    for estimator in (search, SVC(), make_pipeline(SVC()), Pipeline([("later", "passthrough")])):
        assert find_convnet(estimator) is None
    assert find_convnet(GridSearchCV(make_pipeline(SVC()), {}), in_searches=True) is None


def test_another_final_estimator_keeps_the_steps_before():
    model, net = nested(), small()
    replaced = replace_final(model, net)
    assert replaced[-1][-1] is net
    assert replaced[0] is model[0]
    assert replaced[-1][0] is model[-1][0]
    assert model[-1][-1] is not net
    assert replace_final(small(), net) is net


def test_samples_pass_all_steps_but_the_last(digits):
    X, y = digits
    model = nested().fit(X, y)
    scaled = MinMaxScaler().fit_transform(X) / 2
    assert_array_equal(transform_before_final(model, X), scaled)
    assert transform_before_final(small(), X) is X
    assert transform_before_final(make_pipeline(small()), X) is X
    net, images = network_samples(model, X)
    assert net is model[-1][-1]
    assert_array_equal(images.rows.numpy(), scaled.astype(np.float32))
    assert_array_equal(net.predict(scaled), model.predict(X))


def test_samples_of_a_search_pass_the_steps_of_the_best(digits):
    X, y = digits
    search = GridSearchCV(nested(), {"pipeline__net__filters": [(2,), (3,)]}, cv=2).fit(X, y)
    net, images = network_samples(search, X)
    assert net is check_convnet(search) is search.best_estimator_[-1][-1]
    assert net is check_convnet(search, fitted=False) is final_estimator(search, fitted=True)
    assert final_estimator(search) is search
    assert_array_equal(
        images.rows.numpy(), (MinMaxScaler().fit_transform(X) / 2).astype(np.float32)
    )


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
def test_an_estimator_without_a_fitted_convnet_raises(model, error, message):
    with pytest.raises(error, match=message):
        check_convnet(model)


def test_a_search_that_was_not_refitted_raises(digits):
    search = GridSearchCV(small(), {}, cv=2, refit=False).fit(*digits)
    with pytest.raises(TypeError, match="that was refitted"):
        check_convnet(search)


def test_a_convnet_that_need_not_be_fitted():
    net = small()
    assert check_convnet(make_pipeline(StandardScaler(), net), fitted=False) is net
    for model in (GridSearchCV(net, {}), SVC()):
        with pytest.raises(TypeError, match="ConvNetRegressor, fitted or not, a Pipeline"):
            check_convnet(model, fitted=False)


def test_a_pipeline_that_ends_in_a_search_ends_in_its_best_estimator(digits):
    X, y = digits
    search = GridSearchCV(make_pipeline(StandardScaler(), small()), {}, cv=2)
    outer = make_pipeline(MinMaxScaler(), search).fit(X, y)
    net, images = network_samples(outer, X[:3])
    best = outer[-1].best_estimator_
    assert net is best[-1]
    scaled = best[0].transform(outer[0].transform(X[:3]))
    np.testing.assert_allclose(images.rows, scaled, rtol=1e-6)


def test_steps_without_fitted_attributes_and_samplers_are_walked_as_in_predict(digits):
    X, y = digits
    scaled = StandardScaler().fit(X).transform(X)
    plain = make_pipeline(StandardScaler(), Double(), small()).fit(X, y)
    assert_array_equal(transform_before_final(plain, X), 2 * scaled)
    for steps in ([StandardScaler(), RepeatFirstClass()], [RepeatFirstClass(), Double()]):
        model = sampling_pipeline(*steps, small()).fit(X, y)
        net, samples = network_input(model, X)
        assert_array_equal(net.predict_proba(samples), model.predict_proba(X))
        nested = make_pipeline(Double(), sampling_pipeline(*steps, small())).fit(X, y)
        net, samples = network_input(nested, X)
        assert_array_equal(net.predict_proba(samples), nested.predict_proba(X))


@pytest.mark.parametrize("make_X", [np.array, pd.DataFrame, torch.tensor], ids=lambda f: f.__name__)
def test_steps_that_write_into_their_samples_are_given_a_copy(digits, make_X):
    X, y = digits
    model = make_pipeline(StandardScaler(copy=False), small()).fit(X.copy(), y)
    given = make_X(X)
    expected = StandardScaler().fit(X).transform(X)
    for _ in range(2):
        assert_allclose(np.asarray(transform_before_final(model, given)), expected, rtol=1e-6)
        assert_array_equal(np.asarray(given), X)


def test_samples_that_cannot_be_written_into_are_not_copied(digits):
    X = digits[0].copy()
    X.flags.writeable = False
    assert copy_samples(X) is X


def test_another_prediction_of_copied_samples_is_the_same(digits):
    X, y = digits
    model = make_pipeline(StandardScaler(copy=False), small()).fit(X.copy(), y)
    search = GridSearchCV(model, {}, cv=2).fit(X.copy(), y)
    for fitted in (model, search, make_pipeline(search)):
        copying, given = with_copied_samples(fitted), X.copy()
        first = copying.predict_proba(given)
        assert_array_equal(copying.predict_proba(given), first)
        assert_array_equal(fitted.predict_proba(X.copy()), first)
    net = model[-1]
    assert with_copied_samples(net) is net
    named = Pipeline([("copy", StandardScaler()), ("net", small())]).fit(X, y)
    assert [name for name, _ in with_copied_samples(named).steps] == ["copy_", "copy", "net"]


def test_a_fit_hands_on_what_the_steps_resample_and_transform(digits):
    X, y = digits
    model = sampling_pipeline(RepeatFirstClass(), StandardScaler(copy=False), small())
    given = X.copy()
    samples, targets = fit_before_final(model, given, y)
    assert_array_equal(targets, [*y, *y[y == y[0]]])
    repeated = np.concatenate([X, X[y == y[0]]])
    assert_allclose(samples, StandardScaler().fit_transform(repeated))
    assert_array_equal(given, X)
    assert not hasattr(model[1], "mean_")
    assert fit_before_final(small(), X, y)[0] is X


def test_a_fit_hands_on_metadata_of_the_steps(digits):
    X, y = digits
    weight = np.where(y < 5, 1.0, 0.0)
    model = make_pipeline(StandardScaler(), small())
    params = {"standardscaler__sample_weight": weight, "convnetclassifier__sample_weight": weight}
    expected = StandardScaler().fit(X, sample_weight=weight).transform(X)
    assert_allclose(fit_before_final(model, X, y, params)[0], expected)
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = make_pipeline(scaler, small().set_fit_request(sample_weight=True))
        samples, _ = fit_before_final(model, X, y, {"sample_weight": weight})
    assert_allclose(samples, expected)


IMAGE, SIGNAL = InputLayout((8, 8, 1), "last"), InputLayout((64, 1), "last")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (small(), False),
        (small(augmentation=[]), False),
        (small(augmentation=RandomNoise()), True),
        (small(augmentation=[RandomRotation(0)]), False),
        (small(augmentation=RandomNoise(), augmentation_strength=0), False),
        (small(augmentation=[len], augmentation_strength=0), True),
        (make_pipeline(RandomNoise(), small()), True),
        (make_pipeline(RandomRotation(0), small()), False),
        (make_pipeline(make_pipeline(RandomNoise()), small(augmentation_strength=0)), False),
        (small(augmentation="auto"), True),
        (small(augmentation="auto", augmentation_strength=0), False),
        (Pipeline([("later", "passthrough")]), False),
    ],
)
def test_which_estimators_train_on_augmented_samples(estimator, expected):
    assert trains_augmented(estimator, None) is expected


def test_samples_that_are_augmented_already_count():
    X = RandomNoise().fit_transform(np.zeros((2, 8, 8)))
    assert trains_augmented(small(), X)
    assert not trains_augmented(small(augmentation_strength=0), X)
    assert trains_augmented(small(augmentation_strength=0), X, at_strength=1.0)


def test_auto_augments_no_signals():
    net = small(augmentation="auto")
    assert trains_augmented(net, None, IMAGE)
    assert not trains_augmented(net, None, SIGNAL)
