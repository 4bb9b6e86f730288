"""Weights of a file, by the names of several packages, into the modules of an architecture."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skcnn._architectures.weight_names import weight_names
from skcnn._utils.text import plural
from skcnn.layers._channels import ChannelScale
from skcnn.layers._convolution import CONVOLUTIONS
from skcnn.layers._dense import ChannelsLastFlatten
from skcnn.layers._normalization import BatchNorm, ChannelNorm

RGB, RGBA = 3, 4
WITH_WEIGHTS = (*CONVOLUTIONS, nn.Linear, BatchNorm, ChannelNorm, ChannelScale)
SUFFIXES = ("weight", "bias", "running_mean", "running_var")
PADDED = re.compile(r"(conv_\d+)\.1(?=\.|$)")  # a convolution behind a padding of its own
# What files may have beside the weights of layers.
IGNORED = re.compile(
    r"AuxLogits\.|aux[12]\.|standardize\.|(layers\.)?rescale_\d|.*num_batches_tracked$"
)
MOST_LISTED = 5
Pairs = list[tuple[Tensor, Tensor]]  # a tensor of ours and its new values


@dataclass(frozen=True)
class Convention:
    """The names that a kind of file gives to modules, in the order of our layers.

    Our own files have names of ours, and dense layers that take maps flattened with the
    channels varying fastest. Others' have them varying slowest.
    """

    names: Sequence[str]
    is_ours: bool

    def key(self, place: int, module: nn.Module, suffix: str) -> str:
        """Return the name of a tensor; factors of channels have no suffix in timm."""
        name = self.names[place]
        bare = isinstance(module, ChannelScale) and not self.is_ours
        return name if bare else f"{name}.{suffix}"


def set_weights(
    layers: nn.Module, architecture: str, found: Mapping[str, Tensor], *, with_output: bool
) -> list[str]:
    """Write the weights of a file into the modules of an architecture's layers, if all fit.

    Returns
    -------
    list of str
        What does not fit, empty if the weights were written.
    """
    named = [(n, m) for n, m in layers.named_modules() if isinstance(m, WITH_WEIGHTS)]
    modules = [module for _, module in named]
    there = {PADDED.sub(r"\1", name): value for name, value in found.items()}
    convention = _convention_of(there, architecture, [name for name, _ in named], modules)
    needed = modules if with_output else modules[:-1]
    if not with_output:
        for suffix in SUFFIXES:
            there.pop(convention.key(len(needed), modules[-1], suffix), None)
    pairs: Pairs = []
    missing, shapes = [], []
    maps = _flattened_maps(layers, modules)
    first = next(module for module in modules if isinstance(module, CONVOLUTIONS))
    for place, module in enumerate(needed):
        for suffix, own in _tensors(module):
            key = convention.key(place, module, suffix)
            value = there.pop(key, None)
            if value is None:
                missing.append(key)
                continue
            if suffix == "weight" and isinstance(module, nn.Linear) and not convention.is_ours:
                value = _as_dense(value, own, maps.get(module, own.shape[1]))
            if suffix == "weight" and module is first:
                value = for_channels(value, own.shape[1])
            problem = _misfit(value, own, suffix)
            shapes += [f"{key} {problem}"] if problem else []
            pairs.append((own, value))
    return write(pairs, missing, [n for n in there if not IGNORED.match(n)], shapes)


def set_module_weights(module: nn.Module, found: Mapping[str, Tensor]) -> list[str]:
    """Write the weights of a file into a module that has the same names, if all fit.

    The last dense layer keeps its own weights if the file has none or others.
    """
    there = dict(found)
    dense = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    convolutions = [n for n, part in module.named_modules() if isinstance(part, CONVOLUTIONS)]
    first = f"{convolutions[0]}.weight" if convolutions else ""
    pairs: Pairs = []
    missing, shapes = [], []
    for key, own in module.state_dict().items():
        value = there.pop(key, None)
        if dense and key.startswith(f"{dense[-1]}."):
            continue
        if value is None:
            missing += [] if IGNORED.match(key) else [key]
            continue
        if key == first:
            value = for_channels(value, own.shape[1])
        problem = _misfit(value, own, key.rpartition(".")[2])
        shapes += [f"{key} {problem}"] if problem else []
        pairs.append((own, value))
    return write(pairs, missing, [n for n in there if not IGNORED.match(n)], shapes)


def write(
    pairs: Pairs, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[str]
) -> list[str]:
    """Return what does not fit, or write the new values if nothing does."""
    lists = {"missing": missing, "unexpected": unexpected, "not as they must be": shapes}
    problems = [_listed(what, names) for what, names in lists.items() if names]
    if not problems:
        with torch.no_grad():
            for own, value in pairs:
                own.copy_(value)
    return problems


def for_channels(weight: Tensor, n_channels: int) -> Tensor:
    """Return the kernels of a first convolution for images of more than four channels.

    Each channel gets the mean of the kernels for red, green and blue, times 3 / n_channels,
    so that an image with the same values in all channels has the outputs of a grey one.
    """
    if weight.dim() != 4 or weight.shape[1] != RGB or n_channels <= RGBA:
        return weight
    return weight.mean(1, keepdim=True).repeat(1, n_channels, 1, 1) * (RGB / n_channels)


def _convention_of(
    there: Mapping[str, Tensor], architecture: str, own: list[str], modules: Sequence[nn.Module]
) -> Convention:
    """Return the convention that most of the names in a file follow."""
    ours = [PADDED.sub(r"\1", name) for name in own]
    candidates = [Convention(names, False) for names in weight_names(architecture)]
    candidates += [Convention(ours, True), Convention([f"layers.{n}" for n in ours], True)]

    def n_found(convention: Convention) -> int:
        keys = (convention.key(i, m, s) for i, m in enumerate(modules) for s, _ in _tensors(m))
        return sum(key in there for key in keys)

    return max(candidates, key=n_found)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield a module's own tensors by suffix."""
    for suffix in SUFFIXES:
        tensor = getattr(module, suffix, None)
        if tensor is not None:
            yield suffix, tensor


def _flattened_maps(layers: nn.Module, modules: Sequence[nn.Module]) -> dict[nn.Module, int]:
    """Return the dense layer that takes flattened maps, with their number, or nothing."""
    if not any(isinstance(part, ChannelsLastFlatten) for part in layers.modules()):
        return {}
    convolutions = [module for module in modules if isinstance(module, CONVOLUTIONS)]
    dense = next(module for module in modules if isinstance(module, nn.Linear))
    return {dense: convolutions[-1].out_channels}


def _as_dense(value: Tensor, own: Tensor, n_maps: int) -> Tensor:
    """Return the weights of a dense layer for maps whose channels vary fastest.

    timm has convolutions instead, whose kernels are as large as the maps.
    """
    if value.numel() != own.numel() or own.shape[1] % n_maps:
        return value
    return value.reshape(len(own), n_maps, -1).transpose(1, 2).reshape(own.shape)


def _misfit(value: Tensor, own: Tensor, suffix: str) -> str:
    """Return why a file's tensor cannot be ours, "" if it can."""
    if value.is_floating_point() != own.is_floating_point():
        return f"of {value.dtype}, not {own.dtype}"
    if value.shape != own.shape:
        return f"{tuple(value.shape)}, not {tuple(own.shape)}"
    if suffix == "running_var" and bool((value < 0).any()):
        return "with variances below 0"
    return ""


def _listed(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return f"{plural(len(names), 'tensor')} {what}, {', '.join(names[:MOST_LISTED])}{more}"
