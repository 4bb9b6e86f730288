"""Numbers of samples in the passes of a prediction: sizes that round alike, threads of each.

Kernels of torch may round differently for another number of samples. A size is used only
after a trial has given the bits of a full pass.
"""

import copy
import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from skcnn._network.network import ConvNet
from skcnn._network.prediction_steps import prediction_network
from skcnn._utils.device import predict_chunk
from skcnn._utils.threads import ONE_THREAD_MACS, torch_threads
from skcnn.layers._convolution import CONVOLUTIONS
from skcnn.layers._dropout import ByteDropout

# The largest activation of a pass stays near the second-level cache.
MOST_BYTES, MOST_ROWS = 2**22, 256
FEWEST_SHARED_PASSES = 4  # starting threads takes as long as a pass or two
MOST_CACHED = 1000

_round_alike: dict[Hashable, bool] = {}  # results of trials, by kind of network and size


@dataclass(frozen=True)
class Passes:
    """`n` samples in passes of `chunk`; the remainder is padded to `last` rows."""

    n: int
    chunk: int
    last: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def starts(self) -> range:
        """The first sample of each pass."""
        return range(0, self.n, self.chunk)

    def rows_at(self, start: int) -> int:
        """Return the rows of the pass that begins at sample `start`."""
        return self.chunk if start + self.chunk <= self.n else self.last


class OneSize:
    """Passes of one size, one at a time on all threads: right for any module and device.

    Parameters
    ----------
    chunk : int
        Number of samples in a pass.
    """

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk

    def passes(self, n: int, has_views: bool) -> Passes:
        """Return how `n` samples are divided."""
        return Passes(n, self.chunk, self.chunk)

    def workers_and_threads(self, passes: Passes, has_views: bool) -> tuple[int, int]:
        """Return how many passes run at a time, and the threads of each."""
        return 1, torch.get_num_threads()


class SizesThatRoundAlike(OneSize):
    """Passes on the CPU of a network whose modules all have prediction steps.

    Parameters
    ----------
    module : ConvNet
        The network, not copied.
    sample_shape : tuple of int
        One sample, ``(n_channels, *spatial)``.
    parts : sequence of nn.Module
        All modules of the network.
    most_bytes : int, default=MOST_BYTES
        Size of the largest activation of a pass.

    Attributes
    ----------
    chunk : int
        Number of samples in a full pass; smaller passes have a power of two.
    view_rows : int
        Least number of samples in a pass with views. Such passes have one size, since a view's
        rounding may depend on it.
    macs : int
        Multiply-accumulates of a sample.
    """

    def __init__(
        self,
        module: ConvNet,
        sample_shape: tuple[int, ...],
        parts: Sequence[nn.Module],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        largest, self.macs = _measure(module, sample_shape)
        super().__init__(_power_of_two(most_bytes // (4 * largest)))
        self.view_rows = predict_chunk(torch.device("cpu"), sample_shape)
        self.module = module
        self.sample_shape = sample_shape
        acting = (part for part in parts if not isinstance(part, ByteDropout))
        self.kind = (*map(_settings, acting), sample_shape)

    def passes(self, n: int, has_views: bool) -> Passes:
        """Return how `n` samples are divided; all passes have one size if `has_views`."""
        chunk = max(self.chunk, self.view_rows) if has_views else self.chunk
        left = n % chunk
        return Passes(n, chunk, chunk if has_views or left == 0 else self.rows_for(left))

    def workers_and_threads(self, passes: Passes, has_views: bool) -> tuple[int, int]:
        """Return how many passes run at a time, and the threads of each.

        Many passes run side by side, each on one of torch's threads; a few large ones run
        on all of them where that gives the same bits.
        """
        available = torch.get_num_threads()
        if available == 1:
            return 1, 1
        if has_views:  # a user's view may not be safe in several threads
            return 1, available if self.macs * self.view_rows >= ONE_THREAD_MACS else 1
        if len(passes) >= FEWEST_SHARED_PASSES:
            return available, 1
        large = self.macs * passes.rows_at(0) >= ONE_THREAD_MACS
        sizes = {passes.rows_at(start) for start in passes.starts} if large else ()
        alike = large and all(self.rounds_alike(rows, available) for rows in sizes)
        return 1, available if alike else 1

    def rows_for(self, n: int) -> int:
        """Return the smallest size for `n` samples that rounds as the full one does."""
        rows = 1 << (n - 1).bit_length()
        while rows < self.chunk and not self.rounds_alike(rows):
            rows *= 2
        return rows

    def rounds_alike(self, rows: int, threads: int = 1) -> bool:
        """Return whether passes of `rows` samples round as a full pass does."""
        key = (self.kind, self.chunk, rows, threads)
        alike = _round_alike.get(key)
        if alike is None:
            alike = _same_bits(self.module, self.sample_shape, self.chunk, rows, threads)
            if len(_round_alike) >= MOST_CACHED:
                _round_alike.clear()
            _round_alike[key] = alike
        return alike


def _settings(part: nn.Module) -> Hashable:
    """Return a module's type, settings and shapes, without its weights' values."""
    plain = (bool, int, float, str, tuple)
    settings = [(k, repr(v)) for k, v in vars(part).items() if isinstance(v, plain)]
    weights = [(p.shape, p.stride()) for p in part.parameters(recurse=False)]
    return type(part), *(s for s in settings if s[0] not in ("training", "momentum")), *weights


def _measure(module: ConvNet, sample_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the most values in a layer's output and the multiply-accumulates of a sample."""
    sizes, macs = [prod(sample_shape)], [0]

    def watch(leaf: nn.Module, out: Tensor) -> None:
        sizes.append(out.numel())
        if isinstance(leaf, CONVOLUTIONS):
            macs.append(out.numel() * leaf.weight[0].numel())
        elif isinstance(leaf, nn.Linear):
            macs.append(leaf.weight.numel())

    with torch.inference_mode():
        prediction_network(module, [], watch)(torch.zeros(1, *sample_shape))
    return max(sizes), sum(macs)


def _power_of_two(most: int) -> int:
    return 1 << (min(max(most, 1), MOST_ROWS).bit_length() - 1)


def _same_bits(
    module: ConvNet, sample_shape: tuple[int, ...], chunk: int, rows: int, threads: int = 1
) -> bool:
    """Return whether passes of `rows` round as those of `chunk` on one thread, by layer.

    Kernels do the same arithmetic whatever the numbers are. Two orders of summation of
    random numbers, in thousands of sums, do not agree by chance. The network's own weights
    might, where they are zeros, so random ones are drawn.
    """
    generator = torch.Generator().manual_seed(0)
    full: list[Tensor] = []
    watch: list[Callable[[Tensor], object]] = []  # what the output of each layer is given to

    def give(_: nn.Module, out: Tensor) -> None:
        watch[0](out)

    network = prediction_network(redrawn(module, generator), [], give)

    def alike(batch: Tensor, expected: Callable[[Tensor], Tensor]) -> bool:
        same, layers = True, iter(full)

        def compare(out: Tensor) -> None:
            nonlocal same
            same = same and torch.equal(out, expected(next(layers)))

        watch[:] = [compare]  # one layer after another, to keep the outputs of one pass only
        network(batch)
        return same

    batch = torch.randn((chunk, *sample_shape), generator=generator)
    with torch_threads(1, 0):
        watch[:] = [lambda out: full.append(out.clone())]  # a copy: steps may work in place
        network(batch)
        same = alike(batch.flip(0), lambda out: out.flip(0))
    with torch_threads(threads, 0):
        for end in (slice(0, rows), slice(chunk - rows, chunk)):
            same = same and alike(batch[end], operator.itemgetter(end))
    return same


def redrawn(module: ConvNet, generator: torch.Generator) -> ConvNet:
    """Return a copy with random weights."""
    drawn = copy.deepcopy(module)
    for p in drawn.parameters():
        p.data.normal_(std=prod(p.shape[1:]) ** -0.5, generator=generator)
    for name, buffer in drawn.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0, generator=generator)
        else:
            buffer.normal_(generator=generator)
    return drawn
