"""Digits in a Pipeline with augmentation, tested on digits that are turned and shifted."""

from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import Augmented, RandomRotation, RandomTranslation, RandomZoom

SHAPE = {"input_shape": (8, 8)}


def make_augmentation() -> list[BaseEstimator]:
    """Return changes of a digit; the three are joined and interpolated once."""
    return [RandomRotation(25, **SHAPE), RandomTranslation(0.15, **SHAPE), RandomZoom(0.2, **SHAPE)]


def make_models() -> dict[str, BaseEstimator]:
    net = ConvNetClassifier(max_epochs=40, random_state=0, **SHAPE)
    settings = {"augmentation": make_augmentation(), "random_state": 0, **SHAPE}
    return {
        "network": net,
        "network, one draw of each sample": Augmented(
            net, n_copies=1, keep_original=False, **settings
        ),
        "network, fresh draws every epoch": make_pipeline(*make_augmentation(), net),
        "SVC": SVC(),
        "SVC, five copies of each sample": Augmented(SVC(), n_copies=5, **settings),
    }


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

    # fit_transform returns a lazy array; to_numpy draws its values
    warped = make_pipeline(*make_augmentation()).fit_transform(X_test).to_numpy(random_state=0)

    print(f"{'accuracy on':<34} test  warped test")
    for name, model in make_models().items():
        model.fit(X, y)
        print(f"{name:<34}{model.score(X_test, y_test):.3f}  {model.score(warped, y_test):.3f}")


if __name__ == "__main__":
    main()
