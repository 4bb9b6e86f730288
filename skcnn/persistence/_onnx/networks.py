"""Fitted networks as torch modules that read rows of values, as they are exported."""

import copy
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from skcnn._convnet.features import ConvNetFeatures
from skcnn._convnet.regressor import ConvNetRegressor
from skcnn._data.layouts import InputLayout
from skcnn.exceptions import UnsupportedModelError
from skcnn.layers._image_input import Interpolation


class NetworkRows(nn.Module):
    """A fitted network for rows of values: the layout, the offset, the network and its views.

    Parameters
    ----------
    network : nn.Module
        From (n_samples, n_channels, *spatial) to (n_samples, n_outputs).
    layout : InputLayout
        How a row is an image.
    offset : ndarray of shape (n_channels,) or None
        Subtracted in float64 before anything else.
    flips : bool
        Whether the outputs are averaged with those of the mirrored samples.
    """

    offset: Tensor | None

    def __init__(
        self, network: nn.Module, layout: InputLayout, offset: np.ndarray | None, flips: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.shape = layout.shape
        self.channels_last = layout.channels == "last"
        self.flips = flips
        row = None if offset is None else torch.from_numpy(layout.row_of(offset))
        self.register_buffer("offset", row)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the network's outputs, (n_samples, n_outputs), float32."""
        if self.offset is not None:
            rows = rows.double() - self.offset
        batch = rows.float().reshape(-1, *self.shape)
        if self.channels_last:
            batch = batch.movedim(len(self.shape), 1)  # ONNX takes no negative number here
        outputs = self.network(batch)
        if self.flips:
            outputs = (outputs + self.network(batch.flip(-1))) / 2
        return outputs


class SeparableInterpolation(nn.Module):
    """An interpolation with antialiasing as two products with matrices.

    ONNX's Resize has other weights at the borders than torch.
    """

    down: Tensor
    across: Tensor

    def __init__(self, spatial: tuple[int, int], size: tuple[int, int]) -> None:
        super().__init__()
        for name, old, new in zip(("down", "across"), spatial, size, strict=True):
            lines = torch.eye(old, dtype=torch.float64)[None, None]  # each a pixel of its own
            matrix = F.interpolate(
                lines, (new, old), mode="bilinear", align_corners=False, antialias=True
            )
            self.register_buffer(name, matrix[0, 0].float())

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_channels, *size)."""
        return self.down @ (x @ self.across.T)


def network_of(model: Any, dtype: torch.dtype) -> NetworkRows:
    """Return a copy of the network of a fitted ConvNet, for rows of values.

    Parameters
    ----------
    model : ConvNetClassifier, ConvNetRegressor or ConvNetFeatures
        Fitted.
    dtype : torch.dtype
        Of the rows.

    Raises
    ------
    UnsupportedModelError
        If its `test_time_augmentation` cannot be exported, or an offset should be subtracted
        from values that are no float64 any more.
    """
    if model.offset_ is not None and dtype != torch.float64:
        raise UnsupportedModelError(
            f"{type(model).__name__} behind other steps cannot be exported with values so far from "
            "zero that an offset is subtracted from them (offset_): subtract it in the first step."
        )
    views = getattr(model, "test_time_augmentation", None)
    name = type(model).__name__
    if not (views is None or isinstance(views, str)):
        raise UnsupportedModelError(
            f"{name} cannot be exported with test_time_augmentation={views!r}: set it to None or "
            "'flip'."
        )
    trained = model.module_ if isinstance(model, ConvNetFeatures) else model.net_.module_
    network = copy.deepcopy(trained).cpu().eval().requires_grad_(False)
    _replace_interpolations(network, model._layout.network_shape)
    return NetworkRows(network, model._layout, model.offset_, views is not None).eval()


def _replace_interpolations(network: nn.Module, sample_shape: tuple[int, ...]) -> None:
    """Put products with matrices in the place of interpolations with antialiasing."""
    shrinking = [
        (name, part)
        for name, part in network.named_modules()
        if isinstance(part, Interpolation) and part.shrinks
    ]
    for name, part in shrinking:
        seen: list[tuple[int, int]] = []
        hook = part.register_forward_pre_hook(lambda _, x, seen=seen: seen.append(x[0].shape[-2:]))
        with torch.no_grad():
            network(torch.zeros((1, *sample_shape)))
        hook.remove()
        owner, _, attribute = name.rpartition(".")
        new = SeparableInterpolation(seen[0], part.size)  # type: ignore[arg-type]
        setattr(network.get_submodule(owner), attribute, new)


class ScaledTargets(nn.Module):
    """The outputs of a regressor in the units and the shape of its targets, float64."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, model: ConvNetRegressor) -> None:
        super().__init__()
        self.network = network
        self.shape = model._target_shape
        self.register_buffer("mean", torch.as_tensor(model._target_mean, dtype=torch.float64))
        self.register_buffer("scale", torch.as_tensor(model._target_scale, dtype=torch.float64))

    def forward(self, rows: Tensor) -> Tensor:
        """Return the predicted numbers."""
        outputs = self.network(rows).double().reshape(-1, *self.shape)
        return outputs * self.scale + self.mean
