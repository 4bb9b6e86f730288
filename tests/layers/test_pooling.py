"""Pools against naive float64 loops and, in predictions, against torch."""

import numpy as np
import pytest
import torch
from torch import nn

from skcnn.layers import GlobalPool, Pool
from skcnn.layers._pooling import POOLINGS, _max_pool
from tests.helpers.layer_modules import NORMALIZED_SHAPES, TOLERANCE, apply, build, naive_pool

POOLS = [
    ({"size": 2}, (3, 7)),
    ({"size": 3, "stride": 2, "padding": 1}, (3, 8)),
    ({"size": 2, "padding": "same"}, (2, 5)),
    ({"size": 2}, (3, 4, 7)),
    ({"size": (1, 3)}, (2, 3, 7)),
    ({"size": 3, "stride": 1}, (2, 5, 4)),
    ({"size": 3, "stride": 2, "padding": 1}, (2, 5, 6)),
    ({"size": 3, "stride": 1, "padding": "same"}, (2, 4, 4)),
    ({"size": 2, "padding": "same"}, (2, 5, 4)),
    ({"size": (3, 2), "stride": (1, 2), "padding": (2, 0)}, (2, 3, 4)),
    ({"size": 3, "padding": "same"}, (2, 1, 1)),
    ({"size": 3, "stride": 2, "padding": ((0, 1), (2, 0))}, (2, 6, 5)),
    ({"size": 3, "stride": 2, "padding": ((0, 2),)}, (2, 1)),
    ({"size": 2}, (2, 4, 5, 2)),
    ({"size": 3, "stride": 2, "padding": 1}, (1, 3, 4, 5)),
    ({"size": (1, 2, 2), "padding": "same"}, (1, 2, 3, 3)),
]


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(("arguments", "shape"), POOLS)
def test_pool_equals_the_naive_loop(arguments, shape, kind):
    spec = Pool(kind=kind, **arguments)
    x = np.random.default_rng(1).normal(size=(2, *shape)) - 3  # padded zeros would be the maxima
    expected = naive_pool(x, spec)
    assert expected.shape[1:] == spec.output_shape(shape)
    np.testing.assert_allclose(apply(build([spec], shape), x), expected, **TOLERANCE)


@pytest.mark.parametrize(("arguments", "shape"), POOLS)
def test_counted_padding_is_averaged_as_zeros(arguments, shape):
    spec = Pool(kind="average", count_padding=True, **arguments)
    x = np.random.default_rng(1).normal(size=(2, *shape)) - 3
    np.testing.assert_allclose(apply(build([spec], shape), x), naive_pool(x, spec), **TOLERANCE)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_counted_padding_is_torchs_default(size):
    x = torch.rand(2, 3, size, size, dtype=torch.float64)
    expected = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    ours = build(
        [Pool(3, kind="average", stride=1, padding=1, count_padding=True)], (3, size, size)
    )
    torch.testing.assert_close(ours(x), expected)


@pytest.mark.parametrize(("kind", "reduce"), [("average", np.mean), ("max", np.max)])
@pytest.mark.parametrize("shape", NORMALIZED_SHAPES[1:])
def test_global_pool_equals_the_reduction(shape, kind, reduce):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    expected = reduce(x.reshape(2, shape[0], -1), axis=2)
    np.testing.assert_allclose(apply(build([GlobalPool(kind=kind)], shape), x), expected)


@pytest.mark.parametrize(
    ("kind", "image", "expected"),
    [
        ("max", [[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]], [[9, 2], [6, 3]]),
        (
            "average",
            [[1, 3, 2, 1], [2, 9, 1, 1], [1, 4, 2, 3], [5, 6, 1, 2]],
            [[3.75, 1.25], [4, 2]],
        ),
    ],
)
def test_pool_gives_the_worked_example(kind, image, expected):
    x = np.array(image, dtype=float)[None, None]
    assert apply(build([Pool(2, kind=kind)], (1, 4, 4)), x)[0, 0].tolist() == expected


@pytest.mark.parametrize("cls", [Pool, GlobalPool])
@pytest.mark.parametrize("kind", POOLINGS)
def test_every_pooling_is_accepted(cls, kind):
    assert cls(kind=kind).kind == kind


TORCH_POOLS = [
    *({"kernel_size": size} for size in (2, 3, 4, 5, (1, 2), (2, 1), (3, 2), (1, 4))),
    *({"kernel_size": 3, "stride": stride} for stride in (1, 2, 4, (2, 1))),
    *({"kernel_size": 3, "padding": 1}, {"kernel_size": 2, "dilation": 2}),
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
]


@pytest.mark.parametrize("settings", TORCH_POOLS, ids=str)
@pytest.mark.parametrize("shape", [(2, 8, 61, 64), (5, 3, 57, 85), (20, 16, 28, 29)])
def test_maxima_of_windows_are_torchs(settings, shape):
    pool = nn.MaxPool2d(**settings)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x[0, 0, 5, 5], x[0, 1, 7, 6], x[-1, -1, -2] = torch.nan, torch.inf, -torch.inf
    x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    got = _max_pool(pool, x)
    assert torch.equal(got.nan_to_num(7), pool(x).nan_to_num(7))
    assert torch.equal(got.isnan(), pool(x).isnan())
    assert torch.equal(x.nan_to_num(7), before.nan_to_num(7))
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d((2,)), nn.MaxPool2d(2, stride=(2,)), nn.MaxPool2d([2, 2], [2, 2], [0, 0])],
    ids=str,
)
@pytest.mark.parametrize("stride", ["own", None, ()])
def test_other_ways_to_write_a_pool(pool, stride):
    if stride != "own":
        pool.stride = stride
    x = torch.randn(4, 8, 64, 64).contiguous(memory_format=torch.channels_last)
    assert torch.equal(_max_pool(pool, x), pool(x))


def test_a_window_of_one_value_gives_a_copy():
    x = torch.randn(2, 8, 64, 64).contiguous(memory_format=torch.channels_last)
    got = _max_pool(nn.MaxPool2d(1), x)
    assert torch.equal(got, x)
    assert got.data_ptr() != x.data_ptr()
    strided = nn.MaxPool2d(1, stride=2)
    got = _max_pool(strided, x)
    assert torch.equal(got, strided(x))
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_only_large_maps_are_pooled_by_axes(monkeypatch):
    used = []
    monkeypatch.setattr(torch, "maximum", lambda a, b, out: used.append(a.shape) or a)
    pool = nn.MaxPool2d(2)
    for shape in [(1, 32, 28, 28), (100, 64, 8, 8), (16, 32, 28, 28)]:
        _max_pool(pool, torch.zeros(shape).to(memory_format=torch.channels_last))
    assert used == [(16, 14, 28, 32), (16, 14, 14, 32)]
    _max_pool(pool, torch.zeros(16, 32, 28, 28))  # another order in memory
    assert len(used) == 2
