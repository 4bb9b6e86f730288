"""Training a part of a network: what stays as it is, and what the rest learns."""

import pickle
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from skorch.callbacks import Callback
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.samples import SampleSet, canonical_order
from skcnn._data.validation import check_images
from skcnn._network import frozen_features
from skcnn._network.prediction import Predictor
from skcnn._network.split import as_feature_rows, frozen_prefix_length, prefix_network
from skcnn._network.trained_part import PartSchedule
from skcnn._training import engine as engine_module
from skcnn._training.batches import BatchIterator
from skcnn._utils.random_state import derive_seeds
from skcnn.augmentation import RandomFlip
from skcnn.layers import Activation, Conv, Dropout, GlobalPool, Normalize, Pool, Residual
from tests.helpers.device import on_cpu
from tests.helpers.small_fits import WatchBatches, data, tiny
from tests.helpers.weights import assert_same_weights, same_weights, weights_of

X, y = data(8, 8)
LAYERS = [
    Conv(3, bias=False),
    Normalize(),
    Activation("relu"),
    Pool(2),
    Residual([Conv(3, bias=False), Normalize(), Dropout(0.5)]),
    Conv(4, stride=2, bias=False),  # a bias before normalisation learns from rounding alone
    Normalize(),
    Activation("relu"),
    GlobalPool(),
]
FROZEN = {  # the first layers that are frozen
    "head": 9, "last_block": 5, 1: 5, 2: 4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("trainable", "n_done", "n_now", "expected"),
    [
        ({0: "head", 6: "all"}, 2, 6, {0: "head", 4: "all"}),
        ({0: "head", 2: "all"}, 2, 6, {0: "head", 2: "all"}),
        ({0: "head", 9: "all"}, 2, 4, {0: "head", 3: "all"}),  # before the last epoch
        ({0: "head", 3: "all"}, 2, 4, {0: "head", 2: "all"}),  # in the next one
        ({0: "head", 5: 1, 6: 2, 8: "all"}, 2, 4, {0: "head", 3: "all"}),
        ({0: "head", 10: 1, 12: "all"}, 2, 6, {0: "head", 10: 1, 12: "all"}),  # of later fits
    ],
)
def test_changes_keep_their_shares_of_a_shorter_plan(trainable, n_done, n_now, expected):
    schedule = PartSchedule(None, trainable, 0.5).shortened(n_done, 10, n_now)
    assert (schedule.trainable, schedule.rate_decay) == (expected, 0.5)


class Start(Callback):
    """Keeps the network before the first epoch."""

    def on_train_begin(self, net, **kwargs):
        self.module = on_cpu(net.module_)

    @property
    def weights(self):
        return self.module.state_dict()


def net(cls=ConvNetClassifier, **params):
    return tiny(cls, **{"architecture": LAYERS, "learning_rate": 0.05, **params})


def frozen_part(model, k):
    """Return the names of parameters and statistics of the first `k` layers."""
    names = [row.name for row in model._rows[:k]]
    return {n for n in weights_of(model) if n.startswith(("standardize", *(f"layers.{m}." for m in names)))}  # fmt: skip


@pytest.mark.parametrize("through", [False, True], ids=["features", "augmented"])
@pytest.mark.parametrize(("trainable", "k"), FROZEN.items())
def test_frozen_layers_stay_bit_for_bit(trainable, k, through):
    start = Start()
    augmentation = [RandomFlip()] if through else None
    model = net(trainable=trainable, augmentation=augmentation, callbacks=[start], l1_penalty=0.1,
                weight_decay=0.1, standardize=False).fit(X, y)  # fmt: skip
    before, after = start.weights, weights_of(model)
    frozen = frozen_part(model, k)
    assert frozen
    for name, value in after.items():
        assert torch.equal(value, before[name]) == (name in frozen), name
    assert not model.net_.module_.training


def network_of(callback, model, k):
    return prefix_network(callback.module.eval(), model._rows, k)


@pytest.mark.cpu
def test_the_head_learns_from_the_features_as_by_hand():
    start = Start()
    model = net(
        trainable="head", callbacks=[start], optimizer="sgd", momentum=0.0, weight_decay=0.0,
        lr_schedule="constant", learning_rate=0.5, batch_size=16,
    ).fit(X, y)  # fmt: skip
    images = check_images(model, X)
    index, _ = canonical_order(images, y, None)
    prefix = network_of(start, model, 9)
    shape = images.layout.network_shape
    features = Predictor(prefix, shape, torch.device("cpu")).outputs(images, finish=as_feature_rows)
    head = start.module.layers[-1]
    generator = torch.Generator().manual_seed(derive_seeds(0, 0, 5)[2])
    samples = SampleSet(images, index, y[index], None)
    batches = BatchIterator(samples, 16, torch.device("cpu"), generator)
    batches.images = images.__class__(features.clone(), model.net_.module_ and _flat(4))
    for _ in range(3):
        for inputs, (targets, _) in batches:
            head.zero_grad()
            F.cross_entropy(head(inputs), targets).backward()
            with torch.no_grad():
                for p in head.parameters():
                    p -= 0.5 * p.grad
    got = on_cpu(model.net_.module_.output_layer)
    assert torch.equal(got.weight, head.weight)
    assert torch.equal(got.bias, head.bias)


def _flat(n):
    from skcnn._data.layouts import InputLayout

    return InputLayout((n,), "last")


@pytest.mark.parametrize("trainable", ["head", "last_block", 2])
@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"optimizer": "muon"}, {"optimizer": "sgd"}], ids=str
)
def test_training_through_the_network_gives_nearly_the_same(trainable, params, monkeypatch):
    kept = net(trainable=trainable, **params).fit(X, y)
    monkeypatch.setattr(frozen_features, "MOST_BYTES", 0)
    through = net(trainable=trainable, **params).fit(X, y)
    assert_same_weights(kept, through, rtol=1e-3, atol=1e-5)
    figures = ["train_loss", "valid_loss", "valid_score"]
    np.testing.assert_allclose(kept.history_[figures], through.history_[figures], rtol=1e-4)


def test_features_are_computed_once(monkeypatch):
    seen = []
    computed = frozen_features.FrozenFeatures._computed

    def counted(self, images):
        seen.append(len(images))
        return computed(self, images)

    monkeypatch.setattr(frozen_features.FrozenFeatures, "_computed", counted)
    net(trainable="head", max_epochs=5).fit(X, y, X_val=X[:7], y_val=y[:7])
    assert seen == [40, 7]
    seen.clear()
    net(trainable="head", augmentation=[RandomFlip()]).fit(X, y, X_val=X[:7], y_val=y[:7])
    assert seen == [7]
    seen.clear()
    net(trainable="all", unfreezing={0: "head", 2: "last_block"}).fit(X, y)
    assert seen == [40, 40]


@pytest.mark.parametrize("samples", [data(16), data(4, 4, 4)], ids=["signals", "volumes"])
def test_signals_and_volumes(samples, monkeypatch):
    inputs, targets = samples
    layers = [Conv(3), Normalize(), Pool(2), Conv(3), Pool(2)]
    how = {"architecture": layers, "n_spatial_dims": inputs.ndim - 1, "trainable": "last_block"}
    kept = net(**how).fit(inputs, targets)
    monkeypatch.setattr(frozen_features, "MOST_BYTES", 0)
    assert_same_weights(kept, net(**how).fit(inputs, targets), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("decay", [0.5, 0.1])
def test_each_block_learns_at_its_rate(decay):
    start = Start()
    layers = [layer for layer in LAYERS if not isinstance(layer, Residual)]
    model = net(
        architecture=layers, learning_rate_decay=decay, callbacks=[start], optimizer="sgd",
        momentum=0.0, weight_decay=0.0, lr_schedule="constant", learning_rate=0.1,
        batch_size=None, max_epochs=1,
    ).fit(X, y)  # fmt: skip
    network = start.module.train()
    inputs = torch.from_numpy(X.astype(np.float32)).unsqueeze(1)
    F.cross_entropy(network(inputs), torch.from_numpy(y)).backward()
    depth = {"conv_1": 2, "normalize_1": 2, "conv_2": 1, "normalize_2": 1, "output": 0}
    after = weights_of(model)
    for name, p in network.named_parameters():
        rate = 0.1 * decay ** depth[name.split(".")[1]]
        torch.testing.assert_close(after[name], p.detach() - rate * p.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "muon", "rmsprop", "adagrad"])
def test_all_optimizers_have_the_rates_of_the_blocks(optimizer):
    model = net(optimizer=optimizer, learning_rate_decay=0.5, lr_schedule="constant").fit(X, y)
    rates = {
        id(p): group["lr"] for group in model.net_.optimizer_.param_groups for p in group["params"]
    }
    depth = {"conv_1": 3, "normalize_1": 3, "residual_1": 2, "conv_2": 1, "normalize_2": 1}
    for name, p in model.net_.module_.named_parameters():
        expected = 0.05 * 0.5 ** depth.get(name.split(".")[1], 0)
        assert rates[id(p)] == pytest.approx(expected), name
    assert model.history_["learning_rate"].iloc[-1] == 0.05


def test_a_decay_of_one_is_the_same_bits():
    assert_same_weights(net().fit(X, y), net(learning_rate_decay=1).fit(X, y))
    assert not same_weights(net().fit(X, y), net(learning_rate_decay=0.999).fit(X, y))


def test_unfreezing_is_a_schedule_that_can_be_read():
    schedule = {0: "head", 1: 1, 3: "all"}
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append({n.split(".")[1] for n, p in net.module_.named_parameters() if p.requires_grad})  # fmt: skip

    model = net(unfreezing=schedule, max_epochs=5, callbacks=[Watch()]).fit(X, y)
    block = {"output", "conv_2", "normalize_2"}
    every = {*block, "conv_1", "normalize_1", "residual_1"}
    assert seen == [{"output"}, block, block, every, every]
    assert model.unfreezing_ == schedule
    assert net(trainable="head").fit(X, y).unfreezing_ == {0: "head"}
    assert net().fit(X, y).unfreezing_ == {0: "all"}
    assert net(trainable="head", unfreezing={2: "all", 7: "head"}).fit(X, y).unfreezing_ == {
        0: "head",
        2: "all",
    }


def test_automatic_unfreezing_begins_with_the_head():
    auto = net(unfreezing="auto", max_epochs=10).fit(X, y)
    assert auto.unfreezing_ == {0: "head", 2: "all"}
    assert_same_weights(auto, net(unfreezing={0: "head", 2: "all"}, max_epochs=10).fit(X, y))
    assert net(unfreezing="auto", max_epochs=2).fit(X, y).unfreezing_ == {0: "all"}
    model = net(unfreezing="auto", trainable=1, max_epochs=5, warm_start=True).fit(X, y)
    assert model.unfreezing_ == {0: "head", 1: 1}
    assert model.fit(X, y).unfreezing_ == {0: "head", 1: 1}


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_a_schedule_equals_two_fits_of_a_warm_start(optimizer):
    # the order of the samples in a full batch changes rounding only
    how = {"optimizer": optimizer, "lr_schedule": "constant", "batch_size": None, "learning_rate": 0.01,
           "architecture": [layer for layer in LAYERS if not isinstance(layer, Residual)]}  # fmt: skip
    one = net(unfreezing={0: "last_block", 3: "all"}, max_epochs=6, **how).fit(X, y)
    two = net(trainable="last_block", max_epochs=3, warm_start=True, **how).fit(X, y)
    two.set_params(trainable="all").fit(X, y)
    assert two.unfreezing_ == one.unfreezing_ == {0: "last_block", 3: "all"}
    assert_same_weights(one, two, rtol=1e-3, atol=1e-5)
    parts = net(trainable="last_block", max_epochs=6, **how)
    for _ in range(6):
        parts.set_params(trainable="all" if getattr(parts, "n_iter_", 0) >= 3 else "last_block")
        parts.partial_fit(X, y, classes=[0, 1])
    assert_same_weights(one, parts, rtol=1e-3, atol=1e-5)


def test_going_back_to_the_head_freezes_the_others_again():
    model = net(warm_start=True, gradient_clip=1.0).fit(X, y)
    before = weights_of(model)
    model.set_params(trainable="head").fit(X, y)
    after = weights_of(model)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"layers.output.weight", "layers.output.bias"}
    assert model.unfreezing_ == {0: "all", 3: "head"}
    assert all(p.grad is None for p in model.net_.module_.layers.conv_1.parameters())


def test_stale_gradients_do_not_count_in_the_norm():
    whole = net(warm_start=True, max_epochs=1).fit(X, y)
    other = pickle.loads(pickle.dumps(whole))  # has no gradients
    for model in (whole, other):
        model.set_params(trainable="head", gradient_clip=1e-3).fit(X, y)
    assert_same_weights(whole, other)


def test_a_pickled_network_continues_with_the_same_bits():
    model = net(trainable="last_block", learning_rate_decay=0.5, warm_start=True).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.net_.part is None
    assert_same_weights(model.fit(X, y), loaded.fit(X, y))
    for each in (model, loaded):
        each.set_params(trainable="all").fit(X, y)
    assert_same_weights(model, loaded)
    assert all(p.requires_grad for p in loaded.net_.module_.parameters())


@pytest.mark.parametrize("trainable", ["head", "last_block"])
def test_the_stock_loop_gives_the_same_bits(trainable):
    watch = WatchBatches()
    how = {"trainable": trainable, "learning_rate_decay": 0.5, "early_stopping": True}
    assert_same_weights(net(**how).fit(X, y), net(callbacks=[watch], **how).fit(X, y))
    assert watch.sizes


def test_weights_mean_repetition():
    weights = np.random.default_rng(1).integers(1, 3, len(X))
    how = {"trainable": "head", "batch_size": None}
    weighted = net(**how).fit(X, y, sample_weight=weights)
    assert_same_weights(weighted, net(**how).fit(np.repeat(X, weights, 0), np.repeat(y, weights)))


def test_early_stopping_restores_the_best_weights():
    model = net(
        trainable="all", unfreezing={0: "head", 2: "all"}, max_epochs=8, learning_rate=0.5,
    ).set_params(early_stopping=True, n_iter_no_change=8)  # fmt: skip
    model.fit(X, y, X_val=X[:20], y_val=y[:20])
    best = model.history_.loc[model.best_epoch_]
    assert model.score(X[:20], y[:20]) == pytest.approx(best["valid_score"])


STILL = {"learning_rate": 1e-30, "weight_decay": 0.0, "early_stopping": True}


@pytest.mark.parametrize(
    ("unfreezing", "n_run"),
    [
        (None, 3),
        ({5: "all"}, 7),  # two epochs without a gain after the change
        ({2: "last_block", 4: "all"}, 6),
        ({2: "all", 4: "head"}, 6),
        ({5: "head"}, 3),  # no change
        ({12: "all"}, 3),  # never comes
        ("auto", 3),  # of 12 epochs the head alone is trained in 2, and all are "head" then
    ],
    ids=str,
)
def test_early_stopping_waits_for_the_last_part(unfreezing, n_run):
    model = net(trainable="head", unfreezing=unfreezing, max_epochs=12, n_iter_no_change=2)
    model.set_params(**STILL).fit(X, y)
    assert model.n_iter_ == n_run
    assert model.best_epoch_ <= model.n_iter_


def test_early_stopping_of_a_later_call_waits_for_its_own_epochs():
    model = net(trainable="head", unfreezing={9: "all"}, max_epochs=5, n_iter_no_change=1)
    model.set_params(**STILL, warm_start=True).fit(X, y)
    assert model.n_iter_ == 2  # the change is not in the five epochs of this call
    model.set_params(max_epochs=12).fit(X, y)
    assert model.unfreezing_ == {0: "head", 9: "all"}
    assert model.n_iter_ == 10


class Interrupt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def test_after_an_interrupt_the_finished_epochs_are_kept():
    schedule = {0: "head", 2: "all"}
    interrupt = Interrupt(3)
    model = net(unfreezing=schedule, callbacks=[interrupt], max_epochs=5, lr_schedule="constant")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 2
    assert model.unfreezing_ == {0: "head"}
    expected = net(trainable="head", max_epochs=2, lr_schedule="constant").fit(X, y)
    assert_same_weights(model, expected)
    interrupt.epoch = -1
    model.set_params(warm_start=True, unfreezing=None).fit(X, y)
    assert model.unfreezing_ == {0: "head", 2: "all"}


class Copies:
    """A scikit-learn callback that predicts with the network of each epoch."""

    def __init__(self):
        self.probabilities = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "epoch":
            assert fitted_estimator.net_.part is None
            self.probabilities.append(fitted_estimator.predict_proba(X))


def test_callbacks_predict_with_the_whole_network():
    copies = Copies()
    model = net(trainable="head", max_epochs=3, lr_schedule="constant").set_callbacks(copies)
    model.fit(X, y)
    np.testing.assert_array_equal(copies.probabilities[2], model.predict_proba(X))
    earlier = net(trainable="head", max_epochs=2, lr_schedule="constant").fit(X, y)
    np.testing.assert_array_equal(copies.probabilities[1], earlier.predict_proba(X))


def test_predictions_within_an_epoch_change_no_mode():
    class Predict(Callback):
        def on_batch_end(self, net, **kwargs):
            net.outputs(check_images(plain, X))

    plain = net(architecture=module).fit(X, y)
    how = {"architecture": module, "trainable": "head", "augmentation": [RandomFlip()]}
    start = Start()
    watched = net(**how, callbacks=[Predict(), start]).fit(X, y)
    assert_same_weights(watched, net(**how).fit(X, y))
    before, after = start.weights, weights_of(watched)
    assert torch.equal(before["module.1.running_mean"], after["module.1.running_mean"])


@pytest.mark.real_device
def test_regressor_and_test_time_augmentation():
    model = net(ConvNetRegressor, trainable="head", test_time_augmentation="flip")
    model.fit(X, X.mean((1, 2)))
    assert model.unfreezing_ == {0: "head"}
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.real_device
def test_bfloat16_runs_in_the_trained_layers_alone(monkeypatch):
    low = net(trainable="last_block", precision="bfloat16").fit(X, y)
    monkeypatch.setattr(frozen_features, "MOST_BYTES", 0)
    through = net(trainable="last_block", precision="bfloat16").fit(X, y)
    exact = net(trainable="last_block").fit(X, y)
    assert not same_weights(low, exact)
    for model in (low, through):
        np.testing.assert_allclose(
            model.history_["train_loss"], exact.history_["train_loss"], rtol=0.05
        )


def test_a_part_is_not_trained_together_with_other_networks(monkeypatch):
    class Thread:
        trains_jointly = True

        def ask(self, request):
            raise RuntimeError("asked")

    monkeypatch.setattr(engine_module, "current_worker_thread", Thread)
    net(trainable="head").fit(X, y)
    with pytest.raises(RuntimeError, match="asked"):
        net(learning_rate_decay=0.5).fit(X, y)


def test_parameters_are_counted_with_the_frozen_ones():
    whole, head = net().fit(X, y), net(trainable="head").fit(X, y)
    assert whole.n_parameters_ == head.n_parameters_ == head.summary()["parameters"].sum()
    assert sum(p.numel() for p in head.net_.module_.parameters() if p.requires_grad) == 10


def module(shape, n_outputs):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(16, n_outputs),
    )  # fmt: skip


class SkipsHead(nn.Module):
    """Goes on after its last linear layer."""

    def __init__(self, n_outputs):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
        self.head = nn.Linear(144, n_outputs)

    def forward(self, x):
        return 2 * self.head(self.body(x))


@pytest.mark.parametrize(
    ("make", "n_computed"), [(module, 40), (lambda s, n: SkipsHead(n), 0)], ids=["last", "not last"]
)
@pytest.mark.parametrize("augmentation", [None, [RandomFlip()]], ids=["features", "augmented"])
def test_the_head_of_a_module_is_its_last_linear_layer(make, n_computed, augmentation, monkeypatch):
    seen = []
    read_from = BatchIterator.read_from

    def watched(self, samples):
        seen.append(samples.images.layout.n_values)
        read_from(self, samples)

    monkeypatch.setattr(BatchIterator, "read_from", watched)
    start = Start()
    model = net(architecture=make, trainable="head", callbacks=[start], augmentation=augmentation)
    model.fit(X, y, X_val=X[:9], y_val=y[:9])
    assert seen == ([64, 16] if n_computed and augmentation is None else [64])
    before, after = start.weights, weights_of(model)
    last = [*before][-2:]
    assert {n for n in after if not torch.equal(before[n], after[n])} == set(last)
    monkeypatch.setattr(frozen_features, "MOST_BYTES", 0)
    through = net(architecture=make, trainable="head", augmentation=augmentation)
    through.fit(X, y, X_val=X[:9], y_val=y[:9])
    assert_same_weights(model, through, rtol=1e-4, atol=1e-6)
    columns = ["train_loss", "valid_loss"]
    np.testing.assert_allclose(model.history_[columns], through.history_[columns], rtol=1e-4)


def test_frozen_parameters_of_a_module_stay_frozen():
    def partly(shape, n_outputs):
        network = module(shape, n_outputs)
        network[0].requires_grad_(False)
        return network

    model = net(architecture=partly, unfreezing={0: "head", 1: "all"}, warm_start=True).fit(X, y)
    assert [p.requires_grad for p in model.net_.module_.parameters()] == [False] * 2 + [True] * 4
    assert model.n_parameters_ == 8 + 16 * 2 + 2
    model.set_params(trainable="head", unfreezing=None).fit(X, y)
    assert model.n_parameters_ == 8 + 16 * 2 + 2


def test_prefix_lengths_are_those_of_the_test():
    rows = net()._trace((1, 8, 8), 2)
    assert {t: frozen_prefix_length(rows, t) for t in FROZEN} == FROZEN


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore:The .grad attribute:UserWarning",  # inside torch, hidden unless it is an error
)
def test_a_compiled_part_gives_nearly_the_same():
    layers = [Conv(3, activation="relu"), Pool(2), Conv(4, activation="relu"), GlobalPool()]
    how = {"unfreezing": {0: "head", 1: "last_block"}, "architecture": layers}
    compiled = net(compile=True, **how).fit(X, y)
    assert_same_weights(net(**how).fit(X, y), compiled, rtol=1e-3, atol=1e-4)
    assert pickle.loads(pickle.dumps(compiled)).predict(X).shape == (40,)
