"""The language table, a root's own languages, and the grammar of --langs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError, UsageError
from xlt.core.tasks.languages import LANGUAGES, load_languages, parse_langs
from xlt.core.tasks.table import TARGETS, TASKS

XTREME = [code for code in LANGUAGES if code in TASKS["panx"].languages]


def pick(text, among=None):
    return parse_langs(text, LANGUAGES, XTREME if among is None else among)


def test_every_language_of_every_task_is_in_the_table():
    assert {code for name in TARGETS for code in TASKS[name].languages} <= set(LANGUAGES)
    assert set("az lt pl uk ro qu pa gu wo et ht id it sw ta th tr vi zh".split()) <= set(LANGUAGES)


def test_xtreme_has_forty_languages_sixteen_of_them_indo_european():
    assert len(XTREME) == 40
    assert len(pick("indo-european")) == 16
    assert len(pick("non-indo-european")) == 24
    assert len({LANGUAGES[code].family for code in XTREME}) == 14


def test_tatoeba_codes_are_those_of_the_files():
    codes = {code: LANGUAGES[code].tatoeba for code in ("zh", "fa", "sw", "ar", "tl", "de")}
    assert codes == {
        "zh": "cmn", "fa": "pes", "sw": "swh", "ar": "ara", "tl": "tgl", "de": "deu",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("en,sw", "en sw"),
        ("sw,en", "en sw"),
        ("family:Uralic", "et fi hu"),
        ("family:uralic,-et", "fi hu"),
        ("branch:Romance", "es fr it pt"),
        ("script:Arab", "ar fa ur"),
        ("script:Arab,-branch:Iranian", "ar ur"),
        ("de, en , fr,-en", "de fr"),
        ("indo-european,-branch:Romance,-branch:Germanic", "bg bn el fa hi mr ru ur"),
    ],
)
def test_selection(text, expected):
    assert pick(text) == expected.split()


def test_exclusions_alone_start_from_all():
    assert pick("-th") == [code for code in XTREME if code != "th"]
    assert pick("all") == XTREME


def test_order_is_that_of_the_choices_and_each_comes_once():
    assert pick("en,de,en", ["en", "fr", "de"]) == ["en", "de"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("german", "did you mean 'de'"),
        ("family:Uralik", "did you mean 'Uralic'"),
        ("famly:Uralic", "did you mean 'family'"),
        ("non-indoeuropean", "did you mean 'non-indo-european'"),
        ("script:Xxxx", "unknown script 'Xxxx'"),
    ],
)
def test_unknown_names_get_a_suggestion(text, part):
    with pytest.raises(UsageError) as caught:
        pick(text)
    assert part in caught.value.message
    assert "family:Uralic" in caught.value.hint


def test_all_unknown_names_are_reported_at_once():
    with pytest.raises(UsageError, match=r"2 mistakes: .*xx1.*yy2"):
        pick("en,xx1,-yy2")


@pytest.mark.parametrize("text", ["en,-en", "", "sw", "script:Guru"])
def test_an_empty_selection_is_an_error(text):
    with pytest.raises(UsageError, match="selects no language"):
        parse_langs(text, LANGUAGES, ["en", "de"])


@given(st.sets(st.sampled_from(XTREME), min_size=1))
def test_a_list_of_codes_selects_exactly_these(codes):
    assert set(pick(",".join(codes))) == codes


@given(st.sampled_from(["family:Uralic", "script:Latn", "indo-european", "branch:Slavic"]))
def test_a_selector_and_its_exclusion_share_no_language_and_make_all(selector):
    chosen, rest = set(pick(selector)), set(pick(f"-{selector}"))
    assert not chosen & rest
    assert chosen | rest == set(XTREME)


def root_with(tmp_path, value):
    text = value if isinstance(value, str) else json.dumps(value)
    (tmp_path / "languages.json").write_text(text)
    return tmp_path


NEW = {
    "code": "qaa", "name": "Alda", "family": "Aldic", "branch": "North", "script": "Latn",
    "constructed": True,
}  # fmt: skip


def test_a_root_adds_and_overrides_languages(tmp_path):
    root = root_with(tmp_path, [NEW, {"code": "en", "name": "Play English", "constructed": True}])
    languages = load_languages(root)
    assert languages["qaa"].constructed
    assert not languages["qaa"].indo_european
    assert languages["qaa"].tatoeba == languages["qaa"].iso639_3 == "qaa"
    assert languages["en"].name == "Play English"
    assert languages["en"].family == "Indo-European"
    assert LANGUAGES["en"].name == "English"
    assert parse_langs("family:Aldic", languages, languages) == ["qaa"]


def test_without_the_file_the_table_is_used(tmp_path):
    assert load_languages(tmp_path) == load_languages(None) == LANGUAGES


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ([{**NEW, "script": "latin"}], "record 1 (qaa): script 'latin' is no ISO 15924 code"),
        ([{**NEW, "famly": "x"}], "unknown field 'famly'; did you mean 'family'?"),
        ([NEW, NEW], "record 2 (qaa): the code occurs twice"),
        ([{"code": "qab"}], "name is None"),
        ([{**NEW, "code": "Q A"}], "code 'Q A'"),
        ([{**NEW, "constructed": "yes"}], "constructed is 'yes', true or false"),
        ([3], "record 1 is 3, not an object"),
        ({"qaa": NEW}, "a list of languages is needed"),
        ("[{", "not valid JSON"),
    ],
)
def test_a_wrong_languages_file_says_what_and_where(tmp_path, value, part):
    with pytest.raises(DataError) as caught:
        load_languages(root_with(tmp_path, value))
    assert "languages.json" in caught.value.message
    assert part in caught.value.message


def test_all_wrong_records_are_reported_at_once(tmp_path):
    wrong = [{**NEW, "script": "x"}, {**NEW, "code": "qab", "indo_european": 1}]
    with pytest.raises(DataError, match=r"script 'x'.*indo_european is 1"):
        load_languages(root_with(tmp_path, wrong))
