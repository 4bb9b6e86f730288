"""Saliency against finite differences, plain loops and captum, and a patch that it must find."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion, Saliency
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.inspection import feature_maps, saliency
from skcnn.layers import Activation, Conv, Flatten, GlobalPool, Normalize, Pool, Residual
from tests.helpers.inspected import LABELS, Shared, assert_same_state, fitted, state_of

METHODS = ["gradient", "integrated_gradients", "grad_cam", "occlusion"]
NUMBERS = 100.0 + 30.0 * LABELS
MANY = np.column_stack([LABELS == 0, LABELS != 1]).astype(int)


def two_layers(shape, n_outputs):
    return nn.Sequential(
        nn.Conv2d(shape[0], 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(4 * 36, n_outputs),
    )


# name, shape of a sample, class, targets, parameters, whose output
NETS = {
    "grey": ((8, 7), ConvNetClassifier, LABELS, {}, None),
    "two classes": ((8, 7), ConvNetClassifier, LABELS % 2, {}, None),
    "a class": ((8, 7), ConvNetClassifier, LABELS, {}, 1),
    "classes": ((8, 7), ConvNetClassifier, LABELS, {}, (np.arange(40) // 4) % 3),
    "channels first": (
        (2, 8, 7),
        ConvNetClassifier,
        LABELS,
        {"input_shape": (2, 8, 7), "channels": "first", "activation": "tanh"},
        None,
    ),
    "colour": ((8, 7, 3), ConvNetClassifier, LABELS, {"normalization": None}, None),
    "groups": ((8, 7, 2), ConvNetClassifier, LABELS, {"normalization": "group"}, None),
    "signal": ((16, 2), ConvNetClassifier, LABELS, {"input_shape": (16, 2)}, None),
    "rows": ((16,), ConvNetClassifier, LABELS, {}, None),
    "volume": ((4, 6, 5, 2), ConvNetClassifier, LABELS, {"activation": "elu"}, None),
    "regressor": ((8, 7), ConvNetRegressor, NUMBERS, {}, None),
    "outputs": ((8, 7), ConvNetRegressor, np.column_stack([NUMBERS, -3 * NUMBERS]), {}, 1),
    "multilabel": ((8, 7), ConvNetClassifier, MANY, {}, 1),
    "callable": ((8, 8), ConvNetClassifier, LABELS, {"architecture": two_layers}, None),
    "residual": (
        (8, 7),
        ConvNetClassifier,
        LABELS,
        {"architecture": [Conv(3), Residual([Conv(3), Normalize()]), Activation(), GlobalPool()]},
        None,
    ),
}


@pytest.fixture(scope="module", params=NETS)
def case(request):
    shape, cls, y, params, target = NETS[request.param]
    X, net = fitted(shape, cls, y, **params)
    return X, net, target


def exact_outputs(net, X, target):
    """Return a function of samples like X to the target's output, in float64 throughout."""
    module = copy.deepcopy(net.net_.module_).double()
    scale, mean = getattr(net, "_target_scale", 1.0), getattr(net, "_target_mean", 0.0)

    def outputs(samples):
        images = samples.reshape(-1, *net.input_shape_)
        images = images if net.channels == "first" else np.moveaxis(images, -1, 1)
        with torch.no_grad():
            values = module(torch.from_numpy(np.ascontiguousarray(images))).numpy()
        return values * scale + mean

    if target is None:
        target = outputs(X).argmax(1)
    codes = np.broadcast_to(target, len(X))
    return lambda samples: outputs(samples)[np.arange(len(samples)), codes[: len(samples)]]


def central_differences(function, X, step=1e-6):
    """Return the derivative of each sample's value with respect to each of its own."""
    flat = X.reshape(len(X), -1)
    found = np.empty_like(flat)
    for i in range(flat.shape[1]):
        move = np.zeros(flat.shape[1])
        move[i] = step
        up, down = ((flat + sign * move).reshape(X.shape) for sign in (1, -1))
        found[:, i] = (function(up) - function(down)) / (2 * step)
    return found


def test_gradients_are_those_of_finite_differences(case):
    X, net, target = case
    maps = saliency(net, X, target=target)
    assert maps.shape == (40, *net.input_shape_)
    assert maps.dtype == np.float32
    expected = central_differences(exact_outputs(net, X, target), X)
    scale = np.abs(expected).max()
    assert scale > 0
    assert_allclose(maps.reshape(40, -1), expected, rtol=1e-4, atol=2e-6 * scale)


def test_integrated_gradients_sum_to_what_the_output_gains(case):
    X, net, target = case
    X, target = X[:10], target if np.ndim(target) == 0 else target[:10]
    baseline = X[3]
    maps = saliency(
        net, X, method="integrated_gradients", target=target, baseline=baseline, n_steps=400
    )
    function = exact_outputs(net, X, target)
    gain = function(X) - function(np.broadcast_to(baseline, X.shape).copy())
    assert np.abs(gain).max() > 0
    rows = maps.reshape(10, -1)
    # the quadrature meets kinks; measured: 0.004 at most, with 64 steps 0.026
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


def resized(maps, height, width):
    """Return maps interpolated as by hand: pixels are squares, the edge is kept."""
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
    """The way from the layer on is written out; its gradient is that of finite differences."""
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


@pytest.mark.parametrize("window", [None, 3, (1, 5)])
@pytest.mark.parametrize("baseline", [0.0, "sample"])
def test_occlusion_is_that_of_a_plain_loop(window, baseline):
    X, net = fitted((8, 7))
    X = X[:6]
    baseline = X.mean(0) if baseline == "sample" else baseline
    found = saliency(net, X, method="occlusion", target=2, window=window, baseline=baseline)
    height, width = {None: (2, 2), 3: (3, 3)}.get(window, window)
    filled = np.broadcast_to(baseline, X.shape)
    whole = net.decision_function(X)[:, 2]
    total, count = np.zeros(X.shape), np.zeros(X.shape)
    for i in range(8 - height + 1):
        for j in range(7 - width + 1):
            box = (slice(None), slice(i, i + height), slice(j, j + width))
            covered = X.copy()
            covered[box] = filled[box]
            total[box] += (whole - net.decision_function(covered)[:, 2])[:, None, None]
            count[box] += 1
    assert found.shape == (6, 8, 7, 1)
    assert_allclose(found[..., 0], total / count, rtol=1e-4, atol=1e-6)


def test_occlusion_covers_all_channels_and_any_number_of_axes():
    X, net = fitted((2, 9), input_shape=(2, 9), channels="first")
    found = saliency(net, X, method="occlusion", target=0, window=9, baseline=0.5)
    fall = net.decision_function(X) - net.decision_function(np.full_like(X, 0.5))
    assert found.shape == (40, 1, 9)
    assert_allclose(found[:, 0], np.repeat(fall[:, :1], 9, axis=1), rtol=1e-4, atol=1e-6)


# Against captum


CAPTUM_NETS = {
    "swapped pool": {},
    "pool after": {"activation": "gelu", "pooling": "average"},
    "own activation": {"normalization": None, "activation": "tanh"},
}


@pytest.fixture(scope="module", params=CAPTUM_NETS)
def beside_captum(request):
    """Return samples, network, its module, samples for the module, predicted classes."""
    X, net = fitted((9, 8, 2), **CAPTUM_NETS[request.param])
    module = copy.deepcopy(net.net_.module_)
    images = torch.from_numpy(np.moveaxis(X, -1, 1)).float().requires_grad_()
    with torch.no_grad():
        codes = module(images).argmax(1)
    return X, net, module, images, codes


def as_samples(attributions):
    return np.moveaxis(attributions.detach().numpy(), 1, -1)


def assert_agree(found, expected):
    assert np.abs(expected).max() > 0
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_gradients_are_captums(beside_captum):
    X, net, module, images, codes = beside_captum
    expected = Saliency(module).attribute(images, target=codes, abs=False)
    assert_agree(saliency(net, X), as_samples(expected))


@pytest.mark.parametrize("n_steps", [1, 50])
def test_integrated_gradients_are_captums(beside_captum, n_steps):
    X, net, module, images, codes = beside_captum
    expected = IntegratedGradients(module).attribute(
        images, baselines=0.25, target=codes, n_steps=n_steps, method="gausslegendre"
    )
    found = saliency(net, X, method="integrated_gradients", baseline=0.25, n_steps=n_steps)
    assert_agree(found, as_samples(expected))


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
    assert_agree(saliency(net, X, method="grad_cam", layer=layer), as_samples(expected))


def test_grad_cam_of_the_modules_own_order_is_captums():
    """What comes before both, activation and pool, is the same in either order."""
    X, net = fitted((9, 8))
    images = torch.from_numpy(X[:, None]).float().requires_grad_()
    module = copy.deepcopy(net.net_.module_)
    cam = LayerGradCam(module, module.layers.normalize_2).attribute(images, target=2)
    expected = F.interpolate(cam.relu(), (9, 8), mode="bilinear", align_corners=False)
    found = saliency(net, X, method="grad_cam", layer="normalize_2", target=2)
    assert_agree(found, as_samples(expected))


@pytest.mark.parametrize("window", [(2, 2), (3, 5), (9, 8)])
def test_occlusion_is_captums(beside_captum, window):
    X, net, module, images, codes = beside_captum
    X, images, codes = X[:8], images[:8].detach(), codes[:8]
    expected = Occlusion(module).attribute(
        images, sliding_window_shapes=(2, *window), baselines=-0.5, target=codes
    )
    found = saliency(net, X, method="occlusion", window=window, baseline=-0.5)
    assert_agree(found, as_samples(expected)[..., :1])


# A patch that decides


def stripes_in_noise(n, seed):
    """Return noise with a striped patch anywhere; its direction is the class."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(scale=0.2, size=(n, 20, 20)), np.arange(n) % 2
    inside = np.zeros(X.shape, bool)
    stripes = np.where(np.arange(6) % 2, 2.0, -2.0) * np.ones((6, 1))
    for i, (row, column) in enumerate(rng.integers(0, 15, (n, 2))):
        box = (i, slice(row, row + 6), slice(column, column + 6))
        X[box] += stripes.T if y[i] else stripes
        inside[box] = True
    return X, y, inside


@pytest.fixture(scope="module")
def patch():
    X, y, _ = stripes_in_noise(240, 0)
    specs = [Conv(8), Normalize(), Activation(), GlobalPool(kind="max")]
    net = ConvNetClassifier(architecture=specs, max_epochs=12, random_state=0).fit(X, y)
    X, y, inside = stripes_in_noise(40, 1)
    assert net.score(X, y) == 1
    return X, net, inside


@pytest.mark.parametrize("method", METHODS)
def test_the_patch_that_decides_holds_most_of_the_saliency(patch, method):
    X, net, inside = patch
    assert inside.mean() == 0.09
    maps = np.abs(saliency(net, X, method=method)[..., 0])
    shares = (maps * inside).sum((1, 2)) / maps.sum((1, 2))
    # measured: gradient 0.55, integrated gradients 0.93, Grad-CAM 0.60, occlusion 0.57
    assert shares.mean() > 0.5


# Targets


def test_a_class_is_named_by_its_label():
    names = np.array(["cat", "dog", "fox"])
    X, net = fitted((8, 7), y=names[LABELS])
    each = np.array([saliency(net, X, target=name) for name in names])
    predicted = net.predict(X)
    assert len(set(predicted)) > 1
    codes = np.searchsorted(names, predicted)
    assert_array_equal(saliency(net, X), each[codes, np.arange(40)])
    for target in (predicted, predicted.tolist(), predicted.astype(object)):
        assert_array_equal(saliency(net, X, target=target), saliency(net, X))
    assert_array_equal(saliency(net, X, target=np.array("dog")), each[1])


def test_two_classes_have_a_logit_each():
    X, net = fitted((8, 7), y=LABELS % 2)
    zero, one = (saliency(net, X, target=label) for label in (0, 1))
    assert not np.allclose(one, -zero, rtol=0.01)
    logits = [exact_outputs(net, X, code) for code in (0, 1)]
    expected = central_differences(lambda X: logits[1](X) - logits[0](X), X)
    assert_allclose((one - zero).reshape(40, -1), expected, rtol=1e-3, atol=1e-6)


def test_units_are_those_of_y():
    """A regressor on other units is the same network."""
    X, net = fitted((8, 7), ConvNetRegressor, NUMBERS)
    _, larger = fitted((8, 7), ConvNetRegressor, 1000 * NUMBERS)
    for method in METHODS:
        found, expected = (saliency(n, X, method=method) for n in (larger, net))
        assert_allclose(found, 1000 * expected, rtol=1e-4, atol=1e-3 * np.abs(expected).max())


BAD_TARGETS = {
    "label": (ConvNetClassifier, LABELS, 7, r"a class label, one of \[0, 1, 2\].* Got 7"),
    "text for number": (ConvNetClassifier, LABELS, "1", r"one of \[0, 1, 2\].* Got '1' instead"),
    "number for text": (ConvNetClassifier, LABELS.astype(str), 1, r"one of \['0', '1', '2'\]"),
    "near miss": (
        ConvNetClassifier,
        np.array(["cat", "dog", "fox"])[LABELS],
        ["cat"] * 39 + ["dgo"],
        r"Got 'dgo' instead\. Did you mean 'dog'",
    ),
    "length": (ConvNetClassifier, LABELS, [0, 1], r"each of the 40 samples. Got .* shape \(2,\)"),
    "table": (ConvNetClassifier, LABELS, np.zeros((40, 1)), r"shape \(40, 1\)"),
    "no output": (ConvNetRegressor, NUMBERS, 1, r"number of an output, one of \[0\].* Got 1"),
    "which output": (ConvNetRegressor, np.column_stack([NUMBERS] * 2), None, "Got None"),
    "which label": (ConvNetClassifier, MANY, None, r"one of \[0, 1\].* Got None"),
    "negative": (ConvNetClassifier, MANY, -1, "Got -1"),
    "set": (ConvNetClassifier, LABELS, {1}, r"class label, one of .* Got \{1\}"),
    "dict": (ConvNetClassifier, MANY, {0: 1}, r"number of an output, .* Got \{0: 1\}"),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_unknown_targets_are_named(name):
    cls, y, target, message = BAD_TARGETS[name]
    X, net = fitted((8, 7), cls, y, max_epochs=1)
    with pytest.raises(ValueError, match="The 'target' parameter must be .*" + message):
        saliency(net, X, target=target)


# Other parameters


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "gradcam"}, r"'method' .* one of \['gradient', .*Did you mean 'grad_cam'"),
        ({"method": None}, r"The 'method' parameter must be one of .* Got None instead\.$"),
        (
            {"layer": "conv_1"},
            "'layer' parameter is for method='grad_cam' only. Got layer='conv_1'",
        ),
        ({"window": 3}, "'window' parameter is for method='occlusion' only"),
        ({"method": "grad_cam", "layer": "conv_7"}, "'layer' .* Got 'conv_7'"),
        ({"method": "grad_cam", "layer": "dense_1"}, r"2 spatial axes. Got 'dense_1', .* \(5,\)"),
        ({"n_steps": 0}, "n_steps == 0, must be >= 1"),
        ({"method": "occlusion", "window": 8}, r"'window' .* sample \(8, 7\). Got 8 instead"),
        ({"method": "occlusion", "window": 0}, "'window' .* Got 0"),
        ({"method": "occlusion", "window": (2, 2, 2)}, r"'window' .* Got \(2, 2, 2\)"),
        ({"method": "occlusion", "window": 2.5}, "'window' .* Got 2.5"),
        ({"baseline": [1.0, 2.0]}, r"'baseline' .* shape \(8, 7, 1\). Got \[1.0, 2.0\]"),
        ({"baseline": np.ones((7, 8))}, r"'baseline' .* Got an array of shape \(7, 8\)"),
        ({"baseline": "mean"}, "'baseline' .* Got 'mean'"),
        ({"baseline": np.inf}, "'baseline' .* Got inf"),
        ({"baseline": None}, "'baseline' .* Got None"),
    ],
)
def test_bad_parameters_are_named(params, message):
    X, net = fitted((8, 7), max_epochs=1)
    with pytest.raises(ValueError, match=message):
        saliency(net, X, **params)


@pytest.mark.parametrize("method", ["gradient", "grad_cam"])
def test_a_baseline_or_steps_of_another_method_are_ignored(method):
    X, net = fitted((8, 7), max_epochs=1)
    found = saliency(net, X, method=method, baseline=3.0, n_steps=2)
    assert_array_equal(found, saliency(net, X, method=method))


def test_n_steps_must_be_whole():
    X, net = fitted((8, 7), max_epochs=1)
    with pytest.raises(TypeError, match="n_steps must be an instance of"):
        saliency(net, X, n_steps=2.0)


def test_a_baseline_may_have_any_shape_of_a_sample():
    X, net = fitted((8, 7, 2), max_epochs=1)
    mean = X.mean(0)
    first = saliency(net, X, method="integrated_gradients", baseline=mean)
    flat = saliency(net, X, method="integrated_gradients", baseline=mean.ravel())
    assert_array_equal(first, flat)
    colour = saliency(net, X, method="occlusion", baseline=[0.5, -0.5])
    full = saliency(net, X, method="occlusion", baseline=np.ones((8, 7, 2)) * [0.5, -0.5])
    assert_array_equal(colour, full)


def test_networks_without_what_a_method_needs():
    X, net = fitted((8, 7), architecture=[Flatten()])
    with pytest.raises(ValueError, match="no convolution that gives feature maps"):
        saliency(net, X, method="grad_cam")
    assert saliency(net, X, method="occlusion").shape == (40, 8, 7, 1)


class Step(nn.Module):
    """A network that counts: no gradient."""

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


def test_values_beyond_all_bounds_are_named():
    X, net = fitted((8, 7), architecture=[Conv(3), Activation("elu"), Flatten()])
    with pytest.raises(ValueError, match="method='occlusion' gave infinite values or NaN"):
        saliency(net, X, method="occlusion", baseline=3e38)


# What must not matter


@pytest.mark.parametrize("method", METHODS)
def test_a_samples_saliency_is_the_same_bits_in_any_company(case, method):
    X, net, target = case
    if np.ndim(target):
        target = 2
    everything = saliency(net, X, method=method, target=target)
    backwards = saliency(net, X[::-1], method=method, target=target)[::-1]
    assert_array_equal(backwards, everything)
    alone = saliency(net, X[17:18], method=method, target=target)
    assert_array_equal(alone, everything[17:18])


@pytest.mark.parametrize("method", METHODS)
def test_the_estimator_and_the_random_state_are_left_as_they_were(case, method):
    X, net, target = case
    before, torch_state = state_of(net), torch.get_rng_state()
    assert all(before["needs"]), "no earlier test has switched gradients off"
    saliency(net, X, method=method, target=target)
    assert_same_state(before, state_of(net))
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_the_callers_mode_of_torch_is_of_no_account(context, method):
    X, net = fitted((8, 7), max_epochs=1)
    with context():
        inside = saliency(net, X, method=method)
    assert_array_equal(inside, saliency(net, X, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_a_users_module_that_works_in_place(method):
    X, net = fitted((8, 8), architecture=Shared)
    maps = saliency(net, X, method=method)
    assert maps.shape == (40, 8, 8, 1)
    assert np.abs(maps).max() > 0
    if method == "grad_cam":  # the activation ran after the first convolution, too
        assert_array_equal(maps, saliency(net, X, method=method, layer="second"))


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


@pytest.mark.parametrize("method", METHODS)
def test_pipelines_explain_what_reaches_the_network(method):
    X = np.random.default_rng(0).normal(3, 2, (40, 64))
    net = ConvNetClassifier(input_shape=(8, 8), filters=3, max_epochs=1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), net)
    search = GridSearchCV(pipeline, {"convnetclassifier__filters": [2]}, cv=2).fit(X, LABELS)
    best = search.best_estimator_
    expected = saliency(best[-1], best[:-1].transform(X), method=method)
    assert_array_equal(saliency(best, X, method=method), expected)
    assert_array_equal(saliency(search, X, method=method), expected)


@pytest.mark.parametrize("method", METHODS)
def test_bytes_are_samples_like_any_others(method):
    X = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    net = ConvNetClassifier(filters=3, max_epochs=1, random_state=0).fit(X, LABELS)
    found = saliency(net, X, method=method)
    assert_allclose(found, saliency(net, X.astype(float), method=method), rtol=1e-5)


def test_views_at_test_time_have_no_part():
    X, net = fitted((8, 7), max_epochs=1)
    _, viewing = fitted((8, 7), max_epochs=1, test_time_augmentation="flip")
    assert (net.decision_function(X) != viewing.decision_function(X)).any()
    assert_array_equal(saliency(viewing, X), saliency(net, X))


def test_other_estimators_and_unfitted_ones_are_refused():
    with pytest.raises(NotFittedError):
        saliency(ConvNetClassifier(), np.ones((2, 8, 8)))
    with pytest.raises(TypeError, match=r"must be a fitted ConvNetClassifier .* Got LogisticReg"):
        saliency(LogisticRegression(), np.ones((2, 8)))
