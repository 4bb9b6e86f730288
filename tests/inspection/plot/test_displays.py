"""What all displays of the package have in common."""

import sys

import pytest
from matplotlib import pyplot
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, inspection
from skcnn.augmentation import RandomFlip
from skcnn.exceptions import MissingDependencyError
from skcnn.inspection import (
    ArchitectureDisplay,
    AugmentationDisplay,
    FeatureMapsDisplay,
    FiltersDisplay,
    LearningRateDisplay,
    RobustnessDisplay,
    SaliencyDisplay,
    TopLossesDisplay,
    TrainingHistoryDisplay,
)
from tests.helpers.inspected import LABELS, fitted

# Each takes an estimator, samples and `ax`.
OF_FITTED = {
    "FeatureMapsDisplay": FeatureMapsDisplay.from_estimator,
    "FiltersDisplay": lambda net, X, **ax: FiltersDisplay.from_estimator(net, **ax),
    "SaliencyDisplay": SaliencyDisplay.from_estimator,
    "TopLossesDisplay": lambda net, X, **ax: TopLossesDisplay.from_estimator(net, X, LABELS, **ax),
    "TrainingHistoryDisplay": lambda net, X, **ax: TrainingHistoryDisplay.from_estimator(net, **ax),
}
OF_ANY_CONVNET = {
    "ArchitectureDisplay": lambda net, X, **ax: ArchitectureDisplay.from_estimator(net, **ax),
    "LearningRateDisplay": lambda net, X, **ax: LearningRateDisplay.from_estimator(
        net, X, LABELS, n_steps=50, **ax
    ),
}
OF_OTHERS = {
    "AugmentationDisplay": lambda net, X, **ax: AugmentationDisplay.from_estimator(
        RandomFlip(), X, **ax
    ),
    "RobustnessDisplay": lambda net, X, **ax: RobustnessDisplay.from_estimator(
        net, X, LABELS, values=[0, 1], **ax
    ),
}
DISPLAYS = {**OF_FITTED, **OF_ANY_CONVNET, **OF_OTHERS}


@pytest.fixture(scope="module")
def net_and_samples():
    X, net = fitted((8, 6), max_epochs=1)
    return net, X


def drawn_in(ax):
    return [len(artists) for artists in (ax.images, ax.lines, ax.patches, ax.texts)]


def test_the_table_has_all_displays():
    assert set(DISPLAYS) == {name for name in inspection.__all__ if name.endswith("Display")}


@pytest.mark.parametrize("name", DISPLAYS)
def test_given_axes_are_drawn_in(name, net_and_samples):
    figure, ax = pyplot.subplots()
    display = DISPLAYS[name](*net_and_samples, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    before = drawn_in(ax)
    assert any(before)
    assert display.plot() is display
    assert display.ax_ is not ax
    assert display.figure_ is display.ax_.figure
    assert drawn_in(ax) == before


@pytest.mark.parametrize("name", DISPLAYS)
def test_missing_matplotlib_is_named(name, net_and_samples, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "skcnn\[plots\]"'):
        DISPLAYS[name](*net_and_samples)


@pytest.mark.parametrize("name", OF_FITTED)
def test_unfitted_estimators_are_refused(name, net_and_samples):
    for estimator in (ConvNetClassifier(), make_pipeline(StandardScaler(), ConvNetClassifier())):
        with pytest.raises(NotFittedError, match="ConvNetClassifier instance is not fitted yet"):
            OF_FITTED[name](estimator, net_and_samples[1])


@pytest.mark.parametrize("name", [*OF_FITTED, *OF_ANY_CONVNET])
def test_other_estimators_are_refused(name, net_and_samples):
    wanted = "a fitted ConvNet" if name in OF_FITTED else "a ConvNet.*, fitted or not, "
    with pytest.raises(TypeError, match=f"must be {wanted}.* Got LogisticRegression"):
        DISPLAYS[name](LogisticRegression(), net_and_samples[1])
