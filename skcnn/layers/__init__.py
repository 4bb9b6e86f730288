"""Layer specifications for explicit architectures, Keras-Sequential style."""

from skcnn.layers._base import LayerSpec
from skcnn.layers._basic import Activation, Dense, Dropout, Flatten, GlobalPool, Normalize
from skcnn.layers._blocks import Concatenate, Residual
from skcnn.layers._windows import Conv, Pool, Whiten

__all__ = [
    "Activation",
    "Concatenate",
    "Conv",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalPool",
    "LayerSpec",
    "Normalize",
    "Pool",
    "Residual",
    "Whiten",
]
