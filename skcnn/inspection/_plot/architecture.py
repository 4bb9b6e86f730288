"""ArchitectureDisplay: a network's layers from left to right, drawn to scale."""

from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any, Self

import numpy as np
import pandas as pd

from skcnn._convnet.pipelines import check_convnet
from skcnn._plotting.axes import grey, legend_above, new_axes
from skcnn._plotting.display import Display
from skcnn._plotting.palette import GREEN, GREY, ORANGE, PURPLE, SKY

KINDS: dict[str, dict[str, Any]] = {  # in the order of the legend; numbers are levels of grey
    "input": {"color": 1.0},
    "convolution": {"color": SKY},
    "pool": {"color": ORANGE, "hatch": "////"},
    "dense": {"color": GREEN, "hatch": "...."},
    "block": {"color": PURPLE, "hatch": "xxxx"},
    "other": {"color": 0.8, "hatch": "----"},
}
EDGE, FLOW = 0.15, 0.6  # levels of grey
CAPTION = (
    "height: side of the feature maps, width: square root of their channels\n"
    "normalisation, activation and dropout are part of the layer before them"
)
# All lengths are in inches of a new figure, and shrink together in given axes.
TALLEST_BOX, WIDEST_BOX, SMALLEST = 1.6, 0.6, 0.05
GAP = 0.19
FIGURE_WIDTH, WIDEST = 6.4, 10.0  # of a new figure; labels of wider ones are upright
HEADINGS = 1.3  # height of title, legend and caption
FONT_POINTS = 8.5
CHARACTER, LINE = 0.6 * FONT_POINTS / 72, 1.3 * FONT_POINTS / 72
UPRIGHT_JOIN = "  "
LAID_OUT = 0.85  # share of given axes that the headings leave


def _look_of(kind: str) -> dict[str, Any]:
    look = KINDS[kind]
    is_level = isinstance(look["color"], float)
    return {**look, "color": grey(look["color"])} if is_level else look


@dataclass
class _Box:
    """A layer, with the layers after it that only change its values."""

    name: str
    kind: str
    shape: tuple[int, ...]  # (*spatial, n_channels)
    parameters: int = 0
    width: float = field(default=0.0, init=False)
    height: float = field(default=0.0, init=False)

    @property
    def side(self) -> float:
        """The geometric mean of the spatial sides, 1 for a vector."""
        n_axes = len(self.shape) - 1
        return float(prod(self.shape[:-1]) ** (1 / n_axes)) if n_axes else 1.0

    def lines(self) -> list[str]:
        """Return the lines of its label: name, output shape and parameters."""
        shape = "\N{MULTIPLICATION SIGN}".join(map(str, self.shape))
        return [self.name, shape, f"{self.parameters:,}" if self.parameters else ""]

    def longest_line(self) -> int:
        """Return the number of characters in the longest line."""
        return max(map(len, self.lines()))


def _inches_of(ax: Any) -> np.ndarray:
    """Return the approximate width and height of given axes in the drawn figure."""
    box = ax.get_window_extent()
    return LAID_OUT * np.array([box.width, box.height]) / ax.figure.dpi


def _boxes_of(summary: pd.DataFrame, input_shape: tuple[int, ...]) -> list[_Box]:
    """Return the boxes, the input first, with their sizes in inches."""
    boxes = [_Box("input", "input", input_shape)]
    for row in summary.itertuples():
        kind = _kind_of(row.type)
        same_size = row.output_size in (0, prod(boxes[-1].shape))  # 0 without an output
        if kind == "other" and same_size:
            boxes[-1].parameters += row.parameters
        else:
            boxes.append(_Box(row.Index, kind, row.output_shape, row.parameters))
    side = max(box.side for box in boxes)
    channels = max(box.shape[-1] for box in boxes)
    for box in boxes:
        box.height = max(TALLEST_BOX * box.side / side, SMALLEST)
        box.width = max(WIDEST_BOX * sqrt(box.shape[-1] / channels), SMALLEST)
    return boxes


def _kind_of(type_name: str) -> str:
    """Return the kind of a layer's specification or of a torch module."""
    if type_name in ("Residual", "Concatenate"):
        return "block"
    words = {
        "Conv": "convolution",
        "Whiten": "convolution",
        "Pool": "pool",
        "Dense": "dense",
        "Linear": "dense",
    }
    return next((kind for word, kind in words.items() if word in type_name), "other")


def _draw_boxes(
    ax: Any, boxes: list[_Box], pitches: list[float], upright: bool, points: float
) -> None:
    """Draw the boxes from left to right with their labels of a font size in points."""
    style: dict[str, Any] = {"fontsize": points, "ha": "center", "va": "top"}
    if upright:
        style["rotation"] = 270  # with the name next to the box
    end, named = 0.0, set()
    ax.plot(
        [pitches[0] / 2, sum(pitches) - pitches[-1] / 2],
        [0, 0],
        color=grey(FLOW),
        linewidth=0.8,
        zorder=0,
    )
    for box, pitch in zip(boxes, pitches, strict=True):
        middle, end = end + pitch / 2, end + pitch
        label = None if box.kind in named else box.kind
        named.add(box.kind)
        look = {**_look_of(box.kind), "edgecolor": grey(EDGE), "linewidth": 0.8, "label": label}
        ax.bar(middle, box.height, box.width, bottom=-box.height / 2, **look)
        text = (UPRIGHT_JOIN if upright else "\n").join(box.lines())
        ax.text(middle, -TALLEST_BOX / 2 - GAP, text, **style)


class ArchitectureDisplay(Display):
    """The layers of a network as boxes, with shapes and parameters.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    summary : DataFrame
        One row for each layer, as the estimators' `summary` returns it.
    input_shape : tuple of int
        Shape of a sample, ``(*spatial, n_channels)``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ConvNetClassifier.summary : The layers as a table.

    Notes
    -----
    The height of a box is the side of the layer's feature maps (the geometric mean of their
    sides), its width the square root of the number of channels. Both are to scale down to a
    smallest size. The units of a dense layer are channels of a single position.

    Normalisation, activation, dropout, flattening and other layers that do not change the
    number of values are part of the layer before them, with their parameters. Residual
    and concatenated layers are one block. A new figure is as wide as the layers need; if
    that is more than ten inches, the labels are upright.

    Examples
    --------
    >>> from skcnn.inspection import ArchitectureDisplay
    >>> from skcnn import ConvNetClassifier
    >>> net = ConvNetClassifier(filters=(16, 32))
    >>> display = ArchitectureDisplay.from_estimator(net, input_shape=(28, 28, 1), n_outputs=10)
    >>> display.ax_.get_title()
    '207,098 parameters'
    """

    def __init__(self, *, summary: pd.DataFrame, input_shape: tuple[int, ...]) -> None:
        self.summary = summary
        self.input_shape = input_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        input_shape: tuple[int, ...] | None = None,
        n_outputs: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the network of an estimator.

        Parameters
        ----------
        estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
            A ConvNet, fitted or not, a Pipeline that ends in one, or a fitted search.
        input_shape : tuple of int or None, default=None
            Shape of a sample with its channel axis, as for the estimator's `summary`. None
            takes the fitted shape, or the parameter `input_shape` of an unfitted estimator.
        n_outputs : int or None, default=None
            Number of outputs. None takes the fitted number.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : ArchitectureDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no ConvNet in `estimator`.
        NotFittedError
            If the estimator is not fitted and the shape or the number of outputs is missing.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        net = check_convnet(estimator, fitted=False)
        summary = net.summary(input_shape, n_outputs)  # checks both
        layout = net._summary_layout(input_shape)
        assert layout is not None  # as there is a summary
        return cls(summary=summary, input_shape=(*layout.spatial, layout.n_channels)).plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        boxes = _boxes_of(self.summary, self.input_shape)
        pitches = [GAP + max(box.width, box.longest_line() * CHARACTER) for box in boxes]
        upright = sum(pitches) > (WIDEST if ax is None else _inches_of(ax)[0])
        depth = 3 * LINE
        if upright:
            pitches = [GAP + max(box.width, LINE) for box in boxes]
            depth = max(len(UPRIGHT_JOIN.join(box.lines())) for box in boxes) * CHARACTER
        width, height = sum(pitches), TALLEST_BOX + GAP + depth
        scale = 1.0
        if ax is None:
            ax = new_axes(figsize=(max(width, FIGURE_WIDTH) + GAP, height + HEADINGS))
        else:
            scale = min(scale, *np.divide(_inches_of(ax), (width, height)))
        ax.set(xlim=(0, width), ylim=(-TALLEST_BOX / 2 - GAP - depth, TALLEST_BOX / 2))
        _draw_boxes(ax, boxes, pitches, upright, FONT_POINTS * scale)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_xlabel(CAPTION, fontsize="small", color=grey(GREY))
        ax.set_title(f"{self.summary['parameters'].sum():,} parameters", pad=26)
        small = {"fontsize": "small", "columnspacing": 1.2, "handlelength": 1.5}
        legend_above(ax, len(KINDS), narrow=len(KINDS), **small)
        return ax
