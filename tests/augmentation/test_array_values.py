"""Values of whole arrays: parts, precision, spans, draws by the numbers of the rows."""

import numpy as np
import pytest

from skcnn._data.layouts import layout_of_shape
from skcnn.augmentation import RandomAffine
from skcnn.augmentation._array_values import draw_values, span_of, span_of_weighted, values_as
from tests.helpers.augmentations import pictures


@pytest.mark.parametrize("n", [0, 1, 1023, 1024, 1025])
def test_values_are_computed_in_parts_of_a_thousand(n):
    X = np.arange(2.0 * n).reshape(n, 2)
    sizes = []

    def change(images, part):
        sizes.append(len(images))
        assert part == slice(sum(sizes) - len(images), sum(sizes))
        return images + 1

    np.testing.assert_array_equal(values_as(X, layout_of_shape((2,), "last"), change), X + 1)
    assert sum(sizes) == n
    assert max(sizes, default=0) <= 1024


@pytest.mark.parametrize(
    ("dtype", "width"),
    [
        *((name, 32) for name in ("bool", "uint8", "int16", "uint16", "float16", "float32")),
        *((name, 64) for name in ("int32", "uint32", "int64", "uint64", "float64")),
    ],
)
def test_wide_numbers_are_augmented_in_double_precision(dtype, width):
    widths = []

    def change(images, part):
        widths.append(images.element_size() * 8)
        return images

    X = np.array([[0, 1, 1]], dtype)
    values = values_as(X, layout_of_shape((3,), "last"), change)
    np.testing.assert_array_equal(values, X)
    assert values.dtype == X.dtype
    assert widths == [width]


@pytest.mark.parametrize(
    ("values", "span"),
    [
        ([[1, 4]], 3.0),
        ([[-1.5, 1.0]], 2.5),
        ([[7, 7]], 1.0),
        ([[0, 0]], 1.0),
        ([[True, False]], 1.0),
    ],
)
def test_the_span_is_that_of_all_values(values, span):
    assert span_of(np.array(values)) == span


def test_the_span_of_bytes_does_not_overflow():
    assert span_of(np.array([[0, 255]], np.uint8)) == 255
    assert span_of(np.array([[-128, 127]], np.int8)) == 255


def test_draws_follow_the_rows_numbers():
    X = pictures(4, 8, 9, dtype="float64")
    layout = layout_of_shape((8, 9), "last")
    A = RandomAffine(90, random_state=0).fit_transform(X)
    for rows in ([0, 1, 2, 3], [7, 7, -1, 2**62]):
        rows = np.array(rows)
        values = draw_values(X, layout, A.steps, A.seed, span=A.span, rows=rows)
        for i, row in enumerate(rows):
            alone = draw_values(X[[i]], layout, A.steps, A.seed, span=A.span, rows=np.array([row]))
            np.testing.assert_array_equal(alone[0], values[i])
    np.testing.assert_array_equal(
        draw_values(X, layout, A.steps, A.seed, span=A.span, rows=np.arange(4)), A.to_numpy()
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_the_span_is_that_of_samples_with_a_weight(dtype):
    values = (10 * np.random.default_rng(0).random((20, 3, 2)) > 5).astype(dtype) * dtype(1)
    values[0] = dtype(0)
    for weights in (np.arange(20) % 3, np.arange(20) == 7, np.full(20, -1.0)):
        expected = span_of(values[weights != 0])
        assert span_of_weighted(values, weights) == expected
    for weights in (None, np.zeros(20)):
        assert span_of_weighted(values, weights) == span_of(values)


def test_draws_are_written_to_a_given_array():
    X = pictures(5, 8, 9, dtype="float64")
    layout = layout_of_shape((8, 9), "last")
    A = RandomAffine(90, random_state=0).fit_transform(X)
    given = {"span": A.span, "rows": np.arange(5)}
    both = np.zeros((10, 8, 9))
    assert draw_values(X, layout, A.steps, A.seed, out=both[5:], **given).base is both
    np.testing.assert_array_equal(both[5:], A.to_numpy())
    assert not both[:5].any()
