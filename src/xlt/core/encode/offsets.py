"""Which characters each token stands for, as places in the original text.

A tokenizer reports places that lack what its normaliser composed or dropped: the marks of NFD
text under NFKC, the accents that BERT's uncased models strip, zero width characters. Here each of
them goes to a token, and no token ends inside a grapheme, so that slices of the text are whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.graphemes import BLANK, CONTROL, PLAIN, classes_of, grapheme_starts
from xlt.core.encode.rows import BoolArray, IntArray

__all__ = ["spans_of", "strip_invisible", "token_spans"]

MARKERS = ("▁", "Ġ")  # pieces that mark the start of a word


def spans_of(
    tokenizer: Any, encodings: Sequence[Any], texts: Sequence[str], *, trim: bool = True
) -> list[tuple[IntArray, IntArray]]:
    """Of each text the ids (T,) and the `token_spans` (T, 2).

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
        encodings: what it made of the texts, in order.
        texts: the originals.
        trim: as in `token_spans`.
    """
    markers = [tokenizer.token_to_id(marker) for marker in MARKERS]
    found = []
    for encoding, text in zip(encodings, texts, strict=True):
        ids = np.array(encoding.ids, np.int32)
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        lone = np.zeros(len(ids), np.bool_)
        for marker in markers:
            if marker is not None:
                lone |= ids == marker
        found.append((ids, token_spans(offsets, text, lone, trim=trim)))
    return found


def strip_invisible(text: str) -> str:
    """A text without blanks, controls and format characters at its ends."""
    seen = np.flatnonzero(classes_of(text) > CONTROL)
    return text[seen[0] : seen[-1] + 1] if len(seen) else ""


def token_spans(
    offsets: IntArray, text: str, markers: BoolArray | None = None, *, trim: bool = True
) -> IntArray:
    """The characters of each token (T, 2), in code points of the text.

    1. Blanks go from both ends. A token of blanks only becomes empty and stands before the next
       visible character. So does a word's marker (a lone `▁`) that was put before a character.
    2. Spans grow to whole graphemes. Tokens that share a grapheme all have it.
    3. A run of characters that still belong to no token goes to the token that ends there, else to
       the one that starts there; between two blanks, to the one before it. Controls and format
       characters (byte order mark, zero width space) that no token ends at are left out.

    Args:
        offsets: as the tokenizer reports them (T, 2).
        text: the text that was tokenised.
        markers: which tokens are a lone marker of a word's start (T,).
        trim: False keeps blanks.
    """
    if not len(offsets) or not text:
        return offsets
    classes = classes_of(text)
    blank = classes == BLANK
    spans = _trimmed(offsets, blank) if trim else offsets.copy()
    if markers is not None and markers.any():
        _empty_markers(spans, text, markers)
    filled = spans[:, 0] < spans[:, 1]
    if classes.max() > PLAIN:
        starts = np.append(grapheme_starts(classes), True)
        places = np.arange(len(text) + 1, dtype=np.int32)
        first = np.maximum.accumulate(np.where(starts, places, 0))
        end = np.minimum.accumulate(np.where(starts, places, len(text))[::-1])[::-1]
        filled |= ~starts[spans[:, 0]]  # an added marker inside a grapheme
        spans[:, 0] = first[spans[:, 0]]
        spans[:, 1] = np.where(filled, end[spans[:, 1]], spans[:, 0])
    changes = np.bincount(spans[filled, 0], minlength=len(text) + 1)
    changes -= np.bincount(spans[filled, 1], minlength=len(text) + 1)
    covered = np.cumsum(changes[:-1]) > 0
    if (covered | blank).all():
        return spans
    return _given_back(spans, filled, covered, classes)


def _trimmed(offsets: IntArray, blank: BoolArray) -> IntArray:
    places = np.arange(len(blank) + 1, dtype=np.int32)
    # the next visible character at or after each place, and the end of the last one before it
    following = np.append(np.where(blank, len(blank), places[:-1]), places[-1:])
    following = np.minimum.accumulate(following[::-1])[::-1]
    preceding = np.maximum.accumulate(np.append(places[:1], np.where(blank, 0, places[1:])))
    start = np.minimum(following[offsets[:, 0]], offsets[:, 1])
    stop = np.maximum(preceding[offsets[:, 1]], start)
    return np.stack((start, stop), axis=1).astype(np.int32)


def _empty_markers(spans: IntArray, text: str, markers: BoolArray) -> None:
    """Markers that the tokenizer added have the place of the character after them; take it away."""
    for token in np.flatnonzero(markers & (spans[:, 0] < spans[:, 1])).tolist():
        char = text[spans[token, 0]]
        if char not in MARKERS and not char.isspace():
            spans[token, 1] = spans[token, 0]


def _given_back(
    spans: IntArray, filled: BoolArray, covered: BoolArray, classes: NDArray[np.uint8]
) -> IntArray:
    """Step 3 of `token_spans`."""
    owners = np.flatnonzero(filled)
    if not len(owners):
        return spans
    lost = np.concatenate(([False], ~covered & (classes != BLANK), [False]))
    edges = np.flatnonzero(lost[1:] != lost[:-1])
    first = spans[owners, 0]
    starts, stops = first.copy(), spans[owners, 1].copy()
    for start, end in edges.reshape(-1, 2).tolist():
        before = int(np.searchsorted(stops, start, side="right")) - 1
        if before < 0 or stops[before] < start:
            while start < end and classes[start] == CONTROL:
                start += 1
            if start == end:
                continue
            if before < 0 or (end < len(covered) and covered[end]):
                after = int(np.searchsorted(first, end))
                starts[after] = min(starts[after], start)
                continue
        stops[before] = end
    spans[owners] = np.stack((starts, stops), axis=1)
    spans[~filled] = np.maximum.accumulate(spans[:, 1])[~filled, None]  # empty ones stay in order
    return spans
