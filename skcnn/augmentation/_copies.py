"""What `Augmented` fits its estimator on: copies, arguments that follow them, seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from skcnn._data.hashing import value_hashes
from skcnn._data.layouts import InputLayout
from skcnn._utils.compat import num_samples, safe_indexing
from skcnn._utils.random_state import derive_seeds, draw_seed, seeded_clone
from skcnn._utils.validation import warn_caller
from skcnn.augmentation._array_values import draw_values, span_of
from skcnn.augmentation._batch_augmenter import Step
from skcnn.exceptions import LeakageWarning


def draw_copies(
    array: np.ndarray,
    layout: InputLayout,
    steps: Sequence[Step],
    n_copies: int,
    *,
    weights: np.ndarray | None,
    strength: float,
    random_state: Any,
) -> list[np.ndarray]:
    """Return augmented arrays of the shape of `array`.

    The draws of a sample follow from its values, so that equal samples get equal copies.
    """
    hashes = value_hashes(array)
    counted = array if weights is None or not weights.any() else array[weights != 0]
    seed = draw_seed(random_state)
    return [
        draw_values(
            array,
            layout,
            steps,
            seed,
            span=span_of(counted),
            rows=hashes,
            epoch=copy,
            strength=strength,
        )
        for copy in range(n_copies)
    ]


def _has_rows(value: Any, n_samples: int) -> bool:
    """Return whether `value` is a list or an array with one entry a sample."""
    is_array_like = isinstance(value, list | tuple) or len(getattr(value, "shape", ())) > 0
    return is_array_like and num_samples(value) == n_samples


def follow_copies(fit_params: dict[str, Any], index: np.ndarray, n_samples: int) -> dict[str, Any]:
    """Return arguments of `fit`, those with one entry a sample indexed like the samples."""
    return {
        name: safe_indexing(value, index) if _has_rows(value, n_samples) else value
        for name, value in fit_params.items()
    }


def make_estimator(estimator: Any, random_state: Any) -> Any:
    """Return a clone whose unset random states are seeded from `random_state`."""
    if random_state is None:
        return clone(estimator)
    seed = draw_seed(random_state)
    return seeded_clone(estimator, lambda n: [s % 2**31 for s in derive_seeds(seed, 1, n)])


def warn_of_leakage(estimator: Any) -> None:
    """Warn if an estimator splits its samples without groups for the copies."""
    splitting = sorted(
        name
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "cv"
        or (name.split("__")[-1] == "early_stopping" and value is True)
    )
    if splitting:
        warn_caller(
            f"{type(estimator).__name__} splits its samples ({', '.join(splitting)}), "
            "and copies of a sample may be on both sides: its own scores are too good. "
            "Put Augmented inside the search, or pass groups with a number for each "
            "sample to a splitter that keeps groups together.",
            LeakageWarning,
        )
