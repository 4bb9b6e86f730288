"""Saliency from occlusion: how far an output falls when a part of the sample is covered."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._data.layouts import InputLayout
from skcnn.inspection._hooked_network import with_channels
from skcnn.inspection._target_outputs import TargetOutputs
from skcnn.layers._shapes import per_axis

WINDOWS_PER_SIDE = 4  # of the default window


def _window_sides(window: Any, spatial: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sides of the user's window, by default a quarter of a sample's sides.

    Raises
    ------
    ValueError
        If `window` is not a number for each axis, or larger than a sample.
    """
    if window is None:
        return tuple(max(1, round(side / WINDOWS_PER_SIDE)) for side in spatial)
    try:
        sides = per_axis(window, len(spatial), "window")
    except (TypeError, ValueError):
        sides = ()
    if not sides or not all(1 <= w <= side for w, side in zip(sides, spatial, strict=True)):
        raise ValueError(
            "The 'window' parameter must be an integer, or one for each of the axes, from 1 "
            f"to the sides of a sample {spatial}. Got {window!r} instead."
        )
    return sides


def _covered(corners: Sequence[Tensor], window: tuple[int, ...], layout: InputLayout) -> Tensor:
    """Return the values of a sample that windows cover, bool (n_windows, n_values).

    Parameters
    ----------
    corners : sequence of Tensor of shape (n_windows,)
        The first covered place along each axis.
    window : tuple of int
        The window's sides.
    layout : InputLayout
        How a row of values is a sample.
    """
    n_windows, n_axes = len(corners[0]), len(window)
    covered = torch.ones((n_windows, *(1,) * n_axes), dtype=torch.bool)
    for axis, (corner, width) in enumerate(zip(corners, window, strict=True)):
        offset = torch.arange(layout.spatial[axis]) - corner.unsqueeze(1)
        along = (offset >= 0) & (offset < width)  # (n_windows, side)
        covered = covered & along.view(n_windows, *(1,) * axis, -1, *(1,) * (n_axes - axis - 1))
    covered = covered.unsqueeze(-1 if layout.channels == "last" else 1)
    return covered.expand(n_windows, *layout.shape).reshape(n_windows, -1)


def _mean_over_windows(falls: np.ndarray, window: tuple[int, ...]) -> np.ndarray:
    """Return for each place the mean fall over the windows that cover it.

    Parameters
    ----------
    falls : ndarray of shape (n_samples, *positions)
        One value for each position of the window.
    window : tuple of int
        The window's sides.
    """
    total, count = falls, np.ones((1, *falls.shape[1:]))
    for axis, width in enumerate(window, start=1):
        box = np.ones(width)
        total = np.apply_along_axis(np.convolve, axis, total, box)
        count = np.apply_along_axis(np.convolve, axis, count, box)
    return total / count


@torch.no_grad()
def occlusion(
    explained: TargetOutputs, baseline: Tensor, window: int | Sequence[int] | None
) -> np.ndarray:
    """Return the mean fall of the output over the windows that cover a place.

    Parameters
    ----------
    explained : TargetOutputs
        Samples and outputs.
    baseline : Tensor of shape (1, n_values)
        The values that fill the window.
    window : int, sequence of int or None
        The user's parameter.

    Returns
    -------
    ndarray of shape (n_samples, *spatial, 1)
        The maps, with the channel axis where the samples have it.
    """
    layout = explained.layout
    sides = _window_sides(window, layout.spatial)
    positions = tuple(side - w + 1 for side, w in zip(layout.spatial, sides, strict=True))
    n_positions = prod(positions)

    def unchanged(index: Tensor, n_rows: int) -> Tensor:
        return explained.outputs(explained.rows[index], explained.codes[index], n_rows)

    def covered(index: Tensor, n_rows: int) -> Tensor:
        sample = index // n_positions
        corners = torch.unravel_index(index % n_positions, positions)
        mask = _covered(corners, sides, layout)
        rows = torch.where(mask, baseline, explained.rows[sample].float())
        return explained.outputs(rows, explained.codes[sample], n_rows)

    n = len(explained.rows)
    before = torch.cat(explained.in_passes(unchanged, n)).double().unsqueeze(1)
    after = torch.cat(explained.in_passes(covered, n * n_positions)).view(-1, n_positions)
    falls = before - after
    maps = _mean_over_windows(falls.view(-1, *positions).numpy(), sides)
    return with_channels(maps[:, np.newaxis], layout)
