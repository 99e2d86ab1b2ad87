"""What a running server holds for its handlers: settings, models, queue, metrics, readiness."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from xlt.core.errors import did_you_mean
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.models import Models
from xlt.serve.compute.scheduler import Scheduler
from xlt.serve.compute.served import Served
from xlt.serve.compute.sources import Source
from xlt.serve.compute.vetting import Vetting
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reader
from xlt.serve.request.operation import Operation, own_paths
from xlt.serve.settings import Settings

__all__ = ["State"]

NOT_NAMED = "default/not-specified"  # what infinity's client sends; no model can be called so
log = logging.getLogger("xlt.serve")


class State:
    """What handlers need of a server; lives on the event loop.

    Args:
        settings: what the user set.
        models: the table of models.
        metrics: where to count.
        scheduler: who computes.
        operations: of this server, for the document of its routes.

    Attributes:
        draining: readiness says no.
        refusing: new work is refused.
        dropped: requests that the end of draining cut off.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models,
        metrics: Metrics,
        scheduler: Scheduler,
        operations: Sequence[Operation[Any]],
    ) -> None:
        self.settings, self.models, self.metrics = settings, models, metrics
        self.scheduler, self.operations = scheduler, operations
        self.reader = Reader(settings.limits)
        self.vetting = Vetting()
        self.loader = ThreadPoolExecutor(1, thread_name_prefix="xlt-load")
        self.draining = self.refusing = False
        self.dropped = 0

    @property
    def ready(self) -> str | None:
        """Why the server is not ready; None when it is."""
        if self.draining:
            return "the server is shutting down"
        if not self.models.ready:
            return "models are loading: " + ", ".join(self.models.awaited)
        if not self.scheduler.worker.alive:
            return "the worker is down or stuck"
        return "; ".join(str(served.vitals.reason) for served in self.models.failing) or None

    def check_open(self) -> None:
        """Refuse work while the server shuts down.

        Raises:
            Problem: 503.
        """
        if self.refusing:
            raise Problem(
                503, "draining", "the server is shutting down", retry_after=1.0, close=True
            )

    async def load(self, source: Source, *, vet: bool = False) -> Served:
        """Load a model and let it answer under its name; a model it replaces serves until then.

        Args:
            source: where it is.
            vet: whether to look at it first, in a process of its own, while others are loaded.

        Raises:
            ModelError: it cannot be opened; nothing has changed then.
        """
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        if vet:
            repository = self.settings.repository
            known = repository is not None and source.path.is_relative_to(repository)
            root = repository if known else None
            await loop.run_in_executor(None, self.vetting.vet, source.path, root)
        served = await loop.run_in_executor(self.loader, self.models.load, source)
        self.models.put(served)
        fields = {
            "model": served.name, "task": served.task, "precision": source.precision,
            "device": served.engine.session.device, "batch_tokens": served.pace.budget,
            "seconds": round(time.monotonic() - started, 3),
        }  # fmt: skip
        log.info("model loaded", extra={"fields": fields})
        return served

    def unload(self, name: str) -> None:
        """Forget a model; what is in flight is still answered.

        Raises:
            Problem: 404 for an unknown name.
        """
        self.models.remove(self.find(name).name)

    def find(self, name: str) -> Served:
        """The model of a name.

        Raises:
            Problem: 404 for an unknown name, 503 for one that is still loading.
        """
        if name in self.models.table:
            return self.models.table[name]
        if name in self.models.awaited:
            raise self._loading()
        known = ", ".join(self.models.table) or "none"
        raise Problem(
            404,
            "model_not_found",
            f"no model {name[:100]!r} here{did_you_mean(name[:100], self.models.table)}; "
            f"loaded: {known}",
            "model",
        )

    def pick(self, name: str | None, *kinds: str) -> Served:
        """The model that a request means; it need not be named when only one fits.

        Raises:
            Problem: unknown name, a model of another kind, or several that fit.
        """
        if name is not None and name != NOT_NAMED:
            served = self.find(name)
            if served.kind not in kinds:
                routes = ", ".join(own_paths(self.operations, served.kind))
                raise Problem(
                    400,
                    "wrong_model",
                    f"model {name!r} is of kind {served.kind!r}, which answers at {routes}; "
                    f"here fit: {self._names(kinds)}",
                    "model",
                )
            return served
        fitting = [served for served in self.models.table.values() if served.kind in kinds]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting and self.models.awaited:
            raise self._loading()
        if not fitting:
            raise Problem(
                404,
                "model_not_found",
                f"no model of kind {' or '.join(kinds)} is loaded",
                "model",
            )
        raise Problem(
            400,
            "model_required",
            f"several models fit this request: name one as `model`: {self._names(kinds)}",
            "model",
        )

    def _names(self, kinds: Sequence[str]) -> str:
        names = [name for name, served in self.models.table.items() if served.kind in kinds]
        return ", ".join(names) or "none"

    def _loading(self) -> Problem:
        return Problem(503, "not_ready", "the models are still loading", retry_after=1.0)
