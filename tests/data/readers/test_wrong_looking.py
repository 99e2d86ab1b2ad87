"""Files that look wrong and are right, and files that look right and are wrong."""

import csv
import json

import pytest

from xlt.core.errors import DataError
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.data.readers.choices import read_choices
from xlt.data.readers.pairs import read_pairs
from xlt.data.readers.rows import csv_rows, whole_number
from xlt.data.readers.spans import read_spans, start_of
from xlt.data.readers.tags import read_tags

UDPOS, PANX, PAWSX = TASKS["udpos"], TASKS["panx"], TASKS["pawsx"]
NO_NUMBERS = ["²", "①", "１", "٣", "१", "9" * 5000]


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


def tagged(read):
    return [list(zip(one.words, one.tags, strict=True)) for one in read.examples]


@pytest.mark.parametrize("text", [*NO_NUMBERS, "", "-1", "+1", "1.0", " 1", "1\n", None, True, 1.0])
def test_only_ascii_digits_are_a_whole_number(text):
    assert whole_number(text) is None
    assert (whole_number("07"), whole_number(7)) == (7, 7)


def conllu(place="1", head="0"):
    return "\t".join([place, "a", "_", "NOUN", "_", "_", head, "dep", "_", "_"]) + "\n"


@pytest.mark.parametrize("digit", NO_NUMBERS)
@pytest.mark.parametrize(
    "row",
    [
        lambda d: conllu(head=d),
        lambda d: conllu(place=d),
        lambda d: conllu(place=f"1-{d}") + conllu(),
        lambda d: conllu() + conllu(place=f"1.{d}"),
    ],
    ids=["head", "word", "span", "empty node"],
)
def test_conllu_numbers_in_other_digits_are_refused(tmp_path, digit, row):
    path = put(tmp_path, "en_made-ud-test.conllu", row(digit))
    refused(lambda: read_tags(path, UDPOS, "en"), path, "line ", digit[:30])


@pytest.mark.parametrize("digit", NO_NUMBERS)
def test_labels_in_other_digits_are_no_class_numbers(tmp_path, digit):
    pairs = put(tmp_path, "dev-en.tsv", f"C\tD\t1\nA\tB\t{digit}\n")
    refused(lambda: read_pairs(pairs, PAWSX, "en"), pairs, "line 2", f"label '{digit[:30]}")
    cosmos = put(
        tmp_path, "valid.csv",
        f"id,context,question,answer0,answer1,answer2,answer3,label\n1,c,q,a,b,c,d,{digit}\n",
    )  # fmt: skip
    refused(
        lambda: read_choices(cosmos, TASKS["cosmosqa"]), cosmos, "line 2", f"label '{digit[:30]}"
    )


@pytest.mark.parametrize("digit", NO_NUMBERS)
def test_label_files_in_other_digits_are_refused(tmp_path, digit):
    task_file = put(
        tmp_path, "tasks/ask.yaml",
        "name: ask\nkind: choice\nn_choices: 2\nfiles:\n  test: 'ask/test-{lang}.jsonl'\n",
    )  # fmt: skip
    put(tmp_path, "ask/test-en.jsonl", json.dumps({"prompt": "p", "choices": ["a", "b"]}))
    labels = put(tmp_path, "labels/ask/test-en.tsv", f"{digit}\n")
    root = DataRoot(tmp_path)
    refused(lambda: root.read(root.tasks["ask"], "en", "test"), labels, "line 1", digit[:30])
    assert task_file.is_file()


def test_columns_numbered_in_other_digits_are_no_choices(tmp_path):
    header = "id,context,question,answer0,answer1,answer2,answer3,answer²,label\n"
    path = put(tmp_path, "valid.csv", header + "1,c,q,a,b,c,d,note,3\n")
    (one,) = read_choices(path, TASKS["cosmosqa"]).examples
    assert one.choices == ("a", "b", "c", "d")


SPAN = """\
name: faq
kind: span
files: {dev: "faq/dev.csv"}
columns: {question: q, context: c, answer_text: a, answer_start: s}
"""


@pytest.mark.parametrize("digit", [*NO_NUMBERS, "--5", "4.5"])
def test_an_answer_start_that_is_no_number_is_refused(tmp_path, digit):
    put(tmp_path, "tasks/faq.yaml", SPAN)
    path = put(tmp_path, "faq/dev.csv", f"q,c,a,s\nWho?,the cat,cat,{digit}\n")
    root = DataRoot(tmp_path)
    refused(lambda: root.read(root.tasks["faq"], "en", "dev"), path, "line 2", digit[:30])


@pytest.mark.parametrize(("given", "moved"), [("", 0), ("4", 0), ("-1", 1), ("0", 1)])
def test_an_absent_answer_start_is_found_and_a_wrong_one_moved(tmp_path, given, moved):
    put(tmp_path, "tasks/faq.yaml", SPAN)
    put(tmp_path, "faq/dev.csv", f"q,c,a,s\nWho?,the cat,cat,{given}\n")
    root = DataRoot(tmp_path)
    data = root.read(root.tasks["faq"], "en", "dev")
    assert data.examples[0].answers[0].start == 4
    assert data.notes == (("dev.csv: 1 answers were not at their offset",) if moved else ())


def test_conll_2003_has_the_word_first_and_the_tag_last(tmp_path):
    text = (
        "-DOCSTART- -X- -X- O\n\nRio NNP B-NP B-LOC\ncalls  VBZ B-VP O\n\n"
        "-DOCSTART- -X- -X- O\n\nMira NNP B-NP B-PER \r\n"
    )
    read = read_tags(put(tmp_path, "train.txt", text), PANX)
    assert tagged(read) == [[("Rio", "B-LOC"), ("calls", "O")], [("Mira", "B-PER")]]


def test_a_tag_of_conll_2003_outside_the_set_names_its_line(tmp_path):
    path = put(tmp_path, "train.txt", "Rio NNP B-NP B-LOC\nDane JJ B-NP B-MISC\n")
    refused(lambda: read_tags(path, PANX), path, "line 2", "'B-MISC'")


@pytest.mark.parametrize("task", ["panx", "udpos", "ccg"])
@pytest.mark.parametrize("prefix", ["", "en:"])
def test_blanks_where_tabs_belong_are_refused_at_their_line(tmp_path, task, prefix):
    tag = {"panx": "B-ORG", "udpos": "NOUN", "ccg": "N"}[task]
    path = put(tmp_path, "test-en.tsv", f"\n{prefix}Rio {tag}\n{prefix}town  {tag}\n")
    refused(lambda: read_tags(path, TASKS[task], "en"), path, "line 2", f"Rio {tag}", "no tab")


def test_blanks_in_one_line_of_words_alone_are_refused(tmp_path):
    path = put(tmp_path, "test-en.tsv", "Rio\nis\ngreen O\n")
    refused(lambda: read_tags(path, PANX, "en"), path, "line 3", "'green O' has blanks")


def test_a_word_with_a_blank_inside_stays_a_word(tmp_path):
    read = read_tags(put(tmp_path, "test-fr.tsv", "10 000\nans\n\nà\n"), UDPOS, "fr")
    assert [one.words for one in read.examples] == [("10 000", "ans"), ("à",)]


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        ("Ha\nNoi\n\n\nHue\n", "B-LOC\nI-LOC\n\n\nB-LOC\n"),
        ("\nHa\nNoi\n\nHue\n", "\nB-LOC\nI-LOC\n\nB-LOC\n"),
        ("Ha\nNoi\n\nHue\n\n\n", "B-LOC\nI-LOC\n\nB-LOC\n\n\n"),
        ("\n\nHa\nNoi\n\n\n\nHue\n\n", "\n\nB-LOC\nI-LOC\n\n\n\nB-LOC\n\n"),
        ("Ha\nNoi\n\nHue", "B-LOC\r\nI-LOC\r\n\r\n\r\nB-LOC"),
    ],
)
def test_empty_lines_in_words_and_labels_are_no_mismatch(tmp_path, words, labels):
    put(tmp_path, "panx/test-vi.tsv", words)
    put(tmp_path, "labels/panx/test-vi.tsv", labels)
    read = DataRoot(tmp_path).read(PANX, "vi", "test")
    assert tagged(read) == [[("Ha", "B-LOC"), ("Noi", "I-LOC")], [("Hue", "B-LOC")]]


TEXTS = ['He said "yes" twice', '"', '""', '"all"', "a 'b'", 'ends with "it"', '"""x"" y"', "plain"]


def test_preprocessed_pawsx_loses_the_csv_writers_quotes_and_raw_pawsx_keeps_its_own(tmp_path):
    with put(tmp_path, "pre/pawsx/dev-de.tsv", "").open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t")  # as XTREME's preprocessing writes
        writer.writerows((text, f"{text} .", number % 2) for number, text in enumerate(TEXTS))
    rows = "".join(f"{n}\t{text}\t{text} .\t{n % 2}\n" for n, text in enumerate(TEXTS))
    header = "id\tsentence1\tsentence2\tlabel\n"
    put(tmp_path, "raw/pawsx/x-final/de/dev_2k.tsv", header + rows)
    plain = "".join(f"{text}\t{text} .\t{n % 2}\n" for n, text in enumerate(TEXTS))
    put(tmp_path, "plain/pawsx/dev-de.tsv", plain)
    for name in ("pre", "raw", "plain"):
        found = DataRoot(tmp_path / name).read(PAWSX, "de", "dev").examples
        assert [(one.text_a, one.text_b) for one in found] == [(t, f"{t} .") for t in TEXTS], name


def test_a_csv_field_of_any_length_is_read(tmp_path):
    long = "word " * 60_000
    path = tmp_path / "valid.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "context", "question"])
        writer.writerow(["1", long, "q"])
    assert [row.fields["context"] for row in csv_rows(path)] == [long]


def question(name, start=4, text="cat"):
    answers = [{"text": text, "answer_start": start}]
    return {"id": name, "question": "Who?", "answers": answers}


def squad(*questions, context="the cat"):
    return json.dumps({"data": [{"paragraphs": [{"context": context, "qas": list(questions)}]}]})


def test_a_number_and_its_text_are_one_question_id(tmp_path):
    path = put(tmp_path, "xquad.de.json", squad(question(44963), question("44963"), question(-1)))
    found = read_spans(path, TASKS["xquad"], "de")
    assert [one.id for one in found.examples] == ["44963", "44963", "-1"]
    flat = {"data": [{**question(7), "context": "the cat"}]}
    path = put(tmp_path, "flat.json", json.dumps(flat))
    assert read_spans(path, TASKS["squad"]).examples[0].id == "7"


@pytest.mark.parametrize("name", [None, True, 1.5, ["q"]])
def test_other_values_are_no_question_ids(tmp_path, name):
    path = put(tmp_path, "xquad.de.json", squad(question(name)))
    refused(lambda: read_spans(path, TASKS["xquad"], "de"), path, "qas[0].id is")


def test_answers_beside_a_test_set_follow_repeated_and_numeric_ids(tmp_path):
    context = "the cat the dog, the cat"
    bare = [{"id": name, "question": "Who?", "answers": []} for name in ("q", "q", "5")]
    put(tmp_path, "tydiqa/tydiqa.goldp.en.dev.json", squad(*bare, context=context))
    gold = [question("q", 21), question("q", 12, "dog"), question(5, -1)]
    put(tmp_path, "labels/tydiqa/test-en.json", squad(*gold, context=context))
    found = DataRoot(tmp_path).read(TASKS["tydiqa"], "en", "test").examples
    assert [(one.id, one.answers[0].text, one.answers[0].start) for one in found] == [
        ("q", "cat", 21), ("q", "dog", 12), ("5", "cat", 4),
    ]  # fmt: skip


CONTEXT = "😀é 😀 tea and tea; some more tea"


@pytest.mark.parametrize("place", [5, 13, 28])
@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-16-le", "utf-8"])
def test_offsets_in_utf_16_units_and_bytes_find_their_own_place(place, encoding):
    unit = {"utf-32-le": 4, "utf-16-le": 2, "utf-8": 1}[encoding]
    start = len(CONTEXT[:place].encode(encoding)) // unit
    assert start_of(CONTEXT, "tea", start) == place


@pytest.mark.parametrize(("text", "place"), [("tea", 5), ("😀é", 0), ("coffee", -1)])
def test_an_offset_of_minus_one_is_looked_for_and_counted(tmp_path, text, place):
    path = put(tmp_path, "dev.json", squad(question("q", -1, text), context=CONTEXT))
    read = read_spans(path, TASKS["squad"])
    assert read.examples[0].answers[0].start == place
    assert read.notes == ("dev.json: 1 answers were not at their offset",)
