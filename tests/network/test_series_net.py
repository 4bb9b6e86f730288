"""Networks for signals of unequal length: what they may have, and what they are of one length."""

import numpy as np
import pytest
import torch

from skcnn import ConvNetClassifier
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._network.network import Standardize
from skcnn._network.series_net import SeriesNet, check_lengths, check_no_module, net_of_length
from skcnn.exceptions import ArchitectureError, InputShapeError
from skcnn.layers import (
    AdaptivePool,
    ChannelsAsRows,
    Concatenate,
    Conv,
    Flatten,
    GlobalPool,
    Normalize,
    Pool,
    Residual,
)
from skcnn.layers._sequence import trace, with_output


def rows_of(*layers, length=20):
    return trace(with_output(layers, 2), (3, length))


def net(rows):
    return SeriesNet(rows, Standardize(torch.zeros(3), torch.ones(3), n_axes=2))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Conv(2)], r"Layer 'flatten_1': Flatten gives as many features.*GlobalPool\(\)"),
        ([ChannelsAsRows(), Conv(2), Flatten()], "Flatten gives as many features"),
        ([ChannelsAsRows(), Conv(2), GlobalPool()], r"ChannelsAsRows\(\) is not for signals"),
        ([AdaptivePool(3), GlobalPool()], r"'adaptivepool_1': AdaptivePool\(3\) is not for"),
        ([Conv(2, padding_mode="mirror"), GlobalPool()], "need padding_mode='zeros'.*Got 'mirror'"),
        ([Residual([AdaptivePool(30)]), GlobalPool()], r"Layer 'residual_1': AdaptivePool\(30\)"),
    ],
)
def test_layers_for_one_length_are_named(layers, message):
    with pytest.raises(ArchitectureError, match=message):
        net(rows_of(*layers))


def test_paths_must_agree_for_every_length():
    halves = Concatenate([[Conv(2, 2, stride=2, padding="valid")], [Conv(2, 1, stride=2)]])
    rows = rows_of(halves, GlobalPool())
    check_lengths(rows, [20, 8])
    with pytest.raises(ArchitectureError, match=r"maps of the lengths \[5, 6\].*of length 11"):
        check_lengths(rows, [20, 11])


def test_a_short_signal_is_named():
    rows = rows_of(Pool(4), Conv(2, 3, padding="valid"), Conv(2, 3, padding="valid"), GlobalPool())
    check_lengths(rows, [20])
    with pytest.raises(InputShapeError, match=r"row 1 of X has the length 12.*'conv_2': Conv\(2"):
        check_lengths(rows, [20, 12, 16])


def test_modules_are_refused():
    check_no_module(InputLayout((20, 3), "last"), "timm:x")
    with pytest.raises(ArchitectureError, match=r"'timm:x', whose module would take the padding"):
        check_no_module(SeriesLayout((20, 3), "last"), "timm:x")


def test_the_network_of_one_length_gives_the_same_outputs():
    layers = [Conv(8), Normalize(kind="group"), Pool(2), Normalize(), GlobalPool()]
    rows = rows_of(*layers)
    series = net(rows)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in series.parameters():
            parameter.normal_()
    series.eval()
    x = torch.randn(2, 3, 7)
    inside = torch.ones(2, 1, 7)
    wide = torch.nn.functional.pad(torch.cat([x, inside], 1), (0, 9))
    alone, traced = net_of_length(series, rows, 7)
    assert traced[0].input_shape == (3, 7)
    assert not alone.training
    with torch.no_grad():
        torch.testing.assert_close(series(wide), alone(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet1d", "inception_time", "lite_time"])
def test_named_architectures_predict_as_alone(name):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in (30, 9, 17, 41)]
    model = ConvNetClassifier(architecture=name, n_spatial_dims=1, max_epochs=1, random_state=0)
    model.fit(X, [0, 1, 0, 1])
    got = model.predict_log_proba(X)
    for x, expected in zip(X, got, strict=True):
        alone, _ = net_of_length(model.net_.module_, model._rows, len(x))
        with torch.no_grad():
            logits = alone(torch.from_numpy(x.T[None].astype(np.float32)))
        np.testing.assert_allclose(logits.log_softmax(1)[0], expected, rtol=2e-3, atol=2e-3)
