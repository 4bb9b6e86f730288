"""Kernels by name against the published ones, and kernels given as numbers."""

import numpy as np
import pytest
import torch

from skcnn.exceptions import InputShapeError
from skcnn.preprocessing import KernelFilter
from skcnn.preprocessing._kernels import EDGES, KERNELS, named_kernel, read_kernels

LAPLACIAN = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
HORIZONTAL = [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        ("brighten", [[0, 0, 0], [0, 1.5, 0], [0, 0, 0]]),
        ("darken", [[0, 0, 0], [0, 0.5, 0], [0, 0, 0]]),
        ("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        ("laplacian", LAPLACIAN),
        ("blur", np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16),
        ("sobel_vertical", [[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
        ("sobel_horizontal", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
        ("scharr_vertical", [[3, 0, -3], [10, 0, -10], [3, 0, -3]]),
        ("scharr_horizontal", [[3, 10, 3], [0, 0, 0], [-3, -10, -3]]),
        ("prewitt_vertical", [[1, 0, -1]] * 3),
        ("prewitt_horizontal", HORIZONTAL),
        ("difference", [[1, -1]]),
        ("blur", [0.25, 0.5, 0.25]),
        ("gaussian", np.array([1, 4, 6, 4, 1]) / 16),
        ("sharpen", [-1, 3, -1]),
        ("laplacian", [1, -2, 1]),
        ("sobel_vertical", [1, 0, -1]),
        ("scharr_vertical", [1, 0, -1]),
    ],
)
def test_named_kernels_are_the_published_ones(name, expected):
    np.testing.assert_array_equal(named_kernel(name, np.ndim(expected)), expected)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("name", sorted({*KERNELS} - {n for n in KERNELS if "horizontal" in n}))
def test_named_kernels_exist_for_any_number_of_axes(name, n_axes):
    kernel = named_kernel(name, n_axes)
    total = {"brighten": 1.5, "darken": 0.5, "laplacian": 0, "difference": 0}
    expected = 0 if name in EDGES else total.get(name, 1)
    assert kernel.ndim == n_axes
    assert kernel.sum() == pytest.approx(expected, abs=1e-15)


def test_volume_kernels_follow_the_same_rule():
    assert named_kernel("laplacian", 3)[1, 1].tolist() == [1, -6, 1]
    assert named_kernel("sobel_horizontal", 3)[1].tolist() == [[2, 4, 2], [0, 0, 0], [-2, -4, -2]]
    assert named_kernel("box_blur", 3) == pytest.approx(np.full((3, 3, 3), 1 / 27))


@pytest.mark.parametrize(
    ("kernel", "shape", "n_kernels"),
    [
        (np.eye(3), (5, 5), 1),
        ([[1, 0], [0, 1]], (5, 5), 1),
        (((1, 0), (0, 1)), (5, 5), 1),
        ([[[1, 0], [0, 1]], [[1, 1], [1, 1]]], (5, 5), 2),
        ([np.eye(2), "difference", [[1, -1]]], (5, 5), 3),
        ([1, -1], (5,), 1),
        ((np.float64(1), np.float64(-1)), (5,), 1),
        ([[1, -1], [1, 0, -1]], (5,), 2),
        ([[1, -1]], (5,), 1),
        (torch.eye(2), (5, 5), 1),
    ],
)
def test_nested_numbers_are_one_kernel_or_several(kernel, shape, n_kernels):
    model = KernelFilter(kernel, padding="same").fit(np.ones((1, *shape)))
    assert len(model.kernels_) == n_kernels
    assert {k.dtype for k in model.kernels_} == {np.dtype(np.float64)}


def test_a_kernel_of_signals_names_the_parameter_for_images():
    with pytest.raises(
        InputShapeError, match=r"Got shape \(3,\)\..* signals need n_spatial_dims=1"
    ):
        read_kernels([np.ones(3)], 2)
