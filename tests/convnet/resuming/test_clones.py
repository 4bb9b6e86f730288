"""Fits of clones, as in cross-validations, searches and ensembles, have checkpoints of their own."""

import pickle
import re
import threading

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.multiclass import OneVsRestClassifier

from skcnn import ConvNetClassifier, ConvNetSearchCV, compare_models
from skcnn._convnet import choice
from skcnn._utils import random_state as seeds
from skcnn.exceptions import CheckpointError
from skcnn.inspection._learning_rate_range import TEST_PARAMETERS
from skcnn.model_selection._parallel import trains_together
from tests.helpers.killed_fits import finished, killed, killed_after_writing, whole
from tests.helpers.searches import assert_same_results
from tests.helpers.small_fits import data, tiny
from tests.helpers.stopped_fits import (
    Stop,
    assert_same,
    count_epochs,
    result_of,
    stop_after,
    stopped,
)
from tests.helpers.tiny_base import NAME, install_tiny_base

OWN = re.compile(r"fit-[0-9a-f]{16}(-\d+)?\.ckpt")
X, Y = data()


def net(path, **params):
    return tiny(checkpoint=path, **{"checkpoint_seconds": 0, **params})


def searched(model, **params):
    space = {"learning_rate": [0.001, 0.01, 0.03]}
    params = {"n_trials": 3, "cv": 2, "random_state": 0, **params}
    return ConvNetSearchCV(model, space, **params).fit(X, Y)


def crossed(model):
    return cross_validate(model, X, Y, cv=3, return_estimator=True)["estimator"]


def compared(model):
    models = {"net": model, "other": clone(model).set_params(filters=(2,))}
    return compare_models(models, X, Y, cv=5).fold_scores["score"].tolist()


def bagged(model):
    return BaggingClassifier(model, 3, random_state=0).fit(X.reshape(40, -1), Y).estimators_


def voting(model):
    return VotingClassifier([("a", model), ("b", model)]).fit(X, Y).estimators_


def one_against_rest(model):
    labels = X.sum((1, 2)).astype(int) % 3
    return OneVsRestClassifier(model).fit(X.reshape(40, -1), labels).estimators_


def gridded(model):
    grid = {"learning_rate": [0.01, 0.001]}
    return [GridSearchCV(model, grid, cv=2).fit(X, Y).best_estimator_]


# What is run, and a number of steps that ends in its second fit.
RUNS = {
    "cross_validate": (crossed, 9),
    "GridSearchCV": (gridded, 9),
    "BaggingClassifier": (bagged, 9),
    "VotingClassifier": (voting, 13),
    "OneVsRestClassifier": (one_against_rest, 13),
    "ConvNetSearchCV": (lambda model: [searched(model).best_estimator_], 9),
    "compare_models": (compared, 9),
}


QUICK = ("cross_validate", "BaggingClassifier", "ConvNetSearchCV")


@pytest.mark.real_device
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in RUNS]
)
def test_a_stopped_run_goes_on_in_the_fit_that_was_stopped(name, tmp_path, monkeypatch):
    run, n_steps = RUNS[name]
    with monkeypatch.context() as patched:
        n_epochs = count_epochs(patched)
        expected = run(net(None))
    path = tmp_path / "fit.ckpt"
    with monkeypatch.context() as patched:
        stop_after(patched, n_steps)
        with pytest.raises(Stop):
            run(net(path))
    assert len(whole(path)) == 1
    assert OWN.fullmatch(whole(path)[0])
    epochs = count_epochs(monkeypatch)
    found = run(net(path))
    assert len(epochs) == len(n_epochs) - 1
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_equal(_result(one), _result(other))
    assert whole(path) == []


def _result(found):
    return result_of(found) if hasattr(found, "net_") else found


@pytest.mark.real_device
@pytest.mark.parametrize("pruner", [pytest.param("auto", marks=pytest.mark.slow), "asha"])
def test_the_pruner_of_a_resumed_search_knows_the_epochs_before(pruner, tmp_path, monkeypatch):
    model = net(None, max_epochs=4)
    expected = searched(model, pruner=pruner)
    path = tmp_path / "fit.ckpt"
    kept = model.set_params(checkpoint=path)
    with monkeypatch.context() as patched:
        stop_after(patched, 27)
        with pytest.raises(Stop):
            searched(kept, pruner=pruner)
    assert any(map(OWN.fullmatch, whole(path)))
    again = searched(kept, pruner=pruner)
    assert_same_results(again.cv_results_, expected.cv_results_)
    assert [t.intermediate_values for t in again.study_.trials] == [
        t.intermediate_values for t in expected.study_.trials
    ]
    assert whole(path) == []


@pytest.mark.slow
def test_a_study_in_a_file_and_a_checkpoint_go_on_together(tmp_path, monkeypatch):
    model = net(None, max_epochs=4)
    expected = searched(model)
    path = tmp_path / "fit.ckpt"
    kept = model.set_params(checkpoint=path)
    storage = f"{tmp_path}/study.journal"
    with monkeypatch.context() as patched:
        stop_after(patched, 27)
        with pytest.raises(Stop):
            searched(kept, storage=storage)
    assert any(map(OWN.fullmatch, whole(path)))
    epochs = count_epochs(monkeypatch)
    resumed = searched(kept, storage=storage)
    assert_same(resumed.best_estimator_, result_of(expected.best_estimator_))
    assert len(epochs) < 3 * 2 * 4
    assert not any(map(OWN.fullmatch, whole(path)))


def test_a_fit_with_a_checkpoint_is_not_computed_with_others(monkeypatch):
    monkeypatch.setattr("skcnn.model_selection._parallel.joint_training_pays", lambda device: True)
    assert trains_together(tiny(), 100)
    assert not trains_together(tiny(checkpoint="fit.ckpt"), 100)


def test_a_clone_keeps_its_own_name_after_pickling_and_the_original_the_path(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    copied = pickle.loads(pickle.dumps(clone(clone(net(path)))))
    stopped(monkeypatch, copied, 7, X, Y)
    stopped(monkeypatch, net(path), 7, X, Y)
    names = whole(path)
    assert names[1] == "fit.ckpt"
    assert OWN.fullmatch(names[0])
    elsewhere = clone(net(path)).set_params(checkpoint=f"{tmp_path}/other")
    stopped(monkeypatch, elsewhere, 7, X, Y)
    assert "other" in whole(path)
    assert not hasattr(clone(tiny()), "_checkpoint_of_clone")


@pytest.mark.real_device
def test_two_fits_at_the_same_time(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    begun, go_on = threading.Event(), threading.Event()
    train_epoch = choice_of_thread(begun, go_on)
    monkeypatch.setattr("skcnn._training.engine.ConvNetEngine._train_epoch", train_epoch)
    results = []
    for model in (net(path), clone(net(path))):
        first = threading.Thread(target=lambda m=model: results.append(m.fit(X, Y)), name="first")
        first.start()
        assert begun.wait(60)
        if model.checkpoint is not None and not hasattr(model, "_checkpoint_of_clone"):
            with pytest.raises(CheckpointError, match="Another fit that is running uses the"):
                net(path).fit(X, Y)
        else:
            stopped(monkeypatch, clone(net(path)), 7, X, Y)
            assert re.search(r"-2\.ckpt", " ".join(whole(path)))
        go_on.set()
        first.join()
        begun.clear()
        go_on.clear()
    assert len(whole(path)) == 1
    assert_same(clone(net(path)).fit(X, Y), result_of(results[0]))  # takes what is left
    assert_same(results[1], result_of(results[0]))
    assert whole(path) == []


def choice_of_thread(begun, go_on):
    from skcnn._training.engine import ConvNetEngine

    original = ConvNetEngine._train_epoch

    def train_epoch(self, *args):
        if threading.current_thread().name == "first":
            begun.set()
            assert go_on.wait(60)
        return original(self, *args)

    return train_epoch


def test_clones_that_draw_their_seed_go_on_with_the_drawn_one(tmp_path, monkeypatch):
    numbers = iter([11, 22, 11])
    monkeypatch.setattr(seeds.secrets, "randbits", lambda n_bits: next(numbers))
    model = clone(net(tmp_path / "fit.ckpt", random_state=None))
    stopped(monkeypatch, model, 7, X, Y)
    resumed = model.fit(X, Y)
    assert_same(resumed, result_of(tiny(random_state=None).fit(X, Y)))


def test_the_range_test_of_learning_rates_has_no_checkpoint():
    assert TEST_PARAMETERS["checkpoint"] is None


def test_a_choice_has_a_checkpoint_in_its_last_fit_only(tmp_path, monkeypatch):
    install_tiny_base(monkeypatch, tmp_path)
    (tmp_path / "fits").mkdir()
    path = tmp_path / "fits" / "fit.ckpt"
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (30, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(30) % 2
    images[labels == 1, :4] += 50
    model = ConvNetClassifier(
        architecture=NAME, pretrained="auto", max_epochs=3, batch_size=8, filters=(4,),
        hidden_units=(), precision="float32", random_state=0, checkpoint_seconds=0,
    )  # fmt: skip
    expected = model.fit(images, labels)
    during = []
    score = choice._Race._score

    def watched(self, *args):
        score(self, *args)
        during.append(whole(path))

    monkeypatch.setattr(choice._Race, "_score", watched)
    model = clone(model).set_params(checkpoint=path)
    with monkeypatch.context() as patched:
        stop_in_last_fit(patched, path)
        with pytest.raises(Stop):
            model.fit(images, labels)
    assert during
    assert not any(during)
    assert whole(path) == ["fit.ckpt"]
    again = model.fit(images, labels)
    assert_same(again, result_of(expected))
    assert again.choice_["chosen"].equals(expected.choice_["chosen"])
    with pytest.raises(ValueError, match=r"needs an integer as random_state.*Got None"):
        model.set_params(random_state=None).fit(images, labels)


def stop_in_last_fit(monkeypatch, path):
    from skcnn._training.engine import ConvNetEngine

    clip = ConvNetEngine.clip_gradient

    def clip_gradient(self):
        if path.exists():
            raise Stop
        clip(self)

    monkeypatch.setattr(ConvNetEngine, "clip_gradient", clip_gradient)


# Processes that are killed


def test_a_killed_process(tmp_path, children):
    path = tmp_path / "fit.ckpt"
    expected, n_epochs, _ = finished(children, "fit", path)
    killed_after_writing(children, "fit", path)
    result, n_again, _ = finished(children, "fit", path)
    assert result == expected
    assert n_again < n_epochs
    assert whole(path) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fit", "cross_validate", "search"])
def test_many_killed_processes(kind, tmp_path, children):
    check_kills(kind, tmp_path / "fit.ckpt", children, 20)


def check_kills(kind, path, children, n_kills):
    expected, n_epochs, seconds = finished(children, kind, path)
    rng = np.random.default_rng(0)
    trained = []
    for _ in range(n_kills):
        killed(children, kind, path, rng.uniform(0.3, 0.9) * seconds)
        result, n, _ = finished(children, kind, path)
        assert result == expected
        assert whole(path) == []
        trained.append(n)
    assert min(trained) < n_epochs


@pytest.mark.slow
def test_folds_in_processes(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    expected = [result_of(each) for each in crossed(net(None))]
    with monkeypatch.context() as patched:
        stop_after(patched, 13)
        with pytest.raises(Stop):
            crossed(net(path))
    found = cross_validate(net(path), X, Y, cv=3, n_jobs=2, return_estimator=True)["estimator"]
    np.testing.assert_equal([result_of(each) for each in found], expected)
    assert whole(path) == []
