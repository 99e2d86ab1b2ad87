"""Grapheme clusters: what readers see as one character, by Unicode's UAX 29, in numpy.

A base keeps its marks, a Hangul syllable its jamo, a consonant what a virama joins to it, an emoji
its modifiers and the parts that a zero width joiner adds, a flag its two letters. Categories come
from Python's own Unicode data; what that does not hold (pictographs, conjunct scripts) is listed
below. It differs from UAX 29 in two points: every spacing mark stays with its base, also the
Burmese ones that the annex leaves out, and nothing joins white space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLANK", "CONTROL", "PLAIN", "classes_of", "grapheme_places", "grapheme_starts"]

(BLANK, CONTROL, PLAIN, MARK, SPACING, JOINER, PREPEND, REGION, PICTURE, LEAD, VOWEL, TAIL, OPEN,
 CLOSED, VIRAMA, CONSONANT) = range(16)  # fmt: skip

# Property Extended_Pictographic, by blocks where these hold nothing that a joiner could join.
PICTURES = (
    (0xA9, 0xA9), (0xAE, 0xAE), (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122),
    (0x2139, 0x2139), (0x2194, 0x21AA), (0x231A, 0x23FF), (0x24C2, 0x24C2), (0x25AA, 0x25FE),
    (0x2600, 0x27BF), (0x2934, 0x2935), (0x2B05, 0x2B55), (0x3030, 0x3030), (0x303D, 0x303D),
    (0x3297, 0x3299), (0x1F000, 0x1F1E5), (0x1F201, 0x1F3FA), (0x1F400, 0x1FAFF),
)  # fmt: skip
# Property Indic_Conjunct_Break of Unicode 16: scripts whose virama joins two consonants.
VIRAMAS = (
    0x94D, 0x9CD, 0xACD, 0xB4D, 0xC4D, 0xD4D, 0x1039, 0x17D2, 0x1A60, 0xA9C0,
)  # fmt: skip
CONSONANTS = (
    (0x915, 0x939), (0x958, 0x95F), (0x978, 0x97F), (0x995, 0x9B9), (0x9DC, 0x9DF), (0x9F0, 0x9F1),
    (0xA95, 0xAB9), (0xAF9, 0xAF9), (0xB15, 0xB39), (0xB5C, 0xB5F), (0xB71, 0xB71), (0xC15, 0xC39),
    (0xC58, 0xC5A), (0xD15, 0xD3A), (0x1000, 0x102A), (0x103F, 0x103F), (0x1050, 0x1055),
    (0x105A, 0x105D), (0x1061, 0x1066), (0x106E, 0x1070), (0x1075, 0x1081), (0x108E, 0x108E),
    (0x1780, 0x17B3), (0x1A20, 0x1A54), (0xA989, 0xA9B2),
)  # fmt: skip
# Classes that the general category does not tell.
NAMED = {
    MARK: ((0x200C, 0x200C), (0xFF9E, 0xFF9F), (0x1F3FB, 0x1F3FF), (0xE0020, 0xE007F)),
    SPACING: ((0xE33, 0xE33), (0xEB3, 0xEB3)),
    JOINER: ((0x200D, 0x200D),),
    PREPEND: (
        (0x600, 0x605), (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2),
        (0xD4E, 0xD4E), (0x110BD, 0x110BD), (0x110CD, 0x110CD),
    ),
    REGION: ((0x1F1E6, 0x1F1FF),),
    LEAD: ((0x1100, 0x115F), (0xA960, 0xA97C)),
    VOWEL: ((0x1160, 0x11A7), (0xD7B0, 0xD7C6)),
    TAIL: ((0x11A8, 0x11FF), (0xD7CB, 0xD7FB)),
    PICTURE: PICTURES,
}  # fmt: skip
BY_CATEGORY = {
    "Mn": MARK, "Me": MARK, "Mc": SPACING, "Cc": CONTROL, "Cf": CONTROL, "Zl": BLANK, "Zp": BLANK,
    "Zs": BLANK,
}  # fmt: skip


def _members(*classes: int) -> NDArray[np.bool_]:
    found = np.zeros(CONSONANT + 1, np.bool_)
    found[list(classes)] = True
    return found


_JOINED = _members(MARK, SPACING, JOINER, VIRAMA)  # always with what is before
_EXTENDING = _members(MARK, JOINER, VIRAMA)  # between two parts that are joined
_HANGUL = np.zeros((CONSONANT + 1, CONSONANT + 1), np.bool_)  # jamo and what goes on with them
_HANGUL[LEAD] = _members(LEAD, VOWEL, OPEN, CLOSED)
_HANGUL[[OPEN, VOWEL]] = _members(VOWEL, TAIL)
_HANGUL[[CLOSED, TAIL]] = _members(TAIL)


def classes_of(text: str) -> NDArray[np.uint8]:
    """The class of each character (N,): what it may join, or that it is blank."""
    return _table()[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)]


def grapheme_starts(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether a grapheme starts at each character, (N,); source: UAX 29, rules GB6 to GB13.

    Args:
        classes: of the text, from `classes_of`.
    """
    starts = np.ones(len(classes), np.bool_)
    present = np.bincount(classes, minlength=CONSONANT + 1)
    if len(classes) < 2 or not present[MARK:].any():
        return starts
    before, here = classes[:-1], classes[1:]
    joins = _JOINED[here] & (before > CONTROL)
    if present[PREPEND]:
        joins |= (before == PREPEND) & (here > CONTROL)
    if present[[LEAD, VOWEL, TAIL]].any():
        joins |= _HANGUL[before, here]
    if present[[JOINER, VIRAMA]].any():
        joins |= _chained(classes)
    if present[REGION]:
        joins |= _second_of_flag(classes)
    starts[1:] = ~joins
    return starts


def grapheme_places(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each grapheme, in order."""
    if text.isascii():
        return zip(range(len(text)), range(1, len(text) + 1), strict=True)
    edges = [*np.flatnonzero(grapheme_starts(classes_of(text))).tolist(), len(text)]
    return pairwise(edges)


def _chained(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Conjuncts (GB9c) and joined emoji (GB11): joins of each character but the first (N - 1,)."""
    places = np.arange(len(classes))
    bases = np.maximum.accumulate(np.where(_EXTENDING[classes], 0, places))[:-1]
    viramas = np.cumsum(classes == VIRAMA)
    conjunct = (classes[1:] == CONSONANT) & (classes[bases] == CONSONANT)
    conjunct &= viramas[:-1] > viramas[bases]
    emoji = (classes[1:] == PICTURE) & (classes[:-1] == JOINER) & (classes[bases] == PICTURE)
    joined: NDArray[np.bool_] = conjunct | emoji
    return joined


def _second_of_flag(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The second, fourth ... of a run of regional indicators (GB12): all but the first (N - 1,)."""
    region = classes == REGION
    places = np.arange(len(classes))
    run = places - np.maximum.accumulate(np.where(region, -1, places))
    second: NDArray[np.bool_] = (region & (run % 2 == 0))[1:]
    return second


@cache
def _table() -> NDArray[np.uint8]:
    """The class of every code point (0x110000,); a few hundredths of a second to make."""
    table = np.full(0x110000, PLAIN, np.uint8)
    # the planes that hold anything but plain letters
    for code in chain(range(0x20000), range(0xE0000, 0xE1000)):
        table[code] = BY_CATEGORY.get(unicodedata.category(chr(code)), PLAIN)
    for code in range(0x3001):
        if chr(code).isspace():
            table[code] = BLANK
    table[0xAC00:0xD7A4] = CLOSED
    table[0xAC00:0xD7A4:28] = OPEN
    for name, ranges in NAMED.items():
        for first, last in ranges:
            table[first : last + 1] = name
    for first, last in CONSONANTS:
        table[first : last + 1][table[first : last + 1] == PLAIN] = CONSONANT
    table[list(VIRAMAS)] = VIRAMA
    return table
