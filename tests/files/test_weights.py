"""Files of weights: what is read, and what is refused with which message."""

import io
import json
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from hashlib import sha256
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from skcnn._files.weights import read_weights
from skcnn.exceptions import SkcnnError, WeightsError

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([0.5, -2.0])}


def saved(folder, found, name="weights.pth"):
    path = folder / name
    save_file(found, path) if name.endswith(".safetensors") else torch.save(found, path)
    return path


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == (
            torch.float32 if expected[name].is_floating_point() else expected[name].dtype
        )
        torch.testing.assert_close(tensor, expected[name].to(tensor.dtype), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "W.PTH", "w.safetensors"])
def test_tensors_are_read_by_name(tmp_path, name):
    assert_equal(read_weights(saved(tmp_path, WEIGHTS, name)), WEIGHTS)
    assert_equal(read_weights(str(saved(tmp_path, WEIGHTS, name))), WEIGHTS)


DTYPES = [
    "bool", "uint8", "int8", "float8_e4m3fn", "float8_e5m2", "uint16", "int16", "float16",
    "bfloat16", "uint32", "int32", "float32", "uint64", "int64", "float64",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_all_types_of_safetensors_are_read(tmp_path, dtype):
    weights = {"w": torch.tensor([0, 1, 1, 0, 1, 1, 0, 1, 1]).to(getattr(torch, dtype))}
    try:
        path = saved(tmp_path, weights, "w.safetensors")
    except KeyError:
        pytest.skip(f"this version of safetensors writes no {dtype}")
    found = read_weights(path)
    is_float = weights["w"].is_floating_point()
    assert found["w"].dtype == (torch.float32 if is_float else weights["w"].dtype)
    assert found["w"].to(torch.int64).tolist() == [0, 1, 1, 0, 1, 1, 0, 1, 1]


def test_files_of_old_torch_are_read(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(OrderedDict(WEIGHTS), path, _use_new_zipfile_serialization=False)
    assert_equal(read_weights(path), WEIGHTS)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: {"state_dict": w, "epoch": 3},
        lambda w: {"model": w},
        lambda w: {"model_state_dict": w},
        lambda w: {"model": {"state_dict": w}},
        lambda w: {f"module.{name}": each for name, each in w.items()},
        lambda w: {"state_dict": {f"_orig_mod.{name}": each for name, each in w.items()}},
        lambda w: {name: torch.nn.Parameter(each) for name, each in w.items()},
    ],
)
def test_wrappers_and_prefixes_are_left_out(tmp_path, wrap):
    found = read_weights(saved(tmp_path, wrap(WEIGHTS)))
    assert_equal(found, WEIGHTS)
    assert not any(each.requires_grad for each in found.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_other_floats_become_float32(tmp_path, dtype, name):
    weights = {name: each.to(dtype) for name, each in WEIGHTS.items()}
    assert_equal(read_weights(saved(tmp_path, weights, name)), weights)


def test_integers_are_kept(tmp_path):
    weights = {"num_batches_tracked": torch.tensor(7)}
    assert_equal(read_weights(saved(tmp_path, weights)), weights)


def test_the_checksum_in_a_name_is_compared(tmp_path):
    path = saved(tmp_path, WEIGHTS)
    digest = sha256(path.read_bytes()).hexdigest()
    for n in (8, 9, 64):
        named = tmp_path / f"net-{digest[:n]}.pth"
        named.write_bytes(path.read_bytes())
        assert_equal(read_weights(named), WEIGHTS)
    assert_equal(read_weights(path, digest), WEIGHTS)
    for name in ("net-20240131.pth", "net-1234567.pth", "net-cafecafg.pth"):  # no checksums
        assert_equal(read_weights(saved(tmp_path, WEIGHTS, name)), WEIGHTS)
    wrong = saved(tmp_path, WEIGHTS, "net-00000000.pth")
    message = r"are damaged or were changed: .* begins with [0-9a-f]{8}, .* in its name is 00000000"
    with pytest.raises(WeightsError, match=message):
        read_weights(wrong)
    with pytest.raises(WeightsError, match="checksum of the published file is abcdef"):
        read_weights(path, "abcdef" + digest[6:])


def test_one_changed_bit_is_found_by_the_checksum(tmp_path):
    path = saved(tmp_path, WEIGHTS)
    content = bytearray(path.read_bytes())
    digest = sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged or were changed"):
        read_weights(path, digest)


def test_missing_files_and_other_kinds_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"^There is no file of weights '.*none\.pth'\.$"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="There is no file"):
        read_weights(tmp_path)
    other = tmp_path / "w.h5"
    other.touch()
    with pytest.raises(WeightsError, match=r"must end in \.safetensors, .* Got '.*w\.h5'"):
        read_weights(other)
    assert issubclass(WeightsError, ValueError)
    assert issubclass(WeightsError, SkcnnError)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_files_that_may_not_be_read_are_named(tmp_path, name, monkeypatch):
    path = saved(tmp_path, WEIGHTS, name)

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(WeightsError, match=r"w\.\w+' cannot be read: .*Permission denied"):
        read_weights(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_truncated_files_are_damaged(tmp_path, name):
    path = saved(tmp_path, {"a": torch.zeros(1000)}, name)
    content = path.read_bytes()
    for n in (0, 4, 20, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:n])
        with pytest.raises(
            WeightsError, match=r"are damaged, or no \.\w+ file: .*Get the file again"
        ):
            read_weights(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_changed_files_raise_the_same_error_or_are_finite(tmp_path, name):
    path = saved(tmp_path, WEIGHTS, name)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        try:
            found = read_weights(path)
        except WeightsError:
            continue
        else:
            assert all(each.isfinite().all() for each in found.values())


class Code:
    """A pickle that makes a file when it is run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_never_run(tmp_path, zipped):
    made = tmp_path / "made"
    path = tmp_path / "w.pth"
    torch.save({"a": Code(made)}, path, _use_new_zipfile_serialization=zipped)
    message = r"hold more than tensors: a pickle with '\w+\.mkdir', which is not run .* state_dict"
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(path)
    assert not made.exists()
    assert "weights_only" not in str(caught.value)
    path.write_bytes(pickle.dumps(Code(made)))
    with pytest.raises(WeightsError):
        read_weights(path)
    assert not made.exists()


def test_whole_modules_and_settings_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"a pickle with '[\w.]*SimpleNamespace'"):
        read_weights(saved(tmp_path, {"state_dict": WEIGHTS, "args": SimpleNamespace(lr=1)}))
    with pytest.raises(WeightsError, match=r"a pickle with 'torch\.nn\.[\w.]*Linear'"):
        read_weights(saved(tmp_path, torch.nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([WEIGHTS["a.weight"]], r"must be a dict of tensors, a state_dict\. Got list\.$"),
        (WEIGHTS["a.weight"], r"Got Tensor\.$"),
        ({"epoch": 3}, r"hold no tensors\.$"),
        ({"a": torch.eye(3).to_sparse()}, r"dense tensors of numbers\. 'a' is sparse"),
        ({"a": torch.zeros(3, device="meta")}, r"'a' is sparse, quantized or without values"),
        ({"a": torch.tensor([1.0, float("nan")])}, r"infinite numbers or NaN in 'a'"),
        ({"a": torch.tensor([1.0, float("inf")])}, r"infinite numbers or NaN in 'a'"),
        ({"a": torch.tensor([1e300], dtype=torch.float64)}, r"infinite numbers or NaN in 'a'"),
        (
            {"a": torch.zeros(1).expand(2**40)},
            r"are damaged, .*'a' has the shape \(1099511627776,\)",
        ),
    ],
)
def test_other_contents_are_named(tmp_path, found, message):
    with pytest.raises(WeightsError, match=message):
        read_weights(saved(tmp_path, found))


def test_compressed_files_are_refused(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(2**20)})
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for each in old.namelist():
            new.writestr(each, old.read(each))
    with pytest.raises(WeightsError, match="it is compressed"):
        read_weights(packed)


def safetensors_file(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"{", b"", "its header cannot be read"),
        (b"[" * 5000, b"", "its header cannot be read"),
        ([], b"", "its header cannot be read"),
        ({"a": {"shape": [1]}}, b"", "its header cannot be read"),
        ({"a": entry([1], 0, 4, "F128")}, b"0000", "its header cannot be read"),
        ({"a": entry([2**40], 0, 4)}, b"0000", "4 bytes of tensors, but its header names"),
        ({"a": entry([2], 0, 4)}, b"0000", "4 bytes of tensors, but its header names 8"),
        ({"a": entry([1], 0, 4)}, b"0000" * 9, "36 bytes of tensors, but its header names 4"),
        ({"a": entry([1], 0, 4), "b": entry([1], 2, 6)}, b"0" * 8, "damaged"),
    ],
)
def test_headers_that_are_wrong_are_damage(tmp_path, header, data, message):
    with pytest.raises(WeightsError, match=re.escape(message)):
        read_weights(safetensors_file(tmp_path / "w.safetensors", header, data))


def test_a_header_longer_than_the_file_is_not_read(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match="too few for its header"):
        read_weights(path)


def test_metadata_is_no_tensor(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(WEIGHTS, path, metadata={"format": "pt"})
    assert_equal(read_weights(path), WEIGHTS)


def test_a_pickle_in_memory_has_the_same_tensors(tmp_path):
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    path = tmp_path / "w.pth"
    path.write_bytes(buffer.getvalue())
    assert_equal(read_weights(path), WEIGHTS)
