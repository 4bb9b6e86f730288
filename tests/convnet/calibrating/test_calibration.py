"""calibration="temperature": which samples it is found on, and what else a fit changes by it."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet.calibrating import calibration
from skcnn._convnet.calibrating.temperature import best_temperature
from skcnn._utils.random_state import named_seed
from skcnn.augmentation import MixUp, RandomFlip, RandomNoise
from skcnn.exceptions import CalibrationWarning, OutOfMemoryError, TrainingDivergedError
from tests.helpers.calibrated import (
    calibration_error,
    log_loss_of,
    net,
    noisy,
    watch_parts,
    watch_trainings,
)
from tests.helpers.stopped_fits import count_epochs, stopped
from tests.helpers.weights import same_weights

X, Y = noisy(120)
X_VAL, Y_VAL = noisy(60, seed=1)
TEST = noisy(3000, seed=2)
QUICK = {"max_epochs": 2}


def without(**params):
    return net(calibration=None, **params)


# What it is good for


SMOOTHED = {"label_smoothing": 0.2, "max_epochs": 8, "learning_rate": 0.005}


@pytest.mark.parametrize("params", [{}, SMOOTHED])
def test_probabilities_of_new_samples_become_better(params):
    many = noisy(300)
    raw, ours = without(**params).fit(*many), net(**params).fit(*many)
    before, after = raw.predict_proba(TEST[0]), ours.predict_proba(TEST[0])
    assert log_loss_of(after, TEST[1]) < log_loss_of(before, TEST[1])
    assert log_loss_of(after, TEST[1]) < np.log(3)  # that of a constant
    assert calibration_error(after, TEST[1]) < 0.6 * calibration_error(before, TEST[1])
    assert ours.temperature_ > 1.5 if params == {} else ours.temperature_ < 0.9


# What stays the same


@pytest.mark.parametrize(
    "params", [{}, {"augmentation": [RandomNoise(0.1), MixUp()]}, {"random_state": 2**32 - 1}]
)
def test_network_and_labels_are_those_without_calibration(params):
    raw, ours = without(**QUICK, **params).fit(X, Y), net(**QUICK, **params).fit(X, Y)
    assert same_weights(raw, ours)
    assert raw.temperature_ == 1.0 != ours.temperature_
    np.testing.assert_array_equal(raw.predict(TEST[0]), ours.predict(TEST[0]))
    assert ours.n_iter_ == len(ours.history_) == 2


def test_all_scores_have_one_temperature():
    raw, ours = without().fit(X, Y), net().fit(X, Y)
    logits = raw.decision_function(X_VAL) / ours.temperature_
    np.testing.assert_array_equal(ours.decision_function(X_VAL), logits)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours.predict_proba(X_VAL), expected, rtol=1e-12)
    np.testing.assert_allclose(ours.predict_log_proba(X_VAL), np.log(expected), rtol=1e-9)
    two = net(**QUICK).fit(X, Y > 0)
    odds = np.log(two.predict_proba(X_VAL)[:, 1] / two.predict_proba(X_VAL)[:, 0])
    np.testing.assert_allclose(two.decision_function(X_VAL), odds, rtol=1e-6, atol=1e-9)


def test_the_same_seed_gives_the_same_bits_in_any_order():
    order = np.random.default_rng(0).permutation(len(X))
    once, again = net(**QUICK).fit(X, Y), net(**QUICK).fit(X[order], Y[order])
    assert once.temperature_ == again.temperature_
    other = net(**QUICK, random_state=1).fit(X, Y)
    assert once.temperature_ != other.temperature_


def test_the_regressor_has_no_such_parameter():
    assert "calibration" not in ConvNetRegressor().get_params()
    assert not hasattr(ConvNetRegressor(filters=2, max_epochs=1).fit(X, Y), "temperature_")


# Samples held back from a second network


def test_the_second_network_is_one_of_the_other_samples(monkeypatch):
    parts = watch_parts(monkeypatch)
    ours = net(**QUICK).fit(X, Y)
    [(train, held_back)] = parts
    other = without(**QUICK, random_state=named_seed(0, "second network"))
    other.fit(X[train.index], Y[train.index])
    logits = other.decision_function(X[held_back.index])
    assert ours.temperature_ == best_temperature(logits, Y[held_back.index])


def test_a_fifth_of_each_class_is_held_back(monkeypatch):
    parts, trained = watch_parts(monkeypatch), watch_trainings(monkeypatch)
    net(**QUICK).fit(X, Y)
    [(train, held_back)] = parts
    both = np.r_[train.index, held_back.index]
    np.testing.assert_array_equal(np.sort(both), np.arange(len(X)))
    shares = np.bincount(Y[held_back.index]) / np.bincount(Y)
    np.testing.assert_allclose(shares, 0.2, atol=0.02)
    assert [len(each) for each in trained] == [120, 96]
    np.testing.assert_array_equal(trained[1].index, train.index)


def test_no_held_back_sample_is_augmented_or_trained_on(monkeypatch):
    batches, parts = [], watch_parts(monkeypatch)

    def seen(batch):
        batches.append(batch.cpu().numpy().reshape(len(batch), -1))
        return batch + 0.01

    net(**QUICK, augmentation=seen).fit(X, Y)
    rows = np.float32(X.reshape(len(X), -1))
    second = {row.tobytes() for row in np.concatenate(batches[16:])}
    assert len(batches) == 2 * 8 + 2 * 6  # batches of 16 of 120 and 96 samples
    assert second == {rows[i].tobytes() for i in parts[0][0].index}
    assert not second & {rows[i].tobytes() for i in parts[0][1].index}


def test_repetitions_are_on_one_side(monkeypatch):
    parts = watch_parts(monkeypatch)
    twice, labels = np.concatenate([X, X]), np.r_[Y, (Y + 1) % 3]
    net(**QUICK).fit(twice, labels)
    [(train, held_back)] = parts
    assert not {*(train.index % 120)} & {*(held_back.index % 120)}


def test_an_automatic_length_is_that_of_the_first_training(monkeypatch):
    epochs, trained = count_epochs(monkeypatch), watch_trainings(monkeypatch)
    net(max_epochs="auto", batch_size="auto", filters=(2,)).fit(X[:80], Y[:80])
    assert len(epochs) == 2 * 22
    assert [len(each) for each in trained] == [80, 64]
    ours = net(**QUICK, batch_size=None).fit(X, Y)
    assert ours.temperature_ != 1.0


def test_a_training_that_a_callback_ends_is_repeated_for_as_long(monkeypatch):
    class End(Callback):
        def on_epoch_end(self, model, **kwargs):
            if len(model.history) == 3:
                raise KeyboardInterrupt

    epochs = count_epochs(monkeypatch)
    ours = net(callbacks=[End()]).fit(X, Y)
    assert (ours.n_iter_, len(epochs)) == (3, 6)
    assert ours.temperature_ != 1.0


def test_steps_of_a_pipeline_come_before():
    ours = make_pipeline(StandardScaler(), RandomNoise(0.1), net(**QUICK, input_shape=(6, 6)))
    raw = make_pipeline(StandardScaler(), RandomNoise(0.1), without(**QUICK, input_shape=(6, 6)))
    ours.fit(X.reshape(120, -1), Y)
    raw.fit(X.reshape(120, -1), Y)
    assert same_weights(ours, raw)
    assert ours[-1].temperature_ != 1.0


def test_signals_of_unequal_length():
    signals = [row[: 20 + i % 9] for i, row in enumerate(X.reshape(120, -1))]
    ours = ConvNetClassifier(calibration="temperature", max_epochs=1, random_state=0)
    assert ours.fit(signals, Y).temperature_ != 1.0


class OwnDefaults(ConvNetClassifier):
    """A user's subclass with a constructor of its own."""

    def __init__(self, *, max_epochs=2):
        super().__init__(filters=(2,), max_epochs=max_epochs, calibration="temperature")


def test_a_subclass_with_other_parameters():
    assert OwnDefaults().fit(X, Y).temperature_ != 1.0


# Validation samples


def test_given_validation_samples_take_their_place(monkeypatch):
    trained = watch_trainings(monkeypatch)
    raw = without(**QUICK).fit(X, Y)
    ours = net(**QUICK).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert [len(each) for each in trained] == [120, 120]
    assert ours.temperature_ == best_temperature(raw.decision_function(X_VAL), Y_VAL)


def test_those_of_early_stopping_take_their_place_with_the_best_weights(monkeypatch):
    trained = watch_trainings(monkeypatch)
    stops = {"early_stopping": True, "validation_fraction": 0.3}
    raw = without(**stops).fit(X, Y)
    held_back = np.setdiff1d(np.arange(120), trained[0].index)
    ours = net(**stops).fit(X, Y)
    assert len(trained) == 2
    assert same_weights(raw, ours)
    logits = raw.decision_function(X[held_back])
    assert ours.temperature_ == pytest.approx(best_temperature(logits, Y[held_back]), rel=1e-9)


def test_validation_samples_may_be_many(monkeypatch):
    monkeypatch.setattr(calibration, "chunk_rows", lambda n_values: 7)
    raw = without(**QUICK).fit(X, Y)
    ours = net(**QUICK).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert ours.temperature_ == best_temperature(raw.decision_function(X_VAL), Y_VAL)


def test_a_class_may_lack_validation_samples():
    some = Y_VAL != 1
    raw = without(**QUICK).fit(X, Y)
    ours = net(**QUICK).fit(X, Y, X_val=X_VAL[some], y_val=Y_VAL[some])
    logits = raw.decision_function(X_VAL[some])
    assert ours.temperature_ == best_temperature(logits, Y_VAL[some])


def test_views_of_test_time_count():
    raw = without(**QUICK, test_time_augmentation="flip").fit(X, Y)
    ours = net(**QUICK, test_time_augmentation="flip").fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert ours.temperature_ == best_temperature(raw.decision_function(X_VAL), Y_VAL)
    plain = net(**QUICK).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert ours.temperature_ != plain.temperature_


def test_several_labels_have_one_temperature():
    labels, labels_val = (np.eye(3, dtype=int)[each] for each in (Y, Y_VAL))
    raw = without(**QUICK).fit(X, labels)
    ours = net(**QUICK).fit(X, labels, X_val=X_VAL, y_val=labels_val)
    logits = raw.decision_function(X_VAL)
    assert ours.temperature_ == best_temperature(logits, labels_val)
    expected = 1 / (1 + np.exp(-logits / ours.temperature_))
    np.testing.assert_allclose(ours.predict_proba(X_VAL), expected, rtol=1e-12)
    np.testing.assert_array_equal(ours.predict(X_VAL), raw.predict(X_VAL))
    assert net(**QUICK).fit(X, labels).temperature_ != 1.0


# Weights


def test_a_weight_means_repetition():
    times = np.random.default_rng(0).integers(0, 4, len(X))
    weighted = net(**QUICK).fit(X, Y, sample_weight=times)
    repeated = net(**QUICK).fit(X.repeat(times, axis=0), Y.repeat(times))
    assert weighted.temperature_ == repeated.temperature_
    assert weighted.temperature_ != net(**QUICK).fit(X, Y).temperature_


def test_weights_of_validation_samples_count():
    weights = np.random.default_rng(0).random(len(X_VAL))
    raw = without(**QUICK).fit(X, Y)
    validation = {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": weights}
    ours = net(**QUICK).fit(X, Y, **validation)
    expected = best_temperature(raw.decision_function(X_VAL), Y_VAL, weights)
    assert ours.temperature_ == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 8.0, 2: 0.5}])
@pytest.mark.parametrize("weighs", [False, True])
def test_class_weights_of_the_training_weigh_validation_samples(class_weight, weighs):
    kept = np.flatnonzero((Y != 0) | (np.arange(120) % 4 == 0))  # a rare class
    weights = np.random.default_rng(0).random(len(X_VAL)) if weighs else np.ones(len(X_VAL))
    raw = without(**QUICK, class_weight=class_weight).fit(X[kept], Y[kept])
    validation = {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": weights}
    ours = net(**QUICK, class_weight=class_weight).fit(X[kept], Y[kept], **validation)
    factors = np.array([8.0, 1.0, 0.5])
    if class_weight == "balanced":
        factors = 1 / np.bincount(Y[kept])
    logits = raw.decision_function(X_VAL)
    expected = best_temperature(logits, Y_VAL, factors[Y_VAL] * weights)
    assert ours.temperature_ == pytest.approx(expected, rel=1e-9)


def test_class_weights_are_in_both_parts_of_a_split(monkeypatch):
    parts = watch_parts(monkeypatch)
    net(**QUICK, class_weight={0: 8.0}).fit(X, Y)
    for part in parts[0]:
        zeros = part.targets == 0
        np.testing.assert_allclose(part.weights[zeros][0], 8 * part.weights[~zeros])


# Fits after fits


def test_a_fit_without_calibration_forgets_the_temperature():
    ours = net(**QUICK).fit(X, Y)
    assert ours.set_params(calibration=None).fit(X, Y).temperature_ == 1.0


def test_another_training_of_the_same_network_forgets_the_temperature():
    ours = net(**QUICK, warm_start=True).fit(X, Y)
    old = ours.temperature_
    assert ours.set_params(calibration=None).fit(X, Y).temperature_ == 1.0
    ours.temperature_ = old
    assert ours.partial_fit(X, Y).temperature_ == 1.0


def test_a_continued_training_needs_samples_that_were_never_trained_on():
    ours = net(**QUICK, warm_start=True).fit(X, Y)
    before = ours.temperature_
    with pytest.raises(ValueError, match="'calibration' parameter must be 'auto' or None in"):
        ours.fit(X, Y)
    assert (ours.n_iter_, ours.temperature_) == (2, before)
    raw = without(**QUICK, warm_start=True).fit(X, Y).fit(X, Y)
    ours.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert ours.temperature_ == best_temperature(raw.decision_function(X_VAL), Y_VAL)


def test_early_stopping_keeps_its_samples_apart_in_continued_trainings():
    ours = net(early_stopping=True, validation_fraction=0.3, warm_start=True, **QUICK)
    first = ours.fit(X, Y).temperature_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ours.fit(X, Y).temperature_ not in (1.0, first)


def test_partial_fit_holds_nothing_back():
    assert hasattr(without(), "partial_fit")
    assert not hasattr(net(), "partial_fit")
    with pytest.raises(AttributeError) as caught:
        net().partial_fit(X, Y, classes=[0, 1, 2])
    assert "'calibration' parameter must be 'auto' or None for partial_fit" in str(
        caught.value.__cause__
    )


def test_scores_during_a_continued_training_have_no_temperature():
    from skcnn.model_selection._callbacks import EpochWatcher

    seen = []
    ours = net(**QUICK, warm_start=True).fit(X, Y)

    def listener(epoch, n_epochs, snapshot):
        seen.append(snapshot.temperature_)
        return False

    ours.set_callbacks(EpochWatcher(listener)).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert seen == [1.0, 1.0]
    assert ours.temperature_ != 1.0


# Ends before the end


def test_ctrl_c_in_the_first_training_leaves_its_epochs(monkeypatch):
    ours = stopped(monkeypatch, net(), 20, X, Y, error=KeyboardInterrupt)
    assert (ours.n_iter_, ours.temperature_) == (2, 1.0)


def test_ctrl_c_in_the_second_training_leaves_the_first_network(monkeypatch):
    ours = stopped(monkeypatch, net(**QUICK), 18, X, Y, error=KeyboardInterrupt)
    assert (ours.n_iter_, ours.temperature_) == (2, 1.0)
    assert same_weights(ours, without(**QUICK).fit(X, Y))


def test_ctrl_c_in_the_first_epoch_of_a_continued_training_leaves_the_temperature(monkeypatch):
    ours = net(**QUICK, warm_start=True).fit(X, Y)
    before, labels = ours.temperature_, {"X_val": X_VAL, "y_val": Y_VAL}
    stopped(monkeypatch, ours, 3, X, Y, error=KeyboardInterrupt, **labels)
    assert ours.temperature_ == before != 1.0
    stopped(monkeypatch, ours, 10, X, Y, error=KeyboardInterrupt, **labels)
    assert (ours.n_iter_, ours.temperature_) == (3, 1.0)


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemoryError("Too large.")])
@pytest.mark.parametrize("name", ["_second_network", "_temperature_of"])
def test_too_little_memory_for_a_second_training_leaves_the_first(name, error, monkeypatch):
    def fail(*args):
        raise error

    expected = net(**QUICK).set_params(calibration=None).fit(X, Y)
    monkeypatch.setattr(calibration, name, fail)
    wanted = f"that failed: {str(error) or 'MemoryError'} temperature_ stays 1"
    with pytest.warns(CalibrationWarning, match=wanted):
        model = net(**QUICK).fit(X, Y)
    assert model.temperature_ == 1
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_a_second_training_that_diverges_warns(monkeypatch):
    def diverge(*args):
        raise TrainingDivergedError("The loss is NaN.")

    monkeypatch.setattr(calibration, "_second_network", diverge)
    with pytest.warns(CalibrationWarning, match="diverged: The loss is NaN. temperature_ stays 1"):
        assert net(**QUICK).fit(X, Y).temperature_ == 1.0


@pytest.mark.parametrize(("n", "held_back"), [(45, 9), (48, 10)])
def test_too_few_samples_warn_before_the_training(n, held_back, monkeypatch):
    ours, epochs = net(**QUICK), count_epochs(monkeypatch)
    if held_back >= 10:
        assert ours.fit(X[:n], Y[:n]).temperature_ != 1.0
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CalibrationWarning, match=f"back {held_back} of {n} distinct samples"):
            ours.fit(X[:n], Y[:n])
    assert not epochs
    with pytest.warns(CalibrationWarning, match="temperature_ stays 1"):
        ours.fit(X[:n], Y[:n])
    assert (ours.temperature_, len(epochs)) == (1.0, 2)


def test_classes_of_one_sample_each_warn():
    with pytest.warns(CalibrationWarning, match="hold back 0 of 20"):
        net(**QUICK).fit(X[:20], np.arange(20))


def test_a_class_of_one_sample_is_not_held_back(monkeypatch):
    parts, labels = watch_parts(monkeypatch), np.r_[3, Y[1:]]
    ours = net(**QUICK).fit(X, labels)
    assert 0 in parts[0][0].index
    assert ours.predict_proba(X).shape == (120, 4)


def test_flips_in_training_are_none_in_the_samples_held_back(monkeypatch):
    seen = []
    computed = ConvNetClassifier._computed

    def watched(self, images, finish=None):
        seen.append(images.rows.numpy())
        return computed(self, images, finish)

    parts = watch_parts(monkeypatch)
    monkeypatch.setattr(ConvNetClassifier, "_computed", watched)
    net(**QUICK, augmentation=RandomFlip()).fit(X, Y)
    expected = np.float32(X.reshape(120, -1))[parts[0][1].index]
    np.testing.assert_array_equal(np.concatenate(seen), expected)
