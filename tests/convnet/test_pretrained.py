"""Estimators on pretrained bases: what their images become, weights, parameters, errors."""

import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._architectures import pretrained
from skcnn._architectures.pretrained import PRETRAINED, PretrainedBase, load_base
from skcnn._architectures.registry import NAMED, NamedArchitecture
from skcnn._architectures.weight_matching import PADDED
from skcnn._network.network import WrappedNet
from skcnn._network.trained_part import TrainedPart
from skcnn.exceptions import (
    ArchitectureError,
    InputScaleWarning,
    MissingDependencyError,
    WeightsError,
)
from skcnn.layers import Activation, Conv, GlobalPool, Normalize, Rescale, Resize, ToRGB
from skcnn.layers._normalization import BatchNorm
from skcnn.layers._sequence import build_sequence, trace, with_output
from tests.helpers.device import on_cpu
from tests.helpers.weights import weights_of

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (8, 12, 10, 3), dtype=np.uint8)
Y = np.arange(8) % 2
X_SMALL = np.ascontiguousarray(BYTES[:, :, :, :1])
LITE0 = "efficientnet_lite0"
SIDE, MEAN, STD = 16, (0.5, 0.25, 0.5), (0.5, 1.0, 2.0)
COLOUR_FREE = (sum(MEAN) / 3, sum(STD) / 3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a file for the network of `small_base`."""
    rows = trace(with_output(small_layers((3, SIDE, SIDE)), 5), (3, SIDE, SIDE))
    layers = build_sequence(rows, is_signal=False)
    generator = torch.Generator().manual_seed(0)
    for each in layers.parameters():
        nn.init.normal_(each, generator=generator)
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.save(layers.state_dict(), path)
    return path


def small_layers(shape, adapt=True):
    return (Conv(4, 3), Normalize(), Activation("relu"), GlobalPool())


@pytest.fixture
def small_base(monkeypatch):
    """Give LeNet-5's name to a small network that is published for images of 16x16."""
    base = PretrainedBase(SIDE, 8, MEAN, STD, "nowhere", "none")
    monkeypatch.setitem(NAMED, "lenet5", NamedArchitecture(small_layers))
    monkeypatch.setitem(PRETRAINED, "lenet5", base)


def net(cls=ConvNetClassifier, **params):
    """Return a network that hardly moves in its one epoch."""
    defaults = {
        "architecture": LITE0, "pretrained": True, "image_size": 32, "max_epochs": 1,
        "learning_rate": 1e-9, "batch_size": 4, "random_state": 0, "precision": "float32",
    }  # fmt: skip
    return cls(**{**defaults, **params})


def small(weights, **params):
    return net(architecture="lenet5", pretrained=weights, **{"image_size": "auto", **params})


def base_inputs(model, X):
    """Return what the first convolution of a fitted network gets, channels first."""
    found = []
    first = next(part for part in model.net_.module_.modules() if isinstance(part, nn.Conv2d))
    hook = first.register_forward_pre_hook(
        lambda part, inputs: found.append(inputs[0].cpu().numpy())
    )
    model.predict(X)  # a network with hooks is predicted by its own forward pass
    hook.remove()
    return found[0][: len(X)]


def resized(pixels, side):
    """Return Pillow's interpolation of each channel, (n, n_channels, side, side)."""
    return np.array(
        [
            [
                np.asarray(Image.fromarray(plane).resize((side, side), Image.Resampling.BILINEAR))
                for plane in np.moveaxis(image, -1, 0).astype(np.float32)
            ]
            for image in pixels
        ]
    )


def prepared(pixels, side=SIDE, numbers=(MEAN, STD)):
    """Return the interpolation of colours in [0, 1], less the mean, over the deviation."""
    mean, std = (np.array(each).reshape(3, 1, 1) for each in numbers)
    return (resized(pixels, side) - mean) / std


GREY = BYTES[..., :1]
OPACITY = BYTES[:, :, :, [0, 1, 2, 0]]
WHITE = (BYTES / 255) * (GREY / 255) + 1 - GREY / 255
INPUTS = {
    "bytes": (BYTES, BYTES / 255),
    "fractions": ((BYTES / 255).astype(np.float32), BYTES / 255),
    "grey": (GREY, np.repeat(GREY / 255, 3, -1)),
    "opacity": (OPACITY, WHITE),
    "fractions with opacity": ((OPACITY / 255).astype(np.float32), WHITE),
    "a mask": ((GREY > 128).astype(np.uint8), np.repeat(GREY > 128, 3, -1).astype(float)),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_a_base_gets_the_images_that_it_was_trained_on(small_base, weights, kind):
    X, pixels = INPUTS[kind]
    model = small(weights).fit(X, Y)
    np.testing.assert_allclose(base_inputs(model, X), prepared(pixels), atol=2e-5)


def test_other_values_are_scaled_by_their_range_with_a_warning(small_base, weights):
    X = BYTES.astype(np.float32) * 10 - 500
    with pytest.warns(
        InputScaleWarning, match=r"The values of X lie in \[-500, 2050\], .* \[0, 1\]"
    ):
        model = small(weights).fit(X, Y)
    np.testing.assert_allclose(base_inputs(model, X), prepared((X + 500) / 2550), atol=2e-5)


def test_few_grey_levels_count_as_numbers(small_base, weights):
    X = (GREY // 16).astype(np.float64)  # 0 to 15, as scikit-learn's digits
    with pytest.warns(InputScaleWarning, match=r"lie in \[0, 15\]"):
        model = small(weights).fit(X, Y)
    expected = prepared(np.repeat(X / 15, 3, -1))
    np.testing.assert_allclose(base_inputs(model, X), expected, atol=2e-5)


def test_many_channels_give_a_grey_image_the_outputs_of_grey(small_base, weights):
    X = np.repeat(GREY, 6, -1)
    model = small(weights).fit(X, Y)
    mean, std = COLOUR_FREE
    expected = (resized(X / 255, SIDE) - mean) / std
    np.testing.assert_allclose(base_inputs(model, X), expected, atol=2e-5)
    wide = on_cpu(model.net_.module_.layers.conv_1)
    narrow = on_cpu(small(weights).fit(BYTES, Y).net_.module_.layers.conv_1)
    with torch.inference_mode():
        x = torch.rand(2, 1, 5, 5)
        torch.testing.assert_close(wide(x.repeat(1, 6, 1, 1)), narrow(x.repeat(1, 3, 1, 1)))


def test_values_that_are_prepared_already_are_kept(small_base, weights):
    X = ((BYTES / 255 - 0.5) / 0.5).astype(np.float32)
    model = small(weights, standardize=False).fit(X, Y)
    assert "rescale_1" not in model.summary().index
    np.testing.assert_allclose(base_inputs(model, X), resized(X, SIDE), atol=2e-5)
    with pytest.raises(ValueError, match=r"^standardize=False with pretrained .* Got bytes"):
        small(weights, standardize=False).fit(BYTES, Y)


def test_predictions_for_bytes_and_fractions_agree(small_base, weights):
    model = small(weights).fit(BYTES, Y)
    with pytest.warns(InputScaleWarning, match="bytes divided by 255"):
        wrong = model.decision_function(BYTES / 255)
    assert not np.allclose(wrong, model.decision_function(BYTES))
    fractions = small(weights).fit(BYTES / 255, Y)
    fractions.net_.module_.layers.load_state_dict(model.net_.module_.layers.state_dict())
    np.testing.assert_allclose(
        fractions.decision_function(BYTES / 255), model.decision_function(BYTES), atol=1e-5
    )


def test_opacity_at_prediction_is_checked(small_base, weights):
    X = OPACITY / 255
    model = small(weights).fit(X, Y)
    beyond = X.copy()
    beyond[2, 3, 4, 3] = 1.5
    with pytest.raises(ValueError, match=r"the opacity .* Got values in \[\S+, 1\.5\] where"):
        model.predict(beyond)
    with pytest.warns(InputScaleWarning), pytest.raises(ValueError, match=r"the opacity .* 25\d\]"):
        model.predict(OPACITY)
    first = small(weights, channels="first").fit(np.moveaxis(X, -1, 1), Y)
    assert first.predict(np.moveaxis(X, -1, 1)).shape == (8,)
    with pytest.raises(ValueError, match="the opacity"):
        first.predict(np.moveaxis(beyond, -1, 1))
    with pytest.raises(ValueError, match="the opacity"):
        model.predict(X - 0.5)


def test_paths_of_either_kind_and_copies_of_a_file_give_equal_networks(
    small_base, weights, tmp_path
):
    (tmp_path / "b.pth").write_bytes(weights.read_bytes())
    first, second = (
        small(source).fit(BYTES, Y).predict_proba(BYTES)
        for source in (str(weights), tmp_path / "b.pth")
    )
    np.testing.assert_array_equal(first, second)


def test_regressors_have_pretrained_bases(small_base, weights):
    how = {"architecture": "lenet5", "pretrained": weights}
    model = net(ConvNetRegressor, **how).fit(BYTES, BYTES.mean((1, 2, 3)))
    assert model.predict(BYTES).shape == (8,)


def test_parameters_are_cloned_and_searched(small_base, weights):
    copied = clone(small(weights, image_size=(32, 40)))
    assert (copied.pretrained, copied.image_size) == (weights, (32, 40))
    grid = {"pretrained": [False, str(weights)], "image_size": [None, 8]}
    search = GridSearchCV(small(weights), grid, cv=2).fit(BYTES, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_lite0_has_the_weights_of_its_package_and_independent_predictions():
    model = net(learning_rate=1e-12, weight_decay=0.0).fit(BYTES, Y)
    state = weights_of(model)
    same = {PADDED.sub(r"\1", key): value for key, value in state.items()}
    for key, value in load_base(LITE0, True).items():
        if "running" not in key:  # statistics of batches move with any learning rate
            torch.testing.assert_close(same[PADDED.sub(r"\1", key)], value, rtol=0, atol=1e-6)
    assert model.n_parameters_ == 3_371_008 + 2 * 1281
    probabilities = model.predict_proba(BYTES)
    for rows in (slice(0, 1), slice(3, 6), slice(7, None, -1)):
        np.testing.assert_array_equal(model.predict_proba(BYTES[rows]), probabilities[rows])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(BYTES), probabilities)


@pytest.mark.parametrize(
    ("image_size", "shape"),
    [
        ("auto", (224, 224)),
        (96, (96, 96)),
        ((64, 48), (64, 48)),
        ([33, 40], (33, 40)),
        (None, (60, 50)),
    ],
)
def test_sizes_of_images(image_size, shape):
    table = net(image_size=image_size).summary((60, 50, 3), n_outputs=2)
    assert table.loc["rescale_1", "output_shape"] == (*shape, 3)
    assert ("resize_1" in table.index) == (shape != (60, 50))
    assert table.loc["conv_1", "output_shape"] == (*(-(-n // 2) for n in shape), 32)


@pytest.mark.parametrize(
    ("shape", "side"),
    [((8, 8), 96), ((19, 5), 96), ((20, 20), 128), ((28, 28), 160), ((32, 32), 160), ((33, 9), 192),
     ((45, 3), 224), ((500, 8), 224)],
)  # fmt: skip
def test_small_images_are_enlarged_five_times_or_a_little_more(shape, side):
    table = net(image_size="auto").summary((*shape, 1), n_outputs=2)
    assert table.loc["rescale_1", "output_shape"] == (side, side, 3)
    for name in ("alexnet", "vgg11"):  # made for no other size
        table = net(architecture=name, image_size="auto").summary((*shape, 1), n_outputs=2)
        assert table.loc["rescale_1", "output_shape"] == (224, 224, 3)


def statistics(model):
    """Return the running statistics of a fitted network."""
    state = weights_of(model)
    return {name: value for name, value in state.items() if "running" in name}


@pytest.mark.parametrize("trainable", ["all", "last_block"])
def test_statistics_of_a_base_are_fixed_and_its_weights_are_not(small_base, weights, trainable):
    model = small(weights, trainable=trainable, learning_rate=0.1, max_epochs=2).fit(X_SMALL, Y)
    untouched = small(weights).fit(X_SMALL, Y)
    for name, value in statistics(untouched).items():
        assert torch.equal(statistics(model)[name], value)
    norm = next(part for part in model.net_.module_.modules() if isinstance(part, BatchNorm))
    assert not torch.equal(norm.weight.cpu(), torch.ones(4))
    fresh = net(architecture="lenet5", pretrained=False, learning_rate=0.1).fit(X_SMALL, Y)
    assert (statistics(fresh)["layers.normalize_1.running_mean"] != 0).any()


@pytest.mark.parametrize(("how", "rates"), [
    ({}, (0.001, 0.0001)),
    ({"optimizer": "sgd"}, (0.01, 0.001)),
    ({"learning_rate": 0.5}, (0.5, 0.05)),
    ({"learning_rate_decay": 1.0}, (0.001, 0.001)),
    ({"learning_rate_decay": 0.5}, (0.001, 0.0005)),
])  # fmt: skip
def test_blocks_of_a_base_learn_at_a_tenth_of_the_heads_rate(small_base, weights, how, rates):
    how = {"learning_rate": "auto", "lr_schedule": "constant", **how}
    model = small(weights, **how).fit(X_SMALL, Y)
    groups = {id(p): g["lr"] for g in model.net_.optimizer_.param_groups for p in g["params"]}
    for name, parameter in model.net_.module_.named_parameters():
        assert groups[id(parameter)] == pytest.approx(rates["output" not in name])


@pytest.mark.parametrize(
    ("trainable", "n_head", "n_epochs"), [("all", 10, 20), ("last_block", 10, 20), ("head", 0, 31)]
)
def test_automatic_epochs_train_the_head_first(small_base, weights, trainable, n_head, n_epochs):
    X, y = RNG.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8), np.arange(40) % 2
    how = {"max_epochs": "auto", "batch_size": "auto"}
    model = small(weights, trainable=trainable, unfreezing="auto", **how).fit(X, y)
    assert model.n_iter_ == n_epochs  # 24 * sqrt(40) / 5, at most 20 where blocks are trained
    assert model.unfreezing_ == ({0: "head", n_head: trainable} if n_head else {0: "head"})


def test_layers_in_front_are_shown():
    model = net(image_size="auto")
    assert model._layers((1, 28, 28))[:3] == (
        ToRGB(),
        Resize((160, 160)),
        Rescale((0.5,) * 3, (0.5,) * 3),
    )
    index = [*model.summary((28, 28, 1), n_outputs=2).index[:4]]
    assert index == ["torgb_1", "resize_1", "rescale_1", "conv_1"]


def test_pretrained_false_is_the_network_from_scratch():
    scratch = ConvNetClassifier(architecture=LITE0)._layers((3, 12, 10))
    for value in (False, np.False_):
        assert net(pretrained=value, image_size=64)._layers((3, 12, 10)) == scratch
    assert net(pretrained=np.True_)._layers((3, 12, 10)) == net()._layers((3, 12, 10))


BAD = [
    ({"architecture": None}, BYTES, WeightsError, r"needs an 'architecture' with .* Got architecture=None"),
    ({"architecture": [Conv(2)]}, BYTES, WeightsError, r"Got architecture=\[Conv\(2, 3\)\]"),
    ({"architecture": lambda s, n: None}, BYTES, WeightsError, r"Got architecture=<function"),
    ({"architecture": "resnet20"}, BYTES, WeightsError, r"Got architecture='resnet20'"),
    ({"architecture": "resnet50"}, BYTES, WeightsError, "no package is known that holds weights"),
    ({"pretrained": "none.pth"}, BYTES, WeightsError, r"no file of weights 'none\.pth'"),
    ({"pretrained": 1.5}, BYTES, InvalidParameterError, "'pretrained' parameter"),
    ({"pretrained": None}, BYTES, InvalidParameterError, "'pretrained' parameter"),
    ({"image_size": 0}, BYTES, InvalidParameterError, "'image_size' parameter"),
    ({"image_size": "large"}, BYTES, InvalidParameterError, "'image_size' parameter"),
    ({"image_size": (32,)}, BYTES, ArchitectureError, r"'image_size' parameter must be 'auto', None, an integer >= 1 or a tuple of two, \(height, width\)\. Got \(32,\)"),
    ({"image_size": (32, 0)}, BYTES, ArchitectureError, r"'image_size' .* Got \(32, 0\)"),
    ({"image_size": None}, BYTES, ArchitectureError, r"needs images of at least 32x32 pixels\. Got \(12, 10\)"),
    ({"image_size": 31}, BYTES, ArchitectureError, r"at least 32x32 pixels\. Got \(31, 31\)"),
    ({"architecture": "alexnet", "image_size": 96}, BYTES, ArchitectureError, "at least 223x223"),
    ({}, BYTES[..., :2], ArchitectureError, r"^architecture='efficientnet_lite0' with pretrained weights takes images of 1 \(grey\), .* Got 2: take one of them, add a third"),
    ({}, BYTES.reshape(8, -1), ArchitectureError, r"is for images, with two spatial axes\. Got 1 of sizes \(360,\)"),
    ({"standardize": False}, OPACITY / 255, ArchitectureError, "of 4 channels, only with standardize=True"),
    ({}, OPACITY / 300 - 0.1, ValueError, r"fourth channel of X is the opacity .* must lie in \[0, 1\], or be bytes\. Got values in \[-0\.1,"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:The values of X lie in")
@pytest.mark.parametrize(("params", "X", "error", "message"), BAD)
def test_bad_input_has_its_message(params, X, error, message):
    with pytest.raises(error, match=message):
        net(**params).fit(X, Y)


def test_a_missing_package_is_named_in_fit(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda module: None)
    with pytest.raises(
        MissingDependencyError, match=r'Install it with pip install "skcnn\[pretrained'
    ):
        net().fit(BYTES, Y)


# Networks of timm and torchvision, with stand-ins


class Tiny(nn.Module):
    def __init__(self, n_channels, n_outputs):
        super().__init__()
        self.stem = nn.Conv2d(n_channels, 4, 3, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.stem(x))).mean((2, 3)))


@pytest.fixture
def packages(monkeypatch):
    """Stand-ins with a model each, published for images of 16x16 and 24x24."""
    timm = ModuleType("timm")
    timm.list_models = lambda: ["tiny"]
    timm.create_model = lambda name, *, pretrained, num_classes, in_chans: Tiny(
        in_chans, num_classes
    )
    timm.get_pretrained_cfg = lambda name: SimpleNamespace(
        input_size=(3, 16, 16), mean=MEAN, std=STD
    )
    torchvision = ModuleType("torchvision")
    prepared = SimpleNamespace(crop_size=[24], mean=[*MEAN], std=[*STD])
    weights = SimpleNamespace(DEFAULT=SimpleNamespace(transforms=lambda: prepared))
    torchvision.models = SimpleNamespace(
        list_models=lambda module: ["tiny", "googlenet"],
        get_model=lambda name, *, weights, num_classes, **more: Tiny(3, num_classes),
        get_model_weights=lambda name: weights,
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)


@pytest.mark.parametrize(
    ("name", "side", "numbers"),
    [
        ("timm:tiny", 16, (MEAN, STD)),
        ("torchvision:tiny", 24, (MEAN, STD)),
        ("torchvision:googlenet", 24, ((0.5,) * 3, (0.5,) * 3)),
    ],
)
@pytest.mark.parametrize("X", [BYTES, GREY], ids=["colour", "grey"])
def test_networks_of_packages_take_weights_of_a_file(packages, tmp_path, name, side, numbers, X):
    theirs = Tiny(3, 1000)
    torch.save(theirs.state_dict(), tmp_path / "tiny.pth")
    model = net(architecture=name, pretrained=tmp_path / "tiny.pth", image_size="auto").fit(X, Y)
    stem = next(part for part in model.net_.module_.modules() if isinstance(part, nn.Conv2d))
    torch.testing.assert_close(stem.weight, theirs.stem.weight, rtol=0, atol=1e-6)
    pixels = np.repeat(X, 3 // X.shape[-1], -1) / 255
    np.testing.assert_allclose(base_inputs(model, X), prepared(pixels, side, numbers), atol=2e-5)
    assert np.isfinite(model.predict_proba(X)).all()


def test_statistics_of_such_networks_are_fixed(packages, tmp_path):
    theirs = Tiny(3, 2)
    torch.save(theirs.state_dict(), tmp_path / "tiny.pth")
    how = {"pretrained": tmp_path / "tiny.pth", "learning_rate": 0.1, "max_epochs": 2}
    model = net(architecture="timm:tiny", **how).fit(BYTES, Y)
    for name, part in model.net_.module_.named_modules():
        if isinstance(part, nn.BatchNorm2d):
            own = dict(theirs.named_modules())[name.rpartition("module.")[2].rpartition(".")[2]]
            torch.testing.assert_close(part.running_mean, own.running_mean, rtol=0, atol=0)
    names = [n for n, p in model.net_.module_.named_parameters()]
    shares = model.net_.__dict__["_rate_shares"]
    assert 0 < len(shares) < len(names)
    assert set(shares.values()) == {0.1}


def test_a_module_without_a_linear_layer_has_one_rate():
    network = WrappedNet(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), nn.Identity())
    part = TrainedPart(network, None, "all", 1.0, 0.1, torch.device("cpu"))
    assert part.rate_shares == {}


def test_networks_of_timm_take_many_channels(packages, tmp_path):
    torch.save(Tiny(3, 5).state_dict(), tmp_path / "tiny.pth")
    X = np.repeat(GREY, 7, -1)
    model = net(architecture="timm:tiny", pretrained=tmp_path / "tiny.pth").fit(X, Y)
    assert model.summary()["parameters"].sum() == 4 * 7 * 9 + 4 + 8 + 10
    table = net(architecture="timm:tiny", pretrained=tmp_path / "tiny.pth").summary((9, 9, 3), 3)
    assert table["parameters"].sum() == 4 * 3 * 9 + 4 + 8 + 15


def test_automatic_batches_of_such_networks_count_the_size_that_they_get(packages, tmp_path):
    torch.save(Tiny(3, 5).state_dict(), tmp_path / "tiny.pth")
    seen = []

    def values(**params):
        model = net(architecture="timm:tiny", batch_size="auto", **params)
        model.n_outputs_ = 2
        layout = net(architecture="timm:tiny", pretrained=False)._summary_layout((8, 8, 3))
        seen.append(model._layer_values(layout))
        return seen[-1]

    path = tmp_path / "tiny.pth"
    assert values(pretrained=path, image_size="auto") == 4 * values(
        pretrained=path, image_size=None
    )
    assert values(pretrained=False, image_size=64) == values(pretrained=path, image_size=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretrained": True}, r"^pretrained=True with architecture='timm:tiny': nothing is downloaded\."),
        ({}, r"^The weights '.*tiny\.pth' do not fit architecture='timm:tiny': 6 tensors missing, .*; 1 tensor unexpected, other\.$"),
    ],
)  # fmt: skip
def test_bad_weights_of_networks_of_packages(packages, tmp_path, change, message):
    torch.save({"other": torch.ones(1)}, tmp_path / "tiny.pth")
    with pytest.raises(WeightsError, match=message):
        net(**{"architecture": "timm:tiny", "pretrained": tmp_path / "tiny.pth", **change}).fit(
            BYTES, Y
        )
