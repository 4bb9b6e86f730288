"""What `Augmented` fits its estimator on: copies, arguments that follow them, seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skcnn._data.hashing import value_hashes
from skcnn._data.layouts import InputLayout, infer_layout
from skcnn._data.targets import check_labels
from skcnn._data.weights import check_labels_of_dict
from skcnn._utils.compat import BaseSearchCV, num_samples, safe_indexing
from skcnn._utils.random_state import derive_seeds, draw_seed, seeded_clone
from skcnn._utils.validation import warn_caller
from skcnn.augmentation._array_values import draw_values, span_of_weighted
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._batch_augmenter import Step
from skcnn.exceptions import InputShapeError, LeakageWarning

LAYOUT_PARAMETERS = ("input_shape", "n_spatial_dims", "channels")
GRIDS = ("param_grid", "param_distributions")  # of searches


def with_copies(
    array: np.ndarray,
    layout: InputLayout,
    steps: Sequence[Step],
    rounds: Sequence[np.ndarray],
    *,
    keep_original: bool,
    weights: np.ndarray | None,
    strength: float,
    random_state: Any,
) -> np.ndarray:
    """Return `array`, with `keep_original`, followed by augmented copies, in its dtype.

    Each of the `rounds`, the numbers of samples, adds one copy of these. The draws of a sample
    follow from its values, so that equal samples get equal copies. Copies are drawn for some
    samples at a time, right into the result.
    """
    if not rounds:
        return array.copy()
    start = len(array) * keep_original
    many = np.empty((start + sum(map(len, rounds)), *array.shape[1:]), array.dtype)
    many[:start] = array[:start]
    hashes = value_hashes(array)
    span = span_of_weighted(array, weights)
    seed = draw_seed(random_state)
    for copy, rows in enumerate(rounds):
        whole = len(rows) == len(array)
        draw_values(
            array if whole else array[rows],
            layout,
            steps,
            seed,
            span=span,
            rows=hashes if whole else hashes[rows],
            epoch=copy,
            strength=strength,
            out=many[start : start + len(rows)],
        )
        start += len(rows)
    return many


def copies_of_samples(
    n_copies: int | dict[Any, int], y: Any, n_samples: int, regression: bool
) -> np.ndarray:
    """Return the number of copies of each sample, for a number or one for each class.

    Raises
    ------
    ValueError
        If classes have numbers of copies, but the targets are no class labels, or the labels
        are of another kind.
    """
    if not isinstance(n_copies, dict):
        return np.full(n_samples, n_copies)
    if y is None or regression:
        reason = "y is None" if y is None else "the targets of a regressor are numbers"
        raise ValueError(_no_classes_message(n_copies, reason))
    try:
        labels, multilabel = check_labels(y, n_samples)
    except ValueError as error:
        raise ValueError(_no_classes_message(n_copies, str(error))) from error
    if multilabel:
        raise ValueError(_no_classes_message(n_copies, "y has several labels a sample"))
    classes, codes = np.unique(labels, return_inverse=True)
    check_labels_of_dict(n_copies, classes, "n_copies", "numbers of copies", "get no copies")
    return np.array([n_copies.get(label, 0) for label in classes.tolist()])[codes]


def _no_classes_message(n_copies: dict[Any, int], reason: str) -> str:
    return (
        "A dict as the 'n_copies' parameter of Augmented has a number for each class, and needs "
        f"one class label for each sample: {reason.rstrip('.')}. Give an int instead of "
        f"{n_copies!r}."
    )


def check_layout_of_estimator(
    estimator: Any, sample: tuple[int, ...], layout: InputLayout, owner: str
) -> None:
    """Check that the estimator gives the axes of samples the meaning that they are augmented with.

    Parameters
    ----------
    estimator : estimator
        The estimator to fit, which may have the parameters of a layout: a network, a search for
        one, or a Pipeline that begins with one or with a filter.
    sample : tuple of int
        The axes of `X` after the first.
    layout : InputLayout
        How the samples are augmented.
    owner : str
        Named in messages.

    Raises
    ------
    InputShapeError
        If they differ.
    """
    reader = _first_reader(estimator)
    if not all(hasattr(reader, name) for name in LAYOUT_PARAMETERS):
        return
    given = {name: getattr(reader, name) for name in LAYOUT_PARAMETERS}
    name = type(reader).__name__
    try:
        read = infer_layout(sample, **given, name=name, doubt=False)
    except (TypeError, ValueError):
        return  # the estimator raises it with better words
    if read.network_shape != layout.network_shape:
        raise InputShapeError(
            f"{owner} reads samples of shape {layout.shape} (channels {layout.channels}), but the "
            f"{name} in it reads {read.shape} (channels {read.channels}). Give both the same "
            "input_shape, n_spatial_dims and channels."
        )


def _first_reader(estimator: Any) -> Any:
    """Return the part of an estimator that gets the samples as they are."""
    while True:
        if isinstance(estimator, BaseSearchCV):
            estimator = estimator.estimator
        elif isinstance(estimator, Pipeline):
            steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
            readers = [step for step in steps if not isinstance(step, Augmentation)]
            estimator = readers[0] if readers else None
        else:
            return estimator


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


def make_estimator(estimator: Any, random_state: Any, *, holds_back: bool) -> Any:
    """Return a clone whose unset random states are seeded from `random_state`.

    Without `holds_back`, networks that may choose whether they hold samples back for a calibration
    do not: copies of these samples would be trained on.
    """
    if random_state is None:
        copied: Any = clone(estimator)
    else:
        seed = draw_seed(random_state)
        copied = seeded_clone(estimator, lambda n: [s % 2**31 for s in derive_seeds(seed, 1, n)])
    if holds_back:
        return copied
    own = copied.get_params()
    names = [name for name in own if _names_calibration(name)]
    chosen: dict[str, Any] = {name: None for name in names if _is_auto(own[name])}
    grids = [name for name in own if name.split("__")[-1] in GRIDS]
    chosen |= {name: _uncalibrated(own[name]) for name in grids}
    return copied.set_params(**chosen) if chosen else copied


def _names_calibration(name: str) -> bool:
    return name.split("__")[-1] == "calibration"


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def _uncalibrated(value: Any) -> Any:
    """Return parameters to choose from, as of a grid, whose networks hold no samples back."""
    if isinstance(value, dict):
        changed = {name: _uncalibrated(each) for name, each in value.items()}
        for name in filter(_names_calibration, changed):
            if isinstance(changed[name], list | tuple):
                changed[name] = [None if _is_auto(each) else each for each in changed[name]]
        return changed
    if isinstance(value, list | tuple):
        return type(value)([_uncalibrated(each) for each in value])
    if hasattr(value, "get_params") and not isinstance(value, type):
        return make_estimator(value, None, holds_back=False)
    return value


def warn_of_leakage(estimator: Any) -> None:
    """Warn if an estimator splits its samples without groups for the copies."""
    splitting = sorted(
        name
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "cv"
        or (name.split("__")[-1] == "early_stopping" and value is True)
        or (name.split("__")[-1] == "calibration" and value not in (None, "auto"))
    )
    if splitting:
        warn_caller(
            f"{type(estimator).__name__} splits its samples ({', '.join(splitting)}), "
            "and copies of a sample may be on both sides: its own scores are too good. "
            "Put Augmented inside the search, or pass groups with a number for each "
            "sample to a splitter that keeps groups together.",
            LeakageWarning,
        )
