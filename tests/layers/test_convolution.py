"""Convolutions against naive float64 loops: windows, padding modes, worked examples."""

import numpy as np
import pytest
import torch

from skcnn.exceptions import ArchitectureError
from skcnn.layers import Conv
from skcnn.layers._convolution import (
    FullPrecisionConv2d,
    FullPrecisionConv3d,
    join_convolution,
)
from skcnn.layers._padding import PADDING_MODES, Pad
from tests.helpers.layer_modules import TOLERANCE, apply, build, naive_conv, weights_of
from tests.helpers.processes import Child, tell_parent

CONVOLUTIONS = [
    # signals
    (Conv(3), (2, 7)),
    (Conv(3, 4), (2, 7)),
    (Conv(3, 5, padding="valid", stride=2), (2, 10)),
    (Conv(3, 3, padding=2, dilation=2), (2, 6)),
    (Conv(4, 3, groups=2, bias=False), (4, 6)),
    (Conv(2, (2,), stride=(3,), padding=(1,)), (1, 8)),
    (Conv(2, 3, padding=((0, 2),)), (2, 6)),
    (Conv(2), (1, 1)),
    # images
    (Conv(3), (2, 5, 6)),
    (Conv(3, 2), (2, 4, 5)),
    (Conv(3, 4, stride=2), (2, 6, 7)),
    (Conv(3, 3, padding="valid"), (1, 5, 4)),
    (Conv(2, (1, 3), padding="valid"), (2, 3, 5)),
    (Conv(2, (3, 2), stride=(2, 1), dilation=(1, 2)), (2, 5, 6)),
    (Conv(2, 3, padding=2), (2, 3, 4)),
    (Conv(2, 3, padding=(0, 2)), (2, 4, 3)),
    (Conv(2, 3, padding="valid", dilation=2, stride=2), (1, 7, 8)),
    (Conv(2, 3, padding=((0, 1), (0, 1)), stride=2), (2, 4, 6)),
    (Conv(3, 5, padding=((1, 2), (3, 0))), (3, 5, 5)),
    (Conv(4, 3, padding=((2, 2), (1, 1)), groups=4), (4, 3, 3)),
    (Conv(4, 3, groups=2), (4, 4, 4)),
    (Conv(6, 3, groups=3, bias=False), (3, 4, 4)),
    (Conv(4, 3, groups=4), (4, 5, 4)),
    (Conv(4, 1, stride=2), (3, 5, 5)),
    (Conv(3, 3), (2, 1, 1)),
    # volumes
    (Conv(2), (2, 3, 4, 3)),
    (Conv(2, 2), (1, 3, 3, 4)),
    (Conv(2, (1, 2, 3), stride=(1, 2, 1), padding="valid"), (2, 3, 4, 4)),
    (Conv(2, 3, padding=1, dilation=(1, 1, 2)), (1, 3, 3, 5)),
    (Conv(4, 2, groups=2, padding=(0, 1, 0)), (2, 3, 3, 3)),
]
PADDED_CONVOLUTIONS = [
    ({"kernel_size": 3}, (2, 6)),
    ({"kernel_size": 4, "stride": 2}, (2, 6)),
    ({"kernel_size": 3, "padding": 3}, (1, 4)),
    ({"kernel_size": 3}, (2, 4, 5)),
    ({"kernel_size": (2, 4)}, (2, 4, 5)),
    ({"kernel_size": 3, "dilation": 2, "stride": 2}, (1, 5, 5)),
    ({"kernel_size": 3, "padding": (2, 1)}, (1, 3, 4)),
    ({"kernel_size": 3, "padding": "valid"}, (1, 3, 4)),
    ({"kernel_size": 3}, (1, 3, 3, 4)),
    ({"kernel_size": (2, 1, 3)}, (2, 3, 3, 3)),
]


@pytest.mark.parametrize(("spec", "shape"), CONVOLUTIONS)
def test_convolution_equals_the_naive_loop(spec, shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([spec], shape)
    expected = naive_conv(x, *weights_of(net, len(shape) - 1), spec)
    assert expected.shape[1:] == spec.output_shape(shape)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize(("arguments", "shape"), PADDED_CONVOLUTIONS)
def test_padding_mode_equals_the_naive_loop(arguments, shape, mode):
    spec = Conv(2, padding_mode=mode, **arguments)
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([spec], shape)
    expected = naive_conv(x, *weights_of(net, len(shape) - 1), spec)
    assert expected.shape[1:] == spec.output_shape(shape)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("mode", "kernel_size", "shape"),
    [
        ("zeros", 5, (1, 1, 4)),
        ("zeros", 7, (1, 1)),
        ("edge", 3, (1, 1)),
        ("edge", 5, (1, 1, 4)),
        ("edge", 7, (1, 2, 2, 2)),
        ("wrap", 3, (1, 1)),
        ("wrap", 5, (1, 2, 4)),
        ("wrap", 3, (1, 1, 1, 1)),
        ("mirror", 3, (1, 2)),
        ("mirror", 5, (1, 3, 4)),
        ("mirror", 3, (1, 2, 2, 2)),
    ],
)
def test_padding_as_wide_as_the_mode_allows_equals_the_naive_loop(mode, kernel_size, shape):
    spec = Conv(2, kernel_size, padding_mode=mode)
    x = np.random.default_rng(1).normal(size=(2, *shape))
    net = build([spec], shape)
    expected = naive_conv(x, *weights_of(net, len(shape) - 1), spec)
    np.testing.assert_allclose(apply(net, x), expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("mode", "kernel_size", "shape"),
    [
        ("mirror", 3, (1, 1)),
        ("mirror", 5, (1, 2, 4)),
        ("mirror", 7, (1, 3, 3, 3)),
        ("wrap", 5, (1, 1)),
        ("wrap", 5, (1, 1, 4)),
        ("wrap", 4, (1, 1, 4, 4)),
    ],
)
def test_padding_wider_than_the_mode_allows_is_an_architecture_error(mode, kernel_size, shape):
    with pytest.raises(ArchitectureError, match=f"padding_mode='{mode}'"):
        Conv(2, kernel_size, padding_mode=mode).output_shape(shape)


def test_valid_convolution_finds_vertical_edges_in_the_worked_example():
    image = np.array(
        [
            [3, 0, 1, 2, 7, 4],
            [1, 5, 8, 9, 3, 1],
            [2, 7, 2, 5, 1, 3],
            [0, 1, 3, 1, 7, 8],
            [4, 2, 1, 6, 2, 8],
            [2, 4, 5, 2, 3, 9],
        ]
    )
    assert convolve(image, [[1, 0, -1]] * 3, padding="valid") == [
        [-5, -4, 0, 8],
        [-10, -2, 2, 3],
        [0, -2, -4, -7],
        [-3, -2, -3, -16],
    ]


def test_strided_convolution_gives_the_worked_example():
    image = np.array(
        [
            [2, 3, 7, 4, 6, 2, 9],
            [6, 6, 9, 8, 7, 4, 3],
            [3, 4, 8, 3, 8, 9, 7],
            [7, 8, 3, 6, 6, 3, 4],
            [4, 2, 1, 8, 3, 4, 6],
            [3, 2, 4, 1, 9, 8, 3],
            [0, 1, 3, 9, 2, 1, 4],
        ]
    )
    kernel = [[3, 4, 4], [1, 0, 2], [-1, 0, 3]]
    assert convolve(image, kernel, stride=2, padding="valid") == [
        [91, 100, 88],
        [69, 91, 117],
        [44, 72, 74],
    ]


def convolve(image, kernel, **how):
    """Return a one-filter convolution of one image as nested lists."""
    net = build([Conv(1, 3, bias=False, **how)], (1, *image.shape))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor(kernel))
    return apply(net, image[None, None].astype(float))[0, 0].tolist()


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_every_padding_mode_is_accepted(mode):
    assert Conv(4, padding_mode=mode).output_shape((1, 5)) == (4, 5)


# convolution, input, whether it cannot be computed in bfloat16: elements of its kernel see padding only
UNSOUND = [
    (Conv(4, 3, stride=2), (3, 1, 1), True),
    (Conv(4, 3, stride=2), (3, 4, 1), True),
    (Conv(4, 3, stride=2), (3, 1), True),
    (Conv(4, 5), (3, 1, 1), True),
    (Conv(4, 7), (3, 3, 3), True),
    (Conv(4, 3, dilation=2), (3, 2, 2), True),
    (Conv(4, 3), (3, 1, 1), False),
    (Conv(4, 3, stride=2), (3, 2, 2), True),
    (Conv(4, 3, stride=2), (3, 3, 3), False),
    (Conv(4, 7), (3, 4, 4), False),
    (Conv(4, 1, stride=2), (3, 1, 1), False),
    (Conv(4, 3, stride=2, padding="valid"), (3, 3, 3), False),
    # three axes, smaller than the kernel
    (Conv(8, 3), (4, 2, 2, 2), True),
    (Conv(8, 3), (4, 2, 5, 5), True),
    (Conv(8, (3, 1, 1)), (4, 2, 5, 5), True),
    (Conv(8, 5), (4, 3, 5, 5), True),
    (Conv(8, 3, stride=2), (4, 5, 5, 1), True),
    (Conv(8, (1, 3, 3), stride=2), (4, 5, 1, 3), True),
    (Conv(8, 2, padding=1), (4, 1, 3, 3), True),
    (Conv(3, 3), (1, 1, 4, 4), True),
    (Conv(8, 3), (4, 3, 3, 3), False),
    (Conv(8, 3, stride=2), (4, 3, 3, 3), False),
    (Conv(8, 5), (4, 5, 5, 5), False),
    (Conv(8, 2, padding="valid"), (4, 2, 2, 2), False),
    # depthwise convolutions with many columns, which would not end
    (Conv(16, 16, padding="valid", groups=16), (16, 64), True),
    (Conv(16, (1, 16), padding="valid", groups=16), (16, 1, 64), True),
    (Conv(2, (2, 100), padding="valid", groups=2), (2, 3, 300), True),
    (Conv(16, 12, padding="valid", groups=16), (16, 64), False),
    (Conv(17, 16, padding="valid", groups=17), (17, 64), False),
    (Conv(16, 16, padding="valid", groups=8), (16, 64), False),
    (Conv(32, 16, padding="valid", groups=16), (16, 64), False),
    (Conv(16, (16, 1), padding="valid", groups=16), (16, 64, 1), False),
]


@pytest.mark.parametrize(("spec", "shape", "unsound"), UNSOUND)
def test_convolutions_that_are_unsound_in_bfloat16_are_computed_in_float32(spec, shape, unsound):
    conv = spec.build(shape, is_signal=len(shape) == 2)
    full = (FullPrecisionConv2d, FullPrecisionConv3d)
    assert isinstance(conv, full) is unsound
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_()
    x = torch.randn(5, *shape)
    x = x.unsqueeze(2) if len(shape) == 2 else x
    gradients = []
    for enabled in (False, True):
        conv.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = conv(x)
        assert out.dtype == (torch.bfloat16 if enabled and not unsound else torch.float32)
        out.float().square().sum().backward()
        gradients.append(conv.weight.grad.clone())
    if unsound:
        assert torch.equal(*gradients)


@pytest.mark.parametrize("shape", [(4, 2, 2, 2), (4, 3, 3, 3)])
def test_kernels_of_small_volumes_have_right_gradients_in_bfloat16(shape):
    """Also where the channels come last in memory, and the memory was used before."""
    conv = Conv(8, 3).build(shape, is_signal=False).to(memory_format=torch.channels_last_3d)
    for values in conv.parameters():
        torch.nn.init.normal_(values, generator=torch.Generator().manual_seed(0))
    x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(1))
    x = x.to(memory_format=torch.channels_last_3d)
    conv(x).square().sum().backward()
    expected, conv.weight.grad = conv.weight.grad, None
    for _ in range(3):
        conv.weight.grad = None
        used = [torch.full((n,), torch.nan) for n in (256, 1024, 4096, 16384) * 6]
        with torch.autocast("cpu", torch.bfloat16):
            out = conv(x)
        del used
        out.float().square().sum().backward()
        torch.testing.assert_close(
            conv.weight.grad, expected, rtol=0.05, atol=0.02 * float(expected.abs().max())
        )


@pytest.mark.parametrize(("spec", "shape"), [(Conv(8, 5), (3, 1, 1)), (Conv(8, 3), (4, 2, 2, 2))])
def test_they_are_in_float32_also_where_networks_are_trained_together(spec, shape):
    parts = [spec.build(shape, is_signal=False) for _ in range(2)]
    for part in parts:
        for values in part.parameters():
            torch.nn.init.normal_(values)
    x = torch.randn(3, 2 * shape[0], *shape[1:])
    with torch.autocast("cpu", torch.bfloat16):
        together = join_convolution(parts, [])(x.bfloat16())
        alone = [part(each) for part, each in zip(parts, x.bfloat16().chunk(2, 1), strict=True)]
    assert together.dtype == torch.float32
    torch.testing.assert_close(together, torch.cat(alone, 1))


WITH_EMPTY_WINDOWS = [
    (Conv(35, (2, 1), stride=(2, 4), padding=6, dilation=(2, 4), groups=7), (7, 4, 1)),
    (Conv(4, 1, padding=1), (3, 5, 5)),
    (Conv(8, 3, padding=(4, 1)), (8, 6, 6)),
    (Conv(3, 2, padding=3), (2, 7)),
    (Conv(2, 2, dilation=2), (1, 1, 6)),  # on both sides of the only row
    (Conv(16, 3, padding=(0, 5), stride=2), (16, 4, 4)),
    (Conv(2, 1, padding=2), (2, 3, 3, 3)),
]


def compute_empty_windows():
    """Compute them in float32, forth and back, after telling the parent each case."""
    for spec, shape in WITH_EMPTY_WINDOWS:
        tell_parent(f"{spec!r} of {shape}")
        x = np.random.default_rng(1).normal(size=(3, *shape))
        net = build([spec], shape)
        expected = naive_conv(x, *weights_of(net, len(shape) - 1), spec)
        net = net.float() if len(shape) == 4 else net.float().to(memory_format=torch.channels_last)
        tensor = torch.from_numpy(x).float().requires_grad_()
        for _ in range(5):
            out = net(tensor.unsqueeze(2) if len(shape) == 2 else tensor)
            out.sum().backward()
        found = out.detach().numpy().reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    return "finished"


def test_windows_that_see_padding_only_do_not_end_the_process():
    child = Child(compute_empty_windows)
    heard = None
    while heard != "finished":
        last, heard = heard, child.hear()
    assert last == f"{WITH_EMPTY_WINDOWS[-1][0]!r} of {WITH_EMPTY_WINDOWS[-1][1]}"
    child.close()


@pytest.mark.parametrize(("spec", "shape"), WITH_EMPTY_WINDOWS)
def test_padding_of_empty_windows_is_added_before(spec, shape):
    pad, conv = spec.build(shape, is_signal=len(shape) == 2)
    assert isinstance(pad, Pad)
    assert set(conv.padding) == {0}


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (Conv(3), (2, 1, 1)),
        (Conv(3, 39), (2, 3)),
        (Conv(3, 2, padding=1), (2, 5)),
        (Conv(3, 3, dilation=4), (2, 2, 2)),
        (Conv(3, 5, padding=4, stride=3), (2, 9, 9)),
    ],
)
def test_other_padding_is_that_of_the_convolution(spec, shape):
    conv = spec.build(shape, is_signal=len(shape) == 2)
    assert max(conv.padding) > 0
