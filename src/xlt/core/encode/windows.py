"""Long inputs: windows over a context, answers as token positions, pieces of a sentence.

Offsets are Unicode code points of the original context, so that an answer is a slice of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlt.core.encode.offsets import strip_invisible
from xlt.core.encode.rows import IntArray, Row
from xlt.core.tasks.examples import Answer

__all__ = ["answer_positions", "best_window", "split_pieces", "windows"]


def windows(n_tokens: int, size: int, stride: int) -> list[tuple[int, int]]:
    """Windows [start, stop) over a context's tokens; the last one ends with the context.

    Starts advance by `stride` tokens (BERT's run_squad, where it is called doc_stride), never by
    more than `size`, so that no token is left out. An empty context has one empty window.
    """
    step = min(stride, size)
    spans = [(0, min(size, n_tokens))]
    while spans[-1][1] < n_tokens:
        start = spans[-1][0] + step
        spans.append((start, min(start + size, n_tokens)))
    return spans


def best_window(spans: Sequence[tuple[int, int]], n_tokens: int) -> IntArray:
    """For each token the window that gives it most context on its scarcer side (n_tokens,).

    BERT's run_squad: min(left, right) + 0.01 * length of the window; ties go to the first window.
    """
    best = np.zeros(n_tokens, np.int32)
    top = np.full(n_tokens, -1.0)
    for index, (start, stop) in enumerate(spans):
        place = np.arange(stop - start)
        score = np.minimum(place, place[::-1]) + 0.01 * (stop - start)
        better = score > top[start:stop]
        best[start:stop][better] = index
        top[start:stop][better] = score[better]
    return best


def answer_positions(row: Row, answer: Answer | None) -> tuple[int, int]:
    """First and last token of an answer in a window; (0, 0), the CLS token, when it has none.

    Windows that lack a part of the answer count as without it (XTREME's training rule).

    Args:
        row: a window of a span task.
        answer: the answer to train on (the first one); None for an unanswerable question. One
            that stands nowhere (start -1) is in no window.
    """
    if answer is None or answer.start < 0 or row.offsets is None:
        return 0, 0
    offsets = row.offsets
    tokens = np.flatnonzero((offsets[:, 0] >= 0) & (offsets[:, 0] < offsets[:, 1]))
    if not len(tokens):
        return 0, 0
    # no token has to hold the format characters at the ends, so a window may lack them
    for text in (answer.text.strip(), strip_invisible(answer.text)):
        start = answer.start + answer.text.find(text)
        stop = start + len(text)
        if text and offsets[tokens[0], 0] <= start and stop <= offsets[tokens[-1], 1]:
            touching = tokens[(offsets[tokens, 1] > start) & (offsets[tokens, 0] < stop)]
            return (int(touching[0]), int(touching[-1])) if len(touching) else (0, 0)
    return 0, 0


def split_pieces(counts: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Pieces [first word, end) of a sentence, none with more than `limit` sub-words.

    XTREME's preprocessing: a new piece starts where the count would exceed the limit.

    Args:
        counts: sub-words of each word, each in 1..limit.
        limit: sub-words that fit into one model input.

    Returns:
        At least one piece (an empty one for an empty sentence); together they hold every word
        once, in order.
    """
    pieces = []
    first = used = 0
    for word, count in enumerate(counts):
        if used + count > limit:
            pieces.append((first, word))
            first, used = word, 0
        used += count
    return [*pieces, (first, len(counts))]
