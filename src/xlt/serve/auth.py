"""API keys: read from a file or the environment, kept as digests, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from xlt.core.errors import UsageError
from xlt.serve.errors import Problem

__all__ = ["Keys", "read_keys"]

LEAST = 16  # characters in a key


class Keys:
    """A set of keys. Holds SHA-256 digests only, so that no key can reach a log or an error."""

    def __init__(self, keys: list[str]) -> None:
        self.digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def replace(self, other: Keys) -> None:
        """Take the keys of another set in place of these."""
        self.digests = other.digests

    def __bool__(self) -> bool:
        return bool(self.digests)

    def check(self, headers: dict[bytes, bytes]) -> None:
        """Let a request pass that brings a key as `Authorization: Bearer` or `x-api-key`.

        Raises:
            Problem: 401 without a key or with a wrong one.
        """
        given = [headers[b"x-api-key"]] if b"x-api-key" in headers else []
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and token:
            given.append(token.strip())
        if not given:
            raise Problem(
                401,
                "missing_api_key",
                "a key is needed: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`",
            )
        found = False
        for key in given:  # a client that cannot help sending one may send the right one beside it
            digest = hashlib.sha256(key).digest()
            for known in self.digests:  # all of them, so that time tells nothing
                found |= hmac.compare_digest(digest, known)
        if not found:
            raise Problem(401, "invalid_api_key", "this key is not known here")


def read_keys(path: Path | None, variable: str) -> Keys:
    """Keys of a file (one a line, `#` starts a comment) and of an environment variable (commas).

    Raises:
        UsageError: the file cannot be read, holds no key, or a key is too short.
    """
    keys = [key.strip() for key in os.environ.get(variable, "").split(",") if key.strip()]
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read keys from {path}: {error}", "one key a line") from error
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not found:
            raise UsageError(f"{path} holds no key", "write one key a line")
        keys += found
    if any(len(key) < LEAST for key in keys):
        raise UsageError(
            f"a key has fewer than {LEAST} characters",
            "make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return Keys(keys)
