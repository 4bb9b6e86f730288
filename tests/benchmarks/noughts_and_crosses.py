"""Accuracy on letters unlike those of the training, as a Markdown table.

    python tests/benchmarks/noughts_and_crosses.py [--seeds 3] [--train 300] [--test 1000]

Every model learns clean letters O and X with slight noise and sees the trickier ones in the
test only. Without the noise all letters of a kind would be one picture.
"""

import argparse
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomAffine, RandomStroke
from skcnn.datasets import make_noughts_and_crosses

NOISE = 0.05
# Ranges that keep whole letters in the picture, except that "all at once" cuts off a few.
CASES = {
    "clean": {},
    "translated": {"translation": 0.2},
    "scaled": {"scaling": (0.4, 0.8)},
    "rotated": {"rotation": 45},
    "bold": {"stroke_weight": (2.5, 3.3)},
    "all at once": {
        "translation": 0.15,
        "scaling": 0.4,
        "rotation": 45,
        "stroke_weight": (0.5, 2.0),
    },
}


def flat(model):
    """Return the model behind a step that makes rows of pictures."""
    return make_pipeline(FunctionTransformer(lambda X: X.reshape(len(X), -1)), model)


def augmented(seed):
    distortions = [
        RandomAffine(degrees=45, translation=0.2, zoom=0.5, shear=0.0),
        RandomStroke(2),
    ]
    return ConvNetClassifier(augmentation=distortions, random_state=seed)


MODELS = {
    "SVC": lambda seed: flat(SVC()),
    "MLPClassifier": lambda seed: flat(MLPClassifier(128, random_state=seed)),
    "ConvNetClassifier": lambda seed: ConvNetClassifier(random_state=seed),
    "ConvNetClassifier, augmented": augmented,
}


def accuracies(make_model, seed, n_train, n_test):
    """Return the accuracy in every case after a training on clean letters."""
    model = make_model(seed)
    model.fit(*make_noughts_and_crosses(n_train, noise=NOISE, random_state=seed))
    # letters of the test are other draws than those of any training
    return [
        model.score(
            *make_noughts_and_crosses(n_test, noise=NOISE, random_state=1000 + seed, **case)
        )
        for case in CASES.values()
    ]


def show(*cells):
    print("|", " | ".join(cells), "|", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings to take the mean of")
    parser.add_argument("--train", type=int, default=300, help="clean letters to learn")
    parser.add_argument("--test", type=int, default=1000, help="letters of each case")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
    show("model", *CASES)
    show("---", *("---:" for _ in CASES))
    for name, make_model in MODELS.items():
        runs = [
            accuracies(make_model, seed, options.train, options.test)
            for seed in range(options.seeds)
        ]
        show(name, *(f"{accuracy:.3f}" for accuracy in np.mean(runs, axis=0)))


if __name__ == "__main__":
    main()
