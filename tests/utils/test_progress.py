"""What verbose prints: nothing, a bar (rich's or tqdm's), or a line an epoch or trial."""

import sys

import numpy as np
import pytest

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._utils.progress import (
    ComparisonProgress,
    FileProgress,
    ProgressReport,
    SearchProgress,
    format_figures,
)

NAN = float("nan")
ROW = {
    "train_loss": 0.12345,
    "valid_loss": 0.5,
    "valid_score": 0.98765,
    "learning_rate": 0.005,
    "seconds": 1.234,
    "samples_per_second": 1234.5,
}
NO_VALIDATION = ROW | {"valid_loss": NAN, "valid_score": NAN}


@pytest.fixture
def without_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)  # importing it is an ImportError


def report(verbose, rows, first_epoch=1, last_epoch=None):
    last_epoch = first_epoch + len(rows) - 1 if last_epoch is None else last_epoch
    with ProgressReport(verbose, "Net", first_epoch, last_epoch) as progress:
        for i, row in enumerate(rows):
            progress.update(first_epoch + i, row)


def fit(verbose, cls=ConvNetClassifier, **params):
    X, y = np.random.default_rng(0).random((12, 6)), np.arange(12) % 2
    model = cls(filters=(2,), hidden_units=(), random_state=0, verbose=verbose, **params)
    return model.fit(X, y)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (ROW, "loss 0.123 valid 0.5 score 0.9877 lr 5e-03 samples/s 1234"),
        (NO_VALIDATION, "loss 0.123 lr 5e-03 samples/s 1234"),
        (ROW | {"valid_score": NAN}, "loss 0.123 valid 0.5 lr 5e-03 samples/s 1234"),
        (ROW | {"train_loss": 1234567.0}, "loss 1.23e+06 valid"),
        (ROW | {"train_loss": 0.0}, "loss 0 valid"),
        (ROW | {"valid_score": -0.5}, "score -0.5000 "),
        (ROW | {"learning_rate": 2e-8}, "lr 2e-08 "),
        (dict.fromkeys(ROW, NAN), ""),
    ],
)
def test_figures_are_one_short_text_without_nan(row, text):
    assert text in format_figures(row)
    assert "nan" not in format_figures(row)
    assert len(format_figures(row)) < 70


@pytest.mark.parametrize("verbose", [0, False])
def test_silent_prints_nothing(capsys, verbose):
    report(verbose, [ROW, ROW])
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize("verbose", [1, True])
def test_bar_with_rich_shows_name_epochs_and_figures(capsys, verbose):
    import rich  # noqa: F401  (in the development dependencies)

    report(verbose, [ROW, NO_VALIDATION])
    out, err = capsys.readouterr()
    assert "Net" in out
    assert "2/2" in out
    assert "loss 0.123" in out.replace("\n", "")
    assert err == ""


def test_bar_with_rich_stays_where_training_ended(capsys):
    import rich  # noqa: F401  (in the development dependencies)

    report(1, [ROW], last_epoch=5)
    assert "1/5" in capsys.readouterr().out


@pytest.mark.usefixtures("without_rich")
@pytest.mark.parametrize("verbose", [1, True])
def test_bar_without_rich_is_tqdms(capsys, verbose):
    report(verbose, [ROW, NO_VALIDATION])
    out, err = capsys.readouterr()
    assert out == ""
    assert "Net: 100%" in err
    assert "2/2" in err
    assert "loss 0.123" in err


@pytest.mark.usefixtures("without_rich")
def test_bar_without_rich_stays_where_training_ended(capsys):
    report(1, [ROW], last_epoch=5)
    assert "1/5" in capsys.readouterr().err


def test_lines_have_epoch_figures_and_seconds(capsys):
    report(2, [ROW, NO_VALIDATION | {"seconds": NAN}], first_epoch=4, last_epoch=6)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "Net epoch 4/6  loss 0.123 valid 0.5 score 0.9877 lr 5e-03 samples/s 1234  1.23 s",
        "Net epoch 5/6  loss 0.123 lr 5e-03 samples/s 1234",
    ]
    assert err == ""


def shortened(verbose):
    with ProgressReport(verbose, "Net", 4, 9) as progress:
        progress.update(4, ROW)
        progress.shorten(5)
        progress.update(5, ROW)


def test_a_shorter_plan_is_a_line(capsys):
    shortened(2)
    lines = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    message = "Net plans 5 epochs instead of 9: max_seconds"
    assert lines == ["Net epoch 4/9", message, "Net epoch 5/5"]
    shortened(0)
    assert tuple(capsys.readouterr()) == ("", "")


def test_bar_with_rich_shows_a_shorter_plan(capsys):
    import rich  # noqa: F401  (in the development dependencies)

    shortened(1)
    assert "2/2" in capsys.readouterr().out


@pytest.mark.usefixtures("without_rich")
def test_bar_without_rich_shows_a_shorter_plan(capsys):
    shortened(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "2/2" in err


def test_more_than_two_is_lines_too(capsys):
    report(10, [ROW])
    assert capsys.readouterr().out.startswith("Net epoch 1/1  loss")


@pytest.mark.parametrize("rich_is_there", [True, False])
def test_bar_is_closed_after_an_exception(capsys, monkeypatch, rich_is_there):
    if rich_is_there:
        import rich  # noqa: F401  (in the development dependencies)
    else:
        monkeypatch.setitem(sys.modules, "rich.progress", None)

    def interrupted():
        with ProgressReport(1, "Net", 1, 3) as progress:
            progress.update(1, ROW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    report(1, [ROW])  # fails if the first bar is still open
    out, err = capsys.readouterr()
    assert "1/3" in out + err
    assert "1/1" in out + err


def search(verbose, n_trials=3):
    with SearchProgress(verbose, "Search", n_trials, 2) as progress:
        progress.begin(1, 0.5)
        progress.epoch(1, 0, 1, 4)
        progress.epoch(1, 1, 4, 4)
        progress.trial_ended(1, "COMPLETE", 0.75, 2, 0.75)
        progress.trial_ended(2, "PRUNED", None, 3, 0.75)


@pytest.mark.parametrize("verbose", [0, False])
def test_silent_search_prints_nothing(capsys, verbose):
    search(verbose)
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("n_trials", "expected"),
    [
        (3, ["Search 2/3  trial 1 complete 0.7500  best 0.7500", "Search 3/3  trial 2 pruned  best 0.7500"]),
        (None, ["Search 2  trial 1 complete 0.7500  best 0.7500", "Search 3  trial 2 pruned  best 0.7500"]),
    ],
)  # fmt: skip
def test_search_prints_a_line_a_trial(capsys, n_trials, expected):
    search(2, n_trials)
    out, err = capsys.readouterr()
    assert [line.rstrip() for line in out.splitlines()] == expected
    assert err == ""


def test_search_without_a_best_trial_has_none_in_its_lines(capsys):
    with SearchProgress(2, "Search", 2, 2) as progress:
        progress.begin(0, None)
        progress.trial_ended(0, "FAIL", None, 1, None)
    assert capsys.readouterr().out.rstrip() == "Search 1/2  trial 0 fail"


@pytest.mark.parametrize("n_trials", [3, None])
def test_bar_of_a_search_counts_trials_of_earlier_calls_too(capsys, n_trials):
    search(1, n_trials)
    out = capsys.readouterr().out
    assert "Search" in out
    assert f"3/{3 if n_trials else '?'}" in out
    assert "best 0.7500" in out.replace("\n", "")


@pytest.mark.usefixtures("without_rich")
def test_bar_of_a_search_without_rich_shows_where_it_is(capsys):
    with SearchProgress(1, "Search", 3, 2) as progress:
        progress.begin(1, 0.5)
        progress.epoch(1, 1, 3, 4)
    err = capsys.readouterr().err
    assert "1/3" in err
    assert "best 0.5000 trial 1 fold 2/2 epoch 3/4" in err


def test_bar_of_a_search_is_closed_after_an_exception(capsys):
    def interrupted():
        with SearchProgress(1, "Search", 3, 2) as progress:
            progress.begin(0, None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    search(1)
    out, err = capsys.readouterr()
    assert "3/3" in out + err


def test_fit_is_silent_by_default(capsys):
    fit(0, max_epochs=2)
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_fit_prints_a_line_an_epoch(capsys, cls):
    fit(2, cls, max_epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        f"{cls.__name__} epoch {epoch}/3" for epoch in (1, 2, 3)
    ]
    assert all("valid" not in line for line in lines)


def test_fit_prints_validation_figures(capsys):
    fit(2, max_epochs=1, early_stopping=True)
    line = capsys.readouterr().out
    assert "valid 0." in line
    assert "score " in line


def test_further_fits_count_on(capsys):
    model = fit(2, max_epochs=2, warm_start=True)
    X, y = np.random.default_rng(0).random((12, 6)), np.arange(12) % 2
    model.fit(X, y)
    model.partial_fit(X, y)
    counted = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    assert counted == ["1/2", "2/2", "3/4", "4/4", "5/5"]


@pytest.mark.parametrize("verbose", [1, True])
def test_fit_shows_a_bar(capsys, verbose):
    fit(verbose, max_epochs=2)
    out, err = capsys.readouterr()
    assert "ConvNetClassifier" in out + err
    assert "2/2" in out + err


def test_bar_takes_names_and_errors_as_they_are(capsys):
    with ComparisonProgress(1, "compare_models", 1) as progress:
        progress.fit_ended("a[red]", 0, {}, 0.1, "RuntimeError: cannot read [/tmp/x]")
    assert "a[red] split 0" in "".join(capsys.readouterr())


def test_files_are_counted(capsys):
    with FileProgress(1, 300) as progress:
        progress.advance(256)
        progress.advance(44)
    assert "300/300" in "".join(capsys.readouterr())
    with FileProgress(0, 300) as progress:
        progress.advance(300)
    assert capsys.readouterr() == ("", "")
