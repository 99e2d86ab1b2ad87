"""The budget of a batch: found out from real work, and nothing depends on it."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.artifacts.bundle import write_manifest
from xlt.core.inference.batch import computed, side_by_side
from xlt.core.inference.budget import ENOUGH, REPEATS, TRIED, USUAL, Budget
from xlt.core.inference.engine import Engine


class Machine:
    """Time passes by what a batch costs here."""

    def __init__(self, fixed=0.0, cache=10**9):
        self.now, self.batches, self.fixed, self.cache = 0.0, [], fixed, cache

    def clock(self):
        return self.now

    def compute(self, widths):
        def run(places):
            tokens = len(places) * max(widths[i] for i in places)
            self.batches.append(tokens)
            self.now += self.fixed + tokens * (1.0 if tokens <= self.cache else 2.0)
            return list(places)

        return run


def probed(machine, widths):
    budget = Budget(probe=True, clock=machine.clock)
    done = [
        place for places, _ in budget.probe(widths, machine.compute(widths)) for place in places
    ]
    return budget, done


WIDTHS = [12] * 2000


def test_a_machine_whose_calls_are_dear_gets_the_largest_budget():
    budget, _ = probed(Machine(fixed=1000.0), WIDTHS)
    assert budget.tokens == TRIED[-1]


def test_a_machine_with_a_small_cache_gets_what_fits():
    budget, _ = probed(Machine(fixed=20.0, cache=150), WIDTHS)
    assert budget.tokens == 128


def test_where_nothing_is_much_faster_the_usual_budget_stays():
    budget, _ = probed(Machine(fixed=1.0), WIDTHS)
    assert budget.tokens == USUAL


def test_it_is_found_out_once():
    budget, done = probed(Machine(), WIDTHS)
    assert budget.probed
    assert done
    assert list(budget.probe(WIDTHS, None)) == []


@given(st.lists(st.integers(1, 90), max_size=3000))
def test_rows_are_computed_at_most_once_and_most_are_left(widths):
    budget, done = probed(Machine(), widths)
    assert len(set(done)) == len(done)
    assert budget.probed == bool(done)
    if done:
        assert sum(widths) >= ENOUGH
        assert len(done) <= len(widths) // 2 + TRIED[-1]


@pytest.mark.parametrize(
    "widths", [[12] * 20, [300] * 500, []], ids=["little work", "long rows", "none"]
)
def test_where_it_is_no_use_nothing_is_tried(widths):
    machine = Machine()
    budget, done = probed(machine, widths)
    assert not done
    assert not machine.batches
    assert budget.tokens == USUAL


def test_rows_of_other_lengths_than_the_usual_do_not_decide():
    machine = Machine()
    probed(machine, [12] * 2000 + [500] * 50)
    assert max(machine.batches) <= TRIED[-1]
    assert len(machine.batches) == 1 + REPEATS * len(TRIED)


def test_two_threads_do_not_look_at_once():
    budget = Budget(probe=True)
    trials = budget.probe(WIDTHS, list)
    next(trials)
    found = []
    other = threading.Thread(target=lambda: found.extend(budget.probe(WIDTHS, list)))
    other.start()
    other.join()
    assert found == []
    assert list(trials)
    assert budget.probed


def test_a_search_that_is_broken_off_may_begin_again():
    budget = Budget(probe=True)
    trials = budget.probe(WIDTHS, list)
    next(trials)
    trials.close()
    assert not budget.probed
    assert list(budget.probe(WIDTHS, list))


def sure(bundle, tmp_path, exporter="optimum"):
    """The bundle, as a known exporter makes it."""
    manifest = json.loads((bundle / "xlt.json").read_text())
    kept = {k: v for k, v in manifest.items() if k not in {"schema", "files"}}
    write_manifest(bundle, {**kept, "export": {"exporter": exporter}})
    return bundle


TEXTS = [f"wa {i} mo {i % 97} ni" for i in range(1500)]


@pytest.fixture
def engine(make_bundle, tmp_path):
    return Engine.open(sure(make_bundle("embed"), tmp_path), device="cpu", threads=1)


def test_vectors_have_the_same_bits_while_the_budget_is_found_out(engine):
    fixed = replace(engine, budget=Budget(512)).embed(TEXTS)
    looking = engine.embed(TEXTS)
    assert engine.budget.probed
    assert np.array_equal(fixed, looking)
    assert np.array_equal(fixed, engine.embed(TEXTS))


def test_ticks_add_up_while_the_budget_is_found_out(engine):
    ticks = []
    engine.embed(TEXTS, tick=ticks.append)
    assert engine.budget.probed
    assert sum(ticks) == len(TEXTS)


def test_a_graph_that_others_made_has_one_budget_always(make_bundle, tmp_path):
    foreign = sure(make_bundle("embed"), tmp_path, exporter="none: the graph as it came")
    engine = Engine.open(foreign, device="cpu", threads=1)
    engine.embed(TEXTS)
    assert not engine.budget.probed
    assert engine.batch_tokens == 512


def test_a_budget_that_was_asked_for_stays(make_bundle, tmp_path):
    engine = Engine.open(sure(make_bundle("embed"), tmp_path), batch_tokens=77, threads=1)
    engine.embed(TEXTS)
    assert engine.batch_tokens == 77
    assert not engine.budget.probed


@pytest.mark.parametrize("callers", [1, 2, 3])
def test_batches_side_by_side_have_the_same_bits_and_order(engine, callers):
    assert np.array_equal(
        replace(engine, callers=callers, budget=Budget(60)).embed(TEXTS[:300]),
        replace(engine, budget=Budget(60)).embed(TEXTS[:300]),
    )


def test_side_by_side_each_batch_has_one_thread(make_bundle, monkeypatch):
    seen = {}
    from xlt.core.inference import engine as engines

    class Watched(engines.Session):
        def __init__(self, path, **options):
            seen.update(options)
            super().__init__(path, **options)

    monkeypatch.setattr(engines, "Session", Watched)
    opened = Engine.open(make_bundle("embed"), device="cpu", threads=3, side_by_side=True)
    assert (seen["threads"], opened.callers) == (1, 3)
    opened = Engine.open(make_bundle("embed"), device="cpu", threads=3)
    assert (seen["threads"], opened.callers) == (3, 1)


def test_batches_are_computed_at_the_same_time():
    both = threading.Barrier(2, timeout=10)

    def meet(part):
        both.wait()
        return part

    assert list(side_by_side(meet, [1, 2, 3, 4], 2)) == [1, 2, 3, 4]


def test_an_error_keeps_what_has_not_begun_from_being_computed():
    begun = []

    def fail(part):
        begun.append(part)
        raise ValueError(part)

    with pytest.raises(ValueError, match="0"):
        list(side_by_side(fail, range(500), 2))
    assert len(begun) < 500


def test_rows_with_choices_are_not_tried_on(monkeypatch):
    class Row:
        item, width = 0, 12
        ids = np.zeros((2, 12))

    budget = Budget(probe=True)
    rows = [Row()] * 2000
    found = [places for places, _ in computed(rows, list, budget)]
    assert not budget.probed
    assert sorted(i for places in found for i in places) == list(range(2000))
