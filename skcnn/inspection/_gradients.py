"""Saliency from derivatives: gradients, integrated gradients and Grad-CAM."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor

from skcnn._network.named_layers import check_spatial_axes, last_map_layer
from skcnn.inspection._hooked_network import Hook, with_channels
from skcnn.inspection._target_outputs import TargetOutputs, derivative

INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}  # by the number of spatial axes


def gradient(explained: TargetOutputs) -> np.ndarray:
    """Return the derivatives of the outputs at the samples, in the samples' shape."""

    def of_pass(index: Tensor, n_rows: int) -> Tensor:
        return explained.gradient(explained.rows[index].float(), explained.codes[index], n_rows)

    return explained.as_samples(torch.cat(explained.in_passes(of_pass, len(explained.rows))))


def integrated_gradients(explained: TargetOutputs, baseline: Tensor, n_steps: int) -> np.ndarray:
    """Return (x - baseline) times the mean derivative between them, in the samples' shape.

    Parameters
    ----------
    explained : TargetOutputs
        Samples and outputs.
    baseline : Tensor of shape (1, n_values)
        Where the straight path to each sample starts.
    n_steps : int
        Number of nodes of the Gauss-Legendre quadrature.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)  # on [-1, 1]
    positions = torch.from_numpy((nodes + 1) / 2).float().unsqueeze(1)
    weights_of_mean = torch.from_numpy(weights / 2).unsqueeze(1)
    rows = explained.rows.float()
    missing = rows.isnan()  # on all of the path
    path = (rows - baseline).masked_fill(missing, 0)
    mean = torch.zeros(path.shape, dtype=torch.float64)

    def add_pass(index: Tensor, n_rows: int) -> None:
        sample, step = index // n_steps, index % n_steps
        points = baseline + positions[step] * path[sample]
        points = points.masked_fill(missing[sample], torch.nan)
        gradients = explained.gradient(points, explained.codes[sample], n_rows)
        mean.index_add_(0, sample, weights_of_mean[step] * gradients)

    # the nodes of all samples one after another, so that few samples fill a pass too
    explained.in_passes(add_pass, len(path) * n_steps)
    return explained.as_samples(mean * path)


def grad_cam(explained: TargetOutputs, layer: str | int | None) -> np.ndarray:
    """Return the positive part of a layer's maps, weighted by their mean gradients.

    Parameters
    ----------
    explained : TargetOutputs
        Samples and outputs.
    layer : str, int or None
        The user's parameter.

    Returns
    -------
    ndarray of shape (n_samples, *spatial, 1)
        The maps, with the channel axis where the samples have it.
    """
    network = explained.network
    name = last_map_layer(network.layers) if layer is None else network.name_of(layer)
    of_pass = partial(_grad_cam, explained, name)
    parts = explained.in_passes(of_pass, len(explained.rows))
    return with_channels(torch.cat(parts).numpy(), explained.layout)


def _grad_cam(explained: TargetOutputs, name: str, index: Tensor, n_rows: int) -> Tensor:
    """Return Grad-CAM for a pass of samples, (n_samples, 1, *spatial)."""
    kept: list[Tensor] = []
    hooks = {name: _variable_keeper(kept)}
    outputs = explained.outputs(explained.rows[index], explained.codes[index], n_rows, hooks)
    maps, spatial = kept[0], explained.layout.spatial
    check_spatial_axes("layer", name, maps.shape[1:], len(spatial))
    weights = derivative(outputs, maps).mean(tuple(range(2, maps.dim())), keepdim=True)
    cam = (weights * maps.detach()).sum(1, keepdim=True).relu()
    mode = INTERPOLATION[len(spatial)]
    return F.interpolate(cam, spatial, mode=mode, align_corners=False)[: len(index)].cpu()


def _variable_keeper(kept: list[Tensor]) -> Hook:
    """Return a hook that keeps a layer's first output and makes it a variable."""

    def keep(value: Tensor) -> Tensor:
        if kept:
            return value
        kept.append(value.detach().requires_grad_())
        return kept[0].clone()  # the next layer may work in place

    return keep
