"""The comparison that the field starts with: linear models to augmented ConvNets.

Softmax regression, a dense network, support vectors, a random forest, gradient boosting and
two ConvNets on scikit-learn's digits and, given its arrays, on MNIST images; the same
splits for all, accuracy and tests by ``compare_models``. Of MNIST 10,000 training images are
drawn. Tables and plots are written to a folder.

Run: python tests/benchmarks/model_comparison.py [--mnist mnist.npz] [--output FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomAffine, RandomElastic
from skcnn.comparison import ModelComparisonDisplay, compare_models

N_MNIST = 10_000
KINDS = ("differences", "fit_seconds")


def make_models(input_shape, augmentation):
    """Return the models for flat images; peers have what is usual for pixels."""
    net = ConvNetClassifier(input_shape=input_shape)
    longer = ConvNetClassifier(input_shape=input_shape, max_epochs=60)  # augmented samples vary
    return {
        "softmax regression": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=1000)),
        "dense network": make_pipeline(MinMaxScaler(), MLPClassifier((256,), max_iter=300)),
        "support vectors": make_pipeline(MinMaxScaler(), SVC(C=10)),
        "random forest": RandomForestClassifier(300),
        "gradient boosting": HistGradientBoostingClassifier(),
        "ConvNet": net,
        "ConvNet, augmented": make_pipeline(*augmentation, longer),
    }


def run(name, models, X, y, cv, output):
    """Compare, print, and write table and plots."""
    comparison = compare_models(
        models, X, y, cv=cv, baseline="support vectors", rope=0.005, random_state=0, verbose=2
    )
    print(f"\n{name}\n{comparison}\n", flush=True)
    (output / f"{name}.md").write_text(comparison.to_markdown() + "\n", encoding="utf-8")
    comparison.fold_scores.to_csv(output / f"{name}.csv", index=False)
    for kind in KINDS:
        display = ModelComparisonDisplay.from_comparison(comparison, kind=kind)
        display.figure_.savefig(output / f"{name}_{kind}.png", dpi=100)
        pyplot.close(display.figure_)


def main():
    """Compare on digits, and on MNIST where its arrays are given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mnist", help="path of the MNIST arrays")
    parser.add_argument("--only", choices=["mnist"], help="without digits")
    parser.add_argument("--output", type=Path, default=Path("comparison"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    affine, elastic = RandomAffine(10, translation=0.1, zoom=0.1, shear=10), RandomElastic(0.03)
    if options.only != "mnist":
        X, y = load_digits(return_X_y=True)
        cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=0)
        run("digits", make_models((8, 8), [affine]), X, y, cv, options.output)
    if options.mnist:
        with np.load(options.mnist) as arrays:
            X, y = arrays["X_train"], arrays["y_train"]
        X, _, y, _ = train_test_split(X, y, train_size=N_MNIST, stratify=y, random_state=0)
        cv = StratifiedKFold(5, shuffle=True, random_state=0)
        models = make_models((28, 28), [affine, elastic])
        run("mnist", models, X.reshape(len(X), -1), y, cv, options.output)


if __name__ == "__main__":
    main()
