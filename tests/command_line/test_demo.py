"""The demonstration: its output and its files."""

import sys
from functools import partial

import pytest

from skcnn import ConvNetClassifier
from skcnn._command_line import demo
from skcnn._command_line.main import main

PLOTS = (
    "training_history",
    "filters",
    "feature_maps",
    "saliency",
    "confusion_matrix",
    "top_losses",
    "comparison",
    "search_history",
)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def small(monkeypatch):
    """Make the demo small: one epoch, five folds, two trials, and the fast peers only."""
    run_demo = partial(demo.run_demo, max_epochs=1, n_splits=5, n_trials=2)
    monkeypatch.setattr(demo, "run_demo", run_demo)
    monkeypatch.setattr(demo, "N_SEARCHED", 90)
    monkeypatch.setattr(demo, "SEARCH_EPOCHS", 1)
    models = demo._models

    def without_slow_peers(net):
        peers = models(net)
        return {name: peers[name] for name in ("ConvNetClassifier", "support vectors")}

    monkeypatch.setattr(demo, "_models", without_slow_peers)


@pytest.mark.usefixtures("small")
def test_demo_prints_its_tables_and_writes_the_plots(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # wide enough for the whole progress bar
    folder = tmp_path / "new" / "folder"
    assert main(["demo", "--output", str(folder)]) == 0
    plots = {name: folder / f"{name}.png" for name in PLOTS}
    assert sorted(folder.iterdir()) == sorted(plots.values())
    assert all(plot.read_bytes().startswith(PNG) for plot in plots.values())
    out, err = capsys.readouterr()
    assert "1/1" in out + err  # the progress bar
    assert "conv_1" in out
    assert "Total parameters: 94,186" in out
    assert "macro avg" in out
    assert "accuracy [95 %]" in out
    assert "support vectors" in out
    assert "A search of 2 trials" in out
    assert "Best score: 0." in out
    assert "  learning_rate = " in out
    assert "Trials pruned: 0, failed: 0" in out
    lines = [f"{name.replace('_', ' ').capitalize()}: {path}" for name, path in plots.items()]
    assert out.rstrip().splitlines()[-len(lines) :] == lines


@pytest.mark.usefixtures("small")
def test_demo_without_matplotlib_says_how_to_install_it_at_the_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--output", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "accuracy [95 %]" in out
    assert "Trials pruned" in out
    assert "Training history" not in out
    assert (
        err.rstrip().splitlines()[-1].startswith("skcnn: error: Drawing a display needs matplotlib")
    )
    assert 'pip install "skcnn[plots]"' in err


def test_demo_writes_to_a_folder_of_its_own_by_default(monkeypatch):
    folders = []
    monkeypatch.setattr(demo, "run_demo", lambda folder: folders.append(str(folder)))
    assert main(["demo"]) == 0
    assert folders == ["skcnn-demo"]


def test_demo_reports_a_folder_that_cannot_be_made_before_it_trains(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert main(["demo", "--output", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "File exists" in err


def test_search_of_the_demo_counts_trials_that_failed(capsys, monkeypatch):
    monkeypatch.setattr(demo, "N_SEARCHED", 60)
    monkeypatch.setattr(demo, "SEARCH_EPOCHS", 1)
    # only the second trial has another batch size
    fit = ConvNetClassifier.fit

    def diverging(self, *args, **kwargs):
        if self.batch_size != "auto":
            raise ValueError("diverged")
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(ConvNetClassifier, "fit", diverging)
    net = ConvNetClassifier(input_shape=(8, 8), random_state=0)
    search = demo._search_and_report(net, 2)
    assert search.cv_results_["state"].tolist() == ["COMPLETE", "FAIL"]
    assert "Trials pruned: 0, failed: 1" in capsys.readouterr().out


@pytest.mark.slow
def test_comparison_gives_every_peer_the_same_folds():
    net = ConvNetClassifier(input_shape=(8, 8), max_epochs=4, random_state=0)
    comparison = demo.compare_with_peers(net, n_splits=5)
    assert comparison.models == [
        "ConvNetClassifier",
        "softmax regression",
        "dense network",
        "support vectors",
    ]
    assert comparison.baseline == "support vectors"
    assert comparison.n_splits == 5
    assert (comparison.table["mean"] > 0.95).all()
