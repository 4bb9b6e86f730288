"""Does it matter that augmentation is fresh? Digits, tested on warped digits.

Trained on half of scikit-learn's digits, tested on the other half as it is and warped
(rotation up to 25 degrees, shifts up to 0.15 of the side, zoom 0.8 to 1.2): without
augmentation, with one static draw of every sample in place of it, with five static copies,
and with fresh draws for every batch.

    python tests/benchmarks/augmentation_freshness.py [--seeds 3]
"""

import argparse

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skcnn import ConvNetClassifier
from skcnn.augmentation import Augmented, RandomAffine


def warp(random_state=None):
    return RandomAffine(
        25, translation=0.15, zoom=0.2, input_shape=(8, 8), random_state=random_state
    )


def models(seed):
    net = {"input_shape": (8, 8), "max_epochs": 40, "random_state": seed}
    static = {"augmentation": [warp()], "input_shape": (8, 8), "random_state": seed}
    return {
        "none": ConvNetClassifier(**net),
        "one static draw": Augmented(
            ConvNetClassifier(**net), n_copies=1, keep_original=False, **static
        ),
        "five static draws": Augmented(
            ConvNetClassifier(**{**net, "max_epochs": 8}), n_copies=5, keep_original=False, **static
        ),
        "fresh draws": ConvNetClassifier(augmentation=[warp()], **net),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    rows = []
    for seed in range(arguments.seeds):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.5, stratify=y, random_state=seed
        )
        warped = warp().fit_transform(X_test).to_numpy(random_state=1000 + seed)
        for name, model in models(seed).items():
            model.fit(X_train, y_train)
            scores = {"clean": model.score(X_test, y_test), "warped": model.score(warped, y_test)}
            rows.append({"augmentation": name, "seed": seed, **scores})
    table = pd.DataFrame(rows)
    order = table["augmentation"].unique()
    by_name = table.groupby("augmentation")[["clean", "warped"]]
    mean, std = by_name.mean().loc[order], by_name.std().loc[order]
    print(f"| augmentation | clean | warped (mean and std of {arguments.seeds} seeds) |")
    print("|---|---:|---:|")
    for name in order:
        cells = [f"{mean.loc[name, c]:.3f} ± {std.loc[name, c]:.3f}" for c in mean]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
