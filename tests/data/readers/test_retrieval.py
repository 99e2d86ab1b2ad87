"""BUCC's and Tatoeba's files."""

import pytest

from xlt.core.errors import DataError
from xlt.data.readers.retrieval import read_bucc, read_tatoeba


def put(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, newline="")
    return path


@pytest.fixture
def bucc(tmp_path):
    return (
        put(tmp_path, "de-en.dev.de", "de-1\tEins\nde-2\tZwei, drei\n"),
        put(tmp_path, "de-en.dev.en", "en-1\tOne\r\nen-2\tTwo\ten-tab\r\n"),
    )


def test_bucc_with_gold(tmp_path, bucc):
    gold = put(tmp_path, "de-en.dev.gold", "de-2\ten-1\n")
    bitext = read_bucc(*bucc, gold).bitext
    assert [(one.id, one.text) for one in bitext.foreign] == [
        ("de-1", "Eins"), ("de-2", "Zwei, drei"),
    ]  # fmt: skip
    assert bitext.english[1].text == "Two\ten-tab"
    assert bitext.gold == (("de-2", "en-1"),)


def test_bucc_without_gold(bucc):
    assert read_bucc(*bucc, None).bitext.gold is None


@pytest.mark.parametrize(
    ("gold", "part"),
    [
        ("de-9\ten-1\n", "line 1: id 'de-9'"),
        ("de-1\ten-1\nde-2\ten-9\n", "line 2: id 'en-9'"),
        ("de-1\n", "line 1: 1 columns, expected 2"),
    ],
)
def test_wrong_gold_pairs(tmp_path, bucc, gold, part):
    with pytest.raises(DataError) as caught:
        read_bucc(*bucc, put(tmp_path, "g.gold", gold))
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("text", "part"),
    [("de-1 Eins\n", "line 1: 1 column"), ("a\tx\na\ty\n", "line 2: id 'a' occurs twice")],
)
def test_wrong_collections(tmp_path, bucc, text, part):
    with pytest.raises(DataError) as caught:
        read_bucc(put(tmp_path, "x.de", text), bucc[1], None)
    assert part in caught.value.message


def test_tatoeba_is_aligned_by_line(tmp_path):
    foreign = put(tmp_path, "tatoeba.cmn-eng.cmn", "二\n一\n三\n")
    english = put(tmp_path, "tatoeba.cmn-eng.eng", "Two\nOne\nThree\n")
    read = read_tatoeba(foreign, english)
    assert [one.id for one in read.bitext.english] == ["0", "1", "2"]
    assert [one.text for one in read.bitext.english] == ["Two", "One", "Three"]
    assert read.bitext.gold == (("0", "0"), ("1", "1"), ("2", "2"))


def test_a_sorted_english_side_has_lost_its_order(tmp_path):
    foreign = put(tmp_path, "zh-en.zh", "二\n一\n三\n")
    english = put(tmp_path, "zh-en.en", "One\nThree\nTwo\n")
    read = read_tatoeba(foreign, english)
    assert read.bitext.gold is None
    assert "sorted" in read.notes[0]


def test_files_of_different_length(tmp_path):
    foreign, english = put(tmp_path, "a", "1\n2\n"), put(tmp_path, "b", "1\n")
    with pytest.raises(DataError, match=r"a has 2 lines and .*b has 1"):
        read_tatoeba(foreign, english)
