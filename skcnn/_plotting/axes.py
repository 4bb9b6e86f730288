"""New axes, logarithmic scales, legends above the axes, and figures as PNG files.

The only module that imports matplotlib, inside the function that needs it.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import ceil, floor, log10
from typing import Any

from skcnn._plotting.palette import ALARMS
from skcnn.exceptions import MissingDependencyError

NARROW_INCHES = 4.5
LOG_SCALE_RATIO = 10  # of the largest to the smallest value
MOST_POWERS = 8  # of ten with a label
READABLE = 4.5  # contrast of a text with its background, by WCAG 2
DOTS_PER_INCH = 150

Colour = tuple[float, float, float]


def needs_log_scale(low: float, high: float) -> bool:
    """Return whether positive values from `low` to `high` need a logarithmic axis."""
    return bool(0 < LOG_SCALE_RATIO * low < high)


def set_log_ticks(ax: Any, axis: str) -> None:
    """Label 1, 2 and 5 times each power of ten of a logarithmic axis."""
    low, high = getattr(ax, f"get_{axis}lim")()
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    firsts = (1, 2, 5) if len(powers) <= 4 else (1,)  # more labels would overlap
    step = ceil(len(powers) / MOST_POWERS)
    ticks = [first * 10.0**power for power in powers[::step] for first in firsts]
    ticks = [tick for tick in ticks if low <= tick <= high]
    ax.tick_params(axis=axis, which="minor", labelbottom=False, labelleft=False)
    getattr(ax, f"set_{axis}ticks")(ticks, [f"{tick:,.9g}" for tick in ticks])


def legend_above(ax: Any, n_columns: int, *, narrow: int = 2, **style: Any) -> Any:
    """Return a new legend above the axes, where it covers no data.

    In narrow axes, such as those of a grid, the legend has at most `narrow` columns: a legend
    wider than its axes would squeeze them.
    """
    if ax.get_window_extent().width < NARROW_INCHES * ax.figure.dpi:
        n_columns = min(n_columns, narrow)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "frameon": False}
    return ax.legend(ncols=n_columns, **place, **style)


def grey(level: float) -> Colour:
    """Return a colour between matplotlib's text, level 0, and its background, level 1.

    In a dark style, greys for a white background cannot be read.
    """
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb

    ink, paper = to_rgb(rcParams["text.color"]), _backgrounds()[0]
    red, green, blue = ((1 - level) * a + level * b for a, b in zip(ink, paper, strict=True))
    return red, green, blue


def alarm() -> str:
    """Return the colour of texts that warn, readable on matplotlib's backgrounds.

    It is the first of `ALARMS` with a contrast of 4.5 to the axes and to the figure, or else the
    one with the highest contrast.
    """
    from matplotlib.colors import to_rgb

    backgrounds = _backgrounds()
    least = {tone: min(contrast(to_rgb(tone), b) for b in backgrounds) for tone in ALARMS}
    best = max(ALARMS, key=lambda tone: least[tone])
    return next((tone for tone in ALARMS if least[tone] >= READABLE), best)


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours by WCAG 2, from 1 for equal ones to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _backgrounds() -> list[Colour]:
    """Return the colours of axes and figure, as far as they are filled; white if none is."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgba

    colours = [to_rgba(rcParams["axes.facecolor"]), to_rgba(rcParams["figure.facecolor"])]
    return [(r, g, b) for r, g, b, opacity in colours if opacity > 0] or [(1.0, 1.0, 1.0)]


def new_axes(**figure: Any) -> Any:
    """Return axes in a new figure that is made with the given keywords.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    return _pyplot().subplots(layout="constrained", **figure)[1]


@contextmanager
def standard_style() -> Iterator[None]:
    """Draw in matplotlib's default style inside the block, whatever the user's style is.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    with _pyplot().style.context("default"):
        yield


def figure_png(figure: Any) -> bytes:
    """Return a figure as the bytes of a PNG file, and close it.

    Letters that its font does not have are drawn as boxes, without a warning.
    """
    stream = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight")
    _pyplot().close(figure)
    return stream.getvalue()


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingDependencyError(
            "Drawing a display needs matplotlib, which is not installed. Install it with "
            'pip install "skcnn[plots]", or pass the axes to draw in.'
        ) from None
    return pyplot
