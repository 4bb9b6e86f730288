"""The tables of what "auto" tried, as they are saved and restored."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from skcnn._convnet.choice import FOLDS
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._estimator_parameters import entries_of
from skcnn.exceptions import ModelFileError

Columns = Mapping[str, np.dtype]
TEXT, TRUTH, NUMBER = np.dtype(np.str_), np.dtype(np.bool_), np.dtype(np.float64)
NUMBERS = ("score", *(f"score_{i}" for i in range(1, FOLDS + 1)), "seconds")
COLUMNS: Columns = {
    "candidate": TEXT,
    "chosen": TRUTH,
    **dict.fromkeys(NUMBERS, NUMBER),
    "multiply_accumulates": NUMBER,
    "reason": TEXT,
}
OF_AUGMENTATION: Columns = {
    "candidate": TEXT,
    "chosen": TRUTH,
    "score": NUMBER,
    "changed_score": NUMBER,
    "reason": TEXT,
}


def kept_choice(choice: pd.DataFrame | None) -> dict[str, np.ndarray] | None:
    """Return the columns of `choice_` as arrays."""
    return _kept(choice, COLUMNS)


def kept_augmentation_choice(choice: pd.DataFrame | None) -> dict[str, np.ndarray] | None:
    """Return the columns of `augmentation_choice_` as arrays."""
    return _kept(choice, OF_AUGMENTATION)


def _kept(choice: pd.DataFrame | None, columns: Columns) -> dict[str, np.ndarray] | None:
    if choice is None:
        return None
    table = choice.reset_index()
    return {name: table[name].to_numpy().astype(kind) for name, kind in columns.items()}


def restored_choice(kept: Any) -> pd.DataFrame | None:
    """Return the table `choice_`.

    Raises
    ------
    ModelFileError
        If it has other columns, or not one chosen row.
    """
    table = _restored(kept, COLUMNS, "choice_")
    if table is not None and table["chosen"].sum() != 1:
        raise _error("choice_")
    return table


def restored_augmentation_choice(kept: Any) -> pd.DataFrame | None:
    """Return the table `augmentation_choice_`.

    Raises
    ------
    ModelFileError
        If it has other columns.
    """
    return _restored(kept, OF_AUGMENTATION, "augmentation_choice_")


def restored_augmentation(kept: Any) -> list[Any]:
    """Return `augmentation_`; in files without it, it is what the parameter lists.

    Raises
    ------
    ModelFileError
        If it has anything but augmentations.
    """
    entries = entries_of(kept)
    if not all(isinstance(each, Augmentation) for each in entries):
        raise ModelFileError("the attribute augmentation_ of the ConvNet must list augmentations")
    return entries


def _restored(kept: Any, columns: Columns, attribute: str) -> pd.DataFrame | None:
    if kept is None:
        return None
    legal = type(kept) is dict and kept.keys() == columns.keys()
    legal = legal and all(isinstance(column, np.ndarray) for column in kept.values())
    legal = legal and all(kept[name].dtype.kind == kind.kind for name, kind in columns.items())
    legal = legal and len({column.shape for column in kept.values()}) == 1
    legal = legal and kept["chosen"].ndim == 1
    if not legal or len({*kept["candidate"].tolist()}) < len(kept["candidate"]):
        raise _error(attribute)
    texts = {name: kept[name].tolist() for name in ("candidate", "reason")}
    values = {name: texts.get(name, kept[name]) for name in columns if name != "candidate"}
    return pd.DataFrame(values, index=pd.Index(texts["candidate"], name="candidate"))


def _error(attribute: str) -> ModelFileError:
    return ModelFileError(f"the attribute {attribute} of the ConvNet must be a table of candidates")
