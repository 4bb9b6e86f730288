"""Padded maps: each signal gets what it gets alone."""

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from skcnn._network.padded import Ends, Padded, run_padded
from skcnn._network.padded_norm import normalize_batch
from skcnn.layers import Conv, Flatten, Normalize, Pool
from skcnn.layers._normalization import BatchNorm
from skcnn.layers._sequence import build_sequence, length_after, trace
from tests.helpers.series import LAYERS

LENGTHS = (5, 17, 8, 20, 11)
each_layer = pytest.mark.parametrize("name", LAYERS)


def call(module, x):
    return module(x)


def built(layers, length=20):
    """Return the module of layers on four channels, with drawn weights and statistics."""
    module = build_sequence(trace([*layers, Flatten()], (4, length))[:-1], is_signal=True)
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape) + 0.5 if tensor.dim() < 2 else tensor.normal_())
    return module


def batch(garbage=1e3):
    """Return padded maps with large numbers in the padding."""
    values = torch.full((len(LENGTHS), 4, 1, max(LENGTHS)), garbage)
    generator = torch.Generator().manual_seed(1)
    for row, length in zip(values, LENGTHS, strict=True):
        row[..., :length] = torch.randn((4, 1, length), generator=generator)
    ends = Ends(torch.tensor(LENGTHS), max(LENGTHS))
    return Padded(values.to(memory_format=torch.channels_last), ends, is_zero=False)


@each_layer
def test_each_signal_gets_what_it_gets_alone(name):
    module, x = built(LAYERS[name]).eval(), batch()
    with torch.no_grad():
        together = run_padded(module, x, call)
        for i, length in enumerate(LENGTHS):
            alone = module(x.values[i : i + 1, :, :, :length])[0]
            if isinstance(together, Padded):
                found = length_after(LAYERS[name], length, (4, max(LENGTHS)))
                assert together.ends.lengths[i] == alone.shape[-1] == found
                got = together.zeroed[i, :, :, : alone.shape[-1]]
                assert not together.zeroed[i, :, :, alone.shape[-1] :].any()
            else:
                got = together[i]
            torch.testing.assert_close(got, alone, rtol=1e-4, atol=1e-5)


@each_layer
def test_no_gradient_comes_from_the_padding(name):
    module, x = built(LAYERS[name]), batch()
    values = x.values.clone().requires_grad_()
    result = run_padded(module, x.like(values, is_zero=False), call)
    total = result.zeroed if isinstance(result, Padded) else result
    total.square().sum().backward()
    assert torch.isfinite(values.grad).all()
    for row, length in zip(values.grad, LENGTHS, strict=True):
        assert not row[..., length:].any()
    assert values.grad.any()


def test_batch_statistics_are_those_of_the_places_without_padding():
    x, norm = batch(), BatchNorm(4, momentum=0.3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0, 0.5]))
    expected = copy.deepcopy(norm)
    places = [x.values[i, :, 0, :n] for i, n in enumerate(LENGTHS)]
    joined = torch.cat(places, 1)[None].clone().requires_grad_()  # all signals one after another
    values = x.values.clone().requires_grad_()
    result = run_padded(norm, x.like(values, is_zero=False), call)
    alone = expected(joined)
    got = torch.cat([result.values[i, :, 0, :n] for i, n in enumerate(LENGTHS)], 1)
    torch.testing.assert_close(got, alone[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_mean, expected.running_mean)
    torch.testing.assert_close(norm.running_var, expected.running_var)
    factors = torch.randn(alone.shape, generator=torch.Generator().manual_seed(2))
    (alone * factors).sum().backward()
    (got * factors[0]).sum().backward()
    grads = torch.cat([values.grad[i, :, 0, :n] for i, n in enumerate(LENGTHS)], 1)
    torch.testing.assert_close(grads, joined.grad[0], rtol=1e-3, atol=1e-5)
    for name in ("weight", "bias"):
        torch.testing.assert_close(
            getattr(norm, name).grad, getattr(expected, name).grad, rtol=1e-4, atol=1e-4
        )


def test_batch_statistics_of_a_single_value_are_not_used():
    norm = BatchNorm(2)
    values = torch.tensor([[3.0, 9.0], [5.0, 9.0]]).view(1, 2, 1, 2)
    got = normalize_batch(norm, values, torch.tensor([1.0, 0.0]).view(1, 1, 1, 2), 1)
    assert torch.equal(got, F.batch_norm(values, torch.zeros(2), torch.ones(2), eps=norm.eps))
    assert torch.equal(norm.running_mean, torch.zeros(2))


def test_fixed_statistics_do_not_change():
    norm = BatchNorm(4)
    norm.is_fixed = True
    run_padded(norm, batch(), call)
    assert torch.equal(norm.running_var, torch.ones(4))


@pytest.mark.parametrize("kind", ["max", "average"])
def test_a_signal_shorter_than_a_window_is_pooled_as_a_whole(kind):
    module, x = built([Pool(6, kind=kind)], length=20), batch()
    result = run_padded(module, x, call)
    assert result.ends.lengths.tolist() == [1, 2, 1, 3, 1]
    first = x.values[0, :, 0, :5]
    expected = first.amax(1) if kind == "max" else first.mean(1)
    torch.testing.assert_close(result.values[0, :, 0, 0], expected)
    narrow = Padded(x.values[:1, :, :, :5], Ends(torch.tensor([5]), 5), is_zero=False)
    torch.testing.assert_close(run_padded(module, narrow, call).values[0, :, 0, 0], expected)


def test_values_in_bfloat16_stay_in_it():
    module = built([Normalize(), Normalize(kind="group", groups=2)])
    x = batch()
    result = run_padded(module, x.like(x.values.bfloat16(), is_zero=False), call)
    assert result.values.dtype == torch.bfloat16


@pytest.mark.parametrize("stride", [1, 2])
def test_signals_shorter_than_the_gaps_between_a_kernels_elements(stride):
    layers = [Conv(3, 2, dilation=4, padding=2, stride=stride)]
    module = built(layers).eval()
    values = torch.randn((2, 4, 1, 2), generator=torch.Generator().manual_seed(1))
    ends = Ends(torch.tensor([1, 2]), 2)
    with torch.no_grad():
        found = run_padded(module, Padded(values, ends, is_zero=False), call)
        weight, bias = (p.double() for p in module.parameters())
        for i, length in enumerate((1, 2)):
            padded = F.pad(values[i : i + 1, :, :, :length].double(), (2, 2))
            expected = F.conv2d(padded, weight, bias, stride=(1, stride), dilation=(1, 4))[0]
            assert found.ends.lengths[i] == expected.shape[-1]
            got = found.values[i, :, :, : expected.shape[-1]]
            torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-5)
