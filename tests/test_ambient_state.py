"""Results are the same bits in whatever state of torch the caller is, which is left as it was."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import GaussianNB
from torch import nn

from skcnn import (
    ConvNetClassifier,
    ConvNetFeatures,
    ConvNetRegressor,
    ConvNetSearchCV,
    compare_models,
)
from skcnn.augmentation import Augmented, RandomElastic, RandomNoise, RandomTranslation
from skcnn.inspection import (
    ArchitectureDisplay,
    AugmentationDisplay,
    FeatureMapsDisplay,
    FiltersDisplay,
    LearningRateDisplay,
    RobustnessDisplay,
    SaliencyDisplay,
    TopLossesDisplay,
    feature_maps,
    filters,
    saliency,
)
from tests.helpers.ambient import AMBIENT, ambient, torch_state
from tests.helpers.weights import weights_of

X = np.random.default_rng(0).random((48, 10, 10), dtype=np.float32)  # bfloat16 changes bits
Y = np.arange(48) % 3
ALL = pytest.mark.parametrize("name", AMBIENT)


def net(cls=ConvNetClassifier, **params):
    defaults = {"filters": 4, "hidden_units": (8,), "max_epochs": 2, "random_state": 0}
    return cls(**{**defaults, **params})


def arrays(model):
    return [value.float().numpy() for value in weights_of(model).values()]


@cache
def pickled():
    return pickle.dumps(net().fit(X, Y))


def fitted():
    return pickle.loads(pickled())


def module(shape, n_outputs):
    return nn.Sequential(nn.Conv2d(shape[0], 4, 3), nn.Flatten(), nn.Linear(256, n_outputs))


def continued(model):
    return arrays(model.partial_fit(X, Y))


def searched():
    search = ConvNetSearchCV(net(max_epochs=1), {"dropout": [0.0, 0.2]}, n_trials=2, cv=2)
    search.set_params(random_state=0).fit(X, Y)
    return [search.cv_results_["mean_test_score"], search.predict_proba(X)]


def compared():
    models = {"a": net(max_epochs=1), "b": net(max_epochs=1, filters=2)}
    return [compare_models(models, X, Y, cv=2, random_state=0).fold_scores["score"].to_numpy()]


def features():
    own = ConvNetFeatures(fitted(), layer="conv_1", pooling="both").fit(X)
    copied = pickle.loads(pickle.dumps(own))
    drawn = ConvNetFeatures("resnet20", pretrained=False, random_state=0).fit(X)
    of_module = ConvNetFeatures(module, random_state=0).fit(X)
    return [each.transform(X) for each in (own, copied, drawn, of_module)]


WORK = {
    "fit": lambda: arrays(net(dropout=0.2).fit(X, Y)),
    "fit in bfloat16": lambda: arrays(net(precision="bfloat16").fit(X, Y)),
    "fit of a regressor": lambda: arrays(net(ConvNetRegressor, early_stopping=True).fit(X, Y)),
    "fit of a module": lambda: arrays(net(architecture=module).fit(X, Y)),
    "fit on a tensor": lambda: arrays(net(max_epochs=1).fit(torch.from_numpy(X) * 2, Y)),
    "fit of a base": lambda: arrays(net(architecture=fitted()).fit(X, Y)),
    "features": features,
    "partial_fit": lambda: continued(fitted()),
    "partial_fit of a copy": lambda: continued(copy.deepcopy(fitted())),
    "predict": lambda: [fitted().predict(X)],
    "predict_proba": lambda: [fitted().predict_proba(X), fitted().predict_proba(X[:3])],
    "search": searched,
    "comparison": compared,
    "saliency": lambda: [saliency(fitted(), X[:4], method=m) for m in ("gradient", "grad_cam")],
    "feature_maps": lambda: [feature_maps(fitted(), X[:4]), filters(fitted())],
    "augmentation": lambda: [
        RandomTranslation(0.2, random_state=0).fit_transform(X).to_numpy(),
        RandomElastic(random_state=0).apply(X, RandomElastic(random_state=0).draw(X)),
        Augmented(GaussianNB(), RandomNoise(), input_shape=(10, 10), random_state=0)
        .fit(X.reshape(48, -1), Y)
        .predict_proba(X.reshape(48, -1)),
    ],
    "summary": lambda: [net(architecture=module).summary((10, 10, 1), 3)["parameters"].to_numpy()],
}
DISPLAYS = {
    "learning rate": lambda: LearningRateDisplay.from_estimator(net(), X, Y, n_steps=50),
    "robustness": lambda: RobustnessDisplay.from_estimator(fitted(), X, Y, values=[0, 1]),
    "maps": lambda: FeatureMapsDisplay.from_estimator(fitted(), X),
    "filters": lambda: FiltersDisplay.from_estimator(fitted()),
    "saliency": lambda: SaliencyDisplay.from_estimator(fitted(), X[:2]),
    "losses": lambda: TopLossesDisplay.from_estimator(fitted(), X, Y),
    "augmentation": lambda: AugmentationDisplay.from_estimator(RandomElastic(), X, n_draws=1),
    "architecture": lambda: ArchitectureDisplay.from_estimator(fitted()),
}


@cache
def expected(work):
    return WORK[work]()


# They fit and predict many times, whose bits are tested in every state.
LONGER = {"search", "comparison", "features"}
QUICK = {
    "autocast", "inference_mode", "dtype float64", "device meta", "precision bf16",
    "deterministic", "no_grad in autocast",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:2 splits leave 1 degree of freedom")
@pytest.mark.parametrize(
    ("work", "name"),
    [
        pytest.param(
            work, name, marks=pytest.mark.slow if work in LONGER and name not in QUICK else ()
        )
        for work in WORK
        for name in AMBIENT
    ],
)
def test_ambient_state_changes_no_bit_and_is_left_untouched(name, work):
    right = expected(work)
    with ambient(name):
        before = torch_state()
        got = WORK[work]()
        assert torch_state() == before
    for a, b in zip(got, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("display", DISPLAYS)
def test_ambient_state_does_not_break_a_display(display):
    with ambient("device cuda"), torch.inference_mode():
        before = torch_state()
        DISPLAYS[display]()
        assert torch_state() == before


class FailureError(Exception):
    pass


def failing(shape, n_outputs):
    raise FailureError


@ALL
def test_ambient_state_is_left_untouched_by_an_exception(name):
    model = fitted()
    with ambient(name):
        before = torch_state()
        with pytest.raises(FailureError):
            net(architecture=failing).fit(X, Y)
        with pytest.raises(ValueError, match="samples of shape"):
            model.predict(X[:, :5])
        assert torch_state() == before


def test_samples_and_models_made_in_inference_mode_can_be_used():
    with torch.inference_mode():
        samples, model = torch.from_numpy(X) * 2, fitted()
    got = arrays(net(max_epochs=1).fit(samples, Y)) + continued(model)
    for a, b in zip(got, expected("fit on a tensor") + expected("partial_fit"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["dtype float64", "precision bf16", "legacy medium"])
def test_ambient_state_of_the_process_survives_fits_in_threads(name):
    right = expected("fit")
    with ambient(name):
        before = torch_state()
        with ThreadPoolExecutor(4) as pool:
            results = [future.result() for future in [pool.submit(WORK["fit"]) for _ in range(8)]]
        assert torch_state() == before
    for got in results:
        for a, b in zip(got, right, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_operators_precision_follows_the_ambient_one_after_a_fit():
    with ambient("precision tf32"):
        net().fit(X, Y)
    assert torch.backends.mkldnn.conv.fp32_precision == "none"
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"  # its own, from the beginning
