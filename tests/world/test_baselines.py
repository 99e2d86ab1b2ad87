"""No shortcut answers a task: lengths, one side alone, position, choices alone; and the measure."""

import pytest

from xlt.core.tasks.examples import Answer, Choice, Pair, Question
from xlt.world.build import make_world, sentence
from xlt.world.files.task_files import asked
from xlt.world.language.grammar import text_of
from xlt.world.sizes import SIZES
from xlt.world.tasks.baselines import (
    choice_baselines,
    pair_baselines,
    question_baselines,
    question_words,
)
from xlt.world.tasks.choices import endings, inferred, known
from xlt.world.tasks.nli import inferences
from xlt.world.tasks.paraphrase import question_pairs, rewordings

POINTS = 3.0


@pytest.fixture(scope="module")
def world():
    return make_world(SIZES["small"], 1)


def pair(first, second, label):
    return Pair(id="", text_a=first, text_b=second, label=str(label))


def nli(world, split, n, **settings):
    english = world.english
    return [
        pair(
            " ".join(sentence(english, event) for event in item.premise),
            sentence(english, item.hypothesis),
            item.label,
        )
        for item in inferences(world.facts, world.draw("b", split), split, n, **settings)
    ]


@pytest.mark.parametrize("settings", [{}, {"extra": 1}, {"extra": 3, "sentences": 2}])
def test_inference_has_no_one_sided_and_no_length_shortcut(world, settings):
    scores = pair_baselines(
        nli(world, "train", 4500, **settings), nli(world, "test", 3000, **settings)
    )
    assert scores["majority"] == pytest.approx(100 / 3)
    for name in ("second", "lengths", "first"):  # second: the hypothesis alone
        assert abs(scores[name] - scores["majority"]) < POINTS, scores
    assert scores["pair"] > 50  # the measure sees something when there is something


def test_paraphrases_have_no_word_shortcut_in_english(world):
    def pairs(split, n):
        items = rewordings(world.facts, world.draw("b", split), split, n)
        return [
            pair(sentence(world.english, i.first), sentence(world.english, i.second), i.same)
            for i in items
        ]

    scores = pair_baselines(pairs("train", 3000), pairs("test", 3000))
    assert scores.pop("majority") == 50
    assert all(abs(score - 50) < POINTS + 1 for score in scores.values()), scores


def test_question_pairs_have_no_one_sided_and_no_length_shortcut(world):
    def pairs(split, n):
        items = question_pairs(world.facts, world.draw("b", split), split, n)
        return [
            pair(sentence(world.english, *i.first), sentence(world.english, *i.second), i.same)
            for i in items
        ]

    scores = pair_baselines(pairs("train", 3000), pairs("test", 3000))
    for name in ("first", "second", "lengths"):
        assert abs(scores[name] - 50) < POINTS + 1, scores


@pytest.mark.parametrize("task", ["squad", "mlqa", "tydiqa"])
def test_questions_have_no_position_and_no_length_shortcut(world, task):
    ((_, items),) = asked(world, task, "test", ["en"], 3000)
    questions = [
        Question(
            id="", question=item.question, context=item.context,
            answers=(Answer(text=item.answer, start=item.start),),
        )
        for item in items
    ]  # fmt: skip
    candidates = [[text for _, text in item.candidates] for item in items]
    scores = question_baselines(questions, candidates)
    uniform = scores.pop("uniform")
    assert 10 < uniform < 35
    assert max(scores.values()) < uniform + POINTS, scores
    assert question_words(questions, candidates) > 2 * uniform  # matching words does find it


def test_choices_have_no_shortcut(world):
    english = world.english

    def hellaswag(split, n):
        for item in endings(world.facts, world.draw("b", split), split, n):
            yield sentence(english, item.before), [sentence(english, e) for e in item.endings], item

    def cosmosqa(split, n):
        for item in inferred(world.facts, world.draw("b", split), split, n):
            places = [text_of(english.place(item.context[k], front=False)) for k in item.choices]
            yield " ".join(sentence(english, e) for e in item.context), places, item

    def csqa(split, n):
        for item in known(world.facts, world.draw("b", split), split, n):
            places = [" ".join(t.text for t in english.phrase(p)) for p in item.places]
            yield sentence(english, item.question, "place"), places, item

    for make in (hellaswag, cosmosqa, csqa):
        train, test = (
            [
                Choice(id="", prompt=prompt, choices=tuple(choices), label=item.label)
                for prompt, choices, item in make(split, 1500)
            ]
            for split in ("train", "test")
        )
        scores = choice_baselines(train, test)
        uniform = scores.pop("uniform")
        assert max(scores.values()) < uniform + POINTS, (make.__name__, scores)


def test_measure_finds_a_planted_one_sided_shortcut():
    rows = [
        (f"a{i % 7} b{i % 5}", f"yes{i % 3}" if i % 2 else f"no{i % 3}", i % 2) for i in range(600)
    ]
    train, test = ([pair(*row) for row in part] for part in (rows[:400], rows[400:]))
    scores = pair_baselines(train, test)
    assert scores["second"] == 100 and scores["pair"] == 100
    assert abs(scores["majority"] - 50) < 1 and scores["first"] < 70


def test_measure_finds_a_planted_length_shortcut():
    rows = [("x", " ".join(["y"] * (3 + i % 2 * 2)), i % 2) for i in range(200)]
    assert pair_baselines([pair(*r) for r in rows], [pair(*r) for r in rows])["lengths"] == 100


def test_measure_finds_position_and_length_of_answers():
    questions = [
        Question(id="", question="q", context="aa b cc", answers=(Answer(text="aa", start=0),))
    ]
    scores = question_baselines(questions, [["aa", "b", "c"]])
    assert scores["position 1"] == scores["longest"] == 100
    assert scores["position last"] == scores["shortest"] == 0
    assert scores["uniform"] == pytest.approx(100 / 3)


def test_measure_finds_a_choice_that_stands_alone():
    orders = (("good", "bad", "poor"), ("bad", "good", "poor"))
    items = [Choice(id="", prompt="p", choices=orders[k], label=k) for k in [0, 1] * 50]
    scores = choice_baselines(items, items)
    assert scores["alone"] == 100 and scores["position 1"] == scores["position 2"] == 50
