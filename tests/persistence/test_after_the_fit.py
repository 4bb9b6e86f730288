"""Models whose fit is not described by their parameters alone: fixed statistics, later changes."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import skcnn
from skcnn import ConvNetClassifier
from skcnn.exceptions import UnsupportedModelError
from skcnn.layers._normalization import fixed_statistics
from skcnn.preprocessing import CropSignals, KernelFilter, PadSignals, Spectrogram
from tests.helpers.tiny_base import NAME, install_tiny_base

RNG = np.random.default_rng(0)
Y = np.arange(16) % 2
X = RNG.integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
KNOBS = {"max_epochs": 1, "random_state": 0, "warm_start": True}


class Tiny(nn.Module):
    def __init__(self, n_channels, n_outputs):
        super().__init__()
        self.conv = nn.Conv2d(n_channels, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))


@pytest.fixture
def timm(monkeypatch):
    """A stand-in with one network, published for images of 16x16."""
    module = ModuleType("timm")
    module.list_models = lambda: ["tiny"]
    module.create_model = lambda name, *, pretrained, num_classes, in_chans: Tiny(
        in_chans, num_classes
    )
    module.get_pretrained_cfg = lambda name: SimpleNamespace(
        input_size=(3, 16, 16), mean=(0.5,) * 3, std=(0.5,) * 3
    )
    monkeypatch.setitem(sys.modules, "timm", module)


@pytest.fixture
def tiny_base(monkeypatch, tmp_path):
    install_tiny_base(monkeypatch, tmp_path)


def of_tiny_base():
    return ConvNetClassifier(architecture=NAME, pretrained=True, **KNOBS).fit(X, Y)


def of_package(folder, **changes):
    weights = folder / "tiny.pth"
    torch.save(Tiny(3, 7).state_dict(), weights)
    how = {"architecture": "timm:tiny", "pretrained": str(weights), **changes}
    model = ConvNetClassifier(**KNOBS, **how).fit(X, Y)
    weights.unlink()  # loading needs no weights
    return model


def loaded(model, folder):
    skcnn.save(model, folder / "model")
    return skcnn.load(folder / "model")


def assert_trains_on_alike(again, model):
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    for how in ("fit", "partial_fit"):
        getattr(again, how)(X, Y)
        getattr(model, how)(X, Y)
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert fixed_statistics(again.net_.module_) == fixed_statistics(model.net_.module_)


def test_a_pretrained_network_trains_on_with_fixed_statistics(tiny_base, tmp_path):
    model = of_tiny_base()
    assert len(fixed_statistics(model.net_.module_)) == 2
    assert_trains_on_alike(loaded(model, tmp_path), model)


def test_statistics_of_a_pretrained_base_stay_fixed(tiny_base):
    base = of_tiny_base()
    child = ConvNetClassifier(architecture=base, learning_rate=0.1, **KNOBS).fit(X, 1 - Y)
    names = fixed_statistics(child.net_.module_)
    assert names == fixed_statistics(base.net_.module_)
    own, given = (each.net_.module_.state_dict() for each in (child, base))
    for name in names:
        assert torch.equal(own[f"{name}.running_mean"], given[f"{name}.running_mean"])


@pytest.mark.parametrize("image_size", ["auto", 12, None])
def test_a_pretrained_network_of_a_package_is_loaded_without_weights(timm, tmp_path, image_size):
    model = of_package(tmp_path, image_size=image_size)
    assert len(fixed_statistics(model.net_.module_)) == 1
    assert_trains_on_alike(loaded(model, tmp_path), model)


@pytest.mark.parametrize("change", [{"image_size": 9}, {"pretrained": False}])
def test_other_parameters_than_those_of_the_fit_are_refused(timm, tmp_path, change):
    model = of_package(tmp_path).set_params(**change)
    with pytest.raises(UnsupportedModelError, match="'timm:tiny' makes another network than"):
        skcnn.save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [None, 3, 0.5, True, np.zeros(3), np.float64(1), "x", []])
def test_what_is_no_estimator_leaves_the_old_file(value, tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    with pytest.raises(UnsupportedModelError, match="it is no estimator"):
        skcnn.save(value, path)
    assert path.read_text() == "old"


SIGNALS = RNG.normal(size=(4, 200))
spectrogram = Spectrogram(100, window_seconds=0.1, n_bands=4).fit
kernel_filter = KernelFilter(input_shape=(10, 20)).fit


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (spectrogram, {"n_bands": 3}, "another '_bands'"),
        (spectrogram, {"sample_rate": 200}, "another '_bands'"),
        (spectrogram, {"window_seconds": 0.2}, "another '_bands'"),
        (kernel_filter, {"padding_mode": "wrap"}, "another '_bank'"),
        (kernel_filter, {"convolution": True}, "another '_bank'"),
        (kernel_filter, {"kernel": "laplacian"}, "another '_bank'"),
    ],
)
def test_parameters_changed_after_the_fit_are_refused(make, change, message, tmp_path):
    model = make(SIGNALS)
    before = model.get_params()
    with pytest.raises(UnsupportedModelError, match=f"were changed .* {message}"):
        skcnn.save(model.set_params(**change), tmp_path / "model")
    again = loaded(model.set_params(**before), tmp_path)
    np.testing.assert_array_equal(again.transform(SIGNALS), model.transform(SIGNALS))


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (spectrogram, {"max_decibels": 20.0}),
        (PadSignals(250, padding_mode="constant").fit, {"fill_value": 3.0}),
        (CropSignals(150).fit, {"where": "end"}),
    ],
)
def test_parameters_that_act_at_once_are_saved(make, change, tmp_path):
    model = make(SIGNALS).set_params(**change)
    again = loaded(model, tmp_path)
    np.testing.assert_array_equal(again.transform(SIGNALS), model.transform(SIGNALS))


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (ConvNetClassifier(), {"padding": "x"}),
        (ConvNetClassifier(), {"test_time_augmentation": [3]}),
        (ConvNetClassifier(filters=(2,), max_epochs=1).fit(X, Y), {"max_epochs": -1}),
        (Spectrogram(100), {"low": 60.0}),
        (Spectrogram(100), {"scale": "x"}),
        (skcnn.augmentation.RandomFlip(), {"axis": "x"}),
        (skcnn.ConvNetFeatures(), {"pooling": "x"}),
    ],
)
def test_illegal_parameters_are_refused_when_saved(model, change, tmp_path):
    with pytest.raises(UnsupportedModelError, match=f"illegal parameter: .*'{min(change)}'"):
        skcnn.save(model.set_params(**change), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_the_path_of_a_checkpoint_is_refused(tmp_path):
    X, y = np.random.default_rng(0).random((8, 6, 6)), np.arange(8) % 2
    net = ConvNetClassifier(max_epochs=1, filters=(2,), checkpoint=tmp_path / "fit.ckpt")
    fitted = clone(net).fit(X, y)
    with pytest.raises(UnsupportedModelError, match=r"'checkpoint' .* as None only.*checkpoint=No"):
        skcnn.save(fitted, tmp_path / "model")
    again = loaded(fitted.set_params(checkpoint=None, checkpoint_seconds=5), tmp_path)
    assert (again.checkpoint, again.checkpoint_seconds) == (None, 5)
    assert "_checkpoint_of_clone" not in vars(again)


def test_a_folder_of_features_is_refused(tmp_path):
    model = ConvNetClassifier(feature_cache=str(tmp_path))
    with pytest.raises(UnsupportedModelError, match=r"'feature_cache' .* as None or 'memory' only"):
        skcnn.save(model, tmp_path / "model")
    assert loaded(model.set_params(feature_cache="memory"), tmp_path).feature_cache == "memory"
