"""One table, five ways of writing it."""

import csv
import io

import pytest

from xlt.core.show.sheet import Sheet, shown


@pytest.fixture
def sheet():
    return Sheet(
        name="deltas",
        title="What changed",
        header=["task", "lang", "score", "change", "n"],
        rows=[
            ["xnli", "sw", 63.126, 1.25, 5010],
            ["pan|x_%", "ur", None, -0.04, 100],
        ],
        note="In points & percent.",
        signed=["change"],
    )


def test_markdown_is_a_table_with_numbers_on_the_right(sheet):
    assert sheet.markdown().splitlines() == [
        "## What changed",
        "",
        "In points & percent.",
        "",
        "| task | lang | score | change | n |",
        "|---|---|---:|---:|---:|",
        "| xnli | sw | 63.1 | +1.2 | 5010 |",
        "| pan\\|x_% | ur | – | -0.0 | 100 |",
    ]


def test_csv_keeps_every_digit(sheet):
    rows = list(csv.DictReader(io.StringIO(sheet.csv())))
    assert rows[0]["score"] == "63.126" and rows[1]["score"] == ""
    assert rows[1]["task"] == "pan|x_%"


def test_latex_escapes_what_latex_reads(sheet):
    text = sheet.latex()
    assert r"pan|x\_\% & ur & -- & -0.0 & 100 \\" in text
    assert r"\caption{What changed. In points \& percent.}" in text
    assert r"\begin{tabular}{llrrr}" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2


def test_json_is_one_object_a_row(sheet):
    assert sheet.to_json()["rows"][0] == {
        "task": "xnli", "lang": "sw", "score": 63.126, "change": 1.25, "n": 5010,
    }  # fmt: skip


def test_a_table_without_rows_is_a_header():
    empty = Sheet(name="e", title="Nothing", header=["a", "b"], rows=[])
    assert empty.markdown().endswith("| a | b |\n|---|---|\n")
    assert empty.csv() == "a,b\n"
    assert r"\begin{tabular}{ll}" in empty.latex()


def test_whole_numbers_have_no_decimals():
    assert (shown(3), shown(3.0), shown(3.0, signed=True), shown(None)) == ("3", "3.0", "+3.0", "–")


def test_columns_of_words_are_told_from_those_of_numbers():
    rows = [["xnli", "en", "en 70.1", 1.5, None, "0.05"], ["panx", "fi", "–", 2, None, ""]]
    sheet = Sheet(name="s", title="t", header=list("abcdef"), rows=rows)
    assert sheet.wordy() == [True, True, False, False, False, False]
    assert Sheet(name="s", title="t", header=["a"], rows=[]).wordy() == [False]
