"""Answers: normalisation, best gold answer, and what counts as no answer."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError
from xlt.core.metrics.answers import normalise_mlqa, normalise_squad
from xlt.core.metrics.table import measure

MLQA_LANGUAGES = ["en", "es", "de", "ar", "hi", "vi", "zh"]


@given(st.text())
def test_squad_normalisation_leaves_single_spaces_and_no_ascii_marks(text):
    clean = normalise_squad(text)
    assert clean == " ".join(clean.split())
    assert not set(clean) & set(string.punctuation)
    assert not {"a", "an", "the"} & set(clean.split())


@given(st.text(), st.sampled_from(string.punctuation), st.sampled_from(["the ", "An ", "  "]))
def test_squad_normalisation_ignores_marks_articles_and_white_space_around(text, mark, word):
    assert normalise_squad(f"{mark}{word}{text} {mark}") == normalise_squad(text)


@given(st.text(), st.sampled_from([*MLQA_LANGUAGES, "qaa"]))
def test_mlqa_normalisation_leaves_no_mark_of_any_script(text, lang):
    clean = normalise_mlqa(text, lang)
    assert clean == " ".join(clean.split())
    assert not any(unicodedata.category(mark).startswith("P") for mark in clean)
    assert not set(clean) & set(string.punctuation)


@pytest.mark.parametrize(
    "text, lang, expected",
    [
        ("Der große Hund!", "de", "große hund"),
        ("El Niño, la niña", "es", "niño niña"),
        ("những cái cây", "vi", "cây"),
        ("\u0627\u0644\u0628\u064a\u062a \u0648\u0627\u0644\u0628\u0627\u0628", "ar",
         "\u0628\u064a\u062a \u0648 \u0628\u0627\u0628"),
        ("\u5317\u4eac2008\u5e74", "zh", "\u5317 \u4eac 2008 \u5e74"),
        ("\u9fa6\u9fa6", "zh", "\u9fa6\u9fa6"),
        ("the $5 = 4€", "hi", "the 5 4€"),
        ("The end", "qaa", "the end"),
    ],
)  # fmt: skip
def test_mlqa_rules_differ_by_language(text, lang, expected):
    assert normalise_mlqa(text, lang) == expected


def test_squad_uses_english_rules_in_every_language():
    gold, found = {"q": ["der Hund"]}, {"q": "Hund"}
    assert measure("squad", gold, found, "de")["exact_match"] == 0.0
    assert measure("mlqa", gold, found, "de")["exact_match"] == 100.0


def test_each_score_takes_its_own_best_gold_answer():
    gold = {"q": ["red", "red blue green"]}
    scores = measure("squad", gold, {"q": "red blue"}, "en")
    assert scores["exact_match"] == 0.0
    assert scores["f1"] == pytest.approx(80.0)


def test_repeated_tokens_count_as_often_as_both_have_them():
    scores = measure("squad", {"q": ["no no no"]}, {"q": "no no maybe"}, "en")
    assert scores["f1"] == pytest.approx(100 * 2 / 3)


def test_a_question_without_prediction_is_wrong_and_unknown_ids_are_ignored():
    gold = {"1": ["x"], "2": ["y"]}
    assert measure("squad", gold, {"1": "x", "9": "y"}, "en") == {"exact_match": 50.0, "f1": 50.0}


def test_empty_against_empty_matches_exactly_but_shares_no_token():
    assert measure("squad", {"1": ["the"]}, {"1": "!"}, "en") == {"exact_match": 100.0, "f1": 0.0}


def test_decomposed_text_does_not_match_composed_articles():
    decomposed = unicodedata.normalize("NFD", "của nhà")
    assert normalise_mlqa("của nhà", "vi") == "nhà"
    assert "nha" in normalise_mlqa(decomposed, "vi").replace("\u0300", "")
    assert len(normalise_mlqa(decomposed, "vi").split()) == 2


@pytest.mark.parametrize("metric", ["squad", "mlqa"])
def test_a_question_without_gold_answers_is_named(metric):
    with pytest.raises(DataError, match="'q7' has no gold answer"):
        measure(metric, {"q7": []}, {"q7": "x"}, "en")


@pytest.mark.parametrize("metric", ["squad", "squad2", "mlqa"])
def test_a_prediction_that_is_no_text_is_named(metric):
    with pytest.raises(DataError, match="'q7' is 3, not a text"):
        measure(metric, {"q7": ["x"]}, {"q7": 3}, "en")


def test_squad2_rewards_silence_where_there_is_no_answer():
    gold = {"1": ["the cat"], "2": [], "3": ["dog"], "4": []}
    found = {"1": "cat", "2": "", "3": "", "4": "mouse"}
    assert measure("squad2", gold, found, "en") == {
        "exact_match": 50.0,
        "f1": 50.0,
        "has_answer_exact_match": 50.0,
        "has_answer_f1": 50.0,
        "no_answer_accuracy": 50.0,
    }


def test_squad2_wants_silence_for_gold_answers_of_marks_only_but_counts_them_as_answered():
    """The script reads "has an answer" from the raw list, before any normalisation."""
    found = measure("squad2", {"1": ["...", "the"], "2": []}, {"1": "", "2": "x"}, "en")
    assert found["has_answer_f1"] == 100.0
    assert found["has_answer_exact_match"] == 100.0
    assert found["no_answer_accuracy"] == 0.0


def test_two_questions_of_one_id_are_both_scored_with_its_one_prediction():
    gold = [("q", ["cat"]), ("q", ["dog"])]
    assert measure("squad", gold, {"q": "the cat"}, "en") == {"exact_match": 50.0, "f1": 50.0}
    assert measure("squad2", gold, {"q": "dog"}, "en")["exact_match"] == 50.0


def test_squad2_leaves_out_scores_over_no_questions():
    assert set(measure("squad2", {"1": ["x"]}, {"1": "x"}, "en")) == {
        "exact_match", "f1", "has_answer_exact_match", "has_answer_f1",
    }  # fmt: skip


def test_squad2_counts_a_missing_prediction_as_wrong():
    scores = measure("squad2", {"1": ["x"], "2": []}, {"1": "x"}, "en")
    assert scores["exact_match"] == 50.0
    assert scores["no_answer_accuracy"] == 0.0


@given(st.dictionaries(st.text(), st.text(), min_size=1, max_size=4))
def test_the_gold_answer_itself_is_an_exact_match(answers):
    gold = {key: [text] for key, text in answers.items()}
    for metric in ("squad", "mlqa", "squad2"):
        assert measure(metric, gold, answers, "zh")["exact_match"] == 100.0
