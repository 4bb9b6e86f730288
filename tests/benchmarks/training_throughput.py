"""Training throughput beside skorch and torch loops, alternating in one process.

The network is convolution 32 - pool - convolution 64 - pool - dense 10 on 28x28 images in
batches of 128: whole fits of three epochs, set-up included. glibc gives memory back and
takes it again at every step, or does not, by chance of the heap's layout; a float32 run is
then 5,500 or 9,600 images a second. So the process restarts itself with both thresholds
raised, the same for every contender.

    python tests/benchmarks/training_throughput.py [--rounds 5] [--samples 12800]
"""

import argparse
import os
import platform
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from skorch import NeuralNetClassifier
from torch import nn

from skcnn import ConvNetClassifier
from skcnn.layers import Conv, Pool

BATCH, EPOCHS = 128, 3
LAYERS = (Conv(32, activation="relu"), Pool(), Conv(64, activation="relu"), Pool())


def plain_module():
    """The network as a tutorial writes it."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 10),
    )  # fmt: skip


class TunedModule(nn.Module):
    """The same function: pool before ReLU, flattening without a copy."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 64, 3, padding=1)
        self.dense = nn.Linear(64 * 7 * 7, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.first(x), 2))
        x = F.relu(F.max_pool2d(self.second(x), 2))
        return self.dense(x.permute(0, 2, 3, 1).flatten(1))


def train_plain(X, y):
    torch.manual_seed(0)
    net = plain_module()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
    images = torch.from_numpy(X).unsqueeze(1).float() / 255
    labels = torch.from_numpy(y)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images[index]), labels[index])
            loss.backward()
            optimizer.step()


def train_tuned(X, y, autocast):
    torch.manual_seed(0)
    net = TunedModule().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001, fused=True)
    rows, labels = torch.from_numpy(X.reshape(len(X), -1)), torch.from_numpy(y)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(X)).split(BATCH):
            images = rows.index_select(0, index).view(-1, 1, 28, 28).float().mul_(1 / 255)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                logits = net(images)
            F.cross_entropy(logits.float(), labels.index_select(0, index)).backward()
            optimizer.step()


def train_skorch(X, y):
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        plain_module, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=0.001,
        batch_size=BATCH, max_epochs=EPOCHS, train_split=None, verbose=0,
    )  # fmt: skip
    net.fit((X[:, None] / 255).astype(np.float32), y)


def train_skcnn(X, y, precision):
    ConvNetClassifier(
        architecture=LAYERS, optimizer="adam", learning_rate=0.001, lr_schedule="constant",
        weight_decay=0.0, batch_size=BATCH, max_epochs=EPOCHS, precision=precision, random_state=0,
    ).fit(X, y)  # fmt: skip


CONTENDERS = {
    "skcnn, auto precision": lambda X, y: train_skcnn(X, y, "auto"),
    "hand-tuned loop, bfloat16": lambda X, y: train_tuned(X, y, True),
    "skcnn, float32": lambda X, y: train_skcnn(X, y, "float32"),
    "hand-tuned loop, float32": lambda X, y: train_tuned(X, y, False),
    "plain torch loop": train_plain,
    "skorch, default": train_skorch,
}


def measure(n_samples, rounds):
    """Return images a second of every contender and round, the contenders in turn."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n_samples, 28, 28), dtype=np.uint8)
    y = rng.integers(0, 10, n_samples)
    rates = {name: [] for name in CONTENDERS}
    for train in CONTENDERS.values():
        train(X[: 4 * BATCH], y[: 4 * BATCH])
    for _ in range(rounds):
        for name, train in CONTENDERS.items():
            start = time.perf_counter()
            train(X, y)
            rates[name].append(n_samples * EPOCHS / (time.perf_counter() - start))
    return rates


def keep_memory():
    """Restart with an allocator that keeps freed memory."""
    thresholds = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(2**31))
    if not thresholds.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **thresholds})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=12_800)
    options = parser.parse_args()
    keep_memory()
    rates = measure(options.samples, options.rounds)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    references = ("skorch, default", "plain torch loop")
    print(f"{'':28s}{'images/s':>10s}" + "".join(f"{'x ' + r:>20s}" for r in references))
    for name, values in rates.items():
        ratios = (
            statistics.median(a / b for a, b in zip(values, rates[r], strict=True))
            for r in references
        )
        print(
            f"{name:28s}{statistics.median(values):10,.0f}" + "".join(f"{r:20.2f}" for r in ratios)
        )
    for kind, tuned in (("auto precision", "bfloat16"), ("float32", "float32")):
        pairs = zip(rates[f"skcnn, {kind}"], rates[f"hand-tuned loop, {tuned}"], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"skcnn, {kind}, over the hand-tuned loop in {tuned}: {ratio:.3f}")


if __name__ == "__main__":
    main()
