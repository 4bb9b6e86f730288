"""Inception modules: GoogLeNet (Inception v1) and Inception v3, without auxiliary heads."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from skcnn._architectures.parts import Layers, Stack, conv_block, is_small
from skcnn.layers._base import Shape
from skcnn.layers._concatenate import Concatenate
from skcnn.layers._dropout import Dropout
from skcnn.layers._pooling import GlobalPool, Pool

_conv = partial(conv_block, epsilon=1e-3)
SMALL_SIDE_V3 = 96  # smaller images have no room for the first layers of Inception v3
# Filters of the branches 1x1; 1x1, 3x3; 1x1, 3x3; pool, 1x1. A pool comes after None.
GOOGLENET: tuple[tuple[int, ...] | None, ...] = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def googlenet(input_shape: Shape, adapt: bool = True) -> Layers:
    """Return GoogLeNet's layers in torchvision's variant, with batch normalisation.

    As there, the branch of the paper's 5x5 convolutions has 3x3 ones. Images with a side
    under 64 pixels get a first convolution of 3x3 at stride 1, without the first pool.

    References
    ----------
    Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842.
    """
    stack = Stack(input_shape)
    if is_small(input_shape, adapt):
        stack.add(*_conv(64, 3))
    else:
        stack.add(*_conv(64, 7, stride=2))
        stack.add(_ceil_pool(stack.shape[1:], 3))
    stack.add(*_conv(64, 1), *_conv(192, 3))
    stack.add(_ceil_pool(stack.shape[1:], 3))
    windows = iter((3, 2))
    for filters in GOOGLENET:
        if filters is None:
            stack.add(_ceil_pool(stack.shape[1:], next(windows)))
        else:
            stack.add(_google_module(filters))
    return (*stack.layers, GlobalPool(), Dropout(0.2))


def _google_module(filters: Sequence[int]) -> Concatenate:
    one, before3, three, before5, five, pooled = filters
    return Concatenate(
        (
            _conv(one, 1),
            (*_conv(before3, 1), *_conv(three, 3)),
            (*_conv(before5, 1), *_conv(five, 3)),
            (Pool(3, stride=1, padding="same"), *_conv(pooled, 1)),
        )
    )


def _ceil_pool(spatial: Sequence[int], window: int) -> Pool:
    """Return a max pool of stride 2 whose last window may reach over the border."""
    after = (max(-(-(n - window) // 2), 0) * 2 + window - n for n in spatial)
    return Pool(window, stride=2, padding=tuple((0, each) for each in after))


def inception_v3(input_shape: Shape, adapt: bool = True) -> Layers:
    """Return the layers of Inception v3.

    Images with a side under 96 pixels get first convolutions of stride 1 that keep the size,
    without the first pool.

    References
    ----------
    Szegedy et al., "Rethinking the Inception architecture for computer vision",
    arXiv:1512.00567.
    """
    reduce: Any = {"stride": 2, "padding": "valid"}
    if is_small(input_shape, adapt, SMALL_SIDE_V3):
        first = (*_conv(32, 3), *_conv(32, 3), *_conv(64, 3), *_conv(80, 1), *_conv(192, 3))
    else:
        valid: Any = {"padding": "valid"}
        first = (
            *_conv(32, 3, **reduce),
            *_conv(32, 3, **valid),
            *_conv(64, 3),
            Pool(3, stride=2),
            *_conv(80, 1),
            *_conv(192, 3, **valid),
        )
    return (
        *first,
        Pool(3, stride=2),
        *(_module_a(pooled) for pooled in (32, 64, 64)),
        Concatenate(
            (
                _conv(384, 3, **reduce),
                (*_conv(64, 1), *_conv(96, 3), *_conv(96, 3, **reduce)),
                (Pool(3, stride=2),),
            )
        ),
        *(_module_c(inner) for inner in (128, 160, 160, 192)),
        Concatenate(
            (
                (*_conv(192, 1), *_conv(320, 3, **reduce)),
                (
                    *_conv(192, 1),
                    *_conv(192, (1, 7)),
                    *_conv(192, (7, 1)),
                    *_conv(192, 3, **reduce),
                ),
                (Pool(3, stride=2),),
            )
        ),
        _module_e(),
        _module_e(),
        GlobalPool(),
        Dropout(0.5),
    )


def _average() -> Pool:
    return Pool(3, kind="average", stride=1, padding="same", count_padding=True)


def _module_a(pooled: int) -> Concatenate:
    """Return the module with 5x5 convolutions and two 3x3 ones."""
    return Concatenate(
        (
            _conv(64, 1),
            (*_conv(48, 1), *_conv(64, 5)),
            (*_conv(64, 1), *_conv(96, 3), *_conv(96, 3)),
            (_average(), *_conv(pooled, 1)),
        )
    )


def _module_c(inner: int) -> Concatenate:
    """Return the module with 7x7 convolutions, each as 1x7 and 7x1."""
    row, column = (1, 7), (7, 1)
    return Concatenate(
        (
            _conv(192, 1),
            (*_conv(inner, 1), *_conv(inner, row), *_conv(192, column)),
            (
                *_conv(inner, 1),
                *_conv(inner, column),
                *_conv(inner, row),
                *_conv(inner, column),
                *_conv(192, row),
            ),
            (_average(), *_conv(192, 1)),
        )
    )


def _module_e() -> Concatenate:
    """Return the module whose branches end side by side in 1x3 and 3x1 convolutions."""
    ends = Concatenate((_conv(384, (1, 3)), _conv(384, (3, 1))))
    return Concatenate(
        (
            _conv(320, 1),
            (*_conv(384, 1), ends),
            (*_conv(448, 1), *_conv(384, 3), ends),
            (_average(), *_conv(192, 1)),
        )
    )
