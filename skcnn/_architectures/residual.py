"""Residual networks: ResNet-18, -34 and -50, and ResNet-20 and -56 for 32x32."""

from collections.abc import Callable, Sequence

from skcnn._architectures.parts import Layers, Stack, conv_block, is_small
from skcnn.layers._activation import Activation
from skcnn.layers._base import Shape
from skcnn.layers._channels import PadChannels
from skcnn.layers._convolution import Conv
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool, Pool
from skcnn.layers._residual import Residual

Body = Callable[[int, int], Layers]
BOTTLENECK = 4  # output channels of a bottleneck for each filter inside


def _basic(filters: int, stride: int) -> Layers:
    """Return two 3x3 convolutions."""
    return (
        *conv_block(filters, 3, stride=stride),
        *conv_block(filters, 3, activation=None),
    )


def _bottleneck(filters: int, stride: int) -> Layers:
    """Return 1x1, 3x3 and 1x1 convolutions; the stride is that of the 3x3, as in torchvision."""
    return (
        *conv_block(filters, 1),
        *conv_block(filters, 3, stride=stride),
        *conv_block(BOTTLENECK * filters, 1, activation=None),
    )


def resnet(n_blocks: Sequence[int], *, bottleneck: bool = False) -> Callable[..., Layers]:
    """Return the function that makes the layers of a residual network for ImageNet.

    Images with a side under 64 pixels get a first convolution of 3x3 at stride 1, without
    the pool.

    References
    ----------
    He et al., "Deep residual learning for image recognition", arXiv:1512.03385.
    """
    make, widening = (_bottleneck, BOTTLENECK) if bottleneck else (_basic, 1)

    def layers(input_shape: Shape, adapt: bool = True) -> Layers:
        stack = Stack(input_shape)
        if is_small(input_shape, adapt):
            stack.add(*conv_block(64, 3))
        else:
            stack.add(*conv_block(64, 7, stride=2), Pool(3, stride=2, padding=1))
        for stage, n in enumerate(n_blocks):
            filters = 64 * 2**stage
            for i in range(n):
                stride = 2 if stage > 0 and i == 0 else 1
                shortcut: Layers = ()
                if stride > 1 or stack.shape[0] != widening * filters:
                    shortcut = (
                        Conv(widening * filters, 1, stride=stride, bias=False),
                        Normalize(),
                    )
                block = Residual(make(filters, stride), shortcut=shortcut)
                stack.add(block, Activation("relu"))
        return (*stack.layers, GlobalPool())

    return layers


def small_resnet(n_blocks: int) -> Callable[[Shape], Layers]:
    """Return the function that makes a residual network for CIFAR, of ``6 n_blocks + 2`` layers.

    Its shortcuts have no parameters ("option A").

    References
    ----------
    He et al., "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2.
    """

    def layers(input_shape: Shape) -> Layers:
        found = [*conv_block(16, 3)]
        for stage, filters in enumerate((16, 32, 64)):
            for i in range(n_blocks):
                first = stage > 0 and i == 0
                shortcut: Layers = (Pool(1, stride=2), PadChannels(filters)) if first else ()
                block = Residual(_basic(filters, 2 if first else 1), shortcut=shortcut)
                found += [block, Activation("relu")]
        return (*found, GlobalPool())

    return layers
