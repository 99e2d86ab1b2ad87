"""Random draws that stay the same for ever: one stream a string key, built on `random()` alone.

Python promises the sequence of `Random(str).random()` across versions, not that of `choice`,
`shuffle` or `sample`; numpy promises none. So these are written out here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["Draw", "balanced"]

T = TypeVar("T")


class Draw:
    """A stream of random numbers named by its key: equal keys, equal streams."""

    def __init__(self, *key: object) -> None:
        self.random = random.Random("/".join(map(str, key))).random

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(self.random() * n)

    def pick(self, items: Sequence[T]) -> T:
        """One item, each equally likely."""
        return items[int(self.random() * len(items))]

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """`k` items at different places, in random order."""
        pool = list(items)
        for i in range(k):
            j = i + self.below(len(pool) - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:k]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in random order."""
        return self.sample(items, len(items))


def balanced(draw: Draw, values: Sequence[T], n: int) -> Iterator[T]:
    """`n` values in random order, every value as often as every other (to within one)."""
    yield from draw.shuffled([values[i % len(values)] for i in range(n)])
