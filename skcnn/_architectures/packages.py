"""Networks of timm and torchvision by name, where these packages are installed."""

from collections.abc import Callable
from typing import Any

from torch import nn

from skcnn._utils.validation import did_you_mean
from skcnn.exceptions import ArchitectureError, MissingDependencyError
from skcnn.layers._base import Shape

MakeModule = Callable[[Shape, int], nn.Module]
PREFIXES = ("timm:", "torchvision:")
WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")  # of torchvision
RGB = 3


def makes_module(architecture: object) -> bool:
    """Return whether the parameter `architecture` gives a torch module, no layers."""
    named = isinstance(architecture, str) and architecture.startswith(PREFIXES)
    return named or callable(architecture)


def module_maker(architecture: Any) -> MakeModule:
    """Return the callable ``(input_shape, n_outputs) -> module`` for such an `architecture`."""
    if not isinstance(architecture, str):
        return architecture
    package, _, name = architecture.partition(":")
    make = {"timm": _timm_module, "torchvision": _torchvision_module}[package]

    def named_module(input_shape: Shape, n_outputs: int) -> nn.Module:
        return make(name, input_shape, n_outputs)

    return named_module


def published_input(architecture: str) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Return side, mean and standard deviation of the images that a network is published for."""
    package, _, name = architecture.partition(":")
    if package == "timm":
        timm = _timm(name)
        found = timm.get_pretrained_cfg(name)
        return found.input_size[-1], tuple(found.mean), tuple(found.std)
    models = _models(name)
    prepared = models.get_model_weights(name).DEFAULT.transforms()
    if name in WITH_AUXILIARY_HEADS:  # trained on values in [-1, 1], which they make themselves
        return prepared.crop_size[0], (0.5,) * RGB, (0.5,) * RGB
    return prepared.crop_size[0], tuple(prepared.mean), tuple(prepared.std)


def _timm(name: str) -> Any:
    """Return the package timm, which has a classifier `name`."""
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # torchvision raises RuntimeError
        raise _missing("timm", name, error) from None
    _check_name("timm", name, timm.list_models())
    return timm


def _models(name: str) -> Any:
    """Return the package of torchvision's models, which has a classifier `name`."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        raise _missing("torchvision", name, error) from None
    _check_name("torchvision", name, models.list_models(module=models))
    return models


def _timm_module(name: str, input_shape: Shape, n_outputs: int) -> nn.Module:
    """Return timm's model for any number of channels."""
    return _timm(name).create_model(
        name, pretrained=False, num_classes=n_outputs, in_chans=input_shape[0]
    )


def _torchvision_module(name: str, input_shape: Shape, n_outputs: int) -> nn.Module:
    """Return torchvision's model, for three channels."""
    models = _models(name)
    if input_shape[0] != RGB:
        raise ArchitectureError(
            f"architecture='torchvision:{name}' takes images of {RGB} channels. Got an input "
            f"with {input_shape[0]}: use a network of skcnn or timm, which take any number."
        )
    one_head = {"aux_logits": False, "init_weights": True} if name in WITH_AUXILIARY_HEADS else {}
    return models.get_model(name, weights=None, num_classes=n_outputs, **one_head)


def _check_name(package: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise ArchitectureError(
            f"architecture='{package}:{name}' is no classifier of {package}, which has "
            f"{len(names)} of them.{did_you_mean(name, names)}"
        )


def _missing(package: str, name: str, error: Exception) -> MissingDependencyError:
    """Return the error with the command that installs a package beside the torch there is."""
    packages = "torchvision" if package == "torchvision" else "timm torchvision"
    return MissingDependencyError(
        f"architecture='{package}:{name}' needs {package}, which cannot be imported: {error}. "
        f"Install it with pip install {packages}. Beside a torch for the CPU give pip the "
        "--index-url that this torch came from, or pip replaces torch by a build for GPUs that "
        "torchvision does not fit."
    )
