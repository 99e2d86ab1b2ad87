"""Entities from word tags in the B-/I-/E-/S- schemes, cut as the scorer cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xlt.core.metrics.tags import chunks

__all__ = ["entities_of"]

KINDS = frozenset("BIES")
OUTSIDE = "O"


def entities_of(
    words: Sequence[dict[str, Any]], text: str | None, aggregation: str
) -> list[dict[str, Any]]:
    """Runs of words that belong together: the chunks that the scorer would compare.

    A run begins with `B-X` or `S-X`, or with `I-X` or `E-X` after something else than a run of X,
    and goes on with `I-X` and `E-X`; `S-X` and `E-X` end it. A type is what follows the last
    hyphen. With "max" a run goes on whatever the type and takes that of its surest word. Tags of
    other schemes (parts of speech) give none.

    Args:
        words: each with `word`, `tag`, `score`, and `start` and `end` for text inputs.
        text: the text that the words are from; without it they are joined by blanks.
        aggregation: "first" or "max".

    Returns:
        Entities in order; the score is the mean of the words' scores.
    """
    tags = []
    for word in words:
        kind, dash, _ = word["tag"].partition("-")
        if not dash or kind not in KINDS:
            tags.append(OUTSIDE)
        else:
            tags.append(f"{kind}-" if aggregation == "max" else word["tag"])
    return [
        _entity(words[first : last + 1], first, text, aggregation)
        for _, first, last in chunks(tags)
    ]


def _entity(
    words: Sequence[dict[str, Any]], first: int, text: str | None, aggregation: str
) -> dict[str, Any]:
    surest = max(words, key=lambda word: word["score"]) if aggregation == "max" else words[0]
    entity: dict[str, Any] = {
        "type": surest["tag"].rpartition("-")[2],
        "text": " ".join(word["word"] for word in words),
        "score": sum(word["score"] for word in words) / len(words),
        "first_word": first,
        "last_word": first + len(words) - 1,
    }
    if text is not None:
        start, end = words[0]["start"], words[-1]["end"]
        entity.update(text=text[start:end], start=start, end=end)
    return entity
