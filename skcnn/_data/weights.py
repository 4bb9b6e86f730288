"""Validation of sample weights and class weights."""

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from skcnn._data.containers import without_tensors
from skcnn._data.targets import ClassTargets
from skcnn._utils.compat import check_sample_weight
from skcnn._utils.validation import warn_caller

MOST_EXPONENT = 30  # weights from 1e-9 to 1e9 stay as they are


def check_weights(
    sample_weight: Any, n_samples: int, name: str = "sample_weight"
) -> np.ndarray | None:
    """Return sample weights as float64, or None if none are given.

    Very large or small weights are divided by a power of two, which changes no share.

    Raises
    ------
    ValueError
        If weights are negative, all zero, of a wrong length or of more than one axis, or if
        float64 cannot hold their ratios.
    """
    if sample_weight is None:
        return None
    try:
        weights = check_sample_weight(
            without_tensors(sample_weight, name),
            np.empty((n_samples, 0)),
            dtype=np.float64,
            ensure_non_negative=True,
            allow_all_zero_weights=False,
        )
    except ValueError as error:
        message = str(error).replace("Sample weights", "sample_weight")
        if name == "sample_weight":
            raise
        raise ValueError(message.replace("sample_weight", name)) from error
    return _moderate(weights, f"The {name} argument")


def _moderate(weights: np.ndarray, owner: str) -> np.ndarray:
    """Return weights whose products and sums neither overflow nor become zero.

    A power of two is divided out, so that all results stay the same bits.
    """
    exponent = int(np.frexp(weights.max())[1])
    if abs(exponent) <= MOST_EXPONENT:
        return weights
    scaled = np.ldexp(weights, -exponent)
    if ((scaled == 0) & (weights > 0)).any():
        raise ValueError(
            f"{owner} has weights from {weights[weights > 0].min():g} to {weights.max():g}: "
            "float64 cannot hold their ratio. Set negligible weights to zero."
        )
    return scaled


def class_weight_per_code(
    class_weight: Any, targets: ClassTargets, codes: np.ndarray, weights: np.ndarray | None
) -> np.ndarray | None:
    """Return one factor for each class, or None without `class_weight`.

    A dict may have weights for classes that y lacks, as a fold of a cross-validation does. It
    warns if classes of y have no weight at the same time, because labels may be misspelled.

    Raises
    ------
    ValueError
        If targets are multilabel, or `class_weight` has labels of another kind than y.
    """
    if class_weight is None:
        return None
    if targets.multilabel:
        raise ValueError(
            "The 'class_weight' parameter must be None for multilabel targets. Got "
            f"{class_weight!r}; use sample_weight instead."
        )
    if isinstance(class_weight, dict):
        values = np.asarray(list(class_weight.values()), dtype=float)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(
                f"The 'class_weight' parameter must have finite weights >= 0. Got {class_weight!r}."
            )
        check_labels_of_dict(
            class_weight, targets.classes, "class_weight", "weights", "have the weight 1"
        )
        known = set(targets.classes.tolist())
        class_weight = {label: w for label, w in class_weight.items() if label in known}
    elif len(np.unique(codes)) < len(targets.classes):
        raise ValueError(
            "class_weight='balanced' needs samples of every class; give a dict of weights instead."
        )
    factors = compute_class_weight(
        class_weight,
        classes=targets.classes,
        y=targets.classes[codes],
        sample_weight=weights,
    )
    factors = _moderate(factors, "The 'class_weight' parameter")
    if not factors[codes].any():
        raise ValueError(
            f"The 'class_weight' parameter leaves no sample any weight. Got {class_weight!r}."
        )
    return factors


def check_labels_of_dict(
    given: dict[Any, Any], classes: np.ndarray, parameter: str, what: str, default: str
) -> None:
    """Check the labels of a parameter that has a value for each class.

    It may name classes that a fold of a cross-validation lacks, but labels may be misspelled
    too: warn of labels that are not among `classes`, unless all classes have a value.

    Parameters
    ----------
    given : dict
        The parameter, ``{label: value}``.
    classes : ndarray of shape (n_classes,)
        The labels of y.
    parameter : str
        Name of the parameter, for messages.
    what : str
        What its values are, such as "weights".
    default : str
        What is true of classes without a value, such as "have the weight 1".

    Raises
    ------
    ValueError
        If labels are strings and those of y are not, or the reverse.
    """
    known = classes.tolist()
    unknown = [label for label in given if label not in known]
    if not unknown:
        return
    message = (
        f"The {parameter!r} parameter has {what} for {unknown}, which are not among the "
        f"classes {classes}."
    )
    if any(isinstance(label, str) != isinstance(known[0], str) for label in unknown):
        raise ValueError(f"{message} Give labels of the same type.")
    unnamed = [label for label in known if label not in given]
    if unnamed:
        warn_caller(f"{message} The classes {unnamed} {default}.", UserWarning)
