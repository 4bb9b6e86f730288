"""Convolutions and pools one after another: LeNet-5, AlexNet and VGG."""

from collections.abc import Callable, Sequence

from skcnn._architectures.parts import Layers, Stack, is_small
from skcnn.layers._adaptive_pooling import AdaptivePool
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._convolution import Conv
from skcnn.layers._dense import Dense, Flatten
from skcnn.layers._dropout import Dropout
from skcnn.layers._pooling import Pool

WIDE = 4096
LEAST_LENET5 = 16  # side for which both convolutions have room without padding
# The convolutions of each block of the VGG networks; a pool follows each block.
VGG_FILTERS = (64, 128, 256, 512, 512)
VGG11, VGG16, VGG19 = (1, 1, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)


def lenet5(input_shape: Shape) -> Layers:
    """Return LeNet-5's layers: two convolutions, average pools, 120 and 84 neurons.

    The first convolution keeps the size of inputs under 32 pixels, as the original's
    padded 28x28 digits had it, and of long ones with a side under 16.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998.
    """
    spatial = input_shape[1:]
    first = "same" if max(spatial) < 32 or min(spatial) < LEAST_LENET5 else "valid"
    return (
        Conv(6, 5, padding=first, activation="tanh"),
        Pool(2, kind="average"),
        Conv(16, 5, padding="valid", activation="tanh"),
        Pool(2, kind="average"),
        Flatten(),
        Dense(120, activation="tanh"),
        Dense(84, activation="tanh"),
    )


def alexnet(input_shape: Shape, adapt: bool = True) -> Layers:
    """Return AlexNet's layers in torchvision's variant, of one column.

    Images with a side under 64 pixels get a first convolution of 5x5 at stride 1.

    References
    ----------
    Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
    arXiv:1404.5997.
    """
    first: LayerSpec = Conv(64, 11, stride=4, padding=2, activation="relu")
    if is_small(input_shape, adapt):
        first = Conv(64, 5, activation="relu")
    pool = Pool(3, stride=2)
    return (
        first,
        pool,
        Conv(192, 5, activation="relu"),
        pool,
        *(Conv(filters, 3, activation="relu") for filters in (384, 256, 256)),
        pool,
        AdaptivePool(6),
        Dropout(0.5),
        Flatten(),
        Dense(WIDE, activation="relu"),
        Dropout(0.5),
        Dense(WIDE, activation="relu"),
    )


def vgg(n_convolutions: Sequence[int]) -> Callable[..., Layers]:
    """Return the function that makes the layers of a VGG network, without normalisation.

    Sides of one pixel are not pooled, so that images under 32 pixels fit.

    References
    ----------
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", arXiv:1409.1556.
    """

    def layers(input_shape: Shape, adapt: bool = True) -> Layers:
        stack = Stack(input_shape)
        for filters, n in zip(VGG_FILTERS, n_convolutions, strict=True):
            stack.add(*(Conv(filters, 3, activation="relu") for _ in range(n)))
            stack.add(*_halving(stack.shape[1:]))
        dense = (Dense(WIDE, activation="relu"), Dropout(0.5))
        return (*stack.layers, AdaptivePool(7), Flatten(), *dense, *dense)

    return layers


def _halving(spatial: Sequence[int]) -> Layers:
    """Return a pool of the sides that have more than one value, none if there is no such side."""
    if min(spatial) > 1:
        return (Pool(2),)
    sides = tuple(min(n, 2) for n in spatial)
    return (Pool(sides),) if max(sides) > 1 else ()
