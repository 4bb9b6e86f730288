"""RandomTimeMask and RandomFrequencyMask: where the stripes are, and what they hold."""

import numpy as np
import pytest
from scipy import stats

from skcnn._utils.compat import InvalidParameterError
from skcnn.augmentation import RandomFrequencyMask, RandomTimeMask
from skcnn.augmentation._draws import row_keys
from skcnn.exceptions import InputShapeError
from tests.helpers.geometry import normal_values
from tests.helpers.values import EACH_SHAPE, channels_of, drawn

N = 4000
MASKS = [(RandomTimeMask, -1), (RandomFrequencyMask, -2)]


@EACH_SHAPE
@pytest.mark.parametrize(("cls", "axis"), MASKS)
def test_the_drawn_stripes_are_filled_in_all_channels(cls, axis, shape, reading):
    X = 1 + np.abs(normal_values(30, *shape))
    model = cls(0.7, n_masks=3, p=0.7, random_state=1, **reading)
    if len(channels_of(X[0], reading)[0].shape) + axis < 0:
        with pytest.raises(InputShapeError, match="RandomFrequencyMask needs images"):
            model.draw(X)
        return
    got, params = drawn(model, X)
    for i, (sample, result) in enumerate(zip(X, got, strict=True)):
        for channel, masked in zip(
            channels_of(sample, reading), channels_of(result, reading), strict=True
        ):
            expected = np.moveaxis(channel.copy(), axis, 0)
            for low, high in zip(params["low"][i], params["high"][i], strict=True):
                if params["applied"][i]:
                    expected[low:high] = 0
            np.testing.assert_array_equal(np.moveaxis(masked, axis, 0), expected)


@pytest.mark.parametrize(
    ("fill_value", "expected"), [(None, 0), (0.0, 0), (7.5, 7.5), ("mean", None)]
)
@pytest.mark.parametrize(("cls", "axis"), MASKS)
def test_stripes_have_the_value(cls, axis, fill_value, expected):
    X = normal_values(20, 8, 9, 2)
    model = cls(0.6, n_masks=1, fill_value=fill_value, random_state=0)
    got, params = drawn(model, X)
    for sample, result, low, high in zip(X, got, params["low"], params["high"], strict=True):
        stripe = np.moveaxis(result, axis - 1, 0)[low[0] : high[0]]
        value = sample.mean() if expected is None else expected
        np.testing.assert_allclose(stripe, value, rtol=1e-12)


def test_widths_are_uniform_up_to_the_largest_and_places_too():
    params = RandomTimeMask(0.3, n_masks=2, random_state=0).draw(np.zeros((N, 20)))
    widths = params["high"] - params["low"]
    assert widths.shape == (N, 2)
    counts = np.bincount(widths.ravel())
    assert len(counts) == 7  # 0 to 6 of 20
    assert stats.chisquare(counts).pvalue > 1e-4
    of_three = params["low"][widths == 3]
    assert stats.chisquare(np.bincount(of_three, minlength=18)).pvalue > 1e-4
    # the masks of a sample are drawn apart
    assert abs(np.corrcoef(widths.T)[0, 1]) < 0.06


@pytest.mark.parametrize(
    ("share", "strength", "most"), [(0.29, 1, 29), (0.3, 0.5, 15), (0.4, 9, 100)]
)
def test_the_strength_scales_the_largest_width(share, strength, most):
    params = RandomTimeMask(share)._draw_all(row_keys(0, np.arange(N), 0, 0), (100,), strength)
    assert (params["high"] - params["low"]).max() == most
    assert params["low"].min() == 0
    assert params["high"].max() == 100


def test_a_share_of_less_than_one_place_changes_nothing():
    X = normal_values(5, 9)
    np.testing.assert_array_equal(RandomTimeMask(0.1).fit_transform(X).to_numpy(), X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_share": 1.1}, "'max_share' parameter of Random.* in the range .*0.* 1.*Got 1.1"),
        ({"max_share": (0, 1)}, "'max_share' parameter"),
        ({"n_masks": 0}, "'n_masks' parameter of Random.*Got 0"),
        ({"fill_value": "median"}, "'fill_value' parameter of Random.*'mean'"),
        ({"fill_value": np.nan}, "'fill_value' parameter of Random.*Got nan"),
    ],
)
@pytest.mark.parametrize("cls", [RandomTimeMask, RandomFrequencyMask])
def test_bad_parameters_raise(cls, settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        cls(**settings).fit(np.zeros((2, 4, 5)))
