"""Devices by name, and the size of a prediction chunk."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn._utils import device as device_module
from skcnn._utils.device import (
    check_not_forked,
    copied_to,
    free_bytes,
    predict_chunk,
    resolve_device,
)

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
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
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
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    if there:
        assert resolve_device(name) == torch.device("cuda:0" if name == "cuda" else name)
    else:
        with pytest.raises(ValueError, match="'cuda:2'"):
            resolve_device(name)


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_cuda_without_a_number_is_the_current_device_of_the_thread_that_asks(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert resolve_device(name) == torch.device("cuda:3")


@pytest.fixture
def forked_from_cuda(monkeypatch):
    """What torch tells in a process that was forked after CUDA had started."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1 / 0)  # torch raises, too
    monkeypatch.setattr(device_module, "is_forked_from_cuda", lambda: True)


FORKED = r"this process was forked from one .*'loky' .*'spawn', or use device='cpu'"


@pytest.mark.usefixtures("forked_from_cuda")
@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_cuda_in_a_forked_process_is_refused_with_the_way_out(name):
    with pytest.raises(ValueError, match=FORKED):
        resolve_device(name)
    model = ConvNetClassifier(device=name, max_epochs=1)
    with pytest.raises(ValueError, match=FORKED):
        model.fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.usefixtures("forked_from_cuda")
def test_a_forked_process_can_use_the_cpu():
    assert resolve_device("cpu") == CPU
    check_not_forked(CPU)


def test_a_network_on_cuda_does_not_predict_in_a_forked_process(request):
    X = np.eye(4, dtype=np.float32)
    model = ConvNetClassifier(device="cpu", max_epochs=1, random_state=0).fit(X, [0, 1, 0, 1])
    model.net_.device = "cuda:0"
    request.getfixturevalue("forked_from_cuda")
    with pytest.raises(ValueError, match=f"'cuda:0', but {FORKED}"):
        model.predict(X)


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


def test_free_bytes_count_what_torch_keeps_for_later(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 25)
    assert free_bytes(torch.device("cuda:0")) == 55


@pytest.fixture
def copies(monkeypatch):
    """The copies between devices, which are recorded and not done."""
    done = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: done.append("pin") or self)
    monkeypatch.setattr(
        torch.Tensor,
        "to",
        lambda self, device, non_blocking=False: done.append((str(device), non_blocking)) or self,
    )
    return done


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cuda:0", ["pin", ("cuda:0", True)]),
        ("mps", [("mps", False)]),  # which would read memory that is freed
        ("cpu", [("cpu", False)]),
    ],
)
def test_copies_to_cuda_do_not_wait(copies, device, expected):
    copied_to(torch.zeros(3), torch.device(device))
    assert copies == expected


def test_what_is_on_the_device_is_not_pinned(copies):
    copied_to(torch.zeros(3, device="meta"), torch.device("cuda:0"))
    assert copies == [("cuda:0", False)]
