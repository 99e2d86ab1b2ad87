"""Every visible character of a context belongs to a token, and no answer cuts a grapheme."""

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.graphemes import BLANK, CONTROL, classes_of, grapheme_starts
from xlt.core.encode.offsets import spans_of, strip_invisible, token_spans
from xlt.core.encode.windows import answer_positions
from xlt.core.inference.answer import decode_item
from xlt.core.kinds.table import encode
from xlt.core.tasks.examples import Answer, Question, Tagged
from xlt.core.tasks.table import TASKS


# Invented sentences; most end with a mark, a vowel sign or a syllable's last jamo.
def _nfd(text):
    return unicodedata.normalize("NFD", text)


CONTEXTS = {
    "th": "แม่น้ำสายเล็กไหลผ่านหมู่บ้าน น้ำใสมาทุกปี เด็กๆ ชอบว่ายน้ำ ที่นี่",
    "hi": "नदी के किनारे मीरा रहती थी। उसने विद्यालय में संस्कृत पढ़ी थी",
    "km": "ទន្លេតូចមួយហូរកាត់ភូមិ ក្មេងៗ ហែលទឹក នៅទីនេះ រាល់ឆ្នាំ",
    "my": "မြစ်ငယ်တစ်ခုသည် ရွာကိုဖြတ်၍ စီးဆင်းသည်။ ကလေးများ ရေကူးကြသည် နေ့တိုင်း",
    "ko": unicodedata.normalize(
        "NFD", "작은 강이 마을을 지나 흐른다. 아이들은 그곳에서 헤엄친다 매일"
    ),
    "vi": unicodedata.normalize(
        "NFD", "Dòng sông nhỏ chảy qua làng. Trẻ em bơi ở đó mỗi ngày rất vui vẻ"
    ),
    "ar": "يَجْرِي النَّهْرُ الصَّغِيرُ قُرْبَ القَرْيَةِ",
    "en": "Anna\u200b sent 👩\u200d👩\u200d👧 and a 🇩🇪 flag\u200b to her nai\u0308ve cafe\u0301",
}
TEXTS = [*CONTEXTS.values(), "the cat sat on the mat", "狗睡在桌子底下。"]


def wordpiece(**options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=350, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def pieces(*, before_each_word):
    """Single characters and a lone marker, under NFKC, as XLM-R and the compact encoder have it."""
    composed = sorted({char for text in TEXTS for char in unicodedata.normalize("NFKC", text)})
    tokenizer = Tokenizer(
        models.Unigram(
            [("<unk>", 0.0), ("▁", -1.0), *((char, -2.0) for char in composed)], unk_id=0
        )
    )
    zero_width = normalizers.Replace("\u200b", " ")  # as in SentencePiece's nmt_nfkc
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), zero_width])
    marked = pre_tokenizers.Metaspace()
    split = pre_tokenizers.WhitespaceSplit()
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([split, marked]) if before_each_word else marked
    )
    return tokenizer


TOKENIZERS = {
    "uncased": wordpiece(lowercase=True),
    "cased": wordpiece(lowercase=False),
    "nfkc": pieces(before_each_word=False),
    "nfkc of words": pieces(before_each_word=True),
    "bytes": byte_level(),
}


def spans(name, text):
    tokenizer = TOKENIZERS[name]
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return spans_of(tokenizer, [encoding], [text])[0][1]


def check(text, places):
    """What holds for the tokens of any text."""
    classes = classes_of(text)
    starts = np.append(grapheme_starts(classes), True)
    filled = places[places[:, 0] < places[:, 1]]
    assert (np.diff(places, axis=0) >= 0).all(), "tokens out of order"
    owned = np.zeros(len(text), int)
    for start, stop in filled.tolist():
        owned[start:stop] += 1
        assert starts[start]
        assert starts[stop], "a grapheme is cut"
        assert text[start:stop] == text[start:stop].strip()
    if len(filled):
        assert (owned[classes > CONTROL] > 0).all(), "a character without a token"
    for (start, stop), (after, _) in zip(filled.tolist(), filled[1:].tolist(), strict=False):
        # tokens that share characters hold parts of one grapheme
        assert after >= stop or starts[max(start, after) + 1 : stop].sum() == 0


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("lang", CONTEXTS)
def test_every_character_of_a_context_belongs_to_a_token(name, lang):
    check(CONTEXTS[lang], spans(name, CONTEXTS[lang]))


ALPHABET = "".join(TEXTS) + " \n\u3000\u0301\u200d\u200c\ufeff\u00ad½ﬁ´▁Ġ\u0600क्ष\u11a8\x00\ue000"


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=st.text(alphabet=ALPHABET, max_size=20) | st.text(max_size=8))
def test_any_text_is_covered_in_order_without_cutting_a_grapheme(name, text):
    check(text, spans(name, text))


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("lang", CONTEXTS)
def test_every_run_of_words_is_a_span_of_tokens(name, lang):
    context = CONTEXTS[lang]
    places = spans(name, context)
    filled = places[places[:, 0] < places[:, 1]]
    first, last = set(filled[:, 0].tolist()), set(filled[:, 1].tolist())
    at = 0
    for word in context.split():
        at = context.index(word, at)
        assert at in first, word
        assert at + len(word) in last, word
        at += len(word)


@pytest.fixture(scope="module")
def uncased(tmp_path_factory, model_folders):
    """An encoder of BERT's layout with the tokenizer that strips marks."""
    return _encoder(tmp_path_factory.mktemp("uncased"), model_folders["bert"], "uncased")


@pytest.fixture(scope="module")
def composing(tmp_path_factory, model_folders):
    """An encoder of BERT's layout with the tokenizer that composes characters."""
    return _encoder(tmp_path_factory.mktemp("nfkc"), model_folders["bert"], "nfkc")


def _encoder(folder, donor, name):
    for path in donor.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    tokenizer = Tokenizer.from_str(TOKENIZERS[name].to_str())
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.add_special_tokens(specials)
    ids = [(text, tokenizer.token_to_id(text)) for text in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return Encoder.load(folder)


def given_back(encoder, context, text, start=None):
    start = context.rindex(text) if start is None else start
    answer = Answer(text=text, start=start)
    (row,) = encode(encoder, "span", [Question(id="q", question="?", context=context)])
    first, last = answer_positions(row, answer)
    assert (first, last) != (0, 0), "trained as no answer"
    return context[row.offsets[first, 0] : row.offsets[last, 1]]


@pytest.mark.parametrize("lang", CONTEXTS)
@pytest.mark.parametrize("n_words", [1, 2])
def test_an_answer_at_the_end_of_its_context_keeps_its_last_marks(
    uncased, composing, lang, n_words
):
    context = CONTEXTS[lang]
    text = " ".join(context.split()[-n_words:])
    assert given_back(uncased, context, text) == text
    assert given_back(composing, context, text) == text


@pytest.mark.parametrize("gold", ["river\u200b", "\ufeffThe river", "river \u200b", "\u200e The"])
def test_format_characters_around_an_answer_do_not_make_it_absent(uncased, gold):
    context = "\ufeffThe river \u200b" if "\ufeff" in gold else gold
    text = given_back(uncased, context, gold, context.index(gold))
    assert strip_invisible(text) == strip_invisible(gold)


def test_an_answer_that_stands_nowhere_is_in_no_window(uncased):
    (row,) = encode(uncased, "span", [Question(id="q", question="?", context="the cat sat")])
    for text in (" dog", "\u200e dog"):
        assert answer_positions(row, Answer(text=text, start=-1)) == (0, 0)


def test_a_byte_order_mark_before_a_word_is_in_no_answer():
    text = "went to \ufeffOslo then"
    for name in ("uncased", "cased"):
        words = {text[start:stop] for start, stop in spans(name, text).tolist()}
        assert not any("\ufeff" in word for word in words)


@pytest.mark.parametrize("name", ["nfkc", "nfkc of words", "bytes"])
@pytest.mark.parametrize("text", ["狗睡", "qx", " 狗", "狗 睡"])
def test_a_lone_marker_has_no_character(name, text):
    encoding = TOKENIZERS[name].encode(text, add_special_tokens=False)
    for token, (start, stop) in zip(encoding.tokens, spans(name, text).tolist(), strict=True):
        if token in ("▁", "Ġ"):
            assert start == stop
    check(text, spans(name, text))


def test_a_marker_that_stands_in_the_text_is_a_character():
    assert spans("nfkc", "狗▁")[-1].tolist() == [1, 2]


@given(text=st.text(alphabet="ab \n\u3000", max_size=12), data=st.data())
def test_tokens_have_no_blank_ends(text, data):
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=4))})
    pairs = list(pairwise(cuts))
    trimmed = token_spans(np.array(pairs, np.int32).reshape(-1, 2), text)
    for (start, stop), (new_start, new_stop) in zip(pairs, trimmed.tolist(), strict=True):
        assert text[new_start:new_stop] == text[start:stop].strip()
        assert start <= new_start <= new_stop <= max(stop, new_start)


def test_untrimmed_spans_keep_their_blanks():
    text = " cafe\u0301 ok"
    offsets = np.array([(0, 5), (6, 9)], np.int32)
    assert token_spans(offsets, text, trim=False).tolist() == [[0, 6], [6, 9]]
    assert token_spans(offsets, text).tolist() == [[1, 6], [7, 9]]


def test_a_word_of_nothing_but_marks_is_unknown_and_keeps_its_place(uncased):
    words = ("ก", "\u0301", "\u200b", "ที่")
    (row,) = encode(uncased, "tag", [Tagged(id="t", words=words)])
    assert len(row.words) == len(words)
    assert (row.ids[row.words[1:3]] == uncased.unk_id).all()


@pytest.mark.parametrize("lang", CONTEXTS)
def test_no_predicted_answer_cuts_a_grapheme(uncased, composing, lang):
    context = CONTEXTS[lang]
    question = Question(id="q", question="?", context=context)
    edges = {0, len(context), *np.flatnonzero(grapheme_starts(classes_of(context))).tolist()}
    for encoder in (uncased, composing):
        (row,) = encode(encoder, "span", [question])
        for token in np.flatnonzero(row.best_context):
            logits = -np.abs(np.arange(row.width) - token).astype(np.float32)
            outputs = {"start_logits": logits, "end_logits": logits}
            best = decode_item(TASKS["xquad"], 0, question, [row], [outputs])
            for span in best.n_best:
                assert {span.start, span.end} <= edges
                assert context[span.start : span.end] == span.text


def test_blanks_alone_belong_to_no_token():
    assert (classes_of(" \n\u3000\t\x1c\x85") == BLANK).all()
    assert all(start == stop for start, stop in spans("bytes", " \n ").tolist())
