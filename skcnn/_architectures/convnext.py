"""ConvNeXt in its smallest size, "atto"."""

from skcnn._architectures.parts import Layers, is_small
from skcnn.layers._activation import Activation
from skcnn.layers._base import LayerSpec, Shape
from skcnn.layers._channels import LayerScale
from skcnn.layers._convolution import Conv
from skcnn.layers._normalization import Normalize
from skcnn.layers._pooling import GlobalPool
from skcnn.layers._residual import Residual

FILTERS, N_BLOCKS = (40, 80, 160, 320), (2, 2, 6, 2)
PATCH, SMALL_PATCH = 4, 2  # side of the first windows, in pixels
WIDENING = 4


def convnext_atto(input_shape: Shape, adapt: bool = True) -> Layers:
    """Return the layers of ConvNeXt in timm's size "atto".

    Images with a side under 64 pixels are divided into patches of 2x2 pixels, others of 4x4.

    References
    ----------
    Liu et al., "A ConvNet for the 2020s", arXiv:2201.03545.
    """
    norm = Normalize(kind="layer", epsilon=1e-6)
    patch = SMALL_PATCH if is_small(input_shape, adapt) else PATCH
    layers: list[LayerSpec] = [_patches(FILTERS[0], patch), norm]
    for stage, (filters, n) in enumerate(zip(FILTERS, N_BLOCKS, strict=True)):
        if stage > 0:
            layers += [norm, _patches(filters, 2)]
        body = (
            Conv(filters, 7, groups=filters),
            norm,
            Conv(WIDENING * filters, 1),
            Activation("gelu"),
            Conv(filters, 1),
            LayerScale(),
        )
        layers += [Residual(body, shortcut=())] * n
    return (*layers, GlobalPool(), norm)


def _patches(filters: int, side: int) -> Conv:
    return Conv(filters, side, stride=side, padding="valid")
