"""What readers see as one character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.encode.graphemes import grapheme_places

FLAG, FAMILY, THUMB = "🇩🇪", "👩\u200d👩\u200d👧", "👍🏽"


def graphemes(text):
    return [text[start:stop] for start, stop in grapheme_places(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["a", "b", " ", "c"],
        ["e\u0301\u0323", "x", "o\u0308"],
        [FAMILY, FAMILY, "👩", "👧"],
        [FLAG, FLAG, "🇫🇷", "🇩"],
        ["x", FLAG, " ", THUMB, "❤️", "1️⃣"],
        ["🏴\U000e0067\U000e0062\U000e007f", "!"],
        ["각", "ᄀ\u1161\u11a8", "ᄀ\u1161", "가\u11a8", "나"],
        ["क्षि", "त", "न्द्र", "कि", "ता"],
        ["ক্ষ", "മ്പ", "ల్లా", " "],
        ["กำ", "ที่", "น้ำ", "ใ", "ส"],
        ["ក្មេ", "ង", "ៗ"],
        ["မြ", "စ်", "က္ကု", "များ"],
        ["か\u3099", "ｶﾞ", "き"],
        ["\ufeff", "a", "\u200b", "b", "\u00ad", "c"],
        [" ", "\u0301", "\n", "\u0301"],
        ["\u0600١", "٢"],
    ],
)
def test_a_text_is_cut_between_graphemes(parts):
    assert graphemes("".join(parts)) == parts


def test_no_text_has_no_grapheme():
    assert graphemes("") == []


POOLS = [
    "กขคำีึุเ่้",
    "कखगषरमािीुंँ",
    "ᄀᄁ\u1161\u1162\u11a8\u11a9각가나",
    "aeo\u0301\u0308\u0323 \u200b",
    "🇩🇪🇫a ",
    "👩👧❤\ufe0f🏽🏻",
    "ابت\u064b\u0670 ",
]


@given(text=st.sampled_from(POOLS).flatmap(lambda pool: st.text(alphabet=pool, max_size=12)))
def test_graphemes_are_those_of_another_implementation(text):
    regex = pytest.importorskip("regex")
    text = text.replace(" \u0301", " ").replace(" \u0308", " ")
    for mark in "\u0301\u0308\u0323\u064b\u0670\ufe0f":  # a blank and a mark are kept apart here
        text = text.replace(" " + mark, mark)
    expected = regex.findall(r"\X", text)
    ours = graphemes(text)
    assert "".join(ours) == text
    if not any(part[0] == " " and len(part) > 1 for part in expected):
        assert ours == expected
