"""Groups of files that are copies of each other."""

import numpy as np
from PIL import Image

from skcnn._command_line.duplicates import groups_of_copies


def test_groups_of_copies(tmp_path):
    rng = np.random.default_rng(0)
    one, two = (rng.integers(0, 200, (16, 16), np.uint8) for _ in range(2))
    pictures = {"a": one, "b": two, "c": one, "d": one + 20, "e": two, "f": one}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    Image.fromarray(one).save(tmp_path / "g.bmp")  # other bytes, the same image
    paths = sorted(map(str, tmp_path.iterdir()))

    def found(exact):
        groups = groups_of_copies(paths, exact)
        return ["".join(path.split("/")[-1][0] for path in group) for group in groups]

    assert found(True) == ["acfg", "be"]
    assert found(False) == ["acdfg", "be"]
    assert groups_of_copies(paths[:1], True) == groups_of_copies([], False) == []
