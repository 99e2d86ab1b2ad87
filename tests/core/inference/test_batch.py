"""The batch plan: complete, within its budget, and a pure function."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.inference.batch import plan

LENGTHS = st.lists(st.integers(0, 600), max_size=200)
BUDGETS = st.fixed_dictionaries(
    {
        "max_tokens": st.integers(1, 2000),
        "max_rows": st.integers(1, 50),
        "rows_per_item": st.integers(1, 5),
    }
)


@given(LENGTHS, BUDGETS)
def test_every_index_is_in_one_batch(lengths, budget):
    batches = plan(lengths, **budget)
    assert sorted(int(index) for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) for batch in batches)


@given(LENGTHS, BUDGETS)
def test_only_a_single_item_may_pass_the_budget(lengths, budget):
    for batch in plan(lengths, **budget):
        rows = len(batch) * budget["rows_per_item"]
        padded = rows * max(lengths[index] for index in batch)
        assert len(batch) == 1 or (padded <= budget["max_tokens"] and rows <= budget["max_rows"])


@given(LENGTHS, BUDGETS)
def test_batches_are_full_and_sorted(lengths, budget):
    batches = plan(lengths, **budget)
    order = [lengths[index] for batch in batches for index in batch]
    assert order == sorted(lengths, reverse=True)
    for batch in batches[:-1]:
        rows = (len(batch) + 1) * budget["rows_per_item"]
        padded = rows * max(1, *(lengths[index] for index in batch))
        assert padded > budget["max_tokens"] or rows > budget["max_rows"]


@given(LENGTHS, BUDGETS)
def test_the_plan_depends_on_nothing_else(lengths, budget):
    first = [batch.tolist() for batch in plan(lengths, **budget)]
    again = [batch.tolist() for batch in plan(np.array(lengths, np.int32), **budget)]
    assert first == again


def test_equal_lengths_keep_their_order():
    assert [batch.tolist() for batch in plan([7, 9, 7, 7], max_tokens=14)] == [[1], [0, 2], [3]]


@pytest.mark.parametrize("name", ["max_tokens", "max_rows", "rows_per_item"])
def test_a_budget_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="at least 1"):
        plan([1, 2], **{name: 0})
