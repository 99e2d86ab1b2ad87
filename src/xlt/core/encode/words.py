"""Split a text into words with their places, for taggers that want words.

Letters, marks and digits that stand together are a word; every other visible character is one of
its own, and so is each Han and kana character, as in the taggers' training data. Apostrophes,
hyphens, dots and commas inside a word stay in it. Scripts without blanks between words (Thai,
Khmer ...) come out in long runs: send words for those.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["split_words"]

Word = tuple[str, int, int]
JOINERS = frozenset("'’.,-‐·:_")
ZERO_WIDTH = frozenset("\u200c\u200d")  # joiners of Indic and Persian spelling
ALONE = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def split_words(text: str) -> list[Word]:
    """Words of a text as (word, start, end) in code points; `text[start:end] == word`."""
    words: list[Word] = []
    start: int | None = None
    for place, char in enumerate(text):
        inside = _inside(char) or (start is not None and _joins(text, place))
        if inside and not ALONE.match(char):
            start = place if start is None else start
            continue
        if start is not None:
            words.append((text[start:place], start, place))
            start = None
        if not char.isspace() and unicodedata.category(char)[0] not in "CZ":
            words.append((char, place, place + 1))
    if start is not None:
        words.append((text[start:], start, len(text)))
    return words


def _inside(char: str) -> bool:
    """Whether a character belongs to a word: letter, mark or number."""
    return char.isalnum() or unicodedata.category(char)[0] in "LMN"


def _joins(text: str, place: int) -> bool:
    """Whether punctuation at a place holds two parts of one word together."""
    if text[place] in ZERO_WIDTH:
        return True
    if text[place] not in JOINERS or place + 1 >= len(text):
        return False
    before, after = text[place - 1], text[place + 1]
    if text[place] in ".,:":
        return before.isdigit() and after.isdigit()
    return _inside(before) and _inside(after) and not ALONE.match(after)
