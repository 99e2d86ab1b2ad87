"""Connections that end without an answer, or before it has been read: counted, and logged."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
import weakref
from collections.abc import Callable

__all__ = ["LOSSES", "Losses", "watch_handshakes"]

LOSSES = {
    "write_deadline": "a client took too little of its answer in time (--write-seconds)",
    "open_files": "no connection more: the process may open no more files (ulimit -n)",
    "tls_handshake": "a TLS handshake was not done in time (--read-seconds)",
}
LOG_SECONDS = 1.0  # between two lines of one reason
log = logging.getLogger("xlt.serve")


class Losses:
    """Counts lost connections by reason; a flood of them makes one line a second.

    Args:
        count: called with the reason of each.
    """

    def __init__(self, count: Callable[[str], None] = lambda reason: None) -> None:
        self.count = count
        self.logged: dict[str, float] = {}
        self.unlogged: dict[str, int] = {}

    def note(self, reason: str) -> None:
        """One connection, for a reason of `LOSSES`."""
        self.count(reason)
        now = time.monotonic()
        if now - self.logged.get(reason, -LOG_SECONDS) < LOG_SECONDS:
            self.unlogged[reason] = self.unlogged.get(reason, 0) + 1
            return
        self.logged[reason] = now
        fields = {"reason": reason, "why": LOSSES[reason], "more": self.unlogged.pop(reason, 0)}
        log.warning("connection lost", extra={"fields": fields})


def watch_handshakes(context: ssl.SSLContext, seconds: float, losses: Losses) -> None:
    """Note TLS handshakes of a server's context that are not done in time.

    The event loop ends them (`ssl_handshake_timeout`), and tells nobody.
    """

    class Watched(ssl.SSLObject):
        """One connection's TLS."""

        begun = done = False

        def do_handshake(self) -> None:
            """Go on with it; called again and again until it is done."""
            if not self.begun:
                self.begun = True
                here = weakref.ref(self)  # a client that has left is not late

                def look() -> None:
                    late = here()
                    if late is not None and not late.done:
                        losses.note("tls_handshake")

                asyncio.get_running_loop().call_later(0.95 * seconds, look)
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except BaseException:
                self.done = True  # failed, but not late
                raise
            self.done = True

    context.sslobject_class = Watched
