"""How much the server accepts: sizes of one request, and of all requests together.

A request is admitted whole or refused whole, and the same rule holds for one item or 2,048.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from xlt.serve.errors import Problem

__all__ = [
    "MAX_CHOICES",
    "MAX_ITEMS",
    "Admission",
    "Limits",
    "Ticket",
    "clamp_timeout",
    "too_many_tokens",
    "too_slow",
]

MAX_ITEMS = 2048  # items in one request, as OpenAI has it
MAX_CHOICES = 64  # of one prompt; they are computed together
OLDEST = 1.25  # longest wait over the mean one, as measured under overload
BYTES_PER_TOKEN = 4  # a guess, until a request is tokenised


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that a user can set.

    Attributes:
        body_bytes: of one request, after decompression.
        queue_requests: admitted and not yet answered.
        queue_tokens: tokens of all admitted requests; one request may not hold more.
        queue_bytes: bytes of the bodies of all admitted requests.
        queue_seconds: a request that would wait longer than this is refused.
        request_seconds: from the last byte of a request to its answer; then 504.
        read_seconds: for the head, and for the body, of a request; then 408.
        write_seconds: a client that takes nothing for so long is dropped.
        keep_alive_seconds: idle time of a connection.
        drain_seconds: after SIGTERM, for what is in flight.
    """

    body_bytes: int = 2 << 20
    queue_requests: int = 512
    queue_tokens: int = 1 << 18
    queue_bytes: int = 256 << 20
    queue_seconds: float = 10.0
    request_seconds: float = 60.0
    read_seconds: float = 10.0
    write_seconds: float = 30.0
    keep_alive_seconds: float = 30.0
    drain_seconds: float = 30.0


@dataclass(eq=False, slots=True)
class Ticket:
    """What one admitted request occupies; released with `Admission.leave`."""

    n_bytes: int
    left: int = 0  # tokens that are not computed yet


class Admission:
    """Counts what is admitted. Callers hold the scheduler's lock.

    The wait that a request would have is estimated under fair turns: while it is served, each
    other request gets at most as many tokens as it needs itself.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.tickets: set[Ticket] = set()
        self.sizes = [[0, 0] for _ in range(64)]  # by bits of `left`: tickets, and their tokens
        self.n_bytes = 0
        self.tokens = 0  # not computed yet
        self.rate = 0.0  # tokens a second, measured; 0 when unknown

    def enter(self, n_bytes: int) -> Ticket:
        """Admit a request by number and bytes, before its tokens are known.

        Raises:
            Problem: 429 when the server is full.
        """
        self.check(n_bytes)
        ticket = Ticket(n_bytes)
        self.tickets.add(ticket)
        self.n_bytes += n_bytes
        return ticket

    def check(self, n_bytes: int) -> None:
        """Whether a request of this size would be admitted now.

        Raises:
            Problem: 429 when the server is full.
        """
        limits = self.limits
        if len(self.tickets) >= limits.queue_requests:
            raise self._full(f"{len(self.tickets)} requests are waiting", "--queue-requests")
        if self.tickets and self.n_bytes + n_bytes > limits.queue_bytes:
            raise self._full(f"{self.n_bytes} bytes of requests are waiting", "--queue-bytes")
        if self.rate and OLDEST * self.tokens / self.rate > limits.queue_seconds:
            wait = self.wait_of(n_bytes // BYTES_PER_TOKEN)
            if wait > limits.queue_seconds:
                raise self._full(f"the queue is {wait:.1f} s long", "--queue-seconds")

    def weigh(self, ticket: Ticket, tokens: int) -> None:
        """Admit the tokens of a request, all or none; on refusal the ticket has to be left.

        Raises:
            Problem: 413 when they never fit, 429 when they do not fit now.
        """
        limits = self.limits
        if tokens > limits.queue_tokens:
            raise too_many_tokens(tokens, limits.queue_tokens)
        if self.tokens + tokens > limits.queue_tokens:
            raise self._full(f"{self.tokens} tokens are waiting", "--queue-tokens")
        if self.rate and OLDEST * self.tokens / self.rate > limits.queue_seconds:
            wait = self.wait_of(tokens)
            if wait > limits.queue_seconds:
                raise self._full(f"the queue is {wait:.1f} s long", "--queue-seconds")
        self._set(ticket, tokens)

    def wait_of(self, tokens: int) -> float:
        """Seconds that `tokens` more would wait, when requests take turns.

        Others count with what they have left, at most with twice what this one needs: rows of
        about its length are computed with it, longer requests wait meanwhile. Full batches go by
        length before age, so the oldest wait longer than the mean.
        """
        tokens = 2 * max(tokens, 1)
        bits = tokens.bit_length()
        ahead = sum(left for _, left in self.sizes[:bits])
        ahead += min(self.sizes[bits][1], tokens * self.sizes[bits][0])
        ahead += tokens * sum(count for count, _ in self.sizes[bits + 1 :])
        return OLDEST * ahead / self.rate if self.rate else 0.0

    def computed(self, ticket: Ticket, tokens: int) -> None:
        """Note that tokens of a request have left the queue."""
        self._set(ticket, max(0, ticket.left - tokens))

    def leave(self, ticket: Ticket) -> None:
        """Release what a request occupies, whatever became of it. Safe to call twice."""
        if ticket in self.tickets:
            self.tickets.remove(ticket)
            self.n_bytes -= ticket.n_bytes
            self._set(ticket, 0)

    def _set(self, ticket: Ticket, left: int) -> None:
        for size, sign in ((ticket.left, -1), (left, 1)):
            if size:
                entry = self.sizes[size.bit_length()]
                entry[0] += sign
                entry[1] += sign * size
        self.tokens += left - ticket.left
        ticket.left = left

    def _full(self, why: str, flag: str) -> Problem:
        wait = self.tokens / self.rate if self.rate else 1.0
        return Problem(
            429,
            "overloaded",
            f"the server is busy: {why} ({flag}); try again in a moment",
            retry_after=min(120.0, max(0.1, wait / 2)),
        )


def too_many_tokens(tokens: int, most: int) -> Problem:
    """A request that never fits."""
    return Problem(
        413,
        "too_many_tokens",
        f"the request holds {tokens} tokens or more; this server takes {most} at a time "
        "(--queue-tokens): send fewer items",
    )


def too_slow(tokens: int, seconds: float, most: float) -> Problem:
    """A request that this model cannot answer in time, even alone."""
    return Problem(
        413,
        "too_many_tokens",
        f"the request holds {tokens} tokens, which take this model {seconds:.0f} s at least, more "
        f"than the {most:g} s that a request may take (--request-seconds): send fewer items",
    )


def clamp_timeout(milliseconds: str | None, limits: Limits) -> float:
    """Seconds a request may take: the client's `x-request-timeout-ms`, at most the server's.

    Raises:
        Problem: 400 when the header is not a positive number.
    """
    if milliseconds is None:
        return limits.request_seconds
    try:
        seconds = float(milliseconds) / 1000
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise Problem(
            400,
            "invalid_header",
            f"x-request-timeout-ms {milliseconds[:40]!r} is not a positive number",
            "x-request-timeout-ms",
        )
    return min(seconds, limits.request_seconds)
