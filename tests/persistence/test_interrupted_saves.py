"""Saving that is interrupted, killed or fails leaves the old file, or the new one, whole."""

import os
import random
import time

import numpy as np
import pytest

import skcnn
from skcnn._files import atomic, container
from skcnn._files.container import read_container, write_container
from skcnn.augmentation import RandomFlip, RandomRotation
from tests.helpers.forks import forks

N_KILLS = 20
TENSORS = {"a": np.arange(200_000.0)}


def save_for_ever(path):
    number = 0
    while True:
        number += 1
        write_container(path, {"number": number}, {"a": TENSORS["a"] + number})


@forks
def test_a_process_that_is_killed_leaves_a_whole_file(tmp_path):
    path, rng, numbers = tmp_path / "m", random.Random(0), []
    write_container(path, {"number": 0}, TENSORS)
    for _ in range(N_KILLS):
        pid = os.fork()
        if pid == 0:
            try:
                save_for_ever(path)
            finally:
                os._exit(1)
        time.sleep(rng.uniform(0.005, 0.05))
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        manifest, tensors = read_container(path)
        np.testing.assert_array_equal(tensors["a"], TENSORS["a"] + manifest["number"])
        numbers.append(manifest["number"])
    assert max(numbers) > 0


STEPS = {
    "new file": (atomic.tempfile, "mkstemp"),
    "checksum": (container.hashlib, "sha256"),
    "values": (container, "_bytes_of"),
    "flush": (atomic.os, "fsync"),
    "mode": (atomic.stat, "S_IMODE"),
    "manifest": (container, "to_json"),
}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left")])
@pytest.mark.parametrize("step", STEPS)
def test_an_error_at_any_step_leaves_the_old_file(step, error, tmp_path, monkeypatch):
    path = tmp_path / "m"
    skcnn.save(RandomFlip(), path)
    owner, name = STEPS[step]

    def fail(*args, **kwargs):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, fail)
        kind = error if isinstance(error, type) else OSError
        with pytest.raises(kind):
            write_container(path, {}, TENSORS)
    assert repr(skcnn.load(path)) == "RandomFlip()"
    assert [*tmp_path.iterdir()] == [path]
    skcnn.save(RandomRotation(3), path)
    assert repr(skcnn.load(path)) == "RandomRotation(degrees=3)"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_in_loading_is_passed_on(error, tmp_path, monkeypatch):
    skcnn.save(RandomFlip(), tmp_path / "m")

    def fail(*args):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(container, "parse_json", fail)
        with pytest.raises(error):
            skcnn.load(tmp_path / "m")
    assert repr(skcnn.load(tmp_path / "m")) == "RandomFlip()"
