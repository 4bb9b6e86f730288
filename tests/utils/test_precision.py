"""The autocast type by name, processor and size of the network."""

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn._utils.precision import BFLOAT16_MACS, bfloat16_agrees, resolve_precision

CPU = torch.device("cpu")
LARGE = 10**12


@pytest.mark.parametrize(
    ("precision", "macs", "native", "expected"),
    [
        ("float32", LARGE, True, None),
        ("float32", 0, False, None),
        ("bfloat16", 0, False, torch.bfloat16),
        ("bfloat16", LARGE, True, torch.bfloat16),
        ("auto", LARGE, True, torch.bfloat16),
        ("auto", BFLOAT16_MACS, True, torch.bfloat16),
        ("auto", BFLOAT16_MACS - 1, True, None),
        ("auto", LARGE, False, None),
        ("auto", 0, False, None),
    ],
)
def test_precision_table(monkeypatch, precision, macs, native, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert resolve_precision(precision, CPU, macs) is expected


def test_auto_precision_is_float32_if_torch_has_no_checks(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert resolve_precision("auto", CPU, LARGE) is None


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((7, 5), None), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_auto_precision_on_cuda_depends_on_the_capability(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr("skcnn._utils.precision.bfloat16_agrees", lambda device: True)
    assert resolve_precision("auto", torch.device("cuda"), LARGE) is expected


def test_bfloat16_agrees_with_float32_here_without_moving_random_state():
    state = torch.get_rng_state()
    assert bfloat16_agrees.__wrapped__(CPU)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("wrong", [float("nan"), 0.0, 2.0])
def test_auto_precision_is_float32_where_bfloat16_kernels_are_wrong(monkeypatch, wrong):
    def gradients(images, weights, device, low):
        return tuple(w * wrong if low else w for w in weights)

    monkeypatch.setattr("skcnn._utils.precision._small_gradients", gradients)
    assert not bfloat16_agrees.__wrapped__(CPU)
    monkeypatch.setattr("skcnn._utils.precision._multiplies_bfloat16", lambda device: True)
    monkeypatch.setattr("skcnn._utils.precision.bfloat16_agrees", bfloat16_agrees.__wrapped__)
    assert resolve_precision("auto", CPU, LARGE) is None
    assert resolve_precision("bfloat16", CPU, LARGE) is torch.bfloat16


def test_auto_precision_on_mps_is_float32():
    assert resolve_precision("auto", torch.device("mps"), LARGE) is None


@pytest.mark.parametrize("depth", [1, 2])
def test_volumes_of_small_depth_train_on_the_cpu(monkeypatch, depth):
    # torch's bfloat16 convolutions over volumes give NaN there
    monkeypatch.setattr("skcnn._utils.precision._multiplies_bfloat16", lambda device: True)
    assert resolve_precision("auto", CPU, LARGE, n_axes=3) is None
    X = np.random.default_rng(0).normal(size=(400, depth, 8, 8, 1))
    model = ConvNetClassifier(max_epochs=1, random_state=0).fit(X, np.arange(400) % 2)
    assert np.isfinite(model.history_["train_loss"]).all()
