"""Entities from the tags of words."""

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
