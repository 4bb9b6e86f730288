"""Networks of timm and torchvision with weights from a file."""

import os
from typing import Any

from torch import nn

from skcnn._architectures.packages import MakeModule, module_maker, published_input
from skcnn._architectures.pretrained import PretrainedBase, pretrained_base
from skcnn._architectures.weight_matching import set_module_weights
from skcnn._convnet.pretrained_input import input_layers
from skcnn._files.weights import read_weights
from skcnn.exceptions import WeightsError
from skcnn.layers._base import Shape
from skcnn.layers._normalization import fix_statistics
from skcnn.layers._sequence import build_path, follow


def package_base(architecture: Any) -> PretrainedBase:
    """Return what a network of timm or torchvision was trained on.

    Raises
    ------
    WeightsError
        For a callable, whose inputs are not known.
    """
    if not isinstance(architecture, str):
        return pretrained_base(architecture)  # raises
    side, mean, std = published_input(architecture)
    return PretrainedBase(side, side, mean, std, architecture.partition(":")[0], "")


def pretrained_module_maker(
    architecture: Any,
    source: bool | str | os.PathLike[str] | None,
    image_size: Any,
    standardize: bool,
) -> MakeModule:
    """Return the callable that makes a network behind its input layers, with weights of a file.

    With None as `source` no file is read, for weights that are set later.
    """

    def make(input_shape: Shape, n_outputs: int) -> nn.Module:
        base = package_base(architecture)
        if isinstance(source, bool):
            raise WeightsError(
                f"pretrained=True with architecture={architecture!r}: nothing is downloaded. Give "
                f"pretrained the path of a file of weights, or use an architecture of skcnn, such "
                "as 'efficientnet_lite0'."
            )
        owner = f"architecture={architecture!r}"
        first = input_layers(owner, base, input_shape, image_size, standardize)
        module = module_maker(architecture)(follow(first, input_shape), n_outputs)
        problems = [] if source is None else set_module_weights(module, read_weights(source))
        if problems:
            raise WeightsError(
                f"The weights {str(source)!r} do not fit {owner}: {'; '.join(problems)}."
            )
        fix_statistics(module)
        return nn.Sequential(build_path(first, input_shape, is_signal=False), module)

    return make
