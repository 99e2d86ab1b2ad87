"""Mixtures of tasks: how often each is drawn, in which order, and that steps are pure."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from xlt.train.loop.loop import Micro
from xlt.train.loop.mixture import Mixture
from xlt.train.plan.mix import draws


def part(size, share=None):
    return SimpleNamespace(size=size, share=share)


def micro(task, step):
    return Micro(feeds={"input_ids": np.array([[task, step]])}, targets=np.zeros(1), weight=1,
                 examples=1)  # fmt: skip


def mixture(*counts, seed=3):
    batches = [lambda step, task=task: [micro(task, step)] for task in range(len(counts))]
    return Mixture([f"t{k}" for k in range(len(counts))], counts, batches, seed)


def drawn(mix, steps):
    found = []
    for step in range(steps):
        head, parts = mix.batch(step)
        task, own = parts[0].feeds["input_ids"][0]
        assert parts[0].head == head == f"t{task}"
        found.append((int(task), int(own)))
    return found


def test_a_round_has_every_task_as_often_as_it_is_due_and_its_steps_in_order():
    mix = mixture(5, 2, 1)
    found = drawn(mix, 24)
    for start in (0, 8, 16):
        assert Counter(task for task, _ in found[start : start + 8]) == {0: 5, 1: 2, 2: 1}
    for task, count in ((0, 15), (1, 6), (2, 3)):
        assert [own for t, own in found if t == task] == list(range(count))


def test_rounds_are_drawn_anew_and_by_the_seed():
    found = [task for task, _ in drawn(mixture(5, 5), 20)]
    assert found[:10] != found[10:]
    assert found != [task for task, _ in drawn(mixture(5, 5, seed=4), 20)]


def test_a_step_depends_on_its_number_alone():
    forwards = drawn(mixture(4, 3), 21)
    mix = mixture(4, 3)
    for step in (20, 3, 11, 0, 7):
        head, parts = mix.batch(step)
        assert (int(head[1:]), int(parts[0].feeds["input_ids"][0, 1])) == forwards[step]


def test_one_task_alone_has_its_own_steps():
    assert drawn(mixture(4), 9) == [(0, step) for step in range(9)]
    assert mixture(4).steps(2.5) == 10


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ("proportional", [100, 25, 5]),
        ("cap:400", [25, 25, 5]),
        ("cap:80", [5, 5, 5]),
        ("temperature:1", [100, 25, 5]),
        # the square roots 40, 20 and 8.94 share 130 steps
        ("temperature:2", [75, 38, 17]),
    ],
)
def test_draws(mix, expected):
    assert draws(mix, [part(1600), part(400), part(80)], [100, 25, 5]) == expected


def test_masked_lm_has_its_share_of_all_steps():
    counts = draws("proportional", [part(300), part(100), part(7, share=0.2)], [30, 10, 1])
    assert counts == [30, 10, 10]
    assert counts[2] / sum(counts) == pytest.approx(0.2)


def test_one_task_is_seen_whole_whatever_the_mixture():
    for mix in ("proportional", "cap:3", "temperature:5"):
        assert draws(mix, [part(50)], [7]) == [7]
