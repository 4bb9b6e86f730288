"""Networks for electroencephalograms: EEGNet, ShallowConvNet and DeepConvNet.

Kernels and pools have the published lengths in samples, for signals of 128 samples a second.
"""

from skcnn._architectures.parts import Layers
from skcnn.layers._activation import Activation
from skcnn.layers._base import Shape
from skcnn.layers._channels import ChannelsAsRows
from skcnn.layers._convolution import Conv
from skcnn.layers._dense import Flatten
from skcnn.layers._dropout import Dropout
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import Pool

EPSILON, MOMENTUM = 1e-3, 0.01  # of the batch normalisations of EEGNet, Keras' defaults
OTHER_EPSILON, OTHER_MOMENTUM = 1e-5, 0.1


def eegnet(input_shape: Shape) -> Layers:
    """Return the layers of EEGNet-8,2, for signals of at least 32 samples.

    Its limits of the norms of weights are left out.

    References
    ----------
    Lawhern et al., "EEGNet: a compact convolutional neural network for EEG-based
    brain-computer interfaces", arXiv:1611.08024.
    """
    n_channels, filters, depth = input_shape[0], 8, 2
    wide = filters * depth

    def normalize() -> Normalize:
        return Normalize(epsilon=EPSILON, momentum=MOMENTUM)

    def end(pool: int) -> Layers:
        return (normalize(), Activation("elu"), Pool((1, pool), kind="average"), Dropout(0.5))

    return (
        ChannelsAsRows(),
        Conv(filters, (1, 64), bias=False),
        normalize(),
        Conv(wide, (n_channels, 1), padding="valid", groups=filters, bias=False),
        *end(4),
        Conv(wide, (1, 16), groups=wide, bias=False),
        Conv(wide, 1, bias=False),
        *end(8),
        Flatten(),
    )


def shallow_convnet(input_shape: Shape) -> Layers:
    """Return the layers of ShallowConvNet, for signals of at least 47 samples.

    Its features are the logarithms of the power in filtered channels. The lengths are those
    of Lawhern et al., half of the original ones for 250 samples a second.

    References
    ----------
    Schirrmeister et al., "Deep learning with convolutional neural networks for EEG decoding
    and visualization", arXiv:1703.05051.
    """
    return (
        ChannelsAsRows(),
        Conv(40, (1, 13), padding="valid"),
        Conv(40, (input_shape[0], 1), padding="valid", bias=False),
        Normalize(epsilon=OTHER_EPSILON, momentum=OTHER_MOMENTUM),
        Activation("square"),
        Pool((1, 35), stride=(1, 7), kind="average"),
        Activation("log"),
        Dropout(0.5),
        Flatten(),
    )


def deep_convnet(input_shape: Shape) -> Layers:
    """Return the layers of DeepConvNet, for signals of at least 76 samples.

    The lengths are those of Lawhern et al., half of the original ones for 250 samples a second.

    References
    ----------
    Schirrmeister et al., "Deep learning with convolutional neural networks for EEG decoding
    and visualization", arXiv:1703.05051.
    """

    def end() -> Layers:
        return (
            Normalize(epsilon=OTHER_EPSILON, momentum=OTHER_MOMENTUM),
            Activation("elu"),
            Pool((1, 2)),
            Dropout(0.5),
        )

    blocks = [(Conv(n, (1, 5), padding="valid"), *end()) for n in (50, 100, 200)]
    return (
        ChannelsAsRows(),
        Conv(25, (1, 5), padding="valid"),
        Conv(25, (input_shape[0], 1), padding="valid"),
        *end(),
        *(layer for block in blocks for layer in block),
        Flatten(),
    )
