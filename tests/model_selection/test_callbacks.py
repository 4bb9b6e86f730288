"""scikit-learn's callbacks on a search and inside it."""

import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import FitFailedWarning

from tests.helpers.searches import Clumsy, search_of
from tests.helpers.small_nets import small


class Recorder:
    """Counts hooks by the task's name."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup", ""))

    def teardown(self, estimator, context):
        self.events.append(("teardown", ""))

    def on_fit_task_begin(self, estimator, context, **kwargs):
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.events.append(("end", context.task_name))

    def count(self, hook, name=None):
        return sum(e[0] == hook and name in (None, e[1]) for e in self.events)


class DeepRecorder(Recorder):
    """Is called inside the networks, too."""

    max_propagation_depth = None


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("pruner", [None, "hyperband"])
def test_callbacks_see_every_fold_and_epoch(digits, refit, pruner):
    recorder = DeepRecorder()
    space = {"dropout": (0.0, 0.5)}
    search = search_of(space=space, n_trials=3, refit=refit, pruner=pruner)
    search.set_callbacks(recorder).fit(*digits)
    assert recorder.count("setup") == recorder.count("teardown") == 1
    assert recorder.count("begin", "fit") == 1 + 3 * 2 + refit
    assert recorder.count("begin", "search") == recorder.count("end", "search") == 1
    n_epochs = search.cv_results_["n_epochs"].sum() + 2 * refit
    assert recorder.count("begin", "epoch") == n_epochs
    assert recorder.count("begin") == recorder.count("end")


def test_callbacks_are_called_after_failed_folds(digits):
    recorder = Recorder()
    search = search_of(Clumsy(), {"fails": [False, True]}, n_trials=2).set_callbacks(recorder)
    with pytest.warns(FitFailedWarning):
        search.fit(*digits)
    assert recorder.count("begin") == recorder.count("end")
    assert recorder.count("teardown") == 1


@pytest.mark.parametrize("pruner", [None, "median"])
def test_scoring_monitor_on_a_search(digits, pruner):
    monitor = ScoringMonitor(scoring="accuracy")
    search = search_of(small().set_callbacks(monitor), n_trials=2, pruner=pruner).fit(*digits)
    logs = monitor.get_logs(select="all")
    assert len(logs) >= 1
    scores = [row["accuracy"] for log in logs for row in log.data]
    assert all(0 <= score <= 1 for score in scores)
    assert search.best_score_ > 0


def test_progress_bar_on_a_search(digits, capsys):
    search = search_of(n_trials=2).set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(*digits)
    out, err = capsys.readouterr()
    assert "ConvNetSearchCV" in out + err


def test_own_callbacks_of_the_network_are_kept(digits):
    recorder = Recorder()
    search_of(small().set_callbacks(recorder), n_trials=2, pruner="median").fit(*digits)
    assert recorder.count("begin", "epoch") >= 2 * 2
