"""Colours of the displays: Okabe and Ito's palette, which colour-blind readers can tell apart."""

BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, RED, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
GREY = 0.35  # the level of `grey` for lines and texts
# Vermillions for texts, the preferred first: dark ones for light backgrounds, and the reverse.
ALARMS = ("#B34700", "#8A3700", "#FF9A57", "#FFD0AE", "#3D1800")
