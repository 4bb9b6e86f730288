"""The table of named architectures, and what each needs of its input."""

from collections.abc import Callable
from dataclasses import dataclass

from skcnn._architectures.convnext import convnext_atto
from skcnn._architectures.eeg import deep_convnet, eegnet, shallow_convnet
from skcnn._architectures.inception import googlenet, inception_v3
from skcnn._architectures.mobile import efficientnet_lite, mobilenet_v2
from skcnn._architectures.parts import Layers
from skcnn._architectures.plain import VGG11, VGG16, VGG19, alexnet, lenet5, vgg
from skcnn._architectures.residual import resnet, small_resnet
from skcnn._architectures.series import fcn, inception_time, lite_time, resnet1d
from skcnn._architectures.xception import xception
from skcnn._utils.validation import did_you_mean
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import Shape

KINDS = {
    1: "signals, with one spatial axis",
    2: "images, with two spatial axes",
}
SHARE_WITHOUT_NORMALIZATION = 0.1


@dataclass(frozen=True)
class NamedArchitecture:
    """A network with a name.

    Parameters
    ----------
    layers : callable
        From ``(n_channels, *spatial)`` to the layers, without the last dense layer. A second
        argument False keeps the published first layers for small inputs too.
    least_side : int
        Length that every spatial axis of an input must have.
    n_axes : int or None
        Number of spatial axes that an input must have, None for any.
    rate_share : float
        Factor of the automatic learning rate.
    """

    layers: Callable[..., Layers]
    least_side: int = 1
    n_axes: int | None = None
    rate_share: float = 1.0


def _plain(layers: Callable[..., Layers], least_side: int = 1) -> NamedArchitecture:
    """Return a deep network without normalisation, which large steps destroy."""
    return NamedArchitecture(layers, least_side, rate_share=SHARE_WITHOUT_NORMALIZATION)


NAMED: dict[str, NamedArchitecture] = {
    "lenet5": NamedArchitecture(lenet5, 12),
    "alexnet": _plain(alexnet, 15),
    "vgg11": _plain(vgg(VGG11)),
    "vgg16": _plain(vgg(VGG16)),
    "vgg19": _plain(vgg(VGG19)),
    "googlenet": NamedArchitecture(googlenet),
    "inception_v3": NamedArchitecture(inception_v3, 15, n_axes=2),
    "xception": NamedArchitecture(xception),
    "mobilenet_v2": NamedArchitecture(mobilenet_v2),
    "resnet18": NamedArchitecture(resnet((2, 2, 2, 2))),
    "resnet20": NamedArchitecture(small_resnet(3)),
    "resnet34": NamedArchitecture(resnet((3, 4, 6, 3))),
    "resnet50": NamedArchitecture(resnet((3, 4, 6, 3), bottleneck=True)),
    "resnet56": NamedArchitecture(small_resnet(9)),
    "efficientnet_lite0": NamedArchitecture(efficientnet_lite(1.0, 1.0)),
    "efficientnet_lite1": NamedArchitecture(efficientnet_lite(1.0, 1.1)),
    "efficientnet_lite2": NamedArchitecture(efficientnet_lite(1.1, 1.2)),
    "convnext_atto": NamedArchitecture(convnext_atto, 16),
    "fcn": NamedArchitecture(fcn, n_axes=1),
    "resnet1d": NamedArchitecture(resnet1d, n_axes=1),
    "inception_time": NamedArchitecture(inception_time, n_axes=1),
    "lite_time": NamedArchitecture(lite_time, n_axes=1),
    "eegnet": NamedArchitecture(eegnet, 32, n_axes=1),
    "shallow_convnet": NamedArchitecture(shallow_convnet, 47, n_axes=1),
    "deep_convnet": NamedArchitecture(deep_convnet, 76, n_axes=1),
}


def named_architecture(name: str, input_shape: Shape) -> Layers:
    """Return the layers of a named architecture, without the last dense layer.

    The first layers are adapted to small inputs.

    Raises
    ------
    ArchitectureError
        If there is no such name, or if the input is too small or no image.
    """
    if name not in NAMED:
        raise ArchitectureError(
            f"The 'architecture' parameter must be one of {sorted(NAMED)}, 'timm:NAME', "
            "'torchvision:NAME', a sequence of skcnn.layers or a callable. "
            f"Got {name!r}.{did_you_mean(name, NAMED)}"
        )
    named = NAMED[name]
    spatial = input_shape[1:]
    if named.n_axes not in (None, len(spatial)):
        assert named.n_axes is not None
        raise ArchitectureError(
            f"architecture={name!r} is for {KINDS[named.n_axes]}. Got {len(spatial)} of sizes "
            f"{spatial}: use another one, such as 'resnet20', or say with n_spatial_dims="
            f"{named.n_axes} that the samples have {named.n_axes}."
        )
    if min(spatial) < named.least_side:
        raise ArchitectureError(
            f"architecture={name!r} needs at least {named.least_side} values along each spatial "
            f"axis. Got an input of spatial size {spatial}: enlarge it, or use an architecture "
            "for any size, such as 'resnet20'."
        )
    return named.layers(input_shape)


def learning_rate_share(architecture: object) -> float:
    """Return the factor of the automatic learning rate for the parameter `architecture`."""
    named = NAMED.get(architecture) if isinstance(architecture, str) else None
    return 1.0 if named is None else named.rate_share
