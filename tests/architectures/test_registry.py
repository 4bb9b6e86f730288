"""Named architectures: published numbers of parameters, least inputs, small images, errors."""

import pickle
import re

import pytest
import torch

from skcnn._architectures.registry import NAMED, learning_rate_share, named_architecture
from skcnn.exceptions import ArchitectureError
from skcnn.layers import Conv, Dense, Flatten, LayerSpec, Normalize, Pool, Residual
from skcnn.layers._sequence import follow, trace, with_output

# name, side of the published input, outputs, trainable parameters: of torchvision for AlexNet,
# VGG, GoogLeNet, Inception v3 (both without auxiliary heads), MobileNetV2 and the ResNets for
# ImageNet, of timm for Xception, EfficientNet-Lite and ConvNeXt. He et al. give 0.27 and 0.85
# million for the ResNets of CIFAR.
PUBLISHED = [
    ("lenet5", 32, 10, 61_706),
    ("alexnet", 224, 1000, 61_100_840),
    ("vgg11", 224, 1000, 132_863_336),
    ("vgg16", 224, 1000, 138_357_544),
    ("vgg19", 224, 1000, 143_667_240),
    ("googlenet", 224, 1000, 6_624_904),
    ("inception_v3", 299, 1000, 23_834_568),
    ("xception", 299, 1000, 22_855_952),
    ("mobilenet_v2", 224, 1000, 3_504_872),
    ("resnet18", 224, 1000, 11_689_512),
    ("resnet20", 32, 10, 269_722),
    ("resnet34", 224, 1000, 21_797_672),
    ("resnet50", 224, 1000, 25_557_032),
    ("resnet56", 32, 10, 853_018),
    ("efficientnet_lite0", 224, 1000, 4_652_008),
    ("efficientnet_lite1", 240, 1000, 5_416_680),
    ("efficientnet_lite2", 260, 1000, 6_092_072),
    ("convnext_atto", 224, 1000, 3_695_520),
]
# name, channels and length of the published input, outputs, trainable parameters: of
# Ismail-Fawaz et al. 2023, table 1, for the networks of time series, who leave out the output
# layer, and of Lawhern et al. 2018, table 3, for those of electroencephalograms.
PUBLISHED_SIGNALS = [
    ("fcn", (1, 140), 2, 264_704 + 2 * 129),
    ("resnet1d", (1, 140), 2, 504_000 + 2 * 129),
    ("inception_time", (1, 140), 2, 420_192 + 2 * 129),
    ("lite_time", (1, 140), 2, 9_814 + 2 * 33),
    ("eegnet", (64, 128), 2, 2_258),
    ("shallow_convnet", (64, 128), 2, 104_002),
    ("deep_convnet", (64, 128), 2, 174_127),
]
IMAGES = [name for name, *_ in PUBLISHED]
SIGNALS = [name for name, *_ in PUBLISHED_SIGNALS]
# name, side, billions of multiply-accumulates as published, of convolutions and dense layers
PUBLISHED_MACS = [
    ("alexnet", 224, 0.71),
    ("vgg16", 224, 15.47),
    ("vgg19", 224, 19.63),
    ("googlenet", 224, 1.50),
    ("inception_v3", 299, 5.71),
    ("xception", 299, 8.4),
    ("mobilenet_v2", 224, 0.30),
    ("resnet18", 224, 1.81),
    ("resnet34", 224, 3.66),
    ("resnet50", 224, 4.09),
    ("resnet20", 32, 0.041),
    ("efficientnet_lite0", 224, 0.385),
    ("convnext_atto", 224, 0.55),
]


def traced(name, shape, n_outputs=1000):
    return trace(with_output(named_architecture(name, shape), n_outputs), shape)


def total(method, rows):
    return sum(getattr(row.spec, method)(row.input_shape) for row in rows)


def image(name, side):
    return (1 if name == "lenet5" else 3, side, side)


@pytest.mark.parametrize(("name", "side", "n_outputs", "n_parameters"), PUBLISHED)
def test_parameters_are_the_published_ones(name, side, n_outputs, n_parameters):
    assert total("n_parameters", traced(name, image(name, side), n_outputs)) == n_parameters


@pytest.mark.parametrize(("name", "shape", "n_outputs", "n_parameters"), PUBLISHED_SIGNALS)
def test_parameters_of_networks_for_signals_are_the_published_ones(
    name, shape, n_outputs, n_parameters
):
    assert total("n_parameters", traced(name, shape, n_outputs)) == n_parameters


@pytest.mark.parametrize(("name", "side", "billions"), PUBLISHED_MACS)
def test_multiply_accumulates_are_the_published_ones(name, side, billions):
    macs = total("n_multiply_accumulates", traced(name, image(name, side))) / 1e9
    digits = len(str(billions).partition(".")[2])
    assert round(macs, digits) == billions


def test_every_name_has_published_numbers():
    assert [*IMAGES, *SIGNALS] == [*NAMED]


# name, input, sides of the maps after each layer that changes them
SIDES = [
    ("alexnet", 224, [55, 27, 13, 6]),
    ("alexnet", 32, [15, 7, 3]),
    ("vgg16", 224, [112, 56, 28, 14, 7]),
    ("vgg16", 28, [14, 7, 3, 1]),
    ("googlenet", 224, [112, 56, 28, 14, 7]),
    ("googlenet", 32, [16, 8, 4]),
    ("inception_v3", 299, [149, 147, 73, 71, 35, 17, 8]),
    ("inception_v3", 32, [15, 7, 3]),
    ("xception", 299, [149, 147, 74, 37, 19, 10]),
    ("xception", 32, [16, 8, 4, 2]),
    ("mobilenet_v2", 224, [112, 56, 28, 14, 7]),
    ("mobilenet_v2", 32, [16, 8, 4]),
    ("resnet18", 224, [112, 56, 28, 14, 7]),
    ("resnet18", 64, [32, 16, 8, 4, 2]),
    ("resnet50", 63, [32, 16, 8]),
    ("resnet20", 32, [16, 8]),
    ("efficientnet_lite0", 224, [112, 56, 28, 14, 7]),
    ("efficientnet_lite2", 260, [130, 65, 33, 17, 9]),
    ("efficientnet_lite0", 32, [16, 8, 4]),
    ("convnext_atto", 224, [56, 28, 14, 7]),
    ("convnext_atto", 32, [16, 8, 4, 2]),
]


@pytest.mark.parametrize(("name", "side", "sides"), SIDES)
def test_maps_get_smaller_as_published_and_later_for_small_images(name, side, sides):
    found = [side]
    for row in traced(name, image(name, side)):
        if len(row.output_shape) == 3 and row.output_shape[1] != found[-1]:
            found.append(row.output_shape[1])
    assert found[1:] == sides


@pytest.mark.parametrize("name", IMAGES)
def test_least_input_fits_and_smaller_ones_raise(name):
    least = NAMED[name].least_side
    for side in (*range(least, least + 20), 63, 64, 95, 96, 97):
        assert follow(named_architecture(name, (2, side, side)), (2, side, side))
    assert traced(name, (1, least, 3 * least), 7)[-1].output_shape == (7,)
    if least > 1:
        message = rf"^architecture='{name}' needs at least {least} values along each .* \(40, {least - 1}\)"
        with pytest.raises(ArchitectureError, match=message):
            named_architecture(name, (1, 40, least - 1))
        with pytest.raises(ArchitectureError, match="does not fit"):
            follow(NAMED[name].layers((1, least - 1, least - 1)), (1, least - 1, least - 1))


@pytest.mark.parametrize("name", SIGNALS)
def test_least_signal_fits_and_smaller_ones_raise(name):
    least = NAMED[name].least_side
    for length in (*range(least, least + 9), 500):
        for n_channels in (1, 3):
            assert traced(name, (n_channels, length), 4)[-1].output_shape == (4,)
    if least > 1:
        message = (
            rf"^architecture='{name}' needs at least {least} values along each .* \({least - 1},\)"
        )
        with pytest.raises(ArchitectureError, match=message):
            named_architecture(name, (1, least - 1))
        with pytest.raises(ArchitectureError, match="does not fit"):
            follow(NAMED[name].layers((1, least - 1)), (1, least - 1))


@pytest.mark.parametrize("shape", [(1, 20, 20), (2, 30, 30, 30)])
@pytest.mark.parametrize("name", SIGNALS)
def test_networks_for_signals_take_no_images(name, shape):
    message = (
        rf"^architecture='{name}' is for signals, with one spatial axis\. Got {len(shape) - 1} of"
        r" sizes .*n_spatial_dims=1 "
    )
    with pytest.raises(ArchitectureError, match=message):
        named_architecture(name, shape)


@pytest.mark.parametrize("shape", [(2, 70), (1, 20), (3, 20, 20, 16), (40, 100, 32)])
@pytest.mark.parametrize("name", IMAGES)
def test_networks_take_signals_volumes_and_any_number_of_channels(name, shape):
    if NAMED[name].n_axes == 2 and len(shape) != 3:
        message = (
            rf"^architecture='{name}' is for images, with two .* Got {len(shape) - 1} of sizes"
        )
        with pytest.raises(ArchitectureError, match=message):
            named_architecture(name, shape)
    else:
        assert traced(name, shape, 4)[-1].output_shape == (4,)


@pytest.mark.parametrize("name", NAMED)
def test_layers_are_immutable_values(name):
    shape = (3, 32, 32) if name in IMAGES else (3, 90)
    layers = named_architecture(name, shape)
    assert all(isinstance(layer, LayerSpec) for layer in layers)
    assert hash(layers) == hash(named_architecture(name, shape))
    assert pickle.loads(pickle.dumps(layers)) == layers


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("lenet", r" Did you mean 'lenet5'\?"),
        ("LeNet5", r" Did you mean 'lenet5'\?"),
        ("lenet-5", r" Did you mean 'lenet5'\?"),
        ("resnet-50", r" Did you mean 'resnet50'\?"),
        ("efficientnet_b0", r" Did you mean 'efficientnet_lite0'\?"),
        ("transformer", ""),
    ],
)
def test_unknown_architecture_suggests_a_near_name(name, suggestion):
    message = (
        rf"^The 'architecture' parameter must be one of {re.escape(str(sorted(NAMED)))}, "
        r"'timm:NAME', 'torchvision:NAME', a sequence of skcnn\.layers or a callable\. "
        rf"Got '{name}'\.{suggestion}$"
    )
    with pytest.raises(ArchitectureError, match=message):
        named_architecture(name, (1, 28, 28))


def test_only_deep_networks_without_normalization_have_a_smaller_learning_rate():
    def normalizes(layers):
        return any(
            isinstance(layer, Normalize) or normalizes(layer.inner_layers()) for layer in layers
        )

    for name in {*NAMED} - {"lenet5"}:
        shape = (3, 32, 32) if name in IMAGES else (3, 90)
        plain = not normalizes(named_architecture(name, shape))
        assert learning_rate_share(name) == (0.1 if plain else 1.0)
    assert [learning_rate_share(each) for each in ("lenet5", None, [Conv(1)], "timm:x")] == [
        1.0
    ] * 4


def test_dense_layers_of_alexnet_and_vgg_take_maps_of_the_same_size_for_larger_images():
    for name, side, n_inputs in (("alexnet", 300, 9216), ("vgg16", 512, 25088)):
        rows = traced(name, (3, side, side))
        first = next(row for row in rows if isinstance(row.spec, Dense))
        assert first.input_shape == (n_inputs,)


def test_resnet20_has_shortcuts_without_parameters():
    blocks = [row for row in traced("resnet20", (3, 32, 32)) if isinstance(row.spec, Residual)]
    assert len(blocks) == 9
    for row in blocks:
        inside = sum(9 * a * b for a, b in _channels(row)) + 4 * row.output_shape[0]
        assert row.spec.n_parameters(row.input_shape) == inside


def _channels(row):
    before, after = row.input_shape[0], row.output_shape[0]
    return [(before, after), (after, after)]


def test_pools_of_googlenet_are_torchs_with_ceil_mode():
    for side in range(1, 40):
        pools = [row for row in traced("googlenet", (3, side, side)) if isinstance(row.spec, Pool)]
        for row in pools:
            window = row.spec.size
            n = row.input_shape[1]
            if n >= window:
                theirs = torch.nn.MaxPool2d(window, 2, ceil_mode=True)
                x = torch.rand(1, 1, n, n)
                ours = row.spec.build((1, n, n), is_signal=False)
                assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("shape", "first"), [((1, 28, 28), "same"), ((1, 31, 31), "same"), ((1, 32, 32), "valid")]
)
def test_lenet5_keeps_the_size_of_inputs_under_32_pixels(shape, first):
    assert named_architecture("lenet5", shape) == (
        Conv(6, 5, padding=first, activation="tanh"),
        Pool(2, kind="average"),
        Conv(16, 5, padding="valid", activation="tanh"),
        Pool(2, kind="average"),
        Flatten(),
        Dense(120, activation="tanh"),
        Dense(84, activation="tanh"),
    )


@pytest.mark.parametrize("side", [28, 32])
def test_lenet5_has_the_61_706_parameters_of_the_classic_network(side):
    rows = traced("lenet5", (1, side, side), 10)
    parameters = [row.spec.n_parameters(row.input_shape) for row in rows]
    assert parameters == [156, 0, 2_416, 0, 0, 48_120, 10_164, 850]
    assert [row.output_shape for row in rows[:5]] == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (400,),
    ]
