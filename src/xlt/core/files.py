"""Files that are whole or not there: written beside, flushed to disk, renamed; manifest last.

A folder is believed only when its manifest is there and agrees with the bytes: a kill or a full
disk in the middle of a write leaves the old file, or none, never half of one.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from xlt.core.errors import DataError, UsageError, XltError

__all__ = [
    "UNICODE_RULE",
    "BadJson",
    "atomic_file",
    "atomic_folder",
    "cache_folder",
    "parse_json",
    "read_json",
    "read_text",
    "refuse_non_empty",
    "sha256_bytes",
    "sha256_file",
    "sha256_json",
    "write_atomic",
    "write_json",
]

BLOCK_BYTES = 1 << 20
UNICODE_RULE = "write the whole character, or the pair \\ud83d\\ude00 of its escapes"
# A pair of surrogate escapes, or any other escape; what the named group matches stands alone.
ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."
)


class BadJson(ValueError):
    """A text that is not valid JSON, or whose strings are not valid Unicode.

    Attributes:
        problem: what is wrong, without the place.
        line: 1-based line of the text.
        column: 1-based column.
        unicode: whether it would be valid JSON but for a lone surrogate.
    """

    def __init__(self, problem: str, line: int, column: int, *, unicode: bool = False) -> None:
        super().__init__(f"{problem}, line {line} column {column}")
        self.problem, self.line, self.column, self.unicode = problem, line, column, unicode


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256_bytes(text.encode())


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write bytes (or UTF-8 text) so that `path` holds all of them or is untouched.

    Raises:
        XltError: the disk is full or the folder cannot be written.
    """
    with atomic_file(path) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that is flushed to disk and takes its place when the block ends well.

    Raises:
        XltError: the disk is full or the folder cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_error(path: Path, error: OSError) -> XltError:
    """The error a user sees when a file cannot be written (disk full, no permission ...)."""
    return UsageError(
        f"cannot write {path}: {error.strerror or error}",
        "free some space or choose another --out; what was finished before is kept",
    )


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented, key-stable JSON, atomically; floats keep full precision."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def parse_json(text: str) -> Any:
    """The value of a JSON text whose strings are all valid Unicode.

    Raises:
        BadJson: broken JSON, a lone surrogate, a number with thousands of digits, or nesting that
            is too deep to read.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as fault:
        raise BadJson(fault.msg, fault.lineno, fault.colno) from fault
    except RecursionError as fault:
        raise BadJson("nested too deeply", 1, 1) from fault
    except ValueError as fault:  # int() refuses thousands of digits
        raise BadJson("a number has too many digits", 1, 1) from fault
    # Half of a pair cannot be encoded: every later write or tokenizer call would fail.
    for escape in ESCAPE.finditer(text) if "\\u" in text else ():
        if escape["lone"]:
            before = text[: escape.start()]
            raise BadJson(
                f"{escape['lone']} is half of a surrogate pair, not valid Unicode",
                before.count("\n") + 1,
                len(before) - before.rfind("\n"),
                unicode=True,
            )
    return value


def read_json(path: Path, error: type[XltError] = DataError) -> Any:
    """Read JSON; a missing or broken file is `error`, naming the path and the place."""
    try:
        return parse_json(read_text(path, error))
    except BadJson as fault:
        if fault.unicode:
            place = f"line {fault.line} column {fault.column}"
            raise error(f"{path}: {place}: {fault.problem}", UNICODE_RULE) from fault
        raise error(
            f"{path}: not valid JSON ({fault})",
            "the file may be truncated; fetch or write it again",
        ) from fault


def read_text(path: Path, error: type[XltError] = DataError) -> str:
    """The whole of a UTF-8 file, plain or gzip; a byte order mark at the start is dropped.

    Raises:
        error: the file is missing, truncated, or not UTF-8 (the byte offset is named).
    """
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except FileNotFoundError as fault:
        raise error(f"{path}: no such file", "check the path") from fault
    except (OSError, EOFError, ValueError) as fault:
        raise error(f"{path}: cannot be read ({fault})", "the file may be truncated") from fault
    except Exception as fault:  # zlib.error has no common base with OSError
        raise error(f"{path}: damaged gzip data ({fault})", "fetch the file again") from fault
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        raise error(
            f"{path}: line {line} is not valid UTF-8 (byte {fault.start}: {fault.reason})",
            "convert the file to UTF-8",
        ) from fault


def refuse_non_empty(out: Path, *, force: bool, other: str = "") -> None:
    """Refuse an output folder that holds something, or clear it when `force` is given.

    Raises:
        UsageError: `out` is a file, or a folder that is not empty and `force` is off.
    """
    if out.is_file():
        raise UsageError(f"--out {out} is a file, a folder is needed", "choose another --out")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not force:
        raise UsageError(
            f"--out {out} is not empty",
            f"choose another --out, {other}or give --force to replace it",
        )
    shutil.rmtree(out)


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target` to fill; on success it takes `target`'s place as a whole."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        name = tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise write_error(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def cache_folder() -> Path:
    """What may be thrown away at any time: XLT_CACHE, or `xlt` in the user's cache folder."""
    given = os.environ.get("XLT_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xlt"
