"""The sizes and modes of many files by their headers, and what they have in common."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from skcnn._data.image_files.pillow import opened, orientation_of, pillow, reason_of, stream_of
from skcnn.exceptions import ImageFileError, InputShapeError

MOST_LISTED = 5
GREY, GREY_16 = ("1", "L"), ("I", "I;16", "I;16B", "I;16L", "I;16N")
WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


class Header(NamedTuple):
    """What the beginning of a file says: height, width and the mode that holds all of it."""

    height: int
    width: int
    mode: str


def read_header(source: Any, most_pixels: int) -> Header:
    """Return the header of a file, with the sides as they are after turning.

    Raises
    ------
    ImageFileError
        If it cannot be read; the message is the reason, without the name.
    """
    pillow()
    try:
        with stream_of(source) as stream:
            return header_of(opened(stream, most_pixels))
    except Exception as error:  # Pillow's plugins raise all kinds for damaged files
        raise ImageFileError(reason_of(error)) from error


def header_of(image: Any) -> Header:
    """Return the header of a PIL image, with the sides as they are after turning."""
    width, height = image.size
    if orientation_of(image) > 4:
        width, height = height, width
    return Header(height, width, mode_of(image))


def mode_of(image: Any) -> str:
    """Return the mode that holds all of an image, one of `ImageFiles`."""
    if image.mode in GREY_16:
        return "I;16"
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        return "RGBA"
    return "L" if image.mode in GREY else "RGB"


def common_size(headers: Sequence[Header]) -> tuple[int, int]:
    """Return the height and width that all files have.

    Raises
    ------
    InputShapeError
        If they differ; it lists the most frequent ones.
    """
    counts = Counter((each.height, each.width) for each in headers)
    if len(counts) == 1:
        return next(iter(counts))
    listed = ", ".join(
        f"{height} x {width} ({n} file{'s' * (n > 1)})"
        for (height, width), n in counts.most_common(MOST_LISTED)
    )
    more = f" and {len(counts) - MOST_LISTED} other sizes" if len(counts) > MOST_LISTED else ""
    side = _usual_side(counts)
    raise InputShapeError(
        f"The images have {len(counts)} sizes (height x width): {listed}{more}. A network needs "
        f"one size. Pass it, such as size={side} or size=({side}, {side}); resize='crop', 'pad' "
        "or 'stretch' says how images of another shape are brought to it."
    )


def _usual_side(counts: Counter[tuple[int, int]]) -> int:
    """Return a side for all images: the shorter side of the most frequent size, 224 at most."""
    (height, width), _ = counts.most_common(1)[0]
    return min(height, width, 224)


def common_mode(headers: Sequence[Header]) -> str:
    """Return the mode that holds all files.

    It is that of all files if they have one, "I;16" for grey images of 8 and 16 bits, and
    "RGB" for other mixtures, in which grey images become coloured and alpha is left out.
    """
    modes = {each.mode for each in headers}
    if len(modes) == 1:
        return modes.pop()
    return "I;16" if modes == {"L", "I;16"} else "RGB"
