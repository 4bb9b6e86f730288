"""Dropout: rates, expectation, whole channels, memory order, random state."""

import copy
import pickle
from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn

from skcnn.layers import Dropout, StochasticDepth
from skcnn.layers._dropout import ByteDropout, SampleDropout, draw_in_compiled_graphs

DROPOUT_INPUTS = {
    "vectors": torch.ones(400, 200),
    "signals of height one": torch.ones(40, 20, 1, 100),
    "images": torch.ones(40, 20, 10, 10),
    "channels last": torch.ones(40, 20, 10, 10).to(memory_format=torch.channels_last),
    "volumes": torch.ones(40, 20, 4, 5, 5),
    "channels last volumes": torch.ones(40, 20, 4, 5, 5).to(memory_format=torch.channels_last_3d),
    "not dense": torch.ones(40, 20, 10, 20)[..., ::2],
    "odd number of values": torch.ones(7, 11, 31, 29),
}


@pytest.mark.parametrize("rate", [0, 0.0, 0.999, np.float32(0.25), np.float64(0.5)])
def test_dropout_accepts_any_real_rate_below_one(rate):
    assert Dropout(rate).rate == rate


@pytest.mark.parametrize("x", DROPOUT_INPUTS.values(), ids=DROPOUT_INPUTS)
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_zeroes_the_rate_and_preserves_the_expectation(rate, x):
    layer = ByteDropout(rate, channels=False)
    out = layer(x)
    p = round(rate * 256) / 256
    spread = sqrt(p * (1 - p) / x.numel())
    assert out.shape == x.shape
    assert abs((out == 0).float().mean().item() - p) < 5 * spread
    assert abs(out.double().mean().item() - 1) < 5 * spread / (1 - p)
    np.testing.assert_allclose(out.unique().numpy(), [0, 1 / (1 - p)], rtol=1e-6)


@pytest.mark.parametrize("x", DROPOUT_INPUTS.values(), ids=DROPOUT_INPUTS)
def test_channel_dropout_zeroes_whole_channels(x):
    out = ByteDropout(0.25, channels=True)(x)
    maps = out.flatten(2) if x.dim() > 2 else out[:, :, None]
    kept = maps[:, :, 0]
    assert torch.equal(maps, kept[:, :, None].expand_as(maps))
    spread = sqrt(0.25 * 0.75 / (x.shape[0] * x.shape[1]))
    assert abs((kept == 0).float().mean().item() - 0.25) < 5 * spread


@pytest.mark.parametrize("x", DROPOUT_INPUTS.values(), ids=DROPOUT_INPUTS)
@pytest.mark.parametrize("channels", [True, False])
def test_dropout_keeps_the_memory_order(channels, x):
    out = ByteDropout(0.5, channels)(x)
    dense = (x + 0).stride()
    assert out.stride() == dense


def test_dropout_multiplies_values_where_they_lie():
    x = torch.arange(1.0, 2 * 3 * 4 * 5 + 1).reshape(2, 3, 4, 5)
    for images in (x, x.to(memory_format=torch.channels_last)):
        out = ByteDropout(0.5, channels=False)(images)
        assert torch.all((out == 0) | (out == 2 * x))


def test_dropout_is_independent_between_neighbours():
    out = ByteDropout(0.5, channels=False)(torch.ones(100_000)[None])[0] / 2
    for lag in (1, 7, 8, 64):
        both = (out[:-lag] * out[lag:]).mean().item()
        assert abs(both - 0.25) < 5 * sqrt(0.25 * 0.75 / 100_000)


@pytest.mark.parametrize("channels", [True, False])
def test_dropout_is_the_identity_in_evaluation_and_at_rate_zero(channels):
    x = torch.randn(3, 4, 5, 5)
    assert ByteDropout(0.5, channels).eval()(x) is x
    assert ByteDropout(0.0, channels)(x) is x


def test_dropout_follows_torchs_seed():
    layer, x = ByteDropout(0.5, channels=False), torch.ones(50, 8)
    first, second = layer(x), layer(x)
    torch.manual_seed(0)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_keeps_the_dtype_and_passes_gradients_of_kept_values(dtype):
    x = torch.ones(20, 8, dtype=dtype, requires_grad=True)
    out = ByteDropout(0.5, channels=False)(x)
    out.sum().backward()
    assert out.dtype == dtype
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize(
    ("rate", "threshold"), [(0.0, 0), (0.25, 64), (0.5, 128), (0.3, 77), (0.999, 255)]
)
def test_dropout_rate_is_a_multiple_of_a_256th_below_one(rate, threshold):
    layer = ByteDropout(rate, channels=True)
    assert layer.threshold == threshold
    assert repr(layer) == f"ByteDropout(rate={threshold / 256:.4g}, channels=True)"


# torch's compiler; the backends "eager" and "aot_eager" need no C++ compiler


def dropouts():
    """Return a network with dropout of values and of maps, and a generator."""
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), ByteDropout(0.5, True), ByteDropout(0.25, False), nn.Flatten()
    )
    net.append(ByteDropout(0.5, False))
    return net.train()


def seeded(net, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for part in net.modules():
        if isinstance(part, ByteDropout):
            part.generator = generator
    return net


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # inside torch
def test_compiled_network_is_one_graph(fresh_compiler):
    net, x = seeded(dropouts()), torch.ones(2, 2, 6, 6)
    assert len(torch._dynamo.explain(net)(x).break_reasons) == 3
    torch._dynamo.reset()
    draw_in_compiled_graphs(net)
    explained = torch._dynamo.explain(net)(x)
    assert explained.break_reasons == []
    assert explained.graph_count == 1


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_draws_are_those_of_the_generator(backend, fresh_compiler):
    net, x = dropouts(), torch.randn(3, 2, 6, 6)
    draw_in_compiled_graphs(net)
    compiled = torch.compile(net, backend=backend, fullgraph=True)
    results = []
    for function in (net, compiled):
        seeded(net, 7)  # another generator needs no other graph
        outputs = [function(x) for _ in range(2)]
        gradients = torch.autograd.grad(outputs[1].square().sum(), net[0].parameters())
        results.append([*outputs, *gradients])
    assert not torch.equal(*results[0][:2])
    for own, expected in zip(*results, strict=True):
        torch.testing.assert_close(own, expected)


def test_copies_are_not_found_by_compiled_graphs():
    net = dropouts()
    draw_in_compiled_graphs(net)
    keys = [part.key for part in net if isinstance(part, ByteDropout)]
    draw_in_compiled_graphs(net)
    assert [part.key for part in net if isinstance(part, ByteDropout)] == keys
    assert len({*keys}) == 3
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert [part.key for part in copied if isinstance(part, ByteDropout)] == [None] * 3


@pytest.mark.parametrize("x", DROPOUT_INPUTS.values(), ids=DROPOUT_INPUTS)
def test_stochastic_depth_zeroes_whole_samples(x):
    layer = SampleDropout(0.25)
    layer.generator = torch.Generator().manual_seed(3)
    out = torch.cat([layer(x) for _ in range(20)])
    samples = out.flatten(1)
    kept = samples[:, 0]
    assert torch.equal(samples, kept[:, None].expand_as(samples))
    assert set(kept.tolist()) == {0.0, kept.max().item()}
    np.testing.assert_allclose(kept.max().item(), 1 / 0.75, rtol=1e-6)
    spread = sqrt(0.25 * 0.75 / len(kept))
    assert abs((kept == 0).float().mean().item() - 0.25) < 5 * spread


def test_stochastic_depth_does_nothing_in_predictions_and_at_rate_zero():
    x = torch.rand(5, 3, 4, 4)
    assert SampleDropout(0.5).eval()(x) is x
    assert SampleDropout(0.0)(x) is x


def test_stochastic_depth_is_built_and_drawn_from_the_generator():
    layer = StochasticDepth(0.5).build((3, 4, 4), is_signal=False)
    assert type(layer) is SampleDropout
    assert repr(layer) == "SampleDropout(rate=0.5)"
    draws = []
    for _ in range(2):
        layer.generator = torch.Generator().manual_seed(7)
        draws.append(layer(torch.ones(64, 3, 4, 4)))
    assert torch.equal(*draws)
