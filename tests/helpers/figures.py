"""Texts of displays, and a check that nothing is cut off."""


def words_of(display):
    """Return the labels of both axes."""
    ticks = [*display.ax_.get_xticklabels(), *display.ax_.get_yticklabels()]
    return [label.get_text() for label in ticks]


def legend_of(display):
    """Return the entries of the legend."""
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def assert_nothing_is_cut(display):
    """Assert that all texts and pictures lie within the figure."""
    display.figure_.canvas.draw()
    box = display.ax_.get_tightbbox()
    whole = display.figure_.bbox
    assert box.x0 >= whole.x0 - 1
    assert box.x1 <= whole.x1 + 1
    assert box.y0 >= whole.y0 - 1
    assert box.y1 <= whole.y1 + 1
