"""Cells one after the other in this process; one engine serves all cells of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.plan.plan import Plan
from xlt.evalsuite.workers.job import Done, Job, compute

__all__ = ["Here"]


class Here:
    """This process as the only worker."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Callable[[], Done]]]:
        """Each job in its order; its call computes it.

        Raises:
            ModelError: a bundle does not load, or the device is not there.
        """
        engines = Engines(self._plan)
        for job in jobs:
            engines.engine(job.cell.bundle)
            yield job, partial(compute, self._plan, job, engines)
