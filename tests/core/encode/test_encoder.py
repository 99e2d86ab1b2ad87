"""The encoder against transformers' fast tokenizers, and the rules of XTREME's preprocessing."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.model import vocabulary_size, word_mark
from xlt.core.encode.rows import keep_longest_first, pad
from xlt.core.errors import DataError, ModelError, UsageError
from xlt.core.kinds.table import encode
from xlt.core.tasks.examples import Choice, Pair, Question, Sentence, Tagged

FAMILIES = ["bert", "distilbert", "xlm-roberta", "roberta", "deberta-v2", "modernbert"]
ODD = ["", " ", "cat", "  the   cat ", "e\u0301cole nai\u0308ve", "ﬁne ½ ℃", "a\x00b", "👩‍👩‍👧 cat",
       "<s> [CLS] </s> [SEP]", "犬 猫", "\u200bzero", "the\ncat\tsat"]  # fmt: skip


@pytest.fixture(scope="session")
def references(model_folders):
    """family -> transformers' tokenizer on the same files."""
    transformers = pytest.importorskip("transformers")
    return {
        family: transformers.AutoTokenizer.from_pretrained(folder)
        for family, folder in model_folders.items()
    }


def ids(row):
    return row.ids.tolist()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("max_length", [8, 11, 16, 40])
def test_texts_and_pairs_encode_as_transformers_does(
    model_folders, references, texts, family, max_length
):
    encoder = Encoder.load(model_folders[family], max_length=max_length)
    reference = references[family]
    items = [*texts, *ODD]
    pairs = [(a, b) for a in items for b in items[::3]]
    rows = encode(encoder, "pair", [Pair(id="", text_a=a, text_b=b) for a, b in pairs])
    lengths = reference([a for a, _ in pairs], [b for _, b in pairs])["input_ids"]
    expected = reference(
        [a for a, _ in pairs],
        [b for _, b in pairs],
        truncation="longest_first",
        max_length=max_length,
        return_token_type_ids=True,
    )
    assert [ids(row) for row in rows] == expected["input_ids"]
    assert [row.truncated for row in rows] == [len(whole) > max_length for whole in lengths]
    if encoder.uses_types:
        assert [row.types.tolist() for row in rows] == expected["token_type_ids"]
    single = reference(items, truncation=True, max_length=max_length)["input_ids"]
    for kind in ("pair", "embed", "mlm"):
        assert [ids(row) for row in encode(encoder, kind, items)] == single
    assert [row.item for row in rows] == list(range(len(pairs)))


@pytest.mark.parametrize("family", FAMILIES)
@given(others=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40)))
@settings(max_examples=10)
def test_a_text_alone_encodes_as_it_does_among_others(model_folders, texts, family, others):
    encoder = Encoder.load(model_folders[family], max_length=40)
    items = [*texts, *ODD, *others, " ".join(texts) * 10]
    together = encode(encoder, "embed", items)
    for item, row in zip(items, together, strict=True):
        (alone,) = encode(encoder, "embed", [item])
        assert ids(alone) == ids(row)
        assert alone.truncated == row.truncated


def test_token_types_only_where_the_model_has_them(model_folders):
    uses = {family: Encoder.load(model_folders[family]).uses_types for family in FAMILIES}
    assert uses == {family: family == "bert" for family in FAMILIES}


def test_truncation_side_of_the_tokenizer_is_kept(model_folder):
    folder = model_folder("bert")
    names = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**names, "truncation_side": "left"}))
    transformers = pytest.importorskip("transformers")
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    text = "where did the river begin? it began in the hills of the north."
    (row,) = encode(Encoder.load(folder, max_length=9), "embed", [text])
    assert ids(row) == reference(text, truncation=True, max_length=9)["input_ids"]


@given(
    n_a=st.integers(0, 40), n_b=st.integers(0, 40), room=st.integers(2, 60)
)  # fmt: skip
def test_longest_first_fills_the_room_and_takes_from_the_longer_text(n_a, n_b, room):
    keep_a, keep_b = keep_longest_first(n_a, n_b, room)
    assert keep_a <= n_a
    assert keep_b <= n_b
    assert keep_a + keep_b == min(n_a + n_b, room)
    if keep_a < n_a:
        assert keep_a >= keep_b - 1
    if keep_b < n_b:
        assert keep_b >= keep_a - 1


@pytest.mark.parametrize("wanted", [510, 511, 512, 513, 514, 600])
@pytest.mark.parametrize("family", ["xlm-roberta", "roberta"])
def test_roberta_family_never_passes_512_of_its_514_positions(model_folders, family, wanted):
    encoder = Encoder.load(model_folders[family])
    assert encoder.usable_length == encoder.max_length == 512
    text = "cat " * 2000
    one = len(encoder.tokenizer.encode("cat " * 100, add_special_tokens=False).ids)
    whole = Encoder.load(model_folders[family], max_length=wanted)
    assert whole.max_length == min(wanted, 512)
    (row,) = encode(whole, "embed", [text])
    assert row.width == min(wanted, 512)
    assert row.truncated
    (short,) = encode(whole, "embed", ["cat " * 50])
    assert not short.truncated
    assert short.width < one + 2


@pytest.mark.parametrize("tokens", [510, 511, 512, 513, 514, 600])
def test_text_of_so_many_tokens_is_cut_at_512(model_folders, tokens):
    encoder = Encoder.load(model_folders["xlm-roberta"])
    text = "猫" * tokens
    plain = len(encoder.tokenizer.encode(text, add_special_tokens=False).ids)
    (row,) = encode(encoder, "embed", [text])
    assert row.width == min(plain + 2, 512)
    assert row.truncated == (plain + 2 > 512)


@pytest.mark.parametrize(
    ("family", "config", "usable"),
    [
        ("bert", {}, 512),
        ("bert", {"max_position_embeddings": 64}, 64),
        ("modernbert", {}, 8192),
        ("roberta", {"pad_token_id": None}, 512),
        ("camembert", {}, 512),
        ("xlm-roberta-xl", {"pad_token_id": 3}, 510),
        ("deberta-v2", {"max_position_embeddings": -1}, 512),
    ],
)
def test_usable_length(model_folder, family, config, usable):
    known = family if family in FAMILIES else "xlm-roberta"
    folder = model_folder(known, **{"model_type": family, **config})
    assert Encoder.load(folder).usable_length == usable


@pytest.mark.parametrize(("stated", "usable"), [(100, 100), (10**30, 512), (0, 512), (900, 512)])
def test_model_max_length_bounds_when_it_is_a_limit(model_folder, stated, usable):
    folder = model_folder("bert")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": stated}))
    assert Encoder.load(folder).usable_length == usable


def test_too_small_a_length_is_refused(model_folders):
    with pytest.raises(UsageError, match="no room"):
        Encoder.load(model_folders["roberta"], max_length=5)


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json"])
def test_missing_file_is_a_model_error_that_names_it(model_folder, missing):
    folder = model_folder("bert")
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        Encoder.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": 3}'])
def test_damaged_tokenizer_is_a_model_error(model_folder, text):
    folder = model_folder("bert")
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Encoder.load(folder)


def test_truncation_and_padding_saved_in_the_tokenizer_do_not_act(model_folder):
    folder = model_folder("bert")
    plain = encode(Encoder.load(folder), "embed", ["the cat sat on the mat"])
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["truncation"] = {
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip
    settings["padding"] = {
        "strategy": {"Fixed": 30}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    assert ids(encode(Encoder.load(folder), "embed", ["the cat sat on the mat"])[0]) == ids(
        plain[0]
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_choices_are_pairs_padded_to_the_longest(model_folders, references, family):
    item = Choice(id="c", prompt="the dog sat on", choices=("the mat", "a", "the lazy fox, it did"))
    encoder = Encoder.load(model_folders[family])
    (row,) = encode(encoder, "choice", [item])
    expected = references[family](
        [item.prompt] * 3, list(item.choices), padding=True, return_tensors="np"
    )
    batch = pad([row], encoder.pad_id)
    assert np.array_equal(batch["input_ids"][0], expected["input_ids"])
    assert np.array_equal(batch["attention_mask"][0], expected["attention_mask"])
    assert row.lengths.tolist() == expected["attention_mask"].sum(axis=1).tolist()


BYTE_LEVEL = {"roberta", "modernbert"}


@pytest.mark.parametrize("family", FAMILIES)
def test_words_of_a_sentence_keep_the_mark_that_they_have_in_a_text(model_folders, family):
    """Alone `cat` is `cat`; in a text it is `Ġcat`, and so it is in a list of words."""
    encoder = Encoder.load(model_folders[family], max_length=128)
    text = "the cat sat on the mat"
    (row,) = encode(encoder, "tag", [Tagged(id="", words=tuple(text.split()))])
    assert np.array_equal(row.ids, encoder.join(0, encoder.tokenise([text])[text], None).ids)
    assert (encoder.word_mark == " ") == (family in BYTE_LEVEL)


def test_a_tokenizer_like_gemmas_keeps_the_mark_and_sentencepiece_adds_its_own(tmp_path):
    """Gemma's replaces blanks and puts nothing before a text; XLM-R's marks every text."""
    vocabulary = {piece: place for place, piece in enumerate(["<unk>", "▁", *"abtchesmon"])}
    for piece in ("th", "the", "ca", "cat", "▁c", "▁ca", "▁cat"):
        vocabulary[piece] = len(vocabulary)
    merges = [("t", "h"), ("th", "e"), ("▁", "c"), ("▁c", "a"), ("▁ca", "t"), ("c", "a"),
              ("ca", "t")]  # fmt: skip
    model = models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>")
    gemma = Tokenizer(model)
    gemma.normalizer = normalizers.Replace(" ", "▁")
    assert word_mark(gemma) == " "
    metaspace = Tokenizer(model)
    metaspace.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    assert word_mark(metaspace) == ""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    for prefixed, mark in ((True, ""), (False, " ")):
        byte_level = Tokenizer(models.BPE(vocab={c: n for n, c in enumerate(alphabet)}, merges=[]))
        byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefixed)
        assert word_mark(byte_level) == mark
    ids = [gemma.encode(text, add_special_tokens=False).tokens for text in ("the", " cat", "cat")]
    assert ids == [["the"], ["▁cat"], ["cat"]]


@pytest.mark.parametrize("family", FAMILIES)
def test_first_sub_words_are_those_of_transformers(model_folders, references, family, texts):
    encoder = Encoder.load(model_folders[family], max_length=128)
    sentences = [tuple(text.split()) for text in texts]
    rows = encode(encoder, "tag", [Tagged(id="", words=words) for words in sentences])
    assert [row.item for row in rows] == list(range(len(texts)))
    reference = references[family]
    for words, row in zip(sentences, rows, strict=True):
        mark = " " if family in BYTE_LEVEL else ""
        marked = [word if place == 0 else mark + word for place, word in enumerate(words)]
        alone = [reference(word, add_special_tokens=False)["input_ids"] for word in marked]
        expected = reference.build_inputs_with_special_tokens([i for word in alone for i in word])
        if family in {"deberta-v2", "modernbert"}:  # their own classes are not used here
            expected = [ids(row)[0], *[i for word in alone for i in word], ids(row)[-1]]
        assert ids(row) == expected
        places = 1 + np.cumsum([0, *map(len, alone[:-1])])
        assert row.words.tolist() == places.tolist()


@pytest.mark.parametrize(("family", "free"), [("bert", 2), ("xlm-roberta", 3), ("deberta-v2", 2)])
def test_long_sentences_are_cut_where_xtreme_cuts_them(model_folders, family, free):
    encoder = Encoder.load(model_folders[family], max_length=16)
    words = ("cat", "dog", "hund", "unbelievable", "the") * 8
    counts = [len(encoder.tokenizer.encode(w, add_special_tokens=False).ids) for w in words]
    pieces, used = [[]], 0
    for word, count in zip(words, counts, strict=True):
        count = count if count <= 16 - free else 1
        if used + count > 16 - free:
            pieces.append([])
            used = 0
        pieces[-1].append(word)
        used += count
    rows = encode(encoder, "tag", [Tagged(id="", words=words)])
    assert [len(row.words) for row in rows] == [len(piece) for piece in pieces]
    assert max(row.width for row in rows) <= 16


def test_words_without_sub_words_or_with_too_many_become_unknown(model_folders):
    encoder = Encoder.load(model_folders["bert"], max_length=12)
    words = ("cat", "\u200b\u200b", "", "unbelievableinternationalisationcounterexamples", "dog")
    (row,) = encode(encoder, "tag", [Tagged(id="", words=words)])
    assert len(row.words) == 5
    picked = row.ids[row.words]
    assert (picked[1:4] == encoder.unk_id).all()
    assert encoder.unk_id not in picked[[0, 4]]
    assert np.diff(row.words)[1:4].tolist() == [1, 1, 1]


WORDS = st.lists(st.sampled_from(["cat", "unbelievable", "", "狗睡", "\u200b", "x" * 90, "Hund,"]),
                 max_size=60)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(sentences=st.lists(WORDS, max_size=4), max_length=st.integers(8, 40))
def test_every_word_has_one_position_over_the_pieces(model_folders, sentences, max_length):
    for family in ("bert", "xlm-roberta", "roberta"):
        encoder = Encoder.load(model_folders[family], max_length=max_length)
        rows = encode(encoder, "tag", [Tagged(id="", words=tuple(words)) for words in sentences])
        found = {index: [] for index in range(len(sentences))}
        for row in rows:
            assert row.width <= max_length
            assert row.first_word == len(found[row.item])
            assert ((row.words > 0) & (row.words < row.width - 1)).all()
            assert (np.diff(row.words) > 0).all()
            found[row.item].extend(row.words.tolist())
        assert [len(found[i]) for i in range(len(sentences))] == [len(s) for s in sentences]


@pytest.mark.parametrize(
    ("kind", "item", "why"),
    [
        ("embed", "bad \ud800 text", "lone surrogate at 4"),
        ("embed", 5, "not int"),
        ("embed", ("a", "b"), "not tuple"),
        ("pair", Pair(id="p7", text_a="a", text_b="\udfff"), r"id 'p7'.*lone surrogate"),
        ("pair", Pair(id="p7", text_a=None), "not NoneType"),
        ("tag", Tagged(id="t", words=("a", None)), "not NoneType"),
        ("tag", Sentence(id="t", text="a"), "Tagged is needed"),
        ("span", Question(id="q", question="a", context="\ud801"), "lone surrogate"),
        ("choice", Choice(id="c", prompt="a", choices=()), "no choices"),
        ("choice", Choice(id="c", prompt="a", choices=("b", b"c")), "not bytes"),
    ],
)
def test_wrong_item_is_named(model_folders, kind, item, why):
    encoder = Encoder.load(model_folders["bert"])
    good = {
        "tag": Tagged(id="", words=("a",)),
        "span": Question(id="", question="a", context="b"),
        "choice": Choice(id="", prompt="a", choices=("b", "c")),
    }.get(kind, "fine")
    with pytest.raises(DataError, match=f"item 2.*{why}"):
        encode(encoder, kind, [good, good, item])


@pytest.mark.parametrize("kind", ["pair", "choice", "tag", "span", "embed", "mlm"])
def test_nothing_encodes_to_nothing(model_folders, kind):
    assert encode(Encoder.load(model_folders["bert"]), kind, []) == []


def test_special_tokens_are_known(model_folders):
    encoder = Encoder.load(model_folders["xlm-roberta"])
    assert encoder.pad_id == 1
    assert encoder.mask_id == 4
    assert encoder.special_ids == {0, 1, 2, 3, 4}
    assert encoder.vocab_size == encoder.tokenizer.get_vocab_size()


def test_padding_fills_on_the_right(model_folders):
    encoder = Encoder.load(model_folders["bert"])
    rows = encode(encoder, "pair", ["the cat", Pair(id="", text_a="a", text_b="the cat sat")])
    batch = pad(rows, encoder.pad_id)
    assert set(batch) == {"input_ids", "attention_mask", "token_type_ids"}
    assert all(array.dtype == np.int64 for array in batch.values())
    for line, row in zip(range(2), rows, strict=True):
        assert batch["input_ids"][line].tolist()[: row.width] == ids(row)
        assert (batch["input_ids"][line][row.width :] == encoder.pad_id).all()
        assert batch["attention_mask"][line].sum() == row.width
    assert pad(rows, 0, width=50)["input_ids"].shape == (2, 50)
    for wrong in ([], rows):
        with pytest.raises(ValueError, match=r"row"):
            pad(wrong, 0, width=3)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_vocabulary_is_counted_as_the_tokenizer_counts_it(model_folders, family):
    tokenizer = Tokenizer.from_file(str(model_folders[family] / "tokenizer.json"))
    tokenizer.add_tokens(["<new>", "<newer>", "the"])
    tokenizer.add_special_tokens(["<special>"])
    assert vocabulary_size(tokenizer) == tokenizer.get_vocab_size()


def test_counting_does_not_copy_the_vocabulary(model_folders):
    tokenizer = Tokenizer.from_file(str(model_folders["bert"] / "tokenizer.json"))

    class Watched:
        model = tokenizer.model
        get_added_tokens_decoder = tokenizer.get_added_tokens_decoder

        def get_vocab_size(self, with_added_tokens=True):
            assert not with_added_tokens
            return tokenizer.get_vocab_size(with_added_tokens=False)

    assert vocabulary_size(Watched()) == tokenizer.get_vocab_size()
