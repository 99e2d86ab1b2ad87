"""The thread that computes batches, and what happens when a row or the thread fails.

A batch that raises is computed again row by row, so that a poison row costs only itself; a row
with NaN or infinite outputs gets a fault instead of numbers; a thread that dies is reported, its
requests fail, and another one is started.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from xlt.serve.compute.lanes import Batch
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.served import Served
from xlt.serve.compute.vitals import NOT_FINITE, RowFault, is_finite
from xlt.serve.compute.work import Work

__all__ = ["Worker", "run_rows"]

PATIENCE = 5  # deaths within the window that the worker survives
WINDOW_SECONDS = 60.0
REST_SECONDS = 0.5  # before a restart, doubled each time
STUCK_SECONDS = 60.0  # a batch that takes longer makes the server unready
POLL_SECONDS = 0.25

log = logging.getLogger("xlt.serve")


class Worker:
    """One thread that asks for batches and hands back outputs; watched from the event loop."""

    def __init__(
        self,
        next_batch: Callable[[], Batch[Work] | None],
        done: Callable[[Batch[Work], Sequence[Any]], None],
        metrics: Metrics,
        *,
        on_fatal: Callable[[], None],
    ) -> None:
        self.next_batch, self.done, self.metrics, self.on_fatal = (
            next_batch,
            done,
            metrics,
            on_fatal,
        )
        self.thread: threading.Thread | None = None
        self.batch: Batch[Work] | None = None  # being computed
        self.since = 0.0
        self.deaths: list[float] = []
        self.closed = False
        self.rest_seconds = REST_SECONDS
        self.watch: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether the thread runs and is not stuck in one batch."""
        if self.thread is None or not self.thread.is_alive():
            return False
        return self.batch is None or time.monotonic() - self.since < STUCK_SECONDS

    def start(
        self, loop: asyncio.AbstractEventLoop, *, on_death: Callable[[Batch[Work] | None], None]
    ) -> None:
        """Start the thread and its watch."""
        self._spawn()
        self.watch = loop.create_task(self._watch(on_death))

    def close(self, seconds: float) -> None:
        """Stop watching, and wait a while for the thread; it ends when `next_batch` gives None."""
        self.closed = True
        if self.thread is not None:
            self.thread.join(seconds)
        if self.watch is not None:
            self.watch.cancel()

    def _spawn(self) -> None:
        self.batch = None
        self.thread = threading.Thread(target=self._run, name="xlt-worker", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            while (batch := self.next_batch()) is not None:
                self._compute(batch)
                del batch  # while it waits, the last model may be unloaded
        except BaseException as error:
            log.error("the worker died: %s", type(error).__name__, exc_info=error)

    def _compute(self, batch: Batch[Work]) -> None:
        self.since = time.monotonic()  # before the batch, which says that it counts
        self.batch = batch
        model = batch.pieces[0].work.model  # one lane a batch, so one model
        rows = [piece.work.rows[piece.index] for piece in batch.pieces]
        outputs = run_rows(model, rows, self.metrics)
        self.metrics.batch(
            model,
            rows=len(rows),
            tokens=batch.tokens,
            padded=batch.padded_tokens,
            seconds=time.monotonic() - self.since,
        )
        self.done(batch, outputs)
        # After the answers: checking a failing model computes a row of its own, for which no
        # client should wait.
        model.vitals.note(outputs, model.trial)
        self.batch = None

    async def _watch(self, on_death: Callable[[Batch[Work] | None], None]) -> None:
        while not self.closed:
            await asyncio.sleep(POLL_SECONDS)
            if self.closed or (self.thread is not None and self.thread.is_alive()):
                continue
            now = time.monotonic()
            on_death(self.batch)
            self.batch = None
            self.deaths = [when for when in self.deaths if now - when < WINDOW_SECONDS] + [now]
            self.metrics.worker_restarts.inc()
            if len(self.deaths) >= PATIENCE:
                log.critical("the worker died %d times in a minute: giving up", len(self.deaths))
                self.on_fatal()
                return
            # Doubled: what kills the worker is mostly a request that its client sends again.
            await asyncio.sleep(self.rest_seconds * 2 ** (len(self.deaths) - 1))
            self._spawn()


def run_rows(model: Served, rows: Sequence[Any], metrics: Metrics) -> list[Any]:
    """Outputs of rows, in order; a `RowFault` where a row has none."""
    try:
        outputs = list(model.run(rows))
    except Exception as error:
        if len(rows) > 1:
            log.warning(
                "a batch of %d rows failed (%s); one by one", len(rows), type(error).__name__
            )
            return [output for row in rows for output in run_rows(model, [row], metrics)]
        log.error("a row failed in %s", model.name, exc_info=error)
        metrics.failed_row(model, "exception")
        return [RowFault("model_error", f"the model failed on this input ({type(error).__name__})")]
    for index, output in enumerate(outputs):
        if not is_finite(output):
            metrics.failed_row(model, "non_finite")
            outputs[index] = RowFault("model_error", f"the model gave {NOT_FINITE} for this input")
    return outputs
