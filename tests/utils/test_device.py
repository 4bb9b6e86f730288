"""Devices by name, and the size of a prediction chunk."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn._utils.device import predict_chunk, resolve_device

CPU = torch.device("cpu")


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_accelerator")
def test_auto_is_the_cpu_without_accelerator():
    assert resolve_device("auto") == CPU


def test_cpu_is_the_cpu():
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, False, "cuda"), (True, True, "cuda"), (False, True, "cpu"), (False, False, "cpu")],
)
def test_auto_takes_cuda_and_never_mps(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto").type == expected
    if mps:
        assert resolve_device("mps") == torch.device("mps")  # by name


@pytest.mark.parametrize("name", ["gpu", "CPU", "", "cuda:one", "tpu0"])
def test_unknown_device_is_named(name):
    with pytest.raises(ValueError, match=rf"must be 'auto', 'cpu', 'cuda'.* Got '{name}'"):
        resolve_device(name)


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3", "mps", "meta", "xpu"])
def test_missing_device_is_named(name):
    with pytest.raises(ValueError, match=rf"'device' parameter is '{name}', but .*device='cpu'"):
        resolve_device(name)


@pytest.mark.parametrize(("name", "there"), [("cuda", True), ("cuda:1", True), ("cuda:2", False)])
def test_numbered_device_must_exist(monkeypatch, name, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if there:
        assert resolve_device(name) == torch.device(name)
    else:
        with pytest.raises(ValueError, match="'cuda:2'"):
            resolve_device(name)


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize(("name", "match"), [("gpu", "Got 'gpu'"), ("cuda", "no such device")])
def test_estimator_names_a_wrong_device(name, match):
    model = ConvNetClassifier(device=name, max_epochs=1)
    with pytest.raises(ValueError, match=match):
        model.fit(np.eye(4), [0, 1, 0, 1])


GIB = 2**30


def fake_cuda(monkeypatch, n_bytes):
    """Let torch report a CUDA device of so many bytes, of which an unknown part is free."""
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=n_bytes)
    )
    return torch.device("cuda")


@pytest.mark.parametrize(
    ("shape", "on_cpu", "on_cuda"),
    [
        ((1, 28, 28), 32, 512),
        ((3, 64, 64), 32, 512),
        ((3, 128, 128), 32, 128),
        ((1, 16_384), 32, 128),
        ((3, 256, 256), 32, 32),
        ((3, 512, 512), 8, 8),
        ((1, 100_000), 16, 16),  # 20 fit
        ((1, 128, 128, 128), 1, 1),
        ((1_024, 128, 128), 4, 4),
        ((1, 10**8), 1, 1),
    ],
)
def test_chunk_is_small_on_the_cpu_and_for_large_samples(shape, on_cpu, on_cuda, monkeypatch):
    assert predict_chunk(CPU, shape) == on_cpu
    assert predict_chunk(fake_cuda(monkeypatch, 80 * GIB), shape) == on_cuda


@pytest.mark.parametrize(
    ("n_bytes", "small", "large"), [(4 * GIB, 512, 128), (2 * GIB, 512, 64), (GIB // 4, 128, 8)]
)
def test_chunk_follows_the_whole_memory_of_an_accelerator(n_bytes, small, large, monkeypatch):
    device = fake_cuda(monkeypatch, n_bytes)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: 1 / 0)  # what is free is not asked
    assert predict_chunk(device, (3, 32, 32)) == small
    assert predict_chunk(device, (3, 128, 128)) == large
