"""Networks for time series: FCN, ResNet, InceptionTime and LITETime."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from skcnn._architectures.parts import Layers, Stack
from skcnn.layers._activation import Activation
from skcnn.layers._base import Shape
from skcnn.layers._concatenate import Concatenate
from skcnn.layers._convolution import Conv
from skcnn.layers._fixed.deviations import Deviations
from skcnn.layers._fixed.kernels import TrendFilters
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool, Pool
from skcnn.layers._residual import Residual

KERAS_EPSILON, KERAS_MOMENTUM = 1e-3, 0.01
INCEPTION_FILTERS, INCEPTION_KERNELS = 32, (40, 20, 10)
INCEPTION_DEPTH, INCEPTION_MODULES = 6, 3  # modules in all, and in a residual block
COMPACT_FILTERS, COMPACT_KERNELS = 16, (39, 19, 9)
LONGEST_SERIES = 1024  # time steps; longer ones are shortened, so that a fit takes no more seconds
SHORTENED_SERIES = 512  # at most
STEM_FILTERS, STEM_KERNEL, STEM_POOL = 32, 8, 4  # the kernel's length in strides
# Of the variance: spectra have less than a hundredth, other sets of the archives three and more.
LARGEST_SHARE = 0.02
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


def _kernels(filters: int, sizes: Sequence[int] = INCEPTION_KERNELS) -> tuple[Layers, ...]:
    """Return convolutions of several lengths, each a branch."""
    return tuple((Conv(filters, size, bias=False),) for size in sizes)


def inception_time(input_shape: Shape) -> Layers:
    """Return the layers of one network of InceptionTime, which is an ensemble of five.

    References
    ----------
    Fawaz et al., "InceptionTime: finding AlexNet for time series classification",
    arXiv:1909.04939.
    """
    stack = Stack(input_shape)
    _add_inception_blocks(stack, INCEPTION_FILTERS, INCEPTION_KERNELS, _normalize(), "relu")
    return (*stack.layers, GlobalPool())


def _add_inception_blocks(
    stack: Stack,
    filters: int,
    kernel_sizes: Sequence[int],
    normalize: Normalize | None,
    activation: str,
    n_blocks: int = INCEPTION_DEPTH // INCEPTION_MODULES,
    n_modules: int = INCEPTION_MODULES,
    pool: int = 1,
) -> None:
    """Add residual blocks of modules that have kernels of several lengths and a pool abreast.

    `pool` is the window of the pools between the blocks.
    """
    normalized: Layers = () if normalize is None else (normalize,)
    n_branches = len(kernel_sizes) + 1
    for i in range(n_blocks):
        if i > 0 and pool > 1:
            stack.add(Pool(pool))
        body = Stack(stack.shape)
        for _ in range(n_modules):
            bottleneck = (Conv(filters, 1, bias=False),) if body.shape[0] > 1 else ()
            long: Layers = (*bottleneck, Concatenate(_kernels(filters, kernel_sizes)))
            pooled: Layers = (Pool(3, stride=1, padding="same"), Conv(filters, 1, bias=False))
            body.add(Concatenate((long, pooled)), *normalized, Activation(activation))
        shortcut = (Conv(n_branches * filters, 1, bias=False), *normalized)
        stack.add(Residual(tuple(body.layers), shortcut=shortcut), Activation(activation))


def compact_inception(
    input_shape: Shape,
    any_length: bool,
    normalize: Normalize | None,
    activation: str,
    *,
    filters: int = COMPACT_FILTERS,
    kernel_sizes: Sequence[int] = COMPACT_KERNELS,
    n_blocks: int = 2,
    n_modules: int = INCEPTION_MODULES,
) -> Layers:
    """Return the layers of a small InceptionTime, by default with half of its filters.

    Signals of one length that are much alike are seen beside their deviations from the mean
    signal. Of those that are
    longer than `LONGEST_SERIES` the network gets averages over windows of what a first layer of
    filters returns. A pool between the blocks halves a length above `SHORTENED_SERIES`.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_channels, length)``, of the longest signal.
    any_length : bool
        Whether signals have unequal lengths.
    normalize : Normalize or None
        What follows each module.
    activation : str
        What follows that.
    filters : int
        Number of filters of each branch.
    kernel_sizes : sequence of int
        Length of the kernels of each branch, cut to that of the signal.
    n_blocks, n_modules : int
        Number of residual blocks, and of modules in each.
    """
    stack = _stem(input_shape, any_length, normalize, activation)
    longest = _odd(stack.shape[1])
    sizes = [min(size, longest) for size in kernel_sizes]
    pool = 2 if stack.shape[1] > SHORTENED_SERIES else 1
    _add_inception_blocks(stack, filters, sizes, normalize, activation, n_blocks, n_modules, pool)
    return (*stack.layers, GlobalPool())


def _stem(
    input_shape: Shape, any_length: bool, normalize: Normalize | None, activation: str
) -> Stack:
    """Return the layers in front of the modules, which make long signals shorter."""
    stack = Stack(input_shape)
    if not any_length:
        stack.add(Deviations(LARGEST_SHARE))
    factor = ceil(input_shape[1] / SHORTENED_SERIES)
    if input_shape[1] > LONGEST_SERIES:
        stride = max(factor // STEM_POOL, 1)
        kernel_size = STEM_KERNEL * stride + 1
        normalized: Layers = () if normalize is None else (normalize,)
        stack.add(
            Conv(STEM_FILTERS, kernel_size, stride=stride, bias=normalize is None),
            *normalized,
            Activation(activation),
            Pool(ceil(factor / stride), kind="average"),
        )
    return stack


def longest_kernel(length: int) -> int:
    """Return the largest odd number up to the length that signals have behind the stem."""
    return _odd(_stem((1, length), True, None, "relu").shape[1])


def _odd(length: int) -> int:
    return 2 * ((length - 1) // 2) + 1


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
