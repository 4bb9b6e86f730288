"""Texts that are cut to a length."""


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
