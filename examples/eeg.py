"""Electroencephalograms: which hand moves, by the power of rhythms over the motor cortex.

The set is made up, after those of brain-computer interfaces: 22 electrodes, 250 samples a second,
several subjects. In front of the moved limb's part of the cortex the rhythm of 8 to 12 hertz is
weaker. Its phase is random, so that a linear model of the samples is at chance. All scores are
those of subjects that were in no training.

With `--plots FOLDER` a map of the electrodes that the network looks at is written there.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn import ConvNetClassifier, ConvNetSearchCV, recipe
from skcnn.inspection import saliency
from skcnn.preprocessing import ResampleSignals

RATE = 250  # samples a second
# Places on the head from the left and from the back, in units of its radius.
ELECTRODES = {
    "Fz": (0.0, 0.5),
    **{f"FC{n}": (x, 0.25) for n, x in zip("31z24", np.linspace(-0.5, 0.5, 5), strict=True)},
    **{f"C{n}": (x, 0.0) for n, x in zip("531z246", np.linspace(-0.75, 0.75, 7), strict=True)},
    **{f"CP{n}": (x, -0.25) for n, x in zip("31z24", np.linspace(-0.5, 0.5, 5), strict=True)},
    **{f"P{n}": (x, -0.5) for n, x in zip("1z2", (-0.25, 0.0, 0.25), strict=True)},
    "POz": (0.0, -0.75),
}
# Where the rhythm is weaker during a movement: the hands are on the other side.
CORTEX = {"left hand": "C4", "right hand": "C3", "feet": "Cz"}
BACKGROUND = ("Fz", "FC3", "FC4", "C5", "C6", "CP3", "CP4", "P1", "P2", "POz")


def spread(source: str) -> np.ndarray:
    """Return how much of a source under an electrode each electrode picks up."""
    places = np.array([*ELECTRODES.values()])
    squares = ((places - ELECTRODES[source]) ** 2).sum(axis=1)
    return np.exp(-squares / (2 * 0.3**2))


def rhythm(hertz: np.ndarray, n_steps: int, rng: np.random.Generator) -> np.ndarray:
    """Return oscillations of slowly wandering phase, one row for each frequency."""
    wander = np.cumsum(rng.normal(0, 0.8 / np.sqrt(RATE), (len(hertz), n_steps)), axis=1)
    start = rng.uniform(0, 2 * np.pi, (len(hertz), 1))
    return np.sin(2 * np.pi * hertz[:, None] * np.arange(n_steps) / RATE + start + wander)


def pink_noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return noise of variance one whose power falls with the frequency."""
    spectrum = np.fft.rfft(rng.normal(size=shape), axis=-1)
    spectrum[..., 1:] /= np.sqrt(np.arange(1, spectrum.shape[-1]))
    spectrum[..., 0] = 0
    noise = np.fft.irfft(spectrum, shape[-1], axis=-1)
    return noise / noise.std(axis=-1, keepdims=True)


def make_eeg(
    n_subjects: int = 6,
    n_trials: int = 60,
    seconds: float = 1.0,
    *,
    microvolts: float = 7.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return trials in microvolts, (n, time steps, electrodes), their movements and subjects.

    The rhythm has the height `microvolts` at rest, the background about twice as much.
    """
    rng = np.random.default_rng(seed)
    n_steps = round(seconds * RATE)
    movements = np.array([*CORTEX])
    X, y, subjects = [], [], []
    for subject in range(n_subjects):
        labels = movements[rng.permutation(np.arange(n_trials) % len(movements))]
        hertz = rng.uniform(9, 12) + rng.normal(0, 0.3, n_trials)  # of this subject
        gain = rng.uniform(0.7, 1.4)
        # the background everywhere, and a rhythm of the back of the head, are no part of the class
        sources = 6 * pink_noise((len(BACKGROUND), n_trials, n_steps), rng)
        weights = np.array([spread(name) for name in BACKGROUND])
        trials = np.einsum("se,snt->net", weights, sources)
        alpha = 8 * rng.lognormal(0, 0.5, (n_trials, 1)) * rhythm(hertz + 0.5, n_steps, rng)
        trials += alpha[:, None] * spread("POz")[:, None]
        for movement, place in CORTEX.items():
            strength = microvolts * rng.lognormal(0, 0.3, (n_trials, 1))
            strength[labels == movement] *= 0.3
            mu = strength * rhythm(hertz, n_steps, rng)
            trials += mu[:, None] * spread(place)[:, None]
        trials += rng.normal(0, 2, trials.shape)  # of the amplifier
        X.append(gain * trials)
        y.append(labels)
        subjects.append(np.full(n_trials, subject))
    X, y, subjects = (np.concatenate(parts) for parts in (X, y, subjects))
    return np.moveaxis(X, 1, -1).astype(np.float32), y, subjects


def make_model(**parameters: object) -> Pipeline:
    """Return EEGNet at the 128 samples a second for which its kernels are made."""
    net = ConvNetClassifier(**{**recipe("eeg"), **parameters}, random_state=0)
    return make_pipeline(ResampleSignals(rate=128, original_rate=RATE), net)


def plot_electrodes(model: Pipeline, X: np.ndarray, y: np.ndarray, folder: Path) -> None:
    """Draw how much the scores of each class depend on each electrode."""
    from matplotlib import pyplot

    resample, net = model
    figure, axes = pyplot.subplots(1, len(CORTEX), figsize=(9, 3.2), layout="constrained")
    for ax, movement in zip(axes, CORTEX, strict=True):
        trials = resample.transform(X[y == movement])
        share = np.abs(saliency(net, trials, target=movement)).mean(axis=(0, 1))
        left, front = np.transpose([*ELECTRODES.values()])
        ax.scatter(left, front, c=share, s=300, cmap="Blues", edgecolors="0.7", vmin=0)
        for name, place in ELECTRODES.items():
            ax.annotate(name, place, ha="center", va="center", fontsize=7)
        ax.set(title=movement, aspect="equal", xlim=(-1, 1), ylim=(-1, 0.75))
        ax.set_axis_off()
    figure.suptitle("Mean size of the gradient of each class (front of the head above)")
    figure.savefig(folder / "eeg.png")


def main(plots: Path | None) -> None:
    X, y, subjects = make_eeg()
    print(f"{len(X)} trials of {X.shape[1] / RATE} s, {X.shape[2]} electrodes, chance 1/3")
    is_test = subjects >= 4
    train, test = (X[~is_test], y[~is_test]), (X[is_test], y[is_test])

    linear = make_pipeline(
        FunctionTransformer(lambda X: X.reshape(len(X), -1)),
        StandardScaler(),
        LogisticRegression(C=1e-3),
    )
    print(f"softmax regression of the samples: {linear.fit(*train).score(*test):.3f}")
    model = make_model().fit(*train)
    print(f'recipe("eeg"): {model.score(*test):.3f}')

    # searches split by subject, too
    folds = GroupKFold(2)
    groups = subjects[~is_test]
    grid = {"convnetclassifier__architecture": ["eegnet", "shallow_convnet"]}
    search = GridSearchCV(make_model(max_epochs=40, batch_size=8), grid, cv=folds, refit=False).fit(
        *train, groups=groups
    )
    print("\nGridSearchCV, 40 epochs:")
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        print(f"  {next(iter(params.values())):<16} {score:.3f} of the folds")

    search = ConvNetSearchCV(
        make_model(max_epochs=40, batch_size=8), n_trials=3, cv=folds, random_state=0
    )
    search.fit(*train, groups=groups)
    print(f"ConvNetSearchCV, 3 trials of 40 epochs: {search.best_score_:.3f} of the folds, with")
    for name, value in search.best_params_.items():
        print(f"  {name}: {value}")
    print(f"test accuracy: {search.score(*test):.3f}")

    if plots is not None:
        plot_electrodes(model, *test, plots)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--plots", type=Path)
    main(parser.parse_known_args()[0].plots)
