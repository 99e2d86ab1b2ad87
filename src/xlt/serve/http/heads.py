"""Heads of requests: what HTTP/1.1 demands of them, and upgrades that are not offered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Scope

__all__ = ["HEAD_BYTES", "PlainParser", "check_codings", "check_head", "unsupported_coding"]

HEAD_BYTES = 64 << 10
Headers = Sequence[tuple[bytes, bytes]]


def check_head(scope: Scope) -> None:
    """Refuse a head that HTTP/1.1 forbids; its connection is closed, for what follows is unsafe.

    Args:
        scope: of an HTTP request, header names in lower case.

    Raises:
        Problem: 400 without a Host or with several (RFC 9112, 3.2), 405 for CONNECT, whose tunnel
            would begin behind it, 431 for a head over 64 KiB, 501 for a transfer coding that is
            not undone here (RFC 9112, 6.1).
    """
    if scope["method"] == "CONNECT":
        raise Problem(405, "method_not_allowed", "this server is not a proxy", close=True)
    headers: Headers = scope["headers"]
    hosts = size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
        hosts += name == b"host"
    if size + len(scope.get("raw_path") or b"") > HEAD_BYTES:
        raise Problem(
            431, "head_too_large", f"the head has more than {HEAD_BYTES} bytes", close=True
        )
    if hosts > 1 or (not hosts and scope.get("http_version") == "1.1"):
        raise Problem(
            400, "invalid_host", f"{hosts} Host headers; exactly one is needed", "host", close=True
        )
    check_codings(headers)


def check_codings(headers: Headers) -> None:
    """Refuse transfer codings other than chunked.

    Raises:
        Problem: 501, naming them.
    """
    codings = b", ".join(value for name, value in headers if name == b"transfer-encoding")
    if codings and codings.strip().lower() != b"chunked":
        raise unsupported_coding(codings)


def unsupported_coding(codings: bytes) -> Problem:
    """A request in a transfer coding that is not undone."""
    named = repr(codings[:100].decode("latin-1")) if codings else "other than chunked"
    return Problem(
        501,
        "unsupported_transfer_coding",
        f"transfer-encoding {named} is not undone here; send the body chunked or with its length",
        "transfer-encoding",
        close=True,
    )


class PlainParser:
    """httptools' parser for a server that offers no upgrade, and ignores those asked for.

    By itself the parser ends a request at its head when that asks for an upgrade, and takes the
    body for the other protocol's first bytes, which a server that goes on reading HTTP would take
    for the next request. Here the request is parsed again from a head that asks for no upgrade
    (RFC 9110, 7.8: a server may ignore it).

    Args:
        parser: httptools' own, which tells `protocol` what it finds.
        protocol: has the `url` and `headers` found so far.
    """

    def __init__(self, parser: Any, protocol: Any) -> None:
        self.parser, self.protocol = parser, protocol

    def feed_data(self, data: bytes) -> None:
        """Parse what has come.

        Raises:
            httptools.HttpParserError: it is not HTTP.
        """
        from httptools import HttpParserUpgrade

        while True:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as error:
                if not self.ignores_upgrade:
                    raise
                data = self._head() + bytes(data)[error.args[0] :]
                self.parser = self._fresh()
            else:
                return

    @property
    def ignores_upgrade(self) -> bool:
        """Whether the head that has just come is not the one that counts.

        CONNECT is not an upgrade, but has no body either.
        """
        return bool(self.parser.should_upgrade()) and self.get_method() != b"CONNECT"

    def should_upgrade(self) -> bool:
        """Never."""
        return False

    def should_keep_alive(self) -> bool:
        """Whether the client wants to send more."""
        return bool(self.parser.should_keep_alive())

    def get_http_version(self) -> str:
        """As "1.1"."""
        return str(self.parser.get_http_version())

    def get_method(self) -> bytes:
        """As b"GET"."""
        return bytes(self.parser.get_method())

    def _fresh(self) -> Any:
        from httptools import HttpRequestParser

        parser = HttpRequestParser(self.protocol)
        if hasattr(parser, "set_dangerous_leniencies"):  # since 0.6.3; as uvicorn does
            parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _head(self) -> bytes:
        """The head that has come, without the wish for an upgrade."""
        lines = [self.get_method() + b" " + self.protocol.url + b" HTTP/1.1"]
        for name, value in self.protocol.headers:
            if name == b"connection":
                kept = [part for part in value.split(b",") if part.strip().lower() != b"upgrade"]
                value = b",".join(kept)
            if name != b"upgrade":
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])
