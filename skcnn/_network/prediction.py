"""Forward passes for prediction: normalisation folded, few sizes of batches, a core for each.

Knows no estimator and no engine. A sample's outputs are the same bits in any company.
oneDNN's convolutions round alike for any number of samples, unlike what ``torch.conv2d``
chooses by that number, so they are called directly; other layers that round by the number
are given enough values. Before a size of batch is used at all, it is tried (`_same_bits`);
a size that differs is never used.
"""

import copy
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from skcnn._data.images import Images, padded_rows
from skcnn._network.modules import (
    BatchNorm,
    ByteDropout,
    ChannelsLastFlatten,
    GlobalPooling,
    GroupNorm,
    Pad,
    PaddedAveragePool,
    ParallelBranches,
    ResidualBlock,
    Standardize,
    WhiteningConv2d,
    WhiteningConv3d,
)
from skcnn._network.network import ConvNet
from skcnn._network.pair_pooling import MaxPoolByPairs
from skcnn._network.prediction_steps import (
    CONVOLUTIONS,
    ELEMENTWISE,
    FoldedConvolution,
    Step,
    prediction_network,
)
from skcnn._utils.device import ONE_THREAD_MACS, predict_chunk, torch_threads

# The largest activation of a pass stays near the second-level cache. Images a second on two
# threads, for 8, 16, 32, 64 and 128 samples a pass: 28x28 with 32 filters 16,700, 23,900,
# 24,700, 24,200, 23,600; 32x32x3 with 64 filters 9,100, 10,000, 9,500, 9,200, 6,800; 8x8
# 48,000, 81,000, 125,000, 191,000, 240,000.
MOST_BYTES, MOST_ROWS = 2**22, 256
VIEW_ROWS = 32  # a view's own rounding may follow the number of rows: one size
FEWEST_SHARED_PASSES = 4  # starting threads takes as long as a pass or two

View = Callable[[Tensor], Tensor]
_EXACT: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}  # whatever the defaults are

_AS_THEY_ARE = (
    *(nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d),
    MaxPoolByPairs,
    *(
        WhiteningConv2d,
        WhiteningConv3d,
        Standardize,
        GroupNorm,
        Pad,
        PaddedAveragePool,
        GlobalPooling,
        ChannelsLastFlatten,
    ),
)
_MODULES: Any = torch.nn.modules.module  # where hooks of all modules are
_verdicts: dict[Hashable, bool] = {}  # whether a kind of network rounds alike for a size
MOST_VERDICTS = 1000


class Predictor:
    """A network's way from images to outputs, the same bits for a sample in any company.

    Weights are read when they are used, or compared, so that it follows any change of them.
    On other devices than the CPU, and for a user's module, whose layers are unknown, all
    passes have one size and run the module itself.

    Parameters
    ----------
    module : nn.Module
        The network, not copied.
    sample_shape : tuple of int
        One sample, ``(n_channels, *spatial)``.
    device : torch.device
        Where the network is.

    Attributes
    ----------
    chunk : int
        Number of samples in a full pass; smaller ones have a power of two.
    """

    def __init__(
        self, module: nn.Module, sample_shape: tuple[int, ...], device: torch.device
    ) -> None:
        self.module = module
        self.sample_shape = sample_shape
        self.parts = list(module.modules())
        self.inside = [[*part._modules.values()] for part in self.parts]
        self.device = device
        self.known = _is_known(self.parts, device)
        self.folded: list[FoldedConvolution] = []
        self.network: Step = module
        self.chunk = predict_chunk(device)
        self.macs = ONE_THREAD_MACS
        if self.known:
            self.network = prediction_network(cast(ConvNet, module), self.folded)
            largest, self.macs = _measure(cast(ConvNet, module), sample_shape)
            self.chunk = _power_of_two(MOST_BYTES // (4 * largest))
            acting = (part for part in self.parts if not isinstance(part, ByteDropout))
            self.kind = (*map(_settings, acting), sample_shape)

    def fits(self, module: nn.Module, device: torch.device) -> bool:
        """Return whether `module` is still made as it was when this was built."""
        return (
            module is self.module
            and device == self.device
            and [[*part._modules.values()] for part in self.parts] == self.inside
            and _is_known(self.parts, device) == self.known
        )

    def outputs(self, images: Images, views: Sequence[View] = ()) -> Tensor:
        """Return the outputs for all `images`, averaged with those for their `views`.

        Many passes run side by side, each on one of torch's threads; a few large ones run
        on all of them where that gives the same bits.

        Returns
        -------
        Tensor of shape (n_samples, n_outputs)
        """
        with _plain_mode(self.device), _evaluating(self.module, not self.known):
            for convolution in self.folded:
                convolution.refresh()
            passes = self._passes(len(images), bool(views))
            workers, threads = self._share(passes, bool(views))
            run = partial(self._run, images, views, passes)
            with torch_threads(threads, 0):
                first = run(0)
                if len(passes) == 1:  # a user's module may give what is its own
                    return first if self.known else first.clone()
                # written to as they come: small tensors kept between large ones that go
                # leave holes in the heap, 3 GB of them for 8 GiB of images
                outputs = first.new_empty((len(images), *first.shape[1:]))
                outputs[: len(first)] = first
                self._work(run, outputs, passes.starts[1:], workers)
            return outputs

    def _work(
        self, run: Callable[[int], Tensor], outputs: Tensor, starts: range, workers: int
    ) -> None:
        """Write the outputs of the passes at `starts`; each worker takes the next one left."""
        workers = min(workers, len(starts))
        left = iter(starts)  # all workers': next() is one step under the interpreter's lock

        def work() -> None:
            for start in left:
                part = run(start)
                outputs[start : start + len(part)] = part

        def work_beside() -> None:
            torch.set_num_threads(1)
            try:
                with _plain_mode(self.device):  # each thread has modes of its own
                    work()
            finally:
                deque(left, maxlen=0)  # after an error no worker begins another pass

        if workers == 1:
            work()
            return
        with ThreadPoolExecutor(workers - 1) as pool:
            try:
                others = [pool.submit(work_beside) for _ in range(workers - 1)]
                work()
            finally:
                deque(left, maxlen=0)
        while others:  # taken out: an error that is kept keeps this frame
            others.pop().result()

    def _share(self, passes: "_Passes", has_views: bool) -> tuple[int, int]:
        """Return how many passes run at a time, and the threads of each."""
        available = torch.get_num_threads()
        if not self.known or available == 1:
            return 1, available
        if has_views:  # of which a user's may not bear company
            return 1, available if self.macs * VIEW_ROWS >= ONE_THREAD_MACS else 1
        if len(passes) >= FEWEST_SHARED_PASSES:
            return available, 1
        large = self.macs * passes.rows_at(0) >= ONE_THREAD_MACS
        sizes = {passes.rows_at(start) for start in passes.starts} if large else ()
        alike = large and all(self._may_have(rows, available) for rows in sizes)
        return 1, available if alike else 1

    def _passes(self, n: int, one_size: bool) -> "_Passes":
        """Return how `n` samples are divided; where sizes may not differ, with `one_size`."""
        chunk = max(self.chunk, VIEW_ROWS) if one_size else self.chunk
        left = n % chunk
        fixed = one_size or not self.known or left == 0
        return _Passes(n, chunk, chunk if fixed else self._rows_for(left))

    def _rows_for(self, n: int) -> int:
        """Return the smallest size for `n` samples that rounds as the full one does."""
        rows = 1 << (n - 1).bit_length()
        while rows < self.chunk and not self._may_have(rows):
            rows *= 2
        return rows

    def _may_have(self, rows: int, threads: int = 1) -> bool:
        precision = torch.get_float32_matmul_precision()
        key = (self.kind, self.chunk, rows, threads, precision)
        verdict = _verdicts.get(key)
        if verdict is None:
            module = cast(ConvNet, self.module)
            verdict = _same_bits(module, self.sample_shape, self.chunk, rows, threads)
            if len(_verdicts) >= MOST_VERDICTS:
                _verdicts.clear()
            _verdicts[key] = verdict
        return verdict

    def _run(self, images: Images, views: Sequence[View], passes: "_Passes", start: int) -> Tensor:
        n = min(passes.chunk, passes.n - start)
        rows = padded_rows(images.part(start, start + n), passes.rows_at(start))
        batch = images.as_batch(rows.to(self.device))
        total = self.network(batch)
        for view in views:
            total = total + self.network(view(batch))
        return total[:n] / (1 + len(views)) if views else total[:n]


@dataclass(frozen=True)
class _Passes:
    """How `n` samples are divided: `chunk` a pass; what is left is padded to `last` rows."""

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


# What is known of a network


_KNOWN = frozenset(
    (
        *(ConvNet, nn.Sequential, nn.ModuleList, nn.Identity, nn.Conv2d, nn.Conv3d, nn.Linear),
        *(ByteDropout, BatchNorm, ResidualBlock, ParallelBranches, *ELEMENTWISE, *_AS_THEY_ARE),
    )
)


def _is_known(parts: Sequence[nn.Module], device: torch.device) -> bool:
    """Return whether all modules are the package's own, as it made them."""
    return bool(
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and type(parts[0]) is ConvNet
        and not _MODULES._global_forward_hooks
        and not _MODULES._global_forward_pre_hooks
        and all(map(_is_plain, parts))
    )


def _is_plain(part: nn.Module) -> bool:
    """Return whether a module is as the package makes it; a user may have put it there.

    Asked of all at every prediction: written for speed.
    """
    kind = type(part)
    if (
        kind not in _KNOWN
        or part._forward_hooks
        or part._forward_pre_hooks
        or "forward" in part.__dict__
    ):
        return False
    for p in part._parameters.values():
        if p is not None and p.dtype != torch.float32:
            return False
    if isinstance(part, CONVOLUTIONS):
        return part.padding_mode == "zeros" and not isinstance(part.padding, str)
    return kind is not nn.GELU or part.approximate == "none"


def _settings(part: nn.Module) -> Hashable:
    """Return what a module is, but for its weights."""
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

    with _plain_mode(torch.device("cpu")):
        prediction_network(module, [], watch)(torch.zeros(1, *sample_shape, **_EXACT))
    return max(sizes), sum(macs)


def _power_of_two(most: int) -> int:
    return 1 << (min(max(most, 1), MOST_ROWS).bit_length() - 1)


def _same_bits(
    module: ConvNet, sample_shape: tuple[int, ...], chunk: int, rows: int, threads: int = 1
) -> bool:
    """Return whether passes of `rows` round as those of `chunk` on one thread, by layer.

    Kernels do the same arithmetic whatever the numbers are. Two orders of summation of
    random numbers, in thousands of sums, do not agree by chance; weights at hand might,
    where they are zeros, so others are drawn.
    """
    seen: list[Tensor] = []
    generator = torch.Generator().manual_seed(0)
    network = prediction_network(_redrawn(module, generator), [], lambda _, out: seen.append(out))

    def layers(batch: Tensor) -> list[Tensor]:
        seen.clear()
        network(batch)
        return list(seen)

    batch = torch.randn((chunk, *sample_shape), generator=generator, **_EXACT)
    with torch_threads(1, 0):
        full = layers(batch)
        backwards = [out.flip(0) for out in layers(batch.flip(0))]
    alike = all(map(torch.equal, backwards, full))
    with torch_threads(threads, 0):
        for end in (slice(0, rows), slice(chunk - rows, chunk)):
            parts = [out[end] for out in full]
            alike = alike and all(map(torch.equal, layers(batch[end]), parts))
    return alike


def _redrawn(module: ConvNet, generator: torch.Generator) -> ConvNet:
    """Return a copy with random weights."""
    twin = copy.deepcopy(module)
    for p in twin.parameters():
        p.data.normal_(std=p[0].numel() ** -0.5, generator=generator)
    for name, buffer in twin.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0, generator=generator)
        else:
            buffer.normal_(generator=generator)
    return twin


@contextmanager
def _plain_mode(device: torch.device) -> Iterator[None]:
    """Compute without gradients, and in float32 whatever mode the caller is in."""
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        yield


@contextmanager
def _evaluating(module: nn.Module, wanted: bool) -> Iterator[None]:
    """Put `module` in evaluation mode inside the block, and back afterwards."""
    if not wanted:
        yield
        return
    before = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(before)
