"""Content codings of bodies (RFC 9110, 8.4.1), undone within a bound."""

from __future__ import annotations

import zlib

from xlt.serve.errors import Problem

__all__ = ["CODINGS", "TooLarge", "decompress"]

GZIP, ZLIB, RAW = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
CODINGS = (b"identity", b"gzip", b"x-gzip", b"deflate")
MOST_MEMBERS = 1024  # of a gzip body; each costs some microseconds, however little it holds


class TooLarge(Exception):
    """The plain body is over the bound."""


def decompress(body: bytes, coding: bytes, limit: int) -> bytes:
    """The plain body.

    Args:
        body: as it came.
        coding: one of `CODINGS`.
        limit: bytes of the plain body, at most.

    Raises:
        Problem: 400 for a body that is not in its coding.
        TooLarge: over the limit; no more than that is decompressed.
    """
    if coding == b"identity":
        return body
    if coding == b"deflate":
        return _inflate(body, limit)
    plain, members = bytearray(), 0
    while body or not members:  # a gzip stream is one member or several (RFC 1952, 2.2)
        members += 1
        if members > MOST_MEMBERS:
            raise Problem(400, "invalid_gzip", f"the gzip body has over {MOST_MEMBERS} members")
        inflater = zlib.decompressobj(wbits=GZIP)
        try:
            plain += inflater.decompress(body, limit + 1 - len(plain))
        except zlib.error as error:
            raise Problem(400, "invalid_gzip", f"the body is not gzip: {error}") from None
        if len(plain) > limit:
            raise TooLarge
        if not inflater.eof:
            raise Problem(400, "invalid_gzip", "the gzip body is truncated")
        body = inflater.unused_data
    return bytes(plain)


def _inflate(body: bytes, limit: int) -> bytes:
    """A body in `deflate`: zlib's format, or without its head as some clients send it."""
    inflater = zlib.decompressobj(wbits=ZLIB if _has_zlib_head(body) else RAW)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(400, "invalid_deflate", f"the body is not deflate: {error}") from None
    if len(plain) > limit:
        raise TooLarge
    if not inflater.eof or inflater.unused_data:
        raise Problem(400, "invalid_deflate", "the deflate body is truncated or followed by more")
    return plain


def _has_zlib_head(body: bytes) -> bool:
    """Method 8, a window of at most 32 KiB, and a checksum of the two bytes (RFC 1950, 2.2)."""
    return len(body) >= 2 and body[0] & 0x8F == 8 and (body[0] << 8 | body[1]) % 31 == 0
