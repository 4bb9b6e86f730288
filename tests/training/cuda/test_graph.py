"""How a CUDA graph is recorded: the calls of torch, which are not run here."""

from contextlib import contextmanager

import pytest
import torch

from skcnn._training.cuda.graph import GraphCapture


class Stream:
    def __init__(self, calls):
        self.calls = calls

    def wait_stream(self, other):
        self.calls.append("wait")


@pytest.fixture
def calls(monkeypatch):
    """What is asked of torch.cuda, in order."""
    done = []

    class Graph:
        def register_generator_state(self, generator):
            done.append(("generator", generator))

        def replay(self):
            done.append("replay")

    @contextmanager
    def block(name):
        done.append(f"{name} begins")
        yield
        done.append(f"{name} ends")

    def graph(graph, stream, capture_error_mode):
        assert isinstance(graph, Graph)
        assert isinstance(stream, Stream)
        return block(f"capture {capture_error_mode}")

    monkeypatch.setattr(torch.cuda, "device", lambda device: block(str(device)))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream(done))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream(done))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: block("stream"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    return done


def test_a_graph_is_warmed_up_beside_and_then_recorded(calls):
    generator = torch.Generator()
    capture = GraphCapture(torch.device("cuda:1"), [generator])
    result = [torch.ones(2)]

    def closure():
        calls.append("compute")
        return result

    assert capture.record(closure) is result
    capture.replay()
    assert calls == [
        "cuda:1 begins", "wait", "stream begins", "compute", "stream ends", "wait",
        ("generator", generator), "capture thread_local begins", "compute",
        "capture thread_local ends", "cuda:1 ends", "replay",
    ]  # fmt: skip
