"""Tones in noise: which of four pitches a signal has, and how strong it is."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor

CYCLES = np.array([6, 8, 10, 12])  # of the four pitches in one signal
LENGTH = 128


def make_tones(n_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signals of random phase and strength in noise, their pitches and strengths."""
    rng = np.random.default_rng(seed)
    pitch = rng.integers(len(CYCLES), size=n_samples)
    strength = rng.uniform(1, 3, size=n_samples)
    phase = rng.uniform(0, 2 * np.pi, size=(n_samples, 1))
    angle = 2 * np.pi * CYCLES[pitch, None] * np.arange(LENGTH) / LENGTH + phase
    signals = strength[:, None] * np.sin(angle) + rng.normal(size=(n_samples, LENGTH))
    return signals.astype(np.float32), pitch, strength


def main() -> None:
    signals, pitch, strength = make_tones(1200, seed=0)

    # without input_shape, rows are signals of one channel
    classifier = ConvNetClassifier(filters=(8, 16, 32), kernel_size=7, random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    print("pitch, accuracy of 3 folds (a phase is not linear):")
    for name, model in {"convolutional": classifier, "softmax regression": linear}.items():
        print(f"  {name:<20} {cross_val_score(model, signals, pitch, cv=3).mean():.3f}")

    train, test, train_strength, test_strength = train_test_split(signals, strength, random_state=0)
    regressor = ConvNetRegressor(filters=(8, 16, 32), kernel_size=7, random_state=0)
    regressor.fit(train, train_strength)
    print(f"strength, R² on test signals: {regressor.score(test, test_strength):.3f}")


if __name__ == "__main__":
    main()
