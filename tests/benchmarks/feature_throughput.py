"""Features a second of ConvNetFeatures beside the bare module in inference mode, and its memory.

    python tests/benchmarks/feature_throughput.py [--images 10000] [--side 64] [--rounds 5]
        [--architecture efficientnet_lite0] [--batch 32] [--pretrained]

The bare module is the same network with torch's layers, in channels-last memory, in evaluation and
inference mode, given float32 batches of the size that is the fastest of those named on a tenth of
the images. Then both take turns in parts of the images; times are processor seconds, which other
processes disturb less. The memory is the rise of the process's peak while the features of
all images are computed: beside batches it holds the features themselves.
"""

import argparse
import resource
import statistics
import time
import warnings

import numpy as np
import torch

from skcnn import ConvNetFeatures


def peak_mib():
    """Return the largest memory of the process so far (Linux: in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bare(module, images, batch):
    """Return the features of images by the module alone, batch by batch."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            rows = torch.from_numpy(images[start : start + batch]).permute(0, 3, 1, 2)
            rows = rows.to(torch.float32, memory_format=torch.channels_last)
            parts.append(module(rows))
    return torch.cat(parts).numpy()


def seconds(function, *args):
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--architecture", default="efficientnet_lite0")
    parser.add_argument("--pretrained", action="store_true")
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128, 256])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    shape = (options.images, options.side, options.side, 3)
    X = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    model = ConvNetFeatures(
        options.architecture, pretrained=options.pretrained, random_state=0
    ).fit(X[:256])
    model.transform(X[:512])  # as every later call of a process, after the first
    before = peak_mib()
    features = model.transform(X)
    rise = peak_mib() - before
    print(
        f"{options.architecture}, {len(X)} images of {options.side}x{options.side}x3, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    print(
        f"peak memory rises by {rise:.0f} MiB, of which {features.nbytes / 2**20:.0f} MiB are the "
        f"features; the images have {X.nbytes / 2**20:.0f} MiB, "
        f"{4 * X.nbytes / 2**20:.0f} MiB as float32"
    )
    part = X[: len(X) // 10]
    best = min(options.batch, key=lambda batch: seconds(bare, model.module_, part, batch))
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(seconds(model.transform, part))
        theirs.append(seconds(bare, model.module_, part, best))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    print(
        f"images a second of a core: ConvNetFeatures {len(part) / statistics.median(ours):.0f}, the "
        f"bare module in batches of {best} {len(part) / statistics.median(theirs):.0f}; ratio: "
        f"median {statistics.median(ratios):.2f} of {options.rounds} rounds "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )
    few = X[:64]
    difference = np.abs(bare(model.module_, few, 32) - features[:64]).max()
    print(f"largest difference of a feature: {difference:.1e}, features up to {features.max():.2g}")


if __name__ == "__main__":
    main()
