"""``skcnn inspect``: what a folder of images contains, and what is wrong with it."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skcnn._command_line.duplicates import groups_of_copies
from skcnn._command_line.folders import Listed, headers_of, list_folder, sizes_text
from skcnn._command_line.image_model import reading_of
from skcnn._command_line.output import FOUND, OK, print_table, say
from skcnn._data.image_files.headers import Header
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._utils.text import plural

DESCRIPTION = """\
Count the images of each class in a folder with one folder for each class, and look for files that
cannot be read, copies, near-duplicates and unbalanced classes. The exit status is 1 if files cannot
be read or are exact copies, or there are fewer than two classes."""
FEW_IMAGES, UNBALANCED = 10, 10
DECODED_SIZE = (32, 32)
MOST_GROUPS = 20


def add_inspect(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "inspect",
        parents=[common],
        help="count the images of a folder and find broken ones and duplicates",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="a folder of class folders")
    parser.add_argument(
        "--follow-links", action="store_true", help="follow links that lead out of the folder"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what the folder contains; return the exit status."""
    listed = list_folder(Path(options.folder), options.follow_links)
    headers, failures = headers_of([each.path for each in listed])
    good = [each.path for each in listed if each.path in headers]
    if good:
        failures |= ImageFiles(good, DECODED_SIZE, cache=None).unreadable()
    _print_counts(listed, failures)
    if headers:
        known = [*headers.values()]
        say()
        say(f"Sizes (height x width): {sizes_text(known)}")
        say(f"Modes: {_modes_text(known)}")
        height, width = reading_of(known, None, "auto", "crop").size
        say(f"skcnn train reads them as {height} x {width} pixels, without --size")
    findings = [
        *_class_findings(listed, failures),
        *_failure_findings(failures),
    ]
    exact = _groups(_readable(listed, failures), exact=True)
    findings += _copies_lines(exact, "with the image of another file", " = ")
    near = [
        group for group in _groups(_readable(listed, failures), exact=False) if group not in exact
    ]
    notes = [
        *_balance_notes(listed, failures),
        *_copies_lines(near, "with nearly the image of another file", " ~ ", "Note: "),
    ]
    for line in ["", *notes, *(findings or ["Nothing is wrong."])]:
        say(line)
    return FOUND if findings else OK


def _readable(listed: Sequence[Listed], failures: dict[str, str]) -> list[Listed]:
    return [each for each in listed if each.path not in failures]


def _print_counts(listed: Sequence[Listed], failures: dict[str, str]) -> None:
    """Print the number of images of each class in each part, and of those unreadable."""
    parts = list(dict.fromkeys(each.part for each in listed))
    counts = Counter((each.label, each.part) for each in _readable(listed, failures))
    broken = Counter(each.label for each in listed if each.path in failures)
    classes = sorted({each.label for each in listed})
    n = len(listed) - len(failures)
    say(f"{plural(n, 'image')} in {plural(len(classes), 'class', 'classes')}")
    say()
    header = ["class", *(part or "images" for part in parts), *(["unreadable"] if broken else [])]
    rows = [
        [name, *(counts[name, part] for part in parts), *([broken[name]] if broken else [])]
        for name in classes
    ]
    print_table(header, rows)


def _modes_text(headers: Sequence[Header]) -> str:
    counts = Counter(each.mode for each in headers)
    return ", ".join(f"{mode} ({plural(n, 'file')})" for mode, n in counts.most_common())


def _class_findings(listed: Sequence[Listed], failures: dict[str, str]) -> list[str]:
    classes = {each.label for each in _readable(listed, failures)}
    if len(classes) >= 2:
        return []
    return [f"A classifier needs two or more classes; there are images of {len(classes)}."]


def _failure_findings(failures: dict[str, str]) -> list[str]:
    if not failures:
        return []
    lines = [f"  {path}: {reason}" for path, reason in failures.items()]
    return [f"{plural(len(failures), 'file')} cannot be read:", *lines]


def _groups(listed: Sequence[Listed], exact: bool) -> list[list[Listed]]:
    by_path = {each.path: each for each in listed}
    return [[by_path[path] for path in group] for group in groups_of_copies([*by_path], exact)]


def _copies_lines(groups: list[list[Listed]], what: str, sign: str, before: str = "") -> list[str]:
    """Return lines on groups of copies, those that harm most first."""
    if not groups:
        return []
    groups = sorted(groups, key=lambda group: -_harm(group))
    n_copies = sum(len(group) - 1 for group in groups)
    lines = [f"{before}{plural(n_copies, 'file')} {what}:"]
    for group in groups[:MOST_GROUPS]:
        lines.append(f"  {sign.join(each.path for each in group)}{REMARKS[_harm(group)]}")
    if len(groups) > MOST_GROUPS:
        lines.append(f"  and {plural(len(groups) - MOST_GROUPS, 'more group')}")
    return lines


REMARKS = ("", " (on both sides of a split: the score is too good)", " (in different classes)")


def _harm(group: Sequence[Listed]) -> int:
    if len({each.label for each in group}) > 1:
        return 2
    return int(len({each.part for each in group}) > 1)


def _balance_notes(listed: Sequence[Listed], failures: dict[str, str]) -> list[str]:
    counts = Counter(each.label for each in _readable(listed, failures))
    notes = [
        f"Note: the class {name!r} has {plural(n, 'image')}, which is little to learn from."
        for name, n in sorted(counts.items())
        if n < FEW_IMAGES
    ]
    if counts:
        (most, n_most), (least, n_least) = counts.most_common()[0], counts.most_common()[-1]
        if n_most >= UNBALANCED * n_least:
            notes.append(
                f"Note: {most!r} has {n_most / n_least:.0f} times as many images as {least!r}. A "
                f"network that always says {most!r} is right for {n_most / counts.total():.0%}."
            )
    return notes
