"""Write the golden files of a release, which later releases must read.

Run it once for each release: python -m tests.persistence.golden.make
"""

from pathlib import Path

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import skcnn
from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomFlip, RandomTranslation
from skcnn.layers import Conv, Dropout, Normalize, Pool, Residual
from skcnn.preprocessing import KernelFilter

FOLDER = Path(__file__).parent
X = (np.arange(20 * 36).reshape(20, 36) * 37 % 101) / 100.0
LABELS = np.array(["a", "b", "b", "c"] * 5)


def models():
    """Return a fitted model for each file's name."""
    shape = {"input_shape": (6, 6)}
    small = {"max_epochs": 2, "random_state": 0, "device": "cpu", "n_threads": 1, **shape}
    layers = [Conv(2, activation="relu"), Normalize(), Residual([Conv(2)]), Pool(), Dropout(0.1)]
    classifier = ConvNetClassifier(architecture=layers, optimizer="sgd", **small)
    edges = KernelFilter("sobel_vertical", padding="same", **shape)
    flip = RandomFlip(**shape)
    regressor = ConvNetRegressor(
        filters=(2,), hidden_units=(3,), augmentation=[RandomTranslation(0.1)], **small
    )
    return {
        "classifier": classifier.fit(X, LABELS),
        "pipeline": make_pipeline(MinMaxScaler(), edges, flip, classifier).fit(X, LABELS),
        "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, LABELS),
        "regressor": regressor.fit(X, X[:, :2]),
    }


def outputs(model):
    """Return what a golden model predicts for four samples."""
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return getattr(model, method)(X[:4])


if __name__ == "__main__":
    made = models()
    expected = {name: outputs(model) for name, model in made.items()}
    for name, model in made.items():
        skcnn.save(model, FOLDER / f"{skcnn.__version__}_{name}.safetensors")
    np.savez(FOLDER / f"{skcnn.__version__}_expected.npz", **expected)
