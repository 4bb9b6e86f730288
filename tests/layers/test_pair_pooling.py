"""Max pooling by pairs gives torch's values, and its gradients where no values are equal."""

import pytest
import torch
from torch import nn

from skcnn import ConvNetClassifier
from skcnn.layers import Activation, Conv, Dropout, Pool, Residual, _pair_pooling
from skcnn.layers._pair_pooling import MaxPoolByPairs, pools_by_pairs


@pytest.fixture(autouse=True)
def all_sizes(monkeypatch):
    monkeypatch.setattr(_pair_pooling, "FEWEST_VALUES", 1)


def maps(shape, seed=0, distinct=True):
    """Return channels-last bfloat16 maps, values of one channel all different or few."""
    generator = torch.Generator().manual_seed(seed)
    n, c, h, w = shape
    values = torch.stack(
        [torch.randperm(h * w, generator=generator) - h * w // 2 for _ in range(n * c)]
    )
    values = values if distinct else values // 8
    x = values.view(shape).to(torch.bfloat16)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def results(pool, x, gradient):
    out = pool(x)
    (grad,) = torch.autograd.grad(out, x, gradient)
    return out.detach(), grad


SIDES = [(2, 2), (4, 4), (1, 2), (1, 4), (2, 1), (4, 2), (1, 1)]


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_values_and_gradients_are_torchs(sides, layout):
    x = maps((3, 5, 8, 12))
    pool, theirs = MaxPoolByPairs(sides, sides), nn.MaxPool2d(sides, sides)
    assert pool._by_pairs(x)
    gradient = torch.randn(theirs(x).shape).to(torch.bfloat16).contiguous(memory_format=layout)
    out, grad = results(pool, x, gradient)
    expected, expected_grad = results(theirs, x, gradient)
    assert torch.equal(out, expected)
    assert torch.equal(grad, expected_grad)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_one_of_several_equal_values_gets_the_gradient():
    x = maps((2, 3, 8, 8), distinct=False)
    gradient = torch.ones(2, 3, 4, 4, dtype=torch.bfloat16)
    _, grad = results(MaxPoolByPairs((2, 2), (2, 2)), x, gradient)
    windows = grad.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    largest = x.detach().unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert (windows.sum(4) == 1).all()
    assert ((windows == 1).sum(4) == 1).all()
    chosen = largest.gather(4, windows.argmax(4, keepdim=True))[..., 0]
    assert torch.equal(chosen, largest.amax(4))


def rectifying(sides):
    """Return a pool by pairs with the ReLU after it."""
    pool = MaxPoolByPairs(sides, sides)
    pool.rectified = True
    return nn.Sequential(pool, nn.ReLU())


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("offset", [-40, 0, 40])
def test_before_a_relu_values_and_gradients_are_torchs(sides, offset):
    x = (maps((3, 5, 8, 12)) + offset).detach().requires_grad_()
    theirs = nn.Sequential(nn.MaxPool2d(sides, sides), nn.ReLU())
    gradient = torch.randn(theirs(x).shape).to(torch.bfloat16)
    out, grad = results(rectifying(sides), x, gradient)
    expected, expected_grad = results(theirs, x, gradient)
    assert torch.equal(out, expected)
    assert torch.equal(grad, expected_grad)


def test_before_a_relu_zeros_of_both_signs_are_zero():
    x = torch.tensor([-0.0, 0.0, -1.0, -0.0, 0.0, -0.0, -2.0, -1e-38]).to(torch.bfloat16)
    x = x.view(1, 1, 2, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    out, grad = results(rectifying((2, 2)), x, torch.ones(1, 1, 1, 2, dtype=torch.bfloat16))
    assert torch.equal(out, torch.zeros_like(out))
    assert torch.equal(grad, torch.zeros_like(grad))


@pytest.mark.parametrize(("bits", "lost"), [(0x7FC0, False), (0x7FC0 - 0x8000, True)])
def test_before_a_relu_a_nan_with_its_sign_set_is_lost_beside_positive_values(bits, lost):
    x = torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)
    x.view(torch.int16)[0, 0, 0, 1] = bits
    assert x.isnan().sum() == 1
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    assert bool(rectifying((2, 2))(x).isnan()) is not lost


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), -float("nan")])
def test_before_a_relu_infinite_values_and_nan_in_whole_windows_come_out(value):
    x = maps((1, 2, 4, 4)).detach()
    x[0, 1, 2:] = value
    x.requires_grad_()
    out = rectifying((2, 2))(x)
    expected = nn.MaxPool2d(2)(x).relu()
    torch.testing.assert_close(out, expected, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([Conv(8, activation="relu"), Pool(2)], [True]),
        ([Conv(8), Pool(2), Activation("relu")], [True]),
        ([Conv(8, activation="tanh"), Pool(2)], [False]),
        ([Conv(8, activation="relu"), Dropout(0.1), Pool(2)], [False]),
        ([Conv(8, activation="relu"), Pool(2), Conv(8), Pool(2)], [True, False]),
        ([Residual([Conv(8, activation="relu"), Pool(2)]), Pool(2)], [True, False]),
    ],
)
def test_pools_before_a_relu_are_rectified(layers, expected):
    X, y = torch.zeros(4, 8, 8).byte(), [0, 1] * 2
    model = ConvNetClassifier(architecture=layers, max_epochs=1).fit(X, y)
    pools = [p for p in model.net_.module_.modules() if isinstance(p, MaxPoolByPairs)]
    assert [p.rectified for p in pools] == expected


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_infinite_values_and_nan_come_out_as_from_torch(value):
    x = maps((1, 2, 4, 4)).detach()
    x[0, 1, 2] = value
    x.requires_grad_()
    out = MaxPoolByPairs((2, 2), (2, 2))(x)
    expected = nn.MaxPool2d(2)(x)
    torch.testing.assert_close(out, expected, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.float(),
        lambda x: x.detach(),
        lambda x: x.contiguous(),
        lambda x: x[:, :, :7],
        lambda x: x[:, :, :, :9],
    ],
    ids=["float32", "no gradient", "memory", "height", "width"],
)
def test_other_maps_use_torchs_pool(change):
    x = change(maps((2, 3, 8, 10)))
    pool = MaxPoolByPairs((2, 2), (2, 2))
    assert not pool._by_pairs(x)
    assert torch.equal(pool(x), nn.MaxPool2d(2)(x))


@pytest.mark.parametrize(
    ("size", "stride", "expected"),
    [((2, 2), (2, 2), True), ((2, 2), (1, 1), False), ((3, 3), (3, 3), False),
     ((1, 4), (1, 4), True), ((2, 2, 2), (2, 2, 2), False)],
)  # fmt: skip
def test_windows_that_are_pooled_by_pairs(size, stride, expected):
    assert pools_by_pairs(size, stride) is expected


def test_training_by_pairs_is_near_training_by_torch(monkeypatch):
    X = torch.randint(0, 256, (64, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    y = [0, 1] * 32
    layers = [Conv(8, activation="relu"), Pool(2), Conv(8), Pool(4)]
    model = ConvNetClassifier(
        architecture=layers, max_epochs=2, precision="bfloat16", random_state=0
    )
    pairs = model.fit(X, y).predict_proba(X)
    used = [p for p in model.net_.module_.modules() if isinstance(p, MaxPoolByPairs)]
    assert len(used) == 2
    monkeypatch.setattr(_pair_pooling, "FEWEST_VALUES", 2**60)
    # the gradient of equal values, which bfloat16 has some of, may go to another of them
    assert abs(model.fit(X, y).predict_proba(X) - pairs).max() < 0.05
