"""Parallel branches: shapes and counts, the order of their channels, errors."""

import numpy as np
import pytest

from skcnn.exceptions import ArchitectureError
from skcnn.layers import Concatenate, Conv, Dense, GlobalPool, Pool
from tests.helpers.layer_modules import apply, build

# block, input shape, output shape, parameters, multiply-accumulates
CONCATENATES = [
    (Concatenate([[Conv(4)], [Conv(6, 1)]]), (3, 5, 5), (10, 5, 5), 112 + 24, 2700 + 450),
    (Concatenate([[Conv(4)], []]), (3, 5, 5), (7, 5, 5), 112, 2700),
    (Concatenate([[], []]), (3, 5), (6, 5), 0, 0),
    (Concatenate([Conv(4), Conv(6, 1)]), (3, 5, 5), (10, 5, 5), 136, 3150),
    (
        Concatenate([[Conv(4, stride=2)], [Pool(2, padding="same"), Conv(2, 1)]]),
        (3, 5, 5),
        (6, 3, 3),
        112 + 8,
        27 * 4 * 9 + 3 * 2 * 9,
    ),
    (Concatenate([[GlobalPool()], [GlobalPool(kind="max")]]), (3, 5, 5), (6,), 0, 0),
    (Concatenate([[Dense(4)], [Dense(5)]]), (3,), (9,), 16 + 20, 27),
    (Concatenate([[Conv(2), Conv(3)]]), (1, 4, 4, 4), (3, 4, 4, 4), 56 + 165, (54 + 162) * 64),
]


BAD_BLOCKS = [
    (lambda: Concatenate([]), r"^The 'branches' of Concatenate must not be empty\.$"),
    (lambda: Concatenate([["relu"]]), r"^Concatenate branches must be .* Got 'relu' of type str"),
    (lambda: Concatenate([8, 16]), r"^Concatenate branches must be .* Got 8 of type int"),
    (lambda: Concatenate(8), r"Concatenate"),
    (lambda: Concatenate(Conv(8)), r"Concatenate"),
]


# block, input shape, message
BLOCKS_THAT_DO_NOT_FIT = [
    (
        Concatenate([[Conv(4)], [Conv(4, stride=2)]]),
        (3, 5, 5),
        r"the branches must agree in spatial size\. Got shapes \[\(4, 5, 5\), \(4, 3, 3\)\] for "
        r"an input of \(3, 5, 5\)\.$",
    ),
    (Concatenate([[Conv(4)], [GlobalPool()]]), (3, 5), r"Got shapes \[\(4, 5\), \(3,\)\]"),
    (Concatenate([[Conv(4)], [Pool(6)]]), (3, 5), r"^Pool\(6\) does not fit its input"),
]


@pytest.mark.parametrize(("block", "shape", "output_shape", "n_parameters", "macs"), CONCATENATES)
def test_concatenate_shapes_and_counts_are_exact(block, shape, output_shape, n_parameters, macs):
    assert block.output_shape(shape) == output_shape
    assert block.n_parameters(shape) == n_parameters
    assert block.n_multiply_accumulates(shape) == macs


@pytest.mark.parametrize("shape", [(3, 6), (3, 5, 5), (3, 3, 4, 3)])
def test_concatenate_puts_branches_one_after_another(shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([Concatenate([[Conv(2)], [], [Conv(4, 1)]])], shape)
    out = apply(net, x)
    first, second, third = net[0].branches
    assert out.shape[1] == 2 + 3 + 4
    np.testing.assert_array_equal(out[:, :2], apply(first, x))
    np.testing.assert_array_equal(out[:, 2:5], apply(second, x))
    np.testing.assert_array_equal(out[:, 5:], apply(third, x))


@pytest.mark.parametrize(("make", "message"), BAD_BLOCKS)
def test_bad_concatenate_raises_an_architecture_error(make, message):
    with pytest.raises(ArchitectureError, match=message):
        make()


@pytest.mark.parametrize(("block", "shape", "message"), BLOCKS_THAT_DO_NOT_FIT)
def test_concatenate_that_does_not_fit_says_why(block, shape, message):
    with pytest.raises(ArchitectureError, match=message):
        block.output_shape(shape)


def test_concatenate_stores_sequences_as_tuples():
    assert Concatenate([[Conv(8)], []]) == Concatenate(((Conv(8),), ()))
