"""Window arithmetic: values of the formula, padding, errors, and counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skcnn.exceptions import ArchitectureError
from skcnn.layers._shapes import (
    ceil_padding,
    per_axis,
    resolve_padding,
    same_padding,
    window_output_size,
)


def count_positions(size, kernel, stride, padding, dilation):
    """Count by stepping the window along the padded axis."""
    last_element = dilation * (kernel - 1)
    return len([s for s in range(0, size + padding, stride) if s + last_element < size + padding])


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "expected"),
    [
        (150, 3, 1, 0, 1, 148),
        (148, 2, 2, 0, 1, 74),
        (224, 7, 1, 0, 1, 218),
        (224, 7, 2, 6, 1, 112),
        (227, 11, 4, 0, 1, 55),
        (28, 5, 1, 4, 1, 28),
        (7, 3, 2, 0, 1, 3),
        (8, 3, 2, 0, 1, 3),
        (7, 3, 1, 0, 2, 3),
        (5, 3, 1, 0, 2, 1),
        (1, 1, 1, 0, 1, 1),
        (1, 1, 9, 0, 1, 1),
        (2, 3, 1, 0, 1, 0),
        (1, 3, 1, 0, 1, -1),
        (4, 3, 1, 0, 2, 0),
    ],
)
def test_window_output_size_is_the_formula(size, kernel, stride, padding, dilation, expected):
    assert window_output_size(size, kernel, stride, padding, dilation) == expected


def test_window_output_size_defaults_are_one_step_no_padding_no_dilation():
    assert window_output_size(10, 3) == window_output_size(10, 3, 1, 0, 1) == 8


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 12),
    stride=st.integers(1, 9),
    padding=st.integers(0, 12),
    dilation=st.integers(1, 5),
)
def test_window_output_size_counts_the_positions(size, kernel, stride, padding, dilation):
    counted = count_positions(size, kernel, stride, padding, dilation)
    result = window_output_size(size, kernel, stride, padding, dilation)
    assert max(result, 0) == counted


@pytest.mark.parametrize(
    ("kernel", "dilation", "expected"),
    [
        (1, 1, (0, 0)),
        (1, 4, (0, 0)),
        (2, 1, (0, 1)),
        (3, 1, (1, 1)),
        (4, 1, (1, 2)),
        (5, 1, (2, 2)),
        (7, 1, (3, 3)),
        (2, 2, (1, 1)),
        (2, 3, (1, 2)),
        (3, 2, (2, 2)),
        (4, 3, (4, 5)),
    ],
)
def test_same_padding_puts_the_odd_value_after(kernel, dilation, expected):
    assert same_padding(kernel, dilation) == expected


@given(size=st.integers(1, 40), kernel=st.integers(1, 12), dilation=st.integers(1, 5))
def test_same_padding_keeps_the_size_at_stride_one(size, kernel, dilation):
    before, after = same_padding(kernel, dilation)
    assert 0 <= after - before <= 1
    assert window_output_size(size, kernel, 1, before + after, dilation) == size


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 12),
    stride=st.integers(1, 9),
    dilation=st.integers(1, 5),
)
def test_same_padding_with_a_stride_divides_the_size_rounded_up(size, kernel, stride, dilation):
    padding = sum(same_padding(kernel, dilation))
    assert window_output_size(size, kernel, stride, padding, dilation) == -(-size // stride)


@pytest.mark.parametrize(
    ("padding", "kernel", "dilation", "expected"),
    [
        ("valid", (3,), (1,), ((0, 0),)),
        ("valid", (3, 5, 7), (1, 2, 3), ((0, 0), (0, 0), (0, 0))),
        ("same", (3, 5), (1, 1), ((1, 1), (2, 2))),
        ("same", (2, 4), (1, 1), ((0, 1), (1, 2))),
        ("same", (3, 3), (1, 2), ((1, 1), (2, 2))),
        (0, (3, 3), (1, 1), ((0, 0), (0, 0))),
        (2, (3,), (1,), ((2, 2),)),
        (2, (3, 3, 3), (1, 1, 1), ((2, 2), (2, 2), (2, 2))),
        ((0, 3), (5, 5), (1, 1), ((0, 0), (3, 3))),
        ([1, 2], (5, 5), (1, 1), ((1, 1), (2, 2))),
        (np.int64(1), (3, 3), (1, 1), ((1, 1), (1, 1))),
    ],
)
def test_resolve_padding_gives_before_and_after_of_each_axis(padding, kernel, dilation, expected):
    assert resolve_padding(padding, kernel, dilation) == expected


@pytest.mark.parametrize(
    ("value", "n_axes", "expected"),
    [
        (3, 1, (3,)),
        (3, 3, (3, 3, 3)),
        ((3, 5), 2, (3, 5)),
        ([3, 5, 7], 3, (3, 5, 7)),
        (np.int32(4), 2, (4, 4)),
        ((np.int64(1), 2), 2, (1, 2)),
    ],
)
def test_per_axis_gives_one_plain_integer_an_axis(value, n_axes, expected):
    result = per_axis(value, n_axes, "stride")
    assert result == expected
    assert {type(v) for v in result} == {int}


@pytest.mark.parametrize(
    ("value", "n_axes", "message"),
    [
        (
            (3,),
            2,
            r"^stride must be an integer or have one for each of the 2 spatial axes of the "
            r"input\. Got \(3,\)\.$",
        ),
        ((1, 2, 3), 2, r"each of the 2 spatial axes .* Got \(1, 2, 3\)\."),
        ([1, 2], 1, r"each of the 1 spatial axes .* Got \[1, 2\]\."),
        ((), 1, r"Got \(\)\."),
    ],
)
def test_per_axis_rejects_another_number_of_axes(value, n_axes, message):
    with pytest.raises(ArchitectureError, match=message):
        per_axis(value, n_axes, "stride")


def test_resolve_padding_names_itself_in_the_error():
    with pytest.raises(ArchitectureError, match=r"^padding must be an integer .* Got \(1,\)"):
        resolve_padding((1,), (3, 3), (1, 1))


@given(size=st.integers(1, 60), kernel=st.integers(1, 12), stride=st.integers(1, 9))
def test_ceil_padding_is_the_least_that_gives_the_rounded_up_quotient(size, kernel, stride):
    before, after = ceil_padding(size, kernel, stride)
    total = before + after
    assert 0 <= after - before <= 1
    assert window_output_size(size, kernel, stride, total) == -(-size // stride)
    if total:
        assert window_output_size(size, kernel, stride, total - 1) < -(-size // stride)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    # what TensorFlow's tf.nn.convolution documents for padding="SAME"
    [
        (13, 6, 5, (1, 2)),
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (28, 5, 2, (1, 2)),
        (4, 1, 2, (0, 0)),
    ],
)
def test_ceil_padding_is_tensorflows(size, kernel, stride, padding):
    assert ceil_padding(size, kernel, stride) == padding


def test_pairs_are_resolved_as_they_are():
    pairs = ((0, 1), (2, 0))
    assert resolve_padding(pairs, (3, 3), (1, 1)) == pairs
    assert resolve_padding([[0, 1], [2, 0]], (3, 3), (1, 1)) == pairs
    with pytest.raises(ArchitectureError, match=r"padding must be .* the 3 spatial axes"):
        resolve_padding(pairs, (3, 3, 3), (1, 1, 1))
