"""RandomChannelDropout: which channels are filled, with what, and that one is kept."""

import numpy as np
import pytest

from skcnn import ConvNetClassifier
from skcnn._utils.compat import InvalidParameterError
from skcnn.augmentation import RandomChannelDropout
from tests.helpers.augmentations import pictures
from tests.helpers.geometry import normal_values

N = 4000


def dropped_of(model, n_channels, n=N):
    X = np.ones((n, 9, n_channels))
    return model.set_params(n_spatial_dims=1).fit_transform(X).to_numpy() == 0


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_channels_are_dropped_as_wholes_and_apart(share):
    dropped = dropped_of(RandomChannelDropout((share, share), random_state=0), 8)
    assert (dropped.all(1) == dropped.any(1)).all()
    whole = dropped.all(1)
    np.testing.assert_allclose(whole.mean(axis=0), share, atol=0.03)
    assert np.abs(np.corrcoef(whole.T)[np.triu_indices(8, 1)]).max() < 0.08


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_one_channel_is_always_kept(n_channels):
    dropped = dropped_of(RandomChannelDropout((1, 1), random_state=0), n_channels).all(1)
    assert (dropped.sum(axis=1) == n_channels - 1).all()
    kept = (~dropped).mean(axis=0)
    np.testing.assert_allclose(kept, 1 / n_channels, atol=0.03)


@pytest.mark.parametrize(
    ("fill_value", "expected"), [(None, 0), (0.0, 0), (7.5, 7.5), ("mean", None)]
)
@pytest.mark.parametrize("channels", ["last", "first"])
def test_channels_have_the_value(fill_value, expected, channels):
    X = normal_values(20, 8, 3)
    given = X if channels == "last" else np.moveaxis(X, -1, 1)
    model = RandomChannelDropout(
        (0.6, 0.6), fill_value=fill_value, n_spatial_dims=1, channels=channels, random_state=0
    )
    got = model.fit_transform(given).to_numpy()
    got = got if channels == "last" else np.moveaxis(got, 1, -1)
    changed = (got != X).all(1)
    assert 0.3 < changed.mean() < 0.9
    for sample, result, which in zip(X, got, changed, strict=True):
        value = sample.mean() if expected is None else expected
        np.testing.assert_allclose(result[:, which], value, rtol=1e-12)
        np.testing.assert_array_equal(result[:, ~which], sample[:, ~which])


def test_a_number_is_the_largest_share_and_the_strength_scales_it():
    params = RandomChannelDropout(0.4, random_state=0).draw(np.zeros((N, 5)))
    assert 0.39 < params["share"].max() <= 0.4
    assert params["share"].mean() == pytest.approx(0.2, abs=0.01)


def test_colour_images_lose_colours():
    X = pictures(50, 8, 9, 3) + 1
    got = RandomChannelDropout((0.5, 0.5), random_state=0).fit_transform(X).to_numpy()
    assert got.dtype == np.uint8
    dropped = (got == 0).all((1, 2))
    assert 0 < dropped.mean() < 1
    np.testing.assert_array_equal(
        np.moveaxis(got, -1, 1)[~dropped], np.moveaxis(X, -1, 1)[~dropped]
    )


def test_networks_learn_to_do_without_a_channel():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = 0.5 * rng.normal(size=(80, 12, 2)) + y[:, None, None]
    net = ConvNetClassifier(
        augmentation=RandomChannelDropout((0.7, 0.7)),
        n_spatial_dims=1,
        filters=4,
        hidden_units=(),
        max_epochs=30,
        random_state=0,
    ).fit(X, y)
    broken = X.copy()
    broken[:, :, 1] = 0
    assert net.score(broken, y) > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 1.5}, "'share' parameter of RandomChannelDropout"),
        ({"fill_value": "zero"}, "'fill_value' parameter of RandomChannelDropout"),
    ],
)
def test_bad_parameters_raise(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        RandomChannelDropout(**settings).fit(np.zeros((2, 4, 5)))
