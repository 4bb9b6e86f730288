"""Latents: every decoding fits, and reaches the whole range of each parameter."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, IntDistribution

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomTranslation
from skcnn.model_selection._spaces.latents import (
    DEFAULTS,
    LATENTS,
    decode,
    encode,
    n_fitting_blocks,
)

OTHER_SHAPES = [(8, 8), (28, 28), (5, 41), (100,), (1,), (2,), (1, 1), (2, 3), (3, 1, 7), (512, 1)]


def draw_latent(latent):
    if isinstance(latent, CategoricalDistribution):
        return st.sampled_from(latent.choices)
    if isinstance(latent, IntDistribution):
        return st.integers(latent.low, latent.high)
    return st.floats(latent.low, latent.high)


latents_drawn = st.fixed_dictionaries(
    {name: draw_latent(latent) for name, latent in LATENTS.items()}
)


sides_drawn = st.integers(1, 3).flatmap(
    lambda n_axes: st.lists(st.integers(1, 512), min_size=n_axes, max_size=n_axes)
)


def sample(rng):
    """Return uniform latents."""
    values = {}
    for name, latent in LATENTS.items():
        if isinstance(latent, CategoricalDistribution):
            values[name] = latent.choices[rng.integers(len(latent.choices))]
            continue
        low, high = latent.low, latent.high
        value = (
            math.exp(rng.uniform(math.log(low), math.log(high)))
            if latent.log
            else rng.uniform(low, high)
        )
        values[name] = round(value) if isinstance(latent, IntDistribution) else value
    return values


def summary_of(params, spatial, n_channels=1):
    return ConvNetClassifier(**params).summary(input_shape=(*spatial, n_channels), n_outputs=3)


@settings(max_examples=500, deadline=None)
@given(
    latents=latents_drawn,
    spatial=sides_drawn,
    n_samples=st.integers(1, 10**6),
    n_channels=st.integers(1, 4),
)
def test_every_decoding_fits_its_input(latents, spatial, n_samples, n_channels):
    params = decode(latents, spatial, n_samples, augmented=True)
    table = summary_of(params, spatial, n_channels)
    assert all(min(shape) >= 1 for shape in table["output_shape"])


@pytest.mark.parametrize("spatial", OTHER_SHAPES, ids=str)
def test_every_decoding_fits_small_and_odd_inputs(spatial):
    rng = np.random.default_rng(0)
    for _ in range(100):
        summary_of(decode(sample(rng), spatial, 500), spatial)


@pytest.mark.parametrize("spatial", [(28, 28), (100,), (5, 41), (8, 8, 8)], ids=str)
def test_all_of_each_knob_is_reached(spatial):
    rng = np.random.default_rng(0)
    decoded = [decode(sample(rng), spatial, 5000) for _ in range(600)]
    seen = {name: {params[name] for params in decoded} for name in decoded[0]}
    assert {len(f) for f in seen["filters"]} >= {1, 2}
    assert {3} < seen["kernel_size"] <= {3, 5, 7}
    assert seen["pooling"] == {"max", "average", None}
    assert seen["stride"] == {1, 2}
    assert seen["pool_size"] == {2, 3}
    assert seen["global_pooling"] == {None, "max", "average"}
    assert {len(h) for h in seen["hidden_units"]} == {0, 1, 2}
    assert seen["normalization"] == {"batch", "group", None}
    assert seen["batch_size"] == {8, 16, 32, 64, 128, 256}
    assert any(isinstance(f[0], tuple) for f in seen["filters"])


@pytest.mark.parametrize(
    ("window", "stride", "side", "n_blocks"),
    [
        (2, 2, 1, 0),
        (2, 2, 2, 1),
        (2, 2, 3, 1),
        (2, 2, 28, 4),
        (2, 2, 512, 9),
        (3, 3, 2, 0),
        (3, 2, 9, 2),
        (3, 3, 28, 3),
        (1, 2, 5, 3),
        (1, 2, 1, 0),
    ],
)
def test_number_of_fitting_blocks(window, stride, side, n_blocks):
    assert n_fitting_blocks((side,), window, stride) == n_blocks
    assert n_fitting_blocks((1, side), window, stride) == n_blocks


@given(share=st.floats(0, 1), spatial=sides_drawn)
@example(share=1.0, spatial=[512])
def test_depth_grows_with_its_latent(share, spatial):
    rng = np.random.default_rng(0)
    latents = sample(rng)
    depths = [len(decode({**latents, "depth": d}, spatial, 100)["filters"]) for d in (0, share, 1)]
    assert depths[0] == 1
    assert depths == sorted(depths)


def test_learning_rate_and_decay_are_relative_to_the_optimizers_own():
    latents = {**sample(np.random.default_rng(0)), "learning_rate": 1.0, "weight_decay": 1.0}
    latents["normalization"] = "batch"
    for optimizer, rate, decay in (
        ("adamw", 0.005, 0.05),
        ("muon", 0.2, 0.05),
        ("sgd", 0.05, 1e-4),
    ):
        params = decode({**latents, "optimizer": optimizer}, (8, 8), 100)
        assert (params["learning_rate"], params["weight_decay"]) == (rate, decay)


def test_strength_counts_only_with_an_augmentation():
    latents = sample(np.random.default_rng(0))
    assert "augmentation_strength" not in decode(latents, (8, 8), 100)
    params = decode(latents, (8, 8), 100, augmented=True)
    X = np.random.default_rng(0).random((40, 8, 8))
    net = ConvNetClassifier(**params, augmentation=[RandomTranslation(0.1)], max_epochs=1)
    assert net.fit(X, np.arange(40) % 2).n_iter_ == 1


def is_legal(name, value):
    latent = LATENTS[name]
    if isinstance(latent, CategoricalDistribution):
        return value in latent.choices
    is_whole = isinstance(latent, IntDistribution)
    return latent.low <= value <= latent.high and (not is_whole or isinstance(value, int))


@settings(max_examples=500, deadline=None)
@given(latents=latents_drawn, spatial=sides_drawn, n_samples=st.integers(1, 10**6))
def test_encoded_networks_decode_to_themselves(latents, spatial, n_samples):
    params = decode(latents, spatial, n_samples, augmented=True)
    encoded = encode(params, spatial, n_samples)
    assert set(encoded) == set(LATENTS)
    assert all(is_legal(name, value) for name, value in encoded.items())
    again = decode(encoded, spatial, n_samples, augmented=True)
    assert len(again["filters"]) == len(params["filters"])
    first, last = np.atleast_1d(params["filters"][0]), np.atleast_1d(params["filters"][-1])
    assert np.array_equal(np.atleast_1d(again["filters"][0]), first)
    if last[0] < 512:  # growth beyond the largest is cut off, and the first is rounded
        assert np.atleast_1d(again["filters"][-1])[0] == pytest.approx(last[0], rel=0.34, abs=4)
    for name in ("learning_rate", "weight_decay"):
        assert again.pop(name) == pytest.approx(params.pop(name), rel=1e-9)
    again.pop("filters"), params.pop("filters")
    if len(params["hidden_units"]) == 2:  # the second is half of the first, rounded down
        assert again["hidden_units"][0] == params["hidden_units"][0]
    assert again == params


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"filters": "auto", "learning_rate": "auto", "batch_size": "auto"}, {}),
        ({"filters": 16}, {"width": 16, "n_convolutions": 1}),
        ({"filters": ((16, 16), 32)}, {"width": 16, "n_convolutions": 2, "growth": 2.0}),
        ({"filters": (8, 8, 8)}, {"width": 8, "growth": 1.0}),
        ({"filters": (4, 400)}, {"width": 8, "growth": 2.0}),  # the nearest there are
        ({"global_pooling": "average"}, {"head": "average"}),
        ({"global_pooling": None}, {"head": "flat"}),
        ({"hidden_units": ()}, {"n_hidden": 0, "n_units": 128}),
        ({"hidden_units": 64}, {"n_hidden": 1, "n_units": 64}),
        ({"hidden_units": (64, 64, 64)}, {"n_hidden": 2, "n_units": 64}),
        ({"kernel_size": 5}, {}),
        ({"kernel_size": (3, 5)}, {"kernel": DEFAULTS["kernel"]}),
        ({"pooling": "average"}, {"shrinking": "average"}),
        ({"pooling": None, "stride": 2}, {"shrinking": "stride"}),
        ({"pool_size": 3, "pool_stride": 2}, {"pool_size": 3, "overlap": True}),
        ({"pool_size": 3}, {"pool_size": 3, "overlap": False}),
        ({"activation": "identity"}, {"activation": "relu"}),
        ({"normalization": None}, {"normalization": None}),
        ({"optimizer": "sgd", "learning_rate": 0.05}, {"optimizer": "sgd", "learning_rate": 1.0}),
        ({"learning_rate": 100.0}, {"learning_rate": 10.0}),
        ({"weight_decay": 0.0}, {"weight_decay": 0.01}),
        ({"dropout": 0.9, "conv_dropout": 0.1}, {"dropout": 0.6, "conv_dropout": 0.1}),
        ({"batch_size": None}, {}),
    ],
    ids=str,
)
def test_any_parameters_have_a_nearest_place(given, expected):
    latents = encode(given, (28, 28), 1000)
    assert all(is_legal(name, value) for name, value in latents.items())
    assert {name: latents[name] for name in expected} == expected
    if given == {"kernel_size": 5}:
        assert decode(latents, (28, 28), 1000)["kernel_size"] == 5


@pytest.mark.parametrize("spatial", OTHER_SHAPES, ids=str)
def test_the_default_networks_place_decodes_to_it(spatial):
    params = decode(encode({}, spatial, 500), spatial, 500)
    default = ConvNetClassifier()
    assert default.kernel_size == "auto"
    assert params["kernel_size"] == 3
    assert (params["global_pooling"], params["hidden_units"]) == (None, (128,))
    assert params["dropout"] == default.dropout
    assert params["pooling"] in ("max", None)
    assert (params["optimizer"], params["activation"]) == ("adamw", "relu")
    assert np.atleast_1d(params["filters"][0])[0] == 32


@pytest.mark.slow
@pytest.mark.parametrize("spatial", OTHER_SHAPES[:4], ids=str)
def test_real_trainings_do_not_fail(spatial):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(48, *spatial, 1)), np.arange(48) % 3
    for _ in range(50):
        params = decode({**sample(rng), "width": 8, "learning_rate": 0.1}, spatial, len(X))
        how = {"input_shape": (*spatial, 1), "n_spatial_dims": len(spatial), "max_epochs": 1}
        ConvNetClassifier(**params, **how, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    ("spatial", "largest"),
    [((28, 28), 256), ((128, 128), 256), ((224, 224), 64), ((100_000,), 32), ((128,) * 3, 8)],
)
def test_batches_of_large_samples_are_bounded(spatial, largest):
    latents = {**encode({}, spatial, 10_000), "batch_size": 1.0}
    assert decode(latents, spatial, 10_000)["batch_size"] == largest
