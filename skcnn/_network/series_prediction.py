"""Forward passes for signals of unequal length, whose results are batch-independent."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from skcnn._data.images import Images
from skcnn._data.series.layout import SeriesLayout, padded_batch
from skcnn._data.series.rows import SeriesRows
from skcnn._network.prediction_steps import inner_have_steps, inner_step
from skcnn._network.series_net import SeriesNet, check_lengths
from skcnn._utils.compat import submodules_of
from skcnn._utils.device import copied_to, predict_chunk
from skcnn.layers._sequence import TracedLayer
from skcnn.layers._steps import Step

STEPS_PER_OCTAVE = 8  # widths of passes between a length and its double
CPU_SERIES = 8  # signals in a pass, so that few signals waste little


def padded_width(length: int) -> int:
    """Return the width to which a signal is padded, which depends on its own length only.

    Lengths up to 16 are kept. Longer ones are rounded up to one of eight widths between a
    power of two and the next: less than an eighth is added.
    """
    step = max(1 << (length - 1).bit_length() >> (STEPS_PER_OCTAVE.bit_length()), 1)
    return -(-length // step) * step


class SeriesPredictor:
    """Computes a network's outputs for signals; they are batch-independent to the bit.

    Signals are padded to a width that their own length decides, and all passes of a width
    have the same number of signals.

    Parameters
    ----------
    module : SeriesNet
        The network, not copied.
    sample_shape : tuple of int
        The longest signal of the fit, ``(n_channels, length)``.
    device : torch.device
        Where the network is.
    """

    def __init__(
        self, module: SeriesNet, sample_shape: tuple[int, ...], device: torch.device
    ) -> None:
        self.module = module
        self.n_channels = sample_shape[0]
        self.device = device
        self.parts = list(module.modules())
        self.inside = submodules_of(self.parts)
        self.has_steps = inner_have_steps(self.parts, device)
        self.steps: dict[nn.Module, Step] = {}

    def fits(self, module: nn.Module, device: torch.device) -> bool:
        """Return whether `module` is still made as it was when this was built."""
        return (
            module is self.module
            and device == self.device
            and submodules_of(self.parts) == self.inside
            and inner_have_steps(self.parts, device) == self.has_steps
        )

    def outputs(
        self,
        images: Images,
        views: Sequence[Callable[[Tensor], Tensor]] = (),
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return the outputs for all signals of `images`; there are no views of signals.

        Returns
        -------
        Tensor of shape (n_signals, n_outputs)
            With `finish`, what it returns for the outputs of each pass, joined.
        """
        assert not views
        lengths = row_lengths(images)
        widths = np.array([padded_width(length) for length in lengths.tolist()])
        outputs: Tensor | None = None
        was_training = self.module.training
        self.module.eval()
        try:
            with torch.inference_mode():
                for width in np.unique(widths).tolist():
                    which = torch.from_numpy(np.flatnonzero(widths == width))
                    for index in which.split(self._n_in_pass(width)):
                        part = self._pass(images, index, width)
                        part = part if finish is None else finish(part)
                        if outputs is None:
                            outputs = part.new_empty((len(images), *part.shape[1:]))
                        outputs[index.to(part.device)] = part
        finally:
            self.module.train(was_training)
        assert outputs is not None
        return outputs

    def _n_in_pass(self, width: int) -> int:
        n = predict_chunk(self.device, (self.n_channels + 1, width))
        return min(n, CPU_SERIES) if self.device.type == "cpu" else n

    def _pass(self, images: Images, index: Tensor, width: int) -> Tensor:
        """Return the outputs for the signals at `index`, which are all padded to `width`."""
        rows = copied_to(images.rows_at(index.to(images.device)), self.device)
        missing = self._n_in_pass(width) - len(rows)
        more = rows.new_zeros((missing, rows.shape[1]))
        more[:, 0] = 1  # signals of a single zero
        batch = padded_batch(torch.cat([rows, more]), width, self.n_channels)
        outputs: Tensor = self.module.outputs(batch, self._leaf)
        return outputs[: len(rows)]

    def _leaf(self, module: nn.Module, x: Tensor) -> Tensor:
        """Return a module's output, by its prediction step if it has one."""
        if not self.has_steps:
            return module(x)
        if module not in self.steps:
            self.steps[module] = inner_step(module)
        return self.steps[module](x)


def check_signals(rows: Sequence[TracedLayer] | None, images: Images) -> None:
    """Check that signals of unequal length are long enough for the layers of the network."""
    if isinstance(images.layout, SeriesLayout) and rows is not None:
        check_lengths(rows, row_lengths(images).tolist())


def row_lengths(images: Images) -> np.ndarray:
    """Return the length of each signal."""
    assert isinstance(images.layout, SeriesLayout)
    if isinstance(images.source, SeriesRows):
        return images.source.lengths
    return images.rows[:, 0].cpu().numpy().astype(np.int64)
