"""Batches of rows of similar length under a budget of padded tokens.

On a CPU the cost of a batch is close to linear in its padded tokens: sorting by length saves the
padding, and a small budget loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["plan"]


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
