"""The queue of rows: every row once, even batches within the budget, turns, no starvation."""

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.serve.compute.lanes import SLACK, STRETCH, Lanes, Pace
from xlt.serve.compute.scheduler import _size


@dataclass(eq=False)
class Request:
    lane: str = "a"
    deadline: float = 1e9
    pace: Pace = field(default_factory=lambda: pace(64))


def pace(budget, fixed_tokens=8.0):
    return Pace(budget=budget, seconds_per_token=0.01, fixed_tokens=fixed_tokens)


def drain(lanes):
    batches = []
    while (batch := lanes.take()) is not None:
        batches.append(batch)
    return batches


requests = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.lists(st.tuples(st.integers(1, 300), st.integers(1, 3)), min_size=1, max_size=20),
        st.floats(0, 5),
    ),
    max_size=15,
)


@given(requests, st.integers(1, 400), st.integers(1, 9))
def test_every_row_comes_once_in_batches_that_are_even_and_within_the_budget(
    found, budget, max_rows
):
    lanes = Lanes(max_rows=max_rows)
    expected = set()
    for name, sizes, now in found:
        work = Request(lane=name, pace=pace(budget))
        lanes.push(work, sizes, now)
        expected |= {(id(work), index) for index in range(len(sizes))}
    assert len(lanes) == len(expected)
    seen = []
    for batch in drain(lanes):
        lengths = [piece.length for piece in batch.pieces]
        assert len({(piece.work.lane, piece.shape) for piece in batch.pieces}) == 1
        assert len(batch.pieces) == 1 or batch.padded_tokens <= budget
        assert len(batch.pieces) <= max_rows
        assert max(lengths) <= max(STRETCH * min(lengths), min(lengths) + SLACK)
        assert batch.tokens == sum(piece.cost for piece in batch.pieces)
        seen += [(id(piece.work), piece.index) for piece in batch.pieces]
    assert sorted(seen) == sorted(expected)
    assert len(lanes) == 0
    assert lanes.lanes == {}


@given(requests)
def test_a_batch_holds_the_row_that_is_due_first_among_those_of_its_size(found):
    lanes = Lanes()
    for name, sizes, now in found:
        lanes.push(Request(lane=name), sizes, now)
    while len(lanes):
        first = {}
        for queue in lanes.lanes.values():
            for piece in queue:
                kind = (piece.work.lane, piece.shape, max(4, (piece.length - 1).bit_length()))
                first[kind] = min(first.get(kind, 1e9), piece.due)
        assert {piece.due for piece in lanes.take().pieces} & set(first.values())


@given(requests, st.data())
def test_dropped_requests_leave_nothing_behind_and_the_others_are_whole(found, data):
    lanes = Lanes()
    works = []
    for name, sizes, now in found:
        work = Request(lane=name)
        lanes.push(work, sizes, now)
        works.append((work, sizes))
    if works and data.draw(st.booleans()):
        lanes.take()
    gone = data.draw(st.sets(st.sampled_from(range(len(works))))) if works else set()
    before = len(lanes)
    waiting = {id(w): n for w, n in lanes.waiting.values()}
    for index in gone:
        work, _ = works[index]
        lanes.drop(work)
        assert lanes.drop(work) == 0
    rest = before - sum(waiting.get(id(works[index][0]), 0) for index in gone)
    assert len(lanes) == rest
    left = [piece for batch in drain(lanes) for piece in batch.pieces]
    assert len(left) == rest
    assert not {id(piece.work) for piece in left} & {id(works[index][0]) for index in gone}


def test_expired_requests_are_named_once_and_never_computed():
    lanes = Lanes()
    early, late = Request(deadline=1.0), Request(deadline=3.0)
    lanes.push(early, [(5, 1)] * 3, 0.0)
    lanes.push(late, [(5, 1)] * 2, 0.0)
    assert lanes.expired(0.5) == []
    assert lanes.expired(1.0) == [early]
    assert lanes.expired(2.0) == []
    assert [piece.work for batch in drain(lanes) for piece in batch.pieces] == [late, late]
    assert lanes.expired(9.0) == []


def test_a_short_request_passes_between_the_rows_of_a_long_one():
    lanes = Lanes()
    long = Request(pace=pace(100))
    lanes.push(long, [(100, 1)] * 50, now=0.0)
    for _ in range(3):
        assert lanes.take().pieces[0].work is long
    short = Request(pace=pace(100))
    lanes.push(short, [(8, 1)], now=3.0)
    assert lanes.take().pieces[0].work is short or lanes.take().pieces[0].work is short


def test_long_rows_and_short_ones_take_turns_by_tokens():
    lanes = Lanes()
    longs = Request(pace=pace(120))
    lanes.push(longs, [(300, 1)] * 5, now=0.0)
    taken = []
    for step in range(150):  # as many short ones as are computed keep coming
        for _ in range(10):
            lanes.push(Request(pace=pace(120)), [(12, 1)], now=step / 10)
        taken.append("long" if lanes.take().pieces[0].work is longs else "short")
    places = [place for place, kind in enumerate(taken) if kind == "long"]
    assert len(places) == 5
    assert all(2 <= b - a <= 5 for a, b in itertools.pairwise(places))


def test_similar_lengths_join_the_anchor_and_others_wait():
    lanes = Lanes()
    lanes.push(Request(pace=pace(200)), [(20, 1)], now=0.0)
    for length in (200, 22, 60, 19, 24, 21):
        lanes.push(Request(pace=pace(200)), [(length, 1)], now=1.0)
    batch = lanes.take()
    assert sorted(piece.length for piece in batch.pieces) == [19, 20, 21, 22]


@given(
    st.lists(st.integers(5, 30), min_size=1, max_size=9),
    st.integers(1, 120),
    st.floats(0, 40),
    st.integers(1, 2),
)
def test_a_batch_is_the_cheapest_for_its_tokens_among_those_with_the_anchor(
    lengths, budget, fixed_tokens, shape
):
    lanes = Lanes()
    for now, length in enumerate(lengths):
        work = Request(pace=pace(budget, fixed_tokens))
        lanes.push(work, [(length, shape)], now=float(now))
    anchor = lanes._anchor()
    (queue,) = lanes.lanes.values()
    at = next(place for place, piece in enumerate(queue) if piece is anchor)

    def price(rows):
        return (fixed_tokens + rows[-1] * len(rows) * shape) / sum(rows)

    found = [piece.length for piece in queue]
    slices = [found[a:b] for a in range(at + 1) for b in range(at + 1, len(found) + 1)]
    allowed = [
        rows
        for rows in slices
        if rows[-1] <= max(STRETCH * rows[0], rows[0] + SLACK)
        and (len(rows) == 1 or rows[-1] * len(rows) * shape <= budget)
    ]
    batch = lanes.take()
    assert anchor in batch.pieces
    taken = sorted(piece.length for piece in batch.pieces)
    assert price(taken) == pytest.approx(min(map(price, allowed)))


def test_the_cost_of_a_batch_decides_how_much_padding_is_taken():
    def first_batch(fixed_tokens):
        lanes = Lanes()
        for now, length in enumerate((10, 10, 11, 14)):
            lanes.push(Request(pace=pace(512, fixed_tokens)), [(length, 1)], now=float(now))
        return [piece.length for piece in lanes.take().pieces]

    assert first_batch(0.0) == [10, 10]
    assert first_batch(8.0) == [10, 10, 11]
    assert first_batch(200.0) == [10, 10, 11, 14]


def test_equal_lengths_go_by_age():
    lanes = Lanes(max_rows=2)
    works = [Request() for _ in range(4)]
    for now, work in enumerate(works):
        lanes.push(work, [(10, 1)], now=float(now))
    order = [piece.work for batch in drain(lanes) for piece in batch.pieces]
    assert order == works


def test_a_request_without_rows_is_a_mistake():
    with pytest.raises(ValueError, match="without rows"):
        Lanes().push(Request(), [], 0.0)


def test_a_text_without_tokens_is_computed_like_any_other():
    sizes = [_size(np.zeros(0, np.int32)), _size(np.zeros((3, 0), np.int32))]
    assert sizes == [(1, 1), (1, 3)]
    lanes = Lanes()
    lanes.push(Request(), sizes, 0.0)
    assert sum(len(batch.pieces) for batch in drain(lanes)) == 2
