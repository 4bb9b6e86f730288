"""Forms of signals: arrays, lists and columns of one length or several, and what is wrong."""

import numpy as np
import pandas as pd
import pytest
import torch

from skcnn.exceptions import InputLayoutWarning, InputShapeError
from skcnn.preprocessing import CropSignals, PadSignals, ResampleSignals, StandardizeSignals

IDENTITY = PadSignals  # with one length it changes nothing


def signals(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def series(*lengths, n_channels=None):
    tail = () if n_channels is None else (n_channels,)
    return [signals(length, *tail, seed=length) for length in lengths]


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((3, 7), {}),
        ((3, 14), {"input_shape": (7, 2)}),
        ((3, 14), {"input_shape": (2, 7), "channels": "first"}),
        ((3, 7, 2), {}),
        ((3, 7, 1), {}),
        ((3, 2, 7), {"channels": "first"}),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "bool"])
def test_forms_and_dtypes_are_kept(shape, settings, dtype):
    X = (10 * signals(*shape)).astype(dtype)
    X.flags.writeable = False
    result = IDENTITY(**settings).fit_transform(X)
    assert result.dtype == X.dtype
    np.testing.assert_array_equal(result, X)


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        pd.Series,
        lambda items: pd.Series(items).to_numpy(),
        lambda items: [torch.from_numpy(item) for item in items],
        lambda items: [item.tolist() for item in items],
        lambda items: [pd.Series(item) for item in items],
    ],
)
def test_series_of_unequal_length_in_any_container(make):
    items = series(5, 3, 4)
    result = StandardizeSignals().fit_transform(make(items))
    assert result.dtype == object
    assert result.shape == (3,)
    for item, found in zip(items, result, strict=True):
        np.testing.assert_allclose(found, (item - item.mean()) / item.std(), atol=1e-12)
    assert PadSignals(6).fit_transform(make(items)).shape == (3, 6)


@pytest.mark.parametrize("channels", ["last", "first"])
def test_series_with_channels(channels):
    items = series(5, 3, n_channels=2)
    given = items if channels == "last" else [item.T for item in items]
    result = StandardizeSignals(channels=channels).fit_transform(given)
    assert [row.shape for row in result] == [item.shape for item in given]
    padded = PadSignals(6, channels=channels).fit_transform(given)
    assert padded.shape == ((2, 6, 2) if channels == "last" else (2, 2, 6))
    expected = [np.pad(item, ((0, 6 - len(item)), (0, 0))) for item in items]
    got = padded if channels == "last" else np.moveaxis(padded, 1, -1)
    np.testing.assert_array_equal(got, expected)


def test_lists_of_one_length_become_one_array():
    items = series(4, 4)
    np.testing.assert_array_equal(IDENTITY().fit_transform(items), items)
    assert IDENTITY().fit_transform(series(4, 4, n_channels=3)).shape == (2, 4, 3)


def test_series_of_several_dtypes_get_the_one_that_holds_them():
    result = PadSignals().fit_transform([np.arange(3, dtype=np.int16), np.float32([0.5])])
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[0, 1, 2], [0.5, 0, 0]])


def test_flat_rows_have_the_length_of_fit_and_other_forms_any():
    model = PadSignals(9).fit(signals(3, 7))
    assert model.n_features_in_ == 7
    with pytest.raises(ValueError, match="X has 6 features, but PadSignals is expecting 7"):
        model.transform(signals(3, 6))
    assert model.transform(list(signals(3, 6))).shape == (3, 9)
    assert model.transform(signals(3, 6, 1)).shape == (3, 9, 1)
    for fitted in (PadSignals(9).fit(series(4, 4)), PadSignals(9).fit(signals(2, 4, 1))):
        assert not hasattr(fitted, "n_features_in_")
        assert fitted.transform(signals(3, 6)).shape == (3, 9)
        assert fitted.transform(signals(3, 6).tolist()).shape == (3, 9)


def test_a_new_fit_forgets_the_old_one():
    model = PadSignals().fit(pd.DataFrame(signals(3, 7)).add_prefix("t"))
    model.fit(series(3, 4))
    assert not hasattr(model, "feature_names_in_")
    assert model.length_ == 4
    with pytest.raises(InputShapeError):
        model.fit([np.zeros(0)])
    assert not hasattr(model, "length_")


def test_results_do_not_depend_on_the_other_signals():
    items = series(9, 30, 17)
    for model in (StandardizeSignals(), ResampleSignals(12), PadSignals(31), CropSignals(5)):
        together = model.fit_transform(items)
        for item, found in zip(items, together, strict=True):
            np.testing.assert_array_equal(model.fit_transform([item])[0], found)
        equal = signals(4, 20)
        alone = np.concatenate([model.fit_transform(equal[[i]]) for i in range(4)])
        np.testing.assert_array_equal(model.fit_transform(equal), alone)


def test_pandas_output_acts_on_flat_rows_only():
    frame = pd.DataFrame(signals(2, 3), index=["a", "b"], columns=["x", "y", "z"])
    model = PadSignals(4).set_output(transform="pandas")
    result = model.fit_transform(frame)
    assert list(result.columns) == ["time_0", "time_1", "time_2", "time_3"]
    assert list(result.index) == ["a", "b"]
    standardized = StandardizeSignals().set_output(transform="pandas").fit_transform(frame)
    assert list(standardized.columns) == ["x", "y", "z"]
    for X in (signals(2, 3, 1), series(2, 3), series(3, 3)):
        assert isinstance(PadSignals(4).set_output(transform="pandas").fit_transform(X), np.ndarray)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([np.zeros(3), np.zeros((3, 2))], InputShapeError, "1 and 2 axes .* channels"),
        ([np.zeros((3, 1)), np.zeros((4, 2))], InputShapeError, r"channels \[1, 2\], with"),
        ([np.zeros(3), np.zeros(0)], InputShapeError, r"Row 1 is an array of shape \(0,\)"),
        ([np.zeros(3), None], InputShapeError, r"Row 1 .* dtype object"),
        ([np.zeros(3), np.array(["a"])], InputShapeError, r"\(length, n_channels\).*Row 1 .*<U1"),
        ([np.zeros(3), np.zeros((2, 2, 2))], InputShapeError, r"Row 1 .* \(2, 2, 2\)"),
        ([np.zeros(3), [[1, 2], [3]]], InputShapeError, "Row 1 of X is no signal"),
        ([np.zeros(3), np.array([1, np.nan])], ValueError, "NaN or infinity, the first in row 1"),
        ([np.zeros(3), np.array([np.inf])], ValueError, "NaN or infinity, the first in row 1"),
        (np.zeros((2, 3, 4, 5)), InputShapeError, "n_spatial_dims=1 of PadSignals"),
        (np.zeros(3), ValueError, "Expected 2D array, got 1D array"),
        ([1.0, 2.0], ValueError, "Expected 2D array, got 1D array"),
        ([], ValueError, "Expected 2D array"),
        (np.full((2, 3), np.nan), ValueError, "Input X contains NaN"),
        (np.full((2, 3, 1), np.nan), ValueError, "Input X contains NaN"),
    ],
)
def test_bad_signals_raise(X, error, message):
    with pytest.raises(error, match=message):
        PadSignals().fit(X)


def test_the_message_names_the_axes_of_channels_first():
    with pytest.raises(InputShapeError, match=r"\(n_channels, length\), with channels='first'"):
        PadSignals(channels="first").fit([np.zeros((2, 0))])


def test_other_channels_than_at_fit_raise():
    model = StandardizeSignals().fit(signals(3, 7, 2))
    with pytest.raises(InputShapeError, match=r"of 3 channels, but StandardizeSignals .* of 2"):
        model.transform(signals(3, 7, 3))


def test_swapped_channels_warn():
    with pytest.warns(InputLayoutWarning, match="channels='first'"):
        StandardizeSignals().fit(signals(2, 3, 50))
    with pytest.warns(InputLayoutWarning, match="channels='first'"):
        StandardizeSignals().fit([signals(3, 50), signals(4, 50)])
    with pytest.warns(InputLayoutWarning, match="channels='last'"):
        StandardizeSignals(channels="first").fit([signals(50, 3), signals(50, 4)])


def test_names_are_those_of_flat_rows():
    last = PadSignals(input_shape=(2, 2)).fit(signals(1, 4))
    assert last.get_feature_names_out().tolist() == ["time_0_0", "time_0_1", "time_1_0", "time_1_1"]
    first = PadSignals(input_shape=(2, 2), channels="first").fit(signals(1, 4))
    names = ["time_0_0", "time_1_0", "time_0_1", "time_1_1"]
    assert first.get_feature_names_out().tolist() == names
    with pytest.raises(ValueError, match="input_features should have length equal"):
        last.get_feature_names_out(["a"])
    with pytest.raises(ValueError, match="PadSignals was fitted on signals that are no flat rows"):
        PadSignals().fit(series(2, 3)).get_feature_names_out()
