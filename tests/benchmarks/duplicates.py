"""Seconds, memory and number of copies that find_duplicates finds in a folder of images.

For instance ``python tests/benchmarks/duplicates.py cifar10 --pairs pairs.png``, with the folders
of classes in ``cifar10/train`` and ``cifar10/test``.
"""

import argparse
import resource
import time

import numpy as np
from PIL import Image

from skcnn.datasets import find_duplicates, load_image_folder
from skcnn.datasets._leakage import warn_of_copies


def peak():
    """Return the largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(function, *args, **options):
    """Return the result of a call, its seconds, and its seconds of all cores."""
    start, cpu = time.perf_counter(), time.process_time()
    result = function(*args, **options)
    return result, time.perf_counter() - start, time.process_time() - cpu


def save_pairs(files, duplicates, path, n_across=15):
    """Save the pairs side by side, to be looked at."""
    pairs = [np.hstack([files[i], files[j]]) for i, j in duplicates[["first", "second"]].to_numpy()]
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % n_across)
    rows = [np.hstack(pairs[start : start + n_across]) for start in range(0, len(pairs), n_across)]
    Image.fromarray(np.vstack(rows)).save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--subset", default="all")
    parser.add_argument("--pairs", help="a file for a picture of all pairs")
    options = parser.parse_args()
    data = load_image_folder(options.folder, subset=options.subset, size=options.size, cache=None)
    files, before = data.data, peak()
    for n in (len(files) // 16, len(files) // 4, len(files)):
        some = files[np.random.default_rng(0).permutation(len(files))[:n]]
        found, seconds, cpu = timed(find_duplicates, some)
        print(f"{n} files: {len(found)} copies, {seconds:.1f} s ({cpu:.1f} s of cores)")
    print(f"{peak() - before:.0f} MiB more than before")
    found = find_duplicates(files)
    same = (data.target[found["first"]] == data.target[found["second"]]).mean()
    print(f"{len(found)} copies of {found['group'].nunique()} images, {same:.0%} of one class")
    print(f"{len(find_duplicates(files, method='exact'))} exact copies")
    if options.pairs and len(found):
        save_pairs(files, found, options.pairs)
    array = files[np.random.default_rng(0).permutation(len(files))[:20_000]].to_numpy()
    halves = [(np.arange(0, len(array), 2), np.arange(1, len(array), 2))]
    _, seconds, _ = timed(warn_of_copies, array, halves)
    print(f"the check of a comparison of {len(array)} images in memory: {seconds:.2f} s")


if __name__ == "__main__":
    main()
