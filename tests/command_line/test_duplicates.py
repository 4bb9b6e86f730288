"""Files of the same content."""

import builtins

from skcnn._command_line.duplicates import duplicates_of


def test_files_of_the_same_bytes(tmp_path, monkeypatch):
    contents = {"a": b"one", "b": b"two", "c": b"one", "d": b"longer", "e": b"two", "f": b"one"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "g").touch()
    (tmp_path / "h").touch()  # empty files are no copies of each other
    paths = [str(tmp_path / name) for name in "abcdefgh"]
    groups = duplicates_of([*paths, str(tmp_path / "gone")])
    assert [[path[-1] for path in group] for group in groups] == [["a", "c", "f"], ["b", "e"]]

    def unreadable(path, *args, **kwargs):
        if str(path).endswith("c"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    opened = builtins.open
    monkeypatch.setattr(builtins, "open", unreadable)
    assert [[path[-1] for path in group] for group in duplicates_of(paths)] == [
        ["a", "f"],
        ["b", "e"],
    ]
