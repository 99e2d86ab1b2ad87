"""The models a server holds: loading, warm-up, swap."""

from __future__ import annotations

import threading
from dataclasses import replace

from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import ModelError, XltError
from xlt.core.inference.engine import Engine
from xlt.core.kinds.table import kind_of
from xlt.serve.compute.lanes import Pace
from xlt.serve.compute.memory import Freed
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.served import Served
from xlt.serve.compute.sources import Loading, Source
from xlt.serve.compute.threads import ordinary
from xlt.serve.compute.vitals import NOT_FINITE, Vitals, is_finite
from xlt.serve.compute.warmup import tune

__all__ = ["Models"]


class Models:
    """The table of models. Changed and read on the event loop; loading runs in a thread."""

    def __init__(self, loading: Loading, metrics: Metrics) -> None:
        self.loading, self.metrics = loading, metrics
        self.freed = Freed()
        self.table: dict[str, Served] = {}
        self.awaited: dict[str, Source] = {}  # named at the start and not loaded yet
        self.device_lock = threading.Lock()
        self.load_lock = threading.Lock()  # one at a time: sessions are not created in parallel

    @property
    def ready(self) -> bool:
        """Whether all models of the start are there."""
        return not self.awaited

    def load(self, source: Source) -> Served:
        """Open a model and warm it up. Blocks; the table is not changed.

        Raises:
            ModelError: not a bundle, damaged, without the variant, or one whose outputs are not
                finite or do not fit its labels.
        """
        with self.load_lock:
            try:
                served: Served = ordinary(lambda: self._open(source))
                return served
            except XltError:
                raise
            except Exception as error:
                raise ModelError(
                    f"{source.path}: does not load: {type(error).__name__}",
                    "export the model again with xlt export",
                ) from error

    def _open(self, source: Source) -> Served:
        loading = self.loading
        engine = Engine.open(  # of a bundle: what comes over HTTP is never exported
            Bundle.open(source.path, precision=source.precision),
            device=loading.device,
            threads=loading.threads,
        )
        served = Served(source, engine, self.device_lock, Vitals(source.name))
        if loading.batch_tokens is not None:
            served.pace = Pace(budget=loading.batch_tokens)
        outputs = served.trial()
        if not is_finite(outputs):
            raise ModelError(
                f"{source.path}: gives {NOT_FINITE} for a plain text",
                "train or export the model again",
            )
        if loading.warm_up:
            served.pace = tune(served, loading.batch_tokens)
        if kind_of(engine.task).vectors:
            served.dimensions = len(outputs[0]["sentence_embedding"])
            _check_widths(served)
        if engine.token_output is not None:
            served.by_token = replace(served, engine=engine.for_tokens())
        return served

    def put(self, served: Served) -> None:
        """Make a model answer under its name, in place of its predecessor."""
        before = self.table.get(served.name)
        if before is not None and before.task != served.task:
            self.metrics.forget(before)
        self.freed.when_gone(served.engine.session)
        self.table[served.name] = served
        self.awaited.pop(served.name, None)
        # By name: a function that held the model would keep the last one of each name for good.
        name, task = served.name, served.task
        self.metrics.add(served).ready.set_function(lambda: float(self._answers(name, task)))

    def remove(self, name: str) -> None:
        """Forget a model of the table; what is in flight is still answered."""
        self.metrics.forget(self.table.pop(name))

    @property
    def failing(self) -> list[Served]:
        """Models that fail on everything."""
        return [served for served in self.table.values() if served.vitals.reason is not None]

    def _answers(self, name: str, task: str) -> bool:
        served = self.table.get(name)
        return served is not None and served.task == task and served.vitals.reason is None


def _check_widths(model: Served) -> None:
    """Refuse a bundle that declares widths which its vectors do not have.

    Raises:
        ModelError: names the width.
    """
    if model.dimensions is not None and max(model.cut_to, default=0) > model.dimensions:
        raise ModelError(
            f"{model.bundle.path}: its vectors have {model.dimensions} dimensions and cannot be "
            f"cut to {max(model.cut_to)}",
            "export it again with smaller --dimensions",
        )
