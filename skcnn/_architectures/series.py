"""Networks for time series: FCN, ResNet, InceptionTime and LITETime."""

from typing import Any

from skcnn._architectures.parts import Layers, Stack
from skcnn.layers._activation import Activation
from skcnn.layers._base import Shape
from skcnn.layers._concatenate import Concatenate
from skcnn.layers._convolution import Conv
from skcnn.layers._fixed_kernels import TrendFilters
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool, Pool
from skcnn.layers._residual import Residual

KERAS_EPSILON, KERAS_MOMENTUM = 1e-3, 0.01
INCEPTION_FILTERS, INCEPTION_KERNELS = 32, (40, 20, 10)
INCEPTION_DEPTH, INCEPTION_MODULES = 6, 3  # modules in all, and in a residual block
LITE_FILTERS = 32


def _normalize() -> Normalize:
    return Normalize(epsilon=KERAS_EPSILON, momentum=KERAS_MOMENTUM)


def _block(filters: int, kernel_size: int, activation: str | None = "relu", **how: Any) -> Layers:
    """Return a convolution with biases, batch normalisation and, unless None, an activation."""
    block = (Conv(filters, kernel_size, **how), _normalize())
    return block if activation is None else (*block, Activation(activation))


def fcn(input_shape: Shape) -> Layers:
    """Return the layers of the fully convolutional network.

    References
    ----------
    Wang et al., "Time series classification from scratch with deep neural networks: a strong
    baseline", arXiv:1611.06455.
    """
    return (*_block(128, 8), *_block(256, 5), *_block(128, 3), GlobalPool())


def resnet1d(input_shape: Shape) -> Layers:
    """Return the layers of the residual network for time series.

    Every shortcut is normalised, as in the code of Fawaz et al., arXiv:1809.04356.

    References
    ----------
    Wang et al., "Time series classification from scratch with deep neural networks: a strong
    baseline", arXiv:1611.06455.
    """
    stack = Stack(input_shape)
    for filters in (64, 128, 128):
        body = (*_block(filters, 8), *_block(filters, 5), *_block(filters, 3, None))
        widens = stack.shape[0] != filters
        shortcut = _block(filters, 1, None) if widens else (_normalize(),)
        stack.add(Residual(body, shortcut=shortcut), Activation("relu"))
    return (*stack.layers, GlobalPool())


def _kernels(filters: int) -> tuple[Layers, ...]:
    """Return convolutions of the three lengths, each a branch."""
    return tuple((Conv(filters, size, bias=False),) for size in INCEPTION_KERNELS)


def _inception(n_channels: int) -> Layers:
    """Return three long kernels and a pool side by side, normalised."""
    filters = INCEPTION_FILTERS
    bottleneck = (Conv(filters, 1, bias=False),) if n_channels > 1 else ()
    pooled: Layers = (Pool(3, stride=1, padding="same"), Conv(filters, 1, bias=False))
    branches = Concatenate(((*bottleneck, Concatenate(_kernels(filters))), pooled))
    return (branches, _normalize(), Activation("relu"))


def inception_time(input_shape: Shape) -> Layers:
    """Return the layers of one network of InceptionTime, which is an ensemble of five.

    References
    ----------
    Fawaz et al., "InceptionTime: finding AlexNet for time series classification",
    arXiv:1909.04939.
    """
    stack = Stack(input_shape)
    filters = (len(INCEPTION_KERNELS) + 1) * INCEPTION_FILTERS
    for _ in range(INCEPTION_DEPTH // INCEPTION_MODULES):
        body = Stack(stack.shape)
        for _ in range(INCEPTION_MODULES):
            body.add(*_inception(body.shape[0]))
        shortcut = (Conv(filters, 1, bias=False), _normalize())
        stack.add(Residual(tuple(body.layers), shortcut=shortcut), Activation("relu"))
    return (*stack.layers, GlobalPool())


def lite_time(input_shape: Shape) -> Layers:
    """Return the layers of LITE, whose ensemble of five is LITETime.

    Its first layer has fixed kernels beside trained ones.

    References
    ----------
    Ismail-Fawaz et al., "LITE: light inception with boosting techniques for time series
    classification", DSAA 2023.
    """
    stack = Stack(input_shape)
    first = Concatenate((*_kernels(LITE_FILTERS), (TrendFilters(),)))
    stack.add(first, _normalize(), Activation("relu"))
    for kernel_size, dilation in ((20, 2), (10, 4)):
        n_channels = stack.shape[0]
        stack.add(
            Conv(n_channels, kernel_size, groups=n_channels, dilation=dilation, bias=False),
            Conv(LITE_FILTERS, 1, bias=False),
            _normalize(),
            Activation("relu"),
        )
    return (*stack.layers, GlobalPool())
