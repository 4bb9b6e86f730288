"""Forward passes for prediction: normalisation folded, few sizes of batches, a core for each.

Knows no estimator and no engine. A sample's outputs are the same bits in any company.
oneDNN's convolutions round alike for any number of samples, unlike what ``torch.conv2d``
chooses by that number, so they are called directly; other layers that round by the number
are given enough values. Before a size of batch is used at all, it is tried (`_same_bits`);
a size that differs is never used.
"""

import copy
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from skcnn._device import ONE_THREAD_MACS, predict_chunk, torch_threads
from skcnn._images import Images, padded_rows
from skcnn._inference_steps import (
    ELEMENTWISE,
    FoldedConvolution,
    Step,
    convolves,
    prediction_network,
)
from skcnn._modules import (
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
from skcnn._network import ConvNet
from skcnn._pair_pooling import MaxPoolByPairs

# The largest activation of a pass stays near the second-level cache. Images a second on one
# thread, for 8, 16, 32 and 128 samples a pass: 28x28 17,800, 19,100, 14,000, 6,800; 32x32x3
# with 64 filters 2,600, 1,540, 1,330, 1,240; 8x8 69,000, 107,000, 145,000, 202,000.
MOST_BYTES, MOST_ROWS = 2**21, 256
VIEW_ROWS = 32  # a view's own rounding may follow the number of rows: one size
FEWEST_SHARED_PASSES = 4  # starting threads takes as long as a pass or two
MOST_WAITING = 1024  # a pass that waits takes 2 KB

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
        self.inside = [tuple(part._modules.values()) for part in self.parts]
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
            and all(
                tuple(part._modules.values()) == inside
                for part, inside in zip(self.parts, self.inside, strict=True)
            )
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
        run = partial(self._run, images, views)
        with _plain_mode(self.device), _evaluating(self.module, not self.known):
            for convolution in self.folded:
                convolution.refresh()
            passes = list(self._passes(len(images), one_size=bool(views)))
            workers, threads = self._share(passes, bool(views))
            with torch_threads(threads, 0):
                if workers == 1:
                    return _joined((run(*each) for each in passes), len(images))
                with ThreadPoolExecutor(workers, initializer=_one_thread) as pool:
                    waiting = (
                        pool.map(run, *zip(*passes[i : i + MOST_WAITING], strict=True))
                        for i in range(0, len(passes), MOST_WAITING)
                    )
                    return _joined(chain.from_iterable(waiting), len(images))

    def _share(self, passes: Sequence[tuple[int, int, int]], has_views: bool) -> tuple[int, int]:
        """Return how many passes run at a time, and the threads of each."""
        available = torch.get_num_threads()
        if not self.known or available == 1:
            return 1, available
        if has_views:  # of which a user's may not bear company
            return 1, available if self.macs * VIEW_ROWS >= ONE_THREAD_MACS else 1
        if len(passes) >= FEWEST_SHARED_PASSES:
            return available, 1
        large = self.macs * passes[0][2] >= ONE_THREAD_MACS
        alike = large and all(self._may_have(rows, available) for _, _, rows in passes)
        return 1, available if alike else 1

    def _passes(self, n: int, one_size: bool) -> Iterator[tuple[int, int, int]]:
        """Yield the first sample of each pass, the one after the last, and the rows."""
        chunk = max(self.chunk, VIEW_ROWS) if one_size else self.chunk
        for start in range(0, n, chunk):
            stop = min(start + chunk, n)
            fixed = one_size or not self.known or stop - start == chunk
            yield start, stop, chunk if fixed else self._rows_for(stop - start)

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

    def _run(
        self, images: Images, views: Sequence[View], start: int, stop: int, rows: int
    ) -> Tensor:
        with _plain_mode(self.device):  # each thread has modes of its own
            batch = images.as_batch(padded_rows(images.part(start, stop), rows).to(self.device))
            total = self.network(batch)
            for view in views:
                total = total + self.network(view(batch))
            return total[: stop - start] / (1 + len(views)) if views else total[: stop - start]


def _joined(parts: Iterable[Tensor], n: int) -> Tensor:
    """Return the `n` outputs of all `parts`, each copied as it comes.

    Small tensors that are kept between large ones that go leave holes in the heap: 3 GB of
    them for 8 GiB of images.
    """
    stop = 0
    for part in parts:
        if stop == 0:
            outputs = part.new_empty((n, *part.shape[1:]))
        start, stop = stop, stop + len(part)
        outputs[start:stop] = part
    return outputs


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
        and all(
            type(part) in _KNOWN
            and "forward" not in vars(part)
            and not part._forward_hooks
            and not part._forward_pre_hooks
            and all(p is None or p.dtype == torch.float32 for p in part._parameters.values())
            and _is_plain(part)
            for part in parts
        )
    )


def _is_plain(part: nn.Module) -> bool:
    """Return whether a layer, which a user may have put there, has no other settings."""
    if isinstance(part, nn.Conv2d | nn.Conv3d):
        return part.padding_mode == "zeros" and not isinstance(part.padding, str)
    return not isinstance(part, nn.GELU) or part.approximate == "none"


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
        if convolves(leaf):
            macs.append(out.numel() * cast(Tensor, leaf.weight)[0].numel())
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


def _one_thread() -> None:
    torch.set_num_threads(1)


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
