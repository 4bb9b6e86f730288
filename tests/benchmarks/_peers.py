"""The contenders, and the environments that some of them need."""

import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(__file__).parent / "peers"
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_PINNED = ("--constraint", str(CONSTRAINTS))
# What pip installs, one list of arguments a call; torch first, so that it is ours.
ENVIRONMENTS = {
    "keras-tensorflow": (("keras", "tensorflow-cpu"),),
    "keras-jax": (("keras", "jax"),),
    "fastai": ((*_PINNED, "torch"), (*_PINNED, "fastai")),
}
OURS = "skcnn"
PEERS = ("skorch", "torch", "tuned", "mlp", *ENVIRONMENTS)


class PeerError(Exception):
    """A contender cannot take part."""


@dataclass(frozen=True)
class Contender:
    """A name in the tables, the peer whose environment it needs, its script and settings."""

    name: str
    peer: str
    script: str
    settings: dict = field(default_factory=dict, hash=False)


SKCNN = Contender("skcnn, auto precision", OURS, "skcnn_worker.py", {"precision": "auto"})
SKCNN_FLOAT32 = Contender("skcnn, float32", OURS, "skcnn_worker.py", {"precision": "float32"})
SKCNN_BFLOAT16 = Contender("skcnn, bfloat16", OURS, "skcnn_worker.py", {"precision": "bfloat16"})
SKCNN_MEMORY = Contender("skcnn, a process of its own", OURS, "memory_worker.py")
SKCNN_CIFAR = Contender("skcnn, recipe", OURS, "cifar_worker.py")
GPU = Contender("one GPU", OURS, "gpu_worker.py", {"device": "cuda"})
GPU_ON_CPU = Contender("one GPU, on the CPU", OURS, "gpu_worker.py", {"device": "cpu"})
PEAK_FLOAT32 = Contender("matrix products, float32", OURS, "torch_worker.py")
PEAK_BFLOAT16 = Contender(
    "matrix products, bfloat16", OURS, "torch_worker.py", {"precision": "bfloat16"}
)
TUNED_FLOAT32 = Contender("hand-tuned loop, float32", "tuned", "torch_worker.py", {"tuned": True})
TUNED_BFLOAT16 = Contender(
    "hand-tuned loop, bfloat16",
    "tuned",
    "torch_worker.py",
    {"tuned": True, "precision": "bfloat16"},
)
PLAIN = Contender("plain torch loop", "torch", "torch_worker.py")
SKORCH = Contender("skorch, default", "skorch", "sklearn_worker.py")
MLP = Contender("scikit-learn's MLPClassifier", "mlp", "sklearn_worker.py", {"mlp": True})
KERAS_TENSORFLOW = Contender(
    "Keras on TensorFlow", "keras-tensorflow", "keras_worker.py", {"backend": "tensorflow"}
)
KERAS_JAX = Contender("Keras on JAX", "keras-jax", "keras_worker.py", {"backend": "jax"})
FASTAI = Contender("fastai", "fastai", "fastai_worker.py")


def interpreter(peer, folder):
    """Return the Python of `peer`, whose environment under `folder` is made on first use.

    An environment is ready when it has a file ``.ready``.
    """
    if peer not in ENVIRONMENTS:
        return sys.executable
    home = Path(folder) / peer
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        print(f"Making the environment {home} ...", flush=True)
        venv.create(home, with_pip=True)
        for packages in ENVIRONMENTS[peer]:
            _pip_install(python, packages)
        (home / ".ready").touch()
    return str(python)


def _pip_install(python, packages):
    command = [python, "-m", "pip", "install", "--quiet", *packages]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PeerError((lines or ["pip failed"])[-1])
