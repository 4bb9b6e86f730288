"""How a row of values is a signal of its own length."""

from dataclasses import dataclass

import torch
from torch import Tensor

from skcnn._data.layouts import InputLayout


@dataclass(frozen=True)
class SeriesLayout(InputLayout):
    """How a row is a signal: its length, then its values, channels last, then zeros.

    Attributes
    ----------
    shape : tuple of int
        The longest signal with its channel axis, at the place that `channels` says.
    channels : {"last", "first"}
        Where the channel axis of the user's arrays is.
    """

    @property
    def longest(self) -> int:
        """The length of the longest signal."""
        return self.spatial[0]

    @property
    def open_shape(self) -> tuple[int | None, ...]:
        """One signal with its channel axis, None for the length."""
        return (None, self.n_channels) if self.channels == "last" else (self.n_channels, None)

    @property
    def n_values(self) -> int:
        """The number of values of a row."""
        return 1 + self.longest * self.n_channels

    def batch_of(self, rows: Tensor) -> Tensor:
        """Return a batch as long as its longest signal, see `padded_batch`."""
        width = int(rows[:, 0].max()) if len(rows) else self.longest
        return padded_batch(rows, width, self.n_channels)


def padded_batch(rows: Tensor, width: int, n_channels: int) -> Tensor:
    """Return signals of `width` with one channel more, which is 1 inside of them and 0 after.

    Parameters
    ----------
    rows : Tensor of shape (n_signals, n_values)
        Rows of a `SeriesLayout`. Signals are not longer than `width`.
    width : int
        Length of the batch.
    n_channels : int
        Number of channels of the signals.

    Returns
    -------
    Tensor of shape (n_signals, n_channels + 1, width)
    """
    values = rows[:, 1 : 1 + width * n_channels]
    missing = width * n_channels - values.shape[1]
    if missing > 0:
        values = torch.nn.functional.pad(values, (0, missing))
    signals = values.reshape(len(rows), width, n_channels).movedim(-1, 1)
    places = torch.arange(width, device=rows.device)
    inside = (places < rows[:, :1]).to(rows.dtype).unsqueeze(1)  # (N, 1, width)
    return torch.cat([signals, inside], 1)
