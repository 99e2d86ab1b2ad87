"""How many padded tokens a batch has on a CPU: found out from the first batches of real work.

Which batch is fastest depends on the model's width, on the processor's caches and on the threads.
Timing batches that must be computed anyway costs nothing, and predictions do not depend on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from xlt.core.artifacts.bundle import Bundle

__all__ = ["TRIED", "USUAL", "Budget", "budget_of"]

Answer = TypeVar("Answer")
Clock = Callable[[], float]

FIXED = {"cpu": 512, "cuda": 16384}
SURE = ("optimum", "torch")  # exporters of graphs whose rows do not depend on their batch
USUAL = 256
TRIED = (128, 192, 256, 384, 512)
REPEATS = 2
GAIN = 1.03  # what another budget must be faster than the usual one: timings are not exact
ENOUGH = 8192  # tokens of work; with less the search would be most of it
WIDEST = 64  # tokens; of longer rows a batch holds one or a few under any budget


class Budget:
    """Padded tokens of a batch.

    Args:
        tokens: how many; what to begin with, where it is found out.
        probe: whether to find out.
        clock: seconds that computing takes.
    """

    def __init__(
        self, tokens: int = USUAL, *, probe: bool = False, clock: Clock = time.perf_counter
    ) -> None:
        self.tokens = tokens
        self.probed = False
        self._open = probe
        self._clock = clock
        self._lock = threading.Lock()

    def probe(
        self, widths: Sequence[int], compute: Callable[[Sequence[int]], Answer]
    ) -> Iterator[tuple[Sequence[int], Answer]]:
        """Compute some batches under several budgets, and keep the fastest budget.

        Nothing is computed when the budget is known or given, when there is little work or the
        rows are long, or while another thread is looking.

        Args:
            widths: tokens of all rows to be computed.
            compute: from places in `widths` to what is wanted of these rows.

        Yields:
            Places of the rows that were computed, and what came of them.
        """
        trials = _trials(widths) if self._open else []
        if not trials or not self._lock.acquire(blocking=False):
            return
        try:
            rates = dict.fromkeys(TRIED, 0.0)
            for number, (tried, places) in enumerate(trials):
                start = self._clock()
                answer = compute(places)
                seconds = max(self._clock() - start, 1e-9)
                if number:  # the first one allocates
                    real = sum(widths[place] for place in places)
                    rates[tried] = max(rates[tried], real / seconds)
                yield places, answer
            best = max(TRIED, key=rates.__getitem__)
            self.tokens = best if rates[best] > GAIN * rates[USUAL] else USUAL
            self.probed, self._open = True, False
        finally:
            self._lock.release()


def budget_of(bundle: Bundle, device: str, given: int | None, *, threads: int) -> Budget:
    """The budget of an opened bundle.

    It is the one that was asked for, or one to be found out. On a GPU, and for graphs that others
    made, whose rows may depend on their batch, it is always the same one.

    Args:
        bundle: what is run.
        device: cpu or cuda:N.
        given: padded tokens that were asked for.
        threads: of one batch; a single one is timed by its own clock.
    """
    exporter = (bundle.manifest.get("export") or {}).get("exporter")
    if given is not None or device != "cpu" or exporter not in SURE:
        return Budget(given or FIXED[device.partition(":")[0]])
    return Budget(probe=True, clock=time.thread_time if threads == 1 else time.perf_counter)


def _trials(widths: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Budgets and the rows to try them on, of about the median length; none where it is no use."""
    if sum(widths) < ENOUGH:
        return []
    lengths = np.asarray(widths, np.int64)
    order = np.argsort(-lengths, kind="stable")
    median = max(1, int(lengths[order[len(order) // 2]]))
    turns = [TRIED[-1], *(one for turn in range(REPEATS) for one in TRIED[:: 1 - 2 * (turn % 2)])]
    needed = sum(max(1, budget // median) for budget in turns)
    if median > WIDEST or needed > len(order) // 2:
        return []
    found = []
    place = (len(order) - needed) // 2
    for budget in turns:
        if place >= len(order):
            return []
        rows = max(1, budget // max(1, int(lengths[order[place]])))
        found.append((budget, order[place : place + rows].tolist()))
        place += rows
    return found
