"""Residual blocks: shapes and counts, the shortcut, the sum of both paths, errors."""

import numpy as np
import pytest

from skcnn.exceptions import ArchitectureError
from skcnn.layers import Conv, Dense, GlobalPool, Normalize, Pool, Residual
from tests.helpers.layer_modules import TOLERANCE, apply, build

# block, input shape, layers of the shortcut, output shape, parameters, multiply-accumulates
RESIDUALS = [
    (Residual([Conv(8)]), (8, 5, 5), (), (8, 5, 5), 584, 72 * 8 * 25),
    (Residual([]), (8, 5, 5), (), (8, 5, 5), 0, 0),
    (Residual(Conv(8)), (8, 5, 5), (), (8, 5, 5), 584, 72 * 8 * 25),
    (
        Residual([Conv(8, activation="relu"), Normalize(), Conv(8)]),
        (8, 5, 5),
        (),
        (8, 5, 5),
        584 + 16 + 584,
        2 * 72 * 8 * 25,
    ),
    (
        Residual([Conv(16)]),
        (8, 5, 5),
        (Conv(16, 1, stride=(1, 1), padding="valid", bias=False),),
        (16, 5, 5),
        16 * 73 + 128,
        (72 + 8) * 16 * 25,
    ),
    (
        Residual([Conv(16, stride=2)]),
        (8, 5, 6),
        (Conv(16, 1, stride=(2, 2), padding="valid", bias=False),),
        (16, 3, 3),
        16 * 73 + 128,
        (72 + 8) * 16 * 9,
    ),
    (
        Residual([Conv(8, stride=(1, 3))]),
        (8, 5, 7),
        (Conv(8, 1, stride=(1, 3), padding="valid", bias=False),),
        (8, 5, 3),
        584 + 64,
        (72 + 8) * 8 * 15,
    ),
    (
        Residual([Conv(8, stride=2), Conv(4, stride=2)]),
        (8, 8),
        (Conv(4, 1, stride=(4,), padding="valid", bias=False),),
        (4, 2),
        8 * 25 + 4 * 25 + 32,
        24 * 8 * 4 + 24 * 4 * 2 + 8 * 4 * 2,
    ),
    (
        Residual([Conv(2), Pool(2)]),
        (3, 4, 4, 4),
        (Conv(2, 1, stride=(2, 2, 2), padding="valid", bias=False),),
        (2, 2, 2, 2),
        2 * 82 + 6,
        81 * 2 * 64 + 6 * 8,
    ),
    (Residual([Dense(7)]), (7,), (), (7,), 56, 49),
    (Residual([Dense(5)]), (7,), (Dense(5, bias=False),), (5,), 40 + 35, 70),
    (
        Residual([Conv(4)], shortcut=[Conv(4, 1)]),
        (4, 6),
        (Conv(4, 1),),
        (4, 6),
        4 * 13 + 4 * 5,
        (12 + 4) * 4 * 6,
    ),
    (Residual([Conv(4)], shortcut=Conv(4, 1)), (4, 6), (Conv(4, 1),), (4, 6), 72, 16 * 24),
    (Residual([Conv(4)], shortcut=[]), (4, 6), (), (4, 6), 52, 12 * 24),
    (
        Residual([Conv(4), GlobalPool()], shortcut=[GlobalPool(), Dense(4)]),
        (3, 6),
        (GlobalPool(), Dense(4)),
        (4,),
        40 + 16,
        9 * 24 + 12,
    ),
    (
        Residual([Residual([Conv(6)]), Conv(4)]),
        (3, 6),
        (Conv(4, 1, stride=(1,), padding="valid", bias=False),),
        (4, 6),
        60 + 18 + 76 + 12,
        (9 * 6 + 3 * 6 + 18 * 4 + 3 * 4) * 6,
    ),
]


BAD_BLOCKS = [
    (
        lambda: Residual([Conv]),
        r"^Residual layers must be made of skcnn\.layers, such as Conv\(32\)\. Got <class .*Conv'> "
        r"of type type\.$",
    ),
    (lambda: Residual("relu"), r"^Residual layers must be .* Got 'relu' of type str\.$"),
    (lambda: Residual(3), r"^Residual layers must be .* Got 3 of type int\.$"),
    (lambda: Residual([Conv(3), None]), r"^Residual layers must be .* of type NoneType\.$"),
    (lambda: Residual([[Conv(3)]]), r"^Residual layers must be .* of type list\.$"),
    (
        lambda: Residual([Conv(3)], shortcut="identity"),
        r"^The 'shortcut' of Residual must be 'auto' or a sequence of layers\. Got 'identity'\.$",
    ),
    (
        lambda: Residual([Conv(3)], shortcut=None),
        r"^Residual shortcut must be made of skcnn\.layers.* Got None of type NoneType\.$",
    ),
]


# block, input shape, message
BLOCKS_THAT_DO_NOT_FIT = [
    (
        Residual([Conv(8)], shortcut=[Conv(4, 1)]),
        (8, 5, 5),
        r"^Residual\(\(Conv\(8, 3\),\), shortcut=\(Conv\(4, 1\),\)\): body and shortcut give "
        r"different shapes, \(8, 5, 5\) and \(4, 5, 5\), for an input of \(8, 5, 5\)\. Give a "
        r"shortcut that matches the body\.$",
    ),
    (Residual([Conv(8)], shortcut=()), (4, 5, 5), r"\(8, 5, 5\) and \(4, 5, 5\)"),
    (
        Residual([Conv(8, padding="valid")]),
        (8, 6, 6),
        r"different shapes, \(8, 4, 4\) and \(8, 3, 3\), for an input of \(8, 6, 6\)",
    ),
    (Residual([Conv(8, padding=2)]), (8, 6), r"different shapes, \(8, 8\) and \(8, 6\)"),
    (
        Residual([Conv(8), GlobalPool()]),
        (8, 6, 6),
        r"^Residual\(\(Conv\(8, 3\), GlobalPool\(\)\)\) turns \(8, 6, 6\) into \(8,\): a shortcut "
        r"cannot be added to it\. Keep Flatten, GlobalPool and Dense out of the body\.$",
    ),
    (Residual([Dense(8)]), (8, 6, 6), r"^Dense\(8\) needs a flat input"),
]


@pytest.mark.parametrize(
    ("block", "shape", "shortcut", "output_shape", "n_parameters", "macs"), RESIDUALS
)
def test_residual_shapes_and_counts_are_exact(
    block, shape, shortcut, output_shape, n_parameters, macs
):
    assert block.resolve_shortcut(shape) == shortcut
    assert block.output_shape(shape) == output_shape
    assert block.n_parameters(shape) == n_parameters
    assert block.n_multiply_accumulates(shape) == macs


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("size", range(1, 13))
def test_residual_projection_follows_every_stride(size, stride):
    block = Residual([Conv(8), Conv(6, stride=stride)])
    assert block.output_shape((8, size, 12)) == (6, -(-size // stride), -(-12 // stride))


@pytest.mark.parametrize("shape", [(3, 6), (3, 5, 5), (3, 3, 4, 3)])
def test_residual_adds_the_shortcut_to_the_body(shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    identity = build([Residual([Conv(3)])], shape)
    body = build([Conv(3)], shape)
    np.testing.assert_allclose(apply(identity, x), apply(body, x) + x, **TOLERANCE)
    projected = build([Residual([Conv(4, stride=2)])], shape)[0]
    expected = apply(projected.body, x) + apply(projected.shortcut, x)
    assert apply(projected, x).shape[1:] == Residual([Conv(4, stride=2)]).output_shape(shape)
    np.testing.assert_allclose(apply(projected, x), expected, **TOLERANCE)


@pytest.mark.parametrize(("make", "message"), BAD_BLOCKS)
def test_bad_residual_raises_an_architecture_error(make, message):
    with pytest.raises(ArchitectureError, match=message):
        make()


@pytest.mark.parametrize(("block", "shape", "message"), BLOCKS_THAT_DO_NOT_FIT)
def test_residual_that_does_not_fit_says_why(block, shape, message):
    with pytest.raises(ArchitectureError, match=message):
        block.output_shape(shape)


def test_residual_stores_sequences_as_tuples():
    assert Residual([Conv(8)]) == Residual((Conv(8),)) == Residual(iter([Conv(8)]))
    assert hash(Residual([Conv(8)], shortcut=[])) == hash(Residual((Conv(8),), shortcut=()))
