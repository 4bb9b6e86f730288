"""Displays in scikit-learn's convention: data in the constructor, drawing in ``plot``.

Trains and predicts nothing. The only room that imports matplotlib, and only to draw.
"""

from math import ceil, floor, log10
from typing import Any

from skcnn.exceptions import MissingDependencyError

NARROW_INCHES = 4.5
# A loss that falls further than this is drawn on a logarithmic axis.
LOG_SCALE_RATIO = 10
MOST_POWERS = 8  # of ten with a label
# Okabe and Ito's colours, told apart by colour-blind readers too; shapes or hatches differ
# as well.
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, RED, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
GREY, ALARM = "0.35", "#B34700"  # a dark vermillion


def set_log_ticks(ax: Any, axis: str) -> None:
    """Label 1, 2 and 5 of a logarithmic axis: powers of ten alone would be too few."""
    low, high = getattr(ax, f"get_{axis}lim")()
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    firsts = (1, 2, 5) if len(powers) <= 4 else (1,)  # all multiples overlap
    step = ceil(len(powers) / MOST_POWERS)
    ticks = [first * 10.0**power for power in powers[::step] for first in firsts]
    ticks = [tick for tick in ticks if low <= tick <= high]
    ax.tick_params(axis=axis, which="minor", labelbottom=False, labelleft=False)
    getattr(ax, f"set_{axis}ticks")(ticks, [f"{tick:,.9g}" for tick in ticks])


def legend_above(ax: Any, n_columns: int, *, narrow: int = 2, **style: Any) -> Any:
    """Return a new legend above the axes, where it covers nothing.

    Narrow axes, such as those of a grid, have at most `narrow` columns: a legend wider than
    its axes would squeeze them.
    """
    if ax.get_window_extent().width < NARROW_INCHES * ax.figure.dpi:
        n_columns = min(n_columns, narrow)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "frameon": False}
    return ax.legend(ncols=n_columns, **place, **style)


def new_axes(**figure: Any) -> Any:
    """Return axes in a new figure, made with the keywords of matplotlib's.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingDependencyError(
            "Drawing a display needs matplotlib, which is not installed. Install it with "
            'pip install "skcnn[plots]", or pass the axes to draw in.'
        ) from None
    return pyplot.subplots(layout="constrained", **figure)[1]
