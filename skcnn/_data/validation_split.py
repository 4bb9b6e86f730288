"""The validation split: distinct samples, in the proportions of the classes."""

import numpy as np

from skcnn._data.samples import SampleSet, repetitions
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import RareClassWarning


def split_validation(
    samples: SampleSet, fraction: float, seed: int, stratify: bool
) -> tuple[SampleSet, SampleSet]:
    """Split off a validation set, the same share of each class with `stratify`.

    A class with a single sample stays in training, with a warning. Samples of one group, such
    as windows of one recording, are on the same side, and groups take the place of samples.

    Raises
    ------
    ValueError
        If one of the sets would be empty.
    """
    repeats = repetitions(samples)
    groups = samples.images.groups()
    if groups is not None:
        return _split_groups(samples, groups[samples.index], repeats, fraction, seed, stratify)
    firsts = np.flatnonzero(~repeats)
    chosen = _choose_validation(samples.targets[firsts], fraction, seed, stratify)
    # a sample and its repetitions must be on the same side, also those with other targets
    group = np.cumsum(~repeats) - 1
    is_valid = np.isin(group, chosen)
    if stratify and len(firsts) < len(samples):
        is_valid &= ~np.isin(group, group[_only_in_validation(samples.targets, is_valid)])
    valid = np.flatnonzero(is_valid)
    if len(valid) == 0:
        raise ValueError(
            "No validation samples can be split off: each class has samples that also occur "
            "with another label. Give X_val and y_val, or remove repeated samples from X."
        )
    train = np.delete(np.arange(len(samples)), valid)
    return samples.select(train), samples.select(valid)


def _split_groups(
    samples: SampleSet,
    groups: np.ndarray,
    repeats: np.ndarray,
    fraction: float,
    seed: int,
    stratify: bool,
) -> tuple[SampleSet, SampleSet]:
    """Split off whole groups. Samples that repeat a training sample are left out."""
    _, firsts, group = np.unique(groups, return_index=True, return_inverse=True)
    chosen = _choose_validation(samples.targets[firsts], fraction, seed, stratify, "recordings")
    is_valid = np.isin(group, chosen)
    image = np.cumsum(~repeats) - 1
    is_left_out = is_valid & np.isin(image, image[~is_valid])
    valid = np.flatnonzero(is_valid & ~is_left_out)
    if len(valid) == 0:
        raise ValueError(
            "No validation samples can be split off: all windows of the validation recordings "
            "are also in other recordings."
        )
    return samples.select(np.flatnonzero(~is_valid)), samples.select(valid)


def _only_in_validation(targets: np.ndarray, is_valid: np.ndarray) -> np.ndarray:
    """Return whether each sample is of a class without training samples.

    It happens if all samples of a class also occur with another label.
    """
    trained = np.bincount(targets[~is_valid], minlength=targets.max() + 1)
    return is_valid & (trained[targets] == 0)


def _choose_validation(
    targets: np.ndarray,
    fraction: float,
    seed: int,
    stratify: bool,
    what: str = "distinct samples",
) -> np.ndarray:
    """Return the places of the validation samples among distinct ones, sorted."""
    n_samples = len(targets)
    rng = np.random.default_rng(seed)
    n_valid = max(1, round(fraction * n_samples))
    if stratify:
        counts = np.bincount(targets)
        taken = _share_out(n_valid, counts)
        by_class = np.split(np.argsort(targets, kind="stable"), np.cumsum(counts)[:-1])
        chosen = [rng.permutation(places)[:n] for places, n in zip(by_class, taken, strict=True)]
        valid = np.sort(np.concatenate(chosen))
        n_single = int(np.sum(counts == 1))
        if n_single:
            warn_caller(
                f"{n_single} of {np.sum(counts > 0)} classes have a single {what[:-1]}: "
                "they stay in training and are missing from the validation set.",
                RareClassWarning,
            )
    else:
        valid = np.sort(rng.permutation(n_samples)[:n_valid])
    if not 0 < len(valid) < n_samples:
        raise ValueError(
            f"validation_fraction={fraction} of {n_samples} {what} leaves "
            f"{n_samples - len(valid)} for training and {len(valid)} for validation: "
            "both need at least one. Give more samples or X_val and y_val."
        )
    return valid


def _share_out(n_valid: int, counts: np.ndarray) -> np.ndarray:
    """Return how many samples of each class are taken, by largest remainders, never all."""
    most = np.maximum(counts - 1, 0)
    exact = np.minimum(n_valid * counts / counts.sum(), most)
    taken = np.floor(exact).astype(int)
    left = n_valid - taken.sum()
    while left > 0 and len(free := np.flatnonzero(taken < most)):
        # no class takes a second one before all others that can have taken one
        largest_first = np.argsort(taken[free] - exact[free], kind="stable")
        taken[free[largest_first[:left]]] += 1
        left -= len(free)
    return taken
