"""A labelled sample: which lines of the first file translate which of the second.

Each row names a line of the first file (from 1), a tab, and a line of the second that translates
it; nothing, or `-`, after the tab says that no line does. The best cut on the pairs that were
mined for these lines is the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.files import read_text
from xlt.core.retrieval.mining import Pair, Threshold, best_threshold
from xlt.evalsuite.mine.texts import Texts

__all__ = ["Sample", "read_sample"]

NOTHING = ("", "-")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """The labels, as distinct texts.

    Attributes:
        labelled: texts of the first side that were looked at.
        pairs: (text of the first side, of the second), all that are right among them.
    """

    labelled: frozenset[int]
    pairs: frozenset[tuple[int, int]]

    def threshold(
        self, score: NDArray[np.float64], i: NDArray[np.int64], j: NDArray[np.int64]
    ) -> Threshold:
        """The cut with the best F1 on the mined pairs of the labelled texts."""
        places = np.flatnonzero(np.isin(i, np.fromiter(self.labelled, np.int64)))
        scores: dict[Pair, float] = {
            (str(i[place]), str(j[place])): float(score[place]) for place in places
        }
        return best_threshold(scores, {(str(a), str(b)) for a, b in self.pairs})


def read_sample(path: Path, x: Texts, y: Texts) -> Sample:
    """Read a labelled sample.

    Raises:
        DataError: a row is not two line numbers, names a line that is not there or is blank, or
            no row names a pair.
    """
    text_x, text_y = x.at_line(), y.at_line()
    labelled, pairs = set[int](), set[tuple[int, int]]()
    for number, row in enumerate(read_text(path).splitlines(), start=1):
        if not row.strip():
            continue
        left, tab, right = row.partition("\t")
        if not tab:
            raise _bad(path, number, f"{row[:40]!r} has no tab")
        a = _text_at(path, number, left, text_x, x.path)
        labelled.add(a)
        if right.strip() not in NOTHING:
            pairs.add((a, _text_at(path, number, right, text_y, y.path)))
    if not pairs:
        raise DataError(f"{path}: no row names a pair", "a threshold needs some that are right")
    return Sample(labelled=frozenset(labelled), pairs=frozenset(pairs))


def _text_at(path: Path, number: int, value: str, text_of: NDArray[np.int64], file: Path) -> int:
    value = value.strip()
    if not (value.isascii() and value.isdecimal()):
        raise _bad(path, number, f"{value[:40]!r} is not a line number")
    line = int(value[:19])
    if not 1 <= line <= len(text_of):
        raise _bad(path, number, f"{file} has no line {value}, only 1 to {len(text_of)}")
    if text_of[line - 1] < 0:
        raise _bad(path, number, f"line {value} of {file} is blank")
    return int(text_of[line - 1])


def _bad(path: Path, number: int, problem: str) -> DataError:
    return DataError(
        f"{path}: line {number}: {problem}", "a row is: line of SRC, tab, line of TGT (or -)"
    )
