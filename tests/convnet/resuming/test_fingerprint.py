"""What makes two fits the same, and how the error names what differs."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet.resuming import fingerprint
from skcnn._convnet.resuming.fingerprint import name_of
from skcnn.augmentation import RandomFlip, RandomRotation
from skcnn.exceptions import CheckpointError
from tests.helpers.small_fits import WatchEpochs, data, tiny
from tests.helpers.stopped_fits import Stop, count_epochs, stop_after, stopped

X, Y = data()
OTHER = X.copy()
OTHER[3, 2, 2] += 0.001
SWAPPED = Y.copy()
SWAPPED[[0, 1]] = 1 - SWAPPED[[0, 1]]
WEIGHTS = np.linspace(1, 2, 40)
VALIDATION = {"X_val": X[:10] * 0.9, "y_val": Y[:10]}


def net(path, **params):
    return tiny(checkpoint=path, **{"checkpoint_seconds": 0, **params})


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The checkpoint of a fit after two of three epochs."""
    stopped(monkeypatch, net(tmp_path / "fit.ckpt"), 7, X, Y)
    return tmp_path / "fit.ckpt"


@pytest.mark.parametrize(
    ("params", "arguments", "message"),
    [
        ({}, (OTHER, Y), r"fit: X was 40 samples of shape 6 x 6 x 1 .* with other content\. Del"),
        ({}, (X[:39], Y[:39]), r"fit: X was 40 samples .*\], is now 39 samples [^;]*\. Delete"),
        ({}, (X.reshape(40, 36), Y), "X was .*6 x 6 x 1.*, is now .*36 x 1"),
        ({}, (X, SWAPPED), r"fit: y was 40 targets with other content\. Delete"),
        ({}, (X, Y + 1), r"fit: labels was array of shape \(2,\) and dtype int64 with other content\."),
        ({}, (X, Y, WEIGHTS), r"fit: sample_weight was None, is now weights \[\w+\]\. Delete"),
        ({"max_epochs": 4}, (X, Y), r"fit: max_epochs was 3, is now 4\. Delete the file, or give "),
        ({"optimizer": "sgd", "dropout": 0.1}, (X, Y), "dropout was 0.25, is now 0.1; optimizer was"),
        ({"random_state": 1}, (X, Y), r"fit: random_state was 0, is now 1\."),
        ({"random_state": None}, (X, Y), "random_state was 0, is now drawn in each fit"),
        ({"augmentation": RandomFlip()}, (X, Y), r"augmentation was None, is now RandomFlip \[\w+\]"),
        ({"callbacks": [WatchEpochs()]}, (X, Y), "callbacks was None, is now WatchEpochs"),
        (
            {"callbacks": [("stop", EarlyStopping("train_loss", patience=3))]},
            (X, Y),
            r"callbacks was None, is now EarlyStopping\(.*monitor='train_loss', patience=3",
        ),
        ({"architecture": "lenet5"}, (X, Y), "architecture was None, is now 'lenet5'"),
    ],
)  # fmt: skip
def test_other_data_and_parameters_are_named(params, arguments, message, path):
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        net(path, **params).fit(*arguments)
    assert path.read_bytes() == before


def test_another_estimator_and_other_validation_samples(path):
    with pytest.raises(
        CheckpointError, match="estimator was ConvNetClassifier, is now ConvNetRegr"
    ):
        net(path, cls=ConvNetRegressor).fit(X, Y)
    with pytest.raises(
        CheckpointError, match=r"X_val was not there, is now 10 samples .*y_val was"
    ):
        net(path).fit(X, Y, **VALIDATION)

    class Own(ConvNetClassifier):
        pass

    with pytest.raises(
        CheckpointError, match=r"estimator was ConvNetClassifier, is now Own \[\w+\]"
    ):
        net(path, cls=Own).fit(X, Y)


SAME = {
    "order": ({}, (X[::-1], Y[::-1])),
    "types": ({}, (X.astype(np.float32).tolist(), list(Y))),
    "quiet": ({"verbose": 2, "checkpoint_seconds": 5, "warm_start": True}, (X, Y)),
    "device": ({"device": "auto", "feature_cache": "memory"}, (X, Y)),
    "seed": ({"random_state": np.int64(0), "test_time_augmentation": "flip"}, (X, Y)),
}


@pytest.mark.parametrize("name", SAME)
def test_what_changes_no_result_is_the_same_fit(name, path, monkeypatch, capsys):
    params, arguments = SAME[name]
    epochs = count_epochs(monkeypatch)
    net(path, **params).fit(*arguments)
    assert len(epochs) == 1


def test_augmentations_of_a_pipeline_count(tmp_path, monkeypatch):
    def model(*steps):
        return make_pipeline(*steps, net(tmp_path / "fit.ckpt"))

    with monkeypatch.context() as patched:
        stop_after(patched, 7)
        with pytest.raises(Stop):
            model(RandomRotation(10), RandomFlip(random_state=1)).fit(X, Y)
    for steps in (
        (RandomRotation(10), RandomFlip(random_state=2)),
        (RandomRotation(11), RandomFlip(random_state=1)),
        (RandomFlip(random_state=1), RandomRotation(10)),
        (RandomRotation(10),),
        (),
    ):
        with pytest.raises(CheckpointError, match="fit: augmentation was RandomRotation"):
            model(*steps).fit(X, Y)
    epochs = count_epochs(monkeypatch)
    same = RandomFlip(random_state=np.random.RandomState(7))
    same.random_state = 1
    model(RandomRotation(10), same).fit(X, Y)
    assert len(epochs) == 1


def brighter(images):
    return images + 0.1


def darker(images):
    return images - 0.1


def test_the_code_of_callables_counts(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    stopped(monkeypatch, net(path, augmentation=brighter), 7, X, Y)
    with pytest.raises(CheckpointError, match=r"augmentation was brighter \[.*, is now darker"):
        net(path, augmentation=darker).fit(X, Y)


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    def missing(name):
        raise fingerprint.PackageNotFoundError(name)

    monkeypatch.setattr(fingerprint, "version", missing)
    assert fingerprint._version() == "not installed"


def test_the_order_of_dicts_and_sets_does_not_count(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    stopped(monkeypatch, net(path, class_weight={0: 1.0, 1: 2.0}), 7, X, Y)
    with pytest.raises(CheckpointError, match=r"class_weight was \{.*0: 1\.0"):
        net(path, class_weight={1: 1.0, 0: 2.0}).fit(X, Y)
    epochs = count_epochs(monkeypatch)
    net(path, class_weight={1: 2.0, 0: 1.0}).fit(X, Y)
    assert len(epochs) == 1
    assert fingerprint._in_order(({"b": 1},)) == ({"b": 1},)
    assert name_of({"a": "{1, 2} [0a]"}) == name_of({"a": "{2, 1} [0a]"})


def test_names_of_fits():
    assert name_of({"a": "1"}) == name_of({"a": "1"})
    assert name_of({"a": "1"}) != name_of({"a": "2"})
    assert len(name_of({})) == 16


class Patient(Callback):
    def __init__(self, patience):
        self.patience = patience
        self.seen = []


def test_parameters_of_a_user_s_callback_count(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    stopped(monkeypatch, net(path, callbacks=[Patient(4)]), 7, X, Y)
    with pytest.raises(CheckpointError, match=r"Patient\(patience=4\), is now Patient\(patience=7"):
        net(path, callbacks=[Patient(7)]).fit(X, Y)
    assert net(path, callbacks=[Patient(4)]).fit(X, Y).n_iter_ == 3


def test_which_samples_are_of_one_group_counts():
    def text(*groups):
        images = SimpleNamespace(groups=lambda: np.array(groups))
        return fingerprint._groups_text(SimpleNamespace(images=images, index=np.array([2, 0, 1])))

    assert text(5, 5, 1) == text(0, 0, 3)
    assert text(5, 5, 1) != text(5, 1, 1)
    none = SimpleNamespace(images=SimpleNamespace(groups=lambda: None))
    assert fingerprint._groups_text(none) == {}
