"""Files that are changed at random: named errors, or the same predictions."""

import json
import random
import shutil
import struct
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest

import skcnn
from skcnn._files.container import read_container, write_container
from skcnn.exceptions import ModelFileError
from tests.helpers.model_files import disturb
from tests.persistence.golden.make import FOLDER, X, outputs

GOLDEN = FOLDER / "0.1.0_classifier.safetensors"
SPARE = 2**24  # bytes of memory, beside twice the file


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Return a file with a few random changes."""
    changed = bytearray(raw)
    end = len(changed) if rng.random() < 0.3 else 8 + int.from_bytes(raw[:8], "little")
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        place = rng.randrange(min(end, len(changed)) or 1)
        size = rng.choice([1, 2, 8, 100])
        kind = rng.randrange(9)
        if kind <= 2 and place < len(changed):
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == 3:
            changed[place : place + size] = rng.randbytes(size)
        elif kind == 4:
            del changed[place : place + size]
        elif kind == 5:
            changed[place:place] = rng.choice(
                [rng.randbytes(size), b'"a":1,', b"[[[[", b"NaN", b"9"]
            )
        elif kind == 6:
            del changed[rng.randrange(len(changed) or 1) :]
        elif kind == 7:
            changed[:8] = struct.pack("<Q", rng.choice([0, 8, 2**20, 2**40, 2**63, len(raw)]))
        else:
            other = rng.randrange(len(changed) or 1)
            changed[place : place + size] = changed[other : other + size]
    return bytes(changed)


def check_mutations(path, n, seed):
    """Change the golden file `n` times; return how often it was still read."""
    raw, rng = GOLDEN.read_bytes(), random.Random(seed)
    expected, n_read = outputs(skcnn.load(GOLDEN)), 0
    for _ in range(n):
        path.write_bytes(mutated(raw, rng))
        try:
            model = skcnn.load(path)
        except ModelFileError:
            continue
        np.testing.assert_array_equal(outputs(model), expected)
        n_read += 1
    return n_read


def check_disturbances(path, n, seed):
    """Change the golden file's contents `n` times, with a right checksum."""
    rng = random.Random(seed)
    for _ in range(n):
        manifest, tensors = read_container(GOLDEN)
        disturb(manifest, tensors, rng)
        write_container(path, manifest, tensors)
        try:
            model = skcnn.load(path)
        except ModelFileError:
            continue
        try:
            assert outputs(model).shape == (4, len(model.classes_))
        except ValueError as error:
            if "infinite or NaN" not in str(error):
                raise


def test_mutated_files_are_named_errors_in_little_memory(tmp_path):
    skcnn.load(GOLDEN)
    tracemalloc.start()  # makes reading several times slower
    try:
        n_read = check_mutations(tmp_path / "m", n=300, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    n_read += check_mutations(tmp_path / "m", n=4_500, seed=1)
    assert n_read < 100  # changes that change nothing
    assert peak < 2 * GOLDEN.stat().st_size + SPARE


@pytest.mark.filterwarnings("ignore")  # of overflows in disturbed weights
def test_disturbed_contents_are_named_errors_or_predict(tmp_path):
    check_disturbances(tmp_path / "m", n=200, seed=0)


@pytest.mark.slow  # several minutes
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_hundred_thousand_mutations(seed, tmp_path):
    check_mutations(tmp_path / "m", n=19_000, seed=seed)
    check_disturbances(tmp_path / "m", n=1_000, seed=seed)


AUDITED = """
import json, resource, sys
import skcnn
from skcnn.exceptions import ModelFileError
golden, *paths = sys.argv[1:]
for path in [golden, *paths[:-1]]:  # imports what loading needs
    try:
        skcnn.load(path)
    except (ModelFileError, OSError):
        pass
events, done, memory = [], [], []

def note(event, arguments):
    if not done and event not in QUIET:
        events.append([event, str(arguments[0]) if arguments else ""])

QUIET = {"object.__getattr__", "sys._getframe", "builtins.id", "object.__setattr__"}
sys.addaudithook(note)
results = []
for path in [golden, *paths]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        model = None
        model = skcnn.load(path)
        results.append("loaded")
    except (ModelFileError, OSError) as error:
        results.append(type(error).__name__)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    memory.append(growth * 1024)
done.append(True)
print(json.dumps([events, results, memory]))
"""


def untrusted(path):
    """Write a Pipeline whose manifest names a class outside of the list."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    skcnn.save(make_pipeline(StandardScaler()), path)
    manifest, tensors = read_container(path)
    step = manifest["model"]["params"]["steps"][0]["tuple"]
    step[1] = {"estimator": "subprocess.Popen", "params": {"args": "true"}, "fitted": {}}
    write_container(path, manifest, tensors)


def huge(path):
    """Write a network whose layers claim 400 GB of weights."""
    manifest, tensors = read_container(GOLDEN)
    layer = {"layer": "Dense", "fields": {"units": 10**8}}
    manifest["model"]["fitted"]["layers"]["tuple"][-1:-1] = [layer, layer]
    write_container(path, manifest, tensors)


def large(path):
    """Write a network of ten megabytes: reading takes as much, and restoring it once more."""
    model = skcnn.ConvNetClassifier(
        filters=(2,), hidden_units=(1500, 1500), max_epochs=1, random_state=0, optimizer="sgd",
        momentum=0.0,
    )  # fmt: skip
    skcnn.save(model.fit(X, np.arange(20) % 2), path)


def test_by_hand(tmp_path):
    """What issue reports are made of: nothing runs, nothing else is opened, little memory."""
    raw = GOLDEN.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    deep = b'{"__metadata__":{"sha256":"' + b"0" * 64 + b'"},"a":' + b"[" * 30_000
    contents = {
        "pickle": b"cos\nsystem\n(S'echo run'\ntR.",
        "binary pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
        "zip": b"PK\x03\x04" + raw,
        "truncated": raw[: len(raw) // 2],
        "flipped in header": raw[:300] + bytes([raw[300] ^ 4]) + raw[301:],
        "flipped in data": raw[:-9] + bytes([raw[-9] ^ 4]) + raw[-8:],
        "header of 4 GB": struct.pack("<Q", 2**32) + raw[8:],
        "duplicate key": raw[: 8 + length].rstrip()[:-1] + b',"a":1,"a":1}',
        "deep": struct.pack("<Q", len(deep)) + deep,
    }
    paths = [tmp_path / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_bytes(content)
    for name, make in {"untrusted": untrusted, "huge": huge}.items():
        make(tmp_path / name)
        paths.append(tmp_path / name)
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("/nonexistent/model")
    paths += [tmp_path / "link", tmp_path / "dangling"]
    with open(tmp_path / "sparse", "wb") as file:
        file.write(raw)
        file.truncate(2**41)
    paths.append(tmp_path / "sparse")
    large(tmp_path / "large")
    paths.append(tmp_path / "large")
    command = [sys.executable, "-c", AUDITED, str(GOLDEN), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    events, results, memory = json.loads(done.stdout)
    assert results[0] == results[-1] == "loaded"
    refused = {"ModelFileError", "UnsupportedModelError", "FileNotFoundError"}
    assert set(results[1:-1]) == refused
    assert [event for event in events if event[0] != "open"] == []
    opened = {name for _, name in events if not name.isdigit()}  # a number is an open file
    assert opened == {str(GOLDEN), *map(str, paths)}
    assert sum(memory[:-1]) < 2 * len(raw) + SPARE
    size = (tmp_path / "large").stat().st_size
    assert size > 9e6
    assert memory[-1] < 2 * size + SPARE


def test_the_golden_file_itself_is_read_with_a_link(tmp_path):
    shutil.copy(GOLDEN, tmp_path / "m")
    (tmp_path / "link").symlink_to("m")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = skcnn.load(tmp_path / "link")
    np.testing.assert_array_equal(outputs(again), outputs(skcnn.load(GOLDEN)))
