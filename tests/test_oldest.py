"""The declared lower bounds are the versions that `make test-oldest` installs."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BOUND = re.compile(r"([\w-]+)>=([\d.]+)")


def test_lower_bounds_are_the_oldest_tested_versions():
    text = (ROOT / "constraints-oldest.txt").read_text("utf-8")
    oldest = dict(re.findall(r"^([\w-]+)==(\S+)$", text, flags=re.MULTILINE))
    extras = PROJECT["optional-dependencies"]
    names = [*PROJECT["dependencies"]]
    names += [
        each for extra in ("images", "plots", "progress", "postgresql") for each in extras[extra]
    ]
    bounds = dict(BOUND.fullmatch(name).groups() for name in names)
    bounds.pop("torch")  # old builds for the CPU cannot be had
    assert {name: oldest[name] for name in bounds} == bounds
