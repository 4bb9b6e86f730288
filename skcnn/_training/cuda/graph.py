"""A computation that is recorded once and replayed, as a CUDA graph."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

Closure = Callable[[], list[Tensor]]


class Capture(Protocol):
    """What can record a computation.

    Attributes
    ----------
    rate_dtype : torch.dtype
        Of learning rates on the device, as the fused kernels of its optimizers need it.
    """

    rate_dtype: torch.dtype

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator]) -> None: ...

    def record(self, closure: Closure) -> list[Tensor]:
        """Record what `closure` computes, and return the tensors that each replay writes."""

    def replay(self) -> None:
        """Compute it again, from what is in the same memory now."""


class GraphCapture:
    """A CUDA graph of a computation.

    Parameters
    ----------
    device : torch.device
        The CUDA device.
    generators : sequence of torch.Generator
        What the computation draws from, besides torch's default generator of the device. Each
        replay draws anew, as a computation without a graph would.
    """

    rate_dtype = torch.float32

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator]) -> None:
        self.device = device
        self.generators = generators
        self._graph: Any = None

    def record(self, closure: Closure) -> list[Tensor]:
        """Run `closure` once to warm up, then record it without running it.

        Raises
        ------
        RuntimeError
            If it does what a graph cannot hold, such as reading a value from the device.
        """
        with torch.cuda.device(self.device):
            stream = torch.cuda.Stream()  # libraries take memory at the first call on a stream
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                closure()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            for generator in self.generators:
                graph.register_generator_state(generator)
            # other threads may use CUDA meanwhile
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                outputs = closure()
            self._graph = graph
        return outputs

    def replay(self) -> None:
        """Compute what was recorded."""
        self._graph.replay()
