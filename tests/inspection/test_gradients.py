"""Gradients, integrated gradients and Grad-CAM against finite differences, loops and captum."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from captum.attr import IntegratedGradients, LayerGradCam, Saliency
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skcnn.inspection import feature_maps, saliency
from skcnn.layers import Activation, Conv, Flatten, Pool
from tests.helpers.explained import (
    assert_agree,
    central_differences,
    channels_last,
    exact_outputs,
)
from tests.helpers.inspected import Shared, fitted


def test_gradients_are_those_of_finite_differences(explained):
    X, net, target = explained
    maps = saliency(net, X, target=target)
    assert maps.shape == (40, *net.input_shape_)
    assert maps.dtype == np.float32
    expected = central_differences(exact_outputs(net, X, target), X)
    scale = np.abs(expected).max()
    assert scale > 0
    assert_allclose(maps.reshape(40, -1), expected, rtol=1e-4, atol=2e-6 * scale)


def test_gradients_are_captums(beside_captum):
    X, net, module, images, codes = beside_captum
    expected = Saliency(module).attribute(images, target=codes, abs=False)
    assert_agree(saliency(net, X), channels_last(expected))


class Step(nn.Module):
    """A network that counts, without a gradient."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.output = nn.Linear(1, n_outputs)

    def forward(self, x):
        return self.output((x > 0).flatten(1).sum(1, keepdim=True).float())


def test_a_module_without_gradient_is_named():
    X, net = fitted((8, 7), architecture=Step)
    with pytest.raises(ValueError, match=r"no gradient there: .* Use method='occlusion'"):
        saliency(net, X)
    assert np.abs(saliency(net, X, method="occlusion")).max() > 0


def test_integrated_gradients_sum_to_what_the_output_gains(explained):
    X, net, target = explained
    X, target = X[:10], target if np.ndim(target) == 0 else target[:10]
    baseline = X[3]
    maps = saliency(
        net, X, method="integrated_gradients", target=target, baseline=baseline, n_steps=400
    )
    function = exact_outputs(net, X, target)
    gain = function(X) - function(np.broadcast_to(baseline, X.shape).copy())
    assert np.abs(gain).max() > 0
    rows = maps.reshape(10, -1)
    # the quadrature is inexact at kinks of relu and max
    assert_allclose(rows.sum(1), gain, atol=0.01 * np.abs(rows).sum(1).max())


@pytest.mark.parametrize("baseline", [0.0, -1.5, "mean"])
def test_integrated_gradients_of_a_smooth_network_are_exact(baseline):
    X, net = fitted((8, 7), activation="tanh", pooling="average")
    if baseline == "mean":
        baseline = X.mean(0)
    maps = saliency(net, X, method="integrated_gradients", target=2, baseline=baseline)
    function = exact_outputs(net, X, 2)
    gain = function(X) - function(np.broadcast_to(baseline, X.shape).astype(float))
    assert_allclose(maps.reshape(40, -1).sum(1), gain, rtol=1e-4, atol=1e-6 * np.abs(gain).max())


def test_integrated_gradients_are_the_mean_of_gradients_on_the_way():
    X, net = fitted((8, 7), activation="tanh", pooling="average")
    maps = saliency(net, X[:5], method="integrated_gradients", target=0, baseline=1.0)
    shares = (np.arange(200) + 0.5) / 200  # midpoints
    way = X[:5] - 1.0
    mean = np.mean([saliency(net, 1.0 + t * way, target=0) for t in shares], axis=0)
    assert_allclose(maps, mean * way[..., None], rtol=1e-3, atol=1e-4 * np.abs(maps).max())


@pytest.mark.parametrize("n_steps", [1, 50])
def test_integrated_gradients_are_captums(beside_captum, n_steps):
    X, net, module, images, codes = beside_captum
    expected = IntegratedGradients(module).attribute(
        images, baselines=0.25, target=codes, n_steps=n_steps, method="gausslegendre"
    )
    found = saliency(net, X, method="integrated_gradients", baseline=0.25, n_steps=n_steps)
    assert_agree(found, channels_last(expected))


def resized(maps, height, width):
    """Return maps interpolated linearly between the centres of pixels."""
    n_rows, n_columns = maps.shape[1:]
    out = np.empty((len(maps), height, width))
    for i in range(height):
        for j in range(width):
            y = np.clip((i + 0.5) * n_rows / height - 0.5, 0, n_rows - 1)
            x = np.clip((j + 0.5) * n_columns / width - 0.5, 0, n_columns - 1)
            up, left = int(y), int(x)
            down, right = min(up + 1, n_rows - 1), min(left + 1, n_columns - 1)
            b, a = y - up, x - left
            out[:, i, j] = (1 - b) * ((1 - a) * maps[:, up, left] + a * maps[:, up, right]) + b * (
                (1 - a) * maps[:, down, left] + a * maps[:, down, right]
            )
    return out


@pytest.mark.parametrize("layer", ["activation_1", "pool_1", "conv_1"])
def test_grad_cam_is_that_of_a_plain_loop(layer):
    """The layers after it are written out; their gradient is that of finite differences."""
    specs = [Conv(3), Activation("tanh"), Pool(2), Flatten()]
    X, net = fitted((8, 6), architecture=specs)
    order = [name for name, _ in net.net_.module_.layers.named_children()]
    assert order.index("pool_1") < order.index("activation_1")
    weight, bias = (
        p.detach().double().numpy() for p in net.net_.module_.layers.output.parameters()
    )

    def rest(maps):
        if layer == "conv_1":
            maps = np.tanh(maps)
        if layer != "pool_1":
            maps = maps.reshape(len(maps), 4, 2, 3, 2, 3).max((2, 4))
        return maps.reshape(len(maps), -1) @ weight[1] + bias[1]

    maps = feature_maps(net, X, layer=layer).astype(float)
    assert_allclose(rest(maps), net.decision_function(X)[:, 1], atol=1e-5)
    gradients = central_differences(rest, maps).reshape(maps.shape)
    cam = np.zeros(maps.shape[:3])
    for k in range(3):
        cam += gradients[..., k].mean((1, 2))[:, None, None] * maps[..., k]
    expected = resized(np.maximum(cam, 0), 8, 6)
    found = saliency(net, X, method="grad_cam", layer=layer, target=1)
    assert found.shape == (40, 8, 6, 1)
    assert_allclose(found[..., 0], expected, rtol=1e-4, atol=1e-6)
    assert (expected > 0).any()


def test_grad_cam_takes_the_last_convolution_after_its_activation():
    X, net = fitted((8, 7), filters=(3, (4, 5)))
    found = saliency(net, X, method="grad_cam")
    assert_array_equal(found, saliency(net, X, method="grad_cam", layer="activation_3"))
    assert (found != saliency(net, X, method="grad_cam", layer="conv_3")).any()
    assert_array_equal(
        found, saliency(net, X, method="grad_cam", layer=10 - len(net.summary()) - 1)
    )


def in_order_of_the_specifications(net, module):
    """Return the module's layers one after another, no pool moved before an activation."""
    parts = dict(module.layers.named_children())
    sequence = nn.Sequential()
    for row in net._rows:
        for name in parts:
            if name == row.name or name.startswith(f"{row.name}_"):
                sequence.add_module(name, parts[name])
    assert sorted(parts) == sorted(name for name, _ in sequence.named_children())
    return nn.Sequential(module.standardize, sequence)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("kind", ["conv", "activation", "pool"])
def test_grad_cam_is_captums(beside_captum, kind, number):
    X, net, module, images, codes = beside_captum
    if kind == "activation" and net.normalization is None:
        kind = "conv"
    layer = f"{kind}_{number}"
    hooked = in_order_of_the_specifications(net, module)
    tapped = layer + ("_tanh" if kind == "conv" and net.normalization is None else "")
    part = hooked[1].get_submodule(tapped)
    expected = LayerGradCam(hooked, part).attribute(images, target=codes, relu_attributions=True)
    expected = F.interpolate(expected, (9, 8), mode="bilinear", align_corners=False)
    assert_agree(saliency(net, X, method="grad_cam", layer=layer), channels_last(expected))


def test_grad_cam_before_activation_and_pool_is_captums():
    """Layers before activation and pool have the same output in either order."""
    X, net = fitted((9, 8))
    images = torch.from_numpy(X[:, None]).float().requires_grad_()
    module = copy.deepcopy(net.net_.module_)
    cam = LayerGradCam(module, module.layers.normalize_2).attribute(images, target=2)
    expected = F.interpolate(cam.relu(), (9, 8), mode="bilinear", align_corners=False)
    found = saliency(net, X, method="grad_cam", layer="normalize_2", target=2)
    assert_agree(found, channels_last(expected))


def test_grad_cam_at_a_layer_that_runs_twice_is_that_of_its_first_run():
    X, net = fitted((8, 8), architecture=Shared)
    module = copy.deepcopy(net.net_.module_)
    inner, images = module.module, torch.from_numpy(X).float().unsqueeze(1)
    maps = inner.first(module.standardize(images)).clamp(min=0).detach().requires_grad_()
    rest = inner.output((2 * inner.second(maps).clamp(min=0)).mean((2, 3)))
    assert_allclose(rest.detach(), net.decision_function(X), rtol=1e-4, atol=1e-6)
    (gradients,) = torch.autograd.grad(rest[:, 1].sum(), maps)
    cam = (gradients.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0).detach().numpy()
    found = saliency(net, X, method="grad_cam", layer="relu", target=1)
    assert_allclose(found[..., 0], cam, rtol=1e-4, atol=1e-6)


def test_grad_cam_takes_the_last_convolution_with_places():
    """Maps of one place would give the same value everywhere."""
    specs = [Conv(3), Activation("tanh"), Conv(4, 6, padding="valid"), Activation(), Flatten()]
    X, net = fitted((6, 6), architecture=specs)
    assert feature_maps(net, X[:1], layer="conv_2").shape == (1, 1, 1, 4)
    found = saliency(net, X, method="grad_cam")
    assert_array_equal(found, saliency(net, X, method="grad_cam", layer="activation_1"))
    assert found.reshape(len(X), -1).std(1).max() > 0
    specs = [Conv(4, 6, padding="valid"), Activation(), Flatten()]
    X, net = fitted((6, 6), architecture=specs)
    only = saliency(net, X, method="grad_cam")
    assert_array_equal(only, saliency(net, X, method="grad_cam", layer="activation_1"))
