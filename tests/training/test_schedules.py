"""Learning-rate schedules."""

from math import cos, pi, sqrt

import pytest

from skcnn._training.schedules import SCHEDULES, Schedule


def rates(kind, n_epochs=20, steps_per_epoch=2, losses=()):
    """Return the rate of every step, for a full rate of one."""
    schedule = Schedule(kind, 1.0, steps_per_epoch, n_epochs)
    taken = []
    for epoch in range(n_epochs):
        taken += [schedule.next_rate() for _ in range(steps_per_epoch)]
        schedule.epoch_done(losses[epoch] if epoch < len(losses) else 1.0 / (epoch + 1))
    return taken


HALF = 0.5 * (1 + cos(pi * (20 / 40 - 0.25) / 0.75))  # one_cycle, a third down the cosine


LAST = 0.5 * (1 + cos(pi * (39 / 40 - 0.25) / 0.75))


@pytest.mark.parametrize(
    ("kind", "step", "rate"),
    [
        ("constant", 0, 1.0),
        ("constant", 39, 1.0),
        ("step", 0, 1.0),
        ("step", 19, 1.0),
        ("step", 20, 0.1),
        ("step", 29, 0.1),
        ("step", 30, 0.01),
        ("step", 39, 0.01),
        ("cosine", 0, 1.0),
        ("cosine", 20, 0.5),
        ("cosine", 39, 0.5 * (1 + cos(pi * 39 / 40))),
        ("linear", 0, 0.04),
        ("linear", 1, 0.52),
        ("linear", 2, 1.0),
        ("linear", 21, 0.5),
        ("linear", 39, 1 / 38),
        ("one_cycle", 0, 0.04),
        ("one_cycle", 5, 0.52),
        ("one_cycle", 10, 1.0),
        ("one_cycle", 20, 1e-4 + (1 - 1e-4) * HALF),
        ("one_cycle", 39, 1e-4 + (1 - 1e-4) * LAST),
        ("inverse_scaling", 0, 1.0),
        ("inverse_scaling", 1, 1.0),
        ("inverse_scaling", 2, 1 / sqrt(2)),
        ("inverse_scaling", 38, 1 / sqrt(20)),
        ("plateau", 0, 1.0),
        ("plateau", 39, 1.0),  # the loss always falls
    ],
)
def test_schedule_has_the_published_values(kind, step, rate):
    assert rates(kind)[step] == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedule_multiplies_the_full_rate(kind):
    schedule = Schedule(kind, 0.3, 2, 20)
    assert [schedule.next_rate() for _ in range(40)] == pytest.approx(
        [0.3 * rate for rate in rates(kind, losses=[])]
    )


@pytest.mark.parametrize("kind", ["cosine", "one_cycle"])
def test_smooth_schedule_ends_near_zero(kind):
    assert 0 <= rates(kind, n_epochs=500)[-1] < 2e-4


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(("n_epochs", "steps"), [(1, 1), (1, 3), (2, 1)])
def test_short_trainings_have_positive_rates(kind, n_epochs, steps):
    got = rates(kind, n_epochs, steps)
    assert len(got) == n_epochs * steps
    assert all(0 < rate <= 1 for rate in got)


def test_one_cycle_rises_once_and_falls_once():
    got = rates("one_cycle")
    peak = got.index(max(got))
    assert got[: peak + 1] == sorted(got[: peak + 1])
    assert got[peak:] == sorted(got[peak:], reverse=True)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0] * 20, [1.0] * 6 + [0.2] * 5 + [0.04] * 5 + [0.008] * 4),
        ([1.0 - 2e-4 * e for e in range(20)], [1.0] * 20),
        # less than the tolerance an epoch, but past it at the twelfth
        ([1.0 - 9e-6 * e for e in range(20)], [1.0] * 6 + [0.2] * 5 + [0.04] * 7 + [0.008] * 2),
        (
            [1.0] * 5 + [0.5] * 15,
            [1.0] * 11 + [0.2] * 5 + [0.04] * 4,
        ),  # a gain in the last epoch of patience
        ([float("nan")] * 20, [1.0] * 5 + [0.2] * 5 + [0.04] * 5 + [0.008] * 5),
    ],
    ids=["flat", "falls enough", "falls too little", "falls late", "nan"],
)
def test_plateau_falls_to_a_fifth_after_five_epochs_without_gain(losses, expected):
    assert rates("plateau", steps_per_epoch=1, losses=losses) == pytest.approx(expected)


def progress_rate(kind, progress):
    """Return the rate at a share of the training, by the rows of the table above."""
    return {
        "constant": 1.0,
        "step": 0.1 ** (int(progress >= 0.5) + int(progress >= 0.75)),
        "cosine": 0.5 * (1 + cos(pi * progress)),
        "linear": (1 - progress) / 0.95,
        "one_cycle": 1e-4 + (1 - 1e-4) * 0.5 * (1 + cos(pi * (progress - 0.25) / 0.75)),
    }[kind]


@pytest.mark.parametrize("kind", ["constant", "step", "cosine", "linear", "one_cycle"])
def test_shorter_schedule_comes_evenly_to_its_end(kind):
    schedule = Schedule(kind, 1.0, 2, 20)
    taken = [schedule.next_rate() for _ in range(12)]
    schedule.shorten(6, 10)
    taken += [schedule.next_rate() for _ in range(4)]
    schedule.shorten(8, 9)
    taken += [schedule.next_rate() for _ in range(2)]
    assert taken[:12] == rates(kind)[:12]
    # 0.3 is done in 6 of 20 epochs, then 0.65 in 8 of 10, and the rest is done in one
    shares = [0.3, 0.3875, 0.475, 0.5625, 0.65, 0.825]
    assert taken[12:] == pytest.approx([progress_rate(kind, share) for share in shares])


@pytest.mark.parametrize("kind", ["plateau", "inverse_scaling"])
def test_schedule_without_an_end_stays_the_same(kind):
    schedule = Schedule(kind, 1.0, 2, 20)
    taken = [schedule.next_rate() for _ in range(12)]
    schedule.shorten(6, 10)
    taken += [schedule.next_rate() for _ in range(8)]
    assert taken == rates(kind)[:20]
