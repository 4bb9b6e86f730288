"""Layers that are not trained but set from the training samples: whitening, deviations."""

from collections.abc import Iterator
from math import prod
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._data.samples import SampleSet
from skcnn.layers._fixed.deviations import DeviationChannels
from skcnn.layers._fixed.kernels import WhiteningConv2d, WhiteningConv3d

MOST_SAMPLES = 5000
MOST_PATCH_VALUES = 2**23  # in memory at a time
ROUNDING = 1e-6  # smaller deviations than this share of the values are nothing but rounding
EPSILON = 5e-4  # share of the mean eigenvalue that is added to each


def set_fixed_layers(module: nn.Module, train: SampleSet) -> None:
    """Set all layers in `module` whose values come from data, in the order of its submodules.

    Parameters
    ----------
    module : nn.Module
        The network; layers before a whitening layer have their final initial weights.
    train : SampleSet
        The training samples in content order. It follows hashes, so that the first samples
        are a random selection.
    """
    for part in module.modules():
        if isinstance(part, WhiteningConv2d | WhiteningConv3d):
            _set_kernels(module, part, train)
        elif isinstance(part, DeviationChannels):
            _set_deviations(module, part, train)


def _set_kernels(
    module: nn.Module, part: WhiteningConv2d | WhiteningConv3d, train: SampleSet
) -> None:
    n_values = train.images.layout.n_values * prod(part.kernel_size)
    size = part.weight[0].numel()
    moments = torch.zeros((size, size), dtype=torch.float64)
    total = 0.0
    for inputs, weights in _inputs_of(part, module, train, n_values):
        moments += _second_moments(inputs, part, weights)
        total += len(inputs) if weights is None else float(weights.sum())
    with torch.no_grad():
        part.weight.copy_(_kernels(moments / total).reshape(part.weight.shape))


def _set_deviations(module: nn.Module, part: DeviationChannels, train: SampleSet) -> None:
    n_values = train.images.layout.n_values
    total = 0.0
    sums = [torch.zeros(part.shift.shape, dtype=torch.float64) for _ in range(2)]
    origin: Tensor | None = None
    for inputs, weights in _inputs_of(part, module, train, n_values):
        values = inputs.double()
        if origin is None:  # near the mean, so that small deviations are not lost beside it
            origin = values.mean(0)
        values -= origin
        each = torch.ones(len(values)) if weights is None else weights
        total += float(each.sum())
        each = each.double().view(-1, *(1,) * (values.dim() - 1))
        sums[0] += (each * values).sum(0)
        sums[1] += (each * values.square()).sum(0)
    assert origin is not None
    offset, square = (each / total for each in sums)
    mean = origin + offset
    places = tuple(range(1, mean.dim()))
    variance = (square - offset.square()).mean(places, keepdim=True).clamp_min(0)
    size = mean.square().mean(places, keepdim=True).sqrt()
    std = variance.sqrt()
    std[std <= ROUNDING * size.clamp_min(1e-30)] = 1.0
    centred = mean - mean.mean(places, keepdim=True)
    whole = variance + centred.square().mean(places, keepdim=True)
    scale = torch.where(variance <= part.largest_share * whole, 1.0 / std, 0.0)
    part.scale.copy_(scale)
    part.shift.copy_(-mean * scale)


class _ReachedError(Exception):
    """The whitening layer is reached, so that nothing after it is computed."""


def _inputs_of(
    part: nn.Module, module: nn.Module, train: SampleSet, n_values: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield inputs of the submodule `part` with the weights of their samples, in parts.

    `n_values` are those in memory for a sample.
    """
    n_samples, step = min(len(train), MOST_SAMPLES), max(MOST_PATCH_VALUES // n_values, 1)
    index = torch.from_numpy(train.index[:n_samples])
    weights = None if train.weights is None else torch.from_numpy(train.weights[:n_samples])
    was_training = module.training
    module.eval()
    try:
        for start in range(0, n_samples, step):
            images = train.images.take(index[start : start + step])
            part_of_weights = None if weights is None else weights[start : start + step]
            yield _input_of(part, module, images), part_of_weights
    finally:
        module.train(was_training)


def _input_of(part: nn.Module, module: nn.Module, images: Tensor) -> Tensor:
    """Return the input of the submodule `part` when `module` is applied to `images`."""
    seen: list[Tensor] = []

    def stop(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0])
        raise _ReachedError

    handle = part.register_forward_pre_hook(stop)
    try:
        with torch.inference_mode():
            module(images)
    except _ReachedError:
        pass
    finally:
        handle.remove()
    return seen[0]


def _second_moments(
    inputs: Tensor, part: WhiteningConv2d | WhiteningConv3d, weights: Tensor | None
) -> Tensor:
    """Return the weighted sum over samples of the second moments of their patches."""
    sides = cast(tuple[int, ...], part.padding)
    padding = [p for side in reversed(sides) for p in (side, side)]
    patches = F.pad(inputs, padding) if any(padding) else inputs
    for axis, side in enumerate(part.kernel_size):
        patches = patches.unfold(2 + axis, side, 1)
    n_axes = len(part.kernel_size)
    # (n_samples, n_channels, *positions, *window) -> (n_samples, n_positions, n_values)
    patches = patches.movedim(1, 1 + n_axes).flatten(1, n_axes).flatten(2)
    if weights is not None:
        patches = patches * weights.sqrt().to(patches.dtype).view(-1, 1, 1)
    flat = patches.reshape(-1, patches.shape[2])
    return (flat.T @ flat).double() / patches.shape[1]


def _kernels(moments: Tensor) -> Tensor:
    """Return scaled principal components and their negatives, the largest first."""
    values, vectors = torch.linalg.eigh(moments)
    scales = (values.clamp_min(0) + EPSILON * values.mean().clamp_min(1e-12)).rsqrt()
    kernels = (vectors * scales).T.flip(0)
    # the sign of an eigenvector is arbitrary: make its largest value positive
    largest = kernels.gather(1, kernels.abs().argmax(1, keepdim=True))
    kernels = kernels * largest.sign()
    return torch.cat([kernels, -kernels])
