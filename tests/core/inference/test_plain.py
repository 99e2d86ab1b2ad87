"""Plain values as items: the client's forms give the records' predictions; others are refused."""

import numpy as np
import pytest

import xlt
from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import DataError
from xlt.core.inference.engine import Engine
from xlt.core.inference.plain import examples_of
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.examples import Choice, Pair, Question, Sentence, Tagged

WORDS = ("the", "cat", "sat")
SAME = {
    "pair": [
        ("the cat", Pair(id="", text_a="the cat")),
        (("the cat", "a dog"), Pair(id="", text_a="the cat", text_b="a dog")),
        (["the cat", "a dog"], Pair(id="", text_a="the cat", text_b="a dog")),
        ({"text": "the cat"}, Pair(id="", text_a="the cat")),
        ({"text": "the cat", "text_pair": "a dog"}, Pair(id="", text_a="the cat", text_b="a dog")),
        ({"text_a": "the cat", "text_b": "a dog"}, Pair(id="", text_a="the cat", text_b="a dog")),
    ],
    "choice": [
        (("the cat", ["sat", "ran"]), Choice(id="", prompt="the cat", choices=("sat", "ran"))),
        (
            {"prompt": "the cat", "choices": ["sat", "ran"], "id": "7"},
            Choice(id="7", prompt="the cat", choices=("sat", "ran")),
        ),
    ],
    "tag": [
        ("the cat sat", Tagged(id="", words=WORDS)),
        (["the", "cat", "sat"], Tagged(id="", words=WORDS)),
        (WORDS, Tagged(id="", words=WORDS)),
        ({"words": ["the", "cat", "sat"]}, Tagged(id="", words=WORDS)),
        ({"text": "the cat sat"}, Tagged(id="", words=WORDS)),
    ],
    "span": [
        (("where?", "on the mat"), Question(id="", question="where?", context="on the mat")),
        (
            {"question": "where?", "context": "on the mat"},
            Question(id="", question="where?", context="on the mat"),
        ),
    ],
    "embed": [
        ("the cat", Sentence(id="", text="the cat")),
        ({"text": "the cat"}, Sentence(id="", text="the cat")),
    ],
}
CASES = [(kind, plain, record) for kind, pairs in SAME.items() for plain, record in pairs]


@pytest.mark.parametrize(("kind", "plain", "record"), CASES)
def test_plain_values_predict_what_records_do(bundles, kind, plain, record):
    engine = Engine.open(bundles[kind], threads=1)
    found, wanted = engine.predict([plain, record])
    assert repr(found) == repr(wanted)
    (alone,) = engine.predict([plain])
    assert repr(alone) == repr(wanted)


def test_one_string_alone_is_one_item_and_not_its_letters(bundles):
    assert len(Engine.open(bundles["pair"]).predict("the cat")) == 1
    assert Engine.open(bundles["embed"]).encode("the cat").shape[0] == 1


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("pair", ("a", "b", "c")), ("pair", {"texts": "a"}), ("pair", 7), ("pair", {}),
        ("choice", "a text"), ("choice", ("prompt", "ab")), ("choice", {"prompt": "a"}),
        ("tag", {"sentence": "a"}), ("span", "where?"), ("span", ("where?",)),
        ("span", {"question": "where?", "text": "here"}), ("embed", ("a", "b")),
        ("embed", {"sentence": "a"}), ("tag", {"words": "abc"}), ("span", None),
    ],
)  # fmt: skip
def test_other_values_are_refused_with_the_forms(kind, item):
    fine = SAME[kind][0][0]
    with pytest.raises(DataError, match="item 1: ") as caught:
        examples_of(kind, [fine, item])
    assert caught.value.hint in {f"give {KINDS[kind].written}", "put the texts into a list"}


def test_a_text_that_is_no_text_is_refused_before_anything_runs(bundles):
    engine = Engine.open(bundles["pair"])
    with pytest.raises(DataError, match="item 0: a text is needed, not int"):
        engine.predict([("a", 7)])


def test_encode_gives_vectors_in_one_call(bundles):
    engine = Engine.open(bundles["embed"], threads=1)
    texts = ["the cat", "собака спит", "the cat"]
    vectors = engine.encode(texts)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, np.stack(engine.predict(texts)))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


@pytest.mark.parametrize("kind", ["pair", "tag", "embed"])
def test_an_engine_and_a_bundle_print_as_one_short_line(make_bundle, kind):
    folder = make_bundle(kind)
    for value, name in ((xlt.open(folder), "Engine"), (Bundle.open(folder), "Bundle")):
        text = repr(value)
        assert text.startswith(f"{name}({str(folder)!r}, task=")
        assert kind in text
        assert "\n" not in text
        assert len(text) < len(str(folder)) + 100
