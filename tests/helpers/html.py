"""A page of HTML as what it shows: texts, pictures, tables, links."""

import io
from base64 import b64decode
from html.parser import HTMLParser

from PIL import Image

VOID = ("meta", "img", "br")


class Page(HTMLParser):
    """Parses a page and checks that its elements are closed in order.

    Attributes
    ----------
    texts : list of str
        What is shown, stripped, without empty texts.
    tags : list of (str, dict)
        Elements and their attributes.
    tables : list of lists of rows
        The texts of cells.
    """

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.texts, self.tags, self.tables, self._open = [], [], [], []
        self.feed(html)
        self.close()
        assert not self._open, "elements are left open"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        if data.strip() and "style" not in self._open:
            self.texts.append(data.strip())

    @property
    def text(self):
        return "\n".join(self.texts)

    def named(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]

    def pictures(self):
        """Return the pictures, all of which must be inside the page."""
        found = []
        for attributes in self.named("img"):
            kind, _, encoded = attributes["src"].partition(",")
            assert kind == "data:image/png;base64"
            assert attributes["alt"]
            found.append(Image.open(io.BytesIO(b64decode(encoded, validate=True))))
        return found


def check_self_contained(html):
    """Check that a page needs nothing from outside, and return it."""
    page = Page(html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert {"href", "srcset", "action"}.isdisjoint(attributes)
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html
    return page
