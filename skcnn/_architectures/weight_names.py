"""The names that other packages give to the weights of named architectures.

Each function yields the names of modules with weights in the order of our layers, the output
layer last. Files are read by these names, so that the order of a file does not matter.
"""

from collections.abc import Iterable, Iterator, Sequence

from skcnn._architectures.convnext import N_BLOCKS
from skcnn._architectures.mobile import MOBILENET_V2, Stage, lite_stages
from skcnn._architectures.plain import VGG11, VGG16, VGG19

Names = Iterator[str]
WITH_NORM = ("conv", "bn")


def _each(prefix: str, names: Iterable[str]) -> Names:
    return (f"{prefix}.{name}" for name in names)


def _resnet(n_blocks: Sequence[int], bottleneck: bool = False) -> Names:
    """Yield the names that torchvision and timm give."""
    yield from ("conv1", "bn1")
    for stage, n in enumerate(n_blocks, 1):
        for i in range(n):
            inner = [f"{kind}{k}" for k in range(1, 3 + bottleneck) for kind in WITH_NORM]
            if i == 0 and (stage > 1 or bottleneck):
                inner += ["downsample.0", "downsample.1"]
            yield from _each(f"layer{stage}.{i}", inner)
    yield "fc"


def _vgg(n_convolutions: Sequence[int], last: Sequence[str]) -> Names:
    """Yield the names of convolutions in torchvision and timm, then the `last` ones."""
    place = 0
    for n in n_convolutions:
        for _ in range(n):
            yield f"features.{place}"
            place += 2  # an activation follows
        place += 1  # a pool
    yield from last


def _alexnet() -> Names:
    yield from _each("features", ["0", "3", "6", "8", "10"])
    yield from _each("classifier", ["1", "4", "6"])


def _inception(modules: Iterable[str]) -> Names:
    """Yield a convolution and a normalisation for each module, then the output layer."""
    for module in modules:
        yield from _each(module, WITH_NORM)
    yield "fc"


def _googlenet() -> Names:
    branches = ["branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"]
    blocks = ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    inner = [name for block in blocks for name in _each(f"inception{block}", branches)]
    return _inception(["conv1", "conv2", "conv3", *inner])


INCEPTION_V3 = (
    ("5b 5c 5d", "1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool"),
    ("6a", "3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3"),
    (
        "6b 6c 6d 6e",
        "1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool",
    ),
    ("7a", "3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4"),
    ("7b 7c", "1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool"),
)


def _inception_v3() -> Names:
    """Yield the names that torchvision and timm give."""
    inner = [
        f"Mixed_{block}.branch{branch}"
        for blocks, branches in INCEPTION_V3
        for block in blocks.split()
        for branch in branches.split()
    ]
    first = [f"Conv2d_{name}" for name in ["1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"]]
    return _inception([*first, *inner])


XCEPTION_BLOCKS = (2, 2, 2, *(3,) * 8, 2)  # separable convolutions


def _xception(output: str) -> Names:
    """Yield the names that timm's legacy_xception has."""
    yield from ("conv1", "bn1", "conv2", "bn2")
    last = len(XCEPTION_BLOCKS)
    for block, n in enumerate(XCEPTION_BLOCKS, 1):
        place = 0 if block == 1 else 1  # in the list of the body, where an activation is first
        for _ in range(n):
            names = (f"{place}.conv1", f"{place}.pointwise", f"{place + 1}")
            yield from _each(f"block{block}.rep", names)
            place += 3
        if block <= 3 or block == last:
            yield from _each(f"block{block}", ("skip", "skipbn"))
    for i in (3, 4):
        yield from (f"conv{i}.conv1", f"conv{i}.pointwise", f"bn{i}")
    yield output


def _mobile_torchvision(stages: Sequence[Stage]) -> Names:
    yield from ("features.0.0", "features.0.1")
    place = 1
    for stage in stages:
        for _ in range(stage.n_blocks):
            widened = ["0.0", "0.1"] if stage.expansion > 1 else []
            k = len(widened) // 2
            inner = [*widened, f"{k}.0", f"{k}.1", f"{k + 1}", f"{k + 2}"]
            yield from _each(f"features.{place}.conv", inner)
            place += 1
    yield from (f"features.{place}.0", f"features.{place}.1", "classifier.1")


def _mobile_timm(stages: Sequence[Stage]) -> Names:
    yield from ("conv_stem", "bn1")
    for number, stage in enumerate(stages):
        inner = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
        if stage.expansion == 1:
            inner = ["conv_dw", "bn1", "conv_pw", "bn2"]
        for i in range(stage.n_blocks):
            yield from _each(f"blocks.{number}.{i}", inner)
    yield from ("conv_head", "bn2", "classifier")


def _efficientnet(stages: Sequence[Stage]) -> Names:
    """Yield the names of the package EfficientNet-PyTorch."""
    yield from ("_conv_stem", "_bn0")
    place = 0
    for stage in stages:
        widened = ["_expand_conv", "_bn0"] if stage.expansion > 1 else []
        for _ in range(stage.n_blocks):
            inner = [*widened, "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
            yield from _each(f"_blocks.{place}", inner)
            place += 1
    yield from ("_conv_head", "_bn1", "_fc")


def _convnext(n_blocks: Sequence[int]) -> Names:
    """Yield the names that timm gives."""
    yield from ("stem.0", "stem.1")
    for stage, n in enumerate(n_blocks):
        if stage > 0:
            yield from _each(f"stages.{stage}.downsample", "01")
        for i in range(n):
            inner = ("conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma")
            yield from _each(f"stages.{stage}.blocks.{i}", inner)
    yield from ("head.norm", "head.fc")


VGG_LAST = (
    ("classifier.0", "classifier.3", "classifier.6"),  # torchvision
    ("pre_logits.fc1", "pre_logits.fc2", "head.fc"),  # timm
)
VGGS = {"vgg11": VGG11, "vgg16": VGG16, "vgg19": VGG19}
RESNETS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
LITES = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}


def weight_names(architecture: str) -> list[list[str]]:
    """Return the lists of names that files for a named architecture may have."""
    found: list[Names] = []
    if architecture in VGGS:
        found = [_vgg(VGGS[architecture], last) for last in VGG_LAST]
    elif architecture in RESNETS:
        found = [_resnet(RESNETS[architecture], bottleneck=architecture == "resnet50")]
    elif architecture in LITES:
        stages = lite_stages(*LITES[architecture])
        found = [_efficientnet(stages), _mobile_timm(stages)]
    elif architecture == "mobilenet_v2":
        found = [_mobile_torchvision(MOBILENET_V2), _mobile_timm(MOBILENET_V2)]
    elif architecture == "xception":
        found = [_xception("fc"), _xception("last_linear")]
    elif architecture == "convnext_atto":
        found = [_convnext(N_BLOCKS)]
    elif architecture == "alexnet":
        found = [_alexnet()]
    elif architecture == "googlenet":
        found = [_googlenet()]
    elif architecture == "inception_v3":
        found = [_inception_v3()]
    return [[*names] for names in found]
