"""Warm-up of a model: compute once before it is called ready, and find the best batch size.

On a CPU more rows stop paying early and only add delay; the smallest batch within 5 % of the best
speed is taken.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xlt.examples import Choice, Example, Pair, Question, Tagged

if TYPE_CHECKING:
    from xlt.serve.models import Served

__all__ = ["probe", "tune"]

WORDS = "the river runs past seven old houses and a mill before it meets the sea again".split()
CPU_TOKENS = 512
GPU_TOKENS = 16384
ENOUGH = 0.95
SECONDS = 1.0  # the search for the batch size stops here


def probe(kind: str, n_words: int = 16, *, n_choices: int = 4) -> Example | str:
    """A made-up item of about `n_words` words."""
    words = [WORDS[index % len(WORDS)] for index in range(max(2, n_words))]
    half = len(words) // 2
    first, second = " ".join(words[:half]), " ".join(words[half:])
    if kind == "pair":
        return Pair(id="0", text_a=first, text_b=second)
    if kind == "choice":
        return Choice(id="0", prompt=first, choices=(second,) * n_choices)
    if kind == "tag":
        return Tagged(id="0", words=tuple(words))
    if kind == "span":
        return Question(id="0", question=first, context=second)
    return " ".join(words)


def tune(model: Served, batch_tokens: int | None) -> tuple[int, float]:
    """Compute some batches.

    Args:
        model: not in the table yet.
        batch_tokens: a budget that the user set; it is only measured then.

    Returns:
        The budget in padded tokens, and seconds per token at it.
    """
    item = probe(model.kind, n_choices=model.bundle.task.n_choices or 2)
    row = model.engine.encode([item])[0]
    cost = int(row.ids.size)
    model.run([row])  # the first run allocates; it is not timed
    if batch_tokens is not None:
        rows = max(1, batch_tokens // cost)
        return batch_tokens, _seconds(model, [row] * rows) / (rows * cost)
    most = CPU_TOKENS if model.engine.session.device == "cpu" else GPU_TOKENS
    speeds: list[tuple[int, float]] = []  # (padded tokens, tokens a second)
    started = time.monotonic()
    rows = 1
    while rows * cost <= most and (not speeds or time.monotonic() - started < SECONDS):
        speeds.append((rows * cost, rows * cost / _seconds(model, [row] * rows)))
        rows *= 2
    best = max((speed for _, speed in speeds), default=0.0)
    for tokens, speed in speeds:
        if speed >= ENOUGH * best:
            return max(tokens, 64), 1.0 / speed
    return CPU_TOKENS, 0.0


def _seconds(model: Served, rows: Sequence[Any]) -> float:
    """The better of two timings."""
    times = []
    for _ in range(2):
        started = time.perf_counter()
        model.run(rows)
        times.append(time.perf_counter() - started)
    return max(min(times), 1e-9)
