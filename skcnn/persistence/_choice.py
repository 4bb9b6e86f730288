"""The table of what ``pretrained="auto"`` tried, as it is saved and restored."""

from typing import Any

import numpy as np
import pandas as pd

from skcnn._convnet.choice import FOLDS
from skcnn.exceptions import ModelFileError

NUMBERS = ("score", *(f"score_{i}" for i in range(1, FOLDS + 1)), "seconds")
COLUMNS = {
    "candidate": np.dtype(np.str_),
    "chosen": np.dtype(np.bool_),
    **dict.fromkeys(NUMBERS, np.dtype(np.float64)),
    "multiply_accumulates": np.dtype(np.float64),
    "reason": np.dtype(np.str_),
}


def kept_choice(choice: pd.DataFrame | None) -> dict[str, np.ndarray] | None:
    """Return the columns of `choice_` as arrays."""
    if choice is None:
        return None
    table = choice.reset_index()
    return {name: table[name].to_numpy().astype(kind) for name, kind in COLUMNS.items()}


def restored_choice(kept: Any) -> pd.DataFrame | None:
    """Return the table `choice_`.

    Raises
    ------
    ModelFileError
        If it has other columns, or not one chosen row.
    """
    if kept is None:
        return None
    legal = type(kept) is dict and kept.keys() == COLUMNS.keys()
    legal = legal and all(isinstance(column, np.ndarray) for column in kept.values())
    legal = legal and all(kept[name].dtype.kind == kind.kind for name, kind in COLUMNS.items())
    legal = legal and len({column.shape for column in kept.values()}) == 1
    legal = legal and kept["chosen"].ndim == 1 and kept["chosen"].sum() == 1
    if not legal or len({*kept["candidate"].tolist()}) < len(kept["candidate"]):
        raise ModelFileError("the attribute choice_ of the ConvNet must be a table of candidates")
    texts = {name: kept[name].tolist() for name in ("candidate", "reason")}
    columns = {name: texts.get(name, kept[name]) for name in COLUMNS if name != "candidate"}
    return pd.DataFrame(columns, index=pd.Index(texts["candidate"], name="candidate"))
