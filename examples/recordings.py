"""Recordings: activity of people by a sensor at the wrist, window by window, without leaks.

Each recording is one person in one activity. Persons move in ways of their own, and windows of one
recording are much alike: a split of windows tells how well persons are recognised that are known.

With `--plots FOLDER` the windows of a recording with two activities are drawn there.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import ConvNetClassifier
from skcnn.recordings import WindowedClassifier

RATE = 25  # samples a second
ACTIVITIES = ("sit", "walk", "run")
LENGTH, STEP = 2 * RATE, RATE  # a window of two seconds begins every second


def move(activity: str, habits: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Return accelerations of three axes, (length, 3), of a person with these habits."""
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = {"sit": 0.3, "walk": 1.8, "run": 2.7}[activity] + 0.5 * habits[0]
    strength = {"sit": 0.15, "walk": 0.8, "run": 1.2}[activity] * np.exp(0.3 * habits[1])
    angle = 2 * np.pi * (hertz * time[:, None] + rng.random(3))
    swing = strength * (np.sin(angle) + 0.5 * habits[2:5] * np.sin(2 * angle))
    return swing + habits[5:8] + rng.normal(0, 0.3, swing.shape)


def make_recordings(n_persons: int, seed: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return recordings of 10 to 30 seconds, their activities and persons."""
    rng = np.random.default_rng(seed)
    habits = rng.normal(size=(n_persons, 8))
    # half of the persons were asked for one activity, so that habits tell it
    done = [(p, a) for p in range(n_persons) for a in ACTIVITIES if p % 2 or a == ACTIVITIES[p % 3]]
    X = [move(a, habits[p], rng.uniform(10, 30), rng) for p, a in done]
    persons, activities = (np.array(column) for column in zip(*done, strict=True))
    return X, activities, persons


def cut(recordings: list[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all windows as samples, as it is often done, with the label of their recording."""
    starts = [range(0, len(each) - LENGTH + 1, STEP) for each in recordings]
    windows = [
        each[s : s + LENGTH] for each, of in zip(recordings, starts, strict=True) for s in of
    ]
    return np.array(windows), np.repeat(labels, [*map(len, starts)])


def make_model() -> WindowedClassifier:
    net = ConvNetClassifier(filters=(16, 32), kernel_size=9, max_epochs=15, random_state=0)
    return WindowedClassifier(net, LENGTH, STEP, sampling_rate=RATE)


def plot_windows(recording: np.ndarray, table: pd.DataFrame, folder: Path) -> None:
    """Draw a recording above the probabilities of its windows."""
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(8, 4.5), sharex=True)
    above.plot(np.arange(len(recording)) / RATE, recording, linewidth=0.8, label=["x", "y", "z"])
    above.set_ylabel("acceleration, g")
    above.legend(loc="upper right", ncols=3)
    middle = (table["start_seconds"] + table["stop_seconds"]) / 2
    for activity in ACTIVITIES:
        below.plot(middle, table[f"probability_{activity}"], marker=".", label=activity)
    below.set(xlabel="seconds", ylabel="probability of the window")
    below.legend(loc="center right")
    figure.tight_layout()
    figure.savefig(folder / "recordings.png")


def main(plots: Path | None) -> None:
    X, y, persons = make_recordings(24, seed=0)
    print(
        f"{len(X)} recordings of {min(map(len, X)) / RATE:.0f} to {max(map(len, X)) / RATE:.0f} s"
    )

    model = make_model()
    windows, labels = cut(X, y)
    shuffled = KFold(3, shuffle=True, random_state=0)
    flatten = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    forest = make_pipeline(flatten, RandomForestClassifier(random_state=0))
    by_window = cross_val_score(forest, windows, labels, cv=shuffled)
    print(f"forest, windows on both sides of the split: {by_window.mean():.3f}, which is too good")
    by_person = {"groups": persons, "cv": GroupKFold(3)}
    for name, estimator in {
        "forest": WindowedClassifier(forest, LENGTH, STEP),
        "network": model,
    }.items():
        of_recordings = cross_val_score(estimator, X, y, cv=shuffled).mean()
        of_persons = cross_val_score(estimator, X, y, **by_person).mean()
        print(f"{name}: by recording {of_recordings:.3f}, by person {of_persons:.3f}")

    # what happens when: a person of whom nothing is known sits down after a walk
    rng = np.random.default_rng(6)
    stranger = rng.normal(size=8)
    recording = np.concatenate([move(each, stranger, 12, rng) for each in ("walk", "sit")])
    table = model.fit(X, y).predict_windows([recording])
    columns = ["start_seconds", "stop_seconds", "prediction"]
    print(f"\n{table.loc[8:14, columns].to_string(index=False)}")
    print(f"the whole recording: {model.predict([recording])[0]}")
    if plots is not None:
        plot_windows(recording, table, plots)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--plots", type=Path)
    main(parser.parse_known_args()[0].plots)
