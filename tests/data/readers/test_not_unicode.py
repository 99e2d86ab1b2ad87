"""Text that is not valid Unicode, in every file that is read: exit 3, with the place."""

import json

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.core.files import BadJson, parse_json, read_json
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.data.readers.choices import read_choices
from xlt.data.taskfile import load_task_file


def put(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(read, path, *parts):
    with pytest.raises(DataError) as caught:
        read()
    assert caught.value.exit_code == 3
    for part in (path.name, *parts):
        assert part in caught.value.message
    assert caught.value.hint


LONE = ["\\ud83d", "\\uDE00", "a\\ud83d\\ud83d\\ude00", "\\\\\\ud83d", "\\ude00\\ud83d"]


@pytest.mark.parametrize("text", LONE)
def test_half_a_surrogate_pair_is_named_with_its_place(tmp_path, text):
    path = put(tmp_path, "a.json", f'{{\n "a": ["{text}"]}}')
    refused(lambda: read_json(path), path, "line 2 column ", "half of a surrogate pair")


def test_the_place_is_that_of_the_escape():
    with pytest.raises(BadJson) as caught:
        parse_json('["\\ud83d\\ude00 \\\\ud83d",\n "ab\\udead"]')
    assert (caught.value.line, caught.value.column) == (2, 5)


@pytest.mark.parametrize("text", ["\\ud83d\\ude00", "\\\\ud83d", "\\\\\\\\ude00", "\\u00e9 d83d"])
def test_whole_pairs_and_escaped_backslashes_are_read(text):
    assert parse_json(f'"{text}"') == json.loads(f'"{text}"')


@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"a": {"9" * 5000}}}'])
def test_json_that_python_cannot_hold_is_a_data_error(tmp_path, text):
    path = put(tmp_path, "a.json", text)
    refused(lambda: read_json(path), path, "not valid JSON")
    rows = put(tmp_path, "a.jsonl", text)
    refused(lambda: read_choices(rows, TASKS["csqa"]), rows, "line 1", "not valid JSON")


SQUAD = '{"data": [{"paragraphs": [{"context": "a%s b", "qas": [{"id": "i%s", "question": "q%s"'
SQUAD += ', "answers": [{"text": "b%s", "answer_start": 2}]}]}]}]}'


@pytest.mark.parametrize("place", range(4))
def test_half_a_pair_in_any_text_of_a_question_is_refused(tmp_path, place):
    fields = ["\\ud83d" if index == place else "" for index in range(4)]
    path = put(tmp_path, "xquad/xquad.en.json", SQUAD % tuple(fields))
    refused(
        lambda: DataRoot(tmp_path).read(TASKS["xquad"], "en", "test"),
        path,
        "line 1 column",
        "\\ud83d",
    )


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("xnli/dev-en.jsonl", {"sentence1": "a@", "sentence2": "b", "gold_label": "neutral"}),
        ("xnli/dev-en.jsonl", {"sentence1": "a", "sentence2": "b", "gold_label": "neutral@"}),
        ("panx/dev-en.jsonl", {"tokens": ["a", "@"], "tags": ["O", "O"]}),
        ("csqa/dev.jsonl", {"prompt": "@", "choices": list("abcde"), "label": 1}),
    ],
)
def test_half_a_pair_in_json_rows_is_refused_with_its_line(tmp_path, name, row):
    path = put(tmp_path, name, json.dumps(row).replace("@", "\\ud83d") + "\n")
    task = TASKS[name.partition("/")[0]]
    refused(lambda: DataRoot(tmp_path).read(task, "en", "dev"), path, "line 1: column", "\\ud83d")


def test_half_a_pair_in_a_json_cell_of_a_user_task_is_refused(tmp_path):
    put(
        tmp_path, "tasks/ner.yaml",
        "name: ner\nkind: tag\nlabels: [A, O]\nfiles: {dev: ner/dev.tsv}\n"
        "columns: {words: w, tags: t}\n",
    )  # fmt: skip
    path = put(tmp_path, "ner/dev.tsv", 'w\tt\n["a", "\\ud83d"]\t["A", "O"]\n')
    root = DataRoot(tmp_path)
    refused(lambda: root.read(root.tasks["ner"], "en", "dev"), path, "line 2", "\\ud83d")


@pytest.mark.parametrize("text", ["a\\ud83d", "a\\0"])
def test_task_files_hold_no_half_pair_and_no_nul(tmp_path, text):
    path = put(
        tmp_path, "a.yaml", f'name: a\nkind: pair\nlabels: ["{text}", b]\nfiles: {{dev: x}}\n'
    )
    with pytest.raises(UsageError, match=r"a\.yaml: line 3: .* half of a surrogate pair, or NUL"):
        load_task_file(path)


def test_the_languages_of_a_root_hold_no_half_pair(tmp_path):
    path = put(tmp_path, "languages.json", '[{"code": "qaa", "name": "\\ud83d"}]')
    refused(lambda: DataRoot(tmp_path), path, "line 1 column 27")


def test_check_train_and_score_exit_3_at_half_a_pair(run_xlt, tmp_path):
    put(tmp_path, "root/xquad/xquad.en.json", SQUAD % ("\\ud83d", "", "", ""))
    put(tmp_path, "root/squad/train-v1.1.json", SQUAD % ("", "", "\\ud83d", ""))
    for lang in TASKS["xquad"].languages:
        put(tmp_path, f"labels/xquad/test-{lang}.json", SQUAD % ("", "", "", ""))
        put(tmp_path, f"answers/xquad/test-{lang}.json", '{"i": "b\\ud83d"}')
    for verb in (
        ["data", "check", "--data", tmp_path / "root"],
        ["train", "--model", "compact", "--data", tmp_path / "root", "--target", "xquad"],
        ["score", "--predictions", tmp_path / "answers", "--labels", tmp_path / "labels"],
    ):
        done = run_xlt(*verb)
        assert done.returncode == 3, verb
        assert "half of a surrogate pair" in done.stderr
        assert "line 1 column" in done.stderr


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"ab\tc\xff\tneutral\n", "line 1 is not valid UTF-8 (byte 4"),
        (b"ab\tc\tneutral\nx\xed\xa0\xbd\ty\tneutral\n", "line 2 is not valid UTF-8 (byte 14"),
        ("ab\tc\tneutral\n".encode("utf-16"), "line 1 is not valid UTF-8 (byte 0"),
    ],
)
def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path, raw, part):
    path = put(tmp_path, "xnli/dev-en.tsv", raw)
    refused(lambda: DataRoot(tmp_path).read(TASKS["xnli"], "en", "dev"), path, part)


def test_a_byte_order_mark_is_dropped_and_nul_is_text(tmp_path):
    put(tmp_path, "xnli/dev-en.tsv", b"\xef\xbb\xbfa\0b\tc\tneutral\n")
    (one,) = DataRoot(tmp_path).read(TASKS["xnli"], "en", "dev").examples
    assert one.text_a == "a\0b"
