"""Operations on batches of images, one set of parameters for each sample.

Pure functions of float32 or float64 tensors (n_samples, n_channels, *spatial) with one to
three spatial axes. Results are batch-independent, bit for bit: sums run in a fixed order,
and products are elementwise.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor

from skcnn._utils.device import copied_to

# The words of ``skcnn.layers`` and torch's for them; a constant is added to the zeros, and
# positions of "wrap" are brought inside before.
PADDING_MODES = {
    "zeros": "zeros",
    "constant": "zeros",
    "mirror": "reflection",
    "edge": "border",
    "wrap": "border",
}
Fill = float | tuple[float, ...]  # one value, or one for each channel
MOST_PRECISE_SIDE = 2048  # up to here a float32 position is exact to 1e-4 of a pixel
_CHUNK_VALUES = 2**20  # values sampled at a time; much smaller chunks are slower


def warp(
    images: Tensor,
    matrices: np.ndarray,
    padding_mode: str,
    fill_value: Fill = 0.0,
    displacement: Tensor | None = None,
    nearest: bool = False,
) -> Tensor:
    """Return images sampled at the positions to which a matrix maps the output positions.

    The value at output position `o` is the input's at ``A (o - c) + t + c``, linearly
    interpolated, with `c` the centre of the image: ``(side - 1) / 2`` on each axis.

    Parameters
    ----------
    images : Tensor of shape (n_samples, n_channels, *spatial), float32 or float64
        One to three spatial axes.
    matrices : ndarray of shape (n_samples, n_axes + 1, n_axes + 1), dtype float64
        ``[[A, t], [0, 1]]`` in pixels, axes in the order of `spatial`.
    padding_mode : {"zeros", "constant", "mirror", "edge", "wrap"}
        What lies outside: zeros, `fill_value`, the reflection about the border value, the
        border value itself, or the image again, as a tile beside tiles.
    fill_value : float or tuple of float, default=0.0
        The constant of ``padding_mode="constant"``, or one for each channel.
    displacement : Tensor of shape (n_samples, n_axes, *spatial) or None, default=None
        Pixels added to the output position before the matrix.
    nearest : bool, default=False
        Whether to take the nearest value instead of interpolating: exact where positions
        are whole numbers.

    Returns
    -------
    Tensor of the shape and dtype of `images`
    """
    fill = fill_value if padding_mode == "constant" else 0.0
    narrow = images.dtype == torch.float32 and images.device.type != "mps"
    # constants for each channel may be so far from the values that float32 would lose these
    precise = max(images.shape[2:]) > MOST_PRECISE_SIDE or isinstance(fill, tuple)
    if narrow and precise:
        displacement = None if displacement is None else displacement.double()
        wide = warp(images.double(), matrices, padding_mode, fill_value, displacement, nearest)
        return wide.float()
    if images.dim() == 3:  # a signal is an image of height one
        return warp(
            images[:, :, None],
            _lifted(matrices),
            padding_mode,
            fill_value,
            None if displacement is None else _with_zero_axis(displacement),
            nearest,
        )[:, :, 0]
    spatial = tuple(images.shape[2:])
    base, to_unit, to_share = _centred_positions(spatial, images.dtype, images.device)
    wraps = padding_mode == "wrap"
    scale = to_share if wraps else to_unit
    rows = _rows_of(matrices, scale, 0.5 - to_share / 2 if wraps else None, images)
    shifts = bool(np.any(fill))
    shift = per_channel(fill, images) if isinstance(fill, tuple) else fill
    values = images - shift if shifts and not nearest else images
    if wraps:
        values = _with_first_again(images)
    sampling: dict[str, Any] = {
        "mode": "nearest" if nearest else "bilinear",
        "padding_mode": PADDING_MODES[padding_mode],
        "align_corners": True,
    }
    parts = []
    step = max(_CHUNK_VALUES // images[0].numel(), 1)
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        moved = None if displacement is None else displacement[part]
        grid = _grid(rows[part], base, moved)
        if wraps:
            grid = (grid - grid.floor()).mul_(2).sub_(1)
        sampled = F.grid_sample(values[part], grid, **sampling)
        if shifts and nearest:  # exact values; a mask finds the positions outside
            ones = torch.ones_like(values[part][:, :1])
            sampled = torch.where(F.grid_sample(ones, grid, **sampling) == 0, shift, sampled)
        elif shifts:
            sampled += shift
        parts.append(sampled)
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _rows_of(
    matrices: np.ndarray, scale: np.ndarray, start: np.ndarray | None, images: Tensor
) -> Tensor:
    """Return the rows of matrices but the last, scaled and moved, on the device of the images."""
    scaled = matrices[:, :-1] * scale[:, None]
    if start is not None:
        scaled[..., -1] += start
    return copied_to(torch.from_numpy(scaled).to(images.dtype), images.device)


def _with_first_again(images: Tensor) -> Tensor:
    """Return images whose first values follow the last ones on each axis longer than one."""
    ends = [int(side > 1) for side in images.shape[2:]]
    return F.pad(images, [width for end in reversed(ends) for width in (0, end)], mode="circular")


def _grid(rows: Tensor, base: tuple[Tensor, ...], displacement: Tensor | None) -> Tensor:
    """Return where to sample, (n_samples, *spatial, n_axes), last axis first.

    The positions are in [-1, 1], or for "wrap" shares of the side, of which the next tile
    begins at 1.
    """
    n_axes = len(base)
    shape = tuple(len(axis) for axis in base)
    grid = rows.new_empty((len(rows), *shape, n_axes))
    lines = [_along(line, i, n_axes) for i, line in enumerate(base)]
    if displacement is not None:
        lines = [line + displacement[:, i] for i, line in enumerate(lines)]
    for target in range(n_axes):
        factors = rows[:, target].reshape(len(rows), n_axes + 1, *(1,) * n_axes)
        # small sums first, so that only the last one has the size of the grid
        total = lines[0] * factors[:, 0] + factors[:, -1]
        for i in range(1, n_axes - 1):
            total = total + lines[i] * factors[:, i]
        torch.add(total, lines[-1] * factors[:, -2], out=grid[..., n_axes - 1 - target])
    return grid


def _along(line: Tensor, axis: int, n_axes: int) -> Tensor:
    """View a vector as lying along `axis` of (1, *spatial)."""
    return line.view(1, *(len(line) if i == axis else 1 for i in range(n_axes)))


@lru_cache(maxsize=64)
def _centred_positions(
    spatial: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> tuple[tuple[Tensor, ...], np.ndarray, np.ndarray]:
    """Return each axis's positions about its centre, and factors from pixels.

    The first factors lead to [-1, 1], the second to shares of the side.
    """
    centres = [(side - 1) / 2 for side in spatial]
    lines = tuple(
        torch.arange(side, dtype=dtype, device=device) - centre
        for side, centre in zip(spatial, centres, strict=True)
    )
    # values along an axis of length one do not move
    return lines, np.array([1 / c if c else 0.0 for c in centres]), 1 / np.array(spatial)


def _lifted(matrices: np.ndarray) -> np.ndarray:
    """Return matrices for images of height one from those for signals."""
    lifted = np.zeros((len(matrices), 3, 3))
    lifted[:, 0, 0] = 1
    lifted[:, 1:, 1:] = matrices
    return lifted


def _with_zero_axis(displacement: Tensor) -> Tensor:
    flat = displacement[:, :, None]
    return torch.cat([torch.zeros_like(flat), flat], 1)


def spread_control_points(points: Tensor, spatial: tuple[int, ...]) -> Tensor:
    """Return smooth fields through a coarse grid, by cubic B-splines.

    Parameters
    ----------
    points : Tensor of shape (n_samples, n_fields, *n_points)
        Values at equally spaced points; the outermost lie one step outside the image.
    spatial : tuple of int
        Sides of the image.

    Returns
    -------
    Tensor of shape (n_samples, n_fields, *spatial), of the dtype of `points`
    """
    fields = points
    for i, side in enumerate(spatial):
        axis = i + 2
        shape = [1] * fields.dim()
        shape[axis] = side
        weights = _spline_weights(side, fields.shape[axis], fields.dtype, fields.device)
        # products summed in a fixed order: the rounding of matmul depends on the batch
        total = fields.narrow(axis, 0, 1) * weights[0].view(shape)
        for k in range(1, len(weights)):
            total += fields.narrow(axis, k, 1) * weights[k].view(shape)
        fields = total
    return fields


@lru_cache(maxsize=64)
def _spline_weights(side: int, n_points: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the weight of each control point at each position, (n_points, side)."""
    # positions run between the points 1 and n_points - 2
    where = 1 + (n_points - 3) * (np.arange(side) / max(side - 1, 1))
    distance = np.abs(where - np.arange(n_points)[:, None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return copied_to(torch.from_numpy(np.where(distance < 1, near, far)).to(dtype), device)


def sample_sums(values: Tensor) -> Tensor:
    """Return the sum of each sample's values, (n_samples,), in a fixed order.

    Pairs are added, then pairs of pairs and so on: the rounding of ``sum`` depends on the
    batch.
    """
    flat = values.flatten(1)
    while flat.shape[1] > 1:
        half = flat.shape[1] // 2
        pairs = flat[:, :half] + flat[:, half : 2 * half]
        if flat.shape[1] % 2:
            pairs[:, 0] += flat[:, -1]
        flat = pairs
    return flat[:, 0]


def per_sample(values: np.ndarray, images: Tensor) -> Tensor:
    """Return one number a sample as a tensor that broadcasts over `images`."""
    numbers = torch.from_numpy(values.astype(np.float64)).to(images.dtype)
    return copied_to(numbers, images.device).view(-1, *(1,) * (images.dim() - 1))


def per_channel(values: Fill, images: Tensor) -> Tensor:
    """Return one number, or one a channel, as a tensor that broadcasts over `images`."""
    numbers = copied_to(torch.tensor(values, dtype=images.dtype), images.device)
    return numbers.view(-1, *(1,) * (images.dim() - 2))


def blur(images: Tensor, sigmas: np.ndarray, radius: int) -> Tensor:
    """Return images convolved with a Gaussian; outside is the border value.

    Sums of shifted images, which are faster than ``conv2d`` with a kernel a sample.

    Parameters
    ----------
    images : Tensor of shape (n_samples, n_channels, *spatial)
        Images to blur.
    sigmas : ndarray of shape (n_samples,)
        Standard deviations in pixels; zero changes nothing.
    radius : int
        Distance at which the Gaussian is cut off, in pixels.
    """
    offsets = np.arange(radius + 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weights = np.exp(-(offsets**2) / (2 * sigmas[:, None] ** 2))
    weights[:, 0] = 1
    weights[sigmas == 0, 1:] = 0
    weights /= weights[:, :1] + 2 * weights[:, 1:].sum(axis=1, keepdims=True)
    factors = [per_sample(weights[:, k], images) for k in offsets]
    for axis in range(2, images.dim()):
        side = images.shape[axis]
        index = torch.arange(-radius, side + radius, device=images.device).clamp_(0, side - 1)
        padded = images.index_select(axis, index)
        total = padded.narrow(axis, radius, side) * factors[0]
        for k in range(1, radius + 1):
            both = padded.narrow(axis, radius - k, side) + padded.narrow(axis, radius + k, side)
            total += both.mul_(factors[k])
        images = total
    return images


def dilate(images: Tensor, amounts: np.ndarray, n_passes: int) -> Tensor:
    """Return images whose bright parts have grown, or shrunk, by some pixels.

    A pass takes the maximum over a position and its direct neighbours; every second pass
    includes the diagonal ones, so that the growth is nearly round. A fraction of a pixel
    blends the images before and after a pass.

    Parameters
    ----------
    images : Tensor of shape (n_samples, n_channels, *spatial)
        Images to dilate.
    amounts : ndarray of shape (n_samples,)
        Growth in pixels; a negative amount erodes.
    n_passes : int
        Number of passes, at least the largest amount.
    """
    sign = per_sample(np.where(amounts < 0, -1.0, 1.0), images)
    grown = images * sign
    for k in range(n_passes):
        share = per_sample(np.clip(np.abs(amounts) - k, 0, 1), images)
        wider = _largest_neighbour(grown, diagonal=k % 2 == 1)
        grown = grown + (wider - grown) * share
    return grown * sign


def _largest_neighbour(images: Tensor, diagonal: bool) -> Tensor:
    largest = images.clone()
    for axis in range(2, images.dim()):
        source = largest.clone() if diagonal else images
        inner = images.shape[axis] - 1
        for to, origin in ((1, 0), (0, 1)):
            view = largest.narrow(axis, to, inner)
            torch.maximum(view, source.narrow(axis, origin, inner), out=view)
    return largest


def inside_boxes(lows: np.ndarray, highs: np.ndarray, images: Tensor) -> Tensor:
    """Return which positions lie in a sample's box, (n_samples, 1, *spatial) bool.

    Parameters
    ----------
    lows, highs : ndarray of shape (n_samples, n_axes)
        First position inside and first outside, on each axis.
    images : Tensor of shape (n_samples, n_channels, *spatial)
        Images that give shape and device.
    """
    n_axes = images.dim() - 2
    inside = torch.ones((), dtype=torch.bool, device=images.device)
    for i in range(n_axes):
        line = _along(torch.arange(images.shape[i + 2], device=images.device), i, n_axes)
        low, high = (
            copied_to(torch.from_numpy(ends[:, i].copy()), images.device).view(-1, *(1,) * n_axes)
            for ends in (lows, highs)
        )
        inside = inside & (line >= low) & (line < high)
    return inside[:, None]
