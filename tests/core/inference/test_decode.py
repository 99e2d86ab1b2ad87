"""Decoding: probabilities, joined pieces, and answer spans against a plain reading of the rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.core.encode.rows import Row
from xlt.core.errors import ModelError
from xlt.core.inference.answer import decode_item, gold_of, official_form, score
from xlt.core.kinds.base import softmax
from xlt.core.kinds.span import Span
from xlt.core.retrieval.unit import unit_vector
from xlt.core.tasks.examples import Answer, Choice, Pair, Question, Tagged
from xlt.core.tasks.table import TASKS, Task

FLOATS = st.floats(-1e4, 1e4, width=32)
PAIR = Task(name="p", kind="pair", labels=("a", "b", "c"))
TAG = Task(name="t", kind="tag", labels=("X", "Y"))


def row(length=1, **fields):
    return Row(item=0, ids=np.arange(length, dtype=np.int32), **fields)


def logits(*values):
    return {"logits": np.array(values, np.float32)}


@given(st.lists(FLOATS, min_size=1, max_size=9))
def test_softmax_is_a_distribution_whatever_the_size_of_the_logits(values):
    shares = softmax(np.array(values, np.float32))
    assert shares.dtype == np.float64
    assert np.isclose(shares.sum(), 1)
    assert (shares >= 0).all()
    assert shares.argmax() == np.argmax(np.array(values, np.float32))
    assert np.allclose(softmax(np.array(values) + 100.0), softmax(np.array(values)))


def test_label_and_choice_take_the_first_of_equal_logits():
    item = Pair(id="", text_a="")
    found = decode_item(PAIR, 0, item, [row()], [logits(1, 3, 3)])
    assert (found.label, found.index) == ("b", 1)
    assert np.isclose(found.probabilities[1], 1 / (2 + np.exp(-2)))
    item = Choice(id="", prompt="", choices=("x", "y"))
    assert decode_item(TASKS["csqa"], 0, item, [row()], [logits(5, 5)]).index == 0


def test_tags_are_joined_over_pieces():
    item = Tagged(id="", words=("a", "b", "c"))
    outputs = [logits([0, 1], [2, 0]), logits([0, 3])]
    found = decode_item(TAG, 0, item, [row(), row()], outputs)
    assert found.tags == ("Y", "X", "Y")
    assert np.allclose(found.scores, 1 / (1 + np.exp([-1, -2, -3])))
    with pytest.raises(ValueError, match="2 positions for 3 words"):
        decode_item(TAG, 0, item, [row()], outputs[:1])


def test_a_sentence_without_words_has_no_tags():
    empty = {"logits": np.zeros((0, 2), np.float32)}
    found = decode_item(TAG, 0, Tagged(id="", words=()), [row()], [empty])
    assert found.tags == ()
    assert found.scores.shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_output_that_is_not_finite_names_the_item(bad):
    with pytest.raises(ModelError, match=r"item 7 \(id 'p1'\).*not finite"):
        decode_item(PAIR, 7, Pair(id="p1", text_a=""), [row()], [logits(0, bad, 1)])
    with pytest.raises(ModelError, match=r"item 7: .*not finite"):
        decode_item(TASKS["tatoeba"], 7, "a", [row()], [{"sentence_embedding": np.array([bad])}])


@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_unit_vectors_have_length_one(values):
    vector = unit_vector(np.array(values, np.float32))
    assert vector.dtype == np.float32
    if np.any(np.abs(np.array(values, np.float32)) > 1e-30):
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)
    assert unit_vector(np.zeros(3, np.float32)).tolist() == [0, 0, 0]


# --- answer spans -------------------------------------------------------------------------

CONTEXT = "the cat sat on the mat and the cat ran off "
WORDS = [(i, i + len(w)) for w, i in zip(CONTEXT.split(), [0, 4, 8, 12, 15, 19, 23, 27, 31, 35, 39],
                                         strict=True)]  # fmt: skip


def window(first, last, best):
    """A row with CLS, two question tokens, words first..last of the context, and SEP."""
    offsets = [(-1, -1)] * 3 + WORDS[first:last] + [(-1, -1)]
    flags = [False] * 3 + [first + i in best for i in range(last - first)] + [False]
    return row(
        len(offsets), offsets=np.array(offsets, np.int32), best_context=np.array(flags, np.bool_)
    )


def span_outputs(rows, rng, levels=5):
    """Few levels, so that ties are common."""
    return [
        {
            name: rng.integers(0, levels, r.width).astype(np.float32)
            for name in ("start_logits", "end_logits")
        }
        for r in rows
    ]


def plain_answers(rows, outputs):
    """All valid pairs, best first, one per text: the rule written as loops."""
    pairs = []
    for r, output in zip(rows, outputs, strict=True):
        order = {
            name: sorted(range(r.width), key=lambda i, v=values: (-v[i], i))[:20]
            for name, values in output.items()
        }
        for start in order["start_logits"]:
            for end in order["end_logits"]:
                inside = r.offsets[start, 0] >= 0 and r.offsets[end, 0] >= 0
                if inside and r.best_context[start] and 0 <= end - start < 30:
                    score = float(output["start_logits"][start] + output["end_logits"][end])
                    pairs.append((-score, int(r.offsets[start, 0]), int(r.offsets[end, 1])))
    answers = {}
    for score, start, end in sorted(pairs):
        answers.setdefault(CONTEXT[start:end], (-score, start, end))
    return list(answers.items())[:20]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_answers_follow_the_rule_over_all_windows(seed):
    rng = np.random.default_rng(seed)
    rows = [window(0, 7, set(range(6))), window(4, 11, set(range(6, 11)))]
    outputs = span_outputs(rows, rng)
    item = Question(id="", question="", context=CONTEXT)
    found = decode_item(TASKS["xquad"], 0, item, rows, outputs)
    expected = plain_answers(rows, outputs)
    assert [(s.text, (s.score, s.start, s.end)) for s in found.n_best] == expected
    assert (found.text, found.score) == (expected[0][0], expected[0][1][0])
    assert found.probability == found.n_best[0].probability
    assert np.isclose(sum(s.probability for s in found.n_best), 1)
    assert found.null_score is None


def test_answers_are_at_most_thirty_sub_words_long():
    places = [(i, i + 1) for i in range(60)]
    offsets = np.array([(-1, -1), *places], np.int32)
    one = row(61, offsets=offsets, best_context=offsets[:, 0] >= 0)
    start, end = np.zeros((2, 61), np.float32)
    start[1] = 9
    end[[30, 31]] = 5, 8
    item = Question(id="", question="", context="x" * 60)
    found = decode_item(
        TASKS["xquad"], 0, item, [one], [{"start_logits": start, "end_logits": end}]
    )
    assert (found.start, found.end) == (0, 30)
    assert found.score == 14


def test_no_valid_pair_is_an_empty_answer():
    one = window(0, 0, set())
    outputs = span_outputs([one], np.random.default_rng(0))
    found = decode_item(TASKS["xquad"], 0, Question(id="", question="", context=""), [one], outputs)
    assert found == Span(text="", start=0, end=0, score=0.0, probability=1.0)


@pytest.mark.parametrize(("cls", "text"), [(4.0, ""), (3.0, "sat"), (2.0, "sat")])
def test_no_answer_wins_only_when_it_scores_higher(cls, text):
    rows = [window(0, 5, set(range(5))), window(2, 7, {5, 6})]
    outputs = [
        {name: np.zeros(r.width, np.float32) for name in ("start_logits", "end_logits")}
        for r in rows
    ]
    for output in outputs:
        output["start_logits"][0] = cls
    outputs[1]["start_logits"][0] = 9  # the lowest window counts
    outputs[0]["start_logits"][5] = 2
    outputs[0]["end_logits"][5] = 1
    item = Question(id="", question="", context=CONTEXT)
    found = decode_item(TASKS["squad2"], 0, item, rows, outputs)
    assert found.text == text
    assert found.null_score == cls
    assert found.n_best[0].text == "sat"
    assert found.score == max(3.0, cls)
    assert found.probability < 1
    assert decode_item(TASKS["squad"], 0, item, rows, outputs).text == "sat"


def test_blank_ends_are_cut_off_the_answer():
    offsets = np.array([(-1, -1), (3, 8), (11, 15)], np.int32)
    one = row(3, offsets=offsets, best_context=offsets[:, 0] >= 0)
    outputs = {"start_logits": np.array([0, 1, 0], np.float32),
               "end_logits": np.array([0, 0, 1], np.float32)}  # fmt: skip
    item = Question(id="", question="", context=CONTEXT)
    found = decode_item(TASKS["xquad"], 0, item, [one], [outputs])
    assert (found.text, found.start, found.end) == ("cat sat on", 4, 14)


def test_questions_of_one_id_have_their_own_answers_in_training_and_one_in_official_files():
    """TyDiQA's English train set repeats its ids: a model is still selected on every question."""
    questions = [
        Question(id="7", question="?", context=text, answers=(Answer(text=text, start=0),))
        for text in ("cat", "dog")
    ]
    found = [Span(text=text, start=0, end=3, score=1.0) for text in ("cat", "dog")]
    assert score(TASKS["tydiqa"], questions, found, "en")["exact_match"] == 100.0
    assert gold_of(TASKS["tydiqa"], questions) == [("7", ["cat"]), ("7", ["dog"])]
    assert official_form(TASKS["tydiqa"], questions, found) == {"7": "dog"}
