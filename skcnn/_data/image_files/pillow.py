"""Pillow: opening files of the allowed formats, their headers and orientation.

The only module that imports Pillow, inside the function that needs it.
"""

import functools
import io
import os
from importlib import import_module
from types import SimpleNamespace
from typing import Any, BinaryIO

from skcnn.exceptions import ImageFileError, MissingDependencyError

# Plugins of Pillow, by format. Formats that run programs (EPS) or are rarely photos are left out.
PLUGINS = {
    "JPEG": "Jpeg",
    "PNG": "Png",
    "GIF": "Gif",
    "BMP": "Bmp",
    "TIFF": "Tiff",
    "WEBP": "WebP",
    "PPM": "Ppm",
}
MOST_PIXELS = 89_478_485  # Pillow's own limit, a quarter of a GiB of RGB
PREFIX_BYTES = 16  # by which a format recognises its files
ORIENTATION = 0x0112
WITH_ORIENTATION = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}


@functools.cache
def pillow() -> Any:
    """Return the parts of Pillow that are used.

    Raises
    ------
    MissingDependencyError
        If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingDependencyError(
            "Reading image files needs Pillow, which is not installed. Install it with "
            'pip install "skcnn[images]".'
        ) from None
    for plugin in PLUGINS.values():
        import_module(f"PIL.{plugin}ImagePlugin")  # adds itself to Image.OPEN
    turn = Image.Transpose
    return SimpleNamespace(
        Image=Image,
        openers=[Image.OPEN[name] for name in PLUGINS],
        transpositions={
            2: turn.FLIP_LEFT_RIGHT,
            3: turn.ROTATE_180,
            4: turn.FLIP_TOP_BOTTOM,
            5: turn.TRANSPOSE,
            6: turn.ROTATE_270,
            7: turn.TRANSVERSE,
            8: turn.ROTATE_90,
        },
    )


def opened(stream: BinaryIO, most_pixels: int) -> Any:
    """Return the image in a stream of bytes, its header read.

    Unlike ``Image.open`` it does not depend on Pillow's global limit of pixels, and tries the
    allowed formats alone.

    Raises
    ------
    ImageFileError
        If it is in no allowed format, or has too many pixels. Pillow's plugins raise others.
    """
    prefix = stream.read(PREFIX_BYTES)
    if not prefix:
        raise ImageFileError("the file is empty")
    for make, accepts in pillow().openers:
        if accepts(prefix) is True:
            stream.seek(0)
            image = make(stream, "")
            width, height = image.size
            if width * height > most_pixels:
                raise ImageFileError(
                    f"it has {width} x {height} pixels, more than max_pixels={most_pixels}"
                )
            return image
    raise ImageFileError(f"it is not in an allowed format ({', '.join(PLUGINS)})")


def stream_of(source: Any) -> BinaryIO:
    """Return an open file for a path, or a stream of encoded bytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    return open(source, "rb")


def reason_of(error: Exception) -> str:
    """Return in words why an image cannot be read."""
    if isinstance(error, ImageFileError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return " ".join(str(error).split()) or type(error).__name__


def orientation_of(image: Any) -> int:
    """Return how the image must be turned, 1 to 8 as in EXIF; 1 where it is not known."""
    if image.format == "TIFF" or WITH_ORIENTATION.isdisjoint(image.info):
        return 1  # Pillow turns TIFF files itself
    try:
        # the base class's: that of PNG files would decode all of them to look for more
        value = pillow().Image.Image.getexif(image).get(ORIENTATION, 1)
    except Exception:  # damaged metadata of a good image
        return 1
    return value if value in pillow().transpositions else 1
