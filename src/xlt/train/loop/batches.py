"""Which examples a step sees, and how they go through the model.

Each epoch is one seeded order. Examples of similar length are put into one step (drawn within
pools of many steps, so order stays random at large), and a step is cut into parts of a few
tokens for speed. The effective batch stays a number of examples, whatever the parts are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlt.core.encode.rows import Row, pad
from xlt.core.inference.batch import plan
from xlt.train.loop.loop import Micro
from xlt.train.seeds import derive

__all__ = ["IGNORE", "LabelledRows", "Order", "micros"]

IGNORE = -100
POOL = 16


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
        rng = np.random.default_rng(derive(self.seed, "order", epoch))
        order_N = rng.permutation(len(self.lengths))
        size = self.batch_size
        batches: list[np.ndarray] = []
        for start in range(0, len(order_N), size * POOL):
            pool = order_N[start : start + size * POOL]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches.extend(pool[i : i + size] for i in range(0, len(pool), size))
        return [batches[i] for i in rng.permutation(len(batches))]


def micros(
    data: LabelledRows, indices: Sequence[int] | np.ndarray, pad_id: int, tokens: int
) -> list[Micro]:
    """Cut a step's examples into padded parts of about `tokens` tokens."""
    chosen = [int(i) for i in indices]
    parts = plan([int(data.lengths[i]) for i in chosen], max_tokens=tokens)
    return [_micro(data, [chosen[k] for k in part], pad_id) for part in parts]


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
