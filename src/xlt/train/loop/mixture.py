"""Which task a step is drawn from, when a phase has several.

A round holds every task as often as it is due, in one seeded order; so a round of a proportional
mixture sees every example once. Which task a step has, and how often that task has been drawn
before, is a pure function of the step number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from xlt.train.loop.loop import Micro
from xlt.train.seeds import derive

__all__ = ["Mixture"]


class Mixture:
    """Tasks drawn in turn.

    Args:
        names: of the heads.
        counts: how often each is drawn in a round.
        batches: of each, its own step number -> parts; pure functions.
        seed: decides the order.
        named: of each, its own step number -> its examples in words.
    """

    def __init__(
        self,
        names: Sequence[str],
        counts: Sequence[int],
        batches: Sequence[Callable[[int], Sequence[Micro]]],
        seed: int,
        named: Sequence[Callable[[int], str]] = (),
    ) -> None:
        self.names, self.counts, self.batches, self.seed = names, counts, batches, seed
        self._named = named
        self.steps_per_round = sum(counts)
        self._round = functools.lru_cache(maxsize=1)(self._order)

    def steps(self, rounds: float) -> int:
        """Steps of so many rounds, one at least."""
        return max(1, round(rounds * self.steps_per_round))

    def batch(self, step: int) -> tuple[str, list[Micro]]:
        """The head of a step and its parts."""
        task, own = self._pick(step)
        name = self.names[task]
        return name, [replace(micro, head=name) for micro in self.batches[task](own)]

    def named(self, step: int) -> str:
        """The task and the examples of a step, for messages."""
        task, own = self._pick(step)
        return f"{self.names[task]}: {self._named[task](own)}"

    def _pick(self, step: int) -> tuple[int, int]:
        """The task of a step, and which step of the task's own it is."""
        number, place = divmod(step, self.steps_per_round)
        task_S, before_S = self._round(number)
        task = int(task_S[place])
        return task, number * self.counts[task] + int(before_S[place])

    def _order(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The task of every step of a round, and how often it came before in the round."""
        tasks_S = np.repeat(np.arange(len(self.counts)), self.counts)
        if len(self.counts) > 1:
            rng = np.random.default_rng(derive(self.seed, "mixture", number))
            tasks_S = rng.permutation(tasks_S)
        before_S = np.zeros(len(tasks_S), np.int64)
        for task in range(len(self.counts)):
            mine = tasks_S == task
            before_S[mine] = np.arange(mine.sum())
        return tasks_S, before_S
