"""Spoken digits of unseen speakers: raw sound and log-mel spectrograms, beside forest and SVC.

The data are the recordings of the Free Spoken Digit Dataset, github.com/Jakobovski/
free-spoken-digit-dataset: digits of six speakers at 8 kHz in files named DIGIT_SPEAKER_NUMBER.wav.
Run with their folder:

    python -m tests.benchmarks.spoken_digits FOLDER [--folds 3] [--seeds 1] [--models NAME ...]

Each fold leaves out all recordings of its speakers. "random split" has recordings of all speakers
in training and test, and shows what is left of such a score with new ones.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomFrequencyMask, RandomTimeMask
from skcnn.layers import Activation, Conv, GlobalPool, Normalize, Pool
from skcnn.preprocessing import PadSignals, Spectrogram, StandardizeSignals

RATE = 8000
LENGTH = RATE  # what is longer than a second is cut


def read(folder: Path) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return sounds of unequal length, their digits and their speakers."""
    sounds, digits, speakers = [], [], []
    for path in sorted(folder.glob("*.wav")):
        digit, speaker, _ = path.stem.split("_")
        rate, values = wavfile.read(path)
        assert rate == RATE, path
        sounds.append(values.astype(np.float32) / 2**15)
        digits.append(digit)
        speakers.append(speaker)
    return sounds, np.array(digits), np.array(speakers)


def block(filters: int, kernel: int, stride: int = 1) -> list:
    """Return a convolution of a network for waves, with normalisation and a pool."""
    conv = Conv(filters, kernel, stride=stride, bias=False)
    return [conv, Normalize(), Activation("relu"), Pool(4)]


def raw(seed: int, epochs: int):
    """Return M5 of Dai et al., arXiv:1610.00087, at half its width, on sounds of unequal length."""
    layers = [*block(32, 80, 4), *block(32, 3), *block(64, 3), *block(128, 3), GlobalPool()]
    net = ConvNetClassifier(
        architecture=layers, batch_size=32, max_epochs=epochs, random_state=seed
    )
    return make_pipeline(StandardizeSignals(), net)


def log_mel() -> list:
    """Return steps from sounds of unequal length to images of 40 bands and 63 times."""
    spectrogram = Spectrogram(RATE, window_seconds=0.064, step_seconds=0.016, n_bands=40)
    return [StandardizeSignals(), PadSignals(LENGTH, longer="start"), spectrogram]


def mel_net(seed: int, epochs: int, *steps):
    net = ConvNetClassifier(
        filters=(16, 32, 64), batch_size=32, max_epochs=epochs, random_state=seed
    )
    return make_pipeline(*log_mel(), *steps, net)


def flat_mel(model):
    return make_pipeline(
        *log_mel(), FunctionTransformer(lambda X: X.reshape(len(X), -1)), StandardScaler(), model
    )


def flat_raw(model):
    return make_pipeline(StandardizeSignals(), PadSignals(LENGTH, longer="start"), model)


MODELS = {
    "raw, half of M5": raw,
    "log-mel, ConvNet": mel_net,
    "log-mel, ConvNet, masks": lambda seed, epochs: mel_net(
        seed, epochs, RandomTimeMask(0.2), RandomFrequencyMask(0.2)
    ),
    "log-mel, SVC": lambda seed, _: flat_mel(SVC(C=10)),
    "log-mel, forest": lambda seed, _: flat_mel(RandomForestClassifier(500, random_state=seed)),
    "raw, forest": lambda seed, _: flat_raw(RandomForestClassifier(500, random_state=seed)),
}


def main() -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--models", nargs="+", default=[*MODELS], choices=MODELS)
    args = parser.parse_args()
    sounds, digits, speakers = read(args.folder)
    seconds = np.array([len(sound) / RATE for sound in sounds])
    print(
        f"{len(sounds)} sounds of {seconds.min():.2f} to {seconds.max():.2f} s, "
        f"{(seconds > 1).sum()} longer than a second, {len(set(speakers))} speakers"
    )
    splits = {
        "unseen speakers": [*GroupKFold(args.folds).split(sounds, digits, speakers)],
        "random split": [
            next(StratifiedKFold(args.folds, shuffle=True, random_state=0).split(sounds, digits))
        ],
    }
    for name in args.models:
        for kind, folds in splits.items():
            scores, fits = [], []
            for seed in range(args.seeds):
                for train, test in folds:
                    model = MODELS[name](seed, args.epochs)
                    start = time.perf_counter()
                    model.fit([sounds[i] for i in train], digits[train])
                    fits.append(time.perf_counter() - start)
                    scores.append(model.score([sounds[i] for i in test], digits[test]))
            each = " ".join(f"{score:.3f}" for score in scores)
            print(
                f"{name:25} {kind:16} {np.mean(scores):.3f} ({each}) {np.mean(fits):6.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
