"""Every form of X, value by value: its layout, and the warnings about doubtful ones."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.layouts import InputLayout
from skcnn.exceptions import InputLayoutWarning
from tests.helpers.samples import Reader, fractions
from tests.helpers.small_nets import tiny

N = 6


@dataclass(frozen=True)
class Form:
    """A row of the table of accepted forms."""

    X: tuple[int, ...]  # without the samples' axis
    shape: tuple[int, ...]  # input_shape_
    network: tuple[int, ...]  # (n_channels, *spatial)
    input_shape: tuple[int, ...] | None = None
    channels: str = "last"


FORMS = {
    "flat": Form((12,), (12, 1), (1, 12)),
    "flat of length one": Form((1,), (1, 1), (1, 1)),
    "flat, first": Form((12,), (1, 12), (1, 12), channels="first"),
    "flat as grey": Form((30,), (6, 5, 1), (1, 6, 5), (6, 5)),
    "flat as grey, first": Form((30,), (1, 6, 5), (1, 6, 5), (6, 5), "first"),
    "flat as signal": Form((30,), (30, 1), (1, 30), (30,)),
    "flat as signal, first": Form((30,), (1, 30), (1, 30), (30,), "first"),
    "flat as grey with its axis": Form((30,), (6, 5, 1), (1, 6, 5), (6, 5, 1)),
    "flat as colour": Form((90,), (6, 5, 3), (3, 6, 5), (6, 5, 3)),
    "flat as colour, first": Form((90,), (3, 6, 5), (3, 6, 5), (3, 6, 5), "first"),
    "flat as volumes": Form((48,), (4, 3, 2, 2), (2, 4, 3, 2), (4, 3, 2, 2)),
    "flat as volumes, first": Form((48,), (2, 4, 3, 2), (2, 4, 3, 2), (2, 4, 3, 2), "first"),
    "grey": Form((6, 5), (6, 5, 1), (1, 6, 5)),
    "grey, first": Form((6, 5), (1, 6, 5), (1, 6, 5), channels="first"),
    "grey with input_shape": Form((6, 5), (6, 5, 1), (1, 6, 5), (6, 5, 1)),
    "grey with input_shape, first": Form((6, 5), (1, 6, 5), (1, 6, 5), (1, 6, 5), "first"),
    "one channel": Form((6, 5, 1), (6, 5, 1), (1, 6, 5)),
    "two channels": Form((6, 5, 2), (6, 5, 2), (2, 6, 5)),
    "three channels": Form((6, 5, 3), (6, 5, 3), (3, 6, 5)),
    "four channels": Form((6, 5, 4), (6, 5, 4), (4, 6, 5)),
    "five channels": Form((6, 5, 5), (6, 5, 5), (5, 6, 5)),
    "colour with input_shape": Form((6, 5, 3), (6, 5, 3), (3, 6, 5), (6, 5, 3)),
    "one channel, first": Form((1, 6, 5), (1, 6, 5), (1, 6, 5), channels="first"),
    "three channels, first": Form((3, 6, 5), (3, 6, 5), (3, 6, 5), channels="first"),
    "five channels, first": Form((5, 6, 7), (5, 6, 7), (5, 6, 7), channels="first"),
    "signals": Form((20, 3), (20, 3), (3, 20), (20, 3)),
    "signals, first": Form((3, 20), (3, 20), (3, 20), (3, 20), "first"),
    "signals of one channel": Form((20, 1), (20, 1), (1, 20), (20,)),
    "volumes": Form((5, 6, 7, 2), (5, 6, 7, 2), (2, 5, 6, 7)),
    "volumes of one channel": Form((5, 6, 7, 1), (5, 6, 7, 1), (1, 5, 6, 7)),
    "volumes, first": Form((2, 5, 6, 7), (2, 5, 6, 7), (2, 5, 6, 7), channels="first"),
    "volumes without channels": Form((5, 6, 7), (5, 6, 7, 1), (1, 5, 6, 7), (5, 6, 7, 1)),
}


FEW = ("flat", "flat as colour", "flat as grey, first", "grey", "three channels, first", "signals")


def by_name(forms):
    return pytest.mark.parametrize("form", list(forms.values()), ids=list(forms))


def as_network(X, form):
    """Return X as (n_samples, n_channels, *spatial), by NumPy alone."""
    X = np.asarray(X).reshape(len(X), *form.shape)
    return np.moveaxis(X, -1, 1) if form.channels == "last" else X


@by_name(FORMS)
def test_every_form_is_read(form):
    X = fractions(*form.X)
    reader = Reader(form.input_shape, form.channels).fit(X)
    assert reader.input_shape_ == form.shape
    assert reader.n_features_in_ == np.prod(form.shape)
    assert reader.images_.layout.network_shape == form.network
    assert reader.images_.layout.n_channels == form.network[0]
    assert reader.images_.layout.spatial == form.network[1:]
    assert len(reader.images_) == N


@by_name(FORMS)
def test_batches_equal_the_numpy_transposition(form):
    X = fractions(*form.X).astype(np.float32)
    images = Reader(form.input_shape, form.channels).fit(X).images_
    expected = as_network(X, form)
    index = torch.tensor([4, 0, 0, 5])
    assert images.take(index).shape == (4, *form.network)
    np.testing.assert_array_equal(images.take(index).numpy(), expected[index])
    np.testing.assert_array_equal(images.as_batch(images.rows[1:4]).numpy(), expected[1:4])


@by_name(FORMS)
def test_predict_reads_the_fitted_shape_and_flat_rows(form):
    X = fractions(*form.X).astype(np.float32)
    reader = Reader(form.input_shape, form.channels).fit(X)
    for same in (X, X.reshape(N, -1), X.reshape(N, *form.shape)):
        np.testing.assert_array_equal(reader.read(same).rows.numpy(), X.reshape(N, -1))


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
@by_name({name: FORMS[name] for name in FEW})
def test_estimators_take_the_form(form, cls):
    X = fractions(*form.X)
    y = np.arange(N) % 2
    model = tiny(cls, input_shape=form.input_shape, channels=form.channels).fit(X, y)
    assert model.input_shape_ == form.shape
    assert model.predict(X).shape == (N,)
    np.testing.assert_array_equal(model.predict(X.reshape(N, -1)), model.predict(X))


def test_layouts_of_the_same_images_train_the_same_network():
    X, y = fractions(6, 5, 3), np.arange(N) % 2
    last = tiny().fit(X, y)
    flat = tiny(input_shape=(6, 5, 3)).fit(X.reshape(N, -1), y)
    np.testing.assert_array_equal(last.predict_proba(X), flat.predict_proba(X))


@pytest.mark.parametrize(
    ("shape", "params", "match"),
    [
        ((3, 8, 6), {}, r"channels='last' have 6 channels and a side of 3.*channels='first'"),
        ((1, 8, 6), {}, r"have 6 channels and a side of 1"),
        ((4, 8, 8), {}, r"have 8 channels and a side of 4"),
        ((8, 6, 3), {"channels": "first"}, r"have 8 channels and a side of 3.*channels='last'"),
        ((144,), {"input_shape": (3, 6, 8)}, r"have 8 channels and a side of 3"),
        ((3, 5, 6, 7), {}, r"have 7 channels and a side of 3"),
        ((8, 6), {"input_shape": (8, 6)}, r"signals of length 8 with 6 channels.*\(8, 6, 1\)"),
        ((28, 28), {"input_shape": (28, 28)}, r"input_shape=\(28, 28\) with three-dimensional X"),
        ((8, 6), {"input_shape": (8, 6), "channels": "first"}, r"signals of length 6 with 8"),
    ],
)
def test_fit_warns_of_swapped_axes(shape, params, match):
    with pytest.warns(InputLayoutWarning, match=match):
        Reader(**params).fit(fractions(*shape))


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((8, 6, 3), {}),
        ((4, 4, 4), {}),
        ((3, 3, 1), {}),
        ((2, 3, 4), {}),
        ((8, 6, 31), {}),  # many channels, no side that could be the channels
        ((31, 8, 6), {"channels": "first"}),
        ((3, 8), {}),  # a grey image of three rows
        ((20, 3), {"input_shape": (20, 3)}),
        ((3, 20), {"input_shape": (3, 20), "channels": "first"}),
        ((64,), {"input_shape": (8, 8)}),
    ],
)
def test_fit_is_quiet_about_plain_layouts(shape, params):
    Reader(**params).fit(fractions(*shape))  # warnings are errors


def test_estimator_warns_of_swapped_channels_at_the_callers_line():
    with pytest.warns(InputLayoutWarning, match="are the channels first") as caught:
        tiny().fit(fractions(3, 8, 8), np.arange(N) % 2)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("shape", "channels", "accepted", "rejected"),
    [
        ((6, 5, 1), "last", [(6, 5, 1), (6, 5), (30,)], [(5, 6), (1, 6, 5), (30, 1), ()]),
        ((6, 5, 3), "last", [(6, 5, 3), (90,)], [(6, 5), (3, 6, 5), (30,)]),
        ((1, 6, 5), "first", [(1, 6, 5), (6, 5), (30,)], [(6, 5, 1)]),
        ((3, 6, 5), "first", [(3, 6, 5), (90,)], [(6, 5, 3), (6, 5)]),
        ((7, 1), "last", [(7, 1), (7,)], [(1, 7)]),
    ],
)
def test_layout_accepts_only_unambiguous_shapes(shape, channels, accepted, rejected):
    layout = InputLayout(shape, channels)
    assert all(layout.accepts(s) for s in accepted)
    assert not any(layout.accepts(s) for s in rejected)
    assert layout.n_values == np.prod(shape)
