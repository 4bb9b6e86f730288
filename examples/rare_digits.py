"""A rare class: weights, repeated samples, and augmented copies of its samples."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, recall_score
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import Augmented, RandomAffine

SHAPE = {"input_shape": (8, 8)}
N_TRAINING, N_RARE = 1000, 8  # about 100 samples of each digit, 8 of the rare one
FACTOR = 12  # of its weight or of its number of samples, so that all classes are alike
RARE_DIGITS = (1, 3, 8, 9)  # one after another


def make_models(rare: int) -> dict[str, BaseEstimator]:
    net = ConvNetClassifier(filters=(8, 16), max_epochs=15, random_state=0, **SHAPE)
    warp = RandomAffine(10, translation=0.1, zoom=0.1)
    settings = {"augmentation": [warp], "random_state": 0, **SHAPE}
    weight, copies = {rare: FACTOR}, {rare: FACTOR - 1}
    everywhere = {**dict.fromkeys(range(10), 2), rare: 3 * FACTOR - 1}
    return {
        "SVC": SVC(),
        "SVC, class_weight": SVC(class_weight=weight),
        "SVC, copies of the rare digit": Augmented(SVC(), n_copies=copies, **settings),
        "network": net,
        "network, class_weight": ConvNetClassifier(**{**net.get_params(), "class_weight": weight}),
        "network, copies of the rare digit": Augmented(net, n_copies=copies, **settings),
        "network, copies of all digits": Augmented(net, n_copies=everywhere, **settings),
    }


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X_test, y_test = X[N_TRAINING:], y[N_TRAINING:]
    scores: dict[str, list[tuple[float, float]]] = {}
    for rare in RARE_DIGITS:
        left_out = np.flatnonzero(y[:N_TRAINING] == rare)[N_RARE:]
        kept = np.setdiff1d(np.arange(N_TRAINING), left_out)
        for name, model in make_models(rare).items():
            predicted = model.fit(X[kept], y[kept]).predict(X_test)
            recall = recall_score(y_test, predicted, labels=[rare], average=None)[0]
            scores.setdefault(name, []).append((recall, accuracy_score(y_test, predicted)))
    print(f"{'mean of four rare digits':<34} recall  accuracy")
    for name, pairs in scores.items():
        recall, accuracy = np.mean(pairs, axis=0)
        print(f"{name:<34} {recall:.2f}    {accuracy:.3f}")


if __name__ == "__main__":
    main()
