"""Chunk F1 against a second statement of the rules, and on the cases people get wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError
from xlt.core.metrics.counts import LengthMismatch
from xlt.core.metrics.table import measure
from xlt.core.metrics.tags import chunks

TAGS = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "B", "I", "NOUN", "SYM", "INTJ",
        "SCONJ", "CCONJ", "X", "X-O", ".", "B-a-b", "PUNCT"]  # fmt: skip


def kind_and_type(tag):
    return (tag[0], tag.split("-")[-1]) if tag else ("O", "")


def ends_between(left, right):
    (pk, pt), (k, t) = kind_and_type(left), kind_and_type(right)
    rules = {"E": True, "S": True, "B": k in ("B", "S", "O"), "I": k in ("B", "S", "O")}
    return rules.get(pk, False) or (pk not in ("O", ".") and pt != t)


def starts_between(left, right):
    (pk, pt), (k, t) = kind_and_type(left), kind_and_type(right)
    rules = {"B": True, "S": True, "E": pk in ("E", "S", "O"), "I": pk in ("E", "S", "O")}
    return rules.get(k, False) or (k not in ("O", ".") and pt != t)


def slow_chunks(tags):
    """Look at the border on each side of every position; an end belongs to the start before it."""
    padded = ["", *tags, "O"]
    borders = range(1, len(padded))
    starts = [i for i in borders if starts_between(padded[i - 1], padded[i])]
    found = []
    for i in borders:
        if ends_between(padded[i - 1], padded[i]):
            earlier = [s for s in starts if s < i]
            first = earlier[-1] - 1 if earlier else 0
            found.append((kind_and_type(padded[i - 1])[1], first, i - 2))
    return found


@given(st.lists(st.sampled_from(TAGS), max_size=14))
def test_chunks_follow_the_rules_as_stated_a_second_time(tags):
    assert chunks(tags) == slow_chunks(tags)


SENTENCES = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=6),
    min_size=1,
    max_size=5,
).filter(any)


@given(SENTENCES)
def test_f1_is_the_overlap_of_chunk_sets_over_the_joined_sentences(pairs):
    gold = [[a for a, _ in sentence] for sentence in pairs]
    found = [[b for _, b in sentence] for sentence in pairs]
    scores = measure("tag_f1", gold, found, "en")
    sets = []
    for side in (gold, found):
        sets.append(set(slow_chunks([tag for s in side for tag in [*s, "O"]])))
    wanted, guessed = sets
    hits = len(wanted & guessed)
    precision = hits / len(guessed) if guessed else 0
    recall = hits / len(wanted) if wanted else 0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0
    assert scores["precision"] == pytest.approx(100 * precision)
    assert scores["recall"] == pytest.approx(100 * recall)
    assert scores["f1"] == pytest.approx(100 * f1)
    words = [a == b for sentence in pairs for a, b in sentence]
    assert scores["token_accuracy"] == pytest.approx(100 * sum(words) / len(words))


@given(
    st.lists(st.lists(st.sampled_from(["B-PER", "I-PER", "NOUN", "SYM"]), min_size=1), min_size=1)
)
def test_gold_against_itself_is_perfect(sentences):
    assert set(measure("tag_f1", sentences, sentences, "en").values()) == {100.0}


@pytest.mark.parametrize(
    "tags, expected",
    [
        (["I-PER", "I-PER"], [("PER", 0, 1)]),
        (["B-PER", "B-PER"], [("PER", 0, 0), ("PER", 1, 1)]),
        (["B-PER", "I-LOC"], [("PER", 0, 0), ("LOC", 1, 1)]),
        (["B-PER", "E-PER", "S-PER"], [("PER", 0, 1), ("PER", 2, 2)]),
        (["NOUN", "NOUN", "VERB"], [("NOUN", 0, 1), ("VERB", 2, 2)]),
        (["SYM", "SYM"], [("SYM", 0, 0), ("SYM", 1, 1)]),
        (["CCONJ", "SCONJ"], [("CCONJ", 0, 0), ("SCONJ", 1, 1)]),
        (["O", "O"], []),
    ],
)
def test_chunks_of_known_tag_lists(tags, expected):
    assert chunks(tags) == expected


def test_a_run_of_equal_tags_is_one_chunk_so_f1_is_not_accuracy():
    scores = measure(
        "tag_f1", [["NOUN", "NOUN", "NOUN", "VERB"]], [["NOUN", "NOUN", "ADJ", "VERB"]], "en"
    )
    assert scores["token_accuracy"] == 75.0
    assert scores["f1"] == pytest.approx(40.0)


def test_a_sentence_of_another_length_is_named():
    with pytest.raises(LengthMismatch, match="item 1 has 1 predicted tags for 2 in gold"):
        measure("tag_f1", [["O"], ["O", "O"]], [["O"], ["O"]], "en")


def test_a_missing_sentence_is_named_where_the_two_part():
    with pytest.raises(LengthMismatch, match=r"2 predicted sentences for 3 in gold.*item 1"):
        measure("tag_f1", [["O"], ["O", "O"], ["X"]], [["O"], ["X"]], "en")


def test_an_empty_tag_is_an_error():
    with pytest.raises(DataError, match="empty predicted tag in item 0"):
        measure("tag_f1", [["O"]], [[""]], "en")
