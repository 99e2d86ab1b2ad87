"""Multiple-choice sets in their published layouts."""

import json

import pytest

from xlt.core.errors import DataError
from xlt.core.tasks.table import TASKS, Task
from xlt.data.readers.choices import read_choices

XCOPA = Task(name="copa", kind="choice", role="user", n_choices=2)


def jsonl(tmp_path, *rows, name="dev.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def hellaswag(label, ctx_b="he"):
    row = {
        "ind": 24, "ctx_a": "A man sits .", "ctx_b": ctx_b, "ctx": "unused", "split": "val",
        "endings": ["sings.", "runs.", "sleeps.", "eats."], "label": label,
    }  # fmt: skip
    return {key: value for key, value in row.items() if value is not None}


def test_hellaswag_joins_the_second_context_and_the_ending(tmp_path):
    (one,) = read_choices(jsonl(tmp_path, hellaswag("2")), TASKS["hellaswag"]).examples
    assert one.prompt == "A man sits ."
    assert one.choices == ("he sings.", "he runs.", "he sleeps.", "he eats.")
    assert one.label == 2
    assert one.id == "24"


def test_hellaswag_without_second_context_and_with_a_number_as_label(tmp_path):
    (one,) = read_choices(jsonl(tmp_path, hellaswag(3, "")), TASKS["hellaswag"]).examples
    assert one.choices[0] == "sings."
    assert one.label == 3


@pytest.mark.parametrize("label", ["", None])
def test_hellaswag_test_rows_have_no_label(tmp_path, label):
    (one,) = read_choices(jsonl(tmp_path, hellaswag(label)), TASKS["hellaswag"]).examples
    assert one.label is None


COSMOS = "id,context,question,answer0,answer1,answer2,answer3,label\r\n"


def test_cosmos_csv_has_quoted_texts(tmp_path):
    path = tmp_path / "valid.csv"
    path.write_text(COSMOS + 'q1,"It, ""rained"" .",Why ?,a,b,"c, d",e,2\r\n', newline="")
    (one,) = read_choices(path, TASKS["cosmosqa"]).examples
    assert one.prompt == 'It, "rained" . Why ?'
    assert one.choices == ("a", "b", "c, d", "e")
    assert one.label == 2


def test_cosmos_json_lines(tmp_path):
    row = {"id": "q", "context": "C .", "question": "Q ?", "label": -1,
           **{f"answer{k}": str(k) for k in range(4)}}  # fmt: skip
    (one,) = read_choices(jsonl(tmp_path, row), TASKS["cosmosqa"]).examples
    assert (one.prompt, one.choices, one.label) == ("C . Q ?", ("0", "1", "2", "3"), None)


LETTERS = "ABCDE"


def csqa_nested(key):
    choices = [{"label": letter, "text": f"t{letter}"} for letter in LETTERS]
    row = {"id": "c1", "question": {"stem": "Where ?", "choices": choices}}
    return {**row, "answerKey": key} if key else row


def csqa_flat(key):
    choices = {"label": list(LETTERS), "text": [f"t{letter}" for letter in LETTERS]}
    return {"id": "c1", "question": "Where ?", "choices": choices, "answerKey": key}


@pytest.mark.parametrize("row", [csqa_nested("B"), csqa_flat("B")])
def test_commonsenseqa_both_layouts_read_alike(tmp_path, row):
    (one,) = read_choices(jsonl(tmp_path, row), TASKS["csqa"]).examples
    assert one.prompt == "Where ?"
    assert one.choices == ("tA", "tB", "tC", "tD", "tE")
    assert one.label == 1


@pytest.mark.parametrize("row", [csqa_nested(None), csqa_flat("")])
def test_commonsenseqa_test_rows_have_no_answer(tmp_path, row):
    (one,) = read_choices(jsonl(tmp_path, row), TASKS["csqa"]).examples
    assert one.label is None


@pytest.mark.parametrize(
    ("question", "ask"),
    [("cause", "What was the cause?"), ("effect", "What happened as a result?")],
)
def test_xcopa_asks_for_cause_or_effect(tmp_path, question, ask):
    row = {"premise": "It rained.", "choice1": "a", "choice2": "b", "question": question,
           "label": 1, "idx": 7, "changed": False}  # fmt: skip
    (one,) = read_choices(jsonl(tmp_path, row), XCOPA).examples
    assert one.prompt == f"It rained. {ask}"
    assert (one.choices, one.label, one.id) == (("a", "b"), 1, "7")


def test_plain_rows(tmp_path):
    row = {"prompt": "p", "choices": ["a", "b"], "label": "0"}
    (one,) = read_choices(jsonl(tmp_path, row), XCOPA).examples
    assert (one.prompt, one.choices, one.label, one.id) == ("p", ("a", "b"), 0, "0")


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([hellaswag("1"), hellaswag("4")], ["line 2", "label '4'", "0 to 3"]),
        ([hellaswag("1"), hellaswag("")], ["line 2", "no label"]),
        ([{**hellaswag("1"), "endings": ["a", "b"]}], ["line 1", "2 choices", "has 4"]),
        ([{**hellaswag("1"), "endings": "a"}], ["line 1", "a list of texts"]),
        ([{**hellaswag("1"), "ctx_a": None}], ["line 1", "ctx_a is None"]),
        ([{"a": 1}], ["line 1", "not a known layout", "HellaSwag"]),
    ],
)
def test_wrong_rows_name_line_and_rule(tmp_path, rows, parts):
    path = jsonl(tmp_path, *rows)
    with pytest.raises(DataError) as caught:
        read_choices(path, TASKS["hellaswag"])
    message = f"{caught.value.message} {caught.value.hint}"
    assert str(path) in message
    for part in parts:
        assert part in message


def test_an_answer_key_that_is_no_choice(tmp_path):
    with pytest.raises(DataError, match="answerKey 'F' is not a choice"):
        read_choices(jsonl(tmp_path, csqa_flat("F")), TASKS["csqa"])


def test_an_unknown_xcopa_question(tmp_path):
    row = {"premise": "p", "choice1": "a", "choice2": "b", "question": "why", "label": 0}
    with pytest.raises(DataError, match="question is 'why'"):
        read_choices(jsonl(tmp_path, row), XCOPA)
