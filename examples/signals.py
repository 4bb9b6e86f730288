"""Vibration of machines: signals of three axes, of one length, of unequal length and with gaps.

A fault shakes the machine with every turn, or knocks several times in each turn. Speed and phase
differ from machine to machine, so that no time step means anything by itself.

With `--plots FOLDER` a signal of each class is drawn there.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomChannelDropout, RandomNoise

RATE = 200  # samples a second
STATES = np.array(["sound", "unbalanced", "worn bearing"])


def make_vibrations(n_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return signals of shape (n_samples, 256, 3) in metres per square second, and the states."""
    rng = np.random.default_rng(seed)
    states = rng.choice(STATES, n_samples)
    turns = rng.uniform(4, 8, (n_samples, 1)) * np.arange(256) / RATE + rng.random((n_samples, 1))
    hum = rng.uniform(0.5, 1.5, (n_samples, 1)) * np.sin(2 * np.pi * 7 * turns)
    once = np.sin(2 * np.pi * turns)  # with every turn
    knocks = np.exp(-20 * (3.6 * turns % 1)) * np.sin(2 * np.pi * 60 * np.arange(256) / RATE)
    fault = np.where(states[:, None] == "unbalanced", 0.9 * once, 0)
    fault += np.where(states[:, None] == "worn bearing", 3 * knocks, 0)
    axes = rng.dirichlet((2, 2, 2), (2, n_samples))[:, :, None]  # how much is along each
    X = 2 * (hum[..., None] * axes[0] + fault[..., None] * axes[1])
    return (X + rng.normal(0, 0.5, X.shape)).astype(np.float32), states


def make_net(**parameters: object) -> ConvNetClassifier:
    """Return a small network for signals with channels."""
    small = {"filters": (16, 16, 32, 32), "kernel_size": 9, "max_epochs": 25}
    return ConvNetClassifier(n_spatial_dims=1, **{**small, **parameters}, random_state=0)


def plot_signals(X: np.ndarray, y: np.ndarray, folder: Path) -> None:
    """Draw the first signal of each state."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, figsize=(8, 5), sharex=True, sharey=True)
    for ax, state in zip(axes, STATES, strict=True):
        lines = ax.plot(np.arange(X.shape[1]) / RATE, X[y == state][0], linewidth=1)
        ax.set_title(state, loc="left")
    axes[0].legend(lines, ["x", "y", "z"], loc="upper right", ncols=3)
    axes[1].set_ylabel("acceleration, m/s²")
    axes[2].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(folder / "signals.png")


def main(plots: Path | None) -> None:
    X, y = make_vibrations(600, seed=0)
    print(f"arrays of shape {X.shape}: samples, time steps, channels")
    forest = make_pipeline(
        FunctionTransformer(lambda X: X.reshape(len(X), -1)), RandomForestClassifier(random_state=0)
    )
    for name, model in {"network": make_net(), "forest of the time steps": forest}.items():
        print(f"  {name:<25} {cross_val_score(model, X, y, cv=3).mean():.3f}")

    # arrays of other libraries are (samples, channels, time steps)
    model = make_net(channels="first", max_epochs=1).fit(np.moveaxis(X, -1, 1), y)
    print(f"channels first: {model.input_shape_}")

    # measured for as long as each machine ran: a list, and no other word about it
    rng = np.random.default_rng(1)
    unequal = [signal[: rng.integers(120, 257)] for signal in X]
    train, test, y_train, y_test = train_test_split(unequal, y, random_state=0)
    model = make_net().fit(train, y_train)
    print(f"lengths from {min(map(len, unequal))} to 256: {model.score(test, y_test):.3f}")
    alone = model.predict_proba(test[:1])
    print(f"  as when predicted alone: {(model.predict_proba(test)[:1] == alone).all()}")

    # gaps in the transmission, and sensors that fail
    gaps = X.copy()
    gaps[rng.random(X.shape) < 0.1] = np.nan
    masked = cross_val_score(make_net(missing="mask"), gaps, y, cv=3).mean()
    print(f"a tenth of the values missing: {masked:.3f}")
    robust = make_pipeline(RandomChannelDropout(0.5), RandomNoise(snr_db=20), make_net())
    train, test, y_train, y_test = train_test_split(X, y, random_state=0)
    without_x = test * [0, 1, 1]
    for name, model in {"plain": make_net(), "trained with failing sensors": robust}.items():
        score = model.fit(train, y_train).score(without_x, y_test)
        print(f"sensor x fails, {name}: {score:.3f}")

    if plots is not None:
        plot_signals(X, y, plots)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--plots", type=Path)
    main(parser.parse_known_args()[0].plots)
