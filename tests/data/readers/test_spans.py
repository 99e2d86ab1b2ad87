"""Questions with answers in a context: the SQuAD family's layouts."""

import json

import pytest

from xlt.core.errors import DataError
from xlt.core.tasks.table import TASKS
from xlt.data.readers.spans import read_spans, span_languages

SQUAD, SQUAD2, XQUAD, TYDIQA = (TASKS[name] for name in ("squad", "squad2", "xquad", "tydiqa"))
CONTEXT = "Die Katze saß auf der Matte. Die Matte war rot."


def put(tmp_path, value, name="dev.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def question(name="q1", answers=((0, "Die Katze"),), **more):
    listed = [{"answer_start": start, "text": text} for start, text in answers]
    return {"id": name, "question": "Wer?", "answers": listed, **more}


def article(*questions, context=CONTEXT):
    return {"data": [{"title": "T", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def answers(read):
    return [[(one.start, one.text) for one in item.answers] for item in read.examples]


def test_nested_articles(tmp_path):
    read = read_spans(put(tmp_path, article(question(), question("q2", [(22, "Matte")]))), XQUAD)
    assert [one.id for one in read.examples] == ["q1", "q2"]
    assert answers(read) == [[(0, "Die Katze")], [(22, "Matte")]]
    assert read.examples[0].context == CONTEXT
    assert {one.paragraph for one in read.examples} == {"0.0"}


def test_offsets_count_code_points(tmp_path):
    context = "😀😀 é tea"
    read = read_spans(
        put(tmp_path, article(question(answers=[(5, "tea")]), context=context)), SQUAD
    )
    assert answers(read) == [[(5, "tea")]]
    assert read.notes == ()


def test_a_wrong_offset_moves_to_the_nearest_place(tmp_path):
    value = article(question(answers=[(30, "Matte")]), question("q2", [(3, "Hund")]))
    read = read_spans(put(tmp_path, value), SQUAD)
    assert answers(read) == [[(33, "Matte")], [(-1, "Hund")]]
    assert read.notes == ("dev.json: 2 answers were not at their offset",)


def test_flat_rows_under_data(tmp_path):
    row = {"id": "f", "question": "Wer?", "context": CONTEXT,
           "answers": [{"text": "Katze", "answer_start": 4}]}  # fmt: skip
    assert answers(read_spans(put(tmp_path, {"version": 2.0, "data": [row]}), SQUAD2)) == [
        [(4, "Katze")]
    ]


def test_hub_rows_with_parallel_lists(tmp_path):
    row = {"id": "f", "question": "Wer?", "context": CONTEXT,
           "answers": {"text": ["Katze", "Die Katze"], "answer_start": [4, 0]}}  # fmt: skip
    path = put(tmp_path, json.dumps(row) + "\n", "dev.jsonl")
    assert answers(read_spans(path, SQUAD)) == [[(4, "Katze"), (0, "Die Katze")]]


def test_squad2_keeps_unanswerable_questions(tmp_path):
    value = article(question(is_impossible=False), question("q2", (), is_impossible=True))
    read = read_spans(put(tmp_path, value), SQUAD2)
    assert [one.answers for one in read.examples][1] == ()


def test_unanswerable_questions_do_not_fit_squad1(tmp_path):
    value = article(question(), question("q2", ()))
    with pytest.raises(DataError, match=r"question q2: no answer, while other rows have one"):
        read_spans(put(tmp_path, value), SQUAD)


@pytest.mark.parametrize("stripped", [((0, ""),), ()])
def test_stripped_answers_are_no_answers(tmp_path, stripped):
    read = read_spans(put(tmp_path, article(question(answers=stripped))), TYDIQA)
    assert read.examples[0].answers is None


def test_questions_without_the_field_have_no_answers(tmp_path):
    bare = {"id": "q", "question": "Wer?"}
    assert read_spans(put(tmp_path, article(bare)), XQUAD).examples[0].answers is None


def test_tydiqa_in_one_file_is_split_by_the_language_in_the_id(tmp_path):
    path = put(tmp_path, article(question("finnish--1-0"), question("telugu--2-0")))
    assert span_languages(path) == {"fi", "te"}
    assert [one.id for one in read_spans(path, TYDIQA, "te").examples] == ["telugu--2-0"]
    with pytest.raises(DataError, match="no questions of language 'sw'"):
        read_spans(path, TYDIQA, "sw")


def test_repeated_ids_are_kept_and_told(tmp_path):
    read = read_spans(put(tmp_path, article(question("0"), question("0"), question("1"))), TYDIQA)
    assert [one.id for one in read.examples] == ["0", "0", "1"]
    assert "1 questions have the id of an earlier one" in read.notes[0]


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"rows": []}, "no list `data`"),
        ({"data": [3]}, "data[0] is 3"),
        ({"data": [{"paragraphs": 3}]}, "data[0].paragraphs is 3"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, "data[0].paragraphs[0].context is None"),
        (article({"question": "?", "answers": []}), "qas[0].id is None"),
        (article({"id": "q", "question": "?", "answers": [{"text": 3}]}), "answer {'text': 3}"),
        ({"data": []}, "no questions"),
        ('{"data": [', "not valid JSON"),
        ("", "empty"),
    ],
)
def test_wrong_files_name_the_place(tmp_path, value, part):
    path = put(tmp_path, value)
    with pytest.raises(DataError) as caught:
        read_spans(path, SQUAD)
    assert str(path) in caught.value.message
    assert part in caught.value.message


def test_an_empty_gold_text_is_kept_as_the_official_scorers_keep_it(tmp_path):
    """It was dropped: the question then had no answer, and the whole file was refused."""
    empty = {**question("1"), "answers": [{"text": "", "answer_start": 0}]}
    both = {**question("2"), "answers": [{"text": "", "answer_start": 0},
                                         *question("2")["answers"]]}  # fmt: skip
    read = read_spans(put(tmp_path, article(question("0"), empty, both)), TASKS["xquad"])
    texts = [[answer.text for answer in one.answers] for one in read.examples]
    assert texts[1] == [""]
    assert texts[2] == [*texts[0], ""]
    assert read.examples[1].answers[0].start == -1


def test_a_file_of_empty_gold_texts_only_has_no_labels(tmp_path):
    empty = [{**question(str(n)), "answers": [{"text": "", "answer_start": 0}]} for n in range(2)]
    read = read_spans(put(tmp_path, article(*empty)), TASKS["xquad"])
    assert [one.answers for one in read.examples] == [None, None]
