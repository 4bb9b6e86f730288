"""X of signals of unequal length: what is read, recorded and refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from skcnn import ConvNetClassifier
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.validation import check_images, check_training_images
from skcnn.exceptions import InputLayoutWarning, InputScaleWarning, InputShapeError

SIGNALS = [np.arange(6.0).reshape(3, 2), np.arange(10.0).reshape(5, 2)]


def read(X, **params):
    model = ConvNetClassifier(**{"n_spatial_dims": 1, **params})
    return model, check_training_images(model, X)


def test_the_layout_is_recorded():
    model, images = read(SIGNALS)
    assert model.input_shape_ == (None, 2)
    assert model._layout == SeriesLayout((5, 2), "last")
    assert not hasattr(model, "n_features_in_")
    assert images.rows[0].tolist() == [3, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0]


def test_channels_may_come_first():
    model, images = read([x.T for x in SIGNALS], channels="first")
    assert model.input_shape_ == (2, None)
    assert np.array_equal(images.rows, read(SIGNALS)[1].rows)


def test_signals_without_channels_have_one():
    model, images = read([np.arange(3), np.arange(5)], n_spatial_dims=None)
    assert model.input_shape_ == (None, 1)
    assert images.rows[0].tolist() == [3, 0, 1, 2, 0, 0]


def test_an_open_input_shape_takes_signals_of_one_length():
    for X in (np.stack([SIGNALS[0]] * 2), [SIGNALS[0]] * 2):
        model, images = read(X, input_shape=(None, 2))
        assert isinstance(images.layout, SeriesLayout)
        assert images.rows.shape == (2, 7)
    for X in (np.ones((4, 3)), pd.DataFrame(np.ones((4, 3)), columns=["a", "b", "c"])):
        model, _ = read(X, input_shape=(None,))
        assert model.input_shape_ == (None, 1)
        assert not hasattr(model, "feature_names_in_")


def test_more_signals_may_be_longer():
    model, _ = read(SIGNALS)
    images = check_images(model, [np.ones((9, 2))])
    assert images.layout.longest == 9
    assert check_images(model, np.ones((4, 7, 2))).rows.shape == (4, 15)


def test_an_offset_is_subtracted_from_signals():
    X = [1e9 + 0.01 * x for x in SIGNALS]
    model, images = read(X)
    np.testing.assert_allclose(model.offset_, [1e9 + 0.04, 1e9 + 0.05], atol=1e-6)
    np.testing.assert_allclose(images.rows[0, 1:3], [-0.04, -0.04], atol=1e-6)
    with pytest.warns(InputScaleWarning, match="few steps between"):
        check_training_images(ConvNetClassifier(n_spatial_dims=1), X, with_offset=False)


def test_small_signals_with_many_channels_may_be_images():
    images = [np.ones((20, 28)), np.ones((28, 28))]
    with pytest.warns(InputLayoutWarning, match=r"signals of 28 channels and 20 to 28.*ImageFiles"):
        read(images, n_spatial_dims=None)
    with pytest.warns(InputLayoutWarning, match="are the channels first"):
        read([np.ones((3, 20)), np.ones((4, 20))])


@pytest.mark.parametrize(
    ("params", "X", "message"),
    [
        ({"n_spatial_dims": 2}, SIGNALS, "can only be signals, but n_spatial_dims=2"),
        ({"input_shape": (5, 2)}, SIGNALS, r"input_shape=\(5, 2\) has one.*None for the length"),
        ({"input_shape": (None, 3)}, SIGNALS, "signals of 2 channels, but input_shape=.* has 3"),
        ({"input_shape": (None, 2)}, np.ones((4, 6)), "signals of 1 channels"),
        ({"input_shape": (2, None)}, SIGNALS, r"\(None,\) or \(None, n_channels\), with"),
        ({"input_shape": (None, 2), "channels": "first"}, SIGNALS, r"\(n_channels, None\), with"),
        ({"input_shape": (None, None)}, SIGNALS, "None in the 'input_shape' parameter"),
        ({"input_shape": (None, 2, 3)}, SIGNALS, "None in the 'input_shape' parameter"),
        ({}, [x.T for x in SIGNALS], "several shapes.*channels='first', first"),
        ({}, [[1, 2], [3]], "inhomogeneous"),
    ],
)
def test_what_does_not_fit_is_named(params, X, message):
    with pytest.raises(ValueError, match=message):
        read(X, **params)


def test_other_signals_than_at_fit_are_named():
    model, _ = read(SIGNALS)
    with pytest.raises(InputShapeError, match="signals of 3 channels, but ConvNetClassifier was"):
        check_images(model, [np.ones((4, 3)), np.ones((5, 3))])
    equal, _ = read(np.stack([SIGNALS[0]] * 2))
    with pytest.raises(InputShapeError, match=r"samples of shape \(3, 2\). For signals of unequal"):
        check_images(equal, SIGNALS)


def test_a_summary_needs_a_length():
    model = ConvNetClassifier(input_shape=(None, 2))
    with pytest.raises(NotFittedError, match="summary needs input_shape"):
        model.summary(n_outputs=2)
    assert "globalpool_1" in model.summary((50, 2), n_outputs=2).index
