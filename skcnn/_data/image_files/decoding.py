"""From an encoded image to an array of one size and mode."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcnn._data.image_files.pillow import (
    MOST_PIXELS,
    opened,
    orientation_of,
    pillow,
    reason_of,
    stream_of,
)
from skcnn.exceptions import ImageFileError

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4, "I;16": 1}
RESIZE = ("crop", "pad", "stretch")
DRAFT_GAP = 2  # a JPEG is decoded at a fraction of its size that is at least twice that wanted
HIGH_BYTE, TO_16_BITS, MOST_16_BITS = 8, 257, 2**16 - 1


@dataclass(frozen=True)
class Decoder:
    """How an image becomes an array.

    Attributes
    ----------
    mode : {"RGB", "L", "RGBA", "I;16"}
        The channels and their dtype, in Pillow's words.
    size : (int, int) or None
        Height and width; None leaves each image its own.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How another shape is brought to that size.
    most_pixels : int
        Images with more raise an error, before they are decoded.
    """

    mode: str
    size: tuple[int, int] | None
    resize: str = "crop"
    most_pixels: int = MOST_PIXELS

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return np.dtype(np.uint16 if self.mode == "I;16" else np.uint8)

    def array(self, source: Any) -> np.ndarray:
        """Return an image as (height, width, n_channels).

        Parameters
        ----------
        source : str, bytes or PIL image
            A path, an encoded image, or an image.

        Raises
        ------
        ImageFileError
            If it cannot be read; the message is the reason, without the name.
        """
        pillow()
        try:
            if hasattr(source, "getbands"):
                return self._finished(source)
            with stream_of(source) as stream:
                return self._finished(opened(stream, self.most_pixels))
        except MemoryError:
            raise
        except Exception as error:  # Pillow's plugins raise all kinds for damaged files
            raise ImageFileError(reason_of(error)) from error

    def _finished(self, image: Any) -> np.ndarray:
        if image.format == "PNG":
            image.load()  # its orientation may follow the pixels
        turn = orientation_of(image)
        if self.size is not None and image.format in ("JPEG", "MPO"):
            self._shrink_early(image, turn)
        image = as_mode(image, self.mode)
        if turn != 1:
            image = image.transpose(pillow().transpositions[turn])
        if self.size is not None and image.size != self.size[::-1]:
            image = resized(image, self.size, self.resize)
        shape = (image.height, image.width, CHANNELS[self.mode])
        if self.mode == "I;16":
            values = np.asarray(image).clip(0, MOST_16_BITS)  # resizing may overshoot
            return values.astype(np.uint16).reshape(shape)
        return np.frombuffer(image.tobytes(), np.uint8).reshape(shape)

    def _shrink_early(self, image: Any, turn: int) -> None:
        """Let libjpeg decode a fraction of the size, if the image is much larger than wanted."""
        assert self.size is not None
        height, width = self.size if turn < 5 else self.size[::-1]
        least = DRAFT_GAP * width, DRAFT_GAP * height
        if image.width >= 2 * least[0] and image.height >= 2 * least[1]:
            image.draft(None, least)


def as_mode(image: Any, mode: str) -> Any:
    """Return an image of `mode`; "I;16" is held as 32-bit integers.

    An alpha channel is left out unless mode is "RGBA". Sixteen bits become eight by their high
    byte, and eight become sixteen by the factor 257, so that white stays white.

    Raises
    ------
    ImageFileError
        If its values are neither bytes nor 16-bit integers.
    """
    if image.mode.startswith("I") or image.mode == "F":
        values = _sixteen_bits(image)
        if mode == "I;16":
            return _of_integers(values)
        image = pillow().Image.fromarray((values >> HIGH_BYTE).astype(np.uint8))
    elif image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.convert("RGBA")  # in one step Pillow warns
    if mode == "I;16":
        image = image if image.mode == "L" else image.convert("L")
        return _of_integers(np.asarray(image).astype(np.int32) * TO_16_BITS)
    return image if image.mode == mode else image.convert(mode)


def _of_integers(values: np.ndarray) -> Any:
    return pillow().Image.fromarray(values.astype(np.int32))


def _sixteen_bits(image: Any) -> np.ndarray:
    """Return the values of a grey image of 16 bits."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > MOST_16_BITS:
        raise ImageFileError(
            f"it has values of Pillow's mode {image.mode!r} in [{values.min():g}, "
            f"{values.max():g}], but only bytes and 16-bit integers are read"
        )
    return values.astype(np.int32)


def resized(image: Any, size: tuple[int, int], how: str) -> Any:
    """Return an image of another size, by bilinear interpolation with antialiasing.

    Parameters
    ----------
    image : PIL image
        Not of that size.
    size : (int, int)
        Height and width.
    how : {"crop", "pad", "stretch"}
        Scale until the image covers the size, and cut off what is outside in equal parts; scale
        until it lies inside, and fill with zeros; or scale each side by its own factor.
    """
    (height, width), bilinear = size, pillow().Image.Resampling.BILINEAR
    if how == "stretch":
        return image.resize((width, height), bilinear)
    ratios = width / image.width, height / image.height
    if how == "crop":
        scale = max(ratios)
        across = min(width / scale, image.width)
        down = min(height / scale, image.height)
        left, top = (image.width - across) / 2, (image.height - down) / 2
        return image.resize((width, height), bilinear, box=(left, top, left + across, top + down))
    scale = min(ratios)
    inner = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    inner = min(inner[0], width), min(inner[1], height)
    page = pillow().Image.new(image.mode, (width, height))
    page.paste(image.resize(inner, bilinear), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return page
