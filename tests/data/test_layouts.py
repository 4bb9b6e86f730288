"""Every form of X, value by value: its layout, and the warnings about doubtful ones."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.layouts import InputLayout
from skcnn.exceptions import InputLayoutWarning, InputShapeError
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
    n_spatial_dims: int | None = None

    @property
    def parameters(self):
        names = ("input_shape", "channels", "n_spatial_dims")
        return {name: getattr(self, name) for name in names}


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
    "grey, two sides given": Form((6, 5), (6, 5, 1), (1, 6, 5), (6, 5)),
    "grey, two sides given, first": Form((6, 5), (1, 6, 5), (1, 6, 5), (6, 5), "first"),
    "grey with its axis, two sides given": Form((6, 5, 1), (6, 5, 1), (1, 6, 5), (6, 5)),
    "long images": Form((20, 3), (20, 3, 1), (1, 20, 3)),
    "long images, given": Form((20, 3), (20, 3, 1), (1, 20, 3), (20, 3)),
    "flat as long images": Form((60,), (20, 3, 1), (1, 20, 3), (20, 3)),
    "longer images": Form((40, 3), (40, 3, 1), (1, 40, 3), n_spatial_dims=2),
    "signals": Form((20, 3), (20, 3), (3, 20), n_spatial_dims=1),
    "signals with input_shape": Form((20, 3), (20, 3), (3, 20), (20, 3), n_spatial_dims=1),
    "signals, first": Form((3, 20), (3, 20), (3, 20), None, "first", 1),
    "flat as signals of channels": Form((60,), (20, 3), (3, 20), (20, 3), n_spatial_dims=1),
    "flat as signals of channels, first": Form((60,), (3, 20), (3, 20), (3, 20), "first", 1),
    "flat, one axis": Form((12,), (12, 1), (1, 12), n_spatial_dims=1),
    "flat as signals, one axis": Form((12,), (12, 1), (1, 12), (12,), n_spatial_dims=1),
    "flat as grey, two axes": Form((30,), (6, 5, 1), (1, 6, 5), (6, 5), n_spatial_dims=2),
    "signals of one channel": Form((20, 1), (20, 1), (1, 20), (20,)),
    "signals of one channel, one axis": Form((20, 1), (20, 1), (1, 20), n_spatial_dims=1),
    "grey, two axes": Form((6, 5), (6, 5, 1), (1, 6, 5), n_spatial_dims=2),
    "colour, two axes": Form((6, 5, 3), (6, 5, 3), (3, 6, 5), n_spatial_dims=2),
    "volumes of three axes": Form((5, 6, 7), (5, 6, 7, 1), (1, 5, 6, 7), n_spatial_dims=3),
    "volumes of three axes, first": Form((5, 6, 7), (1, 5, 6, 7), (1, 5, 6, 7), None, "first", 3),
    "volumes of three axes, given": Form(
        (5, 6, 7), (5, 6, 7, 1), (1, 5, 6, 7), (5, 6, 7), "last", 3
    ),
    "flat as volumes of three axes": Form((30,), (2, 3, 5, 1), (1, 2, 3, 5), (2, 3, 5), "last", 3),
    "volumes of four axes": Form((5, 6, 7, 2), (5, 6, 7, 2), (2, 5, 6, 7), n_spatial_dims=3),
    "volumes": Form((5, 6, 7, 2), (5, 6, 7, 2), (2, 5, 6, 7)),
    "volumes of one channel": Form((5, 6, 7, 1), (5, 6, 7, 1), (1, 5, 6, 7)),
    "volumes, first": Form((2, 5, 6, 7), (2, 5, 6, 7), (2, 5, 6, 7), channels="first"),
    "volumes without channels": Form((5, 6, 7), (5, 6, 7, 1), (1, 5, 6, 7), (5, 6, 7, 1)),
}


FEW = (
    "flat",
    "flat as colour",
    "flat as grey, first",
    "grey",
    "three channels, first",
    "signals",
    "flat as signals of channels, first",
    "volumes of three axes",
    "longer images",
)


def by_name(forms):
    return pytest.mark.parametrize("form", list(forms.values()), ids=list(forms))


def as_network(X, form):
    """Return X as (n_samples, n_channels, *spatial), by NumPy alone."""
    X = np.asarray(X).reshape(len(X), *form.shape)
    return np.moveaxis(X, -1, 1) if form.channels == "last" else X


@by_name(FORMS)
def test_every_form_is_read(form):
    X = fractions(*form.X)
    reader = Reader(**form.parameters).fit(X)
    assert reader.input_shape_ == form.shape
    assert reader.n_features_in_ == np.prod(form.shape)
    assert reader.images_.layout.network_shape == form.network
    assert reader.images_.layout.n_channels == form.network[0]
    assert reader.images_.layout.spatial == form.network[1:]
    assert len(reader.images_) == N


@by_name(FORMS)
def test_batches_equal_the_numpy_transposition(form):
    X = fractions(*form.X).astype(np.float32)
    images = Reader(**form.parameters).fit(X).images_
    expected = as_network(X, form)
    index = torch.tensor([4, 0, 0, 5])
    assert images.take(index).shape == (4, *form.network)
    np.testing.assert_array_equal(images.take(index).numpy(), expected[index])
    np.testing.assert_array_equal(images.as_batch(images.rows[1:4]).numpy(), expected[1:4])


@by_name(FORMS)
def test_predict_reads_the_fitted_shape_and_flat_rows(form):
    X = fractions(*form.X).astype(np.float32)
    reader = Reader(**form.parameters).fit(X)
    for same in (X, X.reshape(N, -1), X.reshape(N, *form.shape)):
        np.testing.assert_array_equal(reader.read(same).rows.numpy(), X.reshape(N, -1))


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
@by_name({name: FORMS[name] for name in FEW})
def test_estimators_take_the_form(form, cls):
    X = fractions(*form.X)
    y = np.arange(N) % 2
    model = tiny(cls, **form.parameters).fit(X, y)
    assert model.input_shape_ == form.shape
    assert model.predict(X).shape == (N,)
    np.testing.assert_array_equal(model.predict(X.reshape(N, -1)), model.predict(X))


# The number of spatial axes by the number of sides and `n_spatial_dims`, None for an error.
SPATIAL = {
    (1, None): 1, (2, None): 2, (3, None): 2, (4, None): 3,
    (1, 1): 1, (2, 1): 1, (3, 1): None, (4, 1): None,
    (1, 2): None, (2, 2): 2, (3, 2): 2, (4, 2): None,
    (1, 3): None, (2, 3): None, (3, 3): 3, (4, 3): 3,
}  # fmt: skip
SIDES = [(120,), (12, 10), (6, 5, 4), (5, 4, 3, 2)]


@pytest.mark.parametrize("channels", ["last", "first"])
@pytest.mark.parametrize("n_spatial_dims", [None, 1, 2, 3])
@pytest.mark.parametrize("input_shape", [None, *SIDES], ids=str)
@pytest.mark.parametrize("sample", SIDES, ids=str)
def test_the_table_of_all_numbers_of_axes(sample, input_shape, n_spatial_dims, channels):
    if channels == "first":
        sample, input_shape = sample[::-1], None if input_shape is None else input_shape[::-1]
    sides = input_shape or sample
    reader = Reader(input_shape, n_spatial_dims, channels)
    X = fractions(*sample)
    n_spatial = SPATIAL[len(sides), n_spatial_dims]
    if n_spatial is None:
        with pytest.raises(InputShapeError, match=f"does not fit n_spatial_dims={n_spatial_dims}"):
            reader.fit(X)
        return
    last = channels == "last"
    alone = n_spatial == len(sides)
    shape = ((*sides, 1) if last else (1, *sides)) if alone else sides
    if sample not in (shape, sides, (120,)):
        with pytest.raises(InputShapeError, match=r"X has samples of shape .* do not fit input_sh"):
            reader.fit(X)
        return
    reader.fit(X)
    assert reader.input_shape_ == shape
    n_channels, spatial = (shape[-1], shape[:-1]) if last else (shape[0], shape[1:])
    assert reader.images_.layout.network_shape == (n_channels, *spatial)
    assert len(spatial) == n_spatial
    for same in (sample, sides, shape, (120,)):
        assert len(reader.read(fractions(*same))) == N


@pytest.mark.parametrize(
    ("sample", "parameters", "message"),
    [
        ((64,), {"n_spatial_dims": 2},
         r"^X with samples of shape \(64,\) does not fit n_spatial_dims=2 of Reader: a sample must "
         r"be \(height, width\) or \(height, width, channels\), with channels='last'\. Flat rows "
         r"need input_shape\.$"),
        ((64,), {"n_spatial_dims": 3, "channels": "first"},
         r"\(depth, height, width\) or \(channels, depth, height, width\), with channels='first'\. "
         r"Flat rows need input_shape\.$"),
        ((8, 8, 3), {"n_spatial_dims": 1},
         r"^X with samples of shape \(8, 8, 3\) does not fit n_spatial_dims=1 of Reader: a sample "
         r"must be \(length,\) or \(length, channels\), with channels='last'\.$"),
        ((50,), {"n_spatial_dims": 2, "input_shape": (50,)},
         r"^input_shape=\(50,\) does not fit n_spatial_dims=2 of Reader: .*channels='last'\.$"),
        ((8, 8, 3), {"n_spatial_dims": 3, "input_shape": (8, 24)},
         r"^input_shape=\(8, 24\) does not fit n_spatial_dims=3 of Reader"),
        ((3, 50), {"n_spatial_dims": 1, "input_shape": (50, 3)},
         r"\(3, 50\) \(150 values\), which do not fit input_shape=\(50, 3\) \(150 values\) of Reader "
         r"with n_spatial_dims=1 and channels='last'\.$"),
    ],
)  # fmt: skip
def test_a_wrong_number_of_axes_is_named(sample, parameters, message):
    with pytest.raises(InputShapeError, match=message):
        Reader(**parameters).fit(fractions(*sample))


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
        ((3, 8, 6), {"n_spatial_dims": 2}, r"have 6 channels and a side of 3"),
        ((3, 5, 6, 7), {"n_spatial_dims": 3}, r"have 7 channels and a side of 3"),
        ((3, 50), {"n_spatial_dims": 1}, r"have 50 channels and a length of 3: .*='first'"),
        ((22, 200), {"n_spatial_dims": 1}, r"have 200 channels and a length of 22"),
        ((50, 3), {"n_spatial_dims": 1, "channels": "first"}, r"length of 3: .*='last'"),
        ((150,), {"n_spatial_dims": 1, "input_shape": (3, 50)}, r"have 50 channels"),
        ((50, 3), {}, r"\(50, 3\) are read as images .*length 50 with 3 channels\? .*dims=1\. For"),
        (
            (50, 3),
            {"input_shape": (50, 3)},
            r"set n_spatial_dims=1\. For images set n_spatial_dims=2",
        ),
        ((150,), {"input_shape": (50, 3)}, r"Samples of shape \(50, 3\) are read as images"),
        (
            (3, 50),
            {},
            r"length 50 with 3 channels\? Then set n_spatial_dims=1 and channels='first'",
        ),
        ((3, 50), {"channels": "first"}, r"with 3 channels\? Then set n_spatial_dims=1\. For"),
        ((50, 3), {"channels": "first"}, r"set n_spatial_dims=1 and channels='last'\. For"),
        ((8, 1), {}, r"signals of length 8 with 1 channel\? Then"),
        ((32, 4), {}, r"signals of length 32 with 4 channels\? Then"),
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
        ((28, 28), {"input_shape": (28, 28)}),
        ((20, 3), {"input_shape": (20, 3)}),
        ((31, 4), {}),
        ((40, 5), {}),  # five channels are not so usual
        ((50, 3), {"n_spatial_dims": 1}),
        ((50, 3), {"n_spatial_dims": 2}),
        ((50, 3), {"n_spatial_dims": 2, "input_shape": (50, 3)}),
        ((50, 3, 1), {}),
        ((50, 3), {"input_shape": (50, 3, 1)}),
        ((50, 1), {"input_shape": (50,)}),
        ((3, 50), {"n_spatial_dims": 1, "channels": "first"}),
        ((4, 4), {"n_spatial_dims": 1}),
        ((3, 4), {"n_spatial_dims": 1}),
        ((22, 22), {"n_spatial_dims": 1}),
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
