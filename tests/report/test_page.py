"""Parts of a page: escaping, tables, pictures."""

import numpy as np
import pytest
from matplotlib import pyplot

from skcnn._report import page as parts
from tests.helpers.html import Page, check_self_contained
from tests.helpers.pictures import noise

HOSTILE = '<script>alert("x")</script> & \n\x1b[31m \udcff 猫'
SHOWN = '<script>alert("x")</script> & \\n\\x1b[31m \\udcff 猫'


def test_every_part_escapes_its_texts():
    html = parts.page(
        HOSTILE,
        [
            parts.section(HOSTILE, parts.paragraph(HOSTILE), parts.heading(HOSTILE)),
            parts.code(HOSTILE),
            parts.bullets([HOSTILE]),
            parts.folded(HOSTILE),
            parts.table([HOSTILE], [[HOSTILE, HOSTILE]]),
            parts.picture(noise(4, 4), HOSTILE),
        ],
    )
    page = check_self_contained(html)
    assert html.encode()  # no half letters
    one_line = [text for text in page.texts if text == SHOWN]
    assert len(one_line) == 10  # the page has its title twice; code has lines
    assert page.named("img")[0]["alt"] == SHOWN


def test_page_has_what_phones_and_readers_need():
    page = Page(parts.page("a title", ["<p>a part</p>"]))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.named(
        "meta"
    )
    assert {"charset": "utf-8"} in page.named("meta")
    assert page.named("html") == [{"lang": "en"}]
    assert page.texts == ["a title", "a title", "a part"]


def test_section_without_parts_is_left_out():
    assert parts.section("title", "", "") == ""
    assert parts.bullets([]) == ""
    assert parts.gallery([]) == ""


def test_table_has_its_cells_and_shades():
    shares = np.array([[0.0, 1.0], [0.5, 0.0]])
    html = parts.table(["a", "b", "c"], [["x", 1, 2], ["y", 3, 4]], shares=shares)
    page = Page(html)
    assert page.tables == [[["a", "b", "c"], ["x", "1", "2"], ["y", "3", "4"]]]
    shades = [attributes.get("style") for attributes in page.named("td")]
    assert shades == [
        None,
        "background: rgba(var(--mark), 0.750)",
        "background: rgba(var(--mark), 0.375)",
        None,
    ]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_keep_their_pixels(channels):
    image = noise(5, 7, channels)
    [shown] = Page(parts.picture(image, "noise", "<b>one</b>", "two")).pictures()
    np.testing.assert_array_equal(np.asarray(shown).reshape(image.shape), image)


def test_pictures_of_16_bits_show_their_high_byte():
    image = np.array([[[0], [256], [65535]]], np.uint16)
    [shown] = Page(parts.picture(image, "grey")).pictures()
    assert np.asarray(shown).tolist() == [[0, 1, 255]]


def test_small_pictures_are_enlarged_with_sharp_pixels():
    small, large = (Page(parts.picture(noise(side, 4), "x")).named("img")[0] for side in (63, 64))
    assert small["class"] == "sharp"
    assert "class" not in large


def test_plot_is_drawn_and_closed():
    figure = pyplot.figure(figsize=(2, 1))
    page = Page(parts.plot(figure, "an empty figure", "below"))
    [picture] = page.pictures()
    assert picture.width > 1.5 * picture.height
    assert page.named("figure") == [{"class": "plot"}]
    assert not pyplot.get_fignums()
