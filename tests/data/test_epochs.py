"""Epochs of MNE-Python, of which only `get_data` and indexing are used."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier, ConvNetFeatures, load, save
from skcnn._data.epochs import epochs_array
from skcnn.augmentation import RandomNoise, RandomTimeMask
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing import StandardizeSignals
from skcnn.recordings import WindowedClassifier


class Epochs:
    """Has the methods of mne.Epochs that scikit-learn and skcnn call."""

    __module__ = "mne.epochs"

    def __init__(self, data, ch_names=None, rate=None):
        self._data = data
        self._rate = rate
        if ch_names is not None:
            self.ch_names = ch_names
        if rate is not None:
            self.info = {"sfreq": rate}

    def get_data(self):
        return self._data

    def __len__(self):
        return len(self._data)

    def __getitem__(self, item):
        rows = np.atleast_3d(self._data[[item] if np.ndim(item) == 0 else item])
        return type(self)(rows, getattr(self, "ch_names", None), self._rate)


class OwnEpochs(Epochs):
    __module__ = "elsewhere"


y = np.arange(30) % 2
DATA = 1e-6 * np.random.default_rng(0).normal(size=(30, 3, 40))  # volts, channels first
DATA[y == 1, 0] += 2e-6
FEW = {"filters": (4,), "max_epochs": 3, "random_state": 0}


NAMES = ["Fz", "Cz", "Pz"]


def read(X, channels):
    return epochs_array(ConvNetClassifier(), X, channels, reset=True)


def test_the_channels_are_where_they_are_wanted():
    for kind in (Epochs, OwnEpochs):
        assert np.array_equal(read(kind(DATA), "first"), DATA)
        assert np.array_equal(read(kind(DATA), "last"), np.moveaxis(DATA, 1, -1))
    rows = [Epochs(DATA)[3], Epochs(DATA)[5]]
    assert np.array_equal(read(rows, "first"), DATA[[3, 5]])


def test_channels_of_lists_are_in_one_order():
    first, second = Epochs(DATA[:3], NAMES), Epochs(DATA[3:5], NAMES)
    assert np.array_equal(read([first, second], "first"), DATA[:5])
    second.ch_names = ["Cz", "Fz", "Pz"]
    with pytest.raises(InputShapeError, match=r"ch_names \['Fz', 'Cz', 'Pz'\] and \['Cz', "):
        read([first, second], "first")


NETWORK = ConvNetClassifier(n_spatial_dims=1, **FEW)
READERS = {
    "network": NETWORK,
    "of any length": ConvNetClassifier(input_shape=(None, 3), **FEW),
    "step": make_pipeline(StandardizeSignals(), NETWORK),
    "augmentation": make_pipeline(RandomNoise(0.1, random_state=0), NETWORK),
    "augmentation of any length": make_pipeline(
        RandomNoise(0.1, input_shape=(None, 3), random_state=0), NETWORK
    ),
    "features": make_pipeline(
        ConvNetFeatures("fcn", pretrained=False, random_state=0), LogisticRegression()
    ),
    "recordings": WindowedClassifier(NETWORK, length=20),
}


@pytest.mark.parametrize("model", READERS.values(), ids=READERS)
def test_channels_have_the_order_of_the_fit(model, tmp_path):
    model = clone(model).fit(Epochs(DATA, NAMES), y)
    predicted = model.predict_proba(Epochs(DATA, NAMES))
    assert np.array_equal(model.predict_proba(Epochs(DATA)), predicted)
    save(model, tmp_path / "model.skcnn")
    for each in (model, load(tmp_path / "model.skcnn")):
        with pytest.raises(InputShapeError, match=r"'Pz'\]. Got ch_names \['Cz', 'Fz', 'Pz'\]: r"):
            each.predict_proba(Epochs(DATA[:, [1, 0, 2]], ["Cz", "Fz", "Pz"]))
    with pytest.raises(ValueError, match=r"shape|channels"):  # as of arrays
        model.predict(Epochs(DATA[:, :2], NAMES[:2]))
    assert np.array_equal(model.fit(Epochs(DATA), y).predict_proba(Epochs(DATA)), predicted)
    model.predict_proba(Epochs(DATA, ["Cz", "Fz", "Pz"]))  # the names of the fit before are gone


@pytest.mark.parametrize("model", READERS.values(), ids=READERS)
def test_epochs_have_the_sampling_rate_of_the_fit(model, tmp_path):
    model = clone(model).fit(Epochs(DATA, NAMES, 250.0), y)
    predicted = model.predict_proba(Epochs(DATA))
    save(model, tmp_path / "model.skcnn")
    for each in (model, load(tmp_path / "model.skcnn")):
        assert np.array_equal(each.predict_proba(Epochs(DATA, rate=250.00001)), predicted)
        with pytest.raises(InputShapeError, match=r"with, 250 hertz\. Got 256: resample it"):
            each.predict(Epochs(DATA, NAMES, 256.0))
    model.fit(Epochs(DATA), y).predict(Epochs(DATA, rate=256.0))  # of a fit without a rate


def test_epochs_of_a_list_have_one_sampling_rate():
    model = ConvNetClassifier(n_spatial_dims=1, **FEW)
    halves = [Epochs(DATA[:15], rate=250.0), Epochs(DATA[15:], rate=250.0)]
    assert model.fit(halves, y).sampling_rate_ == 250.0
    halves[1].info["sfreq"] = 128.0
    with pytest.raises(InputShapeError, match=r"one sampling rate\. Got 250 and 128 hertz"):
        model.fit(halves, y)


def test_a_network_in_a_pipeline_knows_the_names_of_channels():
    model = make_pipeline(RandomNoise(0.1, random_state=0), ConvNetClassifier(**FEW))
    assert model.fit(Epochs(DATA, NAMES), y)[-1].channel_names_.tolist() == NAMES
    rows = model[0].fit_transform(Epochs(DATA, NAMES)).original
    assert rows[[1, 2]].ch_names == NAMES


@pytest.mark.parametrize("X", [DATA, [], [1], [Epochs(DATA), DATA], object()])
def test_other_data_are_no_epochs(X):
    assert read(X, "last") is None


@pytest.mark.parametrize("channels", ["last", "first"])
def test_networks_read_epochs_as_signals(channels):
    array = DATA if channels == "first" else np.moveaxis(DATA, 1, -1)
    expected = ConvNetClassifier(n_spatial_dims=1, channels=channels, **FEW).fit(array, y)
    model = ConvNetClassifier(channels=channels, **FEW).fit(Epochs(DATA), y)
    assert model.input_shape_ == expected.input_shape_ == array.shape[1:]
    assert np.array_equal(model.predict_proba(Epochs(DATA)), expected.predict_proba(array))
    assert np.array_equal(model.predict_proba(array), expected.predict_proba(array))


def test_epochs_may_be_signals_of_any_length():
    model = ConvNetClassifier(input_shape=(None, 3), **FEW).fit(Epochs(DATA), y)
    assert model.input_shape_ == (None, 3)
    assert model.predict(Epochs(DATA[:, :, :25])).shape == (30,)


def test_pipelines_and_cross_validation_take_epochs():
    model = make_pipeline(StandardizeSignals(), ConvNetClassifier(n_spatial_dims=1, **FEW))
    assert model.fit(Epochs(DATA), y).predict(Epochs(DATA)).shape == (30,)
    assert len(cross_val_score(ConvNetClassifier(**FEW), Epochs(DATA), y, cv=2)) == 2


@pytest.mark.parametrize("channels", ["last", "first"])
def test_augmentations_before_a_network_keep_epochs(channels):
    array = DATA if channels == "first" else np.moveaxis(DATA, 1, -1)
    steps = [RandomNoise(0.1, random_state=1), RandomTimeMask(0.2, random_state=2)]
    how = {"channels": channels, **FEW}
    expected = ConvNetClassifier(n_spatial_dims=1, augmentation=steps, **how).fit(array, y)
    model = make_pipeline(*steps, ConvNetClassifier(**how)).fit(Epochs(DATA), y)
    assert model[-1].input_shape_ == array.shape[1:]
    assert np.array_equal(model.predict_proba(Epochs(DATA)), expected.predict_proba(array))
    open_shape = (None, 3) if channels == "last" else (3, None)
    any_length = make_pipeline(*steps[:1], ConvNetClassifier(input_shape=open_shape, **how))
    assert any_length.fit(Epochs(DATA), y)[-1].input_shape_ == open_shape


@pytest.mark.parametrize("channels", ["last", "first"])
def test_augmented_epochs_are_signals(channels):
    array = DATA if channels == "first" else np.moveaxis(DATA, 1, -1)
    step = RandomTimeMask(0.2, channels=channels, random_state=0)
    drawn = step.fit_transform(Epochs(DATA))
    assert (drawn.shape, drawn.dtype) == (array.shape, array.dtype)
    same = RandomTimeMask(0.2, channels=channels, n_spatial_dims=1, random_state=0)
    expected = same.fit_transform(array)
    assert np.array_equal(drawn.to_numpy(random_state=3), expected.to_numpy(random_state=3))
    half = drawn[np.arange(0, 30, 2)].original
    assert np.array_equal(half.get_data(), DATA[::2])
    assert np.array_equal(np.asarray(half, np.float32), array[::2].astype(np.float32))
    epochs = Epochs(DATA)
    assert step.transform(epochs) is epochs


def test_scikit_learn_takes_rows_of_augmented_epochs():
    inside = CalibratedClassifierCV(ConvNetClassifier(**FEW), cv=2)
    model = make_pipeline(RandomNoise(0.1, random_state=1), inside).fit(Epochs(DATA), y)
    assert model.predict(Epochs(DATA)).shape == (30,)


class Raw(Epochs):
    __module__ = "mne.io"


@pytest.mark.parametrize("X", [Raw(DATA[0]), Raw(DATA[:, 0]), [Raw(DATA[0])] * 30])
@pytest.mark.parametrize(
    "model", [ConvNetClassifier(**FEW), StandardizeSignals(), RandomNoise(0.1)], ids=repr
)
def test_recordings_are_no_samples(model, X):
    message = r"Got Raw of MNE, whose get_data\(\) has the shape .*make_fixed_length_epochs"
    with pytest.raises(InputShapeError, match=message):
        model.fit(X, y)


def test_a_network_does_not_predict_recordings():
    model = ConvNetClassifier(**FEW).fit(DATA[:, 0], y)
    with pytest.raises(InputShapeError, match="Got Raw of MNE"):
        model.predict([Raw(DATA[0]), Raw(DATA[1])])
