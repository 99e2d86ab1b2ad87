"""Threads for what takes long on a CPU but needs no model: tokenising, decoding, matching.

A request for one short text costs the server some 200 us; an executor's futures, locks and
semaphores would be a tenth of that, so a queue and some threads it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Threads", "ordinary"]

log = logging.getLogger("xlt.serve")


class Threads:
    """Some threads that call functions in the order in which they were given.

    Args:
        n_threads: how many.
        name: the beginning of their names.
    """

    def __init__(self, n_threads: int, name: str) -> None:
        self.waiting: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.futures: set[asyncio.Future[Any]] = set()
        self.closed = False
        self.threads = [
            threading.Thread(target=self._run, name=f"{name}_{number}", daemon=True)
            for number in range(n_threads)
        ]
        for thread in self.threads:
            thread.start()

    def submit(self, function: Callable[[], object]) -> None:
        """Have a function called; what it raises is logged."""
        self.waiting.put(function)

    async def run(self, function: Callable[[], Any]) -> Any:
        """What a function gives or raises; it is not called once nobody waits for it.

        Raises:
            CancelledError: the threads were closed before they came to it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: Exception | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)

        def job() -> None:
            if future.done():
                return
            result, fault = None, None
            try:
                result = ordinary(function)
            except Exception as error:
                fault = error
            try:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(settle, result, fault)
            finally:
                del result, fault  # an error holds this frame

        if self.closed:
            raise asyncio.CancelledError
        self.futures.add(future)
        try:
            self.submit(job)
            return await future
        finally:
            self.futures.discard(future)

    def close(self) -> None:
        """Let the threads end after what they are doing; what still waits is never called.

        Call it where `run` is waited for.
        """
        self.closed = True
        for future in self.futures:
            future.cancel()
        for _ in self.threads:
            self.waiting.put(None)

    def _run(self) -> None:
        while (function := self.waiting.get()) is not None and not self.closed:
            try:
                function()
            except BaseException as error:
                log.error("a thread's work failed: %s", type(error).__name__, exc_info=error)
            del function


def ordinary(function: Callable[[], Any]) -> Any:
    """Call a function; a panic of the tokenizer, which is no `Exception`, becomes one.

    Raises:
        RuntimeError: in its place.
    """
    try:
        return function()
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"{type(error).__name__} in a tokeniser thread") from error
