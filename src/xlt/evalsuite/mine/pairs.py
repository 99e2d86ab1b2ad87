"""The mined pairs as a file that is whole or not there."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from xlt.core.files import atomic_file
from xlt.evalsuite.mine.texts import Texts

__all__ = ["write_pairs"]

HEADER = "score\tsrc_line\ttgt_line\tsrc\ttgt\n"
BLANKS = str.maketrans({"\t": " ", "\r": " ", "\n": " "})


def write_pairs(
    out: Path,
    x: Texts,
    y: Texts,
    score: NDArray[np.float64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
) -> int:
    """Write the pairs, best first; texts that stand on several lines give a row for each pair.

    Args:
        out: a TSV file; gzip when its name ends in .gz.
        x: the first side.
        y: the second side.
        score: (P,), descending.
        i: (P,), distinct texts of the first side.
        j: (P,), of the second.

    Returns:
        Rows written.

    Raises:
        UsageError: the file cannot be written, the disk is full.
    """
    rows = 0
    with _whole_file(out) as stream, x.copy.open("rb") as of_x, y.copy.open("rb") as of_y:
        stream.write(HEADER)
        for value, a, b in zip(score, i, j, strict=True):
            text_x = x.read(of_x, int(a)).translate(BLANKS)
            text_y = y.read(of_y, int(b)).translate(BLANKS)
            for line_x in x.lines_of(int(a)):
                for line_y in y.lines_of(int(b)):
                    rows += 1
                    stream.write(f"{value!s}\t{line_x + 1}\t{line_y + 1}\t{text_x}\t{text_y}\n")
    return rows


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[str]]:
    """A text file beside `path` that takes its place at the end."""
    with atomic_file(path) as raw:
        packs = path.suffix == ".gz"
        packed = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) if packs else None
        target: IO[bytes] = raw if packed is None else cast(IO[bytes], packed)
        stream = io.TextIOWrapper(target, encoding="utf-8", newline="")
        yield stream
        stream.flush()
        stream.detach()
        if packed is not None:
            packed.close()
