"""Published layer tables, counts by hand, callables, and missing arguments before a fit."""

from math import prod

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    Concatenate,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
)

COLUMNS = [
    "type",
    "output_shape",
    "output_size",
    "kernel",
    "parameters",
    "multiply_accumulates",
    "block",
]


def relu(filters, kernel_size=3):
    return Conv(filters, kernel_size, padding="valid", activation="relu")


# estimator, input shape, rows of (layer, output shape, parameters), sum of the parameters
EIGHT_MILLION = [
    ("conv_1", (148, 148, 32), 320),
    ("pool_1", (74, 74, 32), 0),
    ("conv_2", (72, 72, 32), 9_248),
    ("pool_2", (36, 36, 32), 0),
    ("conv_3", (34, 34, 64), 18_496),
    ("conv_4", (32, 32, 64), 36_928),
    ("pool_3", (16, 16, 64), 0),
    ("dropout_1", (16, 16, 64), 0),
    ("flatten_1", (16_384,), 0),
    ("dense_1", (512,), 8_389_120),
    ("dropout_2", (512,), 0),
    ("output", (10,), 5_130),
]
PUBLISHED = {
    "150x150x1 from layers": (
        ConvNetClassifier(
            architecture=[
                relu(32),
                Pool(2),
                relu(32),
                Pool(2),
                relu(64),
                relu(64),
                Pool(2),
                Dropout(0.25),
                Flatten(),
                Dense(512, activation="relu"),
                Dropout(0.5),
            ]
        ),
        (150, 150, 1),
        EIGHT_MILLION,
        8_459_242,
    ),
    "150x150x1 from knobs": (
        ConvNetClassifier(
            filters=(32, 32, (64, 64)),
            padding="valid",
            normalization=None,
            hidden_units=(512,),
        ),
        (150, 150, 1),
        EIGHT_MILLION,
        8_459_242,
    ),
    "LeNet style on 32x32x3": (
        ConvNetClassifier(
            architecture=[
                relu(8, 5),
                Pool(2),
                relu(16, 5),
                Pool(2),
                Dense(120, activation="relu"),
                Dense(84, activation="relu"),
            ]
        ),
        (32, 32, 3),
        [
            ("conv_1", (28, 28, 8), 608),
            ("pool_1", (14, 14, 8), 0),
            ("conv_2", (10, 10, 16), 3_216),
            ("pool_2", (5, 5, 16), 0),
            ("flatten_1", (400,), 0),
            ("dense_1", (120,), 48_120),
            ("dense_2", (84,), 10_164),
            ("output", (10,), 850),
        ],
        62_958,
    ),
    "ten 3x3x3 filters": (
        ConvNetClassifier(architecture=[Conv(10), GlobalPool()]),
        (32, 32, 3),
        [("conv_1", (32, 32, 10), 280), ("globalpool_1", (10,), 0), ("output", (10,), 110)],
        390,
    ),
    "one 7x7 kernel on 224x224x4": (
        ConvNetClassifier(architecture=[Conv(1, 7, padding="valid"), GlobalPool()]),
        (224, 224, 4),
        [("conv_1", (218, 218, 1), 197), ("globalpool_1", (1,), 0), ("output", (10,), 20)],
        217,
    ),
}


@pytest.mark.parametrize(
    ("estimator", "input_shape", "rows", "total"), PUBLISHED.values(), ids=PUBLISHED
)
def test_summary_equals_the_published_table(estimator, input_shape, rows, total):
    table = estimator.summary(input_shape=input_shape, n_outputs=10)
    found = zip(table.index, table["output_shape"], table["parameters"], strict=True)
    assert list(found) == rows
    assert table["parameters"].sum() == total
    assert list(table["output_size"]) == [prod(shape) for _, shape, _ in rows]


def test_summary_is_a_frame_indexed_by_layer():
    model = ConvNetClassifier(architecture=[Conv(4, (3, 5)), Pool(2), Normalize(), Flatten()])
    table = model.summary(input_shape=(8, 8, 1), n_outputs=3)
    assert list(table.columns) == COLUMNS
    assert table.index.name == "layer"
    assert list(table["type"]) == ["Conv", "Pool", "Normalize", "Flatten", "Dense"]
    assert list(table["kernel"]) == [(3, 5), (2, 2), None, None, None]


# layers, input shape, multiply-accumulates of the layers and of the output for two classes
COUNTED = [
    # 9 window values x 2 channels x 36 positions x 4 filters; 4 * 9 inputs x 5; 5 x 2
    ([Conv(4), Pool(2), Dense(5)], (6, 6, 2), [2592, 0, 0, 180, 10]),
    # 3 window values x 3 channels x 4 positions x 2 filters; 8 inputs x 2
    ([Conv(2, stride=2)], (8, 3), [72, 0, 16]),
    # 27 x 8 positions x 2 filters; two channels x 2
    ([Conv(2), GlobalPool()], (2, 2, 2, 1), [432, 0, 4]),
    # two convolutions of 9 x 4 x 4 x 25, a projection of 2 x 4 x 25 before them
    ([Conv(4, 1), Residual([Conv(4), Conv(4)])], (5, 5, 2), [200, 7200, 0, 200]),
    # branches of 1 x 1 x 2 x 9 and 9 x 1 x 3 x 9
    ([Concatenate([[Conv(2, 1)], [Conv(3)]])], (3, 3, 1), [18 + 243, 0, 90]),
    # groups see half the channels
    ([Conv(4, groups=2), Normalize(), GlobalPool()], (3, 3, 2), [324, 0, 0, 8]),
]


@pytest.mark.parametrize(("layers", "input_shape", "macs"), COUNTED)
def test_summary_counts_multiply_accumulates(layers, input_shape, macs):
    table = ConvNetClassifier(architecture=layers).summary(input_shape=input_shape, n_outputs=2)
    assert list(table["multiply_accumulates"]) == macs


def test_summary_reads_the_channel_axis_where_channels_says():
    last = ConvNetClassifier().summary(input_shape=(8, 6, 3), n_outputs=4)
    first = ConvNetClassifier(channels="first").summary(input_shape=(3, 8, 6), n_outputs=4)
    assert first.equals(last)
    assert last["output_shape"].iloc[0] == (8, 6, 32)


@pytest.mark.parametrize(
    ("estimator", "arguments"),
    [
        (ConvNetClassifier(), {}),
        (ConvNetClassifier(), {"input_shape": (8, 8, 1)}),
        (ConvNetClassifier(), {"n_outputs": 3}),
        (ConvNetClassifier(input_shape=(8, 8, 1)), {}),
        (ConvNetRegressor(), {"n_outputs": 1}),
    ],
)
def test_unfitted_summary_without_its_arguments_raises_not_fitted(estimator, arguments):
    message = (
        rf"^This {type(estimator).__name__} instance is not fitted yet: summary needs "
        r"input_shape, with the channel axis, and n_outputs\.$"
    )
    with pytest.raises(NotFittedError, match=message):
        estimator.summary(**arguments)


def test_unfitted_summary_takes_the_parameter_and_sets_nothing():
    model = ConvNetClassifier(input_shape=(8, 8, 3), filters=(4,))
    before = set(vars(model))
    table = model.summary(n_outputs=5)
    assert table["output_shape"].iloc[0] == (8, 8, 4)
    assert set(vars(model)) == before


def make_data(shape, n_classes=3, n_samples=24):
    X = np.random.default_rng(0).normal(size=(n_samples, *shape))
    return X, np.arange(n_samples) % n_classes


def fitted(shape=(8, 8, 1), **parameters):
    X, y = make_data(shape)
    return ConvNetClassifier(max_epochs=1, random_state=0, **parameters).fit(X, y)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ((8, 8, 1), {}),
        ((6, 6, 3), {"filters": (4, (6, 8)), "normalization": "group"}),
        ((12,), {"filters": (4, 4), "normalization": None, "hidden_units": ()}),
        ((12, 2), {"filters": 4, "n_spatial_dims": 1}),
        ((4, 4, 4, 1), {"filters": (4,), "hidden_units": (5, 4)}),
        ((8, 8, 1), {"architecture": [Residual([Conv(4)]), Concatenate([[Conv(2)], []])]}),
        ((16, 16, 1), {"architecture": "lenet5"}),
    ],
)
def test_summary_of_a_fitted_estimator_counts_its_modules_parameters(shape, parameters):
    model = fitted(shape, **parameters)
    table = model.summary()
    for name, n_parameters in table["parameters"].items():
        module = getattr(model.net_.module_.layers, name)
        assert n_parameters == sum(p.numel() for p in module.parameters()), name
    assert table["parameters"].sum() == model.n_parameters_
    assert table["output_shape"].iloc[-1] == (3,)


def test_summary_of_a_fitted_estimator_accepts_another_shape_and_outputs():
    model = fitted(filters=(4,))
    assert model.summary()["output_shape"].iloc[0] == (8, 8, 4)
    other = model.summary(input_shape=(20, 10, 1), n_outputs=7)
    assert other["output_shape"].iloc[0] == (20, 10, 4)
    assert other["output_shape"].iloc[-1] == (7,)


@pytest.mark.parametrize("input_shape", [(64,), (8, 8), (8, 8, 1), (4, 4, 4)])
def test_unfitted_summary_is_that_of_a_fit_on_flat_rows(input_shape):
    X, y = make_data((64,))
    model = ConvNetClassifier(input_shape=input_shape, filters=4, max_epochs=1, random_state=0)
    unfitted = model.summary(n_outputs=3)
    assert unfitted.equals(model.fit(X, y).summary())


def callable_net(input_shape, n_outputs):
    n_channels, *spatial = input_shape
    return nn.Sequential(
        nn.Conv2d(n_channels, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * prod(n // 2 for n in spatial), n_outputs),
    )


CALLABLE_ROWS = [
    ("0", "Conv2d", (8, 6, 4), 192, (3, 3), 72, 9 * 2 * 4 * 48),
    ("1", "BatchNorm2d", (8, 6, 4), 192, None, 8, 0),
    ("2", "ReLU", (8, 6, 4), 192, None, 0, 0),
    ("3", "MaxPool2d", (4, 3, 4), 48, (2, 2), 0, 0),
    ("4", "Flatten", (48,), 48, None, 0, 0),
    ("5", "Linear", (3,), 3, None, 147, 144),
]


def rows_of(table):
    """Return the rows without the numbers of blocks, which are not known of a module."""
    assert table["block"].isna().all()
    return list(table.drop(columns="block").itertuples(name=None))


def test_summary_of_an_unfitted_callable_lists_its_leaves():
    model = ConvNetClassifier(architecture=callable_net)
    assert rows_of(model.summary(input_shape=(8, 6, 2), n_outputs=3)) == CALLABLE_ROWS


def test_summary_of_a_fitted_callable_lists_its_leaves_and_leaves_no_hook():
    model = fitted((8, 6, 2), architecture=callable_net)
    table = model.summary()
    assert rows_of(table) == CALLABLE_ROWS
    assert table["parameters"].sum() == model.n_parameters_
    modules = list(model.net_.module_.modules())
    assert not any(m.training for m in modules)
    assert not any(m._forward_hooks for m in modules)


@pytest.mark.parametrize("training", [True, False])
def test_summary_of_a_callable_keeps_the_mode_it_finds(training):
    net = callable_net((2, 8, 6), 3).train(training)
    ConvNetClassifier(architecture=lambda shape, n: net).summary((8, 6, 2), 3)
    assert net.training is training


@pytest.mark.parametrize(
    ("make", "input_shape", "kernel", "macs"),
    [
        (lambda: nn.Conv1d(2, 4, 3, padding=1), (6, 2), (3,), 3 * 2 * 4 * 6),
        (lambda: nn.MaxPool1d(2), (6, 2), (2,), 0),
        (lambda: nn.AvgPool3d(2), (4, 4, 4, 2), (2, 2, 2), 0),
        (lambda: nn.Conv2d(2, 4, 3, groups=2), (5, 5, 2), (3, 3), 9 * 4 * 9),
        (lambda: nn.Linear(5, 4), (4, 5, 2), None, 5 * 4 * 2 * 4),
    ],
)
def test_summary_of_a_callable_reads_each_kind_of_leaf(make, input_shape, kernel, macs):
    def architecture(shape, n_outputs):
        return nn.Sequential(make(), nn.Flatten())

    model = ConvNetClassifier(architecture=architecture)
    first = model.summary(input_shape=input_shape, n_outputs=3).iloc[0]
    assert first["kernel"] == kernel
    assert first["multiply_accumulates"] == macs


def test_summary_of_a_callable_counts_trainable_parameters_only():
    def architecture(input_shape, n_outputs):
        net = callable_net(input_shape, n_outputs)
        net[0].requires_grad_(False)
        return net

    model = fitted((8, 6, 2), architecture=architecture)
    assert list(model.summary()["parameters"]) == [0, 8, 0, 0, 0, 147]
    assert model.n_parameters_ == 155


class SharedAndOwn(nn.Module):
    """A layer used twice, and parameters outside of any leaf."""

    def __init__(self, n_outputs, own):
        super().__init__()
        self.flatten = nn.Flatten()
        self.shared = nn.Linear(16, 16)
        self.output = nn.Linear(16, n_outputs)
        self.scale = nn.Parameter(torch.ones(16)) if own else 1.0

    def forward(self, x):
        return self.output(self.shared(self.shared(self.flatten(x))) * self.scale)


@pytest.mark.parametrize("own", [False, True], ids=["shared leaf", "shared leaf, own parameters"])
def test_summary_of_a_callable_adds_up_to_the_modules_parameters(own):
    model = fitted((4, 4, 1), architecture=lambda shape, n: SharedAndOwn(n, own))
    assert model.summary()["parameters"].sum() == model.n_parameters_


class Recurrent(nn.Module):
    """A leaf whose output is a tuple."""

    def __init__(self, n_outputs):
        super().__init__()
        self.lstm = nn.LSTM(2, n_outputs, batch_first=True)

    def forward(self, x):
        return self.lstm(x.movedim(1, 2))[0][:, -1]


def test_summary_of_a_callable_accepts_leaves_that_return_tuples():
    model = fitted((6, 2), n_spatial_dims=1, architecture=lambda shape, n: Recurrent(n))
    table = model.summary()
    assert list(table.index) == ["lstm"]
    assert table["parameters"].sum() == model.n_parameters_


class Odd(nn.Module):
    """A module with leaves that return a list and a single number."""

    def __init__(self, n_outputs):
        super().__init__()
        self.pairs = nn.Identity()
        self.total = nn.Identity()
        self.head = nn.Linear(4, n_outputs)

    def forward(self, x):
        first, _ = self.pairs([x, x])
        return self.head(first.flatten(1)) + self.total(x.mean())


def test_summary_of_a_callable_leaves_out_leaves_without_shapes():
    table = ConvNetClassifier(architecture=lambda s, n: Odd(n)).summary((2, 2, 1), n_outputs=3)
    assert list(table.index) == ["head"]
    assert table["parameters"].sum() == 15


def test_summary_of_an_unfitted_callable_moves_no_global_random_state():
    model = ConvNetClassifier(architecture=callable_net)
    state = torch.get_rng_state()
    model.summary(input_shape=(8, 6, 2), n_outputs=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_summary_of_a_callable_that_returns_no_module_raises():
    model = ConvNetClassifier(architecture=lambda shape, n: "net")
    message = r"^The 'architecture' callable must return a torch\.nn\.Module for .* Got str\.$"
    with pytest.raises(ArchitectureError, match=message):
        model.summary(input_shape=(8, 8, 1), n_outputs=3)


def test_summary_names_the_layer_that_does_not_fit():
    model = ConvNetClassifier(architecture=[Conv(8), Pool(2), Conv(8, 5, padding="valid")])
    with pytest.raises(ArchitectureError, match=r"^Layer 'conv_2' \(number 3\): .* \(4, 4\)"):
        model.summary(input_shape=(8, 8, 1), n_outputs=3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": "rellu"}, r"'activation' parameter .* Did you mean 'relu'\?"),
        ({"pooling": "avg"}, r"'pooling' parameter"),
        ({"architecture": Conv(8)}, r"'architecture' parameter"),
    ],
)
def test_summary_names_a_bad_parameter_as_fit_does(parameters, message):
    model = ConvNetClassifier(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(*make_data((8, 8, 1)))
    with pytest.raises(ValueError, match=message):
        model.summary(input_shape=(8, 8, 1), n_outputs=3)


@pytest.mark.parametrize("input_shape", [(64,), (0, 8, 1), (8.5, 8, 1)])
def test_summary_names_an_input_shape_that_cannot_be_read(input_shape):
    with pytest.raises(ValueError, match="input_shape"):
        ConvNetClassifier().summary(input_shape=input_shape, n_outputs=3)
