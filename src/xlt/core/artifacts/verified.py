"""Hashes of files that are known from an earlier time, so that a model starts without reading all.

A record in the user's cache stands for a file only while size, both times (ns), inode and device
are those it was made with, and when it was made at least 2 s after the file's last change: within
the grain of a file system's clock a second change would leave the times as they are.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from xlt.core.errors import XltError
from xlt.core.files import cache_folder, parse_json, sha256_bytes, sha256_file, write_json

__all__ = ["recorded_sha256"]

SETTLED_NS = 2_000_000_000
STAT = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")


def recorded_sha256(path: Path) -> str:
    """Hex SHA-256 of a file: from the record when it still stands for the file, else computed.

    Only for a quicker start of what was whole before: who must be sure of the bytes hashes them.
    """
    known = _record(path)
    before = _state(path)
    if known.get("state") == before and _settled(before, known.get("made_ns")):
        digest = known.get("sha256")
        if isinstance(digest, str):
            return digest
    digest = sha256_file(path)
    now = time.time_ns()
    if _state(path) == before and _settled(before, now):
        _keep(path, {"path": str(path.resolve()), "state": before, "made_ns": now,
                     "sha256": digest})  # fmt: skip
    return digest


def _state(path: Path) -> list[int]:
    found = path.stat()
    return [int(getattr(found, name)) for name in STAT]


def _settled(state: list[int], made_ns: Any) -> bool:
    """Whether a record was made long enough after the file's last change."""
    return isinstance(made_ns, int) and made_ns - max(state[1], state[2]) >= SETTLED_NS


def _place(path: Path) -> Path:
    name = sha256_bytes(os.fsencode(path.resolve()))
    return cache_folder() / "verified" / f"{name}.json"


def _record(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(_place(path).read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):  # none, or not one of ours
        return {}
    return found if isinstance(found, dict) else {}


def _keep(path: Path, record: dict[str, Any]) -> None:
    try:
        write_json(_place(path), record)
    except (OSError, RuntimeError, XltError):  # a cache that cannot be written: hashed again
        return
