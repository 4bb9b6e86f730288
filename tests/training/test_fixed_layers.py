"""Layers set from the training samples: whitening and deviations, against NumPy."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.samples import SampleSet
from skcnn._data.validation import check_images
from skcnn._training.fixed_layers import set_fixed_layers
from skcnn.exceptions import ArchitectureError
from skcnn.layers import Activation, Conv, Dense, Deviations, GlobalPool, Pool, Residual, Whiten
from tests.helpers.device import on_cpu, outputs_of


def pictures(shape, n=40, seed=0):
    """Return smooth random samples."""
    noise = np.random.default_rng(seed).normal(size=(n, *shape))
    for axis in range(1, noise.ndim - 1):
        noise += np.roll(noise, 1, axis)
    return noise.astype(np.float32)


def fitted(X, layers, **params):
    y = np.arange(len(X)) % 2
    return ConvNetClassifier(
        architecture=layers,
        max_epochs=1,
        batch_size=20,
        learning_rate=1e-9,
        random_state=0,
        **params,
    ).fit(X, y)


def whitening_part(model):
    return next(p for p in model.net_.module_.modules() if "Whitening" in type(p).__name__)


def standardized(X):
    axes = tuple(range(X.ndim - 1))
    return (X - X.mean(axes)) / X.std(axes)


def patches_by_hand(X, side):
    """Return every patch of channels-last images, flat as (channel, rows, columns)."""
    n, height, width, _ = X.shape
    return np.stack(
        [
            X[i, r : r + side, c : c + side, :].transpose(2, 0, 1).ravel()
            for i in range(n)
            for r in range(height - side + 1)
            for c in range(width - side + 1)
        ]
    ).astype(np.float64)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_kernels_are_scaled_principal_components(n_channels):
    X = pictures((6, 6, n_channels))
    kernels = (
        whitening_part(fitted(X, [Whiten(2)])).weight.detach().double().flatten(1).cpu().numpy()
    )
    patches = patches_by_hand(standardized(X), 2)
    half = 4 * n_channels
    np.testing.assert_array_equal(kernels[:half], -kernels[half:])
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    for kernel, value, vector in zip(kernels[:half], values[::-1], vectors.T[::-1], strict=True):
        expected = vector / np.sqrt(value + 5e-4 * values.mean())
        expected *= np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(kernel, expected, atol=2e-4)


@pytest.mark.parametrize(
    "shape",
    [(12, 1), (12, 3), (6, 7, 1), (5, 5, 3), (4, 5, 3, 2)],
    ids=lambda s: f"{len(s)}d{s[-1]}",
)
def test_outputs_are_uncorrelated_with_unit_variance(shape):
    X = pictures(shape, n=200)
    model = fitted(X, [Whiten(2)], n_spatial_dims=len(shape) - 1)
    part = whitening_part(model)
    seen = []
    part.register_forward_hook(
        lambda _, inputs, out: seen.append(out - part.bias.view(1, -1, *(1,) * (out.dim() - 2)))
    )
    batch = torch.from_numpy(np.moveaxis(X, -1, 1).copy())
    with torch.no_grad():
        outputs_of(model.net_.module_.eval(), batch)
    out = seen[0].movedim(1, -1).flatten(0, -2).double()
    half = out.shape[1] // 2
    moments = (out.T @ out / len(out))[:half, :half]
    np.testing.assert_allclose(moments.cpu().numpy(), np.eye(half), atol=0.02)


def test_kernels_are_not_trained_and_biases_are():
    X, y = load_digits(return_X_y=True)
    X, y = X[:200].reshape(-1, 8, 8), y[:200]
    params = {"architecture": [Whiten(2, activation="relu"), Conv(8)], "random_state": 0}
    kernels, biases = [], []
    for n_epochs in (1, 4):
        model = ConvNetClassifier(max_epochs=n_epochs, **params).fit(X, y)
        part = whitening_part(model)
        kernels.append(part.weight.clone())
        biases.append(part.bias.clone())
        counted = model.summary().loc["whiten_1", "parameters"]
        assert counted == part.bias.numel() == 8
        assert model.n_parameters_ == model.summary()["parameters"].sum()
    assert torch.equal(*kernels)
    assert not torch.equal(*biases)


def test_weights_mean_repetition():
    X, y = load_digits(return_X_y=True)
    X, y = X[:60], y[:60]
    weights = np.arange(60) % 3
    model = ConvNetClassifier(
        input_shape=(8, 8), architecture=[Whiten(3)], max_epochs=2, batch_size=None, random_state=0
    )
    weighted = whitening_part(model.fit(X, y, sample_weight=weights)).weight.clone()
    repeated = whitening_part(model.fit(np.repeat(X, weights, 0), np.repeat(y, weights))).weight
    torch.testing.assert_close(weighted, repeated, rtol=1e-3, atol=1e-4)


def test_order_of_samples_does_not_matter():
    X = pictures((6, 6, 1))
    layers = [Whiten(2), Conv(4)]
    y = np.arange(len(X)) % 2
    order = np.random.default_rng(0).permutation(len(X))
    model = ConvNetClassifier(architecture=layers, max_epochs=1, random_state=0)
    first = model.fit(X, y).decision_function(X)
    np.testing.assert_array_equal(first, model.fit(X[order], y[order]).decision_function(X))


def test_whitening_within_a_block_uses_the_layers_before_it():
    X = pictures((6, 6, 1), n=100)
    layers = [Conv(4, activation="relu"), Residual([Whiten(1), Activation("relu"), Conv(4)])]
    kernels = whitening_part(fitted(X, layers)).weight.detach()
    assert kernels.shape == (8, 4, 1, 1)
    assert torch.isfinite(kernels).all()
    assert kernels.abs().max() > 0.1


def test_nothing_after_the_whitening_layer_is_computed():
    X = pictures((6, 6, 1))
    seen = []

    class Loud(torch.nn.Module):
        def forward(self, x):
            seen.append(len(x))
            return x

    model = fitted(X, [Whiten(2), Conv(4)])
    net = on_cpu(model.net_.module_)
    net.layers.append(Loud())
    everything = SampleSet(check_images(model, X), np.arange(len(X)), np.zeros(len(X)), None)
    set_fixed_layers(net, everything)
    assert seen == []


def test_padding_counts_where_the_window_is_larger_than_the_map():
    X = pictures((4, 4, 1), n=50)
    layers = [Conv(2), Pool(), Whiten(3, padding=1)]
    kernels = whitening_part(fitted(X, layers)).weight.detach()
    assert kernels.shape == (36, 2, 3, 3)
    assert torch.isfinite(kernels).all()


def test_constant_channel_has_finite_kernels():
    X = pictures((6, 6, 2))
    X[..., 1] = 3.0
    assert torch.isfinite(whitening_part(fitted(X, [Whiten(2)])).weight).all()


def test_regressor_takes_it_and_same_padding_keeps_the_size():
    X = pictures((6, 6, 1))
    model = ConvNetRegressor(architecture=[Whiten(2, padding="same")], max_epochs=1, random_state=0)
    summary = model.fit(X, X.mean((1, 2, 3))).summary()
    assert summary.loc["whiten_1", "output_shape"] == (6, 6, 8)


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([Dense(4), Whiten()], "before Flatten"),
        ([Whiten(9)], "does not fit|larger|window"),
    ],
)
def test_whitening_that_does_not_fit(layers, match):
    with pytest.raises(ArchitectureError, match=match):
        fitted(pictures((6, 6, 1)), layers)


@pytest.mark.parametrize(
    "wrong",
    [{"kernel_size": 0}, {"kernel_size": "2"}, {"padding": "full"}, {"activation": "rellu"}],
)
def test_wrong_fields_are_named(wrong):
    with pytest.raises(ArchitectureError, match=next(iter(wrong))):
        Whiten(**wrong)


def deviations_by_hand(X, weights):
    """Return the standardised values, and their deviations, channels last."""
    axes, each = tuple(range(X.ndim - 1)), weights.reshape(-1, *(1,) * (X.ndim - 1))
    total = weights.sum() * np.prod(X.shape[1:-1])
    mean = (each * X).sum(axes) / total
    values = (X - mean) / np.sqrt((each * (X - mean) ** 2).sum(axes) / total)
    apart = values - (each * values).sum(0) / weights.sum()
    return values, apart / np.sqrt((each * apart**2).sum(axes) / total)


def outputs_of_first_layer(model, X):
    """Return them for samples with their channels last, (n_samples, *spatial, n_channels)."""
    net = model.net_.module_
    images = torch.from_numpy(np.moveaxis(X, -1, 1)).float().to(model.device_)
    with torch.no_grad():
        outputs = net.layers[0](net.standardize(images.unsqueeze(2) if net.is_signal else images))
    return np.moveaxis(on_cpu(outputs.squeeze(2) if net.is_signal else outputs).numpy(), 1, -1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(30, 1), (30, 2), (7, 5, 3), (4, 5, 3, 1)])
def test_deviations_from_the_mean_sample(shape, weighted):
    X = pictures(shape) + 20 * pictures(shape, n=1)
    weights = np.random.default_rng(2).uniform(0.2, 3.0, len(X)) if weighted else np.ones(len(X))
    model = ConvNetClassifier(
        architecture=[Deviations(), Conv(3), Activation("relu")],
        n_spatial_dims=len(shape) - 1,
        max_epochs=1,
        random_state=0,
    ).fit(X, np.arange(len(X)) % 2, sample_weight=weights if weighted else None)
    found = outputs_of_first_layer(model, X)
    expected = np.concatenate(deviations_by_hand(X.astype(float), weights), -1)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=2e-4)
    assert not any("scale" in name for name, _ in model.net_.module_.named_parameters())


def test_deviations_of_samples_that_are_alike_are_zero():
    X = np.repeat(pictures((12, 1), n=1), 20, 0)
    model = fitted(X, [Deviations(), Conv(2)], n_spatial_dims=1)
    found = outputs_of_first_layer(model, X)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[..., 1], 0, atol=1e-5)


def test_deviations_tell_much_alike_spectra_apart():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = 100 * np.sin(np.linspace(0, 9, 80)) + 0.05 * rng.normal(size=(60, 80))
    X[:, 30:36] += 0.15 * y[:, None]
    layers = [Conv(8, 9, activation="relu"), GlobalPool()]
    how = {"n_spatial_dims": 1, "max_epochs": 40, "batch_size": 16, "random_state": 0}
    scores = [
        ConvNetClassifier(architecture=[*first, *layers], **how)
        .fit(X[:30], y[:30])
        .score(X[30:], y[30:])
        for first in ([], [Deviations()])
    ]
    assert scores[0] < 0.7
    assert scores[1] > 0.85


def test_deviations_are_for_signals_of_one_length():
    X = [np.arange(n, dtype=float) for n in (8, 9, 10, 11)]
    net = ConvNetClassifier(architecture=[Deviations(), Conv(2), GlobalPool()], n_spatial_dims=1)
    with pytest.raises(ArchitectureError, match=r"Deviations.*not for signals of unequal length"):
        net.fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize(("share", "expected"), [(0.5, True), (0.001, False)])
def test_large_deviations_are_left_out(share, expected):
    X = pictures((30, 2)) + 20 * pictures((30, 2), n=1)
    model = fitted(X, [Deviations(share), Conv(3)], n_spatial_dims=1)
    found = outputs_of_first_layer(model, X)[..., 2:]
    assert found.any() == expected
    if expected:
        np.testing.assert_allclose(found.std((0, 1)), 1, rtol=0.01)


@pytest.mark.parametrize("share", [0, -0.1, 1.5, "all", None, True])
def test_wrong_shares(share):
    with pytest.raises(ArchitectureError, match="'largest_share' of Deviations must be a float"):
        Deviations(share)
