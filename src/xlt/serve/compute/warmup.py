"""Warm-up of a model: compute before it is called ready; measure the most efficient batch size.

On a CPU more rows stop paying early and only add delay; the smallest batch within 5 % of the best
speed is the budget. What a batch costs besides its tokens (weights to read, calls) decides how much
padding a fuller batch may bring.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from xlt.core.inference.probe import plain_item
from xlt.serve.compute.lanes import FIXED_TOKENS, MAX_ROWS, Pace
from xlt.serve.compute.served import Served

__all__ = ["tune"]

CPU_TOKENS = 512
GPU_TOKENS = 16384
LEAST_TOKENS = 64
ENOUGH = 0.95
SECONDS = 1.0  # the search for the batch size stops here


def tune(model: Served, batch_tokens: int | None) -> Pace:
    """Compute some batches.

    Args:
        model: not in the table yet.
        batch_tokens: a budget that the user set; the rest is measured all the same, with
            batches of the usual size.

    Returns:
        Its best speed, and the budget.
    """
    item = plain_item(model.bundle.task)
    row = model.engine.encode_rows([item])[0]
    cost = int(row.ids.size)
    model.run([row])  # the first run allocates; it is not timed
    usual = CPU_TOKENS if model.engine.session.device == "cpu" else GPU_TOKENS
    most = usual if batch_tokens is None else min(usual, batch_tokens)
    timings: list[tuple[int, float]] = []  # (padded tokens, seconds)
    spent, rows = 0.0, 1
    while not timings or (rows * cost <= most and spent < SECONDS):
        timings.append((rows * cost, _seconds(model, [row] * rows)))
        spent += 2 * timings[-1][1]
        rows *= 2
    if batch_tokens is not None and batch_tokens > most:
        model.run([row] * max(1, min(MAX_ROWS, batch_tokens // cost)))  # may be too much memory
    best = min(seconds / tokens for tokens, seconds in timings)
    good = next(t for t, seconds in timings if ENOUGH * seconds / t <= best)
    return Pace(
        budget=max(good, LEAST_TOKENS) if batch_tokens is None else batch_tokens,
        seconds_per_token=best,
        fixed_tokens=_fixed_tokens(timings),
    )


def _fixed_tokens(timings: Sequence[tuple[int, float]]) -> float:
    """What a batch costs besides its tokens, in tokens; 0 where the timings show no such cost.

    A straight line through the timings, whose relative errors weigh the same. One timing shows
    nothing: the usual cost is taken.
    """
    tokens, seconds = np.array(timings, np.float64).T
    if len(tokens) < 2:
        return FIXED_TOKENS
    per_token, fixed = np.polyfit(tokens, seconds, 1, w=1 / seconds)
    if per_token <= 0:  # as fast for many as for one: more rows cost nothing
        return float(tokens[-1])
    return float(np.clip(fixed / per_token, 0.0, tokens[-1]))


def _seconds(model: Served, rows: Sequence[Any]) -> float:
    """The better of two timings; what other models compute meanwhile is not in it."""
    times = []
    for _ in range(2):
        with model.device_lock:
            started = time.perf_counter()
            model.engine.run_batch(rows)
            times.append(time.perf_counter() - started)
    return max(min(times), 1e-9)
