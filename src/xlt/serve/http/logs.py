"""One JSON line a request on stderr. Never a text, a key, a query string or a client's address."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from xlt.core.errors import XltError
from xlt.core.extras import needs

with needs("serve", "the log"):
    import orjson

__all__ = ["JsonFormatter", "set_up"]


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


def set_up(level: str) -> None:
    """Send our log and the HTTP server's to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, least in (("xlt.serve", level.upper()), ("uvicorn", "WARNING")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(least)
        logger.propagate = False
