"""Private random states, also in several threads and after a fork; seeds."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    StratifiedKFold,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from skorch.callbacks import Callback
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._utils.random_state import (
    derive_seeds,
    distinct_seeds,
    draw_seed,
    named_seed,
    private_random_state,
    seeded_clone,
    seeded_splitter,
    set_candidate,
)
from tests.helpers.forks import FORK_TIMEOUT, exit_code_of_child, forks

CPU = torch.device("cpu")
MEETING = 0.3  # seconds that a thread waits for another


@pytest.fixture(autouse=True)
def global_states():
    """Put the global random states back."""
    of_torch, of_numpy = torch.get_rng_state(), np.random.get_state()
    yield
    torch.set_rng_state(of_torch)
    np.random.set_state(of_numpy)


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


def test_clone_gets_a_seed_for_every_unset_random_state():
    model = make_pipeline(PCA(), PCA(random_state=7), RandomForestClassifier())
    names = ["pca-1__random_state", "randomforestclassifier__random_state"]
    copy = seeded_clone(model, lambda n: distinct_seeds(3, n))
    assert [copy.get_params()[name] for name in names] == distinct_seeds(3, 2)
    assert copy.get_params()["pca-2__random_state"] == 7
    assert all(model.get_params()[name] is None for name in names)
    same = seeded_clone(model, lambda n: [5] * n)
    assert [same.get_params()[name] for name in names] == [5, 5]


def test_clone_without_unset_random_states_gets_no_seed():
    assert seeded_clone(PCA(random_state=7), lambda n: [3] * n).random_state == 7


def test_distinct_seeds_are_legal_for_numpy():
    seeds = distinct_seeds(2**63 - 1, 50)
    assert len({*seeds}) == 50
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert distinct_seeds(2**63 - 1, 3) == seeds[:3]


def test_splitters_and_grids_get_seeds_after_all_parameters():
    grid = {"clf": [RandomForestClassifier(), SVC(random_state=7)], "clf__cv": [KFold(3)]}
    search = GridSearchCV(Pipeline([("clf", SVC())]), [grid], cv=StratifiedKFold(3, shuffle=True))
    copied = seeded_clone(search, lambda n: range(10, 10 + n))
    assert copied.estimator["clf"].random_state == 10
    assert copied.cv.random_state == 11
    forest, machine = copied.param_grid[0]["clf"]
    assert (forest.random_state, machine.random_state) == (12, 7)
    assert copied.param_grid[0]["clf__cv"][0].random_state is None  # it does not shuffle
    assert search.cv.random_state is search.param_grid[0]["clf"][0].random_state is None


def test_values_of_a_candidate_get_seeds_by_their_names():
    model = Pipeline([("pca", PCA(random_state=3)), ("clf", SVC())])
    params = {"clf": RandomForestClassifier(), "pca__random_state": None}
    candidate = set_candidate(model, params, 5)
    seeds = candidate["pca"].random_state, candidate["clf"].random_state
    assert seeds == (named_seed(5, "pca__random_state"), named_seed(5, "clf__random_state"))
    assert len({*seeds}) == 2
    assert params["clf"].random_state is None
    assert set_candidate(model, params, None)["clf"].random_state is None
    assert set_candidate(model, {}, 5)["clf"].random_state is None  # the caller's own


def test_only_splitters_that_shuffle_without_a_seed_get_one():
    unseeded = RepeatedKFold(n_splits=2)
    seeded = seeded_splitter(unseeded, 4)
    assert (seeded.random_state, unseeded.random_state) == (4, None)
    for splitter in (KFold(3), KFold(3, shuffle=True, random_state=1), GroupKFold(3)):
        assert seeded_splitter(splitter, 4) is splitter
