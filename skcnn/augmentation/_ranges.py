"""Range: how a parameter's value becomes a range of draws."""

from typing import Any, NamedTuple

import numpy as np

from skcnn._utils.validation import is_number


class Range(NamedTuple):
    """How a parameter's value, a number or (low, high), becomes a range of draws.

    Attributes
    ----------
    neutral : float or None
        Value that changes nothing. With None a number means exactly that number.
    around : bool
        Whether a number `r` means ``neutral - r`` to ``neutral + r``; else from
        `neutral` to `r`.
    low, high : float
        Limits of legal values.
    optional : bool
        Whether the parameter may be None.
    """

    neutral: float | None
    around: bool
    low: float
    high: float
    optional: bool = False

    def limits(self, value: Any) -> tuple[float, float] | None:
        """Return low and high of the draws, None if `value` is not legal."""
        if isinstance(value, tuple | list | np.ndarray) and np.ndim(value) == 1:
            numbers = list(value)
        elif self.neutral is None or not is_number(value):
            numbers = [value, value]
        elif self.around:
            if value < 0:
                return None
            numbers = [self.neutral - value, self.neutral + value]
        else:
            numbers = [self.neutral, value]
        if len(numbers) != 2 or not all(map(is_number, numbers)):
            return None
        low, high = map(float, numbers)
        return (low, high) if self.low <= low <= high <= self.high else None

    def description(self) -> str:
        """Return what the parameter must be, for error messages."""
        number = "a number"
        if self.neutral is not None and self.around:
            most = min(self.neutral - self.low, self.high - self.neutral)
            middle = "" if self.neutral == 0 else f"{self.neutral:g} "
            ends = f"{middle}- r to {middle}+ r" if middle else "-r to r"
            number = f"a number r between 0 and {most:g}, meaning {ends},"
        elif self.neutral is not None:
            number = f"a number of at least {self.neutral:g}, meaning {self.neutral:g} to it,"
        none = " or None" if self.optional else ""
        return (
            f"{number} or a range (low, high) with low <= high, between {self.low:g} and "
            f"{self.high:g}{none}"
        )
