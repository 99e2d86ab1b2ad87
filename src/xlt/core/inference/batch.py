"""Batches of rows of similar length under a budget of padded tokens.

On a CPU the cost of a batch is close to linear in its padded tokens: sorting by length saves the
padding, and a small budget loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.rows import Row
from xlt.core.inference.budget import Budget
from xlt.core.kinds.base import Outputs

__all__ = ["computed", "plan", "side_by_side"]

Answer = TypeVar("Answer")
Part = TypeVar("Part")


def plan(
    lengths: Sequence[int],
    *,
    max_tokens: int = 512,
    max_rows: int = 256,
    rows_per_item: int = 1,
) -> list[NDArray[np.intp]]:
    """Split the indices of `lengths` into batches, longest first.

    A pure function of its arguments: equal lengths keep their order.

    Args:
        lengths: tokens of each item's rows.
        max_tokens: padded tokens of a batch; an item that is longer makes a batch of its own.
        max_rows: sequences of a batch.
        rows_per_item: sequences an item brings (a choice task's candidates).

    Returns:
        Index arrays; each index stands in exactly one.
    """
    if min(max_tokens, max_rows, rows_per_item) < 1:
        raise ValueError("max_tokens, max_rows and rows_per_item must be at least 1")
    widths = np.asarray(lengths, np.int64)
    order = np.argsort(-widths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        width = max(int(widths[order[start]]), 1)
        fitting = min(max_tokens // width, max_rows) // rows_per_item
        stop = start + max(fitting, 1)
        batches.append(order[start:stop])
        start = stop
    return batches


def computed(
    rows: Sequence[Row],
    run_batch: Callable[[Sequence[Row]], list[Outputs]],
    budget: Budget,
    callers: int = 1,
) -> Iterator[tuple[Sequence[int], list[Outputs]]]:
    """Places of the rows of each batch, and their outputs.

    Batches that the budget is found out from come first. Rows with another number of choices
    never share a batch.

    Args:
        rows: of one or several lists of items.
        run_batch: computes rows together.
        budget: padded tokens of a batch.
        callers: how many batches are computed side by side.
    """

    def compute(batch: Sequence[int]) -> list[Outputs]:
        return run_batch([rows[i] for i in batch])

    done: set[int] = set()
    if all(row.ids.ndim == 1 for row in rows):
        for places, outputs in budget.probe([row.width for row in rows], compute):
            done.update(places)
            yield places, outputs
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        if index not in done:
            groups.setdefault(1 if row.ids.ndim == 1 else len(row.ids), []).append(index)
    batches = [
        [group[i] for i in batch]
        for n_choices, group in sorted(groups.items())
        for batch in plan(
            [rows[i].width for i in group],
            max_tokens=budget.tokens,
            max_rows=max(budget.tokens, n_choices),  # a GPU takes thousands of short rows at once
            rows_per_item=n_choices,
        )
    ]
    yield from zip(batches, side_by_side(compute, batches, callers), strict=True)


def side_by_side(
    compute: Callable[[Part], Answer], parts: Sequence[Part], threads: int
) -> Iterator[Answer]:
    """Answers in the order of the parts, several computed at a time.

    An error of one, or a caller that stops, keeps those from being computed that have not begun.
    """
    if threads < 2 or len(parts) < 2:
        yield from map(compute, parts)
        return
    pool = ThreadPoolExecutor(min(threads, len(parts)))
    try:
        yield from pool.map(compute, parts)
    finally:
        pool.shutdown(cancel_futures=True)
