"""The number of torch's threads inside a block, and in a forked process."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.naive_bayes import GaussianNB

from skcnn import ConvNetClassifier
from skcnn._utils.threads import ONE_THREAD_MACS, torch_threads
from skcnn.augmentation import Augmented, RandomNoise, RandomTranslation
from tests.helpers.forks import exit_code_of_child, forks

LARGE = 10**12


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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


@forks
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
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", [*FORKED_WORK, "predict"])
def test_forked_child_does_not_wait_for_the_parents_threads(name):
    model = ConvNetClassifier(filters=2, hidden_units=(), max_epochs=1).fit(LARGE_X, LARGE_Y)
    work = FORKED_WORK.get(name, lambda: model.predict(LARGE_X))
    torch.rand(2**20).exp()  # torch's pool of threads exists in the parent
    assert exit_code_of_child(lambda: work() is not None) == 0


def in_thread(function):
    """Return what a function returns in a new thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@pytest.mark.usefixtures("two_threads")
def test_a_thread_that_begins_during_a_block_gets_the_number_before_it():
    def work():
        inside = [torch.get_num_threads()]
        with torch_threads(None, LARGE):
            inside.append(torch.get_num_threads())
        with torch_threads(3, LARGE):
            inside.append(torch.get_num_threads())
        return [*inside, torch.get_num_threads()]

    with torch_threads(1, 0):
        assert in_thread(work) == [1, 2, 3, 2]
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == in_thread(torch.get_num_threads) == 2


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("first", [0, 1])
def test_overlapping_blocks_leave_the_number_of_new_threads(first):
    entered = [threading.Event(), threading.Event()]
    over = [threading.Event(), threading.Event()]
    after = [0, 0]

    def work(i):
        torch.get_num_threads()
        with torch_threads(1 + 2 * i, LARGE):
            entered[i].set()
            over[i].wait()
        after[i] = torch.get_num_threads()

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for i, thread in enumerate(threads):
        thread.start()
        entered[i].wait()
    for i in (first, 1 - first):
        over[i].set()
        threads[i].join()
    assert after == [2, 2]
    assert in_thread(torch.get_num_threads) == 2


@pytest.mark.usefixtures("two_threads")
def test_a_thread_with_a_number_of_its_own_leaves_that_of_the_process():
    own, entered, over = threading.Event(), threading.Event(), threading.Event()

    def work():
        torch.set_num_threads(3)
        with torch_threads(None, LARGE):  # takes the number 3 as the thread's own
            own.set()
        entered.wait()
        with torch_threads(1, 0):
            over.set()
            main.wait()
        return torch.get_num_threads()

    main = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work)
        own.wait()
        torch.set_num_threads(2)
        with torch_threads(1, 0):
            entered.set()
            over.wait()
        main.set()
        assert result.result() == 3
    assert in_thread(torch.get_num_threads) == 2
