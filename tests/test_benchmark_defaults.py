"""tests.benchmarks.defaults: its figures, its splits, and floors on sets that packages ship."""

import json
import sys

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss

from tests.benchmarks import defaults, noughts_and_crosses
from tests.benchmarks._baselines import BASELINES, gradient_histograms
from tests.benchmarks._image_readers import Pictures
from tests.benchmarks._image_sets import HELD_OUT, SETS, ImageSet, at_most, is_test, load
from tests.benchmarks._report import keep_result, results_in


def some(metric="accuracy", **how):
    return ImageSet("some", "nowhere", None, metric, **how)


def arrays_of(y_train, y_test):
    X = np.zeros((len(y_train) + len(y_test), 4, 4))
    n = len(y_train)
    return {"X_train": X[:n], "y_train": y_train, "X_test": X[n:], "y_test": y_test}


def test_calibration_error_is_the_mean_gap_of_bins():
    top = np.array([0.61, 0.65, 0.95, 0.99])  # bins 9, 9, 14 and 14
    right = np.array([True, False, True, True])
    wanted = (abs(0.61 + 0.65 - 1) + abs(0.95 + 0.99 - 2)) / 4
    assert defaults.calibration_error(top, right) == pytest.approx(wanted)


def test_calibration_error_puts_certainty_in_the_last_bin():
    assert defaults.calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == 0.5


def test_true_probabilities_are_mostly_within_the_error_by_chance():
    rng = np.random.default_rng(0)
    within = []
    for _ in range(60):
        probabilities = rng.dirichlet([1.0, 1.0, 1.0], 200)
        codes = np.array([rng.choice(3, p=p) for p in probabilities])
        found = defaults.calibration(probabilities, codes)
        within.append(found["ece"] <= found["ece_by_chance"])
    assert 0.85 <= np.mean(within) <= 1  # 0.95 is expected


def test_overconfident_probabilities_are_beyond_the_error_by_chance():
    probabilities = np.tile([0.95, 0.05], (200, 1))
    codes = np.arange(200) % 2
    found = defaults.calibration(probabilities, codes)
    assert found["ece"] == pytest.approx(0.45)
    assert found["ece_by_chance"] < 0.1


def test_measure_of_class_frequencies():
    y_train, y_test = np.array([0, 0, 0, 1]), np.array([0, 1, 0, 0])
    model = DummyClassifier(strategy="prior")
    result = defaults.measure(model, arrays_of(y_train, y_test), some())
    assert result["score"] == 0.75
    assert result["ece"] == 0
    wanted = log_loss(y_test, np.tile([0.75, 0.25], (4, 1)))
    assert result["log_loss"] == pytest.approx(wanted)
    assert result["log_loss_of_frequencies"] == pytest.approx(wanted)
    assert result["seconds"] >= 0


@pytest.mark.parametrize(("metric", "wanted"), [("balanced accuracy", 0.5), ("ROC AUC", 0.5)])
def test_measure_of_unbalanced_classes(metric, wanted):
    y = np.array([0, 0, 0, 1])
    model = DummyClassifier(strategy="prior")
    assert defaults.measure(model, arrays_of(y, y), some(metric))["score"] == wanted


def test_measure_of_a_regressor_has_no_probabilities():
    y = np.array([1.0, 2.0, 3.0])
    result = defaults.measure(DummyRegressor(), arrays_of(y, y), some("R2"))
    assert set(result) == {"metric", "score", "seconds", "cpu_seconds"}
    assert result["score"] == 0


def test_ranks_share_ties_and_keep_gaps():
    scores = np.array([[0.9, 0.5, 0.9], [0.1, np.nan, 0.2]])
    np.testing.assert_array_equal(defaults.ranks(scores), [[1.5, 3, 1.5], [2, np.nan, 1]])


def test_published_split_is_kept():
    test = np.array([True, False, False])
    found = Pictures(np.zeros((3, 2, 2)), np.zeros(3), test=test)
    np.testing.assert_array_equal(is_test(some(), found), test)


@pytest.mark.parametrize("metric", ["accuracy", "R2"])
def test_groups_are_on_one_side_of_a_split(metric):
    groups = np.arange(60) // 3
    found = Pictures(np.zeros((60, 2, 2)), np.arange(60) % 2, groups)
    test = is_test(some(metric), found)
    assert 15 <= test.sum() <= 25
    assert not set(groups[test]) & set(groups[~test])


def test_subset_keeps_the_fractions_of_classes():
    y = np.repeat([0, 1], [300, 100])
    rows = at_most(np.arange(400), 40, some(), y)
    assert len(set(rows)) == 40
    np.testing.assert_array_equal(np.bincount(y[rows]), [30, 10])
    np.testing.assert_array_equal(at_most(np.arange(5), 40, some(), y), np.arange(5))


def test_gradient_histogram_of_a_ramp_is_in_one_orientation():
    ramp = np.tile(np.arange(16.0), (2, 16, 1))
    ramp[1] = ramp[1].T
    found = gradient_histograms(ramp).reshape(2, -1, 9)
    # a gradient to the right is orientation 0; one down is half of a half turn, between 4 and 5
    assert (found[0, :, 0] > 0).all()
    assert not found[0, :, 1:].any()
    np.testing.assert_allclose(found[1, :, 4], found[1, :, 5])
    assert not found[1][:, [0, 1, 2, 3, 6, 7, 8]].any()
    grey, colour = gradient_histograms(ramp), gradient_histograms(np.stack([ramp, 0 * ramp], -1))
    np.testing.assert_allclose(colour, grey)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize(("metric", "least"), [("accuracy", 0.9), ("R2", 0.6)])
def test_baselines_learn_the_side_of_a_bright_half(name, metric, least):
    rng = np.random.default_rng(0)
    X, y = rng.uniform(0, 20, (60, 16, 16)), np.arange(60) % 2
    X[y == 0, :8] += 100
    X[y == 1, :, :8] += 100
    model = BASELINES[name](some(metric), X[:40].shape, 0)
    assert model.fit(X[:40], y[:40]).score(X[40:], y[40:]) > least


def test_histograms_are_not_for_volumes_and_tiny_images():
    assert BASELINES["hog-forest"](some(n_spatial_dims=3), (9, 16, 16, 16), 0) is None
    assert BASELINES["hog-forest"](some(), (9, 8, 8), 0) is None


def test_kept_results_are_read_again(tmp_path):
    file, results = tmp_path / "results.jsonl", {}
    assert results_in(file) == {}
    keep_result(file, results, ("digits", "svc", 0), {"score": 0.5})
    keep_result(file, results, ("digits", "mlp", 0), {"score": 0.75})
    assert results_in(file).keys() == results.keys()
    assert results_in(file)["digits", "mlp", 0]["score"] == 0.75


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["defaults", *map(str, arguments)])
    defaults.main()


def test_command_measures_once_and_prints(tmp_path, monkeypatch, capsys):
    file = tmp_path / "results.jsonl"
    arguments = (tmp_path, "--sets", "digits-100", "--columns", "svc", "hog-forest")
    run(monkeypatch, *arguments, "--results", file, "--seeds", 0, 1)
    text = capsys.readouterr().out
    [line] = map(json.loads, file.read_text().splitlines())
    assert line["key"] == ["digits-100", "svc", 0]  # without a seed, and no histograms of 8 x 8
    assert line["score"] > 0.85
    assert f"| digits-100, accuracy | {line['score']:.3f} |" in text
    run(monkeypatch, *arguments, "--results", file, "--seeds", 2)
    assert len(file.read_text().splitlines()) == 1
    run(monkeypatch, *arguments, "--results", tmp_path / "none", "--table")
    assert "There are no results." in capsys.readouterr().out


def test_command_goes_on_where_a_network_does_not_fit(tmp_path, monkeypatch, capsys):
    arguments = (tmp_path, "--sets", "digits-100", "--columns", "photos", "svc")
    run(monkeypatch, *arguments, "--results", tmp_path / "results.jsonl", "--seeds", 0)
    printed = capsys.readouterr()
    assert "digits-100 photos has no result: Layer 'pool_3'" in printed.err
    assert "| score | svc |" in printed.out


def test_command_leaves_held_out_sets_alone(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, "--sets", HELD_OUT[0])
    assert "measured with --held-out only" in capsys.readouterr().err
    assert set(HELD_OUT) < set(SETS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "floor"), [("digits", 0.97), ("digits-100", 0.87)])
def test_default_network_on_shipped_sets(name, floor, tmp_path):
    arrays = load(tmp_path, name)
    model = defaults.convnet(SETS[name], arrays["X_train"].shape, 0)
    result = defaults.measure(model, arrays, SETS[name])
    assert result["score"] >= floor
    assert result["log_loss"] < 0.25 * result["log_loss_of_frequencies"]


@pytest.mark.slow
def test_default_network_on_noughts_and_crosses():
    make_model = noughts_and_crosses.MODELS["ConvNetClassifier"]
    clean, *_ = noughts_and_crosses.accuracies(make_model, 0, 300, 1000)
    assert clean >= 0.99
    make_model = noughts_and_crosses.MODELS["ConvNetClassifier, augmented"]
    *_, all_at_once = noughts_and_crosses.accuracies(make_model, 0, 300, 1000)
    assert all_at_once >= 0.9
