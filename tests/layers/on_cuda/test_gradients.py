"""Deterministic forms of operations equal torch's own, in values and in gradients."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from skcnn.layers import AdaptivePool, Conv, Pool, Resize
from skcnn.layers._on_cuda import gradients
from skcnn.layers._on_cuda.gradients import (
    adds_in_any_order,
    largest_of_windows,
    mean_of_windows,
    padded,
    resized,
)
from tests.helpers.layer_modules import build


@pytest.fixture
def as_on_cuda(monkeypatch):
    """Compute on the CPU what is otherwise for CUDA."""
    monkeypatch.setattr(gradients, "DEVICE_TYPE", "cpu")


def drawn(*shape, ties=False):
    """Return numbers; with `ties` few different ones, so that windows have equal maxima."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x.round() if ties else x


def value_and_gradient(function, x):
    """Return a function's value at `x`, and the gradient of a weighted sum of it."""
    x = x.clone().requires_grad_()
    out = function(x)
    weights = torch.arange(out.numel(), dtype=out.dtype).view(out.shape).sin()
    return out.detach(), torch.autograd.grad((out * weights).sum(), x)[0]


def assert_alike(ours, torchs, x, exact=False):
    tolerance = {"rtol": 0, "atol": 0} if exact else {}
    for a, b in zip(value_and_gradient(ours, x), value_and_gradient(torchs, x), strict=True):
        torch.testing.assert_close(a, b, **tolerance)


PADDINGS = {
    "signal": ((2, 3, 1, 9), (3, 2, 0, 0)),
    "one side": ((2, 3, 1, 9), (0, 2, 0, 0)),
    "image": ((2, 3, 5, 6), (1, 2, 2, 0)),
    "volume": ((2, 3, 4, 5, 6), (1, 2, 2, 0, 3, 1)),
}


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize(("shape", "widths"), PADDINGS.values(), ids=list(PADDINGS))
def test_padding_is_torchs(shape, widths, mode):
    x = drawn(*shape)
    out = padded(x, widths, mode)
    torch.testing.assert_close(out, F.pad(x, widths, mode=mode), rtol=0, atol=0)
    assert_alike(lambda x: padded(x, widths, mode), lambda x: F.pad(x, widths, mode=mode), x)


WINDOWS = [((2, 2, 2), (2, 2, 2)), ((3, 2, 3), (2, 1, 3)), ((1, 4, 2), (1, 3, 1))]


@pytest.mark.parametrize(("size", "stride"), WINDOWS)
@pytest.mark.parametrize("ties", [False, True])
def test_pools_of_volumes_are_torchs(size, stride, ties):
    x = drawn(2, 3, 6, 7, 8, ties=ties)
    largest, mean = nn.MaxPool3d(size, stride), nn.AvgPool3d(size, stride)
    assert_alike(lambda x: largest_of_windows(x, size, stride), largest, x)
    assert_alike(lambda x: mean_of_windows(x, size, stride), mean, x)
    out = largest_of_windows(x, size, stride)
    torch.testing.assert_close(out, largest(x), rtol=0, atol=0)


def test_a_nan_is_the_largest_value():
    x = drawn(1, 1, 4, 4, 4)
    x[0, 0, 0, 1, 0] = x[0, 0, 3, 2, 3] = torch.nan
    out = largest_of_windows(x, (2, 2, 2), (2, 2, 2))
    torch.testing.assert_close(out, F.max_pool3d(x, 2), rtol=0, atol=0, equal_nan=True)
    assert out.isnan().sum() == 2


def test_an_average_of_bfloat16_is_rounded_once():
    x = drawn(2, 3, 6, 7, 8).bfloat16()
    out = mean_of_windows(x, (2, 2, 2), (2, 2, 2))
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, F.avg_pool3d(x.float(), 2).bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(3, 9), (7, 2), (6, 8)])
def test_interpolation_is_torchs(antialias, size):
    x = drawn(2, 3, 6, 8).float()

    def torchs(x):
        return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=antialias)

    assert_alike(lambda x: resized(x, size, antialias), torchs, x)


LAYERS = {
    "mirror": (Conv(2, 3, padding_mode="mirror"), (3, 5, 6, 4)),
    "edge": (Conv(2, (1, 4), padding_mode="edge"), (3, 5, 6)),
    "edge of a signal": (Conv(2, 5, padding_mode="edge"), (3, 9)),
    "wrap": (Conv(2, 3, padding_mode="wrap"), (3, 5, 6, 4)),
    "max pool": (Pool(2), (3, 6, 7, 4)),
    "padded max pool": (Pool(3, stride=2, padding="same"), (3, 6, 7, 4)),
    "average pool": (Pool((2, 3, 2), kind="average"), (3, 6, 7, 4)),
    "padded average pool": (Pool(3, kind="average", stride=1, padding=1), (3, 6, 7, 4)),
    "adaptive average of images": (AdaptivePool((3, 4)), (3, 7, 9)),
    "adaptive average of volumes": (AdaptivePool((3, 4, 2)), (3, 7, 9, 5)),
    "adaptive average of signals": (AdaptivePool(4), (3, 9)),
    "adaptive maximum of images": (AdaptivePool((3, 4), kind="max"), (3, 7, 9)),
    "adaptive maximum of volumes": (AdaptivePool((3, 4, 2), kind="max"), (3, 7, 9, 5)),
    "resize": (Resize((4, 12)), (3, 7, 9)),
}


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=list(LAYERS))
def test_layers_are_the_same_as_on_cuda(layer, shape, monkeypatch):
    net = build([layer], shape)
    x = drawn(2, *((shape[0], 1, shape[1]) if len(shape) == 2 else shape))
    expected = value_and_gradient(net, x)
    monkeypatch.setattr(gradients, "DEVICE_TYPE", "cpu")
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if isinstance(layer, Resize) else {}
    for ours, theirs in zip(value_and_gradient(net, x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, **tolerance)


# What torch computes with the operations that its documentation lists. Each must be replaced.
LISTED = (
    "max_pool3d",
    "avg_pool3d",
    "adaptive",
    "reflection_pad",
    "replication_pad",
    "upsample",
    "index",
    "gather",
    "scatter",
    "cumsum",
    "grid_sampler",
)


def backward_names(out):
    """Return the names of all nodes of a graph of gradients."""
    names, left = set(), [out.grad_fn]
    while left:
        node = left.pop()
        if node is not None:
            names.add(node.name())
            left += [each for each, _ in node.next_functions]
    return names


def is_listed(name):
    return any(part.replace("_", "") in name.lower() for part in LISTED)


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=list(LAYERS))
def test_no_gradient_is_one_that_torch_lists(layer, shape, as_on_cuda):
    net = build([layer], shape)
    x = drawn(2, *((shape[0], 1, shape[1]) if len(shape) == 2 else shape)).requires_grad_()
    assert not any(map(is_listed, backward_names(net(x))))


def test_the_names_of_torchs_gradients_are_found():
    x = drawn(1, 1, 4, 4, 4).requires_grad_()
    for out in (F.max_pool3d(x, 2), F.avg_pool3d(x, 2), F.pad(x, (1,) * 6, mode="replicate")):
        assert any(map(is_listed, backward_names(out)))


def test_only_gradients_on_cuda_are_replaced():
    assert not adds_in_any_order(torch.zeros(2, requires_grad=True))
    assert gradients.DEVICE_TYPE == "cuda"


def test_nothing_is_replaced_without_a_gradient(as_on_cuda):
    assert not adds_in_any_order(torch.zeros(2))
    assert adds_in_any_order(torch.zeros(2, requires_grad=True))
