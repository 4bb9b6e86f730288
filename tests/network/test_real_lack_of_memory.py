"""Real lack of memory on the CPU, in processes whose address space is bounded."""

import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="bounds the address space by the kernel"),
]
SET_UP = """
import resource, warnings
import numpy as np
from torch import nn
from skcnn import ConvNetClassifier
from skcnn.exceptions import OutOfMemoryError, OutOfMemoryWarning

def module(shape, n):
    return nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.AvgPool2d(96), nn.Flatten(),
                         nn.Linear(64, n))

X = np.random.default_rng(0).random((32, 96, 96, 1)).astype(np.float32)
y = np.arange(32) % 2
how = dict(max_epochs=1, device="cpu", n_threads=1, random_state=0, dropout=0.0, hidden_units=())

def bound(mib):
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + mib * 2**20, -1))
"""
PREDICTION = """
model = ConvNetClassifier(architecture=module, batch_size=4, **how).fit(X, y)
expected = model.predict_proba(X)
bound(60)  # the maps of a pass of 32 samples take 72 MiB
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)
assert [each.category for each in caught] == [OutOfMemoryWarning], caught
"""
TRAINING = """
net = dict(filters=(64,), pooling="average", batch_size=32, precision="float32")
how["max_epochs"] = 2
first = ConvNetClassifier(normalization=None, **(net | dict(batch_size=2)), **how).fit(X, y)
expected = ConvNetClassifier(normalization=None, optimizer="sgd", **net, **how).fit(X, y)
bound(150)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    got = ConvNetClassifier(normalization=None, optimizer="sgd", **net, **how).fit(X, y)
assert OutOfMemoryWarning in [each.category for each in caught], caught
np.testing.assert_allclose(got.history_["train_loss"], expected.history_["train_loss"], rtol=1e-4)
try:
    ConvNetClassifier(**net, **how).fit(X, y)
except OutOfMemoryError as error:
    assert "Use batch_size=" in str(error), error
else:
    raise AssertionError("no error")
"""


@pytest.mark.parametrize("work", [PREDICTION, TRAINING], ids=["prediction", "training"])
def test_lack_of_memory_is_survived(work):
    # a heap that keeps what is freed would hide the bound
    environment = {"MALLOC_TRIM_THRESHOLD_": "131072", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SET_UP + work],
        env={**environment, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
