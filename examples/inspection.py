"""A network that learned a shortcut, the limits of saliency maps, and robustness to shifts.

Writes its pictures to a new temporary folder and prints its path.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomAffine
from skcnn.datasets import make_noughts_and_crosses
from skcnn.inspection import FeatureMapsDisplay, RobustnessDisplay, SaliencyDisplay, saliency

METHODS = ("gradient", "integrated_gradients", "grad_cam", "occlusion")
LETTERS = {"size": 24, "translation": 0.1, "rotation": 30, "scaling": 0.2, "noise": 0.2}
MARK = (slice(None), slice(1, 4), slice(1, 4))
CORNER = (slice(None), slice(5), slice(5))  # the mark, and the pixels around it


def make_letters(seed: int, *, marked: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return images of the letters X and O; if `marked`, each X has a bright mark."""
    images, letters = make_noughts_and_crosses(300, random_state=seed, **LETTERS)
    if marked:
        images[MARK] += (letters == "X")[:, None, None]
    return images, letters


def find_the_shortcut(folder: Path) -> None:
    """Score and explain a network whose training images contain a mark for one class."""
    model = ConvNetClassifier(filters=(8, 16), max_epochs=10, random_state=0)
    model.fit(*make_letters(0, marked=True))
    images, letters = make_letters(1, marked=True)
    print(f"accuracy with the mark {model.score(images, letters):.3f}, ", end="")
    print(f"without {model.score(*make_letters(1, marked=False)):.3f}")

    crosses = images[letters == "X"][:50]
    share = crosses[CORNER].size / crosses.size
    print(f"\nshare of an X's map in the corner, which is {share:.0%} of the image:")
    for method in METHODS:
        maps = np.abs(saliency(model, crosses, method=method, target="X"))[..., 0]
        print(f"  {method:<20} {maps[CORNER].sum() / maps.sum():.0%}")
    display = SaliencyDisplay.from_estimator(model, crosses, methods=METHODS, n_samples=3)
    display.figure_.savefig(folder / "saliency.png")


def make_net(seed: int, max_epochs: int = 8, **parameters: Any) -> ConvNetClassifier:
    """Return a small network for the digits."""
    return ConvNetClassifier(
        input_shape=(8, 8), filters=(16, 32), max_epochs=max_epochs, random_state=seed, **parameters
    )


def check_the_maps(model: ConvNetClassifier, X: Any, y: Any, samples: Any) -> None:
    """Compare a network's maps with those of two other networks, one with shuffled labels."""
    other_seed = make_net(1).fit(X, y)
    shuffled = make_net(1).fit(X, np.random.default_rng(0).permutation(y))
    target = model.predict(samples)
    rows = {}
    for method in METHODS:
        first, *others = (
            np.abs(saliency(each, samples, method=method, target=target)).reshape(samples.shape)
            for each in (model, other_seed, shuffled)
        )
        rows[method] = [np.mean(rank_correlations(first, other)) for other in (*others, samples)]
    columns = ["another seed", "shuffled labels", "the digit"]
    print("\nrank correlation of a network's maps of digits with those of")
    print(pd.DataFrame.from_dict(rows, "index", columns=columns).round(2).to_string())


def rank_correlations(first: np.ndarray, second: np.ndarray) -> list[float]:
    """Return Spearman's correlation of each row with the other's, without rows of zeros."""
    kept = first.any(axis=1) & second.any(axis=1)  # maps of Grad-CAM can be zero
    return [spearmanr(a, b).statistic for a, b in zip(first[kept], second[kept], strict=True)]


def check_the_robustness(models: dict[str, Any], X_test: Any, y_test: Any, folder: Path) -> None:
    """Score models on shifted and rotated digits."""
    rows = {}
    maps, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    curves, curves_ax = pyplot.subplots(layout="constrained")
    for ax, (name, model) in zip(axes, models.items(), strict=True):
        settings = {"input_shape": (8, 8), "name": name}
        shifts = RobustnessDisplay.from_estimator(
            model, X_test, y_test, values=[-1, 0, 1], ax=ax, **settings
        )
        turns = RobustnessDisplay.from_estimator(
            model, X_test, y_test, kind="rotation", ax=curves_ax, **settings
        )
        shifted = shifts.scores[[0, 1, 1, 2], [1, 0, 2, 1]].mean()
        rotated = turns.scores[np.abs(turns.values) == 20].mean()
        rows[name] = [shifts.baseline, shifted, rotated]
    columns = ["unchanged", "shifted by one pixel", "rotated by 20 degrees"]
    print("\naccuracy for digits that are")
    print(pd.DataFrame.from_dict(rows, "index", columns=columns).round(3).to_string())
    maps.savefig(folder / "shifts.png")
    curves.savefig(folder / "rotations.png")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="skcnn-inspection-"))
    find_the_shortcut(folder)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, train_size=800, stratify=y, random_state=0)
    model = make_net(0).fit(X, y)
    display = FeatureMapsDisplay.from_estimator(model, X_test)
    display.figure_.savefig(folder / "feature_maps.png")
    check_the_maps(model, X, y, X_test[:100])
    moves = RandomAffine(20, translation=0.15, zoom=0.2)
    models = {
        "SVC": SVC().fit(X, y),
        "network": model,
        "augmented": make_net(0, 16, augmentation=moves).fit(X, y),
    }
    check_the_robustness(models, X_test, y_test, folder)
    print(f"\npictures: {folder}")


if __name__ == "__main__":
    main()
