"""Pair sets in every published layout, and what happens when a row is wrong."""

import csv
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError
from xlt.core.tasks.table import TASKS
from xlt.data.readers.pairs import read_pairs

XNLI, MNLI, PAWSX, QQP = TASKS["xnli"], TASKS["mnli"], TASKS["pawsx"], TASKS["qqp"]


def put(tmp_path, name, text):
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, newline="")
    return path


def rows(*fields):
    return "".join("\t".join(row) + "\n" for row in fields)


def triples(read):
    return [(one.text_a, one.text_b, one.label) for one in read.examples]


@pytest.mark.parametrize("name", ["dev-en.tsv", "dev-en.tsv.gz"])
def test_preprocessed_xnli_has_no_header(tmp_path, name):
    path = put(tmp_path, name, rows(("A cat .", "A pet .", "entailment"), ("B", "C", "neutral")))
    read = read_pairs(path, XNLI, "en")
    assert triples(read) == [("A cat .", "A pet .", "entailment"), ("B", "C", "neutral")]
    assert [one.id for one in read.examples] == ["0", "1"]


def test_preprocessed_test_files_have_no_labels(tmp_path):
    read = read_pairs(put(tmp_path, "test-de.tsv", rows(("Eins", "Zwei"))), XNLI, "de")
    assert triples(read) == [("Eins", "Zwei", None)]


def test_a_csv_writers_quotes_and_line_ends_are_undone_for_xnli(tmp_path):
    path = tmp_path / "train-en.tsv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(['He said "so" .', '"', "neutral"])
        writer.writerow(["plain", 'ends with "it"', "contradiction"])
    assert triples(read_pairs(path, XNLI)) == [
        ('He said "so" .', '"', "neutral"),
        ("plain", 'ends with "it"', "contradiction"),
    ]


def test_pawsx_is_split_on_tabs_as_it_is(tmp_path):
    text = 'id\tsentence1\tsentence2\tlabel\n7\t"""Oh"" he said"\tIt is "so\t1\n9\ta\tb\t0\n'
    read = read_pairs(put(tmp_path, "test_2k.tsv", text), PAWSX, "de")
    assert triples(read) == [('"""Oh"" he said"', 'It is "so', "1"), ("a", "b", "0")]
    assert [one.id for one in read.examples] == ["7", "9"]


XNLI_HEADER = (
    "language", "gold_label", "sentence1_binary_parse", "sentence2_binary_parse",
    "sentence1_parse", "sentence2_parse", "sentence1", "sentence2", "promptID", "pairID", "genre",
    "label1", "label2", "label3", "label4", "label5", "sentence1_tokenized",
    "sentence2_tokenized", "match",
)  # fmt: skip


def xnli_row(lang, label, first, second, pair):
    values = dict.fromkeys(XNLI_HEADER, "")
    values.update(language=lang, gold_label=label, sentence1=first, sentence2=second, pairID=pair)
    return [values[name] for name in XNLI_HEADER]


def test_raw_xnli_holds_all_languages_and_only_one_is_taken(tmp_path):
    text = rows(
        XNLI_HEADER,
        xnli_row("ar", "neutral", "a1", "a2", "1"),
        xnli_row("de", "entailment", "d1", "d2", "1"),
        xnli_row("de", "contradictory", "d3", "d4", "2"),
    )
    read = read_pairs(put(tmp_path, "xnli.dev.tsv", text), XNLI, "de")
    assert triples(read) == [("d1", "d2", "entailment"), ("d3", "d4", "contradiction")]
    assert [one.id for one in read.examples] == ["1", "2"]


def test_raw_xnli_as_json_lines(tmp_path):
    lines = [
        {
            "language": lang,
            "gold_label": "neutral",
            "sentence1": lang,
            "sentence2": "x",
            "pairID": 1,
        }
        for lang in ("ar", "sw")
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    read = read_pairs(put(tmp_path, "xnli.test.jsonl", text), XNLI, "sw")
    assert triples(read) == [("sw", "x", "neutral")]


def test_a_language_that_the_file_lacks(tmp_path):
    text = rows(XNLI_HEADER, xnli_row("ar", "neutral", "a1", "a2", "1"))
    with pytest.raises(DataError, match="no rows of language 'sw'"):
        read_pairs(put(tmp_path, "xnli.dev.tsv", text), XNLI, "sw")


def test_multinli_from_xnli_mt(tmp_path):
    text = rows(("premise", "hypo", "label"), ("p", "h", "contradictory"), ("q", "i", "neutral"))
    read = read_pairs(put(tmp_path, "multinli.train.en.tsv", text), MNLI, "en")
    assert triples(read) == [("p", "h", "contradiction"), ("q", "i", "neutral")]


def test_urdu_with_genres_names_its_columns_with_the_language(tmp_path):
    text = rows(("genre", "label", "sentence1_ur", "sentence2_ur"), ("g", "neutral", "a", "b"))
    read = read_pairs(put(tmp_path, "ur.genre.dev.tsv", text), XNLI, "ur")
    assert triples(read) == [("a", "b", "neutral")]


SNLI_HEADER = ("gold_label", "sentence1_parse", "sentence1", "sentence2", "pairID",
               "label1", "label2", "label3")  # fmt: skip


def test_snli_rows_without_majority_are_dropped_and_counted(tmp_path):
    text = rows(
        SNLI_HEADER,
        ("neutral", "", "a", "b", "p1", "neutral"),
        ("-", "", "c", "d", "p2", "neutral", "entailment", "-"),
        ("entailment", "", "e", "f", "p3", "entailment", "", ""),
    )
    read = read_pairs(put(tmp_path, "snli_1.0_train.txt", text), MNLI, "en")
    assert [one.id for one in read.examples] == ["p1", "p3"]
    assert read.notes == ("snli_1.0_train.txt: 1 rows without a majority label dropped",)


def test_snli_as_json_lines(tmp_path):
    lines = [
        {"gold_label": "-", "sentence1": "a", "sentence2": "b", "pairID": "p1"},
        {"gold_label": "entailment", "sentence1": "c", "sentence2": "d", "pairID": "p2"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    read = read_pairs(put(tmp_path, "snli_1.0_dev.jsonl.gz", text), MNLI, "en")
    assert triples(read) == [("c", "d", "entailment")]
    assert len(read.notes) == 1


def test_anli_json_lines_use_letters(tmp_path):
    lines = [
        {"uid": f"u{label}", "context": "c", "hypothesis": "h", "label": label, "model_label": "n"}
        for label in "enc"
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    read = read_pairs(put(tmp_path, "dev.jsonl", text), MNLI, "en")
    assert [one.label for one in read.examples] == ["entailment", "neutral", "contradiction"]
    assert [one.id for one in read.examples] == ["ue", "un", "uc"]


def test_anli_csv_with_quoted_commas_and_line_breaks(tmp_path):
    text = 'context,statement,gold_label,uid\r\n"One, ""two""\nthree",So,c,u1\r\nx,y,e,u2\r\n'
    read = read_pairs(put(tmp_path, "ANLI_analysis_r1_dev.csv", text), MNLI, "en")
    assert triples(read) == [('One, "two"\nthree', "So", "contradiction"), ("x", "y", "entailment")]


def test_glue_mnli(tmp_path):
    header = ("index", "promptID", "pairID", "genre", "sentence1", "sentence2", "label1",
              "gold_label")  # fmt: skip
    text = rows(header, ("0", "3", "3n", "g", 'a "quote', "b", "neutral", "neutral"))
    read = read_pairs(put(tmp_path, "train.tsv", text), MNLI, "en")
    assert triples(read) == [('a "quote', "b", "neutral")]
    assert read.examples[0].id == "3n"


QQP_HEADER = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")


def test_qqp_numbers_become_names_and_broken_rows_are_counted(tmp_path):
    text = rows(QQP_HEADER, ("5", "1", "2", "Why?", "How?", "0"), ("6", "3"),
                ("7", "4", "5", "What?", "What is it?", "1"))  # fmt: skip
    read = read_pairs(put(tmp_path, "train.tsv", text), QQP, "en")
    assert triples(read) == [
        ("Why?", "How?", "not_duplicate"), ("What?", "What is it?", "duplicate"),
    ]  # fmt: skip
    assert read.notes == ("train.tsv: 1 broken rows dropped",)


def test_qqp_with_many_broken_rows_is_another_file(tmp_path):
    text = rows(QQP_HEADER, *[("6", "3")] * 11, ("5", "1", "2", "Why?", "How?", "0"))
    with pytest.raises(DataError, match=r"line 2: 2 columns, expected 6"):
        read_pairs(put(tmp_path, "train.tsv", text), QQP, "en")


def test_qqp_test_file_has_no_labels(tmp_path):
    text = rows(("id", "question1", "question2"), ("0", "Why?", "How?"))
    assert triples(read_pairs(put(tmp_path, "test.tsv", text), QQP)) == [("Why?", "How?", None)]


def test_class_numbers_of_the_hub(tmp_path):
    lines = [{"premise": "p", "hypothesis": "h", "label": label} for label in (0, 1, 2, -1)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    read = read_pairs(put(tmp_path, "train.jsonl", text), MNLI, "en")
    assert [one.label for one in read.examples] == ["entailment", "neutral", "contradiction"]


def test_line_separators_inside_a_text_do_not_end_the_line(tmp_path):
    read = read_pairs(put(tmp_path, "d.tsv", "a\u2028b\x85c\x0b\tx\tneutral\r\n"), XNLI)
    assert triples(read) == [("a\u2028b\x85c", "x", "neutral")]


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("d.tsv", "a\tb\tneutral\na\tb\n", ["line 2", "2 columns, expected 3"]),
        ("d.tsv", "a\tb\tneutral\nc\td\te\tf\n", ["line 2", "4 columns"]),
        ("d.tsv", "a\tb\tneutral\na\tb\tmaybe\n", ["line 2", "'maybe'", "not in the set"]),
        ("d.tsv", "a\tb\tneutral\na\tb\t\n", ["line 2", "no label"]),
        ("d.tsv", "only one column\n", ["line 1", "1 columns"]),
        ("d.tsv", "", ["empty"]),
        ("d.tsv", "\n\n", ["empty"]),
        ("d.jsonl", '{"sentence1": "a"}\n{"sentence1": "b', ["line 2", "not valid JSON"]),
        ("d.jsonl", '{"sentence1": 3}\n', ["line 1", "sentence1 is 3"]),
        ("d.jsonl", "[1]\n", ["line 1", "not an object"]),
        ("d.jsonl", '{"a": "b"}\n', ["no column with a text", "a"]),
        ("d.csv", 'context,statement\n"a,b\n', ["line 2", "not valid CSV"]),
        ("d.csv", "context,statement\na,b,c\n", ["line 2", "3 columns, expected 2"]),
    ],
)
def test_wrong_files_name_file_line_value_and_rule(tmp_path, name, text, parts):
    path = put(tmp_path, name, text)
    with pytest.raises(DataError) as caught:
        read_pairs(path, XNLI)
    message = f"{caught.value.message} {caught.value.hint}"
    assert str(path) in message
    for part in parts:
        assert part in message


def test_invalid_utf8_names_the_line(tmp_path):
    path = tmp_path / "d.tsv"
    path.write_bytes(b"a\tb\tneutral\nc\xff\td\tneutral\n")
    with pytest.raises(DataError, match=r"line 2 is not valid UTF-8"):
        read_pairs(path, XNLI)


def test_truncated_gzip(tmp_path):
    path = tmp_path / "d.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb\tneutral\n" * 1000)[:-30])
    with pytest.raises(DataError, match=r"d\.tsv\.gz"):
        read_pairs(path, XNLI)


FIELD = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip).filter(bool)
)


@given(st.lists(st.tuples(FIELD, FIELD, st.sampled_from(["0", "1"])), min_size=1))
def test_pawsx_round_trip(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("pairs") / "dev_2k.tsv"
    numbered = [(str(i), *pair) for i, pair in enumerate(pairs)]
    path.write_text(rows(("id", "sentence1", "sentence2", "label"), *numbered), newline="")
    assert triples(read_pairs(path, PAWSX)) == pairs


@given(st.lists(st.tuples(FIELD, FIELD, st.sampled_from(XNLI.labels)), min_size=1))
def test_xnli_csv_writer_round_trip(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("pairs") / "dev-en.tsv"
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows(
            [("An opening sentence", "Another", "neutral"), *pairs]
        )
    assert triples(read_pairs(path, XNLI))[1:] == pairs
