"""Device and precision by name, threads (also after a fork), random states and seeds."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.naive_bayes import GaussianNB
from skorch.callbacks import Callback
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._utils.device import (
    BFLOAT16_MACS,
    ONE_THREAD_MACS,
    PREDICT_CHUNK_ACCELERATOR,
    bfloat16_agrees,
    predict_chunk,
    resolve_device,
    resolve_precision,
    torch_threads,
)
from skcnn._utils.random_state import derive_seeds, draw_seed, private_random_state
from skcnn.augmentation import Augmented, RandomNoise, RandomTranslation

CPU = torch.device("cpu")
LARGE = 10**12
FORK_TIMEOUT = 20  # seconds; the child needs 0.1
MEETING = 0.3  # seconds that a thread waits for another


@pytest.fixture(autouse=True)
def global_states():
    """Put the global random states back."""
    of_torch, of_numpy = torch.get_rng_state(), np.random.get_state()
    yield
    torch.set_rng_state(of_torch)
    np.random.set_state(of_numpy)


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


# Devices


@pytest.mark.usefixtures("no_accelerator")
def test_auto_is_the_cpu_without_accelerator():
    assert resolve_device("auto") == CPU


def test_cpu_is_the_cpu():
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_prefers_cuda_then_mps(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("name", ["gpu", "CPU", "", "cuda:one", "tpu0"])
def test_unknown_device_is_named(name):
    with pytest.raises(ValueError, match=rf"must be 'auto', 'cpu', 'cuda'.* Got '{name}'"):
        resolve_device(name)


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3", "mps", "meta", "xpu"])
def test_missing_device_is_named(name):
    with pytest.raises(ValueError, match=rf"'device' parameter is '{name}', but .*device='cpu'"):
        resolve_device(name)


@pytest.mark.parametrize(("name", "there"), [("cuda", True), ("cuda:1", True), ("cuda:2", False)])
def test_numbered_device_must_exist(monkeypatch, name, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if there:
        assert resolve_device(name) == torch.device(name)
    else:
        with pytest.raises(ValueError, match="'cuda:2'"):
            resolve_device(name)


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize(("name", "match"), [("gpu", "Got 'gpu'"), ("cuda", "no such device")])
def test_estimator_names_a_wrong_device(name, match):
    model = ConvNetClassifier(device=name, max_epochs=1)
    with pytest.raises(ValueError, match=match):
        model.fit(np.eye(4), [0, 1, 0, 1])


def test_chunk_is_small_on_the_cpu_and_large_elsewhere():
    assert predict_chunk(CPU) == 32
    assert predict_chunk(torch.device("cuda")) == PREDICT_CHUNK_ACCELERATOR


# Precision


@pytest.mark.parametrize(
    ("precision", "macs", "native", "expected"),
    [
        ("float32", LARGE, True, None),
        ("float32", 0, False, None),
        ("bfloat16", 0, False, torch.bfloat16),
        ("bfloat16", LARGE, True, torch.bfloat16),
        ("auto", LARGE, True, torch.bfloat16),
        ("auto", BFLOAT16_MACS, True, torch.bfloat16),
        ("auto", BFLOAT16_MACS - 1, True, None),
        ("auto", LARGE, False, None),
        ("auto", 0, False, None),
    ],
)
def test_precision_table(monkeypatch, precision, macs, native, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert resolve_precision(precision, CPU, macs) is expected


def test_auto_precision_is_float32_where_torch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert resolve_precision("auto", CPU, LARGE) is None


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((7, 5), None), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_auto_precision_on_cuda_asks_the_capability(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr("skcnn._utils.device.bfloat16_agrees", lambda device: True)
    assert resolve_precision("auto", torch.device("cuda"), LARGE) is expected


def test_bfloat16_agrees_with_float32_here_without_moving_random_state():
    state = torch.get_rng_state()
    assert bfloat16_agrees.__wrapped__(CPU)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("wrong", [float("nan"), 0.0, 2.0])
def test_auto_precision_is_float32_where_bfloat16_kernels_are_wrong(monkeypatch, wrong):
    def gradients(images, weights, device, low):
        return tuple(w * wrong if low else w for w in weights)

    monkeypatch.setattr("skcnn._utils.device._small_gradients", gradients)
    assert not bfloat16_agrees.__wrapped__(CPU)
    monkeypatch.setattr("skcnn._utils.device._multiplies_bfloat16", lambda device: True)
    monkeypatch.setattr("skcnn._utils.device.bfloat16_agrees", bfloat16_agrees.__wrapped__)
    assert resolve_precision("auto", CPU, LARGE) is None
    assert resolve_precision("bfloat16", CPU, LARGE) is torch.bfloat16


def test_auto_precision_on_mps_is_float32():
    assert resolve_precision("auto", torch.device("mps"), LARGE) is None


@pytest.mark.parametrize("depth", [1, 2])
def test_volumes_of_small_depth_train_on_the_cpu(monkeypatch, depth):
    # torch's bfloat16 convolutions over volumes give NaN there
    monkeypatch.setattr("skcnn._utils.device._multiplies_bfloat16", lambda device: True)
    assert resolve_precision("auto", CPU, LARGE, n_axes=3) is None
    X = np.random.default_rng(0).normal(size=(400, depth, 8, 8, 1))
    model = ConvNetClassifier(max_epochs=1, random_state=0).fit(X, np.arange(400) % 2)
    assert np.isfinite(model.history_["train_loss"]).all()


# Threads


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("n_threads", "macs", "inside"),
    [
        (1, LARGE, 1),
        (2, 0, 2),
        (3, 0, 3),
        (None, 0, 1),
        (None, ONE_THREAD_MACS - 1, 1),
        (None, ONE_THREAD_MACS, 2),
        (None, LARGE, 2),
    ],
)
def test_threads_are_set_inside_and_restored(n_threads, macs, inside):
    with torch_threads(n_threads, macs):
        assert torch.get_num_threads() == inside
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_threads_are_restored_after_an_exception(error):
    with pytest.raises(error), torch_threads(1, 0):
        raise error
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_threads_nest():
    with torch_threads(1, 0):
        with torch_threads(2, 0):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1


def convolve():
    """Run a convolution large enough for two threads, and its gradient."""
    x = torch.ones(32, 8, 32, 32)
    w = torch.ones(16, 8, 3, 3, requires_grad=True)
    F.conv2d(x, w).sum().backward()
    return bool(torch.isfinite(w.grad).all())


def exit_code_of_child(work, timeout=FORK_TIMEOUT):
    """Run `work` in a forked child; return its exit code, None after `timeout` seconds."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
fork_warns = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@forks
@fork_warns
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_forked_child_computes_with_one_thread(n_threads):
    convolve()  # torch's pool of threads exists in the parent and not in the child

    def work():
        with torch_threads(n_threads, LARGE):
            return torch.get_num_threads() == 1 and convolve()

    assert exit_code_of_child(work) == 0


LARGE_X = np.random.default_rng(0).random((600, 1024), dtype=np.float32)
LARGE_Y = np.arange(600) % 2
FORKED_WORK = {
    "fit": lambda: ConvNetClassifier(filters=2, hidden_units=(), max_epochs=1).fit(
        LARGE_X, LARGE_Y
    ),
    "draw": lambda: RandomTranslation(0.1).fit_transform(LARGE_X).to_numpy(),
    "Augmented": lambda: Augmented(GaussianNB(), [RandomNoise()]).fit(LARGE_X, LARGE_Y),
}


@forks
@fork_warns
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", [*FORKED_WORK, "predict"])
def test_forked_child_does_not_wait_for_the_parents_threads(name):
    model = ConvNetClassifier(filters=2, hidden_units=(), max_epochs=1).fit(LARGE_X, LARGE_Y)
    work = FORKED_WORK.get(name, lambda: model.predict(LARGE_X))
    torch.rand(2**20).exp()  # torch's pool of threads exists in the parent
    assert exit_code_of_child(lambda: work() is not None) == 0


# Random state


def test_private_state_leaves_the_global_one_untouched():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with private_random_state(0, CPU):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.equal(inside, expected)


def test_private_state_is_restored_after_an_exception():
    def interrupted():
        with private_random_state(0, CPU):
            torch.rand(3)
            raise KeyboardInterrupt

    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**63 - 1])
def test_private_state_depends_on_the_seed_alone(seed):
    drawn = []
    for outside in (0, 1):
        torch.manual_seed(outside)
        with private_random_state(seed, CPU):
            drawn.append(torch.rand(5))
    assert torch.equal(*drawn)


# Seeds


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, np.int64(7)])
def test_integer_is_its_own_seed(seed):
    assert draw_seed(seed) == int(seed)
    assert type(draw_seed(seed)) is int


def test_random_state_is_drawn_from():
    state = np.random.RandomState(3)
    drawn = [draw_seed(state), draw_seed(state)]
    assert drawn[0] != drawn[1]
    again = np.random.RandomState(3)
    assert drawn == [draw_seed(again), draw_seed(again)]


def test_none_differs_and_leaves_numpys_global_state_alone():
    drawn = []
    for _ in range(2):
        np.random.seed(0)
        before = np.random.get_state()[1].copy()
        drawn.append(draw_seed(None))
        np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert drawn[0] != drawn[1]


def test_derived_seeds_are_distinct_and_reproducible():
    seeds = {
        (seed, before): derive_seeds(seed, before, 4) for seed in range(5) for before in range(5)
    }
    flat = [s for each in seeds.values() for s in each]
    assert len(set(flat)) == len(flat) == 100
    assert all(0 <= s < 2**63 for s in flat)
    assert derive_seeds(3, 2, 4) == seeds[3, 2]


def test_fewer_derived_seeds_are_the_first_of_more():
    assert derive_seeds(1, 2, 3) == derive_seeds(1, 2, 4)[:3]


def test_derived_seeds_take_a_seed_of_63_bits():
    assert derive_seeds(2**63 - 1, 0, 1) != derive_seeds(2**63 - 2, 0, 1)


# Threads of Python, as in joblib's threading backend


class MeetAtEveryEpoch(Callback):
    """Lets two trainings run side by side for certain."""

    def __init__(self, barrier):
        self.barrier = barrier

    def on_epoch_begin(self, net, **kwargs):
        with suppress(threading.BrokenBarrierError):  # they may also take turns
            self.barrier.wait(MEETING)


def run_together(*works):
    """Run all `works` at once; return what they return."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def net_with_torchs_dropout(input_shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(input_shape[-1], n_outputs))


@pytest.mark.parametrize(
    "params",
    [{"dropout": 0.0}, {"dropout": 0.5}, {"architecture": net_with_torchs_dropout}],
    ids=["no dropout", "dropout", "torch's dropout"],
)
def test_trainings_in_two_threads_give_the_bits_of_one_alone(params):
    X, y = np.random.default_rng(0).random((32, 6)), np.arange(32) % 2

    def fit(barrier):
        model = ConvNetClassifier(
            filters=(2,), max_epochs=3, random_state=0, device="cpu", **params,
            callbacks=[MeetAtEveryEpoch(barrier)],
        )  # fmt: skip
        return model.fit(X, y).predict_proba(X)

    alone = fit(threading.Barrier(1))
    barrier = threading.Barrier(2)
    for got in run_together(lambda: fit(barrier), lambda: fit(barrier)):
        np.testing.assert_array_equal(got, alone)


def test_private_states_of_two_threads_leave_the_global_one_untouched():
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def first():
        with private_random_state(1, CPU):
            first_is_in.set()
            second_is_in.wait(MEETING)
        first_is_out.set()

    def second():
        first_is_in.wait(MEETING)
        with private_random_state(2, CPU):
            second_is_in.set()
            first_is_out.wait(MEETING)

    torch.manual_seed(3)
    before = torch.get_rng_state()
    run_together(first, second)
    assert torch.equal(torch.get_rng_state(), before)


@forks
@fork_warns
def test_private_state_of_a_thread_does_not_block_a_forked_child():
    inside, done = threading.Event(), threading.Event()

    def hold():
        with private_random_state(1, CPU):
            inside.set()
            done.wait(FORK_TIMEOUT)

    def work():
        with private_random_state(2, CPU):
            return bool(torch.isfinite(torch.rand(3)).all())

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(FORK_TIMEOUT)
    try:
        assert exit_code_of_child(work, timeout=2) == 0
    finally:
        done.set()
        thread.join()
