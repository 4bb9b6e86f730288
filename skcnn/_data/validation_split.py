"""The validation split: distinct samples, in the proportions of the classes."""

import numpy as np

from skcnn._data.hashing import image_hashes, value_hashes
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
    groups = samples.images.groups()
    if groups is not None:
        return _split_groups(samples, groups, fraction, seed, stratify)
    repeats = repetitions(samples)
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
    samples: SampleSet, every: np.ndarray, fraction: float, seed: int, stratify: bool
) -> tuple[SampleSet, SampleSet]:
    """Split off whole groups, in an order by their content.

    What also occurs in a training group is no validation sample. With the target of one there it
    is a training sample: rows that are equal were merged, whichever groups they are of.

    Parameters
    ----------
    every : ndarray of shape (n_images,)
        The group of each image, also of those that are not among the samples.
    """
    hashes = image_hashes(samples.images)
    names, firsts, group = np.unique(every[samples.index], return_index=True, return_inverse=True)
    content = np.array([hashes[every == name].sum(dtype=np.uint64) for name in names])
    by_target = value_hashes(samples.targets[firsts])
    order = np.lexsort((by_target, content))
    targets = samples.targets[firsts[order]]
    chosen = order[_choose_validation(targets, fraction, seed, stratify, "recordings")]
    trains = np.setdiff1d(np.arange(len(names)), chosen)
    place = np.searchsorted(names, every)
    is_known = names[np.minimum(place, len(names) - 1)] == every
    in_training = is_known & np.isin(place, trains)
    targeted = hashes[in_training] ^ by_target[place[in_training]]
    own = hashes[samples.index]
    is_seen = np.isin(own, hashes[in_training])
    is_valid = np.isin(group, chosen) & ~is_seen
    is_train = ~np.isin(group, chosen) | np.isin(own ^ value_hashes(samples.targets), targeted)
    valid = np.flatnonzero(is_valid)
    if len(valid) == 0:
        raise ValueError(
            "No validation samples can be split off: all windows of the validation recordings "
            "are also in other recordings."
        )
    return samples.select(np.flatnonzero(is_train)), samples.select(valid)


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
