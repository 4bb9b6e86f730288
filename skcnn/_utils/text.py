"""Texts that are cut to a length, made safe to print, or numbers of things."""


def shorten(text: str, width: int, *, keep_end: bool = False) -> str:
    """Return `text`, with an ellipsis for what exceeds `width` characters.

    Parameters
    ----------
    text : str
        Any text.
    width : int
        Largest number of characters, at least five.
    keep_end : bool, default=False
        Whether the middle is left out instead of the end.
    """
    if len(text) <= width:
        return text
    if keep_end:
        half = (width - 3) // 2
        return f"{text[:half]} … {text[-half:]}"
    return f"{text[: width - 1]}…"


def printable(text: str) -> str:
    r"""Return `text` with escapes such as ``\n`` for what cannot be printed in a line.

    These are control characters, which a terminal would obey, and the parts of file names that
    are no valid text.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def plural(n: int, name: str, several: str = "") -> str:
    """Return a number of things, such as "2 splits".

    Parameters
    ----------
    n : int
        The number.
    name : str
        What one of them is called.
    several : str, default=""
        What several are called; "" adds an s to `name`.
    """
    return f"{n:,} {name if n == 1 else several or name + 's'}"
