"""Layer specifications for explicit architectures, Keras-Sequential style."""

from skcnn.layers._activation import Activation
from skcnn.layers._adaptive_pooling import AdaptivePool
from skcnn.layers._base import LayerSpec
from skcnn.layers._channels import ChannelsAsRows, LayerScale, PadChannels, SqueezeExcitation
from skcnn.layers._concatenate import Concatenate
from skcnn.layers._convolution import Conv
from skcnn.layers._dense import Dense, Flatten
from skcnn.layers._dropout import Dropout, StochasticDepth
from skcnn.layers._fixed.deviations import Deviations
from skcnn.layers._fixed.kernels import TrendFilters, Whiten
from skcnn.layers._image_input import Rescale, Resize, ToRGB
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool, Pool
from skcnn.layers._residual import Residual

__all__ = [
    "Activation",
    "AdaptivePool",
    "ChannelsAsRows",
    "Concatenate",
    "Conv",
    "Dense",
    "Deviations",
    "Dropout",
    "Flatten",
    "GlobalPool",
    "LayerScale",
    "LayerSpec",
    "Normalize",
    "PadChannels",
    "Pool",
    "Rescale",
    "Residual",
    "Resize",
    "SqueezeExcitation",
    "StochasticDepth",
    "ToRGB",
    "TrendFilters",
    "Whiten",
]
