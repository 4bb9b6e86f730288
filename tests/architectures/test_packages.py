"""Networks of timm and torchvision by name, with stand-ins for these packages."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._architectures.packages import makes_module, module_maker
from skcnn.exceptions import ArchitectureError, MissingDependencyError
from skcnn.layers import Conv

X = np.random.default_rng(0).random((8, 6, 6, 3), dtype=np.float32)
Y = np.arange(8) % 2


def small(n_channels, n_outputs):
    return nn.Sequential(
        nn.Conv2d(n_channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, n_outputs)
    )


def create_model(name, *, pretrained, num_classes, in_chans):
    assert (name, pretrained) == ("tiny", False)
    return small(in_chans, num_classes)


def get_model(name, *, weights, num_classes, **more):
    assert weights is None
    net = small(3, num_classes)
    net.asked = (name, more)
    return net


@pytest.fixture
def packages(monkeypatch):
    """Stand-ins with one or two models and the functions that the packages document."""
    timm = ModuleType("timm")
    timm.list_models = lambda: ["tiny", "small"]
    timm.create_model = create_model
    torchvision = ModuleType("torchvision")
    torchvision.models = SimpleNamespace(
        list_models=lambda module: ["tiny", "googlenet"], get_model=get_model
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("timm:x", True),
        ("torchvision:x", True),
        (small, True),
        ("resnet18", False),
        ([Conv(1)], False),
        (None, False),
    ],
)
def test_names_with_a_prefix_and_callables_make_modules(architecture, expected):
    assert makes_module(architecture) is expected


def test_callables_are_kept():
    assert module_maker(small) is small


@pytest.mark.parametrize("name", ["timm:tiny", "torchvision:tiny"])
def test_networks_of_packages_are_trained(packages, name):
    model = ConvNetClassifier(architecture=name, max_epochs=1, random_state=0).fit(X, Y)
    assert model.n_parameters_ == 27 * 4 + 4 + 64 * 2 + 2
    assert model.predict_proba(X).shape == (8, 2)
    again = ConvNetClassifier(architecture=name, max_epochs=1, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    table = ConvNetClassifier(architecture=name).summary((6, 6, 3), n_outputs=5)
    assert int(table["parameters"].sum()) == 27 * 4 + 4 + 64 * 5 + 5


def test_timm_takes_any_number_of_channels(packages):
    net = module_maker("timm:tiny")((5, 6, 6), 3)
    assert net[0].in_channels == 5


def test_torchvision_takes_three_channels(packages):
    with pytest.raises(ArchitectureError, match=r"^architecture='torchvision:tiny' takes .* 3 cha"):
        module_maker("torchvision:tiny")((1, 6, 6), 2)


@pytest.mark.parametrize(
    ("name", "more"), [("tiny", {}), ("googlenet", {"aux_logits": False, "init_weights": True})]
)
def test_networks_of_torchvision_have_one_head(packages, name, more):
    assert module_maker(f"torchvision:{name}")((3, 6, 6), 2).asked == (name, more)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "timm:tinny",
            r"^architecture='timm:tinny' is no classifier of timm, which has 2 .* Did you mean 'tiny'\?$",
        ),
        (
            "torchvision:",
            r"^architecture='torchvision:' is no classifier of torchvision, which has 2",
        ),
    ],
)
def test_unknown_names_suggest_a_near_one(packages, name, message):
    with pytest.raises(ArchitectureError, match=message):
        ConvNetClassifier(architecture=name).fit(X, Y)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("timm:resnet18", "pip install timm torchvision"),
        ("torchvision:resnet18", "pip install torchvision"),
    ],
)
def test_a_missing_package_raises_an_error_with_the_command(monkeypatch, name, command):
    package = name.partition(":")[0]
    monkeypatch.setitem(sys.modules, package, None)  # as if it was not installed
    message = rf"^architecture='{name}' needs {package}, which cannot be imported: .* {command}\."
    with pytest.raises(MissingDependencyError, match=message) as caught:
        ConvNetClassifier(architecture=name).fit(X, Y)
    assert isinstance(caught.value, ImportError)
    with pytest.raises(MissingDependencyError, match=message):
        ConvNetClassifier(architecture=name).summary((6, 6, 3), n_outputs=2)


class _Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")


def test_a_package_that_does_not_fit_torch_raises_the_same_error(monkeypatch):
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Broken(), *sys.meta_path])
    with pytest.raises(MissingDependencyError, match=r"cannot be imported: operator .*nms"):
        module_maker("torchvision:resnet18")((3, 6, 6), 2)
