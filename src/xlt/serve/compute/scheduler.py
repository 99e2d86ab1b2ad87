"""From a request's items to its outputs: tokenise, admit, batch, compute; all off the event loop.

    event loop ──> tokeniser threads ──> lanes ──> the worker thread ──> event loop

One worker computes for all models of the device, one batch at a time. It takes the next batch
itself when it is free, so there is no artificial delay and no idle gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from xlt.serve.compute.lanes import Batch, Lanes
from xlt.serve.compute.memory import Freed
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.served import Served
from xlt.serve.compute.threads import Threads, ordinary
from xlt.serve.compute.work import Encode, Work
from xlt.serve.compute.worker import Worker
from xlt.serve.errors import Problem
from xlt.serve.limits import Admission, Limits, Ticket, too_slow

__all__ = ["Scheduler"]

LONG_BYTES = 64 << 10  # bodies beyond have tokeniser threads of their own
LONG_THREADS = 4
CLOSE_SECONDS = 1.0  # for the worker's last batch
RATE_MEMORY = 0.9  # of the moving average of tokens a second


class Scheduler:
    """Owns the queue, the tokeniser threads and the worker.

    Args:
        limits: what is admitted.
        metrics: where to count.
        freed: told when a long body is done with.
        tokenizer_threads: threads that encode and decode.
        on_fatal: called (on the event loop) when the worker keeps dying.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: Metrics,
        *,
        tokenizer_threads: int = 2,
        freed: Freed | None = None,
        on_fatal: Callable[[], None] = lambda: None,
    ) -> None:
        self.metrics, self.freed = metrics, freed or Freed()
        self.lock = threading.Condition()
        self.lanes: Lanes[Work] = Lanes()
        self.admission = admission = Admission(limits)
        metrics.queue_requests.set_function(lambda: float(len(admission.tickets)))
        metrics.queue_tokens.set_function(lambda: float(admission.tokens))
        self.limits = limits
        self.threads = Threads(tokenizer_threads, "xlt-text")
        # Short texts do not wait behind megabytes, and long bodies not behind one that takes
        # seconds: a tokenizer cannot be stopped in the middle of a text.
        self.long_threads = Threads(LONG_THREADS, "xlt-long")
        self.worker = Worker(self._next, self._done, metrics, on_fatal=on_fatal)
        self.busy_since = 0.0  # end of the last batch, or when the queue was last empty
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def start(self) -> None:
        """Start the worker; call on the event loop."""
        self.loop = asyncio.get_running_loop()
        self.worker.start(self.loop, on_death=self._failed)

    def close(self) -> None:
        """Stop the threads; what still waits is never computed, its tasks are the caller's."""
        with self.lock:
            self.closed = True
            self.lock.notify_all()
        self.worker.close(CLOSE_SECONDS)
        self.threads.close()
        self.long_threads.close()

    async def in_thread(
        self, function: Callable[[], Any], *, deadline: float | None = None, n_bytes: int = 0
    ) -> Any:
        """Run something that takes long (decoding, matching) in a tokeniser thread.

        Args:
            function: takes nothing.
            deadline: `time.monotonic()` at which nobody waits any more.
            n_bytes: of the body that it works on.

        Raises:
            Problem: 504 when it has not ended by the deadline; if it has not begun, it never does.
        """
        arrived = time.monotonic()
        left = None if deadline is None else max(0.0, deadline - arrived)
        try:
            async with asyncio.timeout(left):
                return await self._threads_for(n_bytes).run(function)
        except TimeoutError:
            raise _late(arrived) from None

    def _threads_for(self, n_bytes: int) -> Threads:
        return self.threads if n_bytes <= LONG_BYTES else self.long_threads

    def check(self, n_bytes: int) -> None:
        """Refuse a request before it is read, where it would be refused afterwards.

        Raises:
            Problem: 429 when the server is full.
        """
        with self.lock:
            self.admission.check(n_bytes)

    def admit(self, n_bytes: int) -> Ticket:
        """A place for a request, until `leave`.

        Raises:
            Problem: 429 when the server is full.
        """
        with self.lock:
            return self.admission.enter(n_bytes)

    def leave(self, ticket: Ticket) -> None:
        """Give the place of a request back, whatever became of it."""
        with self.lock:
            self.admission.leave(ticket)
        if ticket.n_bytes > LONG_BYTES:
            self.freed.note()

    async def compute(self, model: Served, encode: Encode, ticket: Ticket, deadline: float) -> Work:
        """Tokenise, admit, queue and compute a request.

        Cancelling the caller (its client has gone) drops what is not computed yet.

        Args:
            model: who computes.
            encode: makes the rows of the request; runs in a tokeniser thread.
            ticket: of the admission.
            deadline: `time.monotonic()` after which nothing of the request is computed.

        Returns:
            The finished work: rows, outputs and times.

        Raises:
            Problem: 413 or 429 when its tokens do not fit, 504 past the deadline, 500 when the
                worker died under it.
        """
        loop = asyncio.get_running_loop()
        work = Work(model, encode, deadline, loop.create_future(), ticket)
        work.arrived = time.monotonic()
        # Tokenising is in order of arrival, unlike computing: a megabyte before a short text would
        # hold it up for seconds, so long bodies queue apart.
        self._threads_for(ticket.n_bytes).submit(partial(self._prepare, work))
        overdue = loop.call_later(max(0.0, deadline - work.arrived), self._overdue, work)
        try:
            await work.future
        except asyncio.CancelledError:
            self._abandon(work)
            self.metrics.cancelled(model, "disconnect")
            raise
        finally:
            overdue.cancel()
        work.finished = time.monotonic()
        return work

    # tokeniser threads

    def _prepare(self, work: Work) -> None:
        if work.over:
            return
        try:
            rows = ordinary(work.encode)
            sizes = [_size(row.ids) for row in rows]
            tokens = sum(length * shape for length, shape in sizes)
            # All before the push: from then on the worker may take the rows at any moment.
            work.rows, work.outputs, work.left = rows, [None] * len(rows), len(rows)
            least = tokens * work.model.pace.seconds_per_token
            if least > self.limits.request_seconds:
                raise too_slow(tokens, least, self.limits.request_seconds)
            work.encoded = time.monotonic()
            with self.lock:
                if work.over or self.closed:  # given up while it was tokenised
                    return
                self.admission.weigh(work.ticket, tokens)
                if rows:
                    self.lanes.push(work, sizes, work.encoded)
                    self.lock.notify()
            if not rows:
                self._settle(work, None)
        except Exception as error:
            self._settle(work, error)

    # worker thread

    def _next(self) -> Batch[Work] | None:
        """Wait for work; None when the server closes."""
        with self.lock:
            while not self.closed:
                # Requests past their deadline go first, so that no batch is spent on them when
                # the server is behind: the moment when it matters most.
                for late in self.lanes.expired(time.monotonic()):
                    late.over = True
                    self._settle(late, _late(late.arrived))
                batch = self.lanes.take()
                if batch is not None:
                    now = time.monotonic()
                    self.busy_since = self.busy_since or now
                    for piece in batch.pieces:
                        piece.work.started = piece.work.started or now
                    return batch
                self.busy_since = 0.0
                self.lock.wait()
        return None

    def _done(self, batch: Batch[Work], outputs: Sequence[Any]) -> None:
        """Hand the outputs of a batch to its requests.

        What the server does between two batches slows the queue too, so it is in the rate.
        """
        finished, now = [], time.monotonic()
        seconds, self.busy_since = now - self.busy_since, now
        with self.lock:
            for piece, output in zip(batch.pieces, outputs, strict=True):
                work = piece.work
                # Given back row by row, not at the end of the request: a long request that is
                # half done makes room for half its tokens.
                self.admission.computed(work.ticket, piece.cost)
                work.outputs[piece.index] = output
                work.left -= 1
                if not work.left and not work.over:
                    finished.append(work)
            if seconds > 0:
                rate = batch.tokens / seconds
                old = self.admission.rate
                self.admission.rate = RATE_MEMORY * old + (1 - RATE_MEMORY) * rate if old else rate
        self._call(_resolve, finished)  # one wake-up of the event loop for the whole batch

    # event loop

    def _failed(self, batch: Batch[Work] | None) -> None:
        """The worker died: what it was computing fails, the rest waits for its successor."""
        self.busy_since = 0.0
        if batch is None:  # it died between two batches
            return
        for work in {piece.work for piece in batch.pieces}:
            self._abandon(work)
            _resolve_one(
                work,
                Problem(
                    500,
                    "worker_died",
                    "the worker died under this request and is started again",
                    retry_after=1.0,
                ),
            )

    def _overdue(self, work: Work) -> None:
        if not work.future.done():
            self._abandon(work)
            self.metrics.cancelled(work.model, "deadline")
            _resolve_one(work, _late(work.arrived))

    def _abandon(self, work: Work) -> None:
        with self.lock:
            work.over = True
            self.lanes.drop(work)

    def _settle(self, work: Work, error: Exception | None) -> None:
        work.over = True
        self._call(_resolve_one, work, error)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(function, *arguments)


def _resolve(works: Sequence[Work]) -> None:
    for work in works:
        _resolve_one(work, None)


def _resolve_one(work: Work, error: Exception | None) -> None:
    if work.future.done():
        return
    if error is None:
        work.future.set_result(None)
    else:
        work.future.set_exception(error)


def _late(arrived: float) -> Problem:
    waited = time.monotonic() - arrived
    return Problem(
        504,
        "deadline",
        f"not computed within the {waited:.1f} s of its deadline (x-request-timeout-ms, "
        "--request-seconds)",
        retry_after=1.0,
    )


def _size(ids: Any) -> tuple[int, int]:
    """(length, shape) of a row: (L,) has shape 1, (n_choices, L) has n_choices.

    A text without tokens, where the tokenizer adds none, counts as one.
    """
    return (max(1, ids.shape[-1]), ids.shape[0] if ids.ndim == 2 else 1)
