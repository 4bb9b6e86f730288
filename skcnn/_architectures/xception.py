"""Xception: separable convolutions in residual blocks."""

from skcnn._architectures.parts import Layers, Stack, conv_block, is_small, separable
from skcnn.layers._activation import Activation
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._convolution import Conv
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool, Pool
from skcnn.layers._residual import Residual

SMALL_SIDE = 96
N_MIDDLE_BLOCKS = 8


def xception(input_shape: Shape, adapt: bool = True) -> Layers:
    """Return Xception's layers.

    Images with a side under 96 pixels keep their size in the first two convolutions.

    References
    ----------
    Chollet, "Xception: deep learning with depthwise separable convolutions",
    arXiv:1610.02357.
    """
    stack = Stack(input_shape)
    if is_small(input_shape, adapt, SMALL_SIDE):
        stack.add(*conv_block(32, 3), *conv_block(64, 3))
    else:
        stack.add(
            *conv_block(32, 3, stride=2, padding="valid"), *conv_block(64, 3, padding="valid")
        )
    stack.add(_block(64, (128, 128), begins_with_relu=False))
    stack.add(_block(128, (256, 256)), _block(256, (728, 728)))
    for _ in range(N_MIDDLE_BLOCKS):
        stack.add(_block(728, (728, 728, 728), stride=1))
    stack.add(_block(728, (728, 1024)))
    for n_channels, filters in ((1024, 1536), (1536, 2048)):
        stack.add(*separable(n_channels, filters), Normalize(), Activation("relu"))
    return (*stack.layers, GlobalPool())


def _block(
    n_channels: int, filters: tuple[int, ...], *, stride: int = 2, begins_with_relu: bool = True
) -> Residual:
    """Return separable convolutions, each after a ReLU, and a pool if the stride is not one."""
    body: list[LayerSpec] = []
    before = n_channels
    for i, each in enumerate(filters):
        if i > 0 or begins_with_relu:
            body.append(Activation("relu"))
        body += [*separable(before, each), Normalize()]
        before = each
    if stride == 1:
        return Residual(tuple(body), shortcut=())
    body.append(Pool(3, stride=stride, padding=1))
    shortcut = (Conv(filters[-1], 1, stride=stride, bias=False), Normalize())
    return Residual(tuple(body), shortcut=shortcut)
