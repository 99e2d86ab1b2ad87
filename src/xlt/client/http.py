"""JSON over HTTP with kept connections, retries and two-line errors; standard library only.

Retries follow the server's wishes: `retry-after-ms`, `Retry-After`, `x-should-retry`.
"""

from __future__ import annotations

import collections
import contextlib
import email.utils
import http.client
import json
import math
import random
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from xlt._version import __version__
from xlt.core.errors import DataError, ModelError, UsageError, XltError

__all__ = ["Transport", "Unavailable"]

RETRIED = frozenset({408, 409, 429})  # and every 5xx
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0  # seconds, where the server names none
LONGEST_WAIT = 120.0  # a server that asks for more is not waited for
Headers = http.client.HTTPMessage
BROKEN = (OSError, http.client.HTTPException)
JSON_TYPES = ("application/json", "application/problem+json")


class Unavailable(ModelError):
    """The server cannot be reached, is overloaded, or failed; all retries are used up."""


class Transport:
    """Sends requests to one server. Threads may share it.

    Args:
        url: `http://host:port/prefix`, `https://...` or `unix:/path/of/the/socket`.
        key: API key.
        timeout: seconds that one try may wait for the server.
        retries: further tries after a failed one.
        tls: context for https; by default the system's certificates are trusted.

    Raises:
        UsageError: the address or a number is not one.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 2,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        mistakes = []
        parts = _parts_of(url)
        if parts is None:
            mistakes.append(f"{url!r} is no address of a server")
        if not (timeout > 0 and math.isfinite(timeout)):
            mistakes.append(f"timeout {timeout!r} is not a positive number of seconds")
        if retries < 0:
            mistakes.append(f"retries {retries} is below 0")
        if key is not None and not (key.isascii() and key.isprintable()):
            mistakes.append("the key holds characters that no header can")
        if mistakes or parts is None:
            raise UsageError.all_of(mistakes, 'Client("http://127.0.0.1:8080", timeout=60)')
        self.url, self.timeout, self.retries = url.rstrip("/"), timeout, retries
        self._parts, self._tls = parts, tls
        self._prefix = "" if parts.scheme == "unix" else parts.path.rstrip("/")
        self._headers = {"accept": "application/json", "user-agent": f"xlt/{__version__}"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"
        self._idle: collections.deque[http.client.HTTPConnection] = collections.deque()
        self._random = random.Random()  # spreads the retries of many clients; no result hangs on it

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer to a request, which must be a success.

        Raises:
            DataError: a text is not valid Unicode.
            UsageError: the server refuses the request (4xx).
            ModelError: no such model, or the model failed.
            Unavailable: no connection, overload or failure, after all retries.
        """
        data, headers = _encoded(body), {**self._headers}
        if data is not None:
            headers["content-type"] = "application/json"
            headers["x-request-timeout-ms"] = str(math.ceil(self.timeout * 1000))
        for attempt in range(self.retries + 1):
            last = attempt == self.retries
            try:
                status, answer_headers, answer = self._once(method, path, data, headers)
            except BROKEN as error:
                if last or isinstance(error, ssl.SSLCertVerificationError):
                    raise self._unreachable(error) from error
                pause = self._pause(attempt)
            else:
                if status < 300:
                    return self._decoded(answer)
                asked = self._asked_pause(status, answer_headers, attempt)
                if last or asked is None:
                    raise self._refused(method, path, status, answer_headers, answer)
                pause = asked
            time.sleep(pause)
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def probe(self, path: str) -> int | None:
        """The status of a GET, tried once; None when nobody answers."""
        try:
            return self._once("GET", path, None, self._headers)[0]
        except BROKEN:
            return None

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _once(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Headers, bytes]:
        """One try; a kept connection that the server has closed meanwhile does not count as one."""
        while True:
            try:
                link, fresh = self._idle.pop(), False
            except IndexError:
                link, fresh = self._connection(), True
            try:
                link.request(method, self._prefix + path, data, dict(headers))
                reply = link.getresponse()
                answer = reply.read()
            except (ConnectionError, http.client.BadStatusLine):
                link.close()
                if fresh:
                    raise
                continue
            except BaseException:
                link.close()
                raise
            if reply.will_close:
                link.close()
            else:
                self._idle.append(link)
            return reply.status, reply.headers, answer

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "localhost", self._parts.port
        if self._parts.scheme == "unix":
            return UnixConnection(self._parts.path, self.timeout)
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=self.timeout)

    def _decoded(self, answer: bytes) -> Any:
        try:
            return json.loads(answer)
        except ValueError as error:
            raise ModelError(
                f"{self.url} answers with something else than JSON: {_shown(answer)}",
                "is this the address of `xlt serve`?",
            ) from error

    def _pause(self, attempt: int) -> float:
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt)
        return longest * (0.5 + 0.5 * self._random.random())

    def _asked_pause(self, status: int, headers: Headers, attempt: int) -> float | None:
        """Seconds before the next try; None when there is to be none."""
        wish = headers.get("x-should-retry")
        if wish == "false" or (status not in RETRIED and status < 500 and wish != "true"):
            return None
        asked = _retry_after(headers)
        if asked is None:
            return self._pause(attempt)
        return asked if asked <= LONGEST_WAIT else None

    def _unreachable(self, error: Exception) -> Unavailable:
        if isinstance(error, TimeoutError):
            return Unavailable(
                f"{self.url} did not answer within {self.timeout:g} s",
                "send fewer items, or raise the client's timeout",
            )
        why = str(error) or type(error).__name__
        return Unavailable(
            f"{self.url} cannot be reached: {why}", "is `xlt serve` running at this address?"
        )

    def _refused(
        self, method: str, path: str, status: int, headers: Headers, answer: bytes
    ) -> XltError:
        code, message = _error_of(headers, answer)
        what = f"{method} {path}: {status}: {message}"
        if status in (401, 403):
            return UsageError(what, 'give the key: Client(url, key="...")')
        if code == "model_error":
            return ModelError(what, "see the server's log; other inputs may well work")
        if status == 404 or code in ("wrong_model", "model_required"):
            return ModelError(what, "Client.models() lists what the server has")
        if status in RETRIED or status >= 500:
            return Unavailable(what, "try again later; the server's log and /metrics say more")
        return UsageError(what, "the server's /docs describes what each route takes")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _parts_of(url: str) -> SplitResult | None:
    """The parts of a server's address; None when it is none."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of the port, or a bracket that is not closed
        return None
    return parts if known or (parts.scheme == "unix" and parts.path) else None


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"a text is not valid Unicode: {error.reason}", "read files with the right encoding"
        ) from error
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"the request cannot be sent as JSON: {error}", "texts are str, numbers finite"
        ) from error


def _retry_after(headers: Headers) -> float | None:
    """Seconds that the server asks to wait; None without a valid wish."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers.get(name, "")) * unit
            if seconds >= 0:
                return seconds
    with contextlib.suppress(ValueError):
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, when.timestamp() - time.time())
    return None


def _error_of(headers: Headers, answer: bytes) -> tuple[str, str]:
    """(code, message) of an error body, in any of the server's dialects; a proxy's is shown."""
    if headers.get_content_type() in JSON_TYPES:
        with contextlib.suppress(ValueError):
            body = json.loads(answer)
            error = body.get("error") if isinstance(body, dict) else None
            if isinstance(error, dict):
                return str(error.get("code") or ""), str(error.get("message"))
            if isinstance(error, str):
                return "", error
    return "", _shown(answer)


def _shown(answer: bytes) -> str:
    text = " ".join(answer.decode("utf-8", "replace").split())
    return repr(text[:200]) if text else "an empty body"
