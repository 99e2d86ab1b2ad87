"""The official files: odd line ends and blank lines are read by the rules, writing round-trips."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError
from xlt.core.metrics.official import (
    line_of,
    official_path,
    read_labels,
    read_predictions,
    write_predictions,
)
from xlt.core.tasks.table import TASKS

WORD = st.text(min_size=1, max_size=6).filter(
    lambda text: text == text.strip() and not set(text) & set("\t\r\n") and text.isprintable()
)


def written(folder, name, text):
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_files_are_named_as_the_benchmark_names_them(tmp_path):
    assert official_path(tmp_path, TASKS["mlqa"], "hi") == tmp_path / "mlqa" / "test-hi.json"
    assert official_path(tmp_path, TASKS["bucc2018"], "de").name == "test-de.tsv"


def test_lines_are_stripped_and_an_empty_line_is_an_example(tmp_path):
    path = written(tmp_path, "a.tsv", " neutral \r\n\r\nentailment\t\ncontradiction")
    expected = ["neutral", "", "entailment", "contradiction"]
    assert read_labels(TASKS["xnli"], path) == expected


def test_only_line_ends_end_a_line(tmp_path):
    path = written(tmp_path, "a.tsv", "a\u2028b\x0bc\rd\n")
    assert read_predictions(TASKS["xnli"], path) == ["a\u2028b\x0bc", "d"]


def test_a_second_blank_line_is_an_empty_sentence_and_the_last_one_needs_none(tmp_path):
    path = written(tmp_path, "a.tsv", "O\nB-PER\n\n\nO")
    assert read_labels(TASKS["panx"], path) == [["O", "B-PER"], [], ["O"]]
    path = written(tmp_path, "b.tsv", "O\nB-PER\n\n\nO\n\n")
    assert read_labels(TASKS["panx"], path) == [["O", "B-PER"], [], ["O"]]


def test_the_line_of_a_sentence_is_found_again(tmp_path):
    path = written(tmp_path, "a.tsv", "O\nO\n\n\nO\n")
    assert [line_of(TASKS["panx"], path, i) for i in range(4)] == [1, 4, 5, 6]
    assert line_of(TASKS["xnli"], path, 2) == 3


def test_bucc_lines_are_tuples_of_their_columns(tmp_path):
    path = written(tmp_path, "a.tsv", "de-1\ten-2\nde-3\ten-4\tx\n")
    assert read_labels(TASKS["bucc2018"], path) == [("de-1", "en-2"), ("de-3", "en-4", "x")]


def test_a_data_key_around_the_answers_is_unwrapped(tmp_path):
    path = written(tmp_path, "a.json", '{"data": {"q1": "x"}}')
    assert read_predictions(TASKS["xquad"], path) == {"q1": "x"}


def test_gold_answers_come_from_squad_json(tmp_path):
    qas = [{"id": "q1", "question": "?", "answers": [{"text": "x"}, {"text": "y"}]}]
    text = json.dumps({"data": [{"paragraphs": [{"context": "x y", "qas": qas}]}]})
    assert read_labels(TASKS["tydiqa"], written(tmp_path, "a.json", text)) == [("q1", ["x", "y"])]


def test_a_number_and_its_text_are_one_question_id_and_equal_ids_stay_two_questions(tmp_path):
    qas = [{"id": 7, "answers": [{"text": "x"}]}, {"id": "7", "answers": [{"text": "y"}]}]
    text = json.dumps({"data": [{"paragraphs": [{"qas": qas}]}]})
    gold = read_labels(TASKS["tydiqa"], written(tmp_path, "a.json", text))
    assert gold == [("7", ["x"]), ("7", ["y"])]


@pytest.mark.parametrize(
    "text, message",
    [
        ("[1]", "not SQuAD JSON"),
        ('{"data": [{"paragraphs": [{"qas": [{"id": "q"}]}]}]}', "not SQuAD JSON .*answers"),
        ('{"data": [{"paragraphs": [{"qas": [{"id": null, "answers": []}]}]}]}',
         "question id null is neither"),
        ('{"data": [{"paragraphs": [{"qas": [{"id": true, "answers": []}]}]}]}',
         "question id true is neither"),
        ('{"data": [', "not valid JSON"),
    ],
)  # fmt: skip
def test_broken_gold_json_is_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_labels(TASKS["xquad"], written(tmp_path, "a.json", text))


@pytest.mark.parametrize(
    "text, message", [("[]", "a JSON list"), ('{"q": ["x"]}', "question 'q' is \\[\"x\"\\]")]
)
def test_broken_predicted_json_is_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_predictions(TASKS["xquad"], written(tmp_path, "a.json", text))


def test_invalid_utf8_names_the_line(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"O\nO\n\xff\n")
    with pytest.raises(DataError, match="line 3 is not valid UTF-8"):
        read_predictions(TASKS["panx"], path)


def again(tmp_path_factory, task, value):
    path = tmp_path_factory.mktemp("official") / "x"
    write_predictions(TASKS[task], path, value)
    return read_predictions(TASKS[task], path)


@given(value=st.lists(WORD | st.just("")))
def test_labels_come_back_as_written(tmp_path_factory, value):
    assert again(tmp_path_factory, "xnli", value) == value


@given(value=st.lists(st.lists(WORD, max_size=4), max_size=5))
def test_tags_come_back_as_written_empty_sentences_too(tmp_path_factory, value):
    assert again(tmp_path_factory, "udpos", value) == value


@given(value=st.lists(st.tuples(WORD, WORD)))
def test_pairs_come_back_as_written(tmp_path_factory, value):
    assert again(tmp_path_factory, "bucc2018", value) == value


@given(value=st.dictionaries(st.text() | st.just("data"), st.text()))
def test_answers_come_back_as_written(tmp_path_factory, value):
    assert again(tmp_path_factory, "mlqa", value) == value


def test_integers_are_written_plainly(tmp_path_factory):
    assert again(tmp_path_factory, "tatoeba", [12, 0]) == ["12", "0"]


@pytest.mark.parametrize(
    "task, value",
    [
        ("xnli", ["a\nb"]),
        ("xnli", [" a"]),
        ("panx", [["O", ""]]),
        ("bucc2018", [("a\tb", "c")]),
    ],
)
def test_what_the_layout_cannot_hold_is_refused(tmp_path, task, value):
    with pytest.raises(DataError, match="cannot be written"):
        write_predictions(TASKS[task], tmp_path / "x.tsv", value)
    assert not (tmp_path / "x.tsv").exists()
