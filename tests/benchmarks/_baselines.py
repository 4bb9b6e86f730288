"""Models of scikit-learn on pixels and on gradient histograms, as beside in `defaults`.

Each takes an `ImageSet`, the shape of its training samples and a seed, and returns an estimator of
images, or None where it is not for them.
"""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR

from tests.benchmarks._image_sets import ImageSet

N_TREES = 500
ORIENTATIONS = 9


def flattened(X: np.ndarray) -> np.ndarray:
    return np.asarray(X).reshape(len(X), -1).astype(np.float32)


def flat(*steps):
    return make_pipeline(FunctionTransformer(flattened), *steps)


def reduced(shape: tuple[int, ...], most: int, n_components: int, seed: int) -> list:
    """Return the step that projects more than `most` features on principal components."""
    if np.prod(shape[1:]) <= most:
        return []
    n = min(n_components, shape[0] - 1)
    return [PCA(n, svd_solver="randomized", random_state=seed)]


def scaled_target(regressor):
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def svc(image_set: ImageSet, shape: tuple[int, ...], seed: int):
    model = scaled_target(SVR(C=10)) if image_set.is_regression else SVC(C=10)
    return flat(StandardScaler(), *reduced(shape, 2000, 200, 0), model)


def _forest(image_set: ImageSet, seed: int):
    kind = RandomForestRegressor if image_set.is_regression else RandomForestClassifier
    return kind(N_TREES, max_features="sqrt", random_state=seed)


def forest(image_set: ImageSet, shape: tuple[int, ...], seed: int):
    return flat(_forest(image_set, seed))


def boosting(image_set: ImageSet, shape: tuple[int, ...], seed: int):
    kind = (
        HistGradientBoostingRegressor if image_set.is_regression else HistGradientBoostingClassifier
    )
    return flat(*reduced(shape, 1000, 64, seed), kind(random_state=seed))


def mlp(image_set: ImageSet, shape: tuple[int, ...], seed: int):
    how = {"hidden_layer_sizes": (256,), "max_iter": 100, "random_state": seed}
    if image_set.is_regression:
        return flat(StandardScaler(), scaled_target(MLPRegressor(**how)))
    return flat(StandardScaler(), MLPClassifier(**how))


def gradient_histograms(X: np.ndarray) -> np.ndarray:
    """Return histograms of oriented gradients (Dalal and Triggs, 2005) of images.

    The image has about 8 x 8 cells of at least 4 pixels. A pixel counts by the length of its
    gradient, of the channel where it is longest, and is shared by the two next orientations.
    Blocks of 2 x 2 cells are normalised.
    """
    images = np.asarray(X, dtype=np.float32)
    images = images[..., None] if images.ndim == 3 else images  # (n, height, width, channels)
    cell = max(4, min(images.shape[1:3]) // 8)
    rows, columns = (side // cell for side in images.shape[1:3])
    down, right = np.gradient(images[:, : rows * cell, : columns * cell], axis=(1, 2))
    longest = np.hypot(down, right).argmax(-1)[..., None]
    down, right = (np.take_along_axis(each, longest, -1)[..., 0] for each in (down, right))
    bins = np.arctan2(down, right) % np.pi * (ORIENTATIONS / np.pi)
    distances = np.abs(bins[..., None] - np.arange(ORIENTATIONS))
    shares = np.maximum(0, 1 - np.minimum(distances, ORIENTATIONS - distances))
    votes = np.hypot(down, right)[..., None] * shares
    cells = votes.reshape(len(X), rows, cell, columns, cell, ORIENTATIONS).sum((2, 4))
    blocks = np.concatenate(
        [cells[:, i : rows - 1 + i, j : columns - 1 + j] for i in (0, 1) for j in (0, 1)], axis=-1
    )
    lengths = np.linalg.norm(blocks, axis=-1, keepdims=True)
    return (blocks / (lengths + 1)).reshape(len(X), -1)  # flat blocks stay near zero


def histograms_forest(image_set: ImageSet, shape: tuple[int, ...], seed: int):
    if image_set.n_spatial_dims != 2 or min(shape[1:3]) < 16:
        return None
    step = FunctionTransformer(gradient_histograms)
    return make_pipeline(step, _forest(image_set, seed))


BASELINES = {
    "svc": svc,
    "forest": forest,
    "boosting": boosting,
    "mlp": mlp,
    "hog-forest": histograms_forest,
}
