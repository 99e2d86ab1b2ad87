"""Tatoeba's retrieval: for each English sentence, sorted, the nearest foreign line.

Source: XTREME's evaluate_retrieval.py; plain nearest neighbours, no margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from xlt.core.errors import DataError, UsageError
from xlt.core.retrieval.knn import nearest, nearest_l2
from xlt.core.retrieval.unit import unit_rows

__all__ = ["english_order", "tatoeba", "tatoeba_reverse"]

Array = NDArray[Any]
DISTANCES = ("cosine", "l2")


def english_order(texts: Sequence[str]) -> list[int]:
    """Line numbers of the English side sorted by code point: Tatoeba's gold, query by query."""
    return sorted(range(len(texts)), key=texts.__getitem__)


def tatoeba(
    foreign_ND: Array,
    english_ND: Array,
    english_texts: Sequence[str],
    *,
    distance: str = "cosine",
) -> list[int]:
    """For each English sentence, in the order of `english_order`, the nearest foreign line.

    Line i of one side translates line i of the other; lines count from 0, ties go to the lower.
    `distance`: cosine (official), or l2 on the embeddings as they are.

    Raises:
        DataError: the sides have different numbers of lines, or an embedding is not finite.
    """
    if distance not in DISTANCES:
        raise UsageError(f"unknown distance {distance!r}", "known: " + " ".join(DISTANCES))
    if not len(foreign_ND) == len(english_ND) == len(english_texts):
        raise DataError(
            f"{len(foreign_ND)} foreign and {len(english_ND)} English embeddings for "
            f"{len(english_texts)} English texts",
            "line i of one file translates line i of the other",
        )
    order = english_order(english_texts)
    return _nearest_lines(english_ND[order], foreign_ND, distance)


def tatoeba_reverse(foreign_ND: Array, english_ND: Array, *, distance: str = "cosine") -> list[int]:
    """For each foreign line, the nearest English line; the right answer is its own number.

    Not XTREME's direction: a second view, reported under its own name.
    """
    return _nearest_lines(foreign_ND, english_ND, distance)


def _nearest_lines(x_ND: Array, y_MD: Array, distance: str) -> list[int]:
    if distance == "l2":
        _, index_N1 = nearest_l2(x_ND, y_MD, 1)
    else:
        _, index_N1 = nearest(unit_rows(x_ND), unit_rows(y_MD), 1)
    return [int(line) for line in index_N1[:, 0]]
