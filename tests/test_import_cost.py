"""What importing and a first fit bring into a fresh process, and what they leave out."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, pickle, sys
import skcnn
modules = {"import": list(sys.modules)}
import numpy as np
rng = np.random.default_rng(0)
X, y = rng.random((40, 8, 8), np.float32), np.arange(40) % 2
modules["numpy"] = list(sys.modules)
net = skcnn.ConvNetClassifier(max_epochs=2, early_stopping=True, random_state=0, **OPTIONS)
net.fit(X, y).predict(X)
pickle.loads(pickle.dumps(net)).partial_fit(X, y).score(X, y)
modules["fit"] = list(sys.modules)
print(json.dumps(modules))
"""


def modules_of_a_fresh_process(**options):
    """Return the names of the modules there after importing the package and after a fit."""
    script = SCRIPT.replace("**OPTIONS", f"**{options!r}")
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def modules():
    return modules_of_a_fresh_process()


@pytest.mark.parametrize("stage", ["import", "fit"])
@pytest.mark.parametrize(
    "library",
    ["optuna", "matplotlib", "PIL", "timm", "torchvision", "onnx", "onnxruntime", "skl2onnx"],
)
def test_optional_libraries_are_imported_only_when_used(modules, stage, library):
    assert library not in modules[stage]


@pytest.mark.parametrize("library", ["torch._dynamo", "torch._inductor", "sympy"])
def test_a_fit_brings_no_compiler(modules, library):
    assert library not in modules["fit"]


def test_the_package_leaves_linear_models_out(modules):
    assert "sklearn.model_selection" in modules["import"]
    assert "sklearn.linear_model" not in modules["import"]


@pytest.mark.parametrize("library", ["scipy.signal", "scipy.io", "soundfile"])
def test_libraries_for_signals_are_imported_only_when_used(modules, library):
    assert library not in modules["fit"]


def test_a_first_fit_imports_hardly_anything(modules):
    assert len(set(modules["fit"]) - set(modules["numpy"])) < 20


@pytest.mark.slow  # a process each, several seconds
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "muon", "rmsprop", "adagrad"])
def test_no_optimizer_brings_the_compiler(optimizer):
    modules = modules_of_a_fresh_process(optimizer=optimizer, gradient_clip=1.0)
    assert "torch._dynamo" not in modules["fit"]
