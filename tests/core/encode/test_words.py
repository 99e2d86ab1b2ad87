"""Splitting texts into words with their places."""

from hypothesis import given
from hypothesis import strategies as st

from xlt.core.encode.words import split_words


@given(st.text())
def test_words_are_slices_in_order_and_nothing_visible_is_lost(text):
    words = split_words(text)
    end = 0
    for word, start, stop in words:
        assert text[start:stop] == word
        assert start >= end
        end = stop
    covered = {place for _, start, stop in words for place in range(start, stop)}
    for place, char in enumerate(text):
        if char.isalnum():
            assert place in covered


def test_scripts_punctuation_and_marks():
    def words(text):
        return [word for word, _, _ in split_words(text)]

    assert words("Don't stop, (now)!") == ["Don't", "stop", ",", "(", "now", ")", "!"]
    assert words("3.14 and 1,000: e-mail") == ["3.14", "and", "1,000", ":", "e-mail"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert words("北京 is 大") == ["北", "京", "is", "大"]
    assert words("cafe\u0301 ") == ["cafe\u0301"]
    assert words("ab。") == ["ab", "。"]


def test_no_grapheme_is_cut_into_words():
    def words(text):
        return [word for word, _, _ in split_words(text)]

    assert words("ok 👍🏽👩\u200d👩\u200d👧 ❤\ufe0f!") == [
        "ok", "👍🏽", "👩\u200d👩\u200d👧", "❤\ufe0f", "!",
    ]  # fmt: skip
    assert words("in 🇩🇪🇫🇷 now") == ["in", "🇩🇪", "🇫🇷", "now"]
    assert words("か\u3099き ka\u0301") == ["か\u3099", "き", "ka\u0301"]
    assert words("\u1112\u1161\u11ab\u1100\u1173\u11af") == ["\u1112\u1161\u11ab\u1100\u1173\u11af"]
    assert words("می\u200cرود؟") == ["می\u200cرود", "؟"]
    assert words("«\u0301x\u0600١") == ["«\u0301", "x\u0600١"]
