"""Inverted residuals with depthwise convolutions: MobileNetV2 and EfficientNet-Lite."""

from collections.abc import Callable
from math import ceil
from typing import Any, NamedTuple

from skcnn._architectures.parts import Layers, Stack, ceil_paddings, conv_block, is_small
from skcnn.layers._base import Shape
from skcnn.layers._dropout import Dropout, StochasticDepth
from skcnn.layers._pooling import GlobalPool
from skcnn.layers._residual import Residual


class Stage(NamedTuple):
    """Inverted residuals of equal filters; the stride is that of the first one."""

    expansion: int
    filters: int
    n_blocks: int
    stride: int
    kernel_size: int = 3


MOBILENET_V2 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)
EFFICIENTNET_LITE0 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1),
)
FIRST_FILTERS, LAST_FILTERS = 32, 1280
SMALL_STRIDES = 2  # how many of the first strides are left out for small images
TENSORFLOW_EPSILON = 1e-3
DROPPED_BLOCKS = 0.2  # rate of stochastic depth after the last block
CHANNEL_STEP = 8


def _inverted_residual(
    stage: Stage, stride: int, shape: Shape, epsilon: float, ceils: bool, drop: float
) -> Layers:
    """Return the layers of a block that widens, convolves each channel and narrows."""
    hidden = stage.expansion * shape[0]
    kernel = stage.kernel_size
    how: dict[str, Any] = {"activation": "relu6", "epsilon": epsilon}
    padding = ceil_paddings(shape[1:], kernel, stride) if ceils else "same"
    body = (
        *(conv_block(hidden, 1, **how) if stage.expansion > 1 else ()),
        *conv_block(hidden, kernel, stride=stride, groups=hidden, padding=padding, **how),
        *conv_block(stage.filters, 1, activation=None, epsilon=epsilon),
    )
    if stride > 1 or stage.filters != shape[0]:
        return body
    depth = (StochasticDepth(drop),) if drop > 0 else ()
    return (Residual((*body, *depth), shortcut=()),)


def _network(
    input_shape: Shape,
    stages: tuple[Stage, ...],
    *,
    adapt: bool,
    epsilon: float,
    ceils: bool,
    dropped_blocks: float,
) -> Layers:
    """Return all layers; with `ceils` they are padded as TensorFlow's "SAME" pads."""
    kept = SMALL_STRIDES if is_small(input_shape, adapt) else 0  # strides that become one
    stack = Stack(input_shape)
    stride = 1 if kept > 0 else 2
    padding = ceil_paddings(input_shape[1:], 3, stride) if ceils else "same"
    how: dict[str, Any] = {"activation": "relu6", "epsilon": epsilon}
    stack.add(*conv_block(FIRST_FILTERS, 3, stride=stride, padding=padding, **how))
    kept -= 1
    n_blocks, done = sum(stage.n_blocks for stage in stages), 0
    for stage in stages:
        for i in range(stage.n_blocks):
            stride = stage.stride if i == 0 else 1
            if stride > 1 and kept > 0:
                stride, kept = 1, kept - 1
            drop = dropped_blocks * done / n_blocks
            stack.add(*_inverted_residual(stage, stride, stack.shape, epsilon, ceils, drop))
            done += 1
    stack.add(*conv_block(LAST_FILTERS, 1, **how))
    return (*stack.layers, GlobalPool(), Dropout(0.2))


def mobilenet_v2(input_shape: Shape, adapt: bool = True) -> Layers:
    """Return MobileNetV2's layers.

    Images with a side under 64 pixels keep their size in the first two convolutions of
    stride 2.

    References
    ----------
    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks",
    arXiv:1801.04381.
    """
    how: dict[str, Any] = {"epsilon": 1e-5, "ceils": False, "dropped_blocks": 0.0}
    return _network(input_shape, MOBILENET_V2, adapt=adapt, **how)


def efficientnet_lite(width: float, depth: float) -> Callable[..., Layers]:
    """Return the function that makes the layers of an EfficientNet-Lite.

    It has no squeeze-and-excitation, and the first and last convolutions are not widened.
    Padding is TensorFlow's. Images with a side under 64 pixels keep their size in the first
    two convolutions of stride 2.

    References
    ----------
    Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
    arXiv:1905.11946; Liu, "Higher accuracy on vision models with EfficientNet-Lite",
    TensorFlow's blog, 2020.
    """
    stages = lite_stages(width, depth)

    def layers(input_shape: Shape, adapt: bool = True) -> Layers:
        return _network(
            input_shape,
            stages,
            adapt=adapt,
            epsilon=TENSORFLOW_EPSILON,
            ceils=True,
            dropped_blocks=DROPPED_BLOCKS,
        )

    return layers


def lite_stages(width: float, depth: float) -> tuple[Stage, ...]:
    """Return the stages of an EfficientNet-Lite; the first and last ones are not deepened."""
    ends = (0, len(EFFICIENTNET_LITE0) - 1)
    return tuple(
        stage._replace(
            filters=_whole_channels(width * stage.filters),
            n_blocks=stage.n_blocks if i in ends else ceil(depth * stage.n_blocks),
        )
        for i, stage in enumerate(EFFICIENTNET_LITE0)
    )


def _whole_channels(n: float) -> int:
    """Return the multiple of 8 nearest to `n`, the next one if it is more than 10 % below."""
    near = max(CHANNEL_STEP, int(n + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP)
    return near if near >= 0.9 * n else near + CHANNEL_STEP
