"""Reads the weights of networks from files, without running code that a file may hold."""

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from skcnn._utils.text import printable, shorten
from skcnn.exceptions import WeightsError

TORCH_SUFFIXES = (".pth", ".pt", ".bin")
SAFETENSORS = ".safetensors"
# The last part of a name such as resnet50-0676ba61.pth: the first digits of the SHA-256.
CHECKSUM = re.compile(r"[-_]([0-9a-f]{8,64})$")
DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])$")  # which is no checksum
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")  # of torch's DataParallel and compiler
HEADER_LENGTH = 8  # bytes that hold the length of a safetensors header
MOST_HEADER = 100_000_000  # bytes, the format's own limit
ITEM_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "U16": 16, "I16": 16, "F16": 16,
    "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip


def read_weights(path: str | os.PathLike[str], sha256: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a file by name, floating-point ones as finite float32.

    Parameters
    ----------
    path : str or os.PathLike
        A file that ends in .safetensors, or one of torch's that ends in .pth, .pt or .bin:
        a dict of tensors, which may be an item "state_dict", "model_state_dict" or "model" of
        another dict. A prefix "module." of all names is left out.
    sha256 : str or None, default=None
        Checksum of the file in hexadecimal digits. None takes the first digits from the file's
        name if it ends in 8 or more of them, as torchvision's do.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    WeightsError
        If there is no such file, if it is no such file, is damaged or does not have its
        checksum, or holds other objects than tensors, infinite numbers or NaN.

    Notes
    -----
    The sizes of tensors are compared with the file's before they are read, so that a file
    takes about as much memory as it is long. Pickles are read by torch's restricted reader,
    which calls no functions of theirs.
    """
    file = Path(path)
    if not file.is_file():
        raise WeightsError(f"There is no file of weights {str(path)!r}.")
    suffix = file.suffix.lower()
    if suffix not in (SAFETENSORS, *TORCH_SUFFIXES):
        raise WeightsError(
            f"A file of weights must end in .safetensors, .pth, .pt or .bin. Got {str(path)!r}."
        )
    try:
        _check_sum(file, sha256)
        found = _read_safetensors(file) if suffix == SAFETENSORS else _read_torch(file)
    except OSError as error:
        raise WeightsError(f"The weights {str(path)!r} cannot be read: {error}.") from error
    return _checked(file, found)


def _check_sum(file: Path, sha256: str | None) -> None:
    """Raise WeightsError if the file's SHA-256 does not begin as it must."""
    expected = sha256
    if expected is None:
        named = CHECKSUM.search(file.stem)
        if named is None or DATE.match(named[1]):
            return
        expected = named[1]
    with file.open("rb") as opened:
        got = hashlib.file_digest(opened, "sha256").hexdigest()
    if not got.startswith(expected):
        whose = "of the published file" if sha256 else "in its name"
        raise WeightsError(
            f"The weights {str(file)!r} are damaged or were changed: their SHA-256 begins with "
            f"{got[: len(expected)]}, but the checksum {whose} is {expected}. Get the file again."
        )


def _damaged(file: Path, why: object) -> WeightsError:
    text = shorten(printable(" ".join(str(why).split())), 200)
    return WeightsError(
        f"The weights {str(file)!r} are damaged, or no {file.suffix} file: {text}. Get the file "
        "again."
    )


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    _check_header(file)
    try:
        with safe_open(file, framework="pt", device="cpu") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, RuntimeError, ValueError, TypeError) as error:
        raise _damaged(file, error) from error


def _check_header(file: Path) -> None:
    """Raise WeightsError if header or tensors are not as long as the header says."""
    length = file.stat().st_size
    with file.open("rb") as opened:
        n = int.from_bytes(opened.read(HEADER_LENGTH), "little")
        if length < HEADER_LENGTH or n > min(length - HEADER_LENGTH, MOST_HEADER):
            raise _damaged(file, f"it has {length:,} bytes, too few for its header of {n:,}")
        text = opened.read(n)
    try:
        header = json.loads(text)
        entries = {name: each for name, each in header.items() if name != "__metadata__"}
        sizes = [
            (int(end) - int(begin), prod(map(int, each["shape"])) * ITEM_BITS[each["dtype"]] // 8)
            for each in entries.values()
            for begin, end in [each["data_offsets"]]
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(file, f"its header cannot be read, {error!r}") from error
    total = length - HEADER_LENGTH - n
    if any(own != needed for own, needed in sizes) or sum(needed for _, needed in sizes) != total:
        raise _damaged(
            file,
            f"it has {total:,} bytes of tensors, but its header names "
            f"{sum(needed for _, needed in sizes):,}",
        )


def _read_torch(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of `torch.save`."""
    with file.open("rb") as opened:
        if _is_compressed(opened):
            raise _damaged(file, "it is compressed, as torch's files never are")
        opened.seek(0)
        try:
            found = torch.load(opened, map_location="cpu", weights_only=True)
        except Exception as error:  # the reader raises many kinds for damaged files
            raise _torch_error(file, error) from error
    return _unwrapped(file, found)


def _is_compressed(opened: BinaryIO) -> bool:
    """Return whether a file is an archive whose parts are longer than they look."""
    try:
        with zipfile.ZipFile(opened) as packed:
            return any(each.compress_type != zipfile.ZIP_STORED for each in packed.infolist())
    except Exception:  # no archive, or a damaged one: torch's own reader says what is wrong
        return False


def _torch_error(file: Path, error: Exception) -> WeightsError:
    """Return the error for a file that torch does not read.

    torch's own message recommends an argument that runs the code inside.
    """
    named = re.search(r"(?:GLOBAL|global|class|type:?) [`']?((?:\w+\.)+\w+)", str(error))
    if named is None:
        reason = str(error).split("\n")[0]
        return _damaged(file, reason if "weights_only" not in reason else "its pickle is invalid")
    return WeightsError(
        f"The weights {str(file)!r} hold more than tensors: a pickle with {named[1]!r}, which is "
        "not run because it may be any code. Where you trust its source, load it with torch and "
        "save its state_dict alone, by torch.save(module.state_dict(), path)."
    )


def _unwrapped(file: Path, found: Any) -> dict[str, Tensor]:
    """Return the dict of tensors inside of a file's object."""
    for _ in range(2):  # a wrapper may hold another one
        if isinstance(found, Mapping):
            inner = [found[name] for name in WRAPPERS if isinstance(found.get(name), Mapping)]
            found = inner[0] if inner else found
    if not isinstance(found, Mapping):
        raise WeightsError(
            f"The weights {str(file)!r} must be a dict of tensors, a state_dict. Got "
            f"{type(found).__name__}."
        )
    return {str(name): each for name, each in found.items() if isinstance(each, Tensor)}


def _checked(file: Path, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without prefixes, finite and in float32."""
    if not found:
        raise WeightsError(f"The weights {str(file)!r} hold no tensors.")
    length = file.stat().st_size
    weights = {}
    for name, tensor in found.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise WeightsError(
                f"The weights {str(file)!r} must be dense tensors of numbers. {name!r} is sparse, "
                "quantized or without values."
            )
        if tensor.numel() * tensor.element_size() > length:  # a view that repeats its values
            raise _damaged(file, f"{name!r} has the shape {tuple(tensor.shape)}")
        weights[name] = _finite(file, name, tensor.detach())
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): each for name, each in weights.items()}
    return weights


def _finite(file: Path, name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.float()
    if not tensor.isfinite().all():
        raise WeightsError(
            f"The weights {str(file)!r} have infinite numbers or NaN in {name!r}: the file is "
            "damaged, or of a training that diverged."
        )
    return tensor
