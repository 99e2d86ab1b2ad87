"""Tagged sentences: CoNLL-U with fused tokens, word and tag lines, PAN-X, CCG."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError
from xlt.core.tasks.table import TASKS
from xlt.data.readers.tags import read_tag_lines, read_tags

UDPOS, PANX, CCG = TASKS["udpos"], TASKS["panx"], TASKS["ccg"]


def put(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, newline="")
    return path


def word(place, form, tag="_", head="0"):
    return "\t".join([str(place), form, "_", tag, "_", "_", str(head), "dep", "_", "_"]) + "\n"


def conllu(tmp_path, text, lang="de", name="xx_made-ud-test.conllu"):
    return read_tags(put(tmp_path, name, text), UDPOS, lang)


def sentences(read):
    return [list(zip(one.words, one.tags, strict=True)) for one in read.examples]


def test_a_fused_token_takes_the_tag_of_the_node_nearest_to_the_root(tmp_path):
    text = (
        "# sent_id = made-1\n# text = Er geht zum Haus\n"
        + word(1, "Er", "PRON", 2)
        + word(2, "geht", "VERB", 0)
        + word("3-4", "zum")
        + word(3, "zu", "ADP", 5)
        + word(4, "dem", "DET", 3)
        + word(5, "Haus", "NOUN", 2)
        + "\n"
    )
    read = conllu(tmp_path, text)
    assert sentences(read) == [[("Er", "PRON"), ("geht", "VERB"), ("zum", "ADP"), ("Haus", "NOUN")]]
    assert read.examples[0].id == "made-1"
    assert read.notes == ("xx_made-ud-test.conllu: 1 multiword tokens fused",)


def fused(first, second):
    return (
        word("1-2", "ab")
        + word(1, "a", first, 3)
        + word(2, "b", second, 3)
        + word(3, "c", "VERB", 0)
        + "\n"
    )


@pytest.mark.parametrize(
    ("lang", "first", "second", "expected"),
    [
        ("de", "ADP", "DET", "ADP"),
        ("de", "DET", "ADP", "ADP"),
        ("de", "DET", "NOUN", "NOUN"),
        ("de", "SYM", "PUNCT", "PUNCT"),  # SYM is on no list
        ("de", "ADV", "PRON", "PRON"),
        ("it", "ADV", "PRON", "ADV"),  # Italian has its own order
        ("es", "DET", "AUX", "AUX"),
        ("fr", "DET", "PRON", "PRON"),
    ],
)
def test_equal_heights_are_decided_by_the_language_s_order(tmp_path, lang, first, second, expected):
    read = conllu(tmp_path, fused(first, second), lang)
    assert sentences(read) == [[("ab", expected), ("c", "VERB")]]


def test_two_fused_tokens_and_a_longer_span(tmp_path):
    text = (
        word("1-3", "abc")
        + word(1, "a", "ADP", 2)
        + word(2, "b", "NOUN", 0)
        + word(3, "c", "PRON", 2)
        + word("4-5", "de")
        + word(4, "d", "PART", 5)
        + word(5, "e", "ADV", 2)
        + "\n"
    )
    assert sentences(conllu(tmp_path, text)) == [[("abc", "NOUN"), ("de", "ADV")]]


def test_empty_nodes_are_skipped(tmp_path):
    text = word(1, "a", "VERB") + word("1.1", "ghost", "VERB", "_") + word(2, "b", "ADV", 1) + "\n"
    assert sentences(conllu(tmp_path, text)) == [[("a", "VERB"), ("b", "ADV")]]


def test_withheld_forms_drop_the_sentence_but_fused_ones_do_not(tmp_path):
    withheld = word(1, "_", "NOUN", 2) + word(2, "_", "VERB") + word(3, ".", "PUNCT", 2) + "\n"
    marathi = word("1-2", "tokens") + word(1, "_", "NOUN", 3) + word(2, "_", "ADP", 1)
    marathi += word(3, "x", "VERB") + "\n"
    one_gap = word(1, "_", "SYM", 2) + word(2, "x", "VERB") + word(3, "y", "ADV", 2)
    one_gap += word(4, "z", "ADV", 2) + "\n"
    read = conllu(tmp_path, withheld + marathi + one_gap)
    assert [one.words for one in read.examples] == [("tokens", "x"), ("_", "x", "y", "z")]
    assert any("1 sentences with withheld words dropped" in note for note in read.notes)


def test_joiners_and_spaces_inside_words_are_removed(tmp_path):
    text = word(1, "می\u200cروم", "VERB") + word(2, "gậy gộc", "NOUN", 1) + "\n"
    (one,) = conllu(tmp_path, text).examples
    assert one.words == ("میروم", "gậygộc")


def test_a_cycle_of_heads_does_not_hang(tmp_path):
    text = word("1-2", "ab") + word(1, "a", "ADP", 2) + word(2, "b", "DET", 1) + "\n"
    assert len(conllu(tmp_path, text).examples) == 1


def test_the_last_sentence_needs_no_blank_line(tmp_path):
    assert len(conllu(tmp_path, word(1, "a", "VERB")).examples) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1\ta\tb\n", ["line 1", "3 columns, expected 10"]),
        (word(1, "a", "VERB") + word(3, "b", "ADV", 1), ["line 2", "'3'", "number 2"]),
        (word(1, "a", "Verb"), ["line 1", "tag 'Verb'", "not in the set"]),
        (word(1, "a", "VERB", 7), ["head 7", "word 1"]),
        (word(1, "a", "VERB", "x"), ["line 1", "head 'x'"]),
        (word("1-5", "abc") + word(1, "a", "VERB"), ["line 1", "span 1-5"]),
        ("# only a comment\n", ["no sentences"]),
    ],
)
def test_wrong_conllu_names_line_and_rule(tmp_path, text, parts):
    with pytest.raises(DataError) as caught:
        conllu(tmp_path, text)
    message = f"{caught.value.message} {caught.value.hint}"
    for part in ["xx_made-ud-test.conllu", *parts]:
        assert part in message


def test_word_and_tag_lines(tmp_path):
    read = read_tags(put(tmp_path, "train-en.tsv", "We\tPRON\nrun\tVERB\n\n\nNow\tADV"), UDPOS)
    assert sentences(read) == [[("We", "PRON"), ("run", "VERB")], [("Now", "ADV")]]
    assert [one.id for one in read.examples] == ["0", "1"]


def test_words_alone_are_a_label_free_test_set(tmp_path):
    read = read_tags(put(tmp_path, "test-de.tsv", "|\nzwei\n\ndrei\n"), UDPOS)
    assert [one.words for one in read.examples] == [("|", "zwei"), ("drei",)]
    assert all(one.tags is None for one in read.examples)


def test_raw_panx_cuts_the_language_at_the_first_colon(tmp_path):
    text = "en:Rio\tB-LOC\nen::\tO\nen:a:b\tO\n\nen:X\tB-PER\n"
    read = read_tags(put(tmp_path, "dev", text), PANX, "en")
    assert sentences(read) == [[("Rio", "B-LOC"), (":", "O"), ("a:b", "O")], [("X", "B-PER")]]


def test_preprocessed_panx_keeps_colons(tmp_path):
    text = "re:Union\tB-ORG\nsays\tO\n:\tO\n"
    read = read_tags(put(tmp_path, "dev-en.tsv", text), PANX, "en")
    assert read.examples[0].words == ("re:Union", "says", ":")


def test_a_raw_panx_line_without_language_is_an_error(tmp_path):
    path = put(tmp_path, "dev", "en:a\tO\nb\tO\nen:c\tO\n")
    with pytest.raises(DataError, match=r"line 2: 'b' has no language before it"):
        read_tags(path, PANX, "en")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a\tO\nb\n", ["line 2", "1 columns, expected 2"]),
        ("a\tO\nb\tO\tx\n", ["line 2", "3 columns"]),
        ("a\tO\n\nb\tB-DOG\n", ["line 3", "tag 'B-DOG'", "B-LOC"]),
        (" \n", ["empty"]),
    ],
)
def test_wrong_word_lines_name_line_and_rule(tmp_path, text, parts):
    with pytest.raises(DataError) as caught:
        read_tags(put(tmp_path, "dev-en.tsv", text), PANX)
    message = f"{caught.value.message} {caught.value.hint}"
    for part in ["dev-en.tsv", *parts]:
        assert part in message


def test_ccg_sentences_of_word_bar_tag(tmp_path):
    read = read_tags(put(tmp_path, "train.txt", "Dogs|N bark|S[dcl]\\NP .|.\n\nGo|S\n"), CCG)
    assert sentences(read) == [[("Dogs", "N"), ("bark", "S[dcl]\\NP"), (".", ".")], [("Go", "S")]]


def test_ccg_word_and_tag_lines(tmp_path):
    read = read_tags(put(tmp_path, "train.tsv", "Dogs\tN\nbark\tS\\NP\n"), CCG)
    assert sentences(read) == [[("Dogs", "N"), ("bark", "S\\NP")]]


def test_a_ccg_token_without_tag(tmp_path):
    with pytest.raises(DataError, match="is not a word"):
        read_tags(put(tmp_path, "train.txt", "Dogs|N bark|\n"), CCG)


def test_json_rows_of_tokens_and_tags(tmp_path):
    rows = [{"tokens": ["a", "b"], "tags": ["O", "B-PER"]}, {"tokens": ["c d"], "tags": ["O"]}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    read = read_tags(put(tmp_path, "dev-en.jsonl", text), PANX)
    assert sentences(read) == [[("a", "O"), ("b", "B-PER")], [("c d", "O")]]


def test_json_rows_with_too_few_tags(tmp_path):
    path = put(tmp_path, "dev.jsonl", json.dumps({"tokens": ["a", "b"], "tags": ["O"]}))
    with pytest.raises(DataError, match="differ in number"):
        read_tags(path, PANX)


def test_tag_lines_of_a_label_file(tmp_path):
    path = put(tmp_path, "test-en.tsv", "NOUN\r\nVERB\r\n\r\nADV\r\n")
    assert read_tag_lines(path) == [["NOUN", "VERB"], ["ADV"]]


TOKEN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() and not text.startswith("# ")
)
SENTENCE = st.lists(st.tuples(TOKEN, st.sampled_from(UDPOS.labels)), min_size=1, max_size=6)


@given(st.lists(SENTENCE, min_size=1, max_size=5))
def test_word_lines_round_trip(tmp_path_factory, written):
    text = "\n".join("".join(f"{w}\t{t}\n" for w, t in sentence) for sentence in written)
    path = tmp_path_factory.mktemp("tags") / "train-en.tsv"
    path.write_text("First\tX\n\n" + text, newline="")
    assert sentences(read_tags(path, UDPOS))[1:] == written


@given(st.lists(SENTENCE, min_size=1, max_size=5))
def test_conllu_round_trip(tmp_path_factory, written):
    text = "".join(
        "".join(word(n, w, t, 0 if n == 1 else 1) for n, (w, t) in enumerate(sentence, start=1))
        + "\n"
        for sentence in written
    )
    kept = [
        [(w.replace("\u200c", ""), t) for w, t in sentence]
        for sentence in written
        if not (hidden := sum(w == "_" for w, _ in sentence)) or hidden < len(sentence) - 1
    ]
    path = tmp_path_factory.mktemp("tags") / "en_made-ud-train.conllu"
    path.write_text(word(1, "First", "X") + "\n" + text, newline="")
    assert sentences(read_tags(path, UDPOS, "en"))[1:] == kept
