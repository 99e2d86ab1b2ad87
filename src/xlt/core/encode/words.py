"""Split a text into words with their places, for taggers that want words.

Letters, marks and digits that stand together are a word; every other visible character is one of
its own, and so is each Han and kana character, as in the taggers' training data. Apostrophes,
hyphens, dots and commas inside a word stay in it. No grapheme is cut: an emoji is one word with
all its parts, and marks stay with their base. Scripts without blanks between words (Thai,
Khmer ...) come out in long runs: send words for those.
"""

from __future__ import annotations

import re
import unicodedata

from xlt.core.encode.graphemes import grapheme_places

__all__ = ["split_words"]

Word = tuple[str, int, int]
JOINERS = frozenset("'’.,-‐·:_")
ALONE = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def split_words(text: str) -> list[Word]:
    """Words of a text as (word, start, end) in code points; `text[start:end] == word`."""
    words: list[Word] = []
    start: int | None = None
    for place, stop in grapheme_places(text):
        char = _base(text, place, stop)
        inside = _inside(char) or (start is not None and _joins(text, place))
        if inside and not ALONE.match(char):
            start = place if start is None else start
            continue
        if start is not None:
            words.append((text[start:place], start, place))
            start = None
        if not char.isspace() and unicodedata.category(char)[0] not in "CZ":
            words.append((text[place:stop], place, stop))
    if start is not None:
        words.append((text[start:], start, len(text)))
    return words


def _base(text: str, place: int, stop: int) -> str:
    """The character that says what a grapheme is: the first but for a sign put before digits."""
    prepended = stop - place > 1 and unicodedata.category(text[place]) == "Cf"
    return text[place + 1] if prepended else text[place]


def _inside(char: str) -> bool:
    """Whether a character belongs to a word: letter, mark or number."""
    return char.isalnum() or unicodedata.category(char)[0] in "LMN"


def _joins(text: str, place: int) -> bool:
    """Whether punctuation at a place holds two parts of one word together."""
    if text[place] not in JOINERS or place + 1 >= len(text):
        return False
    before, after = text[place - 1], text[place + 1]
    if text[place] in ".,:":
        return before.isdigit() and after.isdigit()
    return _inside(before) and _inside(after) and not ALONE.match(after)
