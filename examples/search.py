"""Two searches on digits: one in a journal file, which is resumed, one for score and size."""

import tempfile
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomRotation
from skcnn.model_selection import ConvNetSearchCV

SMALL = {"multiply_accumulates": 400_000}  # of one sample


def make_model() -> Pipeline:
    """Return a Pipeline of an augmentation, whose strength is searched too, and a network."""
    return make_pipeline(
        RandomRotation(15), ConvNetClassifier(input_shape=(8, 8), max_epochs=4, gradient_clip=1.0)
    )


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, train_size=600, stratify=y, random_state=0)

    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "cv": 3,
            "constraints": SMALL,
            "storage": Path(folder) / "digits.journal",
            "random_state": 3,
        }
        for n_trials in (6, 12):  # the second call runs the other six
            search = ConvNetSearchCV(make_model(), n_trials=n_trials, **settings).fit(X, y)
            table = search.trials_dataframe()
            print(f"{len(table)} trials, {(table['state'] == 'PRUNED').sum()} pruned")
            print(f"best of the folds: {search.best_score_:.4f}")
            print(f"test accuracy: {search.score(X_test, y_test):.4f}")

    print("\nbest parameters:")
    for name, value in search.best_params_.items():
        print(f"  {name}: {value}")

    # with two objectives, without pruning: networks that are nearly as good, and smaller
    search = ConvNetSearchCV(
        make_model(),
        objectives=("score", "n_parameters"),
        n_trials=8,
        cv=3,
        constraints=SMALL,
        random_state=3,
    ).fit(X, y)
    print("\nPareto front:")
    print(search.pareto_front_[["score", "n_parameters"]].to_string())


if __name__ == "__main__":
    main()
