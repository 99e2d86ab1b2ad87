"""Which examples a step sees, and how they go through the model.

Each epoch is one seeded random order, cut into steps of a number of examples. A step goes through
the model in parts of rows of similar length, cut so that padding and the fixed cost of a part are
smallest together. Gradients do not depend on the cut: the loss is summed over the whole step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlt.core.encode.rows import Row, pad
from xlt.train.loop.loop import Micro
from xlt.train.seeds import derive

__all__ = ["IGNORE", "LabelledRows", "Order", "alike", "cut_parts", "micros"]

IGNORE = -100
PART_COST = 48  # tokens that one more pass through the model costs like, on a CPU


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Encoded rows and their gold outputs, index by index.

    Attributes:
        rows: model inputs.
        targets: pair, choice: class (); tag: class per token (L,), IGNORE elsewhere;
            span: first and last token of the answer (2,).
    """

    rows: tuple[Row, ...]
    targets: tuple[np.ndarray, ...]

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of every row (N,); of all candidates together for choices."""
        return np.array([row.ids.size for row in self.rows], dtype=np.int64)


class Order:
    """Step number -> indices of its examples; a pure function of the arguments."""

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = min(batch_size, len(lengths))
        self.seed = seed
        self.steps_per_epoch = math.ceil(len(lengths) / self.batch_size)
        self._epoch = functools.lru_cache(maxsize=1)(self._order)

    def steps(self, epochs: float) -> int:
        """Steps of so many epochs, one at least."""
        return max(1, round(epochs * self.steps_per_epoch))

    def batch(self, step: int) -> np.ndarray:
        """Indices (B,) of the examples of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return self._epoch(epoch)[place]

    def _order(self, epoch: int) -> list[np.ndarray]:
        order_N = self._permutation(epoch)
        return [
            order_N[start : start + self.batch_size]
            for start in range(0, len(order_N), self.batch_size)
        ]

    def _permutation(self, epoch: int) -> np.ndarray:
        """Indices (N,) in the order of an epoch."""
        rng = np.random.default_rng(derive(self.seed, "order", epoch))
        return rng.permutation(len(self.lengths))


def cut_parts(
    lengths: Sequence[int] | np.ndarray, *, max_tokens: int, part_cost: int = PART_COST
) -> list[np.ndarray]:
    """Cut rows into parts, longest first, at the smallest cost.

    The cost of a part is its padded tokens and `part_cost`. Sorted by length, the best parts are
    runs of neighbours; dynamic programming finds them.

    Args:
        lengths: tokens of each row.
        max_tokens: padded tokens of a part; a longer row makes a part of its own.
        part_cost: what a part costs besides its tokens, in tokens.

    Returns:
        Index arrays; each index stands in exactly one.
    """
    widths_N = np.asarray(lengths, np.int64)
    order_N = np.argsort(-widths_N, kind="stable")
    widths_N = np.maximum(widths_N[order_N], 1)
    count = len(order_N)
    best = np.zeros(count + 1)  # cost of the rows from i on
    stops = np.zeros(count, np.int64)
    for start in range(count - 1, -1, -1):
        width = int(widths_N[start])
        most = min(max(1, max_tokens // width), count - start)
        costs = width * np.arange(1, most + 1) + part_cost + best[start + 1 : start + most + 1]
        chosen = int(np.argmin(costs))
        best[start], stops[start] = costs[chosen], start + chosen + 1
    parts, start = [], 0
    while start < count:
        parts.append(order_N[start : stops[start]])
        start = int(stops[start])
    return parts


def micros(
    data: LabelledRows,
    indices: Sequence[int] | np.ndarray,
    pad_id: int,
    tokens: int,
    part_cost: int = PART_COST,
) -> list[Micro]:
    """Cut a step's examples into padded parts of at most `tokens` tokens."""
    chosen = [int(i) for i in indices]
    found = []
    for places in alike([data.rows[i] for i in chosen]):
        group = [chosen[k] for k in places]
        parts = cut_parts(data.lengths[group], max_tokens=tokens, part_cost=part_cost)
        found += [_micro(data, [group[k] for k in part], pad_id) for part in parts]
    return found


def alike(rows: Sequence[Row]) -> list[list[int]]:
    """Places of rows that go into one array: choices of one number. One group for other kinds."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.ids.shape[:-1], []).append(place)
    return list(groups.values())


def _micro(data: LabelledRows, indices: list[int], pad_id: int) -> Micro:
    rows = [data.rows[i] for i in indices]
    feeds = pad(rows, pad_id)
    targets = [data.targets[i] for i in indices]
    if targets[0].ndim == 1 and rows[0].words is not None:
        width = feeds["input_ids"].shape[-1]
        stacked = np.full((len(rows), width), IGNORE, dtype=np.int64)
        for row, target in zip(stacked, targets, strict=True):
            row[: len(target)] = target
        weight = int((stacked != IGNORE).sum())
    else:
        stacked, weight = np.stack(targets).astype(np.int64), len(rows)
    return Micro(feeds=feeds, targets=stacked, weight=weight, examples=len(rows))
