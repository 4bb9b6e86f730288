"""The automatic network of signals: when it is taken, its layers, its training."""

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet import automatic
from skcnn._convnet.automatic import series_batch_size, series_epochs
from skcnn.layers import Deviations, GlobalPool, Residual
from tests.helpers.small_fits import WatchBatches

RNG = np.random.default_rng(0)


def layers_of(length, n_channels=1, **how):
    net = ConvNetClassifier(n_spatial_dims=1, **how)
    return [*net.summary((length, n_channels), 3)["type"]]


def is_series_network(types):
    return "Residual" in types and "GlobalPool" in types and "Flatten" not in types


@pytest.mark.parametrize(
    ("length", "how", "expected"),
    [
        (32, {}, True),
        (31, {}, False),  # columns of a table more often than a signal
        (200, {"dropout": 0.0, "normalization": "group", "activation": "elu"}, True),
        (200, {"filters": (8,)}, False),
        (200, {"kernel_size": 3}, False),
        (200, {"pooling": None}, False),
        (200, {"pooling": "max"}, False),
        (200, {"pool_size": 2}, False),
        (200, {"hidden_units": (128,)}, False),
        (200, {"stride": 2}, False),
        (200, {"padding": "valid"}, False),
        (200, {"padding_mode": "mirror"}, False),
        (200, {"pool_stride": 2}, False),
        (200, {"conv_dropout": 0.1}, False),
        (200, {"architecture": "fcn"}, False),
    ],
    ids=str,
)
def test_it_is_taken_for_signals_without_blocks_of_the_users(length, how, expected):
    net = ConvNetClassifier(n_spatial_dims=1, **how)
    assert is_series_network(layers_of(length, **how)) == expected
    assert net._has_series_network((1, length), False) == expected


def test_images_and_volumes_have_another_network():
    for shape in ((20, 20, 1), (200, 1, 1), (20, 20, 20, 1)):
        types = [*ConvNetClassifier().summary(shape, 3)["type"]]
        assert "Residual" not in types
        assert "Deviations" not in types


def test_auto_blocks_of_rows_that_are_no_signals_are_these():
    net = ConvNetClassifier()
    given = ConvNetClassifier(
        filters=(32, 64), kernel_size=3, pooling="max", pool_size=2, hidden_units=(128,)
    )
    assert net._layers((1, 9)) == given._layers((1, 9))


def test_signals_of_unequal_length_have_no_mean_signal():
    X = [RNG.normal(size=n) for n in (12, 30, 25, 18)]
    model = ConvNetClassifier(n_spatial_dims=1, max_epochs=1, random_state=0).fit(X, [0, 1, 0, 1])
    specs = [row.spec for row in model._rows]
    assert not any(isinstance(spec, Deviations) for spec in specs)
    assert sum(isinstance(spec, Residual) for spec in specs) == 2
    assert any(isinstance(spec, GlobalPool) for spec in specs)


@pytest.mark.parametrize("length", [1025, 1460, 16_000, 100_000])
def test_long_signals_cost_no_more_than_those_of_1024(length):
    def cost(n):
        return ConvNetClassifier().summary((n, 1), 3)["multiply_accumulates"].sum()

    table = ConvNetClassifier().summary((length, 1), 3)
    lengths = [shape[0] for shape in table["output_shape"].iloc[4:6]]
    assert max(lengths) <= 512
    assert min(lengths) > 200
    assert cost(length) < max(1.1 * cost(1024), 1200 * length)


@pytest.mark.parametrize("length", [1500, 4000])
def test_fast_oscillations_of_long_signals_are_seen(length):
    y = np.arange(100) % 2
    frequency = 0.30 + 0.05 * y[:, None]  # of the sampling rate: averages would be zero
    phase = RNG.uniform(0, 6.28, (100, 1))
    X = np.sin(2 * np.pi * frequency * np.arange(length) + phase) + RNG.normal(size=(100, length))
    model = ConvNetClassifier(max_epochs=4, batch_size=8, random_state=0).fit(X[:60], y[:60])
    assert model.score(X[60:], y[60:]) > 0.9


@pytest.mark.parametrize(
    ("n_samples", "macs", "expected"),
    [
        (30, 10**6, 300),  # 1,500 steps would be 750 epochs
        (160, 10**6, 150),  # 1,500 steps of 16
        (480, 10**6, 100),  # no fewer
        (480, 3 * 10**7, 48),  # 7e11 multiply-accumulates
        (10_000, 10**8, 10),  # no fewer
    ],
)
def test_epochs(n_samples, macs, expected):
    assert series_epochs(n_samples, series_batch_size(n_samples), macs) == expected


def test_batch_sizes():
    assert [series_batch_size(n) for n in (2, 400, 800, 10**6)] == [16, 16, 32, 64]


def test_the_fit_takes_them(monkeypatch):
    X = RNG.normal(size=(40, 32))
    batches = WatchBatches()
    model = ConvNetRegressor(callbacks=[batches], random_state=0)
    monkeypatch.setattr(automatic, "SERIES_EPOCHS", (11, 11))
    assert model.fit(X, X[:, 3]).n_iter_ == 11
    assert sorted(set(batches.sizes)) == [13, 14]  # at most 16, of equal sizes
    batches.sizes.clear()
    assert model.set_params(max_epochs=3, batch_size=20).fit(X, X[:, 3]).n_iter_ == 3
    assert batches.sizes == [20] * 6


def test_masks_of_missing_values_are_counted():
    X = RNG.normal(size=(40, 400, 2))
    X[0, :5] = np.nan
    net = ConvNetClassifier(n_spatial_dims=1, missing="mask", max_epochs=1, random_state=0)
    model = net.fit(X, np.arange(40) % 2)
    assert model._rows[0].input_shape == (4, 400)


def test_predictions_do_not_depend_on_the_batch():
    X = RNG.normal(size=(50, 60)).astype(np.float32)
    model = ConvNetClassifier(max_epochs=2, random_state=0).fit(X, np.arange(50) % 3)
    whole = model.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X[7:9]), whole[7:9])
    assert torch.is_grad_enabled()


def test_signals_above_512_are_halved_between_the_blocks():
    types = {n: layers_of(n).count("Pool") for n in (512, 513, 1024)}
    assert types == {512: 0, 513: 1, 1024: 1}
