"""Fits that go on from a checkpoint end with the bits of fits in one piece."""

import copy
import signal

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._utils import random_state as seeds
from skcnn.augmentation import MixUp, RandomRotation
from skcnn.exceptions import CheckpointError, CheckpointWarning, TrainingDivergedError
from skcnn.layers import Conv, GlobalPool, Residual, StochasticDepth, Whiten
from tests.helpers.small_fits import WatchBatches, data, tiny
from tests.helpers.stopped_fits import assert_same, count_epochs, result_of, stopped

N_EPOCHS = 6


def with_own_draws(input_shape, n_outputs):
    """Return a module that draws from torch's generator, with a buffer that is not saved."""

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(36, 8), nn.Dropout(0.5), nn.Linear(8, n_outputs)
            )
            self.register_buffer("n_calls", torch.zeros(()), persistent=False)

        def forward(self, x):
            if self.training:
                self.n_calls += 1
            return self.layers(x) * (1 + 0.01 * self.n_calls)

    return Counted()


def in_other_types(input_shape, n_outputs):
    """Return a module with tensors of types that NumPy's files do not have, and a frozen one."""

    class Types(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(36, n_outputs)
            self.short = nn.Parameter(torch.ones(n_outputs, dtype=torch.bfloat16))
            self.register_buffer("turn", torch.ones(n_outputs, dtype=torch.complex64))
            self.fixed = nn.Parameter(torch.ones(n_outputs), requires_grad=False)

        def forward(self, x):
            outputs = self.linear(x.flatten(1)) * self.short.float() * self.fixed
            if self.training:
                self.turn *= 0.6 + 0.8j
            return outputs + self.turn.imag

    return Types()


class Patience(Callback):
    """A callback that remembers numbers, tensors and a function, and stops by what it remembers."""

    def __init__(self, describe=str):
        self.describe = describe
        self.losses = []
        self.weights = None

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])
        self.weights = net.module_.state_dict()["layers.conv_1.weight"].clone()
        if len(self.losses) == 5:
            raise KeyboardInterrupt


def augmented(**params):
    return make_pipeline(RandomRotation(20), tiny(augmentation=MixUp(), **params))


RESIDUAL = [
    Whiten(2), Conv(4, activation="relu"),
    Residual([Conv(4), StochasticDepth(0.5)]), GlobalPool(),
]  # fmt: skip
VALIDATION = {"X_val": data(n=20)[0] * 0.9, "y_val": data(n=20)[1]}
WEIGHTS = {"sample_weight": np.linspace(0, 2, 40)}
STEP_BY_STEP = {0: "head", 2: "last_block", 4: "all"}
CASES = {
    "adamw": (tiny(conv_dropout=0.2), {}),
    "sgd": (tiny(optimizer="sgd", lr_schedule="plateau"), {}),
    "muon": (tiny(optimizer="muon", early_stopping=True), {}),
    "rmsprop": (tiny(optimizer="rmsprop", lr_schedule="inverse_scaling"), VALIDATION),
    "adagrad": (tiny(optimizer="adagrad", lr_schedule="constant", l1_penalty=0.01), WEIGHTS),
    "augmented": (augmented(early_stopping=True, conv_dropout=0.2), {}),
    "regressor": (tiny(ConvNetRegressor, loss="huber", gradient_clip=0.1), WEIGHTS),
    "more and more": (tiny(unfreezing=STEP_BY_STEP, learning_rate_decay=0.5), {}),
    "less, then more": (tiny(unfreezing={0: "all", 2: "head", 4: "all"}, optimizer="sgd"), {}),
    "layers": (tiny(architecture=RESIDUAL), {}),
    "bfloat16": (tiny(precision="bfloat16", normalization="group"), {}),
    "callable": (tiny(architecture=with_own_draws), {}),
    "other types": (tiny(architecture=in_other_types, optimizer="adagrad"), {}),
    "stock loop": (tiny(callbacks=[WatchBatches()]), {}),
    "stopping callback": (tiny(callbacks=[Patience()]), {}),
    "skorch's stopping": (
        tiny(callbacks=[EarlyStopping("train_loss", patience=2, threshold=0.5, load_best=True)]),
        {},
    ),
}


def net_of(model):
    return model[-1] if hasattr(model, "steps") else model


def with_checkpoint(model, path, **params):
    """Return a copy that keeps its state after every epoch."""
    model = copy.deepcopy(model)
    net_of(model).set_params(
        checkpoint=path, max_epochs=N_EPOCHS, **{"checkpoint_seconds": 0, **params}
    )
    return model


QUICK = ("adamw", "augmented", "more and more", "callable", "other types", "stopping callback")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_a_resumed_fit_has_the_bits_of_one_in_one_piece(name, tmp_path, monkeypatch):
    model, arguments = CASES[name]
    X, y = data()
    if isinstance(model, ConvNetRegressor):
        y = X.mean((1, 2))
    path = tmp_path / "fit.ckpt"
    whole = with_checkpoint(model, None).fit(X, y, **by_step(model, arguments))
    expected = result_of(net_of(whole))
    for n_steps in (4, min(13, n_steps_of(whole) - 1)):
        stopped(
            monkeypatch, with_checkpoint(model, path), n_steps, X, y, **by_step(model, arguments)
        )
        assert path.exists()
        with monkeypatch.context() as patched:
            epochs = count_epochs(patched)
            again = with_checkpoint(model, path).fit(X, y, **by_step(model, arguments))
        assert len(epochs) == net_of(whole).n_iter_ - n_steps // steps_per_epoch(whole)
        assert_same(net_of(again), expected)
        np.testing.assert_array_equal(again.predict(X), whole.predict(X))
        assert [*tmp_path.iterdir()] == []


def by_step(model, arguments):
    return {} if hasattr(model, "steps") else arguments


def n_steps_of(model):
    return net_of(model).n_iter_ * steps_per_epoch(model)


def steps_per_epoch(model):
    n_valid = 4 if net_of(model).early_stopping else 0
    return -(-(len(data()[0]) - n_valid) // 16)


def test_a_fit_that_is_stopped_again_and_again_goes_on(tmp_path, monkeypatch):
    X, y = data()
    model = tiny(early_stopping=True, dropout=0.5)
    expected = result_of(with_checkpoint(model, None).fit(X, y))
    path = tmp_path / "fit.ckpt"
    for _ in range(N_EPOCHS - 1):  # each gets one epoch further
        stopped(monkeypatch, with_checkpoint(model, path), 4, X, y)
    epochs = count_epochs(monkeypatch)
    assert_same(with_checkpoint(model, path).fit(X, y), expected)
    assert len(epochs) == 1


def test_nothing_is_written_before_its_time_and_ctrl_c_writes_the_last_epoch(tmp_path, monkeypatch):
    X, y = data()
    path = tmp_path / "fit.ckpt"
    lasting = with_checkpoint(tiny(), path, checkpoint_seconds=1000)
    expected = result_of(with_checkpoint(tiny(), None).fit(X, y))
    assert_same(copy.deepcopy(lasting).fit(X, y), expected)
    net = stopped(monkeypatch, lasting, 7, X, y, error=KeyboardInterrupt)
    assert net.n_iter_ == 2  # as without a checkpoint
    assert [each.name for each in tmp_path.iterdir()] == ["fit.ckpt"]
    epochs = count_epochs(monkeypatch)
    assert_same(net.fit(X, y), expected)
    assert len(epochs) == N_EPOCHS - 2
    assert [*tmp_path.iterdir()] == []


def test_ctrl_c_in_the_first_epoch_and_in_the_next_fit_s_first_one(tmp_path, monkeypatch):
    X, y = data()
    path = tmp_path / "fit.ckpt"
    net = with_checkpoint(tiny(), path)
    stopped(monkeypatch, net, 1, X, y, error=KeyboardInterrupt)
    assert [*tmp_path.iterdir()] == []
    stopped(monkeypatch, net, 7, X, y, error=KeyboardInterrupt)
    before = path.read_bytes()
    stopped(monkeypatch, net, 1, X, y, error=KeyboardInterrupt)
    assert net.n_iter_ == 2
    assert path.read_bytes() == before


# Python drops an interrupt that comes in the callback of a weak reference.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_real_interrupts_at_random_moments_leave_a_state_that_goes_on(tmp_path):
    X, y = data()
    model = tiny(early_stopping=True, conv_dropout=0.2)
    expected = result_of(with_checkpoint(model, None).fit(X, y))
    net = with_checkpoint(model, tmp_path / "fit.ckpt")
    rng = np.random.default_rng(0)
    n_interrupted = 0
    for _ in range(12):
        previous = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.1))
            net.fit(X, y)
        except KeyboardInterrupt:
            n_interrupted += 1
            assert not hasattr(net, "n_iter_") or net.n_iter_ == len(net.history_)
            continue
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        assert_same(net, expected)
        assert [*tmp_path.iterdir()] == []
    assert n_interrupted > 0
    assert_same(net.fit(X, y), expected)


def interrupt(number, frame):
    signal.raise_signal(signal.SIGINT)


class FailsOnce(Callback):
    """Ends the third epoch by an error, or by Ctrl-C."""

    failure = None

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3 and self.failure is not None:
            raise self.failure


class Decays(Callback):
    """Changes weights and a setting of the optimizer in each epoch."""

    def on_epoch_begin(self, net, **kwargs):
        for group in net.optimizer_.param_groups:
            group["weight_decay"] = 0.9 * group["weight_decay"] + 0.01

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.mul_(0.99)


@pytest.mark.parametrize("failure", [OSError("no more paper"), KeyboardInterrupt()])
@pytest.mark.parametrize("seconds", [0, 1000])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_what_ends_a_callback_keeps_the_epochs_before(
    failure, seconds, optimizer, tmp_path, monkeypatch
):
    X, y = data()
    path = tmp_path / "fit.ckpt"
    model = tiny(
        callbacks=[Decays, FailsOnce], early_stopping=True, dropout=0.5, optimizer=optimizer
    )
    expected = result_of(with_checkpoint(model, None).fit(X, y))
    net = with_checkpoint(model, path, checkpoint_seconds=seconds)
    real = isinstance(failure, KeyboardInterrupt)
    with monkeypatch.context() as patched:
        patched.setattr(FailsOnce, "failure", failure)
        if real:  # skorch's callbacks raise it to stop a training
            patched.setattr(FailsOnce, "on_epoch_end", interrupts_third_epoch)
        with pytest.raises(type(failure)):
            net.fit(X, y)
    assert hasattr(net, "net_") == real
    if real:
        assert net.n_iter_ == 3
        assert len(net.net_.history) == 3
    assert [each.name for each in tmp_path.iterdir()] == ["fit.ckpt"]
    epochs = count_epochs(monkeypatch)
    assert_same(with_checkpoint(model, path).fit(X, y), expected)
    assert len(epochs) == N_EPOCHS - 2


def interrupts_third_epoch(self, net, **kwargs):
    if len(net.history) == 3:
        signal.raise_signal(signal.SIGINT)


def test_a_callback_that_fails_as_another_part_is_trained_leaves_the_older_file(
    tmp_path, monkeypatch
):
    X, y = data()
    path = tmp_path / "fit.ckpt"
    model = tiny(callbacks=[FailsOnce], unfreezing={0: "head", 2: "all"})
    expected = result_of(with_checkpoint(model, None).fit(X, y))
    with monkeypatch.context() as patched:
        patched.setattr(FailsOnce, "failure", OSError("no more paper"))
        with (
            pytest.raises(OSError, match="paper"),
            pytest.warns(CheckpointWarning, match="another part of the network is trained"),
        ):
            with_checkpoint(model, path).fit(X, y)
    assert_same(with_checkpoint(model, path).fit(X, y), expected)


def replacing_its_buffer(input_shape, n_outputs):
    """Return a module that puts another tensor in the place of its buffer in each step."""

    class Replaces(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(36, n_outputs)
            self.register_buffer("mean", torch.zeros(()))

        def forward(self, x):
            if self.training:
                self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
            return self.linear(x.flatten(1) - self.mean)

    return Replaces()


def test_buffers_that_are_replaced_go_back_too(tmp_path, monkeypatch):
    X, y = data()
    path = tmp_path / "fit.ckpt"
    model = tiny(architecture=replacing_its_buffer, callbacks=[FailsOnce])
    expected = result_of(with_checkpoint(model, None).fit(X, y))
    stopped(monkeypatch, with_checkpoint(model, path), 7, X, y, error=OSError)
    with monkeypatch.context() as patched:
        patched.setattr(FailsOnce, "failure", OSError("no more paper"))
        with (
            pytest.raises(OSError, match="paper"),
            pytest.warns(CheckpointWarning, match="before the last epoch is not known"),
        ):
            with_checkpoint(model, path).fit(X, y)
    assert_same(with_checkpoint(model, path).fit(X, y), expected)


def test_callbacks_of_scikit_learn_see_the_remaining_epochs(tmp_path, monkeypatch):
    class Watches:
        def __init__(self):
            self.epochs = []

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                self.epochs.append(context.task_id)
            return self.epochs[-1:] == [4]

    X, y = data()
    first, second = Watches(), Watches()
    net = with_checkpoint(tiny(), tmp_path / "fit.ckpt").set_callbacks(first)
    stopped(monkeypatch, net, 7, X, y)
    assert first.epochs == [0, 1]
    epochs = count_epochs(monkeypatch)
    net = net.set_callbacks(second).fit(X, y)
    assert len(epochs) == 3
    assert second.epochs == [0, 1, 2, 3, 4]  # it remembers what the first one saw
    assert net.n_iter_ == 5


def test_a_fit_that_was_over_is_not_trained_on(tmp_path, monkeypatch):
    X, y = data()
    expected = result_of(with_checkpoint(tiny(), None).fit(X, y))
    net = with_checkpoint(tiny(), tmp_path / "fit.ckpt")
    with monkeypatch.context() as patched:
        patched.setattr(ConvNetClassifier, "_keep", interrupted_once(ConvNetClassifier._keep))
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y)
    assert_same(net, expected)
    assert (tmp_path / "fit.ckpt").exists()
    epochs = count_epochs(monkeypatch)
    assert_same(with_checkpoint(tiny(), tmp_path / "fit.ckpt").fit(X, y), expected)
    assert epochs == []


def interrupted_once(keep):
    calls = []

    def keep_after_interrupt(self, run, before):
        calls.append(None)
        if len(calls) == 1:
            raise KeyboardInterrupt
        keep(self, run, before)

    return keep_after_interrupt


def test_a_training_that_diverges_would_do_so_again_and_leaves_nothing(tmp_path):
    X, y = data()
    net = with_checkpoint(
        tiny(ConvNetRegressor, optimizer="sgd", learning_rate=1e12, normalization=None),
        tmp_path / "fit.ckpt",
    )
    with pytest.raises(TrainingDivergedError):
        net.fit(X, y)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("random_state", [None, 5])
def test_a_drawn_seed_is_that_of_the_file(random_state, tmp_path, monkeypatch):
    def drawn():  # an instance draws another seed in each fit
        return None if random_state is None else np.random.RandomState(random_state)

    numbers = iter([11, 22, 11])
    monkeypatch.setattr(seeds.secrets, "randbits", lambda n_bits: next(numbers))
    X, y = data()
    path = tmp_path / "fit.ckpt"
    state = drawn()
    net = with_checkpoint(tiny(random_state=None), path, random_state=state)
    stopped(monkeypatch, net, 7, X, y)
    again = net.fit(X, y)  # of which the seed is drawn, and not used
    expected = with_checkpoint(tiny(random_state=None), None, random_state=drawn()).fit(X, y)
    assert_same(again, result_of(expected))
    if state is not None:  # two draws, one of each fit
        like = drawn()
        assert [like.randint(2**31 - 1) for _ in range(3)][2] == state.randint(2**31 - 1)


def test_a_module_that_counts_outside_of_its_buffers_has_no_checkpoint(tmp_path, monkeypatch):
    class Counts(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.linear = nn.Linear(36, n_outputs)
            self.n_calls = 0

        def forward(self, x):
            self.n_calls += self.training
            return self.linear(x.flatten(1)) * (1 + self.n_calls)

    X, y = data()
    net = tiny(architecture=lambda shape, n_outputs: Counts(n_outputs))
    expected = result_of(with_checkpoint(net, None).fit(X, y))
    with pytest.warns(CheckpointWarning, match="no parameters and no buffers") as caught:
        stopped(monkeypatch, with_checkpoint(net, tmp_path / "fit.ckpt"), 13, X, y)
    assert len(caught) == 1
    assert [*tmp_path.iterdir()] == []
    with pytest.warns(CheckpointWarning, match="There is none"):
        assert_same(with_checkpoint(net, tmp_path / "fit.ckpt").fit(X, y), expected)


def test_a_module_with_tensors_of_other_kinds_has_no_checkpoint(tmp_path):
    class Sparse(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.linear = nn.Linear(36, n_outputs)
            self.register_buffer("sparse", torch.eye(2).to_sparse(), persistent=False)

        def forward(self, x):
            return self.linear(x.flatten(1))

    net = tiny(architecture=lambda shape, n_outputs: Sparse(n_outputs))
    with pytest.warns(CheckpointWarning, match=r"state\.module\.sparse is a tensor of torch\.spa"):
        fitted = with_checkpoint(net, tmp_path / "fit.ckpt").fit(*data())
    assert_same(fitted, result_of(with_checkpoint(net, None).fit(*data())))


def test_a_callback_that_remembers_an_object_has_no_checkpoint(tmp_path, monkeypatch):
    class Remembers(Callback):
        def __init__(self):
            self.nets = ()

        def on_epoch_end(self, net, **kwargs):
            self.nets = (*self.nets, net.module_)

    net = with_checkpoint(tiny(callbacks=[Remembers()]), tmp_path / "fit.ckpt")
    with pytest.warns(CheckpointWarning, match="Remembers has changed its attribute 'nets'"):
        stopped(monkeypatch, net, 13, *data())
    assert [*tmp_path.iterdir()] == []


def test_a_file_of_the_same_fit_with_other_weights_at_the_beginning(tmp_path, monkeypatch):
    scale = [1.0]

    class Scaled(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.linear = nn.Linear(36, n_outputs)
            with torch.no_grad():
                self.linear.weight *= float(open_scale())

        def forward(self, x):
            return self.linear(x.flatten(1))

    def open_scale():
        return (tmp_path / "scale").read_text()

    (tmp_path / "scale").write_text(str(scale[0]))
    net = with_checkpoint(
        tiny(architecture=lambda shape, n_outputs: Scaled(n_outputs)), tmp_path / "fit.ckpt"
    )
    stopped(monkeypatch, net, 7, *data())
    (tmp_path / "scale").write_text("2")
    with pytest.raises(CheckpointError, match="the weights at its beginning were others"):
        net.fit(*data())
    assert (tmp_path / "fit.ckpt").exists()


def test_another_environment_warns(tmp_path, monkeypatch):
    net = with_checkpoint(tiny(), tmp_path / "fit.ckpt")
    stopped(monkeypatch, net, 7, *data())
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "ABACUS")
    message = "processor was [A-Z0-9]+, is now ABACUS. Its result may differ by rounding"
    with pytest.warns(CheckpointWarning, match=message):
        net.fit(*data())


def test_warm_starts_and_partial_fits_do_not_use_it(tmp_path):
    X, y = data()
    net = with_checkpoint(tiny(warm_start=True), tmp_path / "fit.ckpt").fit(X, y)
    with pytest.raises(ValueError, match="'checkpoint' parameter must be None in a fit that conti"):
        net.fit(X, y)
    net.partial_fit(X, y)
    assert net.n_iter_ == N_EPOCHS + 1
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", r"must be None or the path of a file in a folder that exists\. Got ''"),
        ("nowhere/fit.ckpt", r"Got '.*nowhere/fit\.ckpt': there is no .*nowhere\."),
        (".", "which is no file"),
        ("/dev/null", "which is no file"),
    ],
)
def test_wrong_paths_are_errors_before_anything_is_read(path, message, tmp_path):
    place = path if path in ("", "/dev/null") else f"{tmp_path}/{path}"
    with pytest.raises(CheckpointError, match=message):
        tiny(checkpoint=place).fit("no samples", None)


def test_folders_that_cannot_be_written_into(tmp_path, monkeypatch):
    X, y = data()
    (tmp_path / ".fit.ckpt.skcnn-lock").mkdir()
    epochs = count_epochs(monkeypatch)
    with pytest.raises(CheckpointError, match=r"'.*fit\.ckpt' cannot be written: .*directory"):
        tiny(checkpoint=tmp_path / "fit.ckpt").fit(X, y)
    assert not epochs


def test_legal_values():
    for bad in (5, b"bytes"):
        with pytest.raises(ValueError, match="'checkpoint' parameter"):
            tiny(checkpoint=bad).fit(*data())
    with pytest.raises(ValueError, match="'checkpoint_seconds' parameter"):
        tiny(checkpoint_seconds=-1).fit(*data())


def test_the_cost_is_nothing_without_it(monkeypatch):
    monkeypatch.delattr("skcnn._convnet.resuming.opening.fingerprint")
    monkeypatch.delattr("skcnn._training.fit_run.TrainingState")
    tiny().fit(*data())
    clone(ConvNetClassifier())


class LowersRate(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.gradient_clip = 0.9 * (net.gradient_clip or 1.0)


class LowersDropout(Callback):
    def on_epoch_end(self, net, **kwargs):
        for part in net.module_.modules():
            if isinstance(part, nn.Dropout):
                part.p *= 0.9


class HoldsWeights(Callback):
    def on_train_begin(self, net, **kwargs):
        self.weights = [*net.module_.parameters()]


class HoldsView(Callback):
    def on_train_begin(self, net, **kwargs):
        self.row = next(net.module_.parameters()).detach().cpu().numpy()[0]


class HoldsTwice(Callback):
    def on_train_begin(self, net, **kwargs):
        self.first = {"a": torch.zeros(3)}
        self.second = self.first["a"][1:]


class CountsInPrivate(nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.linear, self._n_calls = nn.Linear(36, n_outputs), 0
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        self._n_calls += self.training and counts
        return self.linear(self.dropout(x.flatten(1)))


counts = False


@pytest.mark.parametrize(
    "callback",
    [
        LowersRate,
        LowersDropout,
        HoldsWeights,
        pytest.param(HoldsView, marks=pytest.mark.cpu),  # a copy elsewhere
        HoldsTwice,
        None,
    ],
)
def test_what_no_file_keeps_warns_and_writes_none(callback, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "counts", callback is None)
    net = tiny(
        architecture=lambda shape, n_outputs: CountsInPrivate(n_outputs),
        callbacks=None if callback is None else [callback],
    )
    with pytest.warns(
        CheckpointWarning, match="(has changed|shares memory).*There is none"
    ) as all_:
        stopped(monkeypatch, with_checkpoint(net, tmp_path / "fit.ckpt"), 13, *data())
    assert len(all_) == 1
    assert [*tmp_path.iterdir()] == []
