"""One line for many parts of unequal cost: how many are done, and the time left for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from xlt.core.show.terminal import Tick, clock, fitted, inside, live_line

__all__ = ["Overall", "Part", "overall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a run.

    Attributes:
        name: as people read it.
        group: parts of one group cost alike for their size.
        size: in any unit that is known before, such as the bytes of its files.
    """

    name: str
    group: str
    size: int


class Overall:
    """How far a run is.

    The cost of a part is its size times the cost of its group, which is measured: by the parts
    of the group that this run has done, else by former runs, else it is that of all others
    together. The time left is what the costs that are left take at the speed of the run so far,
    so that it is right as well where several parts are worked on at once.

    Args:
        what: is going on.
        parts: all of them.
        former: group -> seconds a unit of size, of former runs.
        unit: what the parts are called.
    """

    def __init__(
        self, what: str, parts: Sequence[Part], former: Mapping[str, float], unit: str
    ) -> None:
        self._what, self._unit, self._former = what, unit, former
        self._parts = {part.name: part for part in parts}
        self._done: set[str] = set()
        self._measured: dict[str, tuple[float, int]] = {}
        self._current, self._items, self._total, self._began = "", 0, 0, 0.0
        self.draw: Tick | None = None

    @contextmanager
    def part(self, name: str, total: int) -> Iterator[Tick]:
        """Work on a part goes on; a part may have several such stretches."""
        self._current, self._items, self._total = name, 0, total
        self._began = time.monotonic()
        self.tick(0)
        try:
            yield self.tick
        finally:
            self._current = ""

    def tick(self, n: int) -> None:
        """So many items of the current part more are done; the line is drawn where it is time."""
        (self.draw or self.add)(n)

    def add(self, n: int) -> None:
        """Count items of the current part."""
        self._items += n

    def finish(self, name: str, seconds: float | None) -> None:
        """A part is done, or has failed.

        Args:
            name: of the part.
            seconds: that it took; None: unknown, or it failed.
        """
        part = self._parts[name]
        self._done.add(name)
        if seconds is not None:
            spent, size = self._measured.get(part.group, (0.0, 0))
            self._measured[part.group] = spent + seconds, size + part.size
        self._current = ""
        self.tick(0)

    def left(self, seconds: float) -> float | None:
        """Seconds that the rest takes, when the run has gone on for so many; None: no idea yet."""
        costs = self._costs()
        done = sum(costs[name] for name in self._done)
        if self._current in self._parts and self._current not in self._done and self._total:
            done += costs[self._current] * min(1.0, self._items / self._total)
        return seconds * (sum(costs.values()) - done) / done if done > 0 else None

    def line(self, columns: int, seconds: float) -> str:
        """What is done of all, the time left, and where the work is."""
        pieces = [f"{self._what}: {len(self._done)}/{len(self._parts)} {self._unit}"]
        rest = self.left(seconds)
        if rest is not None:
            pieces.append(f"{clock(rest)} left")
        if self._current:
            pieces.append(f"{self._current} {self._items}/{self._total}")
            spent = time.monotonic() - self._began
            if self._items and spent > 0:
                pieces.append(f"{self._items / spent:.1f}/s")
        return fitted(pieces, columns)

    def _costs(self) -> dict[str, float]:
        rates = {**self._former}
        rates |= {g: spent / size for g, (spent, size) in self._measured.items() if size}
        groups = {part.group for part in self._parts.values()}
        known = [rate for group, rate in rates.items() if group in groups and rate > 0]
        usual = sum(known) / len(known) if known else 1.0
        return {
            name: max(1, part.size) * (rates.get(part.group) or usual)
            for name, part in self._parts.items()
        }


@contextmanager
def overall(
    what: str, parts: Sequence[Part], former: Mapping[str, float], unit: str
) -> Iterator[Overall]:
    """Show one line for the run while the block works; every `progress` inside feeds it."""
    state = Overall(what, parts, former, unit)
    with live_line(state) as state.draw, inside(state.part):
        yield state
