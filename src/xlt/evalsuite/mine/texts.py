"""A text file of any size: its lines as numbers, its distinct texts on disk.

One pass over the file, plain or gzip, writes the texts one after the other into a work file and
keeps, of each line, a hash and a place: about 90 bytes a line at the most, whatever its length.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.files import write_error

__all__ = ["LONGEST", "Texts", "scan"]

LONGEST = 1 << 20  # bytes of a line
DIGEST = 16  # bytes of a text's hash
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texts:
    """The distinct texts of a file, in the order of their first lines. Blank lines are no texts.

    Attributes:
        path: the user's file.
        copy: the work file that holds all texts, UTF-8, one after the other.
        starts: (lines + 1,), where the text of each line begins in `copy`, in bytes.
        first: (M,), the 0-based line of each distinct text's first occurrence.
        lines: (lines that are not blank,), 0-based, those of equal texts together, ascending.
        bounds: (M + 1,), where the lines of each distinct text begin in `lines`.
    """

    path: Path
    copy: Path
    starts: Indices
    first: Indices
    lines: Indices
    bounds: Indices

    def __len__(self) -> int:
        """Number of distinct texts."""
        return len(self.first)

    @property
    def n_lines(self) -> int:
        """Number of lines of the file, blank ones included."""
        return len(self.starts) - 1

    def lines_of(self, text: int) -> list[int]:
        """The 0-based lines on which a distinct text stands."""
        found: list[int] = self.lines[self.bounds[text] : self.bounds[text + 1]].tolist()
        return found

    def at_line(self) -> Indices:
        """(lines,), the distinct text of each line; -1 for blank ones."""
        text_of = np.full(self.n_lines, -1, dtype=np.int64)
        text_of[self.lines] = np.repeat(np.arange(len(self)), np.diff(self.bounds))
        return text_of

    def read(self, stream: BinaryIO, text: int) -> str:
        """A distinct text, from the open work file."""
        start, stop = self.starts[self.first[text]], self.starts[self.first[text] + 1]
        stream.seek(start)
        return stream.read(stop - start).decode()

    def slice(self, start: int, stop: int) -> list[str]:
        """The distinct texts start to stop."""
        with self.copy.open("rb") as stream:
            return [self.read(stream, text) for text in range(start, stop)]


def scan(path: Path, copy: Path) -> Texts:
    """Read a file once and find its distinct texts (outer white space aside).

    Args:
        path: one text a line, UTF-8, plain or gzip (told by its first bytes).
        copy: the work file to write.

    Raises:
        DataError: missing, truncated, not UTF-8, without any text, or a line above `LONGEST`.
        UsageError: the work file cannot be written.
    """
    digests, starts = bytearray(), array("q", [0])
    try:
        stream = copy.open("wb")
    except OSError as error:
        raise write_error(copy, error) from error
    with stream:
        for text in _texts(path):
            if text:
                digests += hashlib.blake2b(text, digest_size=DIGEST).digest()
            try:
                stream.write(text)
            except OSError as error:
                raise write_error(copy, error) from error
            starts.append(starts[-1] + len(text))
        with _told(copy):
            stream.flush()
            os.fsync(stream.fileno())
    starts_L = np.frombuffer(starts, dtype=np.int64)
    if not digests:
        raise DataError(f"{path}: there is no text in it", "one sentence a line is needed")
    first, lines, bounds = _grouped(digests, np.flatnonzero(np.diff(starts_L)))
    return Texts(path=path, copy=copy, starts=starts_L, first=first, lines=lines, bounds=bounds)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def _grouped(digests: bytearray, line_N: Indices) -> tuple[Indices, Indices, Indices]:
    """(first line, lines, bounds) of the distinct texts, in the order of their first lines."""
    words_N2 = np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)
    order_N = np.lexsort((words_N2[:, 1], words_N2[:, 0]))  # stable: equal texts in line order
    new_N = np.ones(len(order_N), dtype=np.bool_)
    for column in (0, 1):
        sorted_N = words_N2[order_N, column]
        differs = sorted_N[1:] != sorted_N[:-1]
        new_N[1:] = differs if column == 0 else new_N[1:] | differs
    starts_M = np.flatnonzero(new_N)
    sizes_M = np.diff(starts_M, append=len(order_N))
    by_first_M = np.argsort(order_N[starts_M])
    bounds = np.concatenate([[0], np.cumsum(sizes_M[by_first_M])])
    shift_M = starts_M[by_first_M] - bounds[:-1]
    places_N = np.arange(len(order_N)) + np.repeat(shift_M, sizes_M[by_first_M])
    return line_N[order_N[starts_M[by_first_M]]], line_N[order_N[places_N]], bounds


def _texts(path: Path) -> Iterator[bytes]:
    """The lines of a file without outer white space, checked."""
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            while line := stream.readline(LONGEST + 1):
                number += 1
                yield _text(path, number, line)
    except FileNotFoundError as fault:
        raise DataError(f"{path}: no such file", "check the path") from fault
    except (OSError, EOFError, zlib.error) as fault:
        raise DataError(
            f"{path}: cannot be read after line {number} ({fault})", "the file may be truncated"
        ) from fault


def _text(path: Path, number: int, line: bytes) -> bytes:
    if len(line) > LONGEST:
        raise DataError(
            f"{path}: line {number} has more than {LONGEST} bytes", "one sentence a line is needed"
        )
    try:
        text = (line.removeprefix(BOM) if number == 1 else line).decode()
    except UnicodeDecodeError as fault:
        raise DataError(
            f"{path}: line {number} is not valid UTF-8 (byte {fault.start}: {fault.reason})",
            "convert the file to UTF-8",
        ) from fault
    return text.strip().encode()
