"""Chunk F1 of tag sequences, by the rules of seqeval 0.0.12 (XTREME), and token accuracy.

UD-POS is scored like named entities: a run of equal tags is one chunk that must match as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import eq

import numpy as np

from xlt.core.errors import DataError
from xlt.core.metrics.counts import Counts, LengthMismatch, Scores, same_length

__all__ = ["Chunk", "chunks", "tag_counts", "token_scores"]

Chunk = tuple[str, int, int]

OUTSIDE = "O"
SINGLES = frozenset("ES")  # kinds that end a chunk at once
BORDERS = frozenset("BSO")  # kinds that end a chunk of kind B or I
NOTHING = frozenset("O.")  # kinds that stand outside chunks


def chunks(tags: Iterable[str]) -> list[Chunk]:
    """Chunks (type, first, last) of one tag sequence; positions count from 0, both included.

    IOB1, IOB2 and BIOES are understood, and so are tags without a prefix. A tag's kind is its
    first character, its type what follows the last hyphen (the whole tag without one).
    Source: behaviour of seqeval 0.0.12.
    """
    found: list[Chunk] = []
    borders: dict[tuple[str, str], tuple[bool, bool]] = {}
    before, start = "", 0
    for place, tag in enumerate((*tags, OUTSIDE)):
        border = before, tag
        if border not in borders:
            borders[border] = _border(before, tag)
        ends, starts = borders[border]
        if ends:
            found.append((_split(before)[1], start, place - 1))
        if starts:
            start = place
        before = tag
    return found


def _border(before: str, tag: str) -> tuple[bool, bool]:
    """Whether a chunk ends, and whether one starts, between two neighbouring tags."""
    (kind_before, type_before), (kind, name) = _split(before), _split(tag)
    changed = name != type_before
    ends = (
        kind_before in SINGLES
        or (kind_before in "BI" and kind in BORDERS)
        or (changed and kind_before not in NOTHING)
    )
    starts = (
        kind in "BS" or (kind in "EI" and kind_before in "ESO") or (changed and kind not in NOTHING)
    )
    return ends, starts


def _split(tag: str) -> tuple[str, str]:
    """(kind, type) of a tag; what stands before the first tag is outside, with no type."""
    return (tag[0], tag.rpartition("-")[2]) if tag else (OUTSIDE, "")


def tag_counts(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], lang: str
) -> Counts:
    """One row a sentence: chunks (correct, predicted, gold), then tags (correct, all).

    As in the official scorer the sentences form one sequence with an `O` after each, so that
    sentences are independent for every ordinary tag set.

    Raises:
        LengthMismatch: another number of sentences, or of tags in a sentence.
        DataError: there are no tags at all, or a tag is empty.
    """
    _check_tags(gold, predicted)
    counts_N5 = np.zeros((len(gold), 5))
    sentence_of: list[int] = []
    for i, (right, guess) in enumerate(zip(gold, predicted, strict=True)):
        sentence_of.extend([i] * (len(right) + 1))
        counts_N5[i, 3] = sum(map(eq, right, guess))
        counts_N5[i, 4] = len(right)
    wanted, found = set(chunks(_joined(gold))), set(chunks(_joined(predicted)))
    for column, group in enumerate((wanted & found, found, wanted)):
        for _, _, last in group:
            counts_N5[sentence_of[last], column] += 1
    return counts_N5


def _joined(sentences: Iterable[Sequence[str]]) -> Iterable[str]:
    for tags in sentences:
        yield from tags
        yield OUTSIDE


def _check_tags(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
    pairs = enumerate(zip(gold, predicted, strict=False))
    uneven = next((i for i, (a, b) in pairs if len(a) != len(b)), -1)
    same_length(gold, predicted, unit="sentences", parts_at=uneven)
    if uneven >= 0:
        raise LengthMismatch(
            index=uneven, expected=len(gold[uneven]), found=len(predicted[uneven]), unit="tags"
        )
    if not any(gold):
        raise DataError("there are no tags to score", "the label file may be empty")
    for what, side in (("gold", gold), ("predicted", predicted)):
        empty = next((i for i, tags in enumerate(side) if "" in tags), -1)
        if empty >= 0:
            raise DataError(f"an empty {what} tag in item {empty}", "every word needs a tag")


def token_scores(sums: Counts) -> Scores:
    """Share of equal tags from (correct, all)."""
    return {"token_accuracy": 100 * sums[..., 0] / np.maximum(sums[..., 1], 1)}
