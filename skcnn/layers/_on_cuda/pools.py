"""torch's pools, with gradients on CUDA that are the same bits in every run."""

from typing import Any

from torch import Tensor, nn

from skcnn.layers._on_cuda.gradients import (
    adaptive_largest,
    adaptive_mean,
    adds_in_any_order,
    largest_of_windows,
    mean_of_windows,
)


class MaxPool3d(nn.MaxPool3d):
    """Max pool of volumes with sides and strides for each axis, without padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest value of each window."""
        if not adds_in_any_order(x):
            return super().forward(x)
        return largest_of_windows(x, _sides(self.kernel_size), _sides(self.stride))


class AvgPool3d(nn.AvgPool3d):
    """Average pool of volumes with sides and strides for each axis, without padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the average of each window."""
        if not adds_in_any_order(x):
            return super().forward(x)
        return mean_of_windows(x, _sides(self.kernel_size), _sides(self.stride))


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """Average pool of images to a number of windows for each axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        if not adds_in_any_order(x):
            return super().forward(x)
        return adaptive_mean(x, _sides(self.output_size))


class AdaptiveAvgPool3d(nn.AdaptiveAvgPool3d):
    """Average pool of volumes to a number of windows for each axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        if not adds_in_any_order(x):
            return super().forward(x)
        return adaptive_mean(x, _sides(self.output_size))


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    """Max pool of images to a number of windows for each axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the maxima."""
        if not adds_in_any_order(x):
            return super().forward(x)
        return adaptive_largest(x, _sides(self.output_size))


class AdaptiveMaxPool3d(nn.AdaptiveMaxPool3d):
    """Max pool of volumes to a number of windows for each axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the maxima."""
        if not adds_in_any_order(x):
            return super().forward(x)
        return adaptive_largest(x, _sides(self.output_size))


def _sides(setting: Any) -> tuple[int, ...]:
    """Return a setting that this package always gives as one number for each axis."""
    return tuple(setting)
