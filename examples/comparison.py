"""Support vectors, softmax regression and a network on the same folds of the digits.

Writes its picture to a new temporary folder, and prints where that is.
"""

import tempfile
from pathlib import Path

from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.comparison import ModelComparisonDisplay, compare_models


def make_models() -> dict[str, BaseEstimator]:
    return {
        "network": ConvNetClassifier(input_shape=(8, 8), filters=(16, 32), max_epochs=10),
        "support vectors": SVC(),
        "softmax regression": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=1000)),
    }


def main() -> None:
    X, y = load_digits(return_X_y=True)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    # a percent more or less would not matter
    comparison = compare_models(make_models(), X, y, cv=folds, rope=0.01, random_state=0)
    print(comparison)

    path = Path(tempfile.mkdtemp(prefix="skcnn-comparison-")) / "comparison.png"
    ModelComparisonDisplay.from_comparison(comparison).figure_.savefig(path)
    print(f"\npicture: {path}")


if __name__ == "__main__":
    main()
