"""One request on its way through the scheduler; the worker computes its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from xlt.serve.compute.lanes import Pace
from xlt.serve.compute.served import Served
from xlt.serve.limits import Ticket

__all__ = ["Encode", "Work"]

Encode = Callable[[], Sequence[Any]]


@dataclass(eq=False, slots=True)
class Work:
    """One request on its way through the scheduler.

    Attributes:
        encode: makes the rows; runs in a tokeniser thread.
        outputs: one entry a row: what the engine gave, or the row's fault.
        left: rows not computed yet.
    """

    model: Served
    encode: Encode
    deadline: float
    future: asyncio.Future[None]
    ticket: Ticket
    rows: Sequence[Any] = ()
    outputs: list[Any] = field(default_factory=list)
    left: int = 0
    over: bool = False  # answered, cancelled or failed: nothing of it is to be computed
    arrived: float = 0.0
    encoded: float = 0.0
    started: float = 0.0
    finished: float = 0.0

    @property
    def lane(self) -> int:
        """Rows of one loaded model (not of one name: a swap makes a new lane)."""
        return id(self.model)

    @property
    def pace(self) -> Pace:
        """Of the model."""
        return self.model.pace
