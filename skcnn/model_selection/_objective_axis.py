"""An axis that shows an objective: its label, and the range of values that it covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skcnn._plotting.axes import needs_log_scale, set_log_ticks
from skcnn.model_selection._network_size import SIZES

AXIS_LABELS = {
    "score": "mean test score",
    "n_parameters": "parameters",
    "multiply_accumulates": "multiply-accumulates of a sample",
    "predict_seconds": "seconds to predict a fold",
    "fit_seconds": "seconds to fit a fold",
    "n_epochs": "training epochs",
}
# Length of the scale from the best value, in distances of the median from the best value.
MEDIANS_SHOWN = 4
MARGIN = 0.08  # share of an axis on each side, for points beyond the scale


@dataclass(frozen=True)
class Scale:
    """The values of an axis, from `low` to `high` with a margin on each side."""

    low: float
    high: float
    log: bool

    def limits(self) -> tuple[float, float]:
        """Return the limits of the axis."""
        if self.log:
            factor = (self.high / self.low) ** MARGIN * 1.05
            return self.low / factor, self.high * factor
        margin = MARGIN * ((self.high - self.low) or 1.0)
        return self.low - margin, self.high + margin

    def clip(self, values: pd.Series) -> pd.Series:
        """Return the values, with those beyond the scale moved into the margins."""
        bottom, top = self.limits()
        below = values < self.low
        above = values > self.high
        return values.mask(below, (bottom + self.low) / 2).mask(above, (top + self.high) / 2)


def scale_of(values: pd.Series, name: str, minimized: bool, always: Sequence[float] = ()) -> Scale:
    """Return a scale from the best value to a multiple of the median's distance from it.

    Values in `always` are on the scale, too.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if name in SIZES or (minimized and needs_log_scale(low, high)):
        return Scale(low, high, True)
    best = low if minimized else high
    reach = MEDIANS_SHOWN * abs(best - float(finite.median()) if len(finite) else 0.0)
    reach = reach or high - low  # 0 if half of the trials are as good as the best
    if minimized:
        high = min(high, low + reach)
    else:
        low = max(low, high - reach)
    return Scale(min([low, *always]), max([high, *always]), False)


def label_of(objective: str) -> str:
    """Return the label of an axis that shows an objective."""
    return AXIS_LABELS.get(objective, f"mean test {objective}")


def set_axis(ax: Any, axis: str, name: str, scale: Scale) -> None:
    """Set label, kind and limits of an axis that shows an objective."""
    kind, limits = "log" if scale.log else "linear", scale.limits()
    ax.set(**{f"{axis}label": label_of(name), f"{axis}scale": kind, f"{axis}lim": limits})
    if scale.log:
        set_log_ticks(ax, axis)
