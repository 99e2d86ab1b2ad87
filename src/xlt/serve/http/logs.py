"""One JSON line a request on stderr. Never a text, a key, a query string or a client's address."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from xlt.core.errors import XltError
from xlt.core.extras import needs

with needs("serve", "the log"):
    import orjson

__all__ = ["JsonFormatter", "PipeHandler", "set_up"]

MOST_LINES = 10_000  # that wait for a slow reader
FLUSH_SECONDS = 0.5


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; `extra={"fields": {...}}` adds keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _trace(record.exc_info[1])
        try:
            return orjson.dumps(line).decode()
        except orjson.JSONEncodeError:  # a file name that is not Unicode, for one
            return json.dumps(line, default=str)


def _trace(error: BaseException) -> str:
    """Where an error was raised. What it says is left out, it may quote a text; ours do not."""
    places = traceback.extract_tb(error.__traceback__)
    where = " > ".join(f"{Path(p.filename).name}:{p.lineno} {p.name}" for p in places)
    says = f": {error.message}" if isinstance(error, XltError) else ""
    cause = f" from {_trace(error.__cause__)}" if error.__cause__ is not None else ""
    return f"{type(error).__name__}{says} at {where}{cause}"


class PipeHandler(logging.Handler):
    """Writes lines to a file descriptor from a thread of its own.

    A pipe whose reader has stopped takes nothing more, and who writes to it waits: that must not
    be the thread that answers, nor the one that ends the server. Lines that find no room are
    counted and left out.

    Args:
        descriptor: of the stream; written to beneath Python's own buffer, whose lock a thread
            that waits would hold until the end of the process.
    """

    def __init__(self, descriptor: int, *, most: int = MOST_LINES) -> None:
        super().__init__()
        self.descriptor, self.most = descriptor, most
        # Not an Event: a signal may log while its thread is in the middle of logging.
        self.lines: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        self.dropped = 0
        threading.Thread(target=self._write, name="log-writer", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, or count it where there is no room."""
        if self.lines.qsize() >= self.most:
            self.dropped += 1
            return
        line = self.format(record)
        if self.dropped:
            lost, self.dropped = self.dropped, 0
            line = f'{{"level":"warning","event":"log lines left out","lines":{lost}}}\n{line}'
        self.lines.put(line.encode("utf-8", "backslashreplace") + b"\n")

    def flush(self) -> None:
        """Wait a moment for what is there to be written."""
        reached = threading.Event()
        self.lines.put(reached)
        reached.wait(FLUSH_SECONDS)

    def _write(self) -> None:
        while True:
            left = self.lines.get()
            if isinstance(left, threading.Event):
                left.set()
                continue
            with contextlib.suppress(OSError):  # nobody reads any more
                while left:
                    try:
                        left = left[os.write(self.descriptor, left) :]
                    except BlockingIOError:  # a terminal that others have made non-blocking
                        time.sleep(FLUSH_SECONDS / 10)


def set_up(level: str) -> None:
    """Send our log, the HTTP server's and the event loop's to stderr as JSON lines."""
    try:
        handler: logging.Handler = PipeHandler(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no file beneath it
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, least in (("xlt.serve", level.upper()), ("uvicorn", "WARNING"), ("asyncio", "ERROR")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(least)
        logger.propagate = False
