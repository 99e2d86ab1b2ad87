"""Batches: every example once an epoch, drawn at random, cut at the smallest cost."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.encode.rows import Row
from xlt.train.loop.batches import PART_COST, LabelledRows, Order, cut_parts, micros


def cost(lengths, parts):
    return sum(len(part) * max(lengths[i] for i in part) + PART_COST for part in parts)


@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=7),
    limit=st.integers(1, 200),
)
def test_no_cut_is_cheaper(lengths, limit):
    found = cut_parts(lengths, max_tokens=limit)
    assert sorted(i for part in found for i in part) == list(range(len(lengths)))
    for part in found:
        assert len(part) == 1 or len(part) * max(lengths[i] for i in part) <= limit
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    cheapest = min(
        cost(lengths, parts)
        for borders in itertools.product([0, 1], repeat=len(lengths) - 1)
        for parts in [split(order, borders)]
        if all(len(p) == 1 or len(p) * lengths[p[0]] <= limit for p in parts)
    )
    assert cost(lengths, found) == cheapest


def split(order, borders):
    parts = [[order[0]]]
    for index, border in zip(order[1:], borders, strict=True):
        if border:
            parts.append([])
        parts[-1].append(index)
    return parts


def test_the_longest_row_makes_no_step_of_its_own():
    lengths = np.array([5] * 99 + [500])
    order = Order(lengths, 10, 1)
    steps = [order.batch(step) for step in range(order.steps_per_epoch)]
    (holding,) = [step for step in steps if 99 in step]
    assert len(holding) == 10


@pytest.mark.parametrize("count", [100, 1000])
def test_examples_meet_as_often_as_by_chance(count):
    """Pairs that share a step, epoch after epoch: at most 1.2 times what chance gives."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 100, count)
    order = Order(lengths, 16, 3)
    epochs = 60
    partner = np.argsort(np.argsort(lengths, kind="stable")) // 2  # neighbours in length
    together = 0
    for epoch in range(epochs):
        step_of = np.empty(count, np.int64)
        for place in range(order.steps_per_epoch):
            step_of[order.batch(epoch * order.steps_per_epoch + place)] = place
        first = np.argsort(partner, kind="stable")
        together += int((step_of[first[0::2]] == step_of[first[1::2]]).sum())
    pairs = epochs * (count // 2)
    assert together / pairs <= 1.2 * 15 / (count - 1) + 3 * (15 / (count - 1) / pairs) ** 0.5


def test_every_example_once_an_epoch_in_another_order():
    order = Order(np.arange(1, 38), 8, 5)
    epochs = [
        np.concatenate([order.batch(e * order.steps_per_epoch + s) for s in range(5)])
        for e in range(2)
    ]
    for found in epochs:
        assert sorted(found.tolist()) == list(range(37))
    assert epochs[0].tolist() != epochs[1].tolist()


@pytest.mark.parametrize("count", [100, 1500])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_padding_stays_below_a_fifth(seed, count):
    """Lengths as of sentences (log-normal), 32 a step."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(3.2, 0.6, count).astype(int), 3, 128)
    order = Order(lengths, 32, seed)
    padded = 0
    for step in range(order.steps_per_epoch):
        chosen = lengths[order.batch(step)]
        padded += sum(len(p) * chosen[p].max() for p in cut_parts(chosen, max_tokens=1024))
    assert padded / lengths.sum() < 1.2


def test_choices_of_different_numbers_go_through_the_model_apart():
    rows = [
        Row(item=k, ids=np.full((2 + k % 3, 5), k, np.int32), lengths=np.full(2 + k % 3, 5))
        for k in range(9)
    ]
    data = LabelledRows(rows=tuple(rows), targets=tuple(np.array(k % 2) for k in range(9)))
    found = micros(data, range(9), pad_id=0, tokens=10_000)
    assert [part.feeds["input_ids"].shape for part in found] == [(3, 2, 5), (3, 3, 5), (3, 4, 5)]
    seen = [int(row[0, 0]) for part in found for row in part.feeds["input_ids"]]
    assert sorted(seen) == list(range(9))
    for part in found:
        assert part.targets.tolist() == [int(ids[0, 0]) % 2 for ids in part.feeds["input_ids"]]
