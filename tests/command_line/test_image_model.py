"""The default size and mode of images."""

import pytest

from skcnn._command_line.image_model import reading_of
from skcnn._data.image_files.headers import Header


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(30, 40)], (30, 40)),
        ([(28, 28)] * 3, (28, 28)),
        ([(480, 640)] * 2, (72, 96)),
        ([(640, 480)], (96, 72)),
        ([(1000, 2)], (96, 1)),
        ([(30, 40), (50, 20), (60, 90)], (30, 30)),  # the shorter sides are 30, 20, 60
        ([(30, 40), (50, 20)], (25, 25)),
        ([(3000, 4000), (4000, 3000)], (96, 96)),
    ],
)
def test_size_is_that_of_the_files_or_a_square(sizes, expected):
    headers = [Header(height, width, "RGB") for height, width in sizes]
    assert reading_of(headers, None, "auto", "crop").size == expected


def test_given_size_and_mode_are_taken():
    reading = reading_of([Header(30, 40, "RGB")], (5, 6), "L", "pad")
    assert (reading.size, reading.mode, reading.resize) == ((5, 6), "L", "pad")


@pytest.mark.parametrize(("modes", "expected"), [(["L", "L"], "L"), (["L", "RGBA"], "RGB")])
def test_mode_is_what_the_files_have_in_common(modes, expected):
    headers = [Header(8, 8, mode) for mode in modes]
    assert reading_of(headers, None, "auto", "crop").mode == expected
