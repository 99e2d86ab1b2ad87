"""Entities from the tags of words."""

import pytest

from xlt.core.metrics.tags import chunks
from xlt.serve.request.entities import entities_of


def word(text, tag, score=0.5, start=None):
    found = {"word": text, "tag": tag, "score": score}
    if start is not None:
        found.update(start=start, end=start + len(text))
    return found


def test_entities_begin_with_b_or_a_change_of_type():
    words = [
        word("Ada", "B-PER", 0.9, 0),
        word("Lovelace", "I-PER", 0.7, 4),
        word("London", "I-LOC", 0.8, 13),
        word("is", "O", 0.9, 20),
        word("big", "NOUN", 0.9, 23),
    ]
    first, second = entities_of(words, "Ada Lovelace London is big", "first")
    assert (first["type"], first["text"], first["start"], first["end"]) == (
        "PER", "Ada Lovelace", 0, 12,
    )  # fmt: skip
    assert first["score"] == 0.8
    assert (second["type"], second["first_word"], second["last_word"]) == ("LOC", 2, 2)


def test_max_takes_the_type_of_the_surest_word():
    words = [word("New", "B-PER", 0.4), word("York", "I-LOC", 0.9)]
    assert [e["type"] for e in entities_of(words, None, "first")] == ["PER", "LOC"]
    (joined,) = entities_of(words, None, "max")
    assert (joined["type"], joined["text"]) == ("LOC", "New York")


def types_and_places(*tags):
    found = entities_of([word(str(i), tag) for i, tag in enumerate(tags)], None, "first")
    return [(entity["type"], entity["first_word"], entity["last_word"]) for entity in found]


def test_e_and_s_tags_are_joined_too():
    assert types_and_places("B-PER", "I-PER", "E-PER", "S-LOC", "O", "S-LOC", "E-ORG") == [
        ("PER", 0, 2), ("LOC", 3, 3), ("LOC", 5, 5), ("ORG", 6, 6),
    ]  # fmt: skip
    assert types_and_places("B-PER", "E-PER", "E-PER") == [("PER", 0, 1), ("PER", 2, 2)]
    found = entities_of(
        [word("New", "B-PER", 0.4), word("York", "E-LOC", 0.9), word("Ada", "S-PER", 0.8)],
        None,
        "max",
    )
    assert [(entity["type"], entity["text"]) for entity in found] == [
        ("LOC", "New York"), ("PER", "Ada"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "tags",
    [
        ["B-A-B", "I-A-B", "O", "B-C-B", "I-A-B"],
        ["I-X", "I-Y", "B-Y", "S-Y", "E-Y", "I-Y"],
        ["S-A", "I-A", "E-A", "B-A", "B-A"],
    ],
)
def test_entities_are_the_scorer_s_chunks_with_its_types(tags):
    assert types_and_places(*tags) == chunks(tags)
