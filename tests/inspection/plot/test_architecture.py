"""ArchitectureDisplay: boxes to scale, layers in one box, labels that do not overlap."""

import itertools

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import ArchitectureError, InputShapeError
from skcnn.inspection import ArchitectureDisplay
from skcnn.layers import (
    Activation,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
)
from tests.helpers.figures import legend_of

X, y = load_digits(return_X_y=True)
TIMES = "\N{MULTIPLICATION SIGN}"


def draw(architecture=None, input_shape=(28, 28, 1), n_outputs=10, ax=None, **params):
    net = ConvNetClassifier(architecture=architecture, **params)
    return ArchitectureDisplay.from_estimator(
        net, input_shape=input_shape, n_outputs=n_outputs, ax=ax
    )


def labels_of(display, separator="\n"):
    return [text.get_text().replace(TIMES, "x").split(separator) for text in display.ax_.texts]


def test_layers_have_names_shapes_and_parameters():
    display = draw([Conv(16, 3), Pool(2), Dense(32)])
    assert labels_of(display) == [
        ["input", "28x28x1", ""],
        ["conv_1", "28x28x16", "160"],  # 9 * 16 + 16
        ["pool_1", "14x14x16", ""],
        ["dense_1", "32", "100,384"],  # 14 * 14 * 16 * 32 + 32
        ["output", "10", "330"],
    ]
    assert display.ax_.get_title() == f"{160 + 100_384 + 330:,} parameters"


def test_heights_and_widths_are_to_scale():
    display = draw([Conv(4), Conv(16, 1, stride=2), Conv(64, 1, stride=2), GlobalPool()])
    boxes = display.ax_.patches
    assert_allclose([box.get_height() / boxes[0].get_height() for box in boxes[:4]],
                    [1, 1, 1 / 2, 1 / 4])  # fmt: skip
    assert_allclose([box.get_width() / boxes[3].get_width() for box in boxes[1:5]],
                    [1 / 4, 1 / 2, 1, 1])  # fmt: skip
    assert 0 < boxes[4].get_height() < boxes[3].get_height() / 2
    middles = [box.get_y() + box.get_height() / 2 for box in boxes]
    assert_allclose(middles, 0, atol=1e-12)
    ends = [(box.get_x(), box.get_x() + box.get_width()) for box in boxes]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))


def test_height_is_the_mean_side():
    display = draw([Conv(4, 1, stride=(1, 4))], input_shape=(16, 16, 1))
    first, second = display.ax_.patches[:2]
    assert second.get_height() / first.get_height() == pytest.approx(np.sqrt(16 * 4) / 16)


def test_layers_that_keep_the_size_are_part_of_the_layer_before():
    plain = [Conv(4), Pool(2), Dense(8)]
    full = [
        Conv(4), Normalize(), Activation("relu"), Dropout(0.1), Pool(2), Dropout(0.2),
        Dense(8), Normalize(), Activation("relu"), Dropout(0.5),
    ]  # fmt: skip
    one, two = draw(plain), draw(full)
    assert [row[:2] for row in labels_of(one)] == [row[:2] for row in labels_of(two)]
    assert labels_of(two)[1][2] == str(40 + 8)  # two parameters a channel
    assert len(two.summary) == 12
    drawn = sum(int(row[2].replace(",", "") or 0) for row in labels_of(two))
    assert drawn == two.summary["parameters"].sum()


def test_a_normalisation_of_the_input_is_part_of_it():
    display = draw([Normalize(), Conv(4)])
    assert labels_of(display)[0] == ["input", "28x28x1", "2"]


def test_kinds_differ_in_colour_and_hatch():
    display = draw([
        Conv(4), Residual([Conv(4)]), Concatenate([[Conv(4)], [Conv(2)]]), Pool(2), Dense(8),
    ])  # fmt: skip
    assert legend_of(display) == ["input", "convolution", "block", "pool", "dense"]
    looks = [(to_hex(box.get_facecolor()), box.get_hatch()) for box in display.ax_.patches]
    assert looks[2] == looks[3]  # both are blocks
    assert looks[5] == looks[6]  # dense and output
    assert len(set(looks)) == 5
    assert len({hatch for _, hatch in looks}) == 4  # also without colours


def module(input_shape, n_outputs):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Upsample(scale_factor=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, n_outputs),
    )


class Scaled(nn.Module):
    """A module with a parameter of its own."""

    def __init__(self, input_shape, n_outputs):
        super().__init__()
        self.factor = nn.Parameter(nn.init.ones_(nn.Linear(1, 1).weight)[0, 0])
        self.layer = nn.Linear(input_shape[-1], n_outputs)

    def forward(self, x):
        return self.layer(self.factor * x.flatten(1))


def test_callables():
    display = draw(module)
    assert [row[:2] for row in labels_of(display)] == [
        ["input", "28x28x1"],
        ["0", "26x26x8"],
        ["3", "13x13x8"],
        ["4", "26x26x8"],
        ["5", "1x1x8"],
        ["7", "10"],
    ]
    assert legend_of(display) == ["input", "convolution", "pool", "other", "dense"]
    assert labels_of(display)[1][2] == str(9 * 8 + 8 + 16)


def test_fitted_callable_with_loose_parameters():
    net = ConvNetClassifier(architecture=Scaled, max_epochs=1).fit(X[:60], y[:60])
    display = ArchitectureDisplay.from_estimator(net)
    n = len(net.classes_)
    assert labels_of(display) == [
        ["input", "64x1", ""],
        ["layer", str(n), str(64 * n + n + 1)],
    ]


@pytest.mark.parametrize(
    ("shape", "text"),
    [((100, 3), "100x3"), ((8, 10, 12, 1), "8x10x12x1"), ((32, 32, 3), "32x32x3")],
)
def test_signals_volumes_and_colours(shape, text):
    display = draw(input_shape=shape)
    assert labels_of(display)[0][1] == text


def test_channels_first_are_drawn_last():
    display = draw(input_shape=(3, 32, 24), channels="first")
    assert labels_of(display)[0][1] == "32x24x3"


SMALL = {"input_shape": (8, 8), "filters": 4, "hidden_units": (), "max_epochs": 1}
FITTED = {
    "net": lambda: ConvNetClassifier(**SMALL),
    "regressor": lambda: ConvNetRegressor(**SMALL),
    "pipeline": lambda: make_pipeline(StandardScaler(), ConvNetClassifier(**SMALL)),
    "search": lambda: GridSearchCV(ConvNetClassifier(**SMALL), {"dropout": [0.1]}, cv=2),
}


@pytest.mark.parametrize("kind", FITTED)
def test_fitted_estimators_need_no_shape(kind):
    model = FITTED[kind]().fit(X[:60], y[:60])
    display = ArchitectureDisplay.from_estimator(model)
    assert labels_of(display)[0][:2] == ["input", "8x8x1"]
    n = 1 if kind == "regressor" else 10
    assert labels_of(display)[-1][:2] == ["output", str(n)]


def test_unfitted_estimator_with_its_shape():
    net = ConvNetClassifier(**SMALL)
    display = ArchitectureDisplay.from_estimator(net, n_outputs=3)
    assert labels_of(display)[0][1] == "8x8x1"
    assert not hasattr(net, "net_")


def resnet_like():
    layers = [Conv(16), Normalize(), Activation("relu")]
    for n in (16, 32, 64, 128):
        block = Residual([Conv(n), Normalize(), Activation("relu"), Conv(n), Normalize()])
        layers += [block, Activation("relu"), block, Activation("relu")]
        layers += [Conv(2 * n, stride=2), Normalize(), Activation("relu")]
    return [*layers, GlobalPool(), Dropout(0.3)]


def no_overlaps(display):
    display.figure_.canvas.draw()
    renderer = display.figure_.canvas.get_renderer()
    texts = [text.get_window_extent() for text in display.ax_.texts]
    lines = [display.ax_.title, display.ax_.get_legend(), display.ax_.xaxis.label]
    others = [part.get_window_extent(renderer) for part in lines]
    boxes = [*texts, *others]
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    inside = all(b.x0 >= 0 and b.x1 <= display.figure_.bbox.x1 and b.y0 >= 0 for b in boxes)
    return inside and not any(overlaps)


SIZES = {
    "default": (None, (28, 28, 1)),
    "lenet5": ("lenet5", (28, 28, 1)),
    "deep": (None, (256, 256, 3)),
    "signal": (None, (2000, 4)),
    "resnet-like": (resnet_like(), (224, 224, 3)),
}


@pytest.mark.parametrize("size", SIZES)
def test_labels_do_not_overlap(size):
    architecture, shape = SIZES[size]
    display = draw(architecture, shape, n_outputs=1000)
    assert no_overlaps(display)
    assert min(text.get_fontsize() for text in display.ax_.texts) >= 8
    assert display.figure_.get_figwidth() < 12


@pytest.mark.parametrize("size", ["default", "lenet5"])
def test_labels_do_not_overlap_in_given_axes(size):
    ax = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")[1][0]
    architecture, shape = SIZES[size]
    display = draw(architecture, shape, ax=ax)
    assert display.ax_ is ax
    assert no_overlaps(display)


def test_a_missing_shape_is_named():
    with pytest.raises(NotFittedError, match=r"needs input_shape.* and n_outputs"):
        ArchitectureDisplay.from_estimator(ConvNetClassifier())
    with pytest.raises(InputShapeError, match="must have the channel axis"):
        draw(input_shape=(28,))
    with pytest.raises(ArchitectureError, match="conv_1"):
        draw([Conv(4, 9, padding="valid")], input_shape=(8, 8, 1))
