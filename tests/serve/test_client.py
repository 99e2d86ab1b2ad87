"""The client against the real server: what it returns is what the engine computes."""

import numpy as np
import pytest

from xlt.client.api import Client
from xlt.core.errors import ModelError, UsageError
from xlt.core.tasks.examples import Choice, Pair, Question, Tagged
from xlt.core.tasks.table import TASKS
from xlt.serve.auth import Keys

PAIRS = [("The cat sleeps.", "An animal rests."), ("der Hund schläft", "собака спит")]
TEXTS = ["the cat sat", "der Hund schläft", "собака спит под столом", "🙂 astral"]
CONTEXT = "🙂 the cat sat on the mat and the dog sat on the cat. " * 20


@pytest.fixture
def client(server):
    with Client(server.url) as client:
        yield client


def test_classify(client, engines):
    (one, two) = client.classify(PAIRS)
    expected = engines["xnli"].predict([Pair(id="", text_a=a, text_b=b) for a, b in PAIRS])
    for found, label in zip((one, two), expected, strict=True):
        assert found.label == label.label
        assert list(found.scores.values()) == pytest.approx(label.probabilities, abs=1e-6)
        assert found.score == max(found.scores.values())
        assert not found.truncated


def test_single_texts_and_pairs_may_be_mixed(client):
    assert len(client.classify(["alone", PAIRS[0]])) == 2
    assert client.classify("alone") == client.classify(["alone"])


def test_choose(client, engines):
    question = ("the cat sat on", ("the mat", "the dog", "собака"))
    (found,) = client.choose([question])
    (expected,) = engines["csqa"].predict([Choice(id="", prompt=question[0], choices=question[1])])
    assert found.choice == expected.index
    assert found.text == question[1][expected.index]
    assert found.scores == pytest.approx(expected.probabilities, abs=1e-6)


def test_tag_of_words_and_of_text(client, engines):
    words = ("der", "Hund", "schläft")
    from_words, from_text = client.tag([words, "🙂 der Hund"])
    (expected,) = engines["panx"].predict([Tagged(id="", words=words)])
    assert [word.tag for word in from_words.words] == list(expected.tags)
    assert from_words.words[0].start is None
    assert [("🙂 der Hund")[word.start : word.end] for word in from_text.words] == [
        word.word for word in from_text.words
    ]
    for entity in from_text.entities:
        assert ("🙂 der Hund")[entity.start : entity.end] == entity.text
    assert client.tag([words], aggregation="none")[0].entities == []


def test_answer(client, engines):
    (found,) = client.answer([("who sat", CONTEXT)], top_k=5)
    (expected,) = engines["xquad"].predict([Question(id="", question="who sat", context=CONTEXT)])
    assert found.answerable == bool(expected.text)
    assert [answer.text for answer in found.answers] == [span.text for span in expected.n_best[:5]]
    for answer in found.answers:
        assert CONTEXT[answer.start : answer.end] == answer.text


def test_embed_gives_the_engines_vectors(client, engines):
    found = client.embed(TEXTS)
    assert found.dtype == np.float32 and found.flags.writeable
    np.testing.assert_allclose(found, engines["encoder"].embed(TEXTS), atol=1e-6)


def test_embed_with_fewer_dimensions(client):
    short = client.embed(TEXTS, dimensions=4)
    assert short.shape == (len(TEXTS), 4)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    with pytest.raises(UsageError, match="dimensions"):
        client.embed(TEXTS, dimensions=5)


def test_similarity(client, engines):
    vectors = engines["encoder"].embed(TEXTS).astype(np.float64)
    np.testing.assert_allclose(client.similarity(TEXTS), vectors @ vectors.T, atol=1e-6)
    np.testing.assert_allclose(
        client.similarity(TEXTS[:1], TEXTS[1:]), vectors[:1] @ vectors[1:].T, atol=1e-6
    )


def test_rerank(client):
    found = client.rerank(TEXTS[0], TEXTS)
    assert found[0].index == 0 and found[0].relevance_score == pytest.approx(1)
    assert sorted(entry.index for entry in found) == list(range(len(TEXTS)))
    assert client.rerank(TEXTS[0], TEXTS, top_n=2) == found[:2]


def test_bitext(client):
    found = client.bitext(TEXTS, TEXTS[::-1], k=2)
    assert {(match.source, match.target) for match in found} == {(0, 3), (1, 2), (2, 1), (3, 0)}
    assert client.bitext(TEXTS, TEXTS[::-1], k=2, threshold=1e9) == []


def test_long_texts_are_cut_as_asked(client):
    long = "cat " * 2000
    assert client.classify([long])[0].truncated
    with pytest.raises(UsageError, match="truncate"):
        client.classify([long], truncate="error")
    assert not np.array_equal(
        client.embed([long + "dog"], truncate="left"), client.embed([long], truncate="right")
    )


def test_models(client, bundles):
    models = {model.id: model for model in client.models()}
    assert set(models) == set(bundles)
    assert models["encoder"].dimensions == 16
    assert models["xnli"].labels == list(TASKS["xnli"].labels)
    assert models["panx"].routes == ["/v1/tag"]


def test_a_poison_input_is_named_and_costs_only_itself(client):
    good, bad = PAIRS[0], ("nanbomb", "nanbomb")
    label = client.classify([good])[0].label
    with pytest.raises(ModelError, match="1 of 3 inputs failed; input 1") as caught:
        client.classify([good, bad, good])
    results = caught.value.results
    assert [result and result.label for result in results] == [label, None, label]


def test_unknown_models_are_named_with_what_there_is(client):
    with pytest.raises(ModelError, match="encoder"):
        client.embed(TEXTS, model="encoders")


def test_ready_and_keys(run_server, bundles):
    locked = run_server({"xnli": bundles["xnli"]}, keys=Keys(["right"]))
    with Client(locked.url) as nobody, Client(locked.url, key="right") as somebody:
        assert nobody.ready() and somebody.ready()
        assert len(somebody.classify(["text"])) == 1
        with pytest.raises(UsageError, match="401") as caught:
            nobody.classify(["text"])
        assert "key=" in caught.value.hint
    locked.stop()
    assert not Client(locked.url).ready()
