"""The samples that earlier calls trained and validated on, which later calls keep apart."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from skcnn._data.hashing import hashes_of_parts, value_hashes
from skcnn._data.samples import SampleSet
from skcnn._data.validation_split import split_validation
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import LeakageWarning


@dataclass(frozen=True)
class SeenSamples:
    """Hashes of the samples that a network was trained or validated on.

    Attributes
    ----------
    trained, validated : ndarray of uint64
        Sorted. A sample that is in both sets counts as trained.
    """

    trained: np.ndarray
    validated: np.ndarray

    @classmethod
    def of(cls, train: SampleSet, valid: SampleSet | None) -> Self:
        """Return the samples of a first call."""
        none = np.empty(0, np.uint64)
        return cls(none, none).and_of(train, valid)

    def and_of(self, train: SampleSet, valid: SampleSet | None) -> Self:
        """Return these samples and those of another call."""
        trained = np.union1d(self.trained, _hashes(train))
        validated = self.validated
        if valid is not None:
            validated = np.union1d(validated, _hashes(valid))
        return type(self)(trained, np.setdiff1d(validated, trained, assume_unique=True))

    def split(
        self, samples: SampleSet, fraction: float, seed: int, stratify: bool
    ) -> tuple[SampleSet, SampleSet]:
        """Split off the samples that were validated on before, and a share of new samples.

        If there are none, training samples are split off, with a warning.
        """
        hashes = _hashes(samples)
        is_valid = np.isin(hashes, self.validated)
        new = np.flatnonzero(~is_valid & ~np.isin(hashes, self.trained))
        least = 1 if is_valid.any() else 0
        n_new = len(np.unique(hashes[new]))
        if n_new > 1 and fraction * n_new >= least:
            targets = samples.targets[new]
            stratify_new = stratify and bool(np.bincount(targets).max() > 1)
            _, chosen = split_validation(samples.select(new), fraction, seed, stratify_new)
            is_valid |= np.isin(samples.index, chosen.index)
        if not is_valid.any():
            warn_of_trained_samples("all of its samples in an earlier call")
        if is_valid.all() or not is_valid.any():
            return split_validation(samples, fraction, seed, stratify)
        return samples.select(np.flatnonzero(~is_valid)), samples.select(np.flatnonzero(is_valid))


def warn_of_trained_samples(what: str) -> None:
    """Warn that validation samples which are split off may be no measure."""
    warn_caller(
        "With early_stopping=True validation samples are split off X, but the network was "
        f"trained on {what}. Their score is too good. Pass X_val and y_val to fit.",
        LeakageWarning,
    )


def _hashes(samples: SampleSet) -> np.ndarray:
    """Return a hash of the values of each sample."""
    facts = samples.images.facts()
    if facts is not None:
        return facts.value_hashes[samples.index]
    return hashes_of_parts(samples.images, value_hashes)[samples.index]
