"""Model cards of fitted estimators."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor, ConvNetSearchCV
from skcnn.exceptions import InputShapeError, SkcnnError
from skcnn.inspection._robustness import robustness_scores
from skcnn.persistence import ModelCard, model_card
from skcnn.preprocessing import ResizeImages
from skcnn.recordings import WindowedClassifier
from tests.helpers.html import check_self_contained
from tests.helpers.small_fits import digit_net, digits, tiny

X, Y = digits()


@cache
def fitted():
    return digit_net().fit(X[:150], Y[:150])


@cache
def card():
    return model_card(fitted(), X[150:], Y[150:], title="<Digits>", description="Of *forms*.\nTwo.")


def section(card, name):
    """Return the lines of a section of the Markdown."""
    lines = card.to_markdown().split("\n")
    start = lines.index(f"## {name}")
    rest = lines[start + 1 :]
    ends = [k for k, line in enumerate(rest) if line.startswith("## ")]
    return [line for line in rest[: ends[0] if ends else None] if line]


def test_scores_are_those_of_the_test_set():
    row = card().tables["scores"].loc["accuracy"]
    assert row["value"] == fitted().score(X[150:], Y[150:])
    assert row["low"] < row["value"] < row["high"]
    assert list(card().tables["scores"].index) == [
        "accuracy", "balanced accuracy", "macro F1", "log loss",
    ]  # fmt: skip
    shown = next(line for line in section(card(), "Scores") if line.startswith("| accuracy"))
    assert f"{row['value']:.4g}" in shown


def test_a_card_has_all_sections():
    assert list(card().sections) == [
        "Summary", "Data", "Scores", "Calibration", "Robustness", "Training", "Parameters",
        "Origin of pretrained weights", "Versions",
    ]  # fmt: skip
    text = ModelCard("T", {"S": ["&amp;"]}, {}).to_markdown()
    assert text.endswith("\n\\&amp;\n")  # shown as it is
    assert section(card(), "Summary") == [
        f"ConvNetClassifier with {fitted().n_parameters_:,} parameters, a classifier.",
        r"Of \*forms\*.", "Two.",
    ]  # fmt: skip
    assert "The test set has 150 samples of shape (8, 8)." in section(card(), "Data")
    assert "The model has no pretrained weights." in section(card(), "Origin of pretrained weights")


def test_parameters_that_differ_from_their_defaults_are_shown():
    lines = section(card(), "Parameters")
    assert r"| max\_epochs | 4 | 'auto' |" in lines
    assert not any("momentum" in line for line in lines)


def test_parameters_of_the_steps_have_their_names():
    model = make_pipeline(StandardScaler(with_mean=False), tiny(input_shape=(8, 8), max_epochs=1))
    model.fit(X.reshape(len(X), -1), Y)
    made = model_card(model, X.reshape(len(X), -1), Y)
    lines = section(made, "Parameters")
    assert r"| standardscaler\_\_with\_mean | False | True |" in lines
    assert "Steps: StandardScaler → ConvNetClassifier." in section(made, "Summary")


def test_robustness_is_measured_on_changed_samples():
    table = card().tables["robustness"]
    assert table.loc["none", "difference"] == 0
    assert table.loc["none", "score"] == fitted().score(X[150:], Y[150:])
    shifted = [name for name in table.index if name.startswith("shift by 1 pixel")]
    assert table.loc[shifted[1], "score"] <= table.loc[shifted[0], "score"] <= 1


def test_signals_have_no_robustness_to_rotation():
    model = tiny(n_spatial_dims=1, max_epochs=1).fit(X.reshape(len(X), -1), Y)
    made = model_card(model, X.reshape(len(X), -1), Y)
    assert section(made, "Robustness")[0].startswith("Not measured for these samples: signals")
    assert "robustness" not in made.tables


def recordings(n=30):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(20 + k % 5, 2)) + k % 2 for k in range(n)], np.arange(n) % 2


def test_signals_and_recordings_inside_others_have_no_robustness():
    signals, targets = recordings()
    equal = np.stack([each[:20] for each in signals])
    net = tiny(n_spatial_dims=1, hidden_units=(), max_epochs=1)
    made = model_card(CalibratedClassifierCV(net, cv=2).fit(equal, targets), equal, targets)
    assert "Not measured for these samples: signals" in section(made, "Robustness")[0]
    windowed = WindowedClassifier(net, length=10).fit(equal, targets)
    made = model_card(windowed, equal, targets)
    assert "Not measured for these samples: recordings" in section(made, "Robustness")[0]


def test_signals_and_recordings_of_several_lengths_have_a_card():
    signals, targets = recordings()
    net = tiny(n_spatial_dims=1, hidden_units=(), max_epochs=1)
    for model in (net, WindowedClassifier(net, length=10)):
        made = model_card(model.fit(signals, targets), signals, targets)
        assert made.tables["scores"].loc["accuracy", "value"] == model.score(signals, targets)
        lines = section(made, "Data")
        assert "The test set has 30 samples whose lengths are from 20 to 24." in lines
    with pytest.raises(InputShapeError, match="several shapes"):
        model_card(fitted(), signals, targets)


def test_images_inside_others_are_changed_as_their_network_reads_them():
    first = X[:, None].copy()  # channels first
    alone = tiny(max_epochs=2, channels="first").fit(first, Y)
    model = CalibratedClassifierCV(FrozenEstimator(alone)).fit(first, Y)
    table = model_card(model, first, Y).tables["robustness"]
    places = np.unique(np.linspace(0, 299, 200).astype(int))
    turned = robustness_scores(
        model, first[places], Y[places], kind="rotation", values=[20], n_spatial_dims=2,
        channels="first",
    )  # fmt: skip
    assert table.loc["rotation 20°", "score"] == turned.scores[0]


def test_samples_that_no_network_inside_reads_have_no_robustness():
    net = make_pipeline(ResizeImages((8, 8)), tiny(max_epochs=1))
    large = np.repeat(np.repeat(X, 2, 1), 2, 2)
    model = CalibratedClassifierCV(FrozenEstimator(net.fit(large, Y))).fit(large, Y)
    line = section(model_card(model, large, Y), "Robustness")[0]
    assert "no network of the estimator reads samples of shape" in line


def test_a_frame_has_a_card():
    frame = pd.DataFrame(X.reshape(len(X), -1), columns=[f"c{k}" for k in range(64)])
    model = make_pipeline(StandardScaler(), tiny(input_shape=(8, 8), max_epochs=1)).fit(frame, Y)
    made = model_card(model, frame, pd.DataFrame({"y": Y}))
    array = frame.to_numpy()
    assert made.tables["scores"].loc["accuracy", "value"] == model.score(frame, Y)
    alone = make_pipeline(StandardScaler(), tiny(input_shape=(8, 8), max_epochs=1)).fit(array, Y)
    pd.testing.assert_frame_equal(
        made.tables["robustness"], model_card(alone, array, Y).tables["robustness"]
    )


def test_one_number_has_a_card():
    made = model_card(digit_net(ConvNetRegressor).fit(X, Y), X[:1], Y[:1])
    assert "the R² of one sample is not defined" in section(made, "Robustness")[0]


def test_calibration_has_the_bins():
    table = card().tables["reliability"]
    assert table["samples"].sum() == 150
    weighted = (table["accuracy"] * table["samples"]).sum() / 150
    assert weighted == pytest.approx(card().tables["scores"].loc["accuracy", "value"])


def test_the_same_model_and_data_give_the_same_card():
    again = model_card(
        fitted(), X[150:], Y[150:], title="<Digits>", description="Of *forms*.\nTwo."
    )
    assert again.to_markdown() == card().to_markdown()
    other = model_card(fitted(), X[150:], Y[150:], random_state=1)
    assert (
        other.tables["scores"].loc["log loss", "low"]
        != card().tables["scores"].loc["log loss", "low"]
    )


def test_small_test_sets_are_warned_of():
    lines = section(model_card(fitted(), X[150:170], Y[150:170]), "Data")
    assert "Warning: the test set has fewer than 100 samples, so the scores are uncertain." in lines
    assert any("fewer than 10 test samples: 0 (" in line for line in lines)
    assert not any(line.startswith("Warning: the") for line in section(card(), "Data"))


def test_numbers_have_scores_of_numbers():
    model = digit_net(ConvNetRegressor).fit(X[:150], Y[:150])
    made = model_card(model, X[150:], Y[150:])
    assert made.tables["scores"].loc["R²", "value"] == pytest.approx(model.score(X[150:], Y[150:]))
    assert "Calibration" not in made.sections
    assert "a regressor." in section(made, "Summary")[0]


def test_several_labels_are_scored_together_and_one_by_one():
    labels = np.stack([Y % 2, Y > 4], 1).astype(int)
    model = digit_net().fit(X[:150], labels[:150])
    made = model_card(model, X[150:], labels[150:])
    expected = (model.predict(X[150:]) == labels[150:]).all(1).mean()
    assert made.tables["scores"].loc["accuracy", "value"] == expected
    assert made.tables["reliability"]["samples"].sum() == 300
    assert made.tables["classes"]["samples"].tolist() == labels[150:].sum(0).tolist()


def test_any_classifier_or_regressor_has_a_card():
    rows = X.reshape(len(X), -1)
    made = model_card(RidgeClassifier().fit(rows, Y), rows, Y)
    assert "Calibration" not in made.sections  # it has no probabilities
    assert "no network" in section(made, "Training")[0]
    assert "All parameters have their defaults." in section(made, "Parameters")
    model_card(LinearRegression().fit(rows, Y), rows, Y)


@pytest.mark.slow
def test_parameters_show_an_estimator_inside_as_it_was_given():
    calibrated = CalibratedClassifierCV(tiny(max_epochs=1), cv=2).fit(X, Y)
    lines = section(model_card(calibrated, X, Y), "Parameters")
    assert any(line.startswith("| estimator | ConvNetClassifier(") for line in lines)


def test_a_search_is_described_by_its_best_estimator():
    search = ConvNetSearchCV(tiny(max_epochs=1), {"learning_rate": [1e-3]}, n_trials=1, cv=2)
    made = model_card(search.fit(X, Y), X, Y)
    assert made.title == "ConvNetClassifier"
    grid = GridSearchCV(tiny(max_epochs=1), {"learning_rate": [1e-3]}, cv=2).fit(X, Y)
    made = model_card(grid, X, Y)
    assert made.title == "ConvNetClassifier"
    assert "parameters, a classifier." in section(made, "Summary")[0]
    assert "history" in made.tables


def test_the_licence_of_a_base_is_on_the_card(monkeypatch, tmp_path):
    from tests.helpers.tiny_base import NAME, install_tiny_base

    install_tiny_base(monkeypatch, tmp_path)
    model = tiny(architecture=NAME, pretrained=True, max_epochs=1).fit(X / 16, Y)
    lines = section(model_card(model, X / 16, Y), "Origin of pretrained weights")
    assert lines[-1] == "| lenet5 | nowhere | none |"


def test_html_is_a_page_with_escaped_texts(tmp_path):
    page = card().to_html(tmp_path / "card.html")
    assert (tmp_path / "card.html").read_text("utf-8") == page
    assert "&lt;Digits&gt;" in page
    assert "<Digits>" not in page
    check_self_contained(page)
    assert "<style>" not in card()._repr_html_()
    assert "&lt;Digits&gt;" in card()._repr_html_()


def test_markdown_is_written_and_escaped(tmp_path):
    table = pd.DataFrame({"a|b": [1.0, np.nan], "c": [True, "*"]}, index=["x", "y"])
    made = ModelCard("T", {"S": [table]}, {})
    text = made.to_markdown(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text("utf-8") == text
    assert text.split("\n")[4:8] == [
        r"|  | a\|b | c |", "|---|---|---|", "| x | 1 | True |", r"| y | - | \* |",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("X_test", "y_test", "match"),
    [
        (X[:3], Y[:2], "X_test has 3 samples, but y_test has 2"),
        (X[:0], Y[:0], "no samples"),
        (X[:2], np.array([0, 77]), r"not trained on: \[77\]"),
        (X[:2], np.zeros((2, 2), int), r"y_test has the shape \(2, 2\), but predictions \(2,\)"),
    ],
)
def test_data_that_do_not_fit_are_errors(X_test, y_test, match):
    with pytest.raises(ValueError, match=match):
        model_card(fitted(), X_test, y_test)


def test_numbers_of_nan_are_an_error():
    model = digit_net(ConvNetRegressor).fit(X, Y)
    with pytest.raises(ValueError, match="y_test has values that are not finite"):
        model_card(model, X, np.where(Y > 8, np.nan, Y))


def test_only_classifiers_of_one_target_and_regressors_have_cards():
    with pytest.raises(TypeError, match=r"classifiers and regressors\. Got StandardScaler"):
        model_card(StandardScaler().fit(X.reshape(len(X), -1)), X, Y)
    rows, both = X.reshape(len(X), -1), np.stack([Y, Y % 2], 1)
    several = MultiOutputClassifier(RidgeClassifier()).fit(rows, both)
    with pytest.raises(TypeError, match=r"of one target\. Got MultiOutputClassifier"):
        model_card(several, rows, both)


@pytest.mark.parametrize("seed", [-1, None, 0.5])
def test_the_seed_must_be_a_number(seed):
    with pytest.raises(ValueError, match="'random_state' parameter of model_card"):
        model_card(fitted(), X, Y, random_state=seed)


def test_an_estimator_that_is_not_fitted_is_an_error():
    with pytest.raises(NotFittedError):
        model_card(ConvNetClassifier(), X, Y)
    assert not issubclass(NotFittedError, SkcnnError)
