"""The queue of rows: which of them are computed next, together.

Rows of one model and shape form a lane; rows of a lane whose lengths are within a power of two
form a class. Classes take turns by the tokens they have had (start-time fair queueing), so that
short texts wait for one long text at most, and long ones are not starved. In the class whose turn
it is, the row that is due first is the anchor of a batch. Rows of similar length from its lane
join it as long as that makes the batch cheaper for its tokens: a batch has a cost of its own, which
more rows share, and padding, which longer rows bring. A budget of padded tokens is the bound.
A row falls due when it would be done if all waiting requests shared the machine evenly, so small
requests pass between the rows of large ones.
Pure data structure: no clock, no threads (callers hold the scheduler's lock).
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

__all__ = ["FIXED_TOKENS", "MAX_ROWS", "Batch", "Lanes", "Pace", "Piece", "Workload"]

STRETCH = 1.25  # a batch's longest row is at most this many times its shortest ...
SLACK = 4  # ... or this many tokens longer
SHORTEST = 4  # texts of up to 2^4 tokens are one class
MAX_ROWS = 256  # in a batch
FIXED_TOKENS = 8.0  # what a small model on a CPU was measured to have
LEAST_SHARE = 4  # requests among which the machine is taken to be divided, at least


Class = tuple[Hashable, int, int]  # lane, shape, power of two


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a model computes; the warm-up measures it.

    Attributes:
        budget: padded tokens in a batch, at most.
        seconds_per_token: for due times; 0 when unknown.
        fixed_tokens: what a batch costs besides its tokens, in tokens.
    """

    budget: int = 512
    seconds_per_token: float = 0.0
    fixed_tokens: float = FIXED_TOKENS


class Workload(Protocol):
    """What the queue has to know of a request."""

    @property
    def lane(self) -> Hashable:
        """Rows of equal lanes may be computed together."""

    @property
    def deadline(self) -> float:
        """After it nothing of the request is computed."""

    @property
    def pace(self) -> Pace:
        """Of the model."""


W = TypeVar("W", bound=Workload)


@dataclass(slots=True, eq=False)
class Piece(Generic[W]):
    """One row of a request.

    Attributes:
        index: of the row in its request.
        length: tokens in the longest dimension, which padding acts on.
        cost: tokens the model computes (length times choices).
        due: when it should be computed; the order of the anchors.
    """

    work: W
    index: int
    length: int
    cost: int
    shape: int = 1
    due: float = 0.0
    serial: int = 0
    gone: bool = False
    key: tuple[int, float, int] = field(default=(0, 0.0, 0))


@dataclass(slots=True)
class Batch(Generic[W]):
    """Rows to compute in one go."""

    pieces: list[Piece[W]]

    @property
    def padded_tokens(self) -> int:
        """Tokens that are computed, padding included."""
        longest = max(piece.length for piece in self.pieces)
        return longest * sum(piece.shape for piece in self.pieces)

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return sum(piece.cost for piece in self.pieces)


class Lanes(Generic[W]):
    """Rows that wait, by lane and length, and by due time."""

    def __init__(self, *, max_rows: int = MAX_ROWS) -> None:
        self.max_rows = max_rows
        self.lanes: dict[tuple[Hashable, int], list[Piece[W]]] = {}
        self.classes: dict[Class, list[tuple[float, int, Piece[W]]]] = {}  # heaps by due time
        self.had: dict[Class, float] = {}  # tokens a class has had; starts at the clock
        self.clock = 0.0
        self.next_deadline = math.inf
        self.waiting: dict[int, tuple[W, int]] = {}  # id of a request: it and its rows here
        self.serial = 0

    def __len__(self) -> int:
        return sum(count for _, count in self.waiting.values())

    def push(self, work: W, sizes: Sequence[tuple[int, int]], now: float) -> None:
        """Queue all rows of a request.

        Args:
            work: the request.
            sizes: (length, shape) of each row; shape is the number of choices, else 1.
            now: seconds, on the clock of the deadlines.
        """
        if not sizes:
            raise ValueError("a request without rows has nothing to wait for")
        # As if all waiting requests shared the machine: a row's due time grows with the tokens
        # before it in its own request only, so a later short request overtakes the rest of a long
        # one. At least LEAST_SHARE, or a long request that comes first would be due before
        # whatever follows it.
        share = work.pace.seconds_per_token * max(LEAST_SHARE, len(self.waiting) + 1)
        due = now
        new: dict[tuple[Hashable, int], list[Piece[W]]] = {}
        for index, (length, shape) in enumerate(sizes):
            self.serial += 1
            due += length * shape * share
            piece = Piece(work, index, length, length * shape, shape, due, self.serial)
            piece.key = (length, due, self.serial)
            new.setdefault((work.lane, shape), []).append(piece)
            self._stand_in(piece)
        for lane, pieces in new.items():
            queue = self.lanes.setdefault(lane, [])
            if len(pieces) == 1:
                insort(queue, pieces[0], key=_key)
            else:
                queue.extend(pieces)
                queue.sort(key=_key)
        self.waiting[id(work)] = (work, len(sizes))
        self.next_deadline = min(self.next_deadline, work.deadline)

    def drop(self, work: W) -> int:
        """Take all rows of a request out; returns their tokens (0 when none is left here)."""
        if id(work) not in self.waiting:
            return 0
        del self.waiting[id(work)]
        tokens = 0
        for lane in [lane for lane in self.lanes if lane[0] == work.lane]:
            kept = []
            for piece in self.lanes[lane]:
                if piece.work is work:
                    piece.gone = True
                    tokens += piece.cost
                else:
                    kept.append(piece)
            self._set(lane, kept)
        return tokens

    def expired(self, now: float) -> list[W]:
        """Drop the requests whose deadline is past, and name them."""
        if now < self.next_deadline:
            return []
        late = [work for work, _ in self.waiting.values() if work.deadline <= now]
        for work in late:
            self.drop(work)
        left = (work.deadline for work, _ in self.waiting.values())
        self.next_deadline = min(left, default=math.inf)
        return late

    def take(self) -> Batch[W] | None:
        """The next batch, or None when nothing waits."""
        anchor = self._anchor()
        if anchor is None:
            return None
        lane = (anchor.work.lane, anchor.shape)
        queue = self.lanes[lane]
        low, high = self._similar(queue, bisect_left(queue, anchor.key, key=_key))
        pieces = queue[low:high]
        del queue[low:high]
        if not queue:
            del self.lanes[lane]
        for piece in pieces:
            piece.gone = True
            work, count = self.waiting[id(piece.work)]
            if count == 1:
                del self.waiting[id(piece.work)]
            else:
                self.waiting[id(piece.work)] = (work, count - 1)
        batch = Batch(pieces)
        self.had[_class_of(anchor)] += batch.padded_tokens
        return batch

    def _stand_in(self, piece: Piece[W]) -> None:
        """Queue a row in its class; a class that was empty begins at the clock."""
        kind = _class_of(piece)
        # A class that was away keeps what it has had, but saves up no turns meanwhile: with less
        # than the clock it would hold the machine until it had caught up.
        if kind not in self.classes:
            self.classes[kind] = []
            self.had[kind] = max(self.clock, self.had.get(kind, 0.0))
        heapq.heappush(self.classes[kind], (piece.due, piece.serial, piece))

    def _anchor(self) -> Piece[W] | None:
        """The row that is due first in the class that has had least."""
        # Rows leave by batch and by `drop`, from the middle of a heap: they are only marked as gone
        # and fall out here, which is cheaper than searching the heap each time.
        for kind, heap in list(self.classes.items()):
            while heap and heap[0][2].gone:
                heapq.heappop(heap)
            if not heap:
                del self.classes[kind]
        if not self.classes:
            self.had.clear()
            self.clock = 0.0
            return None
        kind = min(self.classes, key=lambda kind: (self.had[kind], self.classes[kind][0][:2]))
        self.clock = self.had[kind]
        return self.classes[kind][0][2]

    def _similar(self, queue: list[Piece[W]], at: int) -> tuple[int, int]:
        """The slice around the anchor that is cheapest for its tokens, within the budget."""
        # The queue of a lane is sorted by length, so every batch is a slice of it, and all padding
        # is (longest - length). The slice grows by one length class at a time at its upper end;
        # for each upper end the lower end goes down as long as the cost per token falls. Equally
        # cheap slices are taken as late as possible: more rows for the same price.
        anchor = queue[at]
        shape, fixed = anchor.shape, anchor.work.pace.fixed_tokens
        found, least = (at, at + 1), math.inf
        high, upper = at, 0  # `upper` tokens from the anchor to below `high`
        while high < len(queue) and _even(anchor.length, longest := queue[high].length):
            most = min(self.max_rows, max(1, anchor.work.pace.budget // (longest * shape)))
            if high - at >= most:
                break
            while high < len(queue) and queue[high].length == longest and high - at < most:
                upper += longest
                high += 1
            low, tokens = at, upper
            cost = (fixed + (high - low) * longest * shape) / tokens
            while low and high - low < most and _even(queue[low - 1].length, longest):
                more = tokens + queue[low - 1].length
                with_it = (fixed + (high - low + 1) * longest * shape) / more
                if with_it > cost:
                    break
                low, tokens, cost = low - 1, more, with_it
            if cost <= least:
                found, least = (low, high), cost
        return found

    def _set(self, lane: tuple[Hashable, int], pieces: list[Piece[W]]) -> None:
        if pieces:
            self.lanes[lane] = pieces
        else:
            del self.lanes[lane]


def _class_of(piece: Piece[W]) -> Class:
    return (piece.work.lane, piece.shape, max(SHORTEST, (piece.length - 1).bit_length()))


def _key(piece: Piece[W]) -> tuple[int, float, int]:
    return piece.key


def _even(shortest: int, longest: int) -> bool:
    """Whether rows of such lengths may share a batch."""
    return longest <= max(STRETCH * shortest, shortest + SLACK)
