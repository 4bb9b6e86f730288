"""Files in scikit-learn's tools and this package's: the results of one array."""

import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import ConvNetClassifier, ConvNetSearchCV, compare_models
from skcnn._data.value_texts import description_of, hash_of
from skcnn.augmentation import Augmented, RandomFlip, RandomNoise, RandomTranslation
from skcnn.augmentation._augmented_array import AugmentedArray
from skcnn.comparison import compare_datasets
from skcnn.datasets import ImageFiles, load_image_folder
from skcnn.exceptions import FrozenAugmentationWarning
from skcnn.inspection import (
    AugmentationDisplay,
    FeatureMapsDisplay,
    LearningRateDisplay,
    RobustnessDisplay,
    SaliencyDisplay,
    TopLossesDisplay,
    feature_maps,
    saliency,
)
from skcnn.preprocessing import KernelFilter
from tests.helpers.decodings import counted_decodings, forget_facts
from tests.helpers.pictures import save, save_all, smooth

N = 36
Y = np.array(["cat", "dog", "emu"])[np.arange(N) % 3]
PARAMS = {"filters": (4,), "hidden_units": (8,), "max_epochs": 2, "random_state": 0}


def net(**params):
    return ConvNetClassifier(device="cpu", batch_size=16, **{**PARAMS, **params})


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return [
        save(folder / Y[i] / f"{i:02d}.png", smooth(8, 8, seed=i) // (1 + i % 3)) for i in range(N)
    ]


@pytest.fixture
def files(paths):
    forget_facts()
    return ImageFiles(paths, cache=None)


@pytest.fixture(scope="module")
def array(paths):
    return ImageFiles(paths).to_numpy()


def pipeline():
    return make_pipeline(RandomFlip(), RandomNoise(0.1), net())


# Model selection


def test_three_lines_from_a_folder_to_a_cross_validation(paths, array):
    X, y = load_image_folder(paths[0].parents[1], size=8, return_X_y=True)
    model = pipeline()
    found = cross_val_score(model, X, y)
    order = [paths.index(path) for path in sorted(paths)]
    np.testing.assert_array_equal(found, cross_val_score(model, array[order], Y[order]))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_validation(files, array, n_jobs):
    for model in (net(), pipeline()):
        found = cross_val_score(model, files, Y, cv=3, n_jobs=n_jobs)
        np.testing.assert_array_equal(found, cross_val_score(model, array, Y, cv=3))


def test_the_second_fold_decodes_for_training_alone(files):
    with counted_decodings() as seen:
        cross_validate(net(max_epochs=1), files, Y, cv=3)
    # each file is known after the second fold, is trained on twice and predicted once
    assert len(seen) == N + 2 * N + N


def test_grid_search(files, array):
    grid = {"learning_rate": [0.001, 0.01]}
    found = GridSearchCV(net(), grid, cv=2).fit(files, Y)
    expected = GridSearchCV(net(), grid, cv=2).fit(array, Y)
    for name in ("mean_test_score", "split0_test_score"):
        np.testing.assert_array_equal(found.cv_results_[name], expected.cv_results_[name])
    np.testing.assert_array_equal(found.predict(files), expected.predict(array))


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("model", [net, pipeline])
def test_convnet_search(files, array, model, n_jobs):
    name = "learning_rate" if model is net else "convnetclassifier__learning_rate"

    def search(X):
        space = {name: (1e-3, 1e-1, "log")}
        return ConvNetSearchCV(model(), space, n_trials=2, cv=2, random_state=0, n_jobs=n_jobs).fit(
            X, Y
        )

    found, expected = search(files), search(array)
    assert found.best_params_ == expected.best_params_
    assert sorted(found.cv_results_["mean_test_score"]) == sorted(
        expected.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(found.predict_proba(files), expected.predict_proba(array))


def test_a_search_goes_on_with_the_same_files_alone(tmp_path, files, paths):
    settings = {"n_trials": 1, "cv": 2, "random_state": 0, "study_name": "a"}
    space, storage = {"learning_rate": (1e-3, 1e-1, "log")}, f"sqlite:///{tmp_path}/study.db"

    def search(X, **params):
        return ConvNetSearchCV(net(), space, storage=storage, **{**settings, **params}).fit(X, Y)

    search(files)
    found = search(ImageFiles(paths), n_trials=2)
    assert len(found.cv_results_["params"]) == 2
    with pytest.raises(ValueError, match=r"X was ImageFiles of shape .* with other content"):
        search(files[::-1])


def test_hashes_follow_paths_and_settings(files, paths):
    assert hash_of(files) == hash_of(ImageFiles(paths)) == hash_of(files[:])
    assert hash_of(files) != hash_of(files[1:])
    assert hash_of(files) != hash_of(ImageFiles(paths, mode="L"))
    assert description_of(files).startswith("ImageFiles(36 files, ")


def test_other_tools_of_scikit_learn(files, array):
    np.testing.assert_array_equal(
        cross_val_predict(net(), files, Y, cv=2), cross_val_predict(net(), array, Y, cv=2)
    )
    for tool in (
        lambda X: learning_curve(net(), X, Y, train_sizes=[9, 18], cv=2)[2],
        lambda X: permutation_test_score(
            net(max_epochs=1), X, Y, n_permutations=2, cv=2, random_state=0
        )[1],
    ):
        np.testing.assert_array_equal(tool(files), tool(array))


def test_ensembles(files, array):
    for make in (
        lambda: CalibratedClassifierCV(net(), cv=2),
        lambda: VotingClassifier([("a", net()), ("b", net(filters=(2,)))], voting="soft"),
    ):
        found, expected = make().fit(files, Y), make().fit(array, Y)
        np.testing.assert_array_equal(found.predict_proba(files), expected.predict_proba(array))


# Pipelines


def test_augmentations_pass_files_on(files):
    step = RandomFlip()
    augmented = RandomNoise(0.1).fit_transform(step.fit_transform(files))
    assert isinstance(augmented, AugmentedArray)
    assert isinstance(augmented.original, ImageFiles)
    assert isinstance(augmented[3:5].original, ImageFiles)
    assert augmented.shape == files.shape
    assert augmented.dtype == np.uint8
    assert step.transform(files) is files
    assert step.fit(files).n_features_in_ == 192


def test_one_draw_of_files_is_that_of_an_array(files, array):
    steps = [RandomTranslation(0.2, random_state=1), RandomNoise(0.2, random_state=2)]
    drawn = []
    for X in (files, array):
        for step in steps:
            X = step.fit_transform(X)
        with pytest.warns(FrozenAugmentationWarning):
            drawn.append((np.asarray(X), X[3], X[[3, 1]].to_numpy(0)))
    for found, expected in zip(*drawn, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_flat_values_are_no_span_of_zero(tmp_path):
    paths = [save(tmp_path / f"{i}.png", np.full((4, 4, 3), 7, np.uint8)) for i in range(2)]
    assert RandomNoise(0.1).fit_transform(ImageFiles(paths)).span == 1


def test_steps_that_need_all_values(files, array):
    flat = FunctionTransformer(lambda X: np.asarray(X).reshape(len(X), -1))
    for make in (
        lambda: make_pipeline(KernelFilter("gaussian"), net()),
        lambda: make_pipeline(flat, PCA(3), GaussianNB()),
        lambda: Augmented(net(), [RandomFlip()], n_copies=1, random_state=0),
    ):
        found, expected = make().fit(files, Y), make().fit(array, Y)
        np.testing.assert_array_equal(found.predict(files), expected.predict(array))


# Comparison and inspection


def test_compare_models(files, array):
    models = {"net": net(), "augmented": pipeline()}
    found, expected = (compare_models(models, X, Y, cv=5, random_state=0) for X in (files, array))
    assert found.fold_scores["score"].tolist() == expected.fold_scores["score"].tolist()


def test_compare_datasets_notices_the_same_files(files, paths, tmp_path):
    with pytest.raises(ValueError, match="share 36 of 36 different samples"):
        compare_datasets({"x": (files, Y), "y": (files[::-1], Y[::-1])}, {"a": net()})


@pytest.fixture(scope="module")
def fitted(array):
    return net().fit(array, Y)


def test_inspection(files, array, fitted):
    np.testing.assert_array_equal(saliency(fitted, files[:4]), saliency(fitted, array[:4]))
    np.testing.assert_array_equal(
        feature_maps(fitted, files[:4], layer="conv_1"),
        feature_maps(fitted, array[:4], layer="conv_1"),
    )


def test_displays(files, array, fitted):
    found = TopLossesDisplay.from_estimator(fitted, files, Y, n_samples=3)
    expected = TopLossesDisplay.from_estimator(fitted, array, Y, n_samples=3)
    np.testing.assert_array_equal(found.samples, expected.samples)
    assert found.losses.equals(expected.losses)
    found = SaliencyDisplay.from_estimator(fitted, files, n_samples=2)
    np.testing.assert_array_equal(
        found.maps, SaliencyDisplay.from_estimator(fitted, array, n_samples=2).maps
    )
    FeatureMapsDisplay.from_estimator(fitted, files, sample=2)
    AugmentationDisplay.from_estimator(RandomNoise(0.2), files)
    found = RobustnessDisplay.from_estimator(fitted, files, Y, kind="rotation", values=[0, 90])
    expected = RobustnessDisplay.from_estimator(fitted, array, Y, kind="rotation", values=[0, 90])
    np.testing.assert_array_equal(found.scores, expected.scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are too few samples to suggest a rate
        LearningRateDisplay.from_estimator(net(), files, Y)


def test_displays_decode_the_samples_they_draw(fitted, tmp_path):
    files = ImageFiles(save_all(tmp_path, 30)[0], cache=None)
    with counted_decodings() as seen:
        SaliencyDisplay.from_estimator(fitted, files, n_samples=2)
        FeatureMapsDisplay.from_estimator(fitted, files, sample=2)
    assert len(set(seen)) == 3
