import itertools

import pytest

from workshop import durations
from workshop.run_agents.progress import seconds_left
from workshop.trainer.sign_of_life import announced


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "less than a minute"),
        (60, "about 1 minute"),
        (7300, "about 2 hours"),
        (90_000, "about 1 day"),
    ],
)
def test_rough(seconds, words):
    assert durations.rough(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(12, "12 s"), (65, "1 min 5 s"), (3900, "1 h 5 min")]
)
def test_exact(seconds, words):
    assert durations.exact(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(300, "00:05:00"), (216_000, "2-12:00:00"), (59.6, "00:01:00")]
)
def test_clock(seconds, words):
    assert durations.clock(seconds) == words


def test_a_long_epoch_tells_how_far_it_is_and_what_would_take_less(capsys):
    clock = itertools.chain([0], itertools.count(0, 9)).__next__  # each step takes nine seconds
    assert list(announced(range(8), 8, 1, 10, clock)) == list(range(8))
    first, second = capsys.readouterr().out.splitlines()
    # 8 steps of 9 s, ten epochs: 720 s, of which 27 s are over.
    assert first == (
        "epoch 1/10 · step 3 of 8 · about 11 minutes left for this run "
        "(for a first look, set scale to smoke or tiny: configs/scales/)"
    )
    assert second == "epoch 1/10 · step 6 of 8 · about 11 minutes left for this run"


def test_a_short_epoch_says_nothing(capsys):
    clock = itertools.chain([0], itertools.count(0, 2)).__next__
    assert list(announced(range(8), 8, 1, 10, clock)) == list(range(8))
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("ended", "expected", "left"), [(2, 8, 60), (0, 8, None), (2, None, None), (8, 8, 0), (9, 8, 0)]
)
def test_what_is_left_of_a_sweep_follows_from_what_has_ended(ended, expected, left):
    assert seconds_left(20, ended, expected) == left
