"""A fitted network as the architecture of another: what is copied, kept, and refused."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from skcnn import ConvNetFeatures, ConvNetRegressor, ConvNetSearchCV, compare_models
from skcnn._convnet.fitted_base import makes_module
from skcnn._convnet.pipelines import all_convnets
from skcnn._data.value_texts import hash_of
from skcnn.augmentation import Augmented, RandomTranslation
from skcnn.exceptions import ArchitectureError, InputScaleWarning, WeightsError
from skcnn.inspection import feature_maps, saliency
from skcnn.layers import Conv, GlobalPool, Whiten
from tests.helpers.bases import (
    STILL,
    any_size,
    assert_same,
    base,
    digits,
    module,
    module_base,
    net,
    state,
    torch_features,
)

X, Y = digits()[1]
SAME_SIZE = pytest.mark.parametrize("make", [base, any_size, module_base])


def without_output(weights):
    return {k: v for k, v in weights.items() if "output" not in k and "head" not in k}


# What is copied


@SAME_SIZE
@pytest.mark.parametrize("wrap", [lambda x: x, FrozenEstimator])
def test_layers_weights_and_standardisation_are_those_of_the_base(make, wrap):
    child = net(architecture=wrap(make()), random_state=1, **STILL).fit(X[:, ::-1], Y)
    assert_same(without_output(state(child)), without_output(state(make())))
    other = set(state(child)) - set(without_output(state(child)))
    assert len(other) == 2
    assert not np.array_equal(*(state(m)[min(other)] for m in (child, make())))


def test_the_output_layer_has_the_outputs_of_the_new_targets():
    child = net(architecture=base()).fit(X[:80], Y[:80] % 3)
    np.testing.assert_array_equal(child.classes_, [0, 1, 2])
    assert child.summary().loc["output", "parameters"] == 3 * 7
    rows = child.summary().drop(index="output")
    assert rows.equals(base().summary().drop(index="output"))
    unfitted = net(architecture=base()).summary((8, 8, 1), n_outputs=3)
    assert unfitted.equals(child.summary())


@SAME_SIZE
def test_the_base_is_never_changed(make):
    before, seconds = copy.deepcopy(state(make())), make().history_.copy()
    right = make().predict_proba(X)
    net(architecture=make(), max_epochs=3).fit(X, Y).partial_fit(X, Y)
    assert_same(state(make()), before)
    assert make().history_.equals(seconds)
    np.testing.assert_array_equal(make().predict_proba(X), right)


def test_training_changes_all_layers_and_continues_from_their_weights():
    child = net(architecture=base(), warm_start=True, max_epochs=1).fit(X, Y)
    first = state(child)
    assert all(not np.array_equal(v, first[k]) for k, v in state(base()).items() if "layers" in k)
    child.set_params(**STILL).fit(X, Y)
    assert_same(state(child), first)


def test_a_base_of_another_kind_of_estimator_and_a_base_of_a_base():
    regressor = net(ConvNetRegressor, architecture=base(), **STILL).fit(X, Y)
    assert_same(without_output(state(regressor)), without_output(state(base())))
    child = net(architecture=regressor, **STILL).fit(X, Y)
    assert_same(without_output(state(child)), without_output(state(base())))


def test_images_may_have_another_size_where_the_weights_fit():
    large = np.kron(X, np.ones((2, 3)))
    child = net(architecture=any_size(), **STILL).fit(large, Y)
    assert child.input_shape_ == (16, 24, 1)
    right = torch_features(any_size(), large)
    np.testing.assert_allclose(feature_maps(child, large, layer=-2), right, rtol=1e-5)


def test_channels_may_be_first_in_one_of_both():
    child = net(architecture=any_size(), channels="first", **STILL).fit(X[:, None], Y)
    right = feature_maps(any_size(), X, layer=-2)
    np.testing.assert_array_equal(feature_maps(child, X[:, None], layer=-2), right)


def standardized(model, value):
    """Return what the first layer of a network is given for a value of a sample."""
    module = model.net_.module_.standardize
    offset = 0.0 if model.offset_ is None else model.offset_[0]
    return (value - offset) * float(module.scale) + float(module.shift)


@pytest.mark.parametrize(("before", "now"), [(0, 1e8), (1e8, 0), (1e8, 1e8 + 512)])
def test_an_offset_of_either_data_is_taken_into_account(before, now):
    parent = net(architecture=(Conv(4), GlobalPool()), max_epochs=1).fit(X + before, Y)
    child = net(architecture=parent, max_epochs=1).fit(X + now, Y)
    assert (parent.offset_ is None, child.offset_ is None) == (before == 0, now == 0)
    right = standardized(parent, 7.0 + now)
    assert standardized(child, 7.0 + now) == pytest.approx(right, rel=1e-6, abs=1e-6)


def test_the_offset_follows_the_base_and_not_the_parameter_standardize():
    parent = net(architecture=(Conv(4), GlobalPool()), max_epochs=1).fit(X + 1e8, Y)
    child = net(architecture=parent, standardize=False).fit(X + 1e8, Y)  # warns of nothing
    assert child.offset_ == parent.offset_
    expected = net(architecture=parent).fit(X + 1e8, Y)
    np.testing.assert_array_equal(child.predict_proba(X + 1e8), expected.predict_proba(X + 1e8))
    grandchild = net(architecture=child).fit(X + 1e8, Y)
    assert grandchild.offset_ == parent.offset_


def test_a_base_without_standardisation_warns_of_an_offset():
    parent = net(architecture=(Conv(4), GlobalPool()), standardize=False, max_epochs=1).fit(X, Y)
    with pytest.warns(InputScaleWarning) as caught:
        child = net(architecture=parent, max_epochs=1, **STILL).fit(X + 1e8, Y)
    assert any("float32 has few steps" in str(each.message) for each in caught)
    assert child.offset_ is None


def test_whitening_kernels_are_those_of_the_base():
    parent = net(architecture=(Whiten(2), Conv(4), GlobalPool())).fit(*digits()[0])
    child = net(architecture=parent, **STILL).fit(X, Y)
    assert_same(without_output(state(child)), without_output(state(parent)))


@SAME_SIZE
def test_the_automatic_learning_rate_is_a_fifth_of_the_usual_one(make):
    rates = [net(architecture=a, max_epochs=1).fit(X, Y).net_.lr for a in (None, make())]
    np.testing.assert_allclose(rates, [0.005, 0.001])


# What keeps it fitted


@SAME_SIZE
def test_clone_keeps_the_base_and_what_is_set_on_the_estimator(make):
    with config_context(enable_metadata_routing=True):
        child = net(architecture=make()).set_fit_request(sample_weight=True)
    copied = clone(child)
    assert copied.architecture is make()
    assert copied.get_metadata_routing().fit.requests["sample_weight"] is True
    assert copied.get_params() == child.get_params()
    assert not hasattr(clone(copied.fit(X, Y)), "net_")


@SAME_SIZE
def test_pickles_and_deep_copies_train_to_the_same_bits(make):
    child = net(architecture=make())
    right = state(clone(child).fit(X, Y))
    for copied in (pickle.loads(pickle.dumps(child)), copy.deepcopy(child)):
        assert_same(state(copied.fit(X, Y)), right)


def test_parameters_of_the_base_are_not_those_of_the_estimator():
    child = net(architecture=base())
    assert child.get_params()["architecture"] is base()
    assert not [name for name in child.get_params(deep=True) if "__" in name]
    with pytest.raises(ValueError, match=r"'architecture__filters': .* fitted and never changed"):
        child.set_params(architecture__filters=3)
    assert child.set_params(architecture=None, filters=3).architecture is None
    frozen = net(architecture=FrozenEstimator(base()))
    assert frozen.get_params()["architecture__estimator"] is base()
    with pytest.raises(ValueError, match=r"Invalid parameter 'architecture'|cannot set parameters"):
        frozen.set_params(architecture__filters=3)


def test_representations_show_the_base():
    child = net(architecture=base())
    assert "architecture=ConvNetClassifier(" in repr(child)
    assert "ConvNetClassifier" in child._repr_html_()


def test_scikit_learns_tools_keep_the_base():
    child = net(architecture=base())
    scores = cross_val_score(child, X, Y, cv=2)
    np.testing.assert_array_equal(cross_val_score(child, X, Y, cv=2, n_jobs=2), scores)
    pipeline = make_pipeline(FunctionTransformer(), child)
    search = GridSearchCV(pipeline, {"convnetclassifier__dropout": [0.0]}, cv=2).fit(X, Y)
    assert search.best_estimator_[-1].architecture is base()
    augmented = Augmented(child, RandomTranslation(0.1, random_state=0), random_state=0)
    assert clone(augmented).fit(X, Y).estimator_.architecture is base()


def test_a_grid_takes_bases_in_frozen_estimators_only():
    grid = {"architecture": [FrozenEstimator(base()), FrozenEstimator(any_size())]}
    search = GridSearchCV(net(), grid, cv=2).fit(X, Y)
    right = [cross_val_score(net(architecture=b()), X, Y, cv=2).mean() for b in (base, any_size)]
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], right)
    search = GridSearchCV(net(), {"architecture": [base()]}, cv=2, error_score="raise")
    with pytest.raises(NotFittedError, match=r"clone .* pass sklearn.frozen.FrozenEstimator"):
        search.fit(X, Y)


def test_own_search_and_comparison_take_bases(tmp_path):
    space = {"architecture": [None, FrozenEstimator(base())]}
    storage = str(tmp_path / "study.log")

    def searched(space):
        search = ConvNetSearchCV(net(), space, n_trials=2, cv=2, random_state=0)
        return search.set_params(storage=storage, study_name="bases").fit(X, Y)

    first = searched(space)
    scores = cross_val_score(net(architecture=base()), X, Y, cv=first.cv)
    by_base = first.trials_dataframe().set_index("param_architecture")["score"]
    assert by_base.iloc[list(by_base.index).index(space["architecture"][1])] == scores.mean()
    again = searched(pickle.loads(pickle.dumps(space)))  # as in another process
    assert len(again.trials_dataframe()) == 2
    models = {"scratch": net(), "own": net(architecture=base())}
    compared = compare_models(models, X, Y, cv=5, random_state=0)
    assert set(compared.fold_scores["model"]) == {"scratch", "own"}


def test_bases_are_hashed_by_content():
    one = FrozenEstimator(base())
    same = net().fit(*digits()[0])  # other seconds
    assert hash_of(pickle.loads(pickle.dumps(one))) == hash_of(one)
    assert hash_of(FrozenEstimator(same)) == hash_of(one)
    assert hash_of(base()) != hash_of(one)
    other = copy.deepcopy(same)
    with torch.no_grad():
        next(other.net_.module_.parameters())[0, 0] += 1
    assert hash_of(other) != hash_of(same)
    assert hash_of(net().fit(X, Y)) != hash_of(same)


def test_a_base_is_no_network_of_the_model():
    child = net(architecture=base())
    for model in (child, net(architecture=FrozenEstimator(base()))):
        assert all_convnets(make_pipeline(FunctionTransformer(), model)) == [model]


# What is refused


def unfitted():
    return net()


@pytest.mark.parametrize("wrap", [lambda x: x, FrozenEstimator])
def test_an_unfitted_network_raises(wrap):
    child = net(architecture=wrap(unfitted()))
    assert not makes_module(child.architecture)
    for call in (lambda: child.fit(X, Y), lambda: child.summary((8, 8, 1), n_outputs=2)):
        with pytest.raises(NotFittedError, match=r"ConvNetClassifier that is not fitted.*Frozen"):
            call()


@pytest.mark.parametrize(
    "value", [RandomForestClassifier(), FrozenEstimator(RandomForestClassifier()), 3]
)
def test_other_estimators_raise(value):
    with pytest.raises(ValueError, match=r"'architecture' .* a fitted ConvNetClassifier or"):
        net(architecture=value).fit(X, Y)


@SAME_SIZE
def test_other_channels_or_axes_raise(make):
    with pytest.raises(ArchitectureError, match=r"2 spatial axes and 1 channel. Got .* 3 channels"):
        net(architecture=make()).fit(np.stack([X] * 3, axis=-1), Y)
    with pytest.raises(ArchitectureError, match="Got samples with 1 spatial axis and 1 channel"):
        net(architecture=make()).fit(X.reshape(len(X), 64), Y)


def test_a_size_that_the_weights_do_not_fit_raises():
    with pytest.raises(ArchitectureError, match=r"'dense_1' .* \(6, 64\).*\(6, 256\) is needed"):
        net(architecture=base()).fit(np.kron(X, np.ones((2, 2))), Y)
    flat = net(architecture=lambda s, n: nn.Sequential(nn.Flatten(), nn.Linear(64, n)))
    with pytest.raises(ArchitectureError, match=r"\(8, 8, 1\), does not work for \(16, 16, 1\)"):
        net(architecture=flat.fit(X, Y)).fit(np.kron(X, np.ones((2, 2))), Y)


class TwoHeads(nn.Module):
    """A module whose outputs are no layer's."""

    def __init__(self, n_outputs):
        super().__init__()
        self.flat = nn.Flatten()
        self.head = nn.Linear(64, n_outputs)

    def forward(self, x):
        return 2 * self.head(self.flat(x))


class NoLayers(nn.Module):
    """A module without layers that run."""

    def __init__(self, n_outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.unused = nn.ReLU()
        self.n = n_outputs

    def forward(self, x):
        return x.flatten(1)[:, : self.n] * self.weight


class OwnLinear(nn.Linear):
    """A linear layer that does more."""

    def forward(self, x):
        return super().forward(x.flatten(1))


@pytest.mark.parametrize(
    "make",
    [
        lambda s, n: OwnLinear(64, n),
        lambda s, n: TwoHeads(n),
        lambda s, n: NoLayers(n),
        lambda s, n: nn.Sequential(nn.Flatten(), nn.Linear(64, n), nn.LogSoftmax(1)),
    ],
)
def test_modules_that_do_not_end_with_a_linear_layer_raise(make):
    parent = net(architecture=make, max_epochs=1, **STILL).fit(X, Y)
    with pytest.raises(ArchitectureError, match=r"must end with a torch.nn.Linear"):
        net(architecture=parent).fit(X, Y)


def test_another_scale_warns_as_the_base_would():
    byte = net(architecture=(Conv(4), GlobalPool())).fit((X * 15).astype(np.uint8), Y)
    with pytest.warns(InputScaleWarning, match="at fit it lay in .0, 240."):
        net(architecture=byte, **STILL).fit(X / 16, Y)
    net(architecture=byte, **STILL).fit((X * 15).astype(np.uint8), Y)


# What is done with it


def test_inspection_takes_networks_with_a_base():
    for make in (base, module_base):
        child = net(architecture=make()).fit(X, Y)
        for method in ("gradient", "grad_cam"):
            assert np.isfinite(saliency(child, X[:2], method=method)).all()
    child = net(architecture=base(), **STILL).fit(X, Y)
    np.testing.assert_array_equal(feature_maps(child, X[:5]), feature_maps(base(), X[:5]))


@SAME_SIZE
def test_the_layers_of_a_base_stay_frozen(make):
    child = net(architecture=make(), trainable="head").fit(X, Y)
    assert_same(without_output(state(child)), without_output(state(make())))
    again = net(architecture=child, trainable="head").fit(X, Y)
    np.testing.assert_array_equal(
        ConvNetFeatures(again).fit_transform(X), ConvNetFeatures(make()).fit_transform(X)
    )


def partly_frozen(shape, n_outputs):
    made = module(shape, n_outputs)
    made.conv.bias.requires_grad_(False)
    return made


@pytest.mark.parametrize(
    ("make", "n_parameters"), [(module, 9 * 5 + 5 + 30), (partly_frozen, 9 * 5 + 30)]
)
def test_a_module_whose_head_was_trained_is_trained_whole(make, n_parameters):
    parent = net(architecture=make, trainable="head").fit(X, Y)
    before = state(parent)
    child = net(architecture=parent, learning_rate=0.1).fit(X, Y)
    assert child.n_parameters_ == parent.n_parameters_ == n_parameters
    after = state(child)
    changed = {name for name in after if not np.array_equal(before[name], after[name])}
    frozen = {"module.conv.bias"} if make is partly_frozen else set()
    assert changed == {n for n in after if n.startswith("module")} - frozen
    grandchild = net(architecture=child, trainable="head").fit(X, Y)
    assert grandchild.n_parameters_ == n_parameters
    assert_same(before, state(parent))  # which is not changed
    assert not parent.net_.module_.module.conv.weight.requires_grad


def pretrained(n_channels):
    """Return a fitted network with weights of ImageNet, and its images."""
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, n_channels), dtype=np.uint8)
    images[0], images[1] = 0, 255
    params = {"architecture": "efficientnet_lite0", "image_size": 32, "trainable": "head"}
    model = net(pretrained=True, batch_size=4, max_epochs=1, **params)
    return model.fit(images, np.arange(8) % 2), images


def test_a_pretrained_network_is_a_base_with_its_input_layers():
    parent, images = pretrained(1)
    child = net(architecture=parent, trainable="head", batch_size=4, max_epochs=1)
    child.fit(images, np.arange(8) % 4)
    assert list(child.summary().index[:3]) == list(parent.summary().index[:3])
    assert_same(without_output(state(child)), without_output(state(parent)))
    right = ConvNetFeatures("efficientnet_lite0", image_size=32).fit_transform(images)
    for each in (parent, child):
        np.testing.assert_array_equal(ConvNetFeatures(each).fit_transform(images), right)
    with pytest.raises(WeightsError, match="'pretrained' parameter needs an 'architecture'"):
        clone(child).set_params(pretrained=True).fit(images, np.arange(8) % 4)


def test_opacity_is_checked_as_the_base_checks_it():
    parent, images = pretrained(4)
    wrong = images * np.array([1, 1, 1, -1.0])
    with pytest.raises(ValueError, match="fourth channel of X is the opacity"):
        net(architecture=parent).fit(wrong, np.arange(8) % 4)
    for features in (ConvNetFeatures(parent), ConvNetFeatures(image_size=32)):
        with pytest.raises(ValueError, match="fourth channel of X is the opacity"):
            features.fit(images).transform(wrong)


def test_a_callable_still_makes_a_module():
    assert makes_module(module)
    assert makes_module(module_base())
    assert not makes_module(base())
