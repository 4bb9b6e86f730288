"""The base class of displays, and parameters that take one value or several."""

import numpy as np
import pytest
from matplotlib import pyplot

from skcnn._plotting.axes import new_axes
from skcnn._plotting.display import Display, one_or_several


class Line(Display):
    """A display of a line."""

    def _draw(self, ax):
        ax = new_axes() if ax is None else ax
        ax.plot([1, 2])
        return ax


def test_plot_sets_axes_and_figure():
    display, ax = Line(), pyplot.subplots()[1]
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.plot().ax_ is not ax
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    ("value", "values"),
    [("ab", ["ab"]), (3, [3]), (None, [None]), (("a", 1), ["a", 1]), (np.array([3, 0]), [3, 0])],
)
def test_one_value_may_stand_alone(value, values):
    assert one_or_several("layers", value, "layers") == values


def test_no_value_is_an_error():
    with pytest.raises(ValueError, match=r"The 'layers' parameter must have one or more layers\. "):
        one_or_several("layers", (), "layers")
