"""The check that training has not diverged."""

import numpy as np

from skcnn.exceptions import TrainingDivergedError


def check_finite(
    value: float, epoch: int, learning_rate: float, what: str = "training loss"
) -> None:
    """Raise if a figure of an epoch is infinite or NaN.

    Raises
    ------
    TrainingDivergedError
        With the name of the figure, the epoch and what to change.
    """
    if not np.isfinite(value):
        raise TrainingDivergedError(
            f"The {what} became {value} in epoch {epoch}. Try a learning_rate below "
            f"{learning_rate:g}, gradient_clip=1.0, or standardize=True."
        )
