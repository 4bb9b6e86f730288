"""Architecture parameters to specifications, the meaning of "auto", bad values."""

from itertools import product
from math import ceil, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet import automatic
from skcnn._convnet.architectures import from_knobs
from skcnn._convnet.automatic import (
    auto_batch_size,
    auto_epochs,
    auto_filters,
    bounded_batch_size,
    pooled_filters,
    usual_layer_values,
)
from skcnn._training.batches import BatchIterator
from skcnn.augmentation import RandomTranslation
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    Activation,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Normalize,
    Pool,
)
from skcnn.layers._sequence import follow, trace, with_output
from tests.helpers.small_nets import tiny

KNOBS = (
    "filters",
    "kernel_size",
    "stride",
    "padding",
    "padding_mode",
    "pooling",
    "pool_size",
    "pool_stride",
    "global_pooling",
    "hidden_units",
    "activation",
    "normalization",
    "dropout",
    "conv_dropout",
)
DEFAULTS = {name: ConvNetClassifier().get_params()[name] for name in KNOBS}
PLAIN = {**DEFAULTS, "normalization": None, "dropout": 0.0, "hidden_units": ()}


def conv(filters, kernel_size=3, **how):
    return Conv(filters, kernel_size, activation="relu", **how)


def pool(*size, kind="max", stride=None):
    return Pool(size, stride=stride or size, kind=kind)


# knobs other than the plain ones, input shape, layers
BLOCKS = [
    ({"filters": 8}, (1, 8, 8), [conv(8), pool(2, 2)]),
    ({"filters": (8,)}, (1, 8, 8), [conv(8), pool(2, 2)]),
    ({"filters": (8, 16)}, (1, 8, 8), [conv(8), pool(2, 2), conv(16), pool(2, 2)]),
    ({"filters": [8, 16]}, (1, 8, 8), [conv(8), pool(2, 2), conv(16), pool(2, 2)]),
    ({"filters": ((8, 16),)}, (1, 8, 8), [conv(8), conv(16), pool(2, 2)]),
    ({"filters": (8, (4, 6))}, (1, 8, 8), [conv(8), pool(2, 2), conv(4), conv(6), pool(2, 2)]),
    ({"filters": [8, [4, 6]]}, (1, 8, 8), [conv(8), pool(2, 2), conv(4), conv(6), pool(2, 2)]),
    ({"filters": np.array([8, 4])}, (1, 8, 8), [conv(8), pool(2, 2), conv(4), pool(2, 2)]),
    ({"filters": "auto"}, (1, 8, 8), [conv(32), pool(2, 2), conv(64), pool(2, 2)]),
    ({"filters": ()}, (1, 8, 8), []),
    ({"filters": 8}, (1, 9), [conv(8), pool(2)]),
    ({"filters": 8}, (1, 4, 4, 4), [conv(8), pool(2, 2, 2)]),
    ({"filters": 8, "kernel_size": 5}, (1, 8, 8), [conv(8, 5), pool(2, 2)]),
    (
        {"filters": 8, "kernel_size": (3, 5), "stride": (1, 2), "padding": (0, 1)},
        (1, 8, 9),
        [conv(8, (3, 5), stride=(1, 2), padding=(0, 1)), pool(2, 2)],
    ),
    (
        {"filters": 8, "padding": "valid", "padding_mode": "edge", "stride": 2},
        (1, 9, 9),
        [conv(8, padding="valid", padding_mode="edge", stride=2), pool(2, 2)],
    ),
    (
        {"filters": 8, "pool_size": 3, "pool_stride": 2},
        (1, 8, 8),
        [conv(8), pool(3, 3, stride=(2, 2))],
    ),
    ({"filters": 8, "pool_size": (2, 4)}, (1, 8, 8), [conv(8), pool(2, 4)]),
    (
        {"filters": 8, "pool_size": [3, 2], "pool_stride": (1, 2)},
        (1, 8, 8),
        [conv(8), pool(3, 2, stride=(1, 2))],
    ),
    ({"filters": 8, "pooling": "average"}, (1, 8), [conv(8), pool(2, kind="average")]),
    ({"filters": (8, 8), "pooling": None}, (1, 8), [conv(8), conv(8)]),
    ({"filters": 8}, (1, 1, 8), [conv(8), pool(1, 2)]),
    ({"filters": 8}, (1, 8, 1), [conv(8), pool(2, 1)]),
    ({"filters": 8, "pool_stride": 3}, (1, 8, 1), [conv(8), pool(2, 1, stride=(3, 1))]),
    ({"filters": (8, 8)}, (1, 2, 5), [conv(8), pool(2, 2), conv(8), pool(1, 2)]),
    ({"filters": (8, 8)}, (1, 3), [conv(8), pool(2), conv(8)]),
    ({"filters": (8, 8)}, (1, 1), [conv(8), conv(8)]),
    ({"filters": 8}, (1, 1, 1), [conv(8)]),
    ({"filters": 8}, (1, 1, 4, 1), [conv(8), pool(1, 2, 1)]),
    (
        {"filters": (8, 4), "conv_dropout": 0.1},
        (1, 8, 8),
        [
            conv(8),
            pool(2, 2),
            Dropout(0.1, channels=True),
            conv(4),
            pool(2, 2),
            Dropout(0.1, channels=True),
        ],
    ),
    (
        {"filters": ((8, 4),), "conv_dropout": 0.1, "pooling": None},
        (1, 8),
        [conv(8), conv(4), Dropout(0.1, channels=True)],
    ),
]

# knobs other than the plain ones, layers after one block of 8 filters
HEADS = [
    ({}, [Flatten()]),
    ({"hidden_units": 5}, [Flatten(), Dense(5, activation="relu")]),
    ({"hidden_units": (5,)}, [Flatten(), Dense(5, activation="relu")]),
    (
        {"hidden_units": [5, 4]},
        [Flatten(), Dense(5, activation="relu"), Dense(4, activation="relu")],
    ),
    ({"dropout": 0.5}, [Dropout(0.5), Flatten()]),
    (
        {"hidden_units": (5, 4), "dropout": 0.5},
        [
            Dropout(0.5),
            Flatten(),
            Dense(5, activation="relu"),
            Dropout(0.5),
            Dense(4, activation="relu"),
            Dropout(0.5),
        ],
    ),
]

BAD_FILTERS = r"^The 'filters' parameter must be 'auto', an integer >= 1 or a tuple .* Got {}\.$"
BAD_UNITS = r"^The 'hidden_units' parameter must be an integer >= 1 or a tuple .* Got {}\.$"
# knobs other than the defaults, message, for an input of 8x8
BAD_KNOBS = [
    ({"filters": 0}, BAD_FILTERS.format("0")),
    ({"filters": "autos"}, BAD_FILTERS.format("'autos'")),
    ({"filters": None}, BAD_FILTERS.format("None")),
    ({"filters": 2.5}, BAD_FILTERS.format(r"2\.5")),
    ({"filters": True}, BAD_FILTERS.format("True")),
    ({"filters": (8, 0)}, BAD_FILTERS.format(r"\(8, 0\)")),
    ({"filters": (8, ())}, BAD_FILTERS.format(r"\(8, \(\)\)")),
    ({"filters": (8, (8, -1))}, BAD_FILTERS.format(r"\(8, \(8, -1\)\)")),
    ({"filters": (8, "8")}, BAD_FILTERS.format(r"\(8, '8'\)")),
    ({"filters": (8, ((8,),))}, BAD_FILTERS.format(r"\(8, \(\(8,\),\)\)")),
    ({"hidden_units": 0}, BAD_UNITS.format("0")),
    ({"hidden_units": None}, BAD_UNITS.format("None")),
    ({"hidden_units": (5, 1.5)}, BAD_UNITS.format(r"\(5, 1\.5\)")),
    ({"hidden_units": "128"}, BAD_UNITS.format("'128'")),
    ({"hidden_units": (True,)}, BAD_UNITS.format(r"\(True,\)")),
    ({"kernel_size": 0}, r"'kernel_size' of Conv must be an integer >= 1"),
    ({"kernel_size": (3,)}, r"kernel_size must be .* the 2 spatial axes .* Got \(3,\)"),
    ({"stride": (1, 1, 1)}, r"stride must be .* the 2 spatial axes"),
    ({"padding": (1,)}, r"padding must be .* the 2 spatial axes"),
    ({"padding": "full"}, r"'padding' of Conv must be one of"),
    ({"padding_mode": "reflect"}, r"'padding_mode' of Conv must be one of"),
    ({"pooling": "avg"}, r"'kind' of Pool must be one of"),
    ({"pool_size": (2,)}, r"pool_size must be .* the 2 spatial axes .* Got \(2,\)"),
    ({"pool_stride": (2, 2, 2)}, r"pool_stride must be .* the 2 spatial axes"),
    ({"pool_size": (2.5, 2)}, r"^pool_size must be .* Got \(2\.5, 2\)"),
    ({"pool_size": ("a", "b")}, r"^pool_size must be .* Got \('a', 'b'\)"),
    ({"pool_stride": (1.5, 1)}, r"^pool_stride must be .* Got \(1\.5, 1\)"),
    ({"activation": "rellu"}, r"'kind' of Activation .* Did you mean 'relu'\?"),
    ({"activation": "rellu", "normalization": None}, r"'activation' of Conv .* mean 'relu'\?"),
    ({"normalization": "bach"}, r"'kind' of Normalize .* Did you mean 'batch'\?"),
    ({"dropout": 1.0}, r"'rate' of Dropout must be a float in \[0, 1\)\. Got 1\.0"),
    ({"conv_dropout": 1.5}, r"'rate' of Dropout must be a float in \[0, 1\)\. Got 1\.5"),
]

# knobs other than the defaults, input shape, message
KNOBS_THAT_DO_NOT_FIT = [
    (
        {"filters": (8, 8), "padding": "valid"},
        (1, 5, 5),
        r"^Layer 'conv_2' \(number 5\): .* does not fit its input of spatial size \(1, 1\): "
        r"window \(3, 3\), .* would fit, or an input of at least \(3, 3\)\.$",
    ),
    ({"pool_size": 9}, (1, 8, 8), r"^Layer 'pool_1' \(number 4\): .* spatial size \(8, 8\)"),
    (
        {"padding_mode": "mirror", "kernel_size": 5},
        (1, 8, 2),
        r"^Layer 'conv_1' \(number 1\): .*padding_mode='mirror' repeats at most",
    ),
]


@pytest.mark.parametrize(("knobs", "shape", "layers"), BLOCKS)
def test_knobs_give_these_blocks(knobs, shape, layers):
    assert from_knobs(shape, **PLAIN | knobs) == (*layers, Flatten())


@pytest.mark.parametrize(("knobs", "layers"), HEADS)
def test_knobs_give_these_dense_layers(knobs, layers):
    block = [conv(8), pool(2, 2)]
    assert from_knobs((1, 8, 8), **PLAIN | {"filters": 8} | knobs) == (*block, *layers)


@pytest.mark.parametrize("kind", ["batch", "group"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "identity"])
def test_normalization_comes_between_a_layer_and_its_activation(kind, activation):
    knobs = {"filters": 8, "hidden_units": 5, "normalization": kind, "activation": activation}
    middle = (Normalize(kind=kind), Activation(activation))
    assert from_knobs((1, 8, 8), **PLAIN | knobs) == (
        Conv(8, bias=False),
        *middle,
        pool(2, 2),
        Flatten(),
        Dense(5, bias=False),
        *middle,
    )


@pytest.mark.parametrize("activation", ["tanh", "identity", None])
def test_without_normalization_layers_keep_bias_and_activation(activation):
    knobs = {"filters": 8, "hidden_units": 5, "activation": activation}
    assert from_knobs((1, 8, 8), **PLAIN | knobs) == (
        Conv(8, activation=activation),
        pool(2, 2),
        Flatten(),
        Dense(5, activation=activation),
    )


def normalized(filters, kernel_size=3):
    return Conv(filters, kernel_size, bias=False), Normalize(), Activation("relu")


GLOBAL_HEAD = (GlobalPool(kind="max"), Dropout(0.25))


DENSE_HEAD = (
    Dropout(0.25),
    Flatten(),
    Dense(128, bias=False),
    Normalize(),
    Activation("relu"),
    Dropout(0.25),
)


@pytest.mark.parametrize(
    ("estimator", "head"),
    [(ConvNetClassifier(), GLOBAL_HEAD), (ConvNetRegressor(), DENSE_HEAD)],
)
def test_default_knobs_on_digits(estimator, head):
    wanted = (*normalized(32), Pool((2, 2)), *normalized(64), *normalized(128), *head)
    assert estimator._layers((1, 8, 8)) == wanted
    knobs = {name: estimator.get_params()[name] for name in KNOBS}
    of_classes = isinstance(estimator, ConvNetClassifier)
    assert from_knobs((1, 8, 8), of_classes=of_classes, **knobs) == wanted


@pytest.mark.parametrize(
    ("spatial", "pools"),
    [
        ((3, 3), [None, None]),
        ((8, 8), [(2, 2), None]),
        ((9, 9), [(2, 2), None]),
        ((16, 16), [(2, 2), (2, 2)]),
        ((28, 28), [(2, 2), (2, 2), None]),
        ((32, 32), [(2, 2), (2, 2), (2, 2)]),
        ((3, 32), [(1, 2), (1, 2), (1, 2)]),
        ((40, 63), [(2, 2), (2, 2), (2, 2), None]),
        ((64, 64), [(2, 2), (2, 2), (2, 2), (2, 2)]),
        ((8, 16, 32), [(2, 2, 2), (1, 2, 2), (1, 1, 2)]),
    ],
)
def test_default_classifier_of_images_halves_sides_of_eight_or_more(spatial, pools):
    layers = from_knobs((2, *spatial), **DEFAULTS)
    wanted = []
    for i, window in enumerate(pools):
        wanted += normalized(min(32 * 2**i, 128))
        if window is not None and max(window) > 1:
            wanted.append(Pool(window))
    assert layers == (*wanted, *normalized(min(32 * 2 ** len(pools), 128)), *GLOBAL_HEAD)


@pytest.mark.parametrize(
    ("spatial", "pools"),
    [
        ((5, 23), [(1, 2), (1, 2), None]),
        ((28, 28), [(2, 2), (2, 2), (2, 2)]),
        ((40, 63), [(2, 2), (2, 2), (2, 2), (1, 2)]),
    ],
)
def test_default_regressor_of_images_halves_sides_of_six_or_more(spatial, pools):
    layers = from_knobs((2, *spatial), of_classes=False, **DEFAULTS)
    assert [
        row.spec.size for row in trace(layers, (2, *spatial)) if isinstance(row.spec, Pool)
    ] == [window for window in pools if window is not None]
    assert layers[-len(DENSE_HEAD) :] == DENSE_HEAD


def test_other_parameters_act_in_the_default_network_of_images():
    how = {"kernel_size": 5, "pooling": "average", "conv_dropout": 0.1, "dropout": 0.0}
    assert from_knobs((1, 8, 8), **DEFAULTS | how) == (
        *normalized(32, 5),
        Pool((2, 2), kind="average"),
        Dropout(0.1, channels=True),
        *normalized(64, 5),
        Dropout(0.1, channels=True),
        *normalized(128, 5),
        GlobalPool(kind="max"),
    )


@pytest.mark.parametrize(
    "how",
    [
        {"stride": np.int64(1)},
        {"stride": np.array([1])[0]},
        {"stride": (1, 1)},
        {"filters": np.str_("auto"), "pool_size": np.str_("auto")},
        {"hidden_units": np.str_("auto"), "padding": np.str_("same")},
        {"padding_mode": "edge"},
    ],
    ids=str,
)
def test_equal_values_ask_for_the_same_network(how):
    layers = from_knobs((1, 8, 8), **DEFAULTS | how)
    assert layers[-2:] == GLOBAL_HEAD
    if "padding_mode" not in how:
        assert layers == from_knobs((1, 8, 8), **DEFAULTS)


@pytest.mark.parametrize(
    "how",
    [
        {"filters": (32, 64)},
        {"hidden_units": (128,)},
        {"hidden_units": ()},
        {"pool_size": 2},
        {"pool_stride": 2},
        {"stride": 2},
        {"padding": "valid"},
        {"padding": 1},
        {"pooling": None},
    ],
    ids=str,
)
def test_networks_whose_parts_are_given_end_in_dense_layers(how):
    layers = from_knobs((1, 28, 28), **DEFAULTS | how)
    given = {"filters": (32, 64), "hidden_units": (128,), "pool_size": 2}
    assert layers == from_knobs((1, 28, 28), **DEFAULTS | given | how)
    assert Flatten() in layers


BLOCK = (*normalized(8), pool(2, 2))
DENSE_5 = (Dense(5, bias=False), Normalize(), Activation("relu"), Dropout(0.25))


@pytest.mark.parametrize(
    ("how", "head"),
    [
        ({"global_pooling": "max"}, GLOBAL_HEAD),
        ({"global_pooling": "max", "hidden_units": 5}, (*GLOBAL_HEAD, *DENSE_5)),
        ({"global_pooling": "average"}, (GlobalPool(), Dropout(0.25))),
        ({"global_pooling": "average", "dropout": 0.0}, (GlobalPool(),)),
        ({"global_pooling": None}, DENSE_HEAD),
        ({}, DENSE_HEAD),
    ],
)
@pytest.mark.parametrize("of_classes", [True, False])
def test_global_pooling_of_given_blocks(how, head, of_classes):
    knobs = DEFAULTS | {"filters": 8} | how
    assert from_knobs((1, 8, 8), of_classes=of_classes, **knobs) == (*BLOCK, *head)


@pytest.mark.parametrize("of_classes", [True, False])
def test_global_pooling_of_the_default_network_of_images(of_classes):
    made = {
        kind: from_knobs((1, 28, 28), of_classes=of_classes, **DEFAULTS | {"global_pooling": kind})
        for kind in ("auto", "max", "average", None)
    }
    assert made["auto"] == (made["max"] if of_classes else made[None])
    assert made["average"][:-2] == made["max"][:-2]
    assert made["average"][-2:] == (GlobalPool(), Dropout(0.25))
    assert made[None] == from_knobs((1, 28, 28), of_classes=False, **DEFAULTS)


@pytest.mark.parametrize(
    ("how", "head"),
    [
        ({}, (GlobalPool(), Dropout(0.25), *DENSE_HEAD[2:])),
        ({"global_pooling": "average"}, (GlobalPool(), Dropout(0.25))),
        ({"global_pooling": "max"}, GLOBAL_HEAD),
    ],
)
def test_global_pooling_of_signals_of_any_length(how, head):
    knobs = DEFAULTS | {"filters": 8} | how
    assert from_knobs((2, 64), True, **knobs) == (*normalized(8), Pool((2,), stride=(2,)), *head)


def test_signals_of_any_length_cannot_be_flattened():
    model = ConvNetClassifier(input_shape=(None, 2), filters=8, global_pooling=None)
    with pytest.raises(ArchitectureError, match="Flatten gives as many features as a signal has"):
        model.fit([np.zeros((20, 2)), np.ones((22, 2))], [0, 1])


def test_a_global_pool_asks_for_other_blocks_of_signals():
    own = ConvNetClassifier()._layers((2, 64))
    pooled = ConvNetClassifier(global_pooling="max")._layers((2, 64))
    assert pooled == (
        *ConvNetClassifier(filters="auto", pool_size=2)._layers((2, 64))[:-6],
        *GLOBAL_HEAD,
    )
    assert own != pooled


SMALL_SHAPES = {
    "signals": [(length,) for length in range(1, 21)],
    "images": list(product(range(1, 13), repeat=2)),
    "thin images": [(1, 200), (200, 1), (2, 300), (3, 97)],
    "volumes": list(product(range(1, 6), repeat=3)),
}


@pytest.mark.parametrize("spatial", SMALL_SHAPES.values(), ids=SMALL_SHAPES)
@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"pooling": "average"},
        {"normalization": "group"},
        {"filters": (8, 8, 8, 8)},
        {"kernel_size": 5},
        {"stride": 2},
        {"padding_mode": "edge"},
    ],
    ids=repr,
)
def test_no_input_is_too_small(knobs, spatial):
    for n_channels, size in product((1, 3), spatial):
        shape = (n_channels, *size)
        layers = with_output(from_knobs(shape, **DEFAULTS | knobs), 2)
        assert follow(layers, shape) == (2,)


@pytest.mark.parametrize("spatial", SMALL_SHAPES.values(), ids=SMALL_SHAPES)
def test_no_pool_touches_an_axis_of_length_one(spatial):
    for size in spatial:
        layers = with_output(from_knobs((1, *size), **DEFAULTS | {"hidden_units": 128}), 2)
        for row in trace(layers, (1, *size)):
            if isinstance(row.spec, Pool):
                before, after = row.input_shape[1:], row.output_shape[1:]
                assert all(k == 1 for k, n in zip(row.spec.size, before, strict=True) if n == 1)
                assert after == tuple(max(n // 2, 1) for n in before)
                assert max(before) > 1


@pytest.mark.parametrize(("knobs", "message"), BAD_KNOBS)
def test_bad_knob_raises_an_architecture_error(knobs, message):
    with pytest.raises(ArchitectureError, match=message):
        from_knobs((1, 8, 8), **DEFAULTS | knobs)


@pytest.mark.parametrize(("knobs", "shape", "message"), KNOBS_THAT_DO_NOT_FIT)
def test_knobs_that_do_not_fit_name_the_layer(knobs, shape, message):
    with pytest.raises(ArchitectureError, match=message):
        from_knobs(shape, **DEFAULTS | knobs)


@pytest.mark.parametrize(
    ("spatial", "filters"),
    [
        ((1,), (32, 64)),
        ((8, 8), (32, 64)),
        ((14, 14), (32, 64)),
        ((28, 28), (32, 64)),
        ((29, 29), (32, 64, 128)),
        ((3, 29), (32, 64, 128)),
        ((56, 56), (32, 64, 128)),
        ((57, 1), (32, 64, 128, 128)),
        ((64, 64), (32, 64, 128, 128)),
        ((224, 224), (32, 64, 128, 128, 128)),
        ((1792,), (32, 64, 128, 128, 128, 128, 128, 128)),
        ((10**6,), (32, 64, 128, 128, 128, 128, 128, 128)),
        ((10, 20, 30), (32, 64, 128)),
    ],
)
def test_auto_filters_depend_on_the_longest_side(spatial, filters):
    assert auto_filters(spatial) == filters


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=3))
def test_pooled_filters_bring_sides_to_four_values(spatial):
    *pooled, last = pooled_filters(spatial)
    assert 2 <= len(pooled) <= 8
    assert (*pooled, last) == tuple(min(32 * 2**i, 128) for i in range(len(pooled) + 1))
    assert max(spatial) / 2 ** len(pooled) <= 4 or len(pooled) == 8
    assert max(spatial) / 2 ** (len(pooled) - 1) > 4 or len(pooled) == 2


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=3))
def test_auto_filters_leave_at_most_seven_values_a_side(spatial):
    filters = auto_filters(spatial)
    assert 2 <= len(filters) <= 8
    assert filters == tuple(min(32 * 2**i, 128) for i in range(len(filters)))
    assert max(spatial) / 2 ** len(filters) <= 7 or len(filters) == 8
    assert max(spatial) / 2 ** (len(filters) - 1) > 7 or len(filters) == 2


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "epochs"),
    [
        (1, 8, 24),
        (8, 8, 60),
        (30, 8, 33),
        (191, 8, 14),
        (192, 8, 14),
        (383, 8, 10),
        (384, 16, 20),
        (1437, 32, 21),
        (2_000, 64, 34),
        (3_071, 64, 28),
        (3_072, 128, 56),
        (60_000, 128, 13),
        (1_000_000, 128, 10),
    ],
)
def test_auto_batch_size_and_epochs_at_these_sizes(n_samples, batch_size, epochs):
    assert auto_batch_size(n_samples) == batch_size
    assert auto_epochs(n_samples) == epochs
    assert auto_epochs(n_samples, is_augmented=True) == 3 * epochs


@pytest.mark.parametrize("way", ["parameter", "step"])
def test_augmented_samples_are_seen_in_three_times_as_many_epochs(way):
    X, y = np.random.default_rng(0).random((400, 3, 3)), np.arange(400) % 2
    net = ConvNetClassifier(filters=(2,), random_state=0)
    shift = RandomTranslation(0.3)
    if way == "parameter":
        augmented = net.set_params(augmentation=shift).fit(X, y)
    else:
        augmented = make_pipeline(shift, net).fit(X, y)[-1]
    once = auto_epochs(400, optimizer="muon")
    assert augmented.n_iter_ == 4 * once
    assert augmented.set_params(augmentation=None).fit(X, y).n_iter_ == once


@given(st.integers(1, 10**7))
def test_auto_batch_size_is_the_power_of_two_below_a_24th(n_samples):
    size = auto_batch_size(n_samples)
    assert size in (8, 16, 32, 64, 128)
    assert size <= n_samples / 24 or size == 8
    assert 2 * size > n_samples / 24 or size == 128


@pytest.mark.parametrize(("optimizer", "least", "factor"), [("sgd", 0, 24), ("muon", 120, 10)])
@given(n_samples=st.integers(1, 10**7))
def test_auto_epochs_hold_roots_of_steps_within_bounds(n_samples, optimizer, least, factor):
    epochs = auto_epochs(n_samples, optimizer=optimizer)
    n_batches = ceil(n_samples / auto_batch_size(n_samples))
    steps = least + factor * sqrt(n_samples)
    assert 10 <= epochs <= 60
    assert epochs * n_batches >= steps or epochs == 60
    assert (epochs - 1) * n_batches < steps or epochs == 10


@pytest.mark.parametrize(
    ("shape", "batch_size"),
    [
        ((28, 28), 128),
        ((128, 128, 3), 128),
        ((4_096,), 128),
        ((9_000,), 128),
        ((224, 224, 3), 32),  # 56 fit
        ((100_000,), 128),
        ((64, 64, 64, 1), 8),
        ((128, 128, 128, 1), 2),  # 1 fits
    ],
)
def test_automatic_batches_of_large_samples_are_bounded(shape, batch_size):
    model = ConvNetClassifier(input_shape=shape)
    table = model.summary((*shape, 1) if len(shape) < 3 else shape, n_outputs=10)
    values = int(table["output_size"].sum())
    assert bounded_batch_size(10_000, values) == batch_size
    assert batch_size == 2 or batch_size * values <= 2**29
    assert bounded_batch_size(100, values) == min(batch_size, 8)


def test_usual_values_are_those_of_a_first_block_of_32_filters():
    assert usual_layer_values((1, 100_000)) == 3 * 32 * 100_000
    assert usual_layer_values((1_000, 4, 4)) == 16_000


@pytest.mark.parametrize(
    ("params", "largest"),
    [
        ({}, 2),
        ({"batch_size": 5}, 5),
        ({"batch_size": None}, 9),
        ({"architecture": lambda shape, n: nn.Sequential(nn.Flatten(), nn.Linear(8, n))}, 2),
    ],
)
def test_fit_bounds_automatic_batches_only(params, largest, monkeypatch):
    monkeypatch.setattr(automatic, "MOST_BATCH_VALUES", 5 * 8)  # less than two samples
    sizes, begin = [], BatchIterator.__init__

    def watched(self, *args):
        begin(self, *args)
        sizes.append(self.largest_batch)

    monkeypatch.setattr(BatchIterator, "__init__", watched)
    X = np.random.default_rng(0).random((9, 8))
    tiny(**params).fit(X, np.arange(9) % 2)
    assert sizes == [largest]
