"""Kernels of whitening layers, from the training samples.

Knows no estimator and trains nothing.
"""

import numpy as np
import torch
from torch import Tensor, nn

from skcnn._batches import SampleSet
from skcnn._network import WhiteningConv2d, WhiteningConv3d

MOST_SAMPLES = 5000
CHUNK = 250
EPSILON = 5e-4  # of the mean eigenvalue, added to each


def set_whitening_kernels(module: nn.Module, train: SampleSet) -> None:
    """Set the kernels of all whitening layers in `module`, in the order of its parts.

    Parameters
    ----------
    module : nn.Module
        The network; layers before a whitening layer have their final initial weights.
    train : SampleSet
        The training samples, in content order: the first of them are as good as drawn.
    """
    for part in module.modules():
        if isinstance(part, WhiteningConv2d | WhiteningConv3d):
            _set_kernels(module, part, train)


def _set_kernels(
    module: nn.Module, part: WhiteningConv2d | WhiteningConv3d, train: SampleSet
) -> None:
    seen: list[Tensor] = []
    handle = part.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    size = part.weight[0].numel()
    moments, total = torch.zeros((size, size), dtype=torch.float64), 0.0
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            for start in range(0, min(len(train), MOST_SAMPLES), CHUNK):
                stop = min(start + CHUNK, MOST_SAMPLES, len(train))
                module(train.images.take(torch.from_numpy(train.index[start:stop])))
                weights = np.ones(stop - start)
                if train.weights is not None:
                    weights = train.weights[start:stop]
                sums, n_patches = _second_moments(seen.pop(), part, torch.from_numpy(weights))
                moments += sums
                total += float(weights.sum()) * n_patches
    finally:
        handle.remove()
        module.train(was_training)
    kernels = _kernels(moments / total).reshape(part.weight.shape)
    with torch.no_grad():
        part.weight.copy_(kernels)


def _second_moments(
    inputs: Tensor, part: WhiteningConv2d | WhiteningConv3d, weights: Tensor
) -> tuple[Tensor, int]:
    """Return the weighted sum of products of the values of a patch, and patches a sample."""
    patches = inputs
    for axis, side in enumerate(part.kernel_size):
        patches = patches.unfold(2 + axis, side, 1)
    n_axes = len(part.kernel_size)
    # (n_samples, n_channels, *positions, *window) -> (n_samples, n_positions, n_values)
    patches = patches.movedim(1, 1 + n_axes).flatten(1, n_axes).flatten(2)
    scaled = patches * weights.sqrt().to(patches.dtype).view(-1, 1, 1)
    flat = scaled.reshape(-1, scaled.shape[2])
    return (flat.T @ flat).double(), patches.shape[1]


def _kernels(moments: Tensor) -> Tensor:
    """Return scaled principal components and their negatives, the largest first."""
    values, vectors = torch.linalg.eigh(moments)
    scales = (values.clamp_min(0) + EPSILON * values.mean().clamp_min(1e-12)).rsqrt()
    kernels = (vectors * scales).T.flip(0)
    # an eigenvector's sign is the library's choice: the largest value is to be positive
    largest = kernels.gather(1, kernels.abs().argmax(1, keepdim=True))
    kernels = kernels * largest.sign()
    return torch.cat([kernels, -kernels])
