"""Entities from word tags in the B-/I- scheme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["entities_of"]


def entities_of(
    words: Sequence[dict[str, Any]], text: str | None, aggregation: str
) -> list[dict[str, Any]]:
    """Runs of words that belong together.

    A run begins with `B-X`, or with `I-X` after something else than a run of X, and goes on with
    `I-X`. With "max" a run goes on with `I-` of any type and takes the type of its surest word.
    Tags of other schemes (parts of speech) give none.

    Args:
        words: each with `word`, `tag`, `score`, and `start` and `end` for text inputs.
        text: the text that the words are from; without it they are joined by blanks.
        aggregation: "first" or "max".

    Returns:
        Entities in order; the score is the mean of the words' scores.
    """
    runs: list[tuple[int, int]] = []
    kind = ""
    for place, word in enumerate(words):
        head, dash, rest = word["tag"].partition("-")
        if not dash or head not in ("B", "I"):
            kind = ""
        elif head == "I" and kind and (rest == kind or aggregation == "max"):
            runs[-1] = (runs[-1][0], place)
        else:
            kind = rest
            runs.append((place, place))
    return [_entity(words[first : last + 1], first, text, aggregation) for first, last in runs]


def _entity(
    words: Sequence[dict[str, Any]], first: int, text: str | None, aggregation: str
) -> dict[str, Any]:
    surest = max(words, key=lambda word: word["score"]) if aggregation == "max" else words[0]
    entity: dict[str, Any] = {
        "type": surest["tag"].partition("-")[2],
        "text": " ".join(word["word"] for word in words),
        "score": sum(word["score"] for word in words) / len(words),
        "first_word": first,
        "last_word": first + len(words) - 1,
    }
    if text is not None:
        start, end = words[0]["start"], words[-1]["end"]
        entity.update(text=text[start:end], start=start, end=end)
    return entity
