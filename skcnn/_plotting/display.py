"""The base class of the displays, and the check of a parameter that takes several values."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self


def one_or_several(name: str, value: Any, wanted: str) -> list[Any]:
    """Return the values of the parameter `name` as a list; a single value may stand alone.

    Raises
    ------
    ValueError
        If there is no value.
    """
    is_single = isinstance(value, str) or not isinstance(value, Iterable)
    values = [value] if is_single else list(value)
    if not values:
        raise ValueError(
            f"The {name!r} parameter must have one or more {wanted}. Got {value!r} instead."
        )
    return values


class Display(ABC):
    """Base class of the displays whose drawing has no options.

    As in scikit-learn, the constructor takes what was computed, and `plot` draws it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    """

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        self : Display
            The display, with `ax_` and `figure_` set.

        Raises
        ------
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        self.ax_ = self._draw(ax)
        self.figure_ = self.ax_.figure
        return self

    @abstractmethod
    def _draw(self, ax: Any) -> Any:
        """Draw in the given axes, or in new ones if `ax` is None; return the axes."""
