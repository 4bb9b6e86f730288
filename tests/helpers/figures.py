"""What figures of displays must show."""


def words_of(display):
    ticks = [*display.ax_.get_xticklabels(), *display.ax_.get_yticklabels()]
    return [label.get_text() for label in ticks]


def assert_nothing_is_cut(display):
    """All words and pictures lie within the figure."""
    display.figure_.canvas.draw()
    box = display.ax_.get_tightbbox()
    whole = display.figure_.bbox
    assert box.x0 >= whole.x0 - 1
    assert box.x1 <= whole.x1 + 1
    assert box.y0 >= whole.y0 - 1
    assert box.y1 <= whole.y1 + 1
