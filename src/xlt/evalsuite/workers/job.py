"""One cell as work for any process: what it is computed from, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from xlt.evalsuite.compute.cells import Identity, Outcome
from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.compute.evaluate import evaluate_cell, evaluate_pair
from xlt.evalsuite.plan.inputs import Inputs
from xlt.evalsuite.plan.plan import Plan, Planned

__all__ = ["Done", "Job", "Workers", "compute"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A cell that is to be computed.

    Attributes:
        cell: which.
        inputs: its files.
        identity: the content key under which it is stored.
        context: of a pair of two languages, that of the context, in which answers are scored;
            None for a cell of one language.
    """

    cell: Planned
    inputs: Inputs
    identity: Identity
    context: str | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a worker gives back.

    Attributes:
        outcome: of the cell.
        seconds: reading, encoding, running, decoding and scoring together.
        setup: what the speed depends on, for measured.json.
    """

    outcome: Outcome
    seconds: float
    setup: Mapping[str, Any]


class Workers(Protocol):
    """Who computes the cells of a plan."""

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Callable[[], Done]]]:
        """Each job, in any order, with a call that returns what came of it or raises its error.

        Raises:
            XltError: no cell can be computed: a bundle does not load, the device is not there.
        """
        ...


def compute(plan: Plan, job: Job, engines: Engines) -> Done:
    """Compute one cell here.

    Raises:
        DataError: the files are not what they say they are.
        ModelError: the model fails.
    """
    started = time.monotonic()
    if job.context is None:
        outcome = evaluate_cell(plan, job.cell, job.inputs, engines)
    else:
        outcome = evaluate_pair(plan, job.cell, job.inputs, job.context, engines)
    seconds = time.monotonic() - started - outcome.tokens.get("seconds", 0.0)
    return Done(outcome=outcome, seconds=seconds, setup=engines.setup)
