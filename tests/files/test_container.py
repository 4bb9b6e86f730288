"""The container: what safetensors reads too, and files that are not as they should be."""

import errno
import hashlib
import json
import os
import struct

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from skcnn._files import container
from skcnn._files.container import read_container, write_container
from skcnn.exceptions import ModelFileError

MANIFEST = {"words": ["é", None], "number": 1.5}
TENSORS = {
    "matrix": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "flags": np.array([True, False]),
    "bytes": np.arange(5, dtype=np.uint8),
    "none": np.empty((0, 3), np.int16),
    "one": np.array(2**63, np.uint64),
    "half": np.float16([0.5]),
    "big-endian": np.array([1, 2], ">i4"),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.safetensors"
    write_container(path, MANIFEST, TENSORS)
    return path


def test_manifest_and_tensors_come_back(path):
    manifest, tensors = read_container(path)
    assert manifest == MANIFEST
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], array)
        assert tensors[name].dtype == array.dtype.newbyteorder("=")
        assert tensors[name].flags.writeable


def test_the_library_safetensors_reads_the_file(path):
    for name, array in safetensors.numpy.load_file(path).items():
        np.testing.assert_array_equal(array, TENSORS[name])
    with safetensors.safe_open(path, "np") as file:
        assert json.loads(file.metadata()["skcnn"]) == MANIFEST


def test_the_checksum_is_as_documented(path):
    """The SHA-256 of the file with zeros for its own digits, which begin at byte 35."""
    raw = path.read_bytes()
    digits = raw[35:99]
    assert hashlib.sha256(raw[:35] + b"0" * 64 + raw[99:]).hexdigest().encode() == digits
    assert int.from_bytes(raw[:8], "little") % 8 == 0


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    write_container(tmp_path / "again", MANIFEST, dict(reversed(TENSORS.items())))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_device_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_container(pipe, {}, {})
        assert container.START in os.read(reader, 1000)
    finally:
        os.close(reader)


def signed(header, data=b""):
    """Return a file with a right checksum around a header, given as text or as values."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text = text.replace(b'{"__metadata__": {"sha256": "', container.START, 1)
    start = struct.pack("<Q", len(text)) + text
    digest = hashlib.sha256(start + data).hexdigest().encode()
    return start[:35] + digest + start[99:] + data


def header(metadata=None, **tensors):
    return {"__metadata__": {"sha256": "0" * 64, **(metadata or {"skcnn": "{}"})}, **tensors}


def entry(dtype="U8", shape=(4,), offsets=(0, 4), **others):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **others}


def test_signed_files_are_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(signed(header(t=entry()), b"abcd"))
    assert bytes(read_container(path)[1]["t"]) == b"abcd"


TWICE = b'{"__metadata__": {"sha256": "' + b"0" * 64 + b'","skcnn":"{}","skcnn":"[]"}}'
BAD = {
    "no manifest": (signed(header({"other": "{}"})), "header has no manifest"),
    "two manifests": (signed(TWICE), "the key 'skcnn' twice"),
    "no JSON": (signed(header({"skcnn": "{"})), "a JSON text is damaged"),
    "not ASCII": (
        signed(header({"skcnn": b'"\\u00e9"'.decode("unicode_escape")})),
        "ascii",
    ),
    "a number": (signed(header({"skcnn": 5})), "header has no manifest"),
    "an entry more": (signed(header(t=entry(x=1)), b"abcd"), "damaged entry for the tensor 't'"),
    "no entry": (signed(header(t=5), b"abcd"), "damaged entry for the tensor 't'"),
    "dtype": (signed(header(t=entry("F8")), b"abcd"), "damaged dtype or shape"),
    "dtype of a list": (signed(header(t=entry(["U8"])), b"abcd"), "damaged dtype or shape"),
    "negative side": (signed(header(t=entry(shape=[-4])), b"abcd"), "damaged dtype or shape"),
    "boolean side": (signed(header(t=entry(shape=[4, True])), b"abcd"), "damaged dtype or shape"),
    "no shape": (signed(header(t=entry(shape=4)), b"abcd"), "damaged dtype or shape"),
    "huge shape": (signed(header(t=entry(shape=[2**60, 0], offsets=[0, 0]))), "damaged dtype"),
    "many axes": (signed(header(t=entry(shape=[1] * 40))), "damaged dtype or shape"),
    "claims too much": (signed(header(t=entry(shape=[2**33], offsets=[0, 2**33]))), "8589934592 b"),
    "claims too little": (
        signed(header(t=entry(shape=[2], offsets=[0, 2])), b"abcd"),
        "2 bytes, b",
    ),
    "gap": (signed(header(t=entry(shape=[2], offsets=[2, 4])), b"abcd"), "not where its shape"),
    "overlap": (signed(header(a=entry(), b=entry()), b"abcd"), "tensor 'b' is not where"),
    "wrong size": (signed(header(t=entry("F32")), b"abcd"), "not where its shape"),
    "floats": (signed(header(t=entry(offsets=[0.0, 4.0])), b"abcd"), "not where its shape"),
    "no booleans": (signed(header(t=entry("BOOL")), b"\0\1\2\0"), "values that are no booleans"),
    "data behind": (signed(header(), b"abcd"), "0 bytes, but 4 bytes are there"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_header_is_a_named_error(case, tmp_path):
    content, message = BAD[case]
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_container(tmp_path / "f")


def raw_length(raw, length):
    return struct.pack("<Q", length) + raw[8:]


CHANGES = {
    "empty": (lambda raw: b"", "no file that skcnn.save wrote"),
    "short": (lambda raw: raw[:50], "no file that skcnn.save wrote"),
    "cut off": (lambda raw: raw[:-1], "bytes are there"),
    "cut header": (lambda raw: raw[:200], "its header claims"),
    "longer": (lambda raw: raw + b"\0", "bytes are there"),
    "value": (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "checksum does not agree"),
    "digest": (lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:], "checksum does not agree"),
    "space": (lambda raw: raw.replace(b"}} ", b"}}\n", 1), "checksum does not agree"),
    "huge header": (lambda raw: raw_length(raw, 2**63), r"its header claims 9223372036854775808 b"),
    "negative header": (
        lambda raw: b"\xff" * 8 + raw[8:],
        "its header claims 18446744073709551615",
    ),
    "no header": (lambda raw: raw_length(raw, 0), "its header claims 0 bytes"),
    "pickle": (lambda raw: b"\x80\x04\x95" + raw, "seems to be a pickle, a joblib file or an arch"),
    "zip": (lambda raw: b"PK\x03\x04" + raw, "seems to be a pickle, a joblib file or an archive"),
    "gzip": (lambda raw: b"\x1f\x8b" + raw, "seems to be a pickle"),
    "text": (lambda raw: b"hello" * 100, "no file that skcnn.save wrote"),
    "other safetensors": (
        lambda raw: safetensors.numpy.save({"a": np.zeros(200)}),
        "no file that skcnn.save wrote",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_file_is_a_named_error(case, path):
    change, message = CHANGES[case]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ModelFileError, match=message):
        read_container(path)


def test_a_file_that_is_too_large(path, monkeypatch):
    monkeypatch.setattr(container, "LARGEST_FILE", 100)
    with pytest.raises(ModelFileError, match="bytes, more than 100"):
        read_container(path)
    with pytest.raises(ModelFileError, match="larger than a file may be"):
        write_container(path, MANIFEST, TENSORS)


def test_a_sparse_file_of_a_terabyte_takes_no_memory(path):
    with open(path, "r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ModelFileError, match="it has 1099511627776 bytes, more than"):
        read_container(path)


def test_a_file_that_becomes_shorter_while_it_is_read(path, monkeypatch):
    class Stat:
        st_size = path.stat().st_size + 8
        st_mode = path.stat().st_mode

    longer = signed(header(t=entry("U8", [8], [0, 8])), b"abcd")
    path.write_bytes(longer)
    Stat.st_size = len(longer) + 4
    monkeypatch.setattr(os, "fstat", lambda handle: Stat)
    with pytest.raises(ModelFileError, match="became shorter while it was read"):
        read_container(path)


def test_links(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_container(link)[0] == MANIFEST
    write_container(link, [1], {})
    assert link.is_symlink()
    assert read_container(path)[0] == [1]
    for target, error in [
        ("nowhere", FileNotFoundError),
        (link, OSError),
        (".", IsADirectoryError),
    ]:
        link.unlink()
        link.symlink_to(target)
        with pytest.raises(error):
            read_container(link)


@pytest.mark.parametrize("special", ["/dev/zero", "pipe"])
def test_devices_and_pipes_are_not_read(special, tmp_path):
    if special == "pipe":
        special = tmp_path / "pipe"
        os.mkfifo(special)
    (tmp_path / "link").symlink_to(special)
    with pytest.raises(ModelFileError, match="a device or a pipe, and not a file"):
        read_container(tmp_path / "link")


def test_a_full_disk_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()
    real_open = open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(container, "open", lambda *given: Full(real_open(*given)), raising=False)
    with pytest.raises(OSError, match="No space left"):
        write_container(path, [], {})
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]
