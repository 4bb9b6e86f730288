"""Forward passes for prediction, side by side, whose results are batch-independent.

A sample's outputs are the same bits whatever other samples are predicted with it. The steps
round alike for any number of samples where they can, and only sizes of passes are used that
were found to round alike.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from skcnn._data.images import Images, padded_rows
from skcnn._network.network import ConvNet
from skcnn._network.pass_sizes import MOST_BYTES, OneSize, Passes, SizesThatRoundAlike
from skcnn._network.prediction_steps import (
    FoldedConvolution,
    has_prediction_steps,
    prediction_network,
)
from skcnn._utils.compat import submodules_of
from skcnn._utils.device import copied_to, predict_chunk
from skcnn._utils.out_of_memory import Halving
from skcnn._utils.threads import torch_threads
from skcnn.layers._steps import Step

View = Callable[[Tensor], Tensor]


class Predictor:
    """Computes a network's outputs for images; they are batch-independent to the bit.

    Weights are read when they are used, or compared, so that it follows any change of them.
    On other devices than the CPU, and for a network with modules that have no prediction
    steps, all passes have one size and run the module itself. A pass for which there is too
    little memory is computed in halves, with a warning.

    Parameters
    ----------
    module : nn.Module
        The network, not copied.
    sample_shape : tuple of int
        One sample, ``(n_channels, *spatial)``.
    device : torch.device
        Where the network is.
    most_bytes : int, default=MOST_BYTES
        Size of the largest activation of a pass, if the network runs by its prediction steps.
    whole : Predictor or None, default=None
        Predicts with a network of which `module` is a part. The part computes in passes of the
        same sizes and, if the whole does, by its steps: one part after another gives the same bits.

    Attributes
    ----------
    has_steps : bool
        Whether the network runs by its prediction steps.
    sizes : OneSize
        The sizes of passes.
    """

    def __init__(
        self,
        module: nn.Module,
        sample_shape: tuple[int, ...],
        device: torch.device,
        most_bytes: int = MOST_BYTES,
        whole: "Predictor | None" = None,
    ) -> None:
        self.module = module
        self.parts = list(module.modules())
        self.inside = submodules_of(self.parts)
        self.device = device
        can_step = has_prediction_steps(self.parts, device)
        self.has_steps: bool = can_step if whole is None else whole.has_steps
        self.folded: list[FoldedConvolution] = []
        self.network: Step = module
        if self.has_steps:
            self.network = prediction_network(cast(ConvNet, module), self.folded)
        self.sizes: OneSize
        if whole is not None:
            self.sizes = whole.sizes
        elif not self.has_steps:
            self.sizes = OneSize(predict_chunk(device, sample_shape))
        else:
            how = (sample_shape, self.parts, most_bytes)
            self.sizes = SizesThatRoundAlike(cast(ConvNet, module), *how)

    def fits(self, module: nn.Module, device: torch.device) -> bool:
        """Return whether `module` is still made as it was when this was built."""
        return (
            module is self.module
            and device == self.device
            and submodules_of(self.parts) == self.inside
            and has_prediction_steps(self.parts, device) == self.has_steps
        )

    def outputs(
        self, images: Images, views: Sequence[View] = (), finish: View | None = None
    ) -> Tensor:
        """Return the outputs for all `images`, averaged with those for their `views`.

        Returns
        -------
        Tensor of shape (n_samples, n_outputs)
            With `finish`, what it returns for the outputs of each pass, joined. Outputs are
            then kept for one pass a worker only.

        Raises
        ------
        OutOfMemoryError
            If there is too little memory for one sample.
        """
        halving = Halving(self.device, "the network's outputs")
        outputs = self._outputs(images, views, finish, halving)
        halving.warn()
        return outputs

    def _outputs(
        self, images: Images, views: Sequence[View], finish: View | None, halving: Halving
    ) -> Tensor:
        with torch.inference_mode(), _evaluating(self.module, not self.has_steps):
            for convolution in self.folded:
                convolution.refresh()
            passes = self.sizes.passes(len(images), bool(views))
            workers, threads = self.sizes.workers_and_threads(passes, bool(views))
            run = partial(self._run, images, views, finish, passes, halving)
            with torch_threads(threads, 0):
                first = run(0)
                if len(passes) == 1:  # a user's module may return a tensor that it keeps
                    return first if self.has_steps else first.clone()
                # preallocated: small tensors kept between large ones that are freed
                # fragment the heap
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
                with torch.inference_mode():  # each thread has modes of its own
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

    def _run(
        self,
        images: Images,
        views: Sequence[View],
        finish: View | None,
        passes: Passes,
        halving: Halving,
        start: int,
    ) -> Tensor:
        """Return the outputs of the pass that begins at sample `start`."""
        n = min(passes.chunk, passes.n - start)
        rows = images.part(start, start + n)

        def compute(first: int, n: int, n_rows: int) -> Tensor:
            padded = padded_rows(rows[first : first + n], n_rows)
            batch = images.as_batch(copied_to(padded, self.device))
            total = self.network(batch)
            for view in views:
                total = total + self.network(view(batch))
            mean = total[:n] / (1 + len(views)) if views else total[:n]
            return mean if finish is None else finish(mean)

        parts = halving.run(compute, 0, n, passes.rows_at(start))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


@contextmanager
def _evaluating(module: nn.Module, evaluate: bool) -> Iterator[None]:
    """Put `module` in evaluation mode inside the block if `evaluate`, and back afterwards.

    The modules inside of it may have different modes.
    """
    if not evaluate:
        yield
        return
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in before:
            part.training = mode
