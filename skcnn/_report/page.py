"""A page of HTML in one file: its style, sections, tables, and the pictures inside it.

Functions whose names are parts of a page return HTML. Texts given to them are escaped.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from skcnn._data.image_files.pillow import pillow
from skcnn._plotting.axes import figure_png
from skcnn._utils.text import printable

SMALL_SIDE = 64  # pixels; smaller pictures are shown enlarged, with sharp pixels
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --soft: #5b5b66; --paper: #ffffff;
  --line: #d9d9e0; --shade: #f4f4f7; --mark: 0, 114, 178; --wrong: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --soft: #a9a9b5;
  --paper: #17171b; --line: #3a3a44; --shade: #222228; --mark: 86, 180, 233; --wrong: #ff9d5c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 0.4rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
.summary { font-size: 1.15rem; }
.soft, figcaption { color: var(--soft); font-size: 0.85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; overflow-wrap: normal; }
th:first-child { text-align: left; overflow-wrap: break-word; }
thead th { background: var(--shade); }
.texts th, .texts td { text-align: left; }
.texts td { overflow-wrap: anywhere; min-width: 8rem; }
.gallery { display: grid; gap: 0.8rem;
  grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); }
.wide { grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 3px; }
img.sharp { image-rendering: pixelated; }
.plot img { max-width: 40rem; background: #ffffff; }
.wrong { color: var(--wrong); font-weight: 600; }
pre { background: var(--shade); padding: 0.7rem; white-space: pre-wrap; font-size: 0.85rem; }
summary { cursor: pointer; }
"""


def text(value: Any) -> str:
    """Return a value as HTML that shows it as it is."""
    return escape(printable(str(value)))


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page, without scripts and without anything from outside.

    Parameters
    ----------
    title : str
        The title.
    parts : iterable of str
        HTML of the page's parts.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{text(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a section with a heading; nothing if all its parts are empty."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{text(title)}</h2>\n{body}\n</section>" if body else ""


def heading(title: str) -> str:
    """Return a smaller heading inside a section."""
    return f"<h3>{text(title)}</h3>"


def paragraph(words: str, kind: str = "") -> str:
    """Return a paragraph; `kind` is a class of the style."""
    return f"<p{_class(kind)}>{text(words)}</p>"


def code(lines: str) -> str:
    """Return lines in a font of fixed width."""
    return "<pre>" + "\n".join(text(line) for line in lines.split("\n")) + "</pre>"


def bullets(items: Sequence[str]) -> str:
    """Return a list of texts; nothing without texts."""
    if not items:
        return ""
    return "<ul>" + "".join(f"<li>{text(item)}</li>" for item in items) + "</ul>"


def folded(title: str, *parts: str) -> str:
    """Return parts that are shown after a click on their title."""
    return f"<details><summary>{text(title)}</summary>{''.join(parts)}</details>"


def table(
    header: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    shares: np.ndarray | None = None,
    kind: str = "",
) -> str:
    """Return a table that scrolls by itself where the page is too narrow.

    Parameters
    ----------
    header : sequence of object
        Names of the columns.
    rows : iterable of sequences
        The cells; the first one of a row is its name.
    shares : ndarray of shape (n_rows, n_columns - 1) or None, default=None
        From 0 to 1: how dark the cells after the first are shaded.
    kind : str, default=""
        A class of the style; "texts" is for cells of words.
    """
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in header)
    lines = []
    for number, (name, *cells) in enumerate(rows):
        shaded = (
            f"<td{'' if shares is None else _shade(shares[number, column])}>{text(cell)}</td>"
            for column, cell in enumerate(cells)
        )
        lines.append(f'<tr><th scope="row">{text(name)}</th>{"".join(shaded)}</tr>')
    return (
        f'<div class="scroll"><table{_class(kind)}><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def picture(image: np.ndarray, words: str, *captions: str) -> str:
    """Return a picture with its captions.

    Parameters
    ----------
    image : ndarray of shape (height, width, n_channels)
        Bytes, with one, three or four channels, or uint16 with one channel.
    words : str
        What the picture shows, for readers who do not see it.
    *captions : str
        HTML of the lines below it.
    """
    values = image >> 8 if image.dtype == np.uint16 else image
    values = values[..., 0] if values.shape[-1] == 1 else values
    stream = BytesIO()
    pillow().Image.fromarray(values.astype(np.uint8)).save(stream, "PNG")
    sharp = "sharp" if max(image.shape[:2]) < SMALL_SIDE else ""
    return _figure(stream.getvalue(), words, captions, sharp)


def plot(figure: Any, words: str, *captions: str) -> str:
    """Return a figure of matplotlib with its captions, and close it."""
    image = _figure(figure_png(figure), words, captions)
    return image.replace("<figure>", '<figure class="plot">', 1)


def gallery(figures: Sequence[str], *, wide: bool = False) -> str:
    """Return pictures beside each other, as many in a row as there is space for."""
    kind = "gallery wide" if wide else "gallery"
    return f"<div{_class(kind)}>{''.join(figures)}</div>" if figures else ""


def _figure(png: bytes, words: str, captions: Sequence[str], kind: str = "") -> str:
    source = "data:image/png;base64," + b64encode(png).decode("ascii")
    below = "<br>".join(captions)
    caption = f"<figcaption>{below}</figcaption>" if below else ""
    return f'<figure><img{_class(kind)} src="{source}" alt="{text(words)}">{caption}</figure>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _shade(share: float) -> str:
    return f' style="background: rgba(var(--mark), {0.75 * float(share):.3f})"' if share else ""
