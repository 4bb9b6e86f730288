"""Layer specifications for explicit architectures, Keras-Sequential style.

The public face of the layer classes; they live in a private module.

Examples
--------
>>> from skcnn import ConvNetClassifier
>>> from skcnn.layers import Conv, Dense, Dropout, Flatten, Pool
>>> model = ConvNetClassifier(
...     architecture=[
...         Conv(16, 5, activation="relu"), Pool(2), Flatten(), Dropout(0.25),
...         Dense(64, activation="relu"),
...     ]
... )
"""

from skcnn._blocks import Concatenate, Residual
from skcnn._layers import Activation, Dense, Dropout, Flatten, GlobalPool, LayerSpec, Normalize
from skcnn._window_layers import Conv, Pool, Whiten

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
